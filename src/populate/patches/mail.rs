//! The mail around a diff: headers as git writes them, and a message that no tool mistakes for more.
//!
//! `git am` ends the message at a line `---` or `diff -`, begins a new mail at `From … 00:00:00 2001`, and
//! takes `From:`, `Subject:` and `Date:` at the top of a message for headers. GNU patch goes further: it
//! looks for diffs of every kind anywhere above the true one, indented ones too, and a commit that
//! quotes a diff in its message would be applied twice. So a line that any of them could act on is
//! quoted with `> `, as in a mail; all others stay as they are. Headers never break the rule either: a
//! subject whose folded lines would is written as encoded words.

use bstr::ByteSlice;

use crate::git::{Commit, Identity};

/// The line that begins every patch: git's own, with an id of zeros and git's fixed date.
const FIRST_LINE: &str = "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n";

/// The length up to which git fills a header line.
const HEADER_WIDTH: usize = 78;

/// The length that a line with encoded words may have, by RFC 2047.
const ENCODED_WIDTH: usize = 76;

/// Returns everything above the diff: headers, message, and the `---` that ends it.
///
/// Author and date are the first commit's; the messages of further commits follow the first one's.
pub(super) fn head(commits: &[&Commit]) -> Vec<u8> {
    let first = commits[0];
    let subject = subject(first);
    let body = commits.iter().enumerate().map(|(index, commit)| match index {
        0 => body(commit),
        _ => format!("{}\n\n{}", self::subject(commit), body(commit)),
    });
    let body = body.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n");
    let mut text = FIRST_LINE.to_owned();
    let mail = decoded(first, &first.author.mail);
    push_author(&mut text, &author_name(&decoded(first, &first.author.name), &mail), &mail);
    text.push_str(&format!("Date: {}\n", date(&first.author)));
    push_subject(&mut text, &subject);
    if needs_encoding(&subject) || !body.is_ascii() {
        text.push_str("MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n");
        text.push_str("Content-Transfer-Encoding: 8bit\n");
    }
    text.push('\n');
    push_body(&mut text, &body);
    text.push_str("---\n\n");
    text.into_bytes()
}

/// Returns the subject on one line, without control characters.
pub(super) fn subject(commit: &Commit) -> String {
    clean(&commit.subject())
}

/// Returns the message below the subject, without blank lines at its ends.
fn body(commit: &Commit) -> String {
    let text = commit.message_text();
    let is_blank = |line: &&str| line.trim().is_empty();
    let lines = text.split('\n').skip_while(is_blank).skip_while(|line| !is_blank(line));
    let lines: Vec<String> = lines.map(|line| clean(line.trim_end())).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// Returns bytes of a commit's header as text: Latin-1 where the commit says so, else UTF-8.
fn decoded(commit: &Commit, bytes: &[u8]) -> String {
    // The commit's own reader knows the encodings; a copy with another message borrows it.
    let text = match bytes.is_ascii() {
        true => bytes.to_str_lossy().into_owned(),
        false => Commit { message: bytes.into(), raw: Vec::new(), ..commit.clone() }.message_text(),
    };
    clean(&text)
}

/// Returns a name that `git am` takes: it refuses one of nothing but blanks and punctuation.
fn author_name(name: &str, mail: &str) -> String {
    let says_something = |text: &&str| {
        text.contains(|c: char| !c.is_whitespace() && !".,:;<>\"\\'\u{fffd}".contains(c))
    };
    [name, mail].into_iter().find(says_something).unwrap_or("Unknown").to_owned()
}

/// Replaces control characters other than the tab, which no mail should carry.
fn clean(text: &str) -> String {
    let harmless = |c: char| c == '\t' || !c.is_control();
    text.chars().map(|c| if harmless(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Writes the author's time in the author's own offset, as RFC 2822 has it.
///
/// `git am` refuses a date before 1970, so such a one becomes the first second of it.
fn date(author: &Identity) -> String {
    let offset = author.offset.to_str_lossy();
    let number: i64 = offset.parse().unwrap_or(0);
    let local = author.seconds.saturating_add((number / 100 * 60 + number % 100) * 60);
    let time = jiff::Timestamp::from_second(local).ok();
    match time.filter(|_| author.seconds >= 0 && local >= 0) {
        Some(time) => format!("{} {offset}", time.strftime("%a, %-d %b %Y %H:%M:%S")),
        None => "Thu, 1 Jan 1970 00:00:00 +0000".to_owned(),
    }
}

fn push_author(text: &mut String, name: &str, mail: &str) {
    text.push_str("From: ");
    let start = text.len();
    let mut width = HEADER_WIDTH;
    if needs_encoding(name) {
        encode(text, name, Phrase::Address);
        width = ENCODED_WIDTH;
    } else {
        fold(text, &quoted_phrase(name));
        if folds_are_hostile(&text[start..]) {
            text.truncate(start);
            encode(text, name, Phrase::Address);
        }
    }
    if last_line_length(text) + " <>".len() + mail.len() > width {
        text.push('\n');
    }
    text.push_str(&format!(" <{mail}>\n"));
}

fn push_subject(text: &mut String, subject: &str) {
    text.push_str("Subject: [PATCH] ");
    let start = text.len();
    match needs_encoding(subject) {
        true => encode(text, subject, Phrase::Subject),
        false => fold(text, subject),
    }
    if folds_are_hostile(&text[start..]) {
        text.truncate(start);
        encode(text, subject, Phrase::Subject);
    }
    text.push('\n');
}

/// Puts a name into double quotes where RFC 822 wants it so.
fn quoted_phrase(name: &str) -> String {
    if !name.contains(['(', ')', '<', '>', '[', ']', ':', ';', '@', ',', '.', '"', '\\']) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

fn needs_encoding(text: &str) -> bool {
    !text.is_ascii() || text.contains("=?")
}

/// Where an encoded word stands: a name's rules are narrower than a subject's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phrase {
    Address,
    Subject,
}

/// Appends `words` as RFC 2047 encoded words, a character never cut in two.
fn encode(text: &mut String, words: &str, phrase: Phrase) {
    const OPEN: &str = "=?UTF-8?q?";
    let mut length = last_line_length(text) + OPEN.len();
    text.push_str(OPEN);
    for c in words.chars() {
        let coded = encoded_char(c, phrase);
        if length + coded.len() + "?=".len() > ENCODED_WIDTH {
            text.push_str("?=\n ");
            text.push_str(OPEN);
            length = 1 + OPEN.len();
        }
        length += coded.len();
        text.push_str(&coded);
    }
    text.push_str("?=");
}

fn encoded_char(c: char, phrase: Phrase) -> String {
    let plain = match phrase {
        Phrase::Subject => c.is_ascii_graphic() && !matches!(c, '=' | '?' | '_'),
        Phrase::Address => c.is_ascii_alphanumeric() || matches!(c, '!' | '*' | '+' | '-' | '/'),
    };
    if plain {
        return c.to_string();
    }
    c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("={byte:02X}")).collect()
}

/// Appends `words`, with a line break before each word that would pass the header width.
fn fold(text: &mut String, words: &str) {
    let mut length = last_line_length(text);
    for (index, word) in words.split_inclusive(' ').enumerate() {
        let width = word.trim_end_matches(' ').chars().count();
        let fits = length + width <= HEADER_WIDTH;
        if !fits && width > 0 {
            if index > 0 {
                text.truncate(text.trim_end_matches(' ').len());
            }
            text.push_str("\n ");
            length = 1;
        }
        text.push_str(word);
        length += word.chars().count();
    }
}

fn last_line_length(text: &str) -> usize {
    text.len() - text.rfind('\n').map_or(0, |end| end + 1)
}

fn folds_are_hostile(header: &str) -> bool {
    header.lines().skip(1).any(is_hostile)
}

fn push_body(text: &mut String, body: &str) {
    for (index, line) in body.lines().enumerate() {
        if is_hostile(line) || (index == 0 && looks_like_header(line)) {
            text.push_str("> ");
        }
        text.push_str(line);
        text.push('\n');
    }
}

/// Tells whether `git am` or GNU patch could take this line of a message for something else.
fn is_hostile(line: &str) -> bool {
    const STARTS: [&str; 10] =
        ["--- ", "---\t", "+++ ", "*** ", "@@ -", "diff ", "Index:", "Prereq:", "From ", ">From "];
    let line = unindented(line);
    let starts = STARTS.iter().any(|start| line.starts_with(start));
    starts || line == "---" || is_edit_command(line) || is_scissors(line)
}

/// Strips what GNU patch takes for the indentation of a diff: blanks, `X`, and the dashes of RFC 934.
fn unindented(line: &str) -> &str {
    let mut rest = line.trim_start_matches([' ', '\t', 'X']);
    while let Some(inner) = rest.strip_prefix("- ") {
        rest = inner.trim_start_matches([' ', '\t', 'X']);
    }
    rest
}

/// `3,4c5,6` and the like: what begins a hunk of a normal diff or a command of an ed script.
fn is_edit_command(line: &str) -> bool {
    let is_number = |c: char| c.is_ascii_digit() || c == ',';
    let rest = line.trim_start_matches(is_number);
    let Some(rest) = rest.strip_prefix(['a', 'c', 'd', 'i', 's']) else { return false };
    line.starts_with(|c: char| c.is_ascii_digit())
        && rest.trim_start_matches(is_number).trim().is_empty()
}

/// The line of dashes and scissors that `git am --scissors` cuts at.
fn is_scissors(line: &str) -> bool {
    line.starts_with('-') && [">8", "8<", ">%", "%<"].iter().any(|mark| line.contains(mark))
}

/// What `git am` takes for a header when a message begins with it.
fn looks_like_header(line: &str) -> bool {
    let names = ["from:", "subject:", "date:", "[patch]"];
    let line = line.to_ascii_lowercase();
    names.iter().any(|name| line.starts_with(name))
}
