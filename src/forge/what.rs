//! What can be said at a forge, in words that all of them share.

use serde::{Deserialize, Serialize};
use url::Url;

use super::Project;
use crate::names::{BranchName, ObjectId};

/// How a run stands, as a commit status tells it. Each forge has its own names for these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It waits.
    Queued,
    /// It is being worked on.
    Running,
    /// It went well.
    Passed,
    /// There was nothing to do.
    NothingToDo,
    /// A person must act.
    MustAct,
    /// Something outside failed, or we did.
    Broken,
}

impl State {
    /// Tells whether nothing follows of itself.
    pub fn is_final(self) -> bool {
        !matches!(self, State::Queued | State::Running)
    }
}

/// A status on a commit. The newest for (commit, context) counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Where the commit is.
    pub project: Project,
    /// The commit.
    pub commit: ObjectId,
    /// The branch that the commit was seen on; GitLab keys statuses by it.
    pub branch: BranchName,
    /// Which line of the list of statuses this is, such as `lockkeeper/fedora/hello/f44`.
    pub context: String,
    /// How it stands.
    pub state: State,
    /// One line; cut to what the forge takes.
    pub description: String,
    /// The same at length, in Markdown: what a check run shows. Others leave it out.
    pub summary: String,
    /// Where there is more to read.
    pub link: Option<Url>,
}

/// What a comment hangs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thread {
    /// The pull request that brought this commit; where there was none, the commit itself.
    Commit(ObjectId),
    /// A pull or merge request.
    PullRequest(u64),
    /// An issue.
    Issue(u64),
}

/// A comment of the bot's: one for each marker, edited in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Where the thread is.
    pub project: Project,
    /// What it hangs on.
    pub thread: Thread,
    /// The hidden line by which the bot finds its own comment again; it stands in `body` too.
    pub marker: String,
    /// The text, in Markdown.
    pub body: String,
}

/// An issue of the bot's: one for each marker, edited in place, closed when mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// Where it is opened.
    pub project: Project,
    /// The hidden line by which the bot finds its own issue again; it stands in `body` too.
    pub marker: String,
    /// The headline, plain text.
    pub title: String,
    /// The text, in Markdown.
    pub body: String,
    /// Whether it is to be open.
    pub open: bool,
}

/// What a forge calls something that we made there: what is needed to edit it.
///
/// A small JSON text, different for each forge; only the room that made it reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemoteId(pub String);
