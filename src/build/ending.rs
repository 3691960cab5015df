//! How a build ends, and what is known of a failure.

use serde::{Deserialize, Serialize};

use super::order::{Nvr, TaskId};

/// The terminal outcome of one build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ended", rename_all = "kebab-case")]
pub enum Ending {
    /// It is there, and has the wanted tag where one was wanted.
    Succeeded {
        /// The build; scratch builds have none.
        build: Option<Built>,
        /// The task that made it, where one is known.
        task: Option<TaskId>,
        /// Who started it.
        by: By,
    },
    /// The package is at fault: its maintainer's move.
    FailedByPackage {
        /// What is known.
        failure: Failure,
    },
    /// The build system is at fault, as often as it was tried: the operator's move, or time's.
    FailedByInfrastructure {
        /// What is known.
        failure: Failure,
    },
    /// Someone stopped it.
    Cancelled {
        /// The task, where one was started.
        task: Option<TaskId>,
        /// Whether we were asked to.
        asked: bool,
    },
    /// It was not tried, or not let through: a person must act first.
    Refused {
        /// Why.
        refused: Refused,
    },
}

/// Who started a build task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// This bot, in this run.
    Us,
    /// Somebody else, or this bot in a life that it does not remember.
    Others,
}

/// A finished build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// What the build system calls it: a number at Koji.
    pub id: String,
    /// Its NVR.
    pub nvr: Nvr,
    /// Where a person can look at it.
    pub url: Option<String>,
}

/// Why a build was not tried, or not let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The stable name of the reason, as in `docs/builds.md`.
    pub code: String,
    /// What was looked at and what was found.
    pub message: String,
    /// What would make it pass.
    pub hint: String,
}

impl Refused {
    /// Returns a refusal.
    pub fn new(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Refused {
        Refused { code: code.to_owned(), message: message.into(), hint: hint.into() }
    }
}

/// What is known of a failed build. All text is the build system's: hostile until it is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// Whose fault it looks like.
    pub side: Side,
    /// The step that failed, in the build system's words: `buildArch`, `buildSRPMFromSCM`.
    pub step: String,
    /// The architecture that it failed on; empty where it is none's.
    pub arch: String,
    /// What the build system says, in a line or two.
    pub message: String,
    /// The log that tells most, and its last lines.
    pub log: Option<LogTail>,
    /// The task that failed first.
    pub task: Option<TaskId>,
    /// Where a person can look at it.
    pub url: Option<String>,
}

/// Whose fault a failure looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The package's.
    Package,
    /// The build system's: what nothing in the package explains, so it is tried again.
    #[default]
    Infrastructure,
}

/// The end of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogTail {
    /// The file, such as `build.log`.
    pub name: String,
    /// Its last lines, at most [`LogTail::LINES`] of them.
    pub text: String,
    /// Where the whole of it is.
    pub url: Option<String>,
}

impl LogTail {
    /// How many lines are kept.
    pub const LINES: usize = 40;

    /// Keeps the last lines of what was read; bytes that are no text are replaced.
    pub fn of(name: &str, bytes: &[u8], url: Option<String>) -> LogTail {
        let text = String::from_utf8_lossy(bytes);
        let lines: Vec<&str> = text.lines().collect();
        let kept = &lines[lines.len().saturating_sub(Self::LINES)..];
        LogTail { name: name.to_owned(), text: kept.join("\n"), url }
    }
}
