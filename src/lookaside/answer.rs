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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn only_the_exact_words_are_an_answer_to_a_check() {
        let table = [
            (200, "Available", Some(Presence::Available)),
            (200, "Missing\n", Some(Presence::Missing)),
            (200, "Available\r\n", Some(Presence::Available)),
            (200, "available", None),
            (200, "Available Missing", None),
            (200, "<p>Available</p>", None),
            (200, "", None),
            (201, "Available", None),
            (500, "Available", None),
        ];
        for (status, body, wanted) in table {
            assert_eq!(presence(&answer(status, body), "x").ok(), wanted, "{status} {body:?}");
        }
    }

    #[test]
    fn a_file_is_stored_only_where_the_body_says_so() {
        let sha512 = Sha512::of(b"");
        let other = Sha512::of(b"other");
        let table = [
            (200, format!("File f size 0 SHA512 {sha512} stored OK\n"), Some(Stored::New)),
            (
                200,
                "File f size 0 stored OK\nStatus: 500\n\nbroken".to_owned(),
                Some(Stored::New),
            ),
            (
                200,
                "File f already exists\nFile: /srv/f Size: 0".to_owned(),
                Some(Stored::AlreadyThere),
            ),
            (200, format!("File f size 5 SHA512 {other} stored OK\n"), None),
            (200, String::new(), None),
            (500, "stored OK".to_owned(), None),
            (403, "already exists".to_owned(), None),
        ];
        for (status, body, wanted) in table {
            assert_eq!(
                stored(&answer(status, &body), "x", &sha512).ok(),
                wanted,
                "{status} {body:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_answer_brings_it_down(status in 0u16..1000, body in prop::collection::vec(any::<u8>(), 0..100)) {
            let answer = Answer { status, body };
            let _ = presence(&answer, "x");
            let _ = stored(&answer, "x", &Sha512::of(b""));
        }

        #[test]
        fn no_words_bring_it_down(body in "(Status: |[0-9]{0,5}|\n|does not exist|check failed| sha512 |stored OK){0,8}") {
            let answer = Answer { status: 200, body: body.into_bytes() };
            let _ = presence(&answer, "x");
            let _ = stored(&answer, "x", &Sha512::of(b""));
        }
    }
}
