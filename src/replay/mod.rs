//! Replay: does this build of the program still make what was published?
//!
//! The self-validation of a change to the bot: the bot's recent commits are taken from dist-git, each is populated
//! again from what its trailers name, and the trees are compared. It writes and pushes nothing.
//!
//! 1. [`publications`] walks dist-git's first parents down from the tip and keeps the bot's own commits.
//! 2. [`again()`] puts the order of each together as it was then (config and floor from the commit's parent; source
//!    commit, tag and EVR from its trailers) and populates it.
//! 3. The tree that comes out is compared with the tree that was published: [`Verdict`].
//!
//! What is not asked again: signatures (keys end, which changes no tree), and the choice among tags, since tags may
//! have come since. What newer branches held at that time cannot be known either, so a release that was bumped after
//! the dist tag is taken from the trailer.

mod again;

use jiff::Timestamp;
use serde::Serialize;

pub use again::{Place, again};

use crate::bot_certs::BotCerts;
use crate::git::{Commit, Objects};
use crate::ledger::own_publication;
use crate::names::ObjectId;
use crate::outcome::Result;
use crate::publication::Publication;
use crate::report::Reason;
use crate::trigger::Target;

/// A commit of the bot's for one branch.
#[derive(Debug, Clone)]
pub struct Past {
    /// The commit.
    pub commit: Commit,
    /// Its trailers.
    pub publication: Publication,
}

/// What was replayed, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Replayed {
    /// The commit of the bot's.
    pub commit: ObjectId,
    /// What it says it published; `null` where no EVR was claimed.
    pub evr: Option<String>,
    /// The program that made it then.
    pub generated_by: String,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What came of one replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The same tree.
    Same,
    /// Another tree, or another EVR.
    Different {
        /// The EVR that this build works out, where it is another.
        evr_now: Option<String>,
        /// The files that differ: `M path`, `A path` (only now), `D path` (only then); at most [`LISTED`].
        files: Vec<String>,
        /// How many differ in all.
        count: usize,
    },
    /// This build refuses what was published.
    Refused(Reason),
    /// What it was made from is not there any more, so nothing can be said.
    Impossible(Reason),
}

impl Verdict {
    /// Tells whether this build comes to something else.
    pub fn is_different(&self) -> bool {
        matches!(self, Verdict::Different { .. } | Verdict::Refused(_))
    }
}

/// How many files of one commit are listed.
pub const LISTED: usize = 20;

/// Returns the bot's commits for a branch, newest first: those since a time, at most so many.
///
/// # Errors
/// Refuses objects that cannot be read.
pub fn publications(
    objects: &Objects,
    target: &Target,
    tip: &Commit,
    bot_certs: &BotCerts,
    since: Option<Timestamp>,
    most: usize,
) -> Result<Vec<Past>> {
    let (mut found, mut next) = (Vec::new(), Some(tip.clone()));
    while let Some(commit) = next.take().filter(|_| found.len() < most) {
        // Dates of people's commits may be anything; the bot's own tell where to stop.
        let seconds = commit.committer.seconds;
        next = commit.parents.first().map(|parent| objects.commit(parent)).transpose()?;
        if let Some(publication) = own_publication(&commit, &target.name(), bot_certs) {
            if since.is_some_and(|since| seconds < since.as_second()) {
                break;
            }
            found.push(Past { commit, publication });
        }
    }
    Ok(found)
}
