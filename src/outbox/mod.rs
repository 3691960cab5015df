//! Outbox: what a finished run tells, and the courier that carries it.
//!
//! 1. [`tell()`] is pure: a report, where it is to be told and what was told before become [`Message`]s and the new
//!    [`Told`].
//! 2. Both are stored with the run's outcome, in one transaction. A later message with the same key takes the place
//!    of one that still waits, so the last state for a commit and context wins.
//! 3. The [`Courier`] takes what is due, one message at a time for each account, and delivers it. A forge that is
//!    down or wants us to wait holds up its own messages and nothing else: no run waits for a message, and none is
//!    repeated for one.
//!
//! A courier that dies between sending and noting it sends again. A status says the same twice; a comment or issue
//! is found by its hidden marker and edited; a mail has the same id, a webhook event too.

mod courier;
mod mail;
mod message;
mod store;
mod tell;
mod webhook;

#[cfg(test)]
mod tests;

pub use courier::{Addresses, Courier, Round};
pub use mail::Mailer;
pub use message::{Account, Body, Event, Mail, Message};
pub use store::{Due, Store, Verdict};
pub use tell::{Desk, Occasion, Standing, Telling, Told, tell};
pub use webhook::Sink;
