//! Every sentence about an outcome, in one place.

use super::{ArchiveLine, Outcome, Report};
use crate::outcome::{Refusal, printable};

/// Describes a report for a terminal: what came of it, why, and what to do next.
pub fn describe(report: &Report) -> String {
    let mut lines = vec![headline(report)];
    lines.extend(reason(report));
    lines.extend(details(report));
    lines.extend(report.warnings.iter().map(|warning| row("warning", &block(warning))));
    lines.join("\n") + "\n"
}

/// Describes a refusal that belongs to no branch: a message, and the next move.
pub fn refusal_words(refusal: &Refusal) -> String {
    match refusal.hint.is_empty() {
        true => format!("{} [{}]", refusal.message, refusal.code),
        false => format!("{} [{}]\n  to mend it: {}", refusal.message, refusal.code, refusal.hint),
    }
}

fn headline(report: &Report) -> String {
    let place = match (&report.package, &report.branch, &report.source_commit) {
        (Some(package), Some(branch), _) => format!("{package}#{branch}"),
        (Some(package), None, _) => package.to_string(),
        (None, _, Some(commit)) => format!("commit {commit}"),
        (None, _, None) => "the tip".to_owned(),
    };
    let evr = report.evr.as_deref().map_or(String::new(), |evr| format!(" {evr}"));
    match report.outcome {
        Outcome::Landed => format!("landed: {place}{evr}"),
        Outcome::Previewed => format!("would land: {place}{evr}"),
        Outcome::Populated => format!("populated: {place}{evr}"),
        Outcome::UpToDate => format!("up to date: {place}{evr} is published already"),
        Outcome::NotForUs => format!("not for us: {place}"),
        Outcome::Held => format!("held: {place}"),
        Outcome::Refused => format!("refused: {place}"),
        Outcome::Failed => format!("failed: {place}"),
        Outcome::Accepted => format!("accepted: {place}"),
    }
}

fn reason(report: &Report) -> Vec<String> {
    let Some(reason) = &report.reason else { return Vec::new() };
    let mut lines = vec![row("why", &format!("{} [{}]", block(&reason.message), reason.code))];
    if !reason.hint.is_empty() {
        lines.push(row("to do", &block(&reason.hint)));
    }
    lines
}

fn details(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    let signer =
        report.signer.as_ref().map_or(String::new(), |signer| format!(", signed by {signer}"));
    lines.extend(report.source_commit.map(|id| row("source", &format!("{id}{signer}"))));
    lines.extend(report.release_tag.as_ref().map(|tag| row("tag", tag.as_str())));
    lines.extend(report.archives.iter().map(|archive| row("archive", &describe_archive(archive))));
    if !report.patches.is_empty() {
        lines.push(row(
            "patches",
            &format!("{}: {}", report.patches.len(), some_of(&report.patches)),
        ));
    }
    lines.extend(report.dist_git_commit.map(|id| row("dist-git", &id.to_string())));
    lines
}

fn describe_archive(archive: &ArchiveLine) -> String {
    let size = archive.size.map_or("kept".to_owned(), |size| format!("{size} bytes"));
    format!("{} ({size}, sha512 {}…)", archive.name, &archive.sha512[..16])
}

fn some_of(names: &[String]) -> String {
    let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    match names.len() {
        0..=5 => shown,
        count => format!("{shown} and {} more", count - 5),
    }
}

fn row(label: &str, text: &str) -> String {
    format!("  {label:<9}{text}")
}

/// Makes a text of several lines harmless and indents what follows the first.
fn block(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| printable(line, 1000)).collect();
    lines.join("\n           ")
}
