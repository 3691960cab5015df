//! What a commit message says to the changelog. All of it is a stranger's text.

use std::sync::LazyLock;

use regex::Regex;

use crate::trailers::Trailers;

/// How long the text of an item may be, without its bug references.
const TEXT_LIMIT: usize = 400;
/// How many bug references an item carries.
const REFERENCE_LIMIT: usize = 10;
/// How many are kept for an item at all: a bound on what comparing them can cost.
const KEPT_REFERENCES: usize = 100;

/// Returns the subject: the lines up to the first blank one, joined, as git's `%s`.
pub(super) fn subject(message: &str) -> String {
    let (subject, _) = split_subject(message);
    one_line(subject)
}

/// Splits a message after its first paragraph.
fn split_subject(message: &str) -> (&str, &str) {
    let message = message.trim_start();
    let mut end = 0;
    for line in message.split_inclusive('\n') {
        if line.trim().is_empty() {
            break;
        }
        end += line.len();
    }
    message.split_at(end)
}

/// Returns the text as one line: control characters and runs of space become one space, invisible
/// characters and those that reorder text go, and what is too long ends in an ellipsis.
pub(super) fn one_line(text: &str) -> String {
    let is_space = |c: char| c.is_whitespace() || c.is_control();
    let words = text.split(is_space).map(|word| word.replace(is_invisible, ""));
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(TEXT_LIMIT) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Tells whether the author asked to leave the commit out.
pub(super) fn asks_to_be_skipped(message: &str) -> bool {
    let (subject, body) = split_subject(message);
    let in_subject = subject.to_ascii_lowercase().contains("[skip changelog]");
    let trailer = trailers(message, "Changelog");
    let says_none = trailer.iter().any(|value| value.trim().eq_ignore_ascii_case("none"));
    in_subject || body.lines().any(is_skip_line) || says_none
}

/// Tells whether a line is only brackets with `skip changelog` among their comma-separated parts.
fn is_skip_line(line: &str) -> bool {
    let inside = line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.is_some_and(|inside| {
        inside.split(',').any(|part| part.trim().eq_ignore_ascii_case("skip changelog"))
    })
}

/// Returns the values of the trailers with this key, in their order.
fn trailers(message: &str, key: &str) -> Vec<String> {
    Trailers::parse(message.as_bytes()).all(key).map(str::to_owned).collect()
}

/// Returns the words of `Changelog:` trailers, which replace the subject.
pub(super) fn replacement(message: &str) -> Option<String> {
    let values = trailers(message, "Changelog");
    let words: Vec<_> =
        values.iter().map(|value| one_line(value)).filter(|v| !v.is_empty()).collect();
    (!words.is_empty()).then(|| one_line(&words.join("; ")))
}

/// Returns the text of an item: the trailer's words, else the title, and never nothing.
pub(super) fn title(message: &str) -> String {
    let text = replacement(message).unwrap_or_else(|| {
        let subject = subject(message);
        merged_title(&subject, message).unwrap_or_else(|| without_marks(&subject).to_owned())
    });
    match without_bullet(&text) {
        "" => "Change without a description".to_owned(),
        text => text.to_owned(),
    }
}

/// Returns the title of a pull request, which forges put below the subject of the merge commit.
fn merged_title(subject: &str, message: &str) -> Option<String> {
    let number = subject.strip_prefix("Merge pull request #");
    let others = ["Merge branch '", "Merge commit from fork"];
    if number.is_none() && !others.iter().any(|start| subject.starts_with(start)) {
        return None;
    }
    let (_, body) = split_subject(message);
    let title = one_line(body.trim_start().lines().next()?);
    let digits = number.map(|rest| rest.split(' ').next().unwrap_or_default());
    let digits = digits.filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
    match digits {
        _ if title.is_empty() => None,
        Some(digits) if !title.contains(&format!("#{digits}")) => {
            Some(format!("{title} (#{digits})"))
        }
        _ => Some(title),
    }
}

/// Takes `fixup!` and the like off a subject; one that has nothing else keeps them.
pub(super) fn without_marks(subject: &str) -> &str {
    let mut rest = subject;
    while let Some(after) = mark(rest) {
        rest = after;
    }
    match rest {
        "" => subject,
        rest => rest,
    }
}

/// Returns what follows a leading `fixup!`, `squash!` or `amend!`.
pub(super) fn mark(subject: &str) -> Option<&str> {
    let rest =
        ["fixup!", "squash!", "amend!"].iter().find_map(|mark| subject.strip_prefix(mark))?;
    Some(rest.trim_start())
}

fn without_bullet(text: &str) -> &str {
    text.trim_start_matches(['-', '*', ' '])
}

/// Returns the message that an `amend!` commit gives its target: all after its own subject.
pub(super) fn amended(message: &str) -> Option<&str> {
    let (own, rest) = split_subject(message);
    let rest = rest.trim_start();
    (own.starts_with("amend!") && !rest.is_empty()).then_some(rest)
}

/// What a revert undoes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reverts {
    /// These commits, by id or its beginning.
    Commits(Vec<String>),
    /// The commit with this subject: a forge's revert, which names no id.
    Subject(String),
}

static REVERTED_ID: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"^This reverts commit ([0-9a-f]{7,64})(?:\.?|, reversing)$"));
static REVERTED_SUBJECT: LazyLock<Regex> =
    LazyLock::new(|| compiled(r#"^Revert "(.+)"(?: \(#[0-9]+\))?$"#));

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant expression, compiled by the tests")
}

/// Returns what a commit reverts as a whole; a line with more words is a revert in part, and none here.
pub(super) fn reverts(message: &str) -> Option<Reverts> {
    let (_, body) = split_subject(message);
    let says_commit = |line: &&str| line.trim_start().starts_with("This reverts commit");
    let lines: Vec<_> = body.lines().filter(says_commit).collect();
    if lines.is_empty() {
        let subject = subject(message);
        let found = REVERTED_SUBJECT.captures(&subject)?;
        return Some(Reverts::Subject(found[1].to_owned()));
    }
    let ids = lines.iter().map(|line| Some(REVERTED_ID.captures(line.trim())?[1].to_owned()));
    ids.collect::<Option<Vec<_>>>().map(Reverts::Commits)
}

/// The bug references of an item: those that it resolves, and those that it only names.
#[derive(Debug, Default)]
pub(super) struct References {
    resolved: Vec<String>,
    named: Vec<String>,
}

static BUG_LINE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)^\s*(?:resolves|fixes|closes|bugs?|bugzilla)(?P<mark>\s*:|\s)\s*(?P<value>\S.*)$",
    )
});
static NAMED_BUG: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)\b(?:rhbz|bz) ?#[0-9]{1,12}\b"));
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?ix)^(?: \#?[0-9]{1,12} | [a-z][a-z0-9_.-]{0,40}(?:/[a-z0-9_.-]{1,60})?\#[0-9]{1,12}
        | [a-z][a-z0-9_]{1,20}-[0-9]{1,12}(?:-[0-9]{1,12})? | https?://[a-z0-9._~/?\#=&:-]{3,200} )$",
    )
});

impl References {
    /// Adds those of a message; the subject's own stay where they are.
    pub(super) fn collect(&mut self, message: &str) {
        let (_, body) = split_subject(message);
        for token in body.lines().flat_map(resolved_in) {
            self.resolve(token);
        }
        for found in NAMED_BUG.find_iter(body) {
            self.name(found.as_str());
        }
    }

    fn resolve(&mut self, token: &str) {
        if self.resolved.len() < KEPT_REFERENCES && !has(&self.resolved, token) {
            self.resolved.push(token.to_owned());
        }
    }

    fn name(&mut self, token: &str) {
        let known = || has(&self.resolved, token) || has(&self.named, token);
        if self.named.len() < KEPT_REFERENCES && !known() {
            self.named.push(token.to_owned());
        }
    }

    /// Appends to `text` what it does not say already: `text (Resolves: rhbz#1, #2; rhbz#3)`.
    pub(super) fn append_to(&self, text: &str) -> String {
        let unsaid = |tokens: &[String]| {
            let said = text_tokens(text);
            let new = tokens.iter().filter(|token| !said.contains(&key(token)));
            new.take(REFERENCE_LIMIT).cloned().collect::<Vec<_>>().join(", ")
        };
        let named: Vec<_> =
            self.named.iter().filter(|token| !has(&self.resolved, token)).cloned().collect();
        match (unsaid(&self.resolved), unsaid(&named)) {
            (resolved, named) if resolved.is_empty() && named.is_empty() => text.to_owned(),
            (resolved, named) if resolved.is_empty() => format!("{text} ({named})"),
            (resolved, named) if named.is_empty() => format!("{text} (Resolves: {resolved})"),
            (resolved, named) => format!("{text} (Resolves: {resolved}; {named})"),
        }
    }
}

/// Returns the references of a line such as `Resolves: rhbz#1, #2` or `Fixes #3`.
///
/// Without a colon only what has a `#` or is an address counts, because `Fixes 3 bugs` is prose. The kernel's
/// `Fixes: 1234567890ab ("subject")` names a commit.
fn resolved_in(line: &str) -> Vec<&str> {
    let Some(found) = BUG_LINE.captures(line).filter(|_| !line.contains("(\"")) else {
        return Vec::new();
    };
    let with_colon = found["mark"].ends_with(':');
    let value = found.name("value").map_or("", |value| value.as_str());
    let tokens = value.split([',', ' ', '\t', ';']).map(|token| token.trim_end_matches('.'));
    let is_reference = |token: &str| {
        REFERENCE.is_match(token) && (with_colon || token.contains('#') || token.contains("://"))
    };
    tokens.filter(|token| !token.is_empty()).take_while(|token| is_reference(token)).collect()
}

fn has(tokens: &[String], token: &str) -> bool {
    tokens.iter().any(|other| key(other) == key(token))
}

/// Returns what makes two references the same: `bz #5` and `RHBZ#5`, `5` and `#5`.
fn key(token: &str) -> String {
    let token = token.to_ascii_lowercase().replace(' ', "");
    match token.strip_prefix("bz#") {
        Some(number) => format!("rhbz#{number}"),
        None => token.strip_prefix('#').unwrap_or(&token).to_owned(),
    }
}

fn text_tokens(text: &str) -> Vec<String> {
    let is_break = |c: char| c.is_whitespace() || "(),;[]".contains(c);
    text.split(is_break).map(|word| key(word.trim_end_matches(['.', ':']))).collect()
}
