//! Trailers: the `Key: value` lines at the end of a commit message.
//!
//! One reading for all: the gate (`Lockkeeper-target`), the changelog (`Changelog`, `Resolves`),
//! patches (`Patch-name`) and landing (the bot's own trailers, the design, section 6).

/// The trailers of one message: from its last paragraph only.
///
/// A paragraph counts where every line is `Key: value`, the continuation of one (it begins with a
/// space), or git's own `(cherry picked from commit …)`; and where it is not the subject. So text that
/// somebody quotes higher up, or adds below in prose, makes no trailer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trailers {
    entries: Vec<(String, String)>,
}

/// What a message says under one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trailer<'a> {
    /// Nothing.
    Absent,
    /// This, once.
    Once(&'a str),
    /// More than one thing, or one thing twice: nobody can say which counts.
    Repeated,
}

impl Trailers {
    /// Reads the trailers of a message; a message without any gives none.
    pub fn parse(message: &[u8]) -> Trailers {
        let text = String::from_utf8_lossy(message);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let Some(last) = lines.iter().rposition(|line| !line.is_empty()) else {
            return Trailers::default();
        };
        let Some(blank) = lines[..last].iter().rposition(|line| line.is_empty()) else {
            return Trailers::default();
        };
        if lines[..blank].iter().all(|line| line.is_empty()) {
            return Trailers::default();
        }
        let entries = entries(&lines[blank + 1..=last]);
        Trailers { entries: entries.unwrap_or_default() }
    }

    /// Returns the value of `key` (any case) where it stands there exactly once.
    pub fn get(&self, key: &str) -> Option<&str> {
        match self.find(key) {
            Trailer::Once(value) => Some(value),
            Trailer::Absent | Trailer::Repeated => None,
        }
    }

    /// Returns what stands under `key` (any case), telling "twice" from "not at all".
    pub fn find(&self, key: &str) -> Trailer<'_> {
        let mut found = self.all(key);
        match (found.next(), found.next()) {
            (None, _) => Trailer::Absent,
            (Some(value), None) => Trailer::Once(value),
            (Some(_), Some(_)) => Trailer::Repeated,
        }
    }

    /// Returns every value of `key` (any case), for keys that may repeat, such as `Resolves`.
    pub fn all<'a, 'k>(&'a self, key: &'k str) -> impl Iterator<Item = &'a str> + use<'a, 'k> {
        let same = move |entry: &&(String, String)| entry.0.eq_ignore_ascii_case(key);
        self.entries.iter().filter(same).map(|(_, value)| value.as_str())
    }

    /// Returns all keys and values, in the order of the message.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// Takes a paragraph apart; `None` where one line is no part of a trailer.
fn entries(paragraph: &[&str]) -> Option<Vec<(String, String)>> {
    let mut entries: Vec<(String, String)> = Vec::new();
    for line in paragraph {
        if line.starts_with([' ', '\t']) {
            let (_, value) = entries.last_mut()?;
            if !value.is_empty() {
                value.push(' ');
            }
            value.push_str(line.trim());
        } else if !line.starts_with("(cherry picked from commit ") {
            let (key, value) = line.split_once(':')?;
            let key = key.trim_end();
            let is_key = |key: &str| key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if key.is_empty() || !is_key(key) {
                return None;
            }
            entries.push((key.to_owned(), value.trim().to_owned()));
        }
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Message, key, and what `find` must say.
    const CASES: &[(&str, &str, Trailer<'static>)] = &[
        ("s\n\nA: 1\n", "a", Trailer::Once("1")),
        ("s\n\nA: 1\n", "A", Trailer::Once("1")),
        ("s\n\nbody\n\nA: 1\nB: 2", "B", Trailer::Once("2")),
        ("s\n\nA: 1\n\n\n", "A", Trailer::Once("1")),
        ("s\r\n\r\nA: 1\r\n", "A", Trailer::Once("1")),
        ("s\n\nA: 1\n  2\nB: 3\n", "A", Trailer::Once("1 2")),
        ("s\n\nA : 1\n", "A", Trailer::Once("1")),
        ("s\n\nA:\n", "A", Trailer::Once("")),
        ("s\n\nA:\n 1\n", "A", Trailer::Once("1")),
        ("s\n\nA: 1\n(cherry picked from commit 12)\n", "A", Trailer::Once("1")),
        ("s\n\nA: 1\nA: 1\n", "A", Trailer::Repeated),
        ("s\n\nA: 1\na: 2\n", "A", Trailer::Repeated),
        // Not the last paragraph, not a paragraph of trailers, or the subject itself.
        ("s\n\nA: 1\n\nB: 2\n", "A", Trailer::Absent),
        ("s\n\nA: 1\n\nprose\n", "A", Trailer::Absent),
        ("s\n\nprose\nA: 1\n", "A", Trailer::Absent),
        ("s\n\nA: 1\nprose\n", "A", Trailer::Absent),
        ("s\n\n A: 1\n", "A", Trailer::Absent),
        ("s\n\nA b: 1\n", "A b", Trailer::Absent),
        ("s\n\n: 1\n", "", Trailer::Absent),
        ("A: 1\n", "A", Trailer::Absent),
        ("\n\nA: 1\n", "A", Trailer::Absent),
        ("", "A", Trailer::Absent),
        ("\n\n\n", "A", Trailer::Absent),
    ];

    #[test]
    fn trailers_come_from_the_last_paragraph_and_each_key_counts_once() {
        for (message, key, wanted) in CASES {
            let trailers = Trailers::parse(message.as_bytes());
            assert_eq!(trailers.find(key), *wanted, "{message:?}");
        }
    }

    #[test]
    fn keys_that_may_repeat_give_all_their_values() {
        let trailers = Trailers::parse(b"s\n\nResolves: #1\nResolves: #2\n");
        assert_eq!(trailers.all("resolves").collect::<Vec<_>>(), ["#1", "#2"]);
        assert_eq!(trailers.iter().count(), 2);
    }

    proptest! {
        #[test]
        fn any_message_is_read_without_panic(message in proptest::collection::vec(any::<u8>(), 0..200)) {
            Trailers::parse(&message);
        }

        #[test]
        fn what_is_written_as_trailers_is_read_back(values in proptest::collection::vec("[a-z#:]{1,9}", 1..5)) {
            let lines = values.iter().enumerate().map(|(i, value)| format!("Key-{i}: {value}\n"));
            let message = format!("subject\n\nbody\n\n{}", lines.collect::<String>());
            let trailers = Trailers::parse(message.as_bytes());
            for (i, value) in values.iter().enumerate() {
                prop_assert_eq!(trailers.get(&format!("key-{i}")), Some(value.as_str()));
            }
        }
    }
}
