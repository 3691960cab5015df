//! What a report means for the queue. Pure.

use jiff::Timestamp;

use crate::database::{Next, RunOutcome};
use crate::outcome::Lasting;
use crate::queue::{DependencyKind, Retry};
use crate::report::{Exit, Outcome, Report};

/// Returns the outcome as the history keeps it.
pub fn outcome(report: &Report) -> RunOutcome {
    let code = || report.reason.as_ref().map_or(String::new(), |reason| reason.code.to_string());
    match report.outcome {
        Outcome::Landed => RunOutcome::Landed,
        // Nothing that a service asks for ends by the last three.
        Outcome::UpToDate | Outcome::Previewed | Outcome::Populated | Outcome::Accepted => {
            RunOutcome::UpToDate
        }
        Outcome::NotForUs => RunOutcome::NotForUs { code: code() },
        Outcome::Held => RunOutcome::Held { code: code() },
        Outcome::Refused => RunOutcome::Refused { code: code() },
        Outcome::Failed => RunOutcome::Failed { code: code() },
    }
}

/// Returns what comes next.
///
/// `attempts` failures counted before; `was_up` tells whether what failed was known to be up, without which the failure
/// says nothing about the job. What is held goes back to the queue, where its switch holds it.
pub fn next(report: &Report, attempts: u32, was_up: bool, jitter: f64, now: Timestamp) -> Next {
    match (report.outcome, report.exit) {
        (Outcome::Held, _) => Next::RetryAt { at: now, attempts },
        (Outcome::Failed, Exit::TryAgain) => later(report, attempts, was_up, jitter, now),
        (Outcome::Refused | Outcome::Failed, _) => Next::WaitForEvent,
        _ => Next::Done,
    }
}

fn later(report: &Report, attempts: u32, was_up: bool, jitter: f64, now: Timestamp) -> Next {
    let kind = dependency(report).unwrap_or(DependencyKind::Ourselves);
    match kind.backoff().next(Lasting::Temporary, attempts, was_up, jitter, now) {
        Retry::At { at, attempts } => Next::RetryAt { at, attempts },
        Retry::WaitForEvent => Next::WaitForEvent,
    }
}

/// Returns what a failed run leaned on that did not hold; `None` where it did not fail for a while only.
pub fn dependency(report: &Report) -> Option<DependencyKind> {
    let failed = (report.outcome, report.exit) == (Outcome::Failed, Exit::TryAgain);
    let code = report.reason.as_ref().map(|reason| reason.code);
    code.filter(|_| failed).map(DependencyKind::of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Problem, Refusal};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn came_to(outcome: Outcome) -> Report {
        Report::new(None, outcome)
    }

    #[test]
    fn what_comes_next_follows_from_whose_move_it_is() {
        let refused = came_to(Outcome::Refused).fault(&Refusal::new("unsigned-tip", "x").into());
        let broken = came_to(Outcome::Failed).fault(&Problem::permanent("x-y", "x").into());
        let mut held = came_to(Outcome::Landed);
        held.hold("all is paused by ops: a rebuild".to_owned());
        let table = [
            (came_to(Outcome::Landed), Next::Done),
            (came_to(Outcome::UpToDate), Next::Done),
            (came_to(Outcome::NotForUs), Next::Done),
            (refused, Next::WaitForEvent),
            (broken, Next::WaitForEvent),
            (held, Next::RetryAt { at: NOW, attempts: 2 }),
        ];
        for (report, wanted) in table {
            assert_eq!(next(&report, 2, true, 0.5, NOW), wanted, "{report:?}");
        }
    }

    #[test]
    fn what_time_mends_is_tried_again_and_counted_while_its_dependency_is_up() {
        let problem = Problem::temporary("push-unreachable", "no route");
        let failed = came_to(Outcome::Failed).fault(&problem.into());
        assert_eq!(dependency(&failed), Some(DependencyKind::DistGit));
        for (was_up, counted) in [(true, 3), (false, 2)] {
            let Next::RetryAt { at, attempts } = next(&failed, 2, was_up, 0.5, NOW) else {
                panic!("it is tried again");
            };
            assert!(at > NOW);
            assert_eq!(attempts, counted);
        }
    }
}
