//! Messages: what is to be told, where, and under which key.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::forge::{Comment, Issue, Status};
use crate::names::ForgeName;

/// One thing to be told. It is stored with the outcome that it tells, in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who carries it: one message at a time for each account.
    pub account: Account,
    /// What it is about: a branch, or a commit of a project.
    pub subject: String,
    /// In which respect: the status's context, the note's cause. A later message with the same account, subject and
    /// context takes the place of one that still waits: the last state wins.
    pub context: String,
    /// What is told.
    pub body: Body,
}

impl Message {
    /// Tells whether one of the two takes the place of the other.
    pub fn is_about_the_same_as(&self, other: &Message) -> bool {
        let key = |message: &Message| {
            (message.account.clone(), message.subject.clone(), message.context.clone())
        };
        key(self) == key(other)
    }
}

/// Who carries a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Account {
    /// A forge, by the operator's name for it.
    Forge(ForgeName),
    /// The mail server.
    Mail,
    /// A webhook sink, by the operator's name for it.
    Webhook(String),
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Forge(name) => write!(f, "forge:{name}"),
            Account::Mail => f.write_str("mail"),
            Account::Webhook(name) => write!(f, "webhook:{name}"),
        }
    }
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// A commit status.
    Status(Status),
    /// A comment to be written, or edited.
    Comment(Comment),
    /// A comment to be edited to its mended form, where there is one; none is written for that.
    Mend(Comment),
    /// An issue to be opened, edited or closed; none is opened to be closed.
    Issue(Issue),
    /// A mail.
    Mail(Mail),
    /// A POST to an owner's program.
    Webhook(Event),
}

/// A mail in plain text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// To whom.
    pub to: Vec<String>,
    /// The subject: one line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same for all mails about one branch and cause, so that mail programs thread them.
    pub thread: String,
    /// What makes the message's id, so that a mail that is sent twice is known to be one.
    pub id: String,
}

/// An event for an owner's program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id, the same on each attempt.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The JSON that is posted.
    pub payload: serde_json::Value,
}
