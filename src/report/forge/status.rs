//! A commit status: one word and one line. Pure.

use crate::forge::State;
use crate::outcome::printable;
use crate::report::{Exit, Outcome, Report};

/// Returns how a run stands.
///
/// What is tried again by itself is still waiting: people are told of its end, not of each attempt.
pub fn state(report: &Report) -> State {
    match report.outcome {
        Outcome::Landed
        | Outcome::Previewed
        | Outcome::Populated
        | Outcome::UpToDate
        | Outcome::Accepted => State::Passed,
        Outcome::NotForUs => State::NothingToDo,
        Outcome::Held => State::Queued,
        Outcome::Refused => State::MustAct,
        Outcome::Failed if report.exit == Exit::TryAgain => State::Queued,
        Outcome::Failed => State::Broken,
    }
}

/// Describes a run in one line of plain text; the forge cuts it to its own limit.
pub fn description(report: &Report) -> String {
    let evr = report.evr.as_deref().unwrap_or("the tip");
    let place = match (&report.package, &report.branch) {
        (Some(package), Some(branch)) => format!("{package} {branch}"),
        _ => "dist-git".to_owned(),
    };
    match report.outcome {
        Outcome::Landed => format!("Published {evr} in {place}"),
        Outcome::UpToDate => format!("Up to date: {evr} is published in {place}"),
        Outcome::Previewed => format!("Would publish {evr} in {place}"),
        Outcome::Populated => format!("Populated {evr} for {place}"),
        Outcome::Accepted => "The tip may go through".to_owned(),
        Outcome::NotForUs => format!("Nothing to do in {place}{}", because(report)),
        Outcome::Held => format!("Waiting{}", because(report)),
        Outcome::Refused => format!("Not published in {place}{}", because(report)),
        Outcome::Failed if report.exit == Exit::TryAgain => {
            format!("Trying again{}", because(report))
        }
        Outcome::Failed => format!("Failed for {place}{}", because(report)),
    }
}

/// Returns code and first line of the reason.
fn because(report: &Report) -> String {
    let Some(reason) = &report.reason else { return String::new() };
    let first = reason.message.lines().next().unwrap_or_default();
    format!(" ({}): {}", reason.code, printable(first, 300))
}
