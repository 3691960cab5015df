//! What the courier asks of whoever keeps the messages.

use std::future::Future;

use jiff::Timestamp;

use super::{Account, Message};
use crate::forge::RemoteId;
use crate::outcome::Result;

/// A message whose time has come, held by this courier until it says what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The store's own name for this very message; one that took its place has another.
    pub row: i64,
    /// How often it was tried before.
    pub attempts: u32,
    /// What is to be told.
    pub message: Message,
    /// What the forge calls what was made under this key before.
    pub remote: Option<RemoteId>,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was told; the forge may have named what it made.
    Sent(Option<RemoteId>),
    /// It is to be tried again then, for this reason.
    Later(Timestamp, String),
    /// It will never be told, for this reason.
    Dropped(String),
}

/// Keeps messages until they are told, and what forges call the things that were made.
///
/// Where a message with the same key was put while this one was on its way, `settle` notes the remote id and
/// leaves the newer message waiting.
pub trait Store: Send + Sync {
    /// Returns the accounts that have something due.
    fn accounts_due(&self, now: Timestamp) -> impl Future<Output = Result<Vec<Account>>> + Send;

    /// Takes the oldest message that is due for an account; no other courier gets it for a while.
    fn take(
        &self,
        account: &Account,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Due>>> + Send;

    /// Notes what became of a message.
    fn settle(&self, due: &Due, verdict: Verdict) -> impl Future<Output = Result<()>> + Send;
}
