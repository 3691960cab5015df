//! Every sentence that people read at a forge or in a mail. Pure.
//!
//! 1. [`state`] and [`description`] make a commit status: one word and one line.
//! 2. [`note`] makes the text of a comment or issue: what was looked at, what was found, what would make it pass, how
//!    to try it at home, how to try again. [`mended`] is what it is edited to when that is over.
//! 3. [`marker`] is the hidden line by which the bot finds its own note again.
//! 4. [`subject`] and [`letter`] make a mail, in plain text.
//!
//! A message quotes commits, logs and names, so all of it is hostile: [`escape`] lets through words and code, and
//! code pings nobody and links nowhere.

pub mod escape;
pub(in crate::report) mod shell;
mod status;
mod text;

#[cfg(test)]
mod tests;

pub use status::{description, state};
pub use text::{Matter, issue_title, letter, marker, mended, note, subject, summary};
