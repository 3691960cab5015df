//! What a delivery says has happened: hints for the index, not commands.

use crate::names::{BranchName, ObjectId, TagName};
use crate::outcome::printable;

/// Everything that one delivery says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices {
    /// What has happened; empty where the delivery is of no interest.
    pub notices: Vec<Notice>,
    /// Why nothing, or not all, came of it; made harmless for people.
    pub ignored: Option<String>,
    /// The account that did it, where the payload names one.
    pub sender: Option<String>,
}

impl Notices {
    /// Returns the notices of a delivery that says nothing to us.
    pub(super) fn ignored(why: impl AsRef<str>) -> Notices {
        Notices { ignored: Some(printable(why.as_ref(), 200)), ..Notices::default() }
    }

    /// Returns the notices of one event.
    pub(super) fn of(notice: Notice) -> Notices {
        Notices { notices: vec![notice], ..Notices::default() }
    }

    /// Returns `notice`, or why there is none.
    pub(super) fn of_option(notice: Option<Notice>, why: &str) -> Notices {
        notice.map_or_else(|| Notices::ignored(why), Notices::of)
    }

    /// Names who did it.
    pub(super) fn by(self, sender: Option<&str>) -> Notices {
        Notices { sender: sender.map(|name| printable(name, 100)), ..self }
    }

    /// Drops the echoes of the bot's own acts: forges send its pushes, comments and flags back to it.
    ///
    /// Names of accounts are compared without case, as the forges do.
    #[must_use]
    pub fn without_echoes(self, own_accounts: &[String]) -> Notices {
        let own = self.sender.as_deref().is_some_and(|sender| {
            own_accounts.iter().any(|account| account.eq_ignore_ascii_case(sender))
        });
        match own && !self.notices.is_empty() {
            false => self,
            true => {
                let ignored = Some("it is the echo of the bot's own act".to_owned());
                Notices { notices: Vec::new(), ignored, ..self }
            }
        }
    }
}

/// One thing that has happened, as the forge tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A branch or tag is there or has moved.
    Moved {
        /// Where.
        repository: RepositoryHint,
        /// Which.
        reference: Reference,
        /// To which object, as a hint: the reference is looked at afresh.
        new: Option<ObjectId>,
    },
    /// A branch or tag is gone.
    Deleted {
        /// Where.
        repository: RepositoryHint,
        /// Which.
        reference: Reference,
    },
    /// A pull or merge request was opened, changed or closed.
    PullRequest(PullRequest),
    /// Somebody wrote a comment.
    Comment(Comment),
    /// A pull request's labels changed.
    Label(Label),
    /// Somebody pressed "Re-run" at a check.
    Rerequested(Rerequested),
}

/// Where it happened: every address that the payload gives for the repository, as it was written there.
///
/// None of them is ever fetched from: they are compared, normalised, with what the index knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryHint {
    /// The addresses.
    pub urls: Vec<String>,
}

/// A branch or a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A branch.
    Branch(BranchName),
    /// A tag.
    Tag(TagName),
    /// One of the two: Pagure's `git.receive` calls a pushed tag a branch.
    BranchOrTag(BranchName),
}

/// A pull or merge request as it is after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// The repository that it is made to.
    pub repository: RepositoryHint,
    /// Its number there.
    pub number: u64,
    /// What changed.
    pub change: PullRequestChange,
    /// The branch that it wants to go into.
    pub base: Option<BranchName>,
    /// The newest commit in it, as a hint.
    pub head: Option<ObjectId>,
    /// The repository that it comes from.
    pub from: RepositoryHint,
    /// Who opened it.
    pub author: Option<String>,
}

/// What changed about a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullRequestChange {
    /// It is new.
    Opened,
    /// It has other commits.
    Updated,
    /// It is open again.
    Reopened,
    /// It was closed without being merged.
    Closed,
    /// It was merged.
    Merged,
}

/// A new comment on an issue or a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// The repository.
    pub repository: RepositoryHint,
    /// The number of the issue or pull request.
    pub number: u64,
    /// Whether it is a pull request.
    pub on_pull_request: bool,
    /// The forge's id of the comment, for a reaction to it.
    pub id: Option<u64>,
    /// Who wrote it; whether they may command anything is asked of the forge, not of the payload.
    pub author: Option<String>,
    /// What it says: text from a stranger.
    pub body: String,
}

/// Labels of a pull request that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The repository.
    pub repository: RepositoryHint,
    /// The pull request's number.
    pub number: u64,
    /// The labels that were added; empty where the forge does not say which.
    pub added: Vec<String>,
    /// All labels that it has now, where the forge says so.
    pub present: Vec<String>,
    /// The newest commit when the label was set: a label counts for that one only.
    pub head: Option<ObjectId>,
}

/// A check that is to be run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rerequested {
    /// The repository.
    pub repository: RepositoryHint,
    /// The commit that was checked.
    pub commit: Option<ObjectId>,
    /// The name of the check; `None`: all of them.
    pub check: Option<String>,
    /// Our own id of the run, which we gave the forge.
    pub external_id: Option<String>,
    /// The branch, where the payload names one.
    pub branch: Option<BranchName>,
}
