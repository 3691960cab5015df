//! `export-subst`: `$Format:…$` in a file becomes words about the commit.
//!
//! Some placeholders depend on what a clone happens to hold. Each has one fixed answer here, that of a
//! repository with the commit's objects and nothing else (no ref, no `.mailmap` at `HEAD`, no notes), with
//! `core.abbrev=12`:
//! - `%d`, `%D`, `%(decorate)` and the first `%(describe)` of an archive become nothing; later
//!   `%(describe)`s stay as they are, since git expands one per archive;
//! - `%aN`, `%aE`, `%aL` are the plain name and address; `%N` and `%S` stay as they are;
//! - `%h`, `%t`, `%p` are the first twelve digits.
//!
//! Files in which a ref would have mattered are reported. What needs the clock, a keyring or a terminal's
//! width, or rewraps text, is refused by name.
//!
//! Git goes back to the commit's own encoding after each `$Format:…$`, with all of the file up to there,
//! where that can be done; so do we.

use bstr::{BString, ByteSlice};

use super::date::{self, DateForm};
use super::message::{self, Message};
use crate::git::{Commit, Identity};
use crate::names::ObjectId;

/// Digits of an abbreviated id.
const ABBREVIATED: usize = 12;
const OPEN: &[u8] = b"$Format:";
/// Most bytes of words in one file: a long message asked for often enough would fill any memory.
pub(super) const WORDS_LIMIT: usize = 64 * 1024 * 1024;

/// Whether the archive's one `%(describe)` has been used up by an earlier file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Describe {
    /// The next one expands, to nothing.
    Left,
    /// All stay as they are.
    Used,
}

/// A file's content with its `$Format:…$` expanded.
#[derive(Debug)]
pub(super) struct Expanded {
    pub(super) content: Vec<u8>,
    /// Whether a placeholder was met whose value git takes from refs.
    pub(super) names_refs: bool,
    pub(super) describe: Describe,
}

/// Why a file's `$Format:…$` are not expanded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unexpanded {
    /// A placeholder, as written, that has no fixed answer.
    NoFixedAnswer { placeholder: String },
    /// The words would come to more than [`WORDS_LIMIT`] bytes.
    TooLong,
}

/// Expands every `$Format:…$` of `content`.
pub(super) fn expand(
    commit: &Commit,
    content: &[u8],
    describe: Describe,
) -> Result<Expanded, Unexpanded> {
    let out = Vec::with_capacity(content.len());
    let mut expander = Expander {
        commit,
        message: None,
        out,
        room: WORDS_LIMIT,
        names_refs: false,
        describe,
        read_commit: false,
    };
    let mut rest = content;
    while let Some(open) = rest.find(OPEN) {
        let inside = &rest[open + OPEN.len()..];
        let Some(close) = inside.find_byte(b'$') else { break };
        expander.out.extend_from_slice(&rest[..open]);
        expander.expand(&inside[..close])?;
        rest = &inside[close + 1..];
    }
    expander.out.extend_from_slice(rest);
    let Expander { out: content, names_refs, describe, .. } = expander;
    Ok(Expanded { content, names_refs, describe })
}

struct Expander<'a> {
    commit: &'a Commit,
    message: Option<Message>,
    out: Vec<u8>,
    /// Bytes of words that may still be added.
    room: usize,
    names_refs: bool,
    describe: Describe,
    /// Whether this format has a placeholder for which git reads the commit's text.
    read_commit: bool,
}

/// What one placeholder comes to: how many bytes of the format it takes. 0: unknown, stays as it is.
type Taken = Result<usize, Unexpanded>;

impl Expander<'_> {
    fn expand(&mut self, format: &[u8]) -> Result<(), Unexpanded> {
        // To git the format is a C string.
        let mut rest = &format[..format.find_byte(0).unwrap_or(format.len())];
        self.read_commit = false;
        while let Some(percent) = rest.find_byte(b'%') {
            self.out.extend_from_slice(&rest[..percent]);
            rest = &rest[percent + 1..];
            let taken = match rest.first() {
                Some(b'%') => 1,
                _ => self.with_magic(rest)?,
            };
            if taken == 0 || rest[0] == b'%' {
                self.out.push(b'%');
            }
            rest = &rest[taken..];
        }
        self.out.extend_from_slice(rest);
        if self.read_commit {
            message::back_to_own_encoding(self.commit, &mut self.out);
        }
        Ok(())
    }

    /// `%+x`, `% x`, `%-x`: a line break or space before what is not empty, or line breaks taken back.
    fn with_magic(&mut self, text: &[u8]) -> Taken {
        let Some(magic @ (b'+' | b' ' | b'-')) = text.first() else {
            return self.placeholder(text);
        };
        if text.get(1) == Some(&b'w') {
            return Ok(0);
        }
        let start = self.out.len();
        let taken = self.placeholder(&text[1..])?;
        match (magic, self.out.len() == start) {
            (b'-', true) => {
                let kept = self.out.trim_end_with(|c| c == '\n').len();
                self.out.truncate(kept);
            }
            (b'+', false) => self.out.insert(start, b'\n'),
            (b' ', false) => self.out.insert(start, b' '),
            _ => {}
        }
        Ok(taken + 1)
    }

    fn placeholder(&mut self, text: &[u8]) -> Taken {
        let Some(letter) = text.first() else { return Ok(0) };
        match letter {
            b'n' => self.add(b"\n", 1),
            b'x' => Ok(self.hex_byte(&text[1..])),
            b'C' => color(text),
            b'w' | b'<' | b'>'
                if text[1..].trim_start_with(|c| "<>|".contains(c)).starts_with(b"(") =>
            {
                Err(unsupported(text))
            }
            b'(' => self.in_parentheses(text),
            b'H' | b'h' | b'T' | b't' | b'P' | b'p' => self.ids(*letter),
            b'm' => self.add(b">", 1),
            b'd' | b'D' => self.ref_words(1),
            b'g' => Ok(if text.get(1).is_some_and(|b| b"dDsnNeE".contains(b)) { 2 } else { 0 }),
            b'G' => self.signature(text),
            b'N' | b'S' => Ok(0),
            _ => self.commit_words(*letter, text),
        }
    }

    /// The placeholders for which git reads the commit's text; unknown ones are among them.
    fn commit_words(&mut self, letter: u8, text: &[u8]) -> Taken {
        if !message::can_be_read(self.commit) {
            return Err(unsupported(text));
        }
        self.read_commit = true;
        match letter {
            b'a' => self.person(text, &self.commit.author),
            b'c' => self.person(text, &self.commit.committer),
            b'e' => self.add(self.commit.encoding.as_deref().map_or(b"", |name| name), 1),
            b'B' => self.message_part(|message| message.raw.clone()),
            b's' => self.message_part(Message::subject),
            b'f' => self.message_part(Message::file_name),
            b'b' => self.message_part(Message::body),
            b'(' if text.starts_with(b"(trailers") => Err(unsupported(text)),
            _ => Ok(0),
        }
    }

    fn add(&mut self, words: &[u8], taken: usize) -> Taken {
        self.room = self.room.checked_sub(words.len()).ok_or(Unexpanded::TooLong)?;
        self.out.extend_from_slice(words);
        Ok(taken)
    }

    fn ref_words(&mut self, taken: usize) -> Taken {
        self.names_refs = true;
        Ok(taken)
    }

    fn hex_byte(&mut self, digits: &[u8]) -> usize {
        let digit = |at: usize| digits.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else { return 0 };
        self.out.push(u8::try_from(high * 16 + low).expect("two hex digits make a byte"));
        3
    }

    fn in_parentheses(&mut self, text: &[u8]) -> Taken {
        if let Some(options) = text.strip_prefix(b"(describe") {
            return self.describe(text.len() - options.len(), options);
        }
        if text.starts_with(b"(decorate") {
            let end = text.find_byte(b')').map_or(0, |end| end + 1);
            return self.ref_words(end);
        }
        self.commit_words(b'(', text)
    }

    /// Without tags `git describe` finds nothing, so the one that git allows becomes nothing.
    fn describe(&mut self, start: usize, options: &[u8]) -> Taken {
        if self.describe == Describe::Used {
            return Ok(0);
        }
        self.describe = Describe::Used;
        self.names_refs = true;
        let listed = match options.strip_prefix(b":") {
            Some(listed) => 1 + describe_options(listed),
            None => 0,
        };
        match options.get(listed) {
            Some(b')') => Ok(start + listed + 1),
            _ => Ok(0),
        }
    }

    fn ids(&mut self, letter: u8) -> Taken {
        let ids: Vec<ObjectId> = match letter.to_ascii_uppercase() {
            b'H' => vec![self.commit.id],
            b'T' => vec![self.commit.tree],
            _ => self.commit.parents.clone(),
        };
        let shown = ids.iter().map(|id| match letter.is_ascii_uppercase() {
            true => id.to_string(),
            false => id.to_string()[..ABBREVIATED].to_owned(),
        });
        self.add(shown.collect::<Vec<_>>().join(" ").as_bytes(), 1)
    }

    /// An unsigned commit has fixed answers; what a keyring would say of a signed one has none.
    fn signature(&mut self, text: &[u8]) -> Taken {
        let known = text.get(1).is_some_and(|letter| b"?SKFPTG".contains(letter));
        match text.get(1) {
            _ if known && self.commit.has_signature => Err(unsupported(text)),
            Some(b'?') => self.add(b"N", 2),
            Some(b'T') => self.add(b"undefined", 2),
            _ => Ok(if known { 2 } else { 0 }),
        }
    }

    fn person(&mut self, text: &[u8], person: &Identity) -> Taken {
        let words: BString = match text.get(1) {
            Some(b'n' | b'N') => self.decoded(&person.name),
            Some(b'e' | b'E') => self.decoded(&person.mail),
            Some(b'l' | b'L') => {
                let end = person.mail.find_byte(b'@').unwrap_or(person.mail.len());
                self.decoded(&person.mail[..end])
            }
            Some(b't') => person.seconds.to_string().into(),
            Some(b'd') => date::show(person, DateForm::Default).into(),
            Some(b'D') => date::show(person, DateForm::Rfc2822).into(),
            Some(b'i') => date::show(person, DateForm::Iso).into(),
            Some(b'I') => date::show(person, DateForm::StrictIso).into(),
            Some(b's') => date::show(person, DateForm::Short).into(),
            Some(b'r' | b'h') => return Err(unsupported(text)),
            _ => return Ok(0),
        };
        self.add(&words, 2)
    }

    fn decoded(&self, text: &[u8]) -> BString {
        message::to_utf8(self.commit, text)
    }

    fn message_part(&mut self, part: impl Fn(&Message) -> BString) -> Taken {
        let message = self.message.get_or_insert_with(|| Message::of(self.commit));
        let words = part(message);
        self.add(&words, 1)
    }
}

/// Colours are nothing, since an archive is no terminal; only `always` would write them.
fn color(text: &[u8]) -> Taken {
    if text.starts_with(b"C(always") {
        return Err(unsupported(text));
    }
    if text.starts_with(b"C(") {
        return Ok(text.find_byte(b')').map_or(0, |end| end + 1));
    }
    let named = ["Cred", "Cgreen", "Cblue", "Creset"];
    Ok(named.iter().find(|name| text.starts_with(name.as_bytes())).map_or(0, |name| name.len()))
}

/// Returns how much of `text` git's option parser takes for `%(describe)`.
fn describe_options(text: &[u8]) -> usize {
    let mut taken = 0;
    loop {
        let rest = &text[taken..];
        let Some(end) = rest.find_byteset(b",)") else { return taken };
        let next = taken + end + usize::from(rest[end] == b',');
        match describe_option(&rest[..end]) {
            DescribeOption::Known => taken = next,
            DescribeOption::BadSwitch => return next,
            DescribeOption::Unknown => return taken,
        }
        if rest[end] == b')' {
            return taken;
        }
    }
}

/// How git's parser takes an option.
enum DescribeOption {
    Known,
    /// `tags` with a value that is neither true nor false: taken, and then the parser stops.
    BadSwitch,
    Unknown,
}

fn describe_option(option: &[u8]) -> DescribeOption {
    let is_known = match option.split_once_str("=") {
        None => option == b"tags",
        Some((b"tags", value)) if !is_switch(value) => return DescribeOption::BadSwitch,
        Some((b"tags", _)) => true,
        Some((b"abbrev", value)) => !value.is_empty() && value.iter().all(u8::is_ascii_digit),
        Some((b"match" | b"exclude", value)) => !value.is_empty(),
        Some(_) => false,
    };
    if is_known { DescribeOption::Known } else { DescribeOption::Unknown }
}

fn is_switch(value: &[u8]) -> bool {
    let words = ["", "true", "false", "yes", "no", "on", "off"];
    value.iter().all(u8::is_ascii_digit)
        || words.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
}

/// Names the placeholder: up to its closing parenthesis, or its two letters.
fn unsupported(text: &[u8]) -> Unexpanded {
    let end = match text.find_byte(b')') {
        Some(end) if text.contains(&b'(') => end + 1,
        _ => text.len().min(2),
    };
    let placeholder = format!("%{}", crate::outcome::printable(&text[..end], 60));
    Unexpanded::NoFixedAnswer { placeholder }
}
