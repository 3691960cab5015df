//! What a finished run tells: pure, from what came of it and what was told before.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Message;
use crate::forge::{self, Comment, Project};
use crate::names::{ForgeName, InstanceName};
use crate::report::Report;

/// A finished run.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// The instance that the branch belongs to.
    pub instance: &'a InstanceName,
    /// What came of it.
    pub report: &'a Report,
    /// The run's id: what makes mails and events of this run known again.
    pub run: &'a str,
    /// When it ended.
    pub at: Timestamp,
    /// The run's page, where the service has one.
    pub page: Option<&'a Url>,
}

/// Whom the operator's config names: where messages can go at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Desk<'a> {
    /// The accounts at forges.
    pub forges: &'a [forge::Account],
    /// The mail addresses of this package's owners.
    pub owners: &'a [String],
    /// The mail addresses that hear of the bot's own permanent failures.
    pub operators: &'a [String],
    /// The names of the webhook sinks that hear of this package.
    pub webhooks: &'a [String],
}

/// What was told about a branch so far: stored with each run, given back to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// What stands open.
    pub standing: Vec<Standing>,
}

/// Something that a person was told to act on, and that is not mended yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The reason's code.
    pub cause: String,
    /// The comment about it, with its last text.
    pub comment: Option<(ForgeName, Comment)>,
    /// The issue about it.
    pub issue: Option<(ForgeName, Project)>,
}

/// What is to be stored: messages for the outbox, and what the next run must know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telling {
    /// The messages.
    pub messages: Vec<Message>,
    /// What was told, these messages included.
    pub told: Told,
}
