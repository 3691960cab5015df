//! The text of a comment, an issue and a mail. Pure.

use url::Url;

use super::escape::{block, code, prose, verbatim};
use super::shell::command;
use crate::names::{BranchName, InstanceName, PackageName, RepositoryAddress};
use crate::outcome::printable;
use crate::report::{Exit, Outcome, Report, describe};

/// What a text is about.
#[derive(Debug, Clone, Copy)]
pub struct Matter<'a> {
    /// The dist-git branch's package.
    pub package: &'a PackageName,
    /// The dist-git branch.
    pub branch: &'a BranchName,
    /// What came of the run.
    pub report: &'a Report,
    /// The dist-git repository, for those who want to try it at home.
    pub dist_git: Option<&'a RepositoryAddress>,
    /// The run's page.
    pub page: Option<&'a Url>,
    /// Whom a note mentions.
    pub mention: &'a [String],
}

/// The most lines of a message that stand in the open; the rest is folded.
const OPEN_LINES: usize = 10;
/// The most lines that are folded.
const FOLDED_LINES: usize = 60;
/// The most characters of a folded line.
const LINE: usize = 160;
/// The most characters of a line in the open.
const OPEN_LINE: usize = 500;
/// The most characters of a note; GitHub takes 65,536.
const NOTE: usize = 60_000;

/// Returns the hidden line by which the note about a branch and cause is found again.
///
/// It holds nothing that could end an HTML comment, and stands on a line of its own.
pub fn marker(
    instance: &InstanceName,
    package: &PackageName,
    branch: &BranchName,
    cause: &str,
) -> String {
    let name = format!("{instance}/{package}/{branch}:{cause}");
    let mut safe = String::new();
    for byte in name.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"._/:+".contains(&byte);
        let is_lone_dash = byte == b'-' && !safe.ends_with('-');
        match is_plain || is_lone_dash {
            true => safe.push(char::from(byte)),
            false => safe.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("<!-- lockkeeper:{safe} -->")
}

/// Writes a note: the body of a comment or an issue.
pub fn note(matter: &Matter<'_>, marker: &str) -> String {
    let mut parts = vec![marker.to_owned(), headline(matter)];
    if !matter.mention.is_empty() {
        let names: Vec<String> = matter.mention.iter().map(|name| format!("@{name}")).collect();
        parts.push(format!("For {}", names.join(" ")));
    }
    parts.extend(body(matter));
    joined(parts)
}

/// Joins the parts of a note; the longest that is folded goes where all together is too long.
fn joined(mut parts: Vec<String>) -> String {
    while parts.iter().map(|part| part.chars().count() + 2).sum::<usize>() > NOTE {
        let folded = parts.iter().enumerate().filter(|(_, part)| part.starts_with("<details>"));
        let Some((longest, _)) = folded.max_by_key(|(_, part)| part.len()) else { break };
        parts.remove(longest);
    }
    parts.join("\n\n") + "\n"
}

/// Writes the same for a check run, which needs no marker and mentions nobody.
pub fn summary(matter: &Matter<'_>) -> String {
    joined(std::iter::once(headline(matter)).chain(body(matter)).collect())
}

/// Writes what a note is edited to when its cause is gone: what it was, and what came of it.
pub fn mended(matter: &Matter<'_>, cause: &str, marker: &str) -> String {
    let place = place(matter);
    let now = match matter.report.outcome {
        Outcome::Landed | Outcome::UpToDate => match &matter.report.evr {
            Some(evr) => format!("{} is published", code(evr, 100)),
            None => "the tip is published".to_owned(),
        },
        Outcome::NotForUs => "the branch is no longer tracked".to_owned(),
        _ => "something else keeps it from being published now".to_owned(),
    };
    let from = matter.report.source_commit.map(|id| format!(" from {}", code(&id.to_string(), 64)));
    let text = format!(
        "**Mended:** {place} was stopped by {}; now {now}{}.",
        code(cause, 100),
        from.unwrap_or_default()
    );
    format!("{marker}\n\n{text}\n")
}

/// Writes the headline of an issue, in plain text: nothing of it is hostile.
pub fn issue_title(matter: &Matter<'_>) -> String {
    let code = matter.report.reason.as_ref().map_or("", |reason| reason.code.0);
    format!(
        "{} is not published in dist-git branch {}: {code}",
        matter.package, matter.branch
    )
}

/// Writes the subject of a mail: one line.
pub fn subject(matter: &Matter<'_>) -> String {
    let reason = matter.report.reason.as_ref();
    let why = reason.map_or_else(String::new, |reason| format!(": {}", reason.code));
    let what = match matter.report.outcome {
        Outcome::Landed | Outcome::UpToDate => "published again",
        Outcome::Refused => "not published",
        Outcome::Failed => "failed",
        _ => "looked at",
    };
    printable(format!("[lockkeeper] {} {}: {what}{why}", matter.package, matter.branch), 200)
}

/// Writes the text of a mail.
pub fn letter(matter: &Matter<'_>) -> String {
    let mut parts = vec![describe(matter.report)];
    if must_act(matter.report) {
        if let Some(line) = try_at_home(matter) {
            parts.push(format!("To try it at home:\n\n  {line}\n"));
        }
        parts.push(format!("{}\n", again(matter, |text| text.to_owned())));
    }
    parts.extend(matter.page.map(|page| format!("More: {page}\n")));
    parts.join("\n")
}

/// Tells whether a person must act.
fn must_act(report: &Report) -> bool {
    report.outcome == Outcome::Refused
        || (report.outcome == Outcome::Failed && report.exit == Exit::Failed)
}

fn place(matter: &Matter<'_>) -> String {
    let (package, branch) = (code(matter.package.as_str(), 130), code(matter.branch.as_str(), 250));
    format!("{package}, dist-git branch {branch},")
}

/// The first line: what came of it, and where.
fn headline(matter: &Matter<'_>) -> String {
    let report = matter.report;
    let from = report.source_commit.map(|id| format!(" from commit {}", code(&id.to_string(), 64)));
    let from = from.unwrap_or_default();
    let place = place(matter);
    let evr = code(report.evr.as_deref().unwrap_or("the tip"), 200);
    match report.outcome {
        Outcome::Landed => format!("**Published:** {place} has {evr}{from}."),
        Outcome::UpToDate => format!("**Up to date:** {place} has {evr}{from} already."),
        Outcome::Refused => format!("**Not published:** {place} cannot be updated{from}."),
        Outcome::Failed if report.exit == Exit::TryAgain => {
            format!(
                "**Waiting:** {place} could not be updated{from} yet; it is tried again by itself."
            )
        }
        Outcome::Failed => format!("**Failed:** {place} could not be updated{from}."),
        Outcome::Held => format!("**Waiting:** {place} is held{from}."),
        Outcome::NotForUs => format!("**Nothing to do:** {place} is not tracked."),
        Outcome::Previewed | Outcome::Populated | Outcome::Accepted => {
            format!("**Looked at:** {place} would have {evr}{from}.")
        }
    }
}

/// Everything after the headline.
fn body(matter: &Matter<'_>) -> Vec<String> {
    let mut parts = found(matter.report);
    parts.extend(folded("Warnings", &matter.report.warnings.join("\n")));
    parts.extend(folded("Patches", &matter.report.patches.join("\n")));
    if must_act(matter.report) {
        if let Some(line) = try_at_home(matter) {
            parts.push(format!("**To try it at home:**\n\n{}", verbatim(&line)));
        }
        parts.push(again(matter, |text| code(text, 300)));
    }
    parts.extend(matter.page.map(|page| format!("[The whole run](<{page}>)")));
    parts
}

/// What was found, and what would make it pass.
fn found(report: &Report) -> Vec<String> {
    let Some(reason) = &report.reason else { return Vec::new() };
    let mut parts = vec![format!("**What was found** ({}):", code(reason.code.0, 100))];
    let open: Vec<&str> = reason.message.lines().take(OPEN_LINES).collect();
    parts.push(quoted(&open.join("\n")));
    let rest: Vec<&str> = reason.message.lines().skip(OPEN_LINES).collect();
    parts.extend(folded("The rest of it", &rest.join("\n")));
    if !reason.hint.trim().is_empty() {
        let hint: Vec<&str> = reason.hint.lines().take(OPEN_LINES).collect();
        parts.push(format!("**What would make it pass:**\n\n{}", quoted(&hint.join("\n"))));
    }
    parts
}

/// Quotes lines of prose, each on a line of its own.
fn quoted(text: &str) -> String {
    let lines: Vec<String> =
        prose(text, OPEN_LINE).iter().map(|line| format!("> {line}")).collect();
    lines.join("  \n")
}

/// Folds a long text away; nothing where there is none.
fn folded(title: &str, text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return None;
    }
    let count = text.lines().count();
    let text = block(text, FOLDED_LINES, LINE);
    Some(format!("<details><summary>{title} ({count})</summary>\n\n{text}\n\n</details>"))
}

/// Returns the command that does the same at home, without landing.
fn try_at_home(matter: &Matter<'_>) -> Option<String> {
    let (package, branch) = (matter.package.as_str(), matter.branch.as_str());
    let dist_git = matter.dist_git?.to_string();
    let words = ["lockkeeper", "preview", "--dist-git", &dist_git, "--branch", branch];
    let rest = ["--package", package, "--output", "lockkeeper-preview"];
    Some(command(words.into_iter().chain(rest)))
}

/// Says how to have it tried again.
fn again(matter: &Matter<'_>, code: impl Fn(&str) -> String) -> String {
    let sync = command(["lockkeeper", "sync", matter.package.as_str(), matter.branch.as_str()]);
    let source = matter.report.audience.as_ref().map(|audience| audience.source.branch.as_str());
    let push = match source {
        Some(source) => format!("the next push to {}", code(source)),
        None => "the next push to source-git".to_owned(),
    };
    format!(
        "It is tried again with {push} or to dist-git's {}; on the service's host, {} does it now.",
        code(matter.branch.as_str()),
        code(&sync)
    )
}
