//! What a lookaside server's answer means; pure.
//!
//! Status and body are judged together. Servers from before 2019 said errors with status 200 and wrote the
//! real one into the body; servers with a broken message bus say `stored OK` and an error after it.
//! A file counts as stored only where the body says so, and a check only by its exact word.

use super::{Presence, Stored};
use crate::digest::Sha512;
use crate::outcome::{Fault, Problem, Refusal, Result, printable};

/// A server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status of the HTTP response.
    pub status: u16,
    /// Its body, or the beginning of a long one.
    pub body: Vec<u8>,
}

impl Answer {
    /// The status, or where it is 200 the one that an old server wrote into the body.
    fn true_status(&self) -> u16 {
        let text = String::from_utf8_lossy(&self.body);
        let written = text.lines().find_map(|line| line.strip_prefix("Status:"));
        let digits = written.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        match self.status {
            200 => digits.unwrap_or(200),
            status => status,
        }
    }

    fn says(&self, phrase: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(phrase)
    }

    fn quoted(&self) -> String {
        printable(self.body.trim_ascii(), 300)
    }
}

/// Reads the answer to a check.
///
/// # Errors
/// As [`unexpected`], for anything but the two exact words.
pub fn presence(answer: &Answer, doing: &str) -> Result<Presence> {
    match (answer.status, answer.body.trim_ascii()) {
        (200, b"Available") => Ok(Presence::Available),
        (200, b"Missing") => Ok(Presence::Missing),
        _ => Err(unexpected(answer, doing)),
    }
}

/// Reads the answer to an upload.
///
/// # Errors
/// As [`unexpected`]; a permanent problem where the server names another digest than was sent.
pub fn stored(answer: &Answer, doing: &str, sha512: &Sha512) -> Result<Stored> {
    if answer.status != 200 {
        return Err(unexpected(answer, doing));
    }
    if answer.says("stored OK") {
        return match named_digest(&answer.body) {
            Some(digest) if digest != sha512.as_str() => Err(digest_differs(answer, doing)),
            _ => Ok(Stored::New),
        };
    }
    match answer.says("already exists") {
        true => Ok(Stored::AlreadyThere),
        false => Err(unexpected(answer, doing)),
    }
}

/// The digest in `File F size N SHA512 H stored OK`.
fn named_digest(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    let (_, rest) = text.split_once(" sha512 ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

fn digest_differs(answer: &Answer, doing: &str) -> Fault {
    let message = format!("{doing}: the server has another digest: {}", answer.quoted());
    Problem::permanent("lookaside-digest-differs", message)
        .hint("the file changed on its way or on disk; run it again, and look at the disk if it stays")
        .into()
}

/// Sorts an answer that is not the hoped-for one by whose move it is.
pub fn unexpected(answer: &Answer, doing: &str) -> Fault {
    let words = format!("{doing}: status {}: {}", answer.true_status(), answer.quoted());
    let refuse = |code, hint: &str| Refusal::new(code, words.clone()).hint(hint).into();
    match answer.true_status() {
        401 => {
            refuse("lookaside-unauthorized", "give a client certificate that this server accepts")
        }
        403 => {
            refuse("lookaside-forbidden", "have the bot's user put into the group `packager` there")
        }
        404 if answer.says("does not exist") => {
            refuse("lookaside-no-such-package", "have the package's dist-git repository made first")
        }
        404 => refuse("lookaside-address-wrong", "see whether the lookaside's address is right"),
        413 => refuse("lookaside-file-too-large", "have the server's limit raised"),
        400 if answer.says("check failed") => digest_differs(answer, doing),
        400 | 406 => Problem::permanent("lookaside-request-refused", words).into(),
        408 | 425 | 429 | 500..=599 => Problem::temporary("lookaside-unavailable", words).into(),
        300..=399 => Problem::permanent("lookaside-redirects", words)
            .hint("give the address that the server redirects to")
            .into(),
        _ => by_words(answer, doing, words),
    }
}

/// An error said with status 200 and nothing but words.
fn by_words(answer: &Answer, doing: &str, words: String) -> Fault {
    let table = [
        ("valid certificate", 403),
        ("packager group", 403),
        ("does not exist", 404),
        ("check failed", 400),
        ("no longer allowed", 406),
        ("is not present", 400),
        ("Multiple values given", 400),
    ];
    let known = table.iter().find(|(phrase, _)| answer.status == 200 && answer.says(phrase));
    match known {
        Some((_, status)) => {
            unexpected(&Answer { status: *status, body: answer.body.clone() }, doing)
        }
        None => Problem::permanent("lookaside-answer-unknown", words)
            .hint("this is no answer of a lookaside server: see whether the address is right")
            .into(),
    }
}
