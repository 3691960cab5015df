//! Webhooks of five forges: bytes from a socket become *look there*, never *do this*.
//!
//! The way of a delivery, each step with a file of its own:
//!
//! 1. [`Incoming`]: headers and body, as they came;
//! 2. `proof`: did somebody who knows the secret send exactly these bytes? Before anything is parsed;
//! 3. [`Hook::receive`]: the JSON out of its envelope, and an id by which duplicates are dropped: a [`Delivery`];
//! 4. the service stores it and answers; later
//! 5. [`parse`], with a file for each forge: what the delivery says has happened, as [`Notice`]s.
//!
//! The kind of forge comes from the operator config, never from headers: Forgejo and Gitea send GitHub's headers
//! too. Only bodies are signed (the ids and times of GitLab's signing tokens excepted), so what stands in a header
//! is a hint like everything else. Nothing in a payload can make [`parse`] fail: what is not known is ignored, with
//! a word why.

mod forgejo;
mod github;
mod gitlab;
mod notice;
mod pagure;
mod payload;
mod proof;
mod receive;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use notice::{
    Comment, Label, Notice, Notices, PullRequest, PullRequestChange, Reference, RepositoryHint,
    Rerequested,
};
use payload::Payload;
pub use proof::{Proof, SigningKey};
pub use receive::{Delivery, Headers, Hook, Incoming, Rejected};

/// A kind of forge.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ForgeKind {
    /// GitHub, or GitHub Enterprise Server.
    GitHub,
    /// GitLab, hosted or self-managed.
    GitLab,
    /// Pagure.
    Pagure,
    /// Forgejo.
    Forgejo,
    /// Gitea.
    Gitea,
}

impl ForgeKind {
    /// Every kind.
    pub const ALL: [ForgeKind; 5] = [
        ForgeKind::GitHub,
        ForgeKind::GitLab,
        ForgeKind::Pagure,
        ForgeKind::Forgejo,
        ForgeKind::Gitea,
    ];

    /// Returns the name that the operator config and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            ForgeKind::GitHub => "github",
            ForgeKind::GitLab => "gitlab",
            ForgeKind::Pagure => "pagure",
            ForgeKind::Forgejo => "forgejo",
            ForgeKind::Gitea => "gitea",
        }
    }
}

impl fmt::Display for ForgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ForgeKind {
    type Err = crate::names::NameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = ForgeKind::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| {
            let why = "is none of github, gitlab, pagure, forgejo and gitea";
            crate::names::NameError::new("kind of forge", text, why)
        })
    }
}

/// Reads what a delivery says has happened.
///
/// Pure, and never fails: content that is not known, or not what its event should hold, is ignored with a word why.
pub fn parse(kind: ForgeKind, event: &str, body: &[u8]) -> Notices {
    let payload = match Payload::read(body) {
        Ok(payload) => payload,
        Err(why) => return Notices::ignored(why),
    };
    match kind {
        ForgeKind::GitHub => github::notices(event, &payload),
        ForgeKind::GitLab => gitlab::notices(&payload),
        ForgeKind::Pagure => pagure::notices(event, &payload),
        ForgeKind::Forgejo | ForgeKind::Gitea => forgejo::notices(event, &payload),
    }
}
