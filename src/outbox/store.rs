//! What the courier asks of whoever keeps the messages.

use std::future::Future;

use jiff::Timestamp;

use super::Message;
use crate::forge::RemoteId;
use crate::outcome::Result;

/// A message whose time has come, lent to one courier until it says what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due<H> {
    /// The store's own name for this very message; one that took its place has another.
    pub handle: H,
    /// How often it was tried before.
    pub attempts: u32,
    /// What is to be told.
    pub message: Message,
    /// What the forge calls what was made for the same subject and context before.
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
/// Where a message about the same thing was put while this one was on its way, `settle` notes the remote id and
/// leaves the newer message waiting.
pub trait Store: Send + Sync {
    /// The store's own name for a message.
    type Handle: Send + Sync;

    /// Lends some messages that are due, the longest waiting first; no other courier gets them for a while.
    fn due(&self, now: Timestamp) -> impl Future<Output = Result<Vec<Due<Self::Handle>>>> + Send;

    /// Notes what became of a message.
    fn settle(
        &self,
        due: &Due<Self::Handle>,
        verdict: Verdict,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;
}
