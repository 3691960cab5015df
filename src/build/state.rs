//! One build on its way: a plain value that is stored after each step, and says by itself what comes next.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ending::{Built, By, Ending, Failure};
use super::moment;
use super::order::{BuildOrder, Nvr, RunId, TagLabel, TargetLabel, TaskId};

/// One landed commit on its way through one build target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// What is to be built.
    pub order: BuildOrder,
    /// Against which target.
    pub target: TargetLabel,
    /// What it will be called; `None` where only the build system can tell (an automatic release).
    pub nvr: Option<Nvr>,
    /// Which try this is, from 1 on; each has a run id of its own.
    pub attempt: u32,
    /// How many tries the build system itself has spoiled since a person last asked.
    pub spoiled: u32,
    /// Whether it is to be stopped.
    pub cancel: Cancel,
    /// Where it stands.
    pub stage: Stage,
    /// Whether people have been told how it ended.
    pub told: bool,
}

/// Whether a build is to be stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cancel {
    /// It goes on.
    #[default]
    No,
    /// Someone asked.
    Asked,
    /// The build system was told.
    Sent,
}

/// Where a build stands. Each holds all that is needed to go on from there after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum Stage {
    /// Other packages are to be built first.
    Awaiting,
    /// Nothing is asked of the build system yet: may it be built, and is it built already?
    Checking {
        /// Our own task failed; somebody else's may have won in the meantime.
        failed: Option<Failure>,
    },
    /// The intent is on record. The build system is searched for this run's task before anything is submitted.
    Intended {
        /// A submission went out at this time, and no answer came: the task may still turn up.
        #[serde(with = "moment::maybe")]
        doubt: Option<Timestamp>,
    },
    /// The submission goes out now. Whoever finds this on record after a crash must doubt.
    Submitting {
        /// When.
        #[serde(with = "moment")]
        at: Timestamp,
    },
    /// A task is at work.
    Following {
        /// The task.
        task: TaskId,
        /// Who started it.
        by: By,
    },
    /// Built; its validation is under way.
    Validating {
        /// The build.
        build: Built,
        /// The task that made it, where one is known.
        task: Option<TaskId>,
        /// Who started it.
        by: By,
    },
    /// Built, and good; the wanted tag is awaited.
    Tagging {
        /// The build.
        build: Built,
        /// The task that made it, where one is known.
        task: Option<TaskId>,
        /// Who started it.
        by: By,
        /// The wanted tag.
        tag: TagLabel,
        /// The task that puts it on, once asked for.
        tagger: Option<TaskId>,
    },
    /// The build system spoiled a try; there will be another.
    Resting {
        /// When.
        #[serde(with = "moment")]
        until: Timestamp,
        /// What is known of the spoiled one.
        failure: Failure,
    },
    /// It is over.
    Ended {
        /// How.
        ending: Ending,
    },
}

/// Numbers that an operator may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long after a lost answer a task may still turn up: longer than any request lives on its way.
    pub settle: Duration,
    /// How many tries the build system may spoil.
    pub tries: u32,
    /// The rest before the second try; it doubles each time.
    pub rest: Duration,
    /// Whether we start builds, or only watch those of others.
    pub starts: bool,
}

impl Default for Policy {
    fn default() -> Self {
        let (settle, rest) = (Duration::from_secs(180), Duration::from_secs(600));
        Policy { settle, tries: 3, rest, starts: true }
    }
}

impl Build {
    /// Returns a build of which nothing is done yet.
    pub fn new(order: BuildOrder, target: TargetLabel, nvr: Option<Nvr>) -> Build {
        let stage = match order.after.is_empty() {
            true => Stage::Checking { failed: None },
            false => Stage::Awaiting,
        };
        let (attempt, spoiled, cancel, told) = (1, 0, Cancel::No, false);
        Build { order, target, nvr, attempt, spoiled, cancel, stage, told }
    }

    /// Returns the id of the present try.
    pub fn run_id(&self) -> RunId {
        RunId::of(&self.order, &self.target, self.attempt)
    }

    /// Returns the name under which it is stored: of one commit, one target and one kind there is one build.
    pub fn key(&self) -> String {
        RunId::of(&self.order, &self.target, 0).to_string()
    }

    /// Returns how it ended, once it has.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.stage {
            Stage::Ended { ending } => Some(ending),
            _ => None,
        }
    }

    /// Tells whether nothing is left to do: it ended, and people were told.
    pub fn is_settled(&self) -> bool {
        self.told && self.ending().is_some()
    }
}
