//! Text from commits, logs and names, made harmless for Markdown and HTML. Pure.
//!
//! STRATEGY. A list of what is dangerous is never complete: five forges, each with its own references (`@user`,
//! `#1`, `!1`, `owner/name#1`, commit ids, `/close`, `:emoji:`, bare links). So it goes the other way round: a plain word
//! of letters stays, and *everything else* goes into a code span, where no forge reads anything. What is longer goes
//! into a code block. A fence is longer than any run of backticks inside, so nothing in it can end it.
//!
//! Pagure looks for `@name` in the raw text, code or not; so in every kind an `@` before a name is followed by a
//! space of no width.

use crate::outcome::printable;

/// The space of no width that parts an `@` from a name.
const APART: char = '\u{200b}';

/// Writes lines of prose: words stay words, everything else becomes code. At most `limit` characters a line.
pub fn prose(text: &str, limit: usize) -> Vec<String> {
    let lines = text.lines().map(|line| prose_line(line, limit));
    lines.filter(|line| !line.is_empty()).collect()
}

fn prose_line(line: &str, limit: usize) -> String {
    let line = shown(line, limit);
    let mut written: Vec<String> = Vec::new();
    let mut odd: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        if is_plain(word) {
            flush(&mut odd, &mut written);
            written.push(word.to_owned());
        } else {
            odd.push(word);
        }
    }
    flush(&mut odd, &mut written);
    written.join(" ")
}

/// Makes a line harmless for a terminal too, and cuts it; what is escaped counts as long as it became.
fn shown(line: &str, limit: usize) -> String {
    let line = printable(line, limit);
    match line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Writes the words that wait as one code span.
fn flush(odd: &mut Vec<&str>, written: &mut Vec<String>) {
    if !odd.is_empty() {
        let words = odd.join(" ");
        written.push(span(unquoted(&words)));
        odd.clear();
    }
}

/// Takes away backticks that our own messages put around a name: it becomes code anyway.
fn unquoted(text: &str) -> &str {
    let inner = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    inner.filter(|inner| !inner.is_empty() && !inner.contains('`')).unwrap_or(text)
}

/// Tells whether a word means nothing to any forge: letters with dashes or apostrophes inside, or a short number.
fn is_plain(word: &str) -> bool {
    let core = word.strip_prefix(['(', '"', '\'']).unwrap_or(word);
    let core = core.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"', '\'']);
    let is_letter = |b: u8| b.is_ascii_alphabetic();
    let bytes = core.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !(is_letter(*first) && is_letter(*last)) {
        return word.len() <= 3 && word.bytes().all(|b| b.is_ascii_digit());
    }
    let is_inner = |b: &u8| is_letter(*b) || *b == b'-' || *b == b'\'';
    bytes.len() <= 40 && bytes.iter().all(is_inner) && !core.split(['-', '\'']).any(may_be_id)
}

/// Tells whether a word may be the id of a commit: seven letters from a to f are enough.
fn may_be_id(word: &str) -> bool {
    word.len() >= 7 && word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Writes a text as code within a line. At most `limit` characters.
pub fn code(text: &str, limit: usize) -> String {
    span(&shown(text, limit))
}

fn span(text: &str) -> String {
    let text = match text.trim().is_empty() {
        true => "(empty)".to_owned(),
        false => apart(text),
    };
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Writes a text as a block of code: its first `lines` lines, each of at most `limit` characters.
pub fn block(text: &str, lines: usize, limit: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let mut shown: Vec<String> =
        all.iter().take(lines).map(|line| apart(&shown(line, limit))).collect();
    if all.len() > lines {
        shown.push(format!("… {} more lines", all.len() - lines));
    }
    let longest = shown.iter().map(|line| longest_run(line)).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}", shown.join("\n"))
}

/// Writes a command of our own as a block of code, to be copied as it is.
pub fn verbatim(command: &str) -> String {
    let fence = "`".repeat(longest_run(command).max(2) + 1);
    format!("{fence}sh\n{command}\n{fence}")
}

/// Parts each `@` from what follows it.
fn apart(text: &str) -> String {
    let mut parted = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        parted.push(c);
        if c == '@' && letters.peek().is_some_and(|next| !next.is_whitespace() && *next != APART) {
            parted.push(APART);
        }
    }
    parted
}

/// Returns how many backticks follow each other at most.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
