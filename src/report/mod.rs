//! Report: the outcome in words and in JSON. Pure: what to say, not where.

pub mod build_words;
pub mod forge;
mod words;

use std::collections::BTreeMap;

use serde::Serialize;

pub use words::{describe, refusal_words};

use crate::config;
use crate::names::{BranchName, Evr, ObjectId, PackageName, Release, TagName, Version};
use crate::outcome::{Code, Fault, FaultOf, Lasting};
use crate::trigger::Target;

/// What came of one run, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A commit was pushed to dist-git.
    Landed,
    /// All but landing was done.
    Previewed,
    /// Population and spec editing were done.
    Populated,
    /// Nothing has changed since the last publication.
    UpToDate,
    /// The branch is retired or has not opted in.
    NotForUs,
    /// It waits: paused, throttled, or the same branch is being worked on.
    Held,
    /// A person must act.
    Refused,
    /// Something outside failed, or we did.
    Failed,
    /// The gate lets the tip through.
    Accepted,
}

/// Why, where there is something to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The stable name of the reason.
    pub code: Code,
    /// What was looked at and what was found.
    pub message: String,
    /// What would make it pass; empty where nothing would.
    pub hint: String,
}

/// An archive that was or would be uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiveLine {
    /// Its file name.
    pub name: String,
    /// Its SHA-512, lower-case hex.
    pub sha512: String,
    /// Its size in bytes; `null` where it was made by an earlier run and not made again.
    pub size: Option<u64>,
}

/// The report of one run: what `--format json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The package; `null` where a commit was looked at outside any dist-git.
    pub package: Option<PackageName>,
    /// The dist-git branch.
    pub branch: Option<BranchName>,
    /// What came of it.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<Reason>,
    /// The source tip that was looked at.
    pub source_commit: Option<ObjectId>,
    /// The key that signed it.
    pub signer: Option<String>,
    /// The release tag.
    pub release_tag: Option<TagName>,
    /// The version.
    pub version: Option<Version>,
    /// The release, without the dist tag.
    pub release: Option<Release>,
    /// Epoch, version and release.
    pub evr: Option<String>,
    /// The bot's patches, in order.
    pub patches: Vec<String>,
    /// The archives.
    pub archives: Vec<ArchiveLine>,
    /// The commit in dist-git that was made or was found.
    pub dist_git_commit: Option<ObjectId>,
    /// What was proved of the tree.
    pub identity: Option<serde_json::Value>,
    /// What a person might want to know.
    pub warnings: Vec<String>,
    /// How long the steps took, in milliseconds.
    pub timings: BTreeMap<&'static str, f64>,
    /// Whom the branch's own config wants to be told, and where; `None` where it was not read.
    #[serde(skip)]
    pub audience: Option<Audience>,
    /// The exit code that goes with it.
    #[serde(skip)]
    pub exit: Exit,
}

/// What a branch config says of telling people.
#[derive(Debug, Clone, PartialEq)]
pub struct Audience {
    /// The tracked branch: where the people are.
    pub source: config::Source,
    /// Who is told, and how.
    pub notify: config::Notify,
}

impl Audience {
    /// Reads it from a branch config.
    pub fn of(config: &config::BranchConfig) -> Audience {
        Audience { source: config.source.clone(), notify: config.notify.clone() }
    }
}

/// The exit codes of design section 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Wrong usage or config.
    Usage = 2,
    /// Refused: a person must act.
    Refused = 3,
    /// What runs inside a container refuses, as the container contract has it.
    ContainerRefuses = 64,
    /// Temporary, or held: try again.
    TryAgain = 75,
}

impl Report {
    /// Returns an empty report of `outcome` about `target`.
    pub fn new(target: Option<&Target>, outcome: Outcome) -> Report {
        Report {
            package: target.map(|target| target.package.clone()),
            branch: target.map(|target| target.branch.clone()),
            outcome,
            reason: None,
            source_commit: None,
            signer: None,
            release_tag: None,
            version: None,
            release: None,
            evr: None,
            patches: Vec::new(),
            archives: Vec::new(),
            dist_git_commit: None,
            identity: None,
            warnings: Vec::new(),
            timings: BTreeMap::new(),
            audience: None,
            exit: Exit::Done,
        }
    }

    /// Notes which EVR this is about.
    pub fn about(&mut self, evr: &Evr) {
        self.version = Some(evr.version.clone());
        self.release = Some(evr.release.clone());
        self.evr = Some(evr.to_string());
    }

    /// Turns the report into that of a branch that a person holds back.
    pub fn hold(&mut self, why: String) {
        self.outcome = Outcome::Held;
        self.exit = Exit::TryAgain;
        let hint = "`lockkeeper resume` lets it go on".to_owned();
        self.reason = Some(Reason { code: Code("paused"), message: why, hint });
    }

    /// Turns the report into that of a fault.
    #[must_use]
    pub fn fault(self, fault: &Fault) -> Report {
        let (outcome, exit, code, message, hint) = match fault {
            Fault::Refused(refusal) => {
                let exit = match refusal.fault_of {
                    FaultOf::Content => Exit::Refused,
                    FaultOf::Config => Exit::Usage,
                };
                (Outcome::Refused, exit, refusal.code, &refusal.message, &refusal.hint)
            }
            Fault::Failed(problem) => {
                let exit = match problem.lasting {
                    Lasting::Temporary => Exit::TryAgain,
                    Lasting::Permanent => Exit::Failed,
                };
                (Outcome::Failed, exit, problem.code, &problem.message, &problem.hint)
            }
        };
        let reason = Some(Reason { code, message: message.clone(), hint: hint.clone() });
        Report { outcome, exit, reason, ..self }
    }
}
