//! Forge: the wall to GitHub, GitLab, Pagure, Forgejo and Gitea. The only room that names octocrab.
//!
//! What is said here was written elsewhere: the words come from [`crate::report`], and what is said when from
//! [`crate::outbox`], which also sees to it that nothing is said twice.
//!
//! 1. An [`Account`] says which program runs where, and what lets us in.
//! 2. [`Forge`] takes what is to be said: [`Forge::set_status`], [`Forge::put_comment`], [`Forge::put_issue`].
//! 3. `github`, `gitlab`, `pagure` and `forgejo` turn it into requests of their API, cut to its limits (`cut`);
//!    `dialect` holds what all of them can do in their own way, and `notes` the way of a comment or issue that is
//!    written once and then edited.
//! 4. `wire` sends a request: one at a time, writes apart from each other; `app` is GitHub's own way in.
//! 5. `access` asks who may write, and `listing` what a namespace holds.
//! 6. `answer` sorts what comes back, with `limits`: done, temporary (with how long to wait), or permanent.
//!
//! Whatever a forge answers is hostile text: it ends in messages only after [`crate::outcome::printable`].

mod access;
mod account;
mod answer;
mod app;
mod cut;
mod dialect;
mod forgejo;
mod github;
mod gitlab;
mod limits;
mod listing;
mod notes;
mod pagure;
mod setback;
mod what;
mod wire;

#[cfg(test)]
mod tests;

use tokio::sync::OnceCell;

pub use crate::trigger::hooks::ForgeKind as Kind;
pub use account::{Account, Credential, Project};
pub use setback::{Answer, Setback};
pub use what::{Comment, Issue, RemoteId, State, Status, Thread};
pub use wire::Manners;

use notes::Missing;
use wire::{Call, Wire};

/// One forge, spoken to with one account.
pub struct Forge {
    wire: Wire,
    login: OnceCell<String>,
}

impl std::fmt::Debug for Forge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Forge").field(self.wire.account()).finish()
    }
}

impl Forge {
    /// Takes an account; nothing is asked before the first message.
    pub fn new(account: Account) -> Forge {
        let manners = Manners::towards(account.kind);
        Forge::with_manners(account, manners)
    }

    /// As [`Forge::new`], with other manners.
    pub fn with_manners(account: Account, manners: Manners) -> Forge {
        let login = OnceCell::new_with(account.login.clone());
        Forge { wire: Wire::new(account, manners), login }
    }

    /// Returns whom we speak as.
    pub fn account(&self) -> &Account {
        self.wire.account()
    }

    /// Sets a status on a commit. `known` is what this returned for the same commit and context before.
    ///
    /// # Errors
    /// A setback, with how long to wait where the forge wants us to.
    pub async fn set_status(
        &self,
        status: &Status,
        known: Option<&RemoteId>,
    ) -> Answer<Option<RemoteId>> {
        let (project, commit) = (&status.project, status.commit.short());
        let doing = format!("setting a status on {commit} in {project}");
        match self.account().kind {
            Kind::GitHub => github::set_status(&self.wire, status, known, &doing).await,
            Kind::GitLab => gitlab::set_status(&self.wire, status, &doing).await.map(|()| None),
            Kind::Pagure => {
                let login = self.login().await?;
                pagure::set_status(&self.wire, status, login, &doing).await.map(|()| None)
            }
            Kind::Forgejo | Kind::Gitea => {
                self.wire.call(&forgejo::status_call(status), &doing).await.map(|_| None)
            }
        }
    }

    /// Writes a comment, or edits the one that has its marker. `None` where this forge has no place for it.
    ///
    /// # Errors
    /// As [`Forge::set_status`].
    pub async fn put_comment(
        &self,
        comment: &Comment,
        known: Option<&RemoteId>,
    ) -> Answer<Option<RemoteId>> {
        self.comment(comment, known, Missing::Write).await
    }

    /// Edits the comment that has this marker; where there is none, none is written.
    ///
    /// # Errors
    /// As [`Forge::set_status`].
    pub async fn mend_comment(
        &self,
        comment: &Comment,
        known: Option<&RemoteId>,
    ) -> Answer<Option<RemoteId>> {
        self.comment(comment, known, Missing::Leave).await
    }

    async fn comment(
        &self,
        comment: &Comment,
        known: Option<&RemoteId>,
        missing: Missing,
    ) -> Answer<Option<RemoteId>> {
        let doing = format!("commenting in {}", comment.project);
        let login = self.login().await?;
        notes::put_comment(&self.wire, login, comment, known, missing, &doing).await
    }

    /// Opens an issue, or edits, closes or opens again the one that has its marker; none is opened to be closed.
    ///
    /// # Errors
    /// As [`Forge::set_status`].
    pub async fn put_issue(
        &self,
        issue: &Issue,
        known: Option<&RemoteId>,
    ) -> Answer<Option<RemoteId>> {
        let doing = format!("writing an issue in {}", issue.project);
        let login = self.login().await?;
        notes::put_issue(&self.wire, login, issue, known, &doing).await
    }

    /// Tells whether a user may push to a project at this moment.
    ///
    /// # Errors
    /// As [`Forge::set_status`].
    pub async fn may_write(&self, project: &Project, user: &str) -> Answer<bool> {
        access::may_write(&self.wire, project, user).await
    }

    /// Lists the names of a namespace's repositories without those that are archived; all, or none: a list that
    /// breaks off is a setback. `None` where there is no such namespace, or this account cannot see it.
    ///
    /// # Errors
    /// As [`Forge::set_status`].
    pub async fn repositories(&self, namespace: &str) -> Answer<Option<Vec<String>>> {
        listing::repositories(&self.wire, namespace).await
    }

    /// Returns what the bot is called there: only its own notes are edited, and its own events are its echoes.
    ///
    /// # Errors
    /// As [`Forge::set_status`].
    pub async fn login(&self) -> Answer<&str> {
        let login = self.login.get_or_try_init(|| async {
            let call = match self.account().credential {
                Credential::App { .. } => Call::get("/app"),
                Credential::Token(_) => dialect::dialect(self.account().kind).who_am_i(),
            };
            notes::who_am_i(&self.wire, &call).await
        });
        login.await.map(String::as_str)
    }
}
