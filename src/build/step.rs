//! What follows: pure functions from (state, observation) to (state, actions).
//!
//! [`wanted`] reads from a state alone what is to be done next, so nothing that was planned can be lost with the
//! process that planned it. [`step`] takes in what was observed. Whoever drives them stores each new state *before*
//! it does what that state wants:
//!
//! ```text
//! Awaiting -> Checking -> Intended -> Submitting -> Following -> Validating -> Tagging -> Ended -> (told)
//!                 ^            ^__________/ no answer                             
//!                 |________ our task failed: has somebody else's won? ... Resting: another try
//! ```
//!
//! **Why there are never two tasks of one try.** A submission leaves only from `Submitting`, and `Submitting` is
//! reached only from `Intended` by a search that found nothing. Whoever wakes up in `Submitting` goes back to
//! `Intended`, with a doubt: then a search that finds nothing counts only when it was made long enough
//! ([`Policy::settle`]) after the submission for that to have arrived.
//!
//! **Why none is forgotten.** Every state but an ending that was told wants something.

use std::time::Duration;

use jiff::Timestamp;

use super::ending::{Built, By, Ending, Failure, Refused, Side};
use super::order::{TagLabel, TaskId};
use super::state::{Build, Cancel, Policy, Stage};
use crate::names::PackageName;

/// What is to be done next. Each may be done twice without harm, `Submit` aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Look whether these packages are built.
    AskOthers(Vec<PackageName>),
    /// Ask whether it may be built, and is built already.
    Check,
    /// Search for the task of this try, or with [`Policy::starts`] unset for anybody's of this commit.
    Find,
    /// Submit it.
    Submit,
    /// Ask how the task stands.
    Poll(TaskId),
    /// Stop the task.
    Cancel(TaskId),
    /// Have the build validated.
    Validate(Built),
    /// Look whether the build has the tag, and how the task that puts it on stands.
    LookForTag {
        /// The build.
        build: Built,
        /// The wanted tag.
        tag: TagLabel,
        /// The task that puts it on, once asked for.
        tagger: Option<TaskId>,
    },
    /// Tell people how it ended.
    Tell,
    /// Nothing before this time.
    WaitUntil(Timestamp),
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// A process took this build up, not knowing what the one before it did last.
    Woken,
    /// Time went by.
    Tick,
    /// How the packages stand that come first.
    Others(Others),
    /// Whether it may be built.
    Checked(Check),
    /// What the search found.
    Found(Option<TaskId>),
    /// What became of the submission.
    Sent(Submission),
    /// How the task stands.
    Polled(Seen),
    /// Whether the build is good.
    Validated(Result<(), Refused>),
    /// Whether the tag is there.
    Tag(TagSeen),
    /// The build system was told to stop the task.
    CancelSent,
    /// Someone wants it stopped.
    CancelAsked,
    /// Someone wants it tried again.
    RetryAsked,
    /// People were told.
    Told,
}

/// How the packages stand that come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Others {
    /// All are built.
    Built,
    /// Some are not yet.
    NotYet,
    /// One of them failed, and no waiting helps.
    Failed(PackageName),
}

/// Whether a build may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It may.
    Clear,
    /// The NVR is built already, from this very commit.
    Done {
        /// The build.
        build: Built,
        /// The task that made it, where there was one.
        task: Option<TaskId>,
    },
    /// The NVR is being built from this very commit.
    Building(TaskId),
    /// It may not.
    Refused(Refused),
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// It is a task now.
    Accepted(TaskId),
    /// It surely did not arrive, so it can be sent again.
    NotSent,
    /// Nobody knows: no answer came.
    Doubtful,
    /// It was refused for good.
    Refused(Refused),
}

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Waiting or at work; a task may go from one to the other and back.
    Running,
    /// Done; scratch builds leave no build.
    Succeeded(Option<Built>),
    /// Failed.
    Failed(Failure),
    /// Stopped.
    Cancelled,
    /// The build system knows no such task (any more).
    Missing,
}

/// Whether a tag is on a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagSeen {
    /// It is.
    Present,
    /// Not yet.
    Absent,
    /// It was asked for now, and this task puts it on.
    Asked(TaskId),
    /// The build system does not put it on.
    Refused(Refused),
}

/// Returns what a state wants done, in this order.
pub fn wanted(build: &Build, now: Timestamp) -> Vec<Action> {
    match &build.stage {
        Stage::Awaiting => vec![Action::AskOthers(build.order.after.clone())],
        Stage::Checking { .. } => vec![Action::Check],
        Stage::Intended { .. } => vec![Action::Find],
        Stage::Submitting { .. } => vec![Action::Submit],
        Stage::Following { task, by } => match (build.cancel, by) {
            (Cancel::Asked, By::Us) => {
                vec![Action::Cancel(task.clone()), Action::Poll(task.clone())]
            }
            _ => vec![Action::Poll(task.clone())],
        },
        Stage::Validating { build, .. } => vec![Action::Validate(build.clone())],
        Stage::Tagging { build, tag, tagger, .. } => {
            let (build, tag, tagger) = (build.clone(), tag.clone(), tagger.clone());
            vec![Action::LookForTag { build, tag, tagger }]
        }
        Stage::Resting { until, .. } if now < *until => vec![Action::WaitUntil(*until)],
        Stage::Resting { .. } => Vec::new(),
        Stage::Ended { .. } if build.told => Vec::new(),
        Stage::Ended { .. } => vec![Action::Tell],
    }
}

/// Takes in what was seen, and returns the new state and what it wants.
///
/// What does not fit the state (an answer that came late, a tick) changes nothing.
pub fn step(
    build: Build,
    seen: Observation,
    policy: &Policy,
    now: Timestamp,
) -> (Build, Vec<Action>) {
    let build = taken_in(build, seen, policy, now);
    let actions = wanted(&build, now);
    (build, actions)
}

fn taken_in(build: Build, seen: Observation, policy: &Policy, now: Timestamp) -> Build {
    match (build.stage.clone(), seen) {
        (_, Observation::CancelAsked) => cancel_asked(build),
        (Stage::Ended { ending }, Observation::RetryAsked) => retried(build, &ending),
        (Stage::Ended { .. }, Observation::Told) => Build { told: true, ..build },
        (Stage::Submitting { at }, Observation::Woken) => intended(build, Some(at)),
        (Stage::Awaiting, Observation::Others(others)) => others_seen(build, others),
        (Stage::Checking { failed }, Observation::Checked(check)) => {
            checked(build, check, failed, policy, now)
        }
        (Stage::Intended { doubt }, Observation::Found(found)) => {
            found_by_search(build, found, doubt, policy, now)
        }
        (Stage::Submitting { at }, Observation::Sent(submission)) => sent(build, submission, at),
        (Stage::Following { task, by }, Observation::Polled(seen)) => {
            polled(build, task, by, seen, policy, now)
        }
        (Stage::Following { .. }, Observation::CancelSent) => {
            Build { cancel: Cancel::Sent, ..build }
        }
        (Stage::Validating { build: built, task, by }, Observation::Validated(verdict)) => {
            match verdict {
                Ok(()) => after_validation(build, built, task, by),
                Err(refused) => ended(build, Ending::Refused { refused }),
            }
        }
        (Stage::Tagging { .. }, Observation::Tag(seen)) => tag_seen(build, seen),
        (Stage::Resting { until, .. }, Observation::Tick | Observation::Woken) if now >= until => {
            at(Build { attempt: build.attempt + 1, ..build }, Stage::Checking { failed: None })
        }
        _ => build,
    }
}

fn at(build: Build, stage: Stage) -> Build {
    Build { stage, ..build }
}

fn ended(build: Build, ending: Ending) -> Build {
    at(build, Stage::Ended { ending })
}

fn intended(build: Build, doubt: Option<Timestamp>) -> Build {
    at(build, Stage::Intended { doubt })
}

fn following(build: Build, task: TaskId, by: By) -> Build {
    at(build, Stage::Following { task, by })
}

/// Ends what has no task of ours at work. Where one may be about, it is found first.
fn cancel_asked(build: Build) -> Build {
    let not_at_work = matches!(
        build.stage,
        Stage::Awaiting
            | Stage::Checking { failed: None }
            | Stage::Intended { doubt: None }
            | Stage::Following { by: By::Others, .. }
            | Stage::Validating { .. }
            | Stage::Resting { .. }
    );
    match &build.stage {
        Stage::Ended { .. } => build,
        _ if not_at_work => ended(build, Ending::Cancelled { task: None, asked: true }),
        _ if build.cancel == Cancel::No => Build { cancel: Cancel::Asked, ..build },
        _ => build,
    }
}

/// Begins a new try after an ending that a person may want to try again.
fn retried(build: Build, ending: &Ending) -> Build {
    if matches!(ending, Ending::Succeeded { .. }) {
        return build;
    }
    let build =
        Build { attempt: build.attempt + 1, spoiled: 0, cancel: Cancel::No, told: false, ..build };
    at(build, Stage::Checking { failed: None })
}

fn others_seen(build: Build, others: Others) -> Build {
    match others {
        Others::Built => at(build, Stage::Checking { failed: None }),
        Others::NotYet => build,
        Others::Failed(package) => {
            let refused = Refused::new(
                "build-after-failed",
                format!("{package}, which is to be built first, is not built"),
                format!("mend {package}, then retry"),
            );
            ended(build, Ending::Refused { refused })
        }
    }
}

fn checked(
    build: Build,
    check: Check,
    failed: Option<Failure>,
    policy: &Policy,
    now: Timestamp,
) -> Build {
    match (check, failed) {
        (Check::Done { build: built, task }, _) => succeeded(build, Some(built), task, By::Others),
        (Check::Building(task), _) => following(build, task, By::Others),
        (_, Some(failure)) => failed_for_good(build, failure, policy, now),
        (Check::Clear, None) => intended(build, None),
        (Check::Refused(refused), None) => ended(build, Ending::Refused { refused }),
    }
}

fn found_by_search(
    build: Build,
    found: Option<TaskId>,
    doubt: Option<Timestamp>,
    policy: &Policy,
    now: Timestamp,
) -> Build {
    let by = if policy.starts { By::Us } else { By::Others };
    match (found, doubt) {
        (Some(task), _) => following(build, task, by),
        (None, Some(sent)) if now < later(sent, policy.settle) => build,
        (None, _) if build.cancel != Cancel::No => {
            ended(build, Ending::Cancelled { task: None, asked: true })
        }
        (None, _) if policy.starts => at(build, Stage::Submitting { at: now }),
        (None, _) => build,
    }
}

fn sent(build: Build, submission: Submission, at: Timestamp) -> Build {
    match submission {
        Submission::Accepted(task) => following(build, task, By::Us),
        Submission::NotSent => intended(build, None),
        Submission::Doubtful => intended(build, Some(at)),
        Submission::Refused(refused) => ended(build, Ending::Refused { refused }),
    }
}

fn polled(
    build: Build,
    task: TaskId,
    by: By,
    seen: Seen,
    policy: &Policy,
    now: Timestamp,
) -> Build {
    let again = |build| at(build, Stage::Checking { failed: None });
    match (seen, by) {
        (Seen::Running, _) => build,
        (Seen::Succeeded(built), by) => succeeded(build, built, Some(task), by),
        // The NVR is free again, or was never taken: the search tells which of our tasks there were.
        (Seen::Missing, _) => again(build),
        (Seen::Failed(_) | Seen::Cancelled, By::Others) if policy.starts => again(build),
        (Seen::Failed(failure), By::Us) if build.nvr.is_some() => {
            at(build, Stage::Checking { failed: Some(failure) })
        }
        (Seen::Failed(failure), _) => failed_for_good(build, failure, policy, now),
        (Seen::Cancelled, _) => {
            let asked = build.cancel != Cancel::No;
            ended(build, Ending::Cancelled { task: Some(task), asked })
        }
    }
}

fn failed_for_good(build: Build, failure: Failure, policy: &Policy, now: Timestamp) -> Build {
    match failure.side {
        Side::Package => ended(build, Ending::FailedByPackage { failure }),
        Side::Infrastructure if build.cancel != Cancel::No => {
            ended(build, Ending::Cancelled { task: failure.task, asked: true })
        }
        Side::Infrastructure if !policy.starts || build.spoiled + 1 >= policy.tries => {
            ended(build, Ending::FailedByInfrastructure { failure })
        }
        Side::Infrastructure => {
            let rest = policy.rest.saturating_mul(1 << build.spoiled.min(8));
            let until = later(now, rest);
            let build = Build { spoiled: build.spoiled + 1, ..build };
            at(build, Stage::Resting { until, failure })
        }
    }
}

/// A build is there: it is validated and tagged, where that is asked for. Scratch builds cannot be.
fn succeeded(build: Build, built: Option<Built>, task: Option<TaskId>, by: By) -> Build {
    match built {
        Some(built) if build.order.validate => {
            at(build, Stage::Validating { build: built, task, by })
        }
        Some(built) => after_validation(build, built, task, by),
        None => ended(build, Ending::Succeeded { build: None, task, by }),
    }
}

fn after_validation(build: Build, built: Built, task: Option<TaskId>, by: By) -> Build {
    match build.order.tag.clone() {
        Some(tag) => at(build, Stage::Tagging { build: built, task, by, tag, tagger: None }),
        None => ended(build, Ending::Succeeded { build: Some(built), task, by }),
    }
}

fn tag_seen(build: Build, seen: TagSeen) -> Build {
    let Stage::Tagging { build: built, task, by, tag, tagger } = build.stage.clone() else {
        return build;
    };
    match seen {
        TagSeen::Present => ended(build, Ending::Succeeded { build: Some(built), task, by }),
        TagSeen::Absent => build,
        TagSeen::Asked(asked) => {
            let tagger = tagger.or(Some(asked));
            at(build, Stage::Tagging { build: built, task, by, tag, tagger })
        }
        TagSeen::Refused(refused) => ended(build, Ending::Refused { refused }),
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    // The end of time is as good as any later moment.
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
