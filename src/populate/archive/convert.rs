//! The worktree conversion: what git does to a file's bytes on the way out, as gitattributes(5) asks.
//!
//! In git's order: `ident`, line ends, encoding. `filter` drivers are never run: they are commands of
//! somebody's machine, and without a configured driver git passes the content through as well.

use std::borrow::Cow;

use bstr::{BStr, ByteSlice};

use super::encoding::Encoding;
use crate::git::attributes::{State, Values};
use crate::names::ObjectId;
use crate::outcome::Result;

/// How git counts a file's line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum LineEnds {
    /// They stay as they are.
    #[default]
    Kept,
    /// Each line feed gets a carriage return.
    Crlf,
    /// Likewise, where the content looks like text and has no carriage return yet.
    CrlfIfText,
}

/// What is to be done to a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Conversion {
    ident: bool,
    line_ends: LineEnds,
    encoding: Option<Encoding>,
}

impl Conversion {
    /// Reads the wish out of a path's attributes.
    ///
    /// # Errors
    /// Refuses encodings that cannot be written exactly.
    pub(super) fn from_attributes(values: &Values<'_>, path: &BStr) -> Result<Conversion> {
        Ok(Conversion {
            ident: *values.get("ident") == State::Set,
            line_ends: line_ends(values),
            encoding: Encoding::from_attribute(values.get("working-tree-encoding"), path)?,
        })
    }

    /// Tells whether the content is left as it is, whatever it holds.
    pub(super) fn is_nothing(self) -> bool {
        self == Conversion::default()
    }

    /// Converts the content of the blob `id`.
    pub(super) fn apply<'a>(self, id: &ObjectId, content: &'a [u8]) -> Cow<'a, [u8]> {
        let mut content = Cow::Borrowed(content);
        if self.ident {
            replace(&mut content, |bytes| expand_ident(bytes, id));
        }
        replace(&mut content, |bytes| self.line_ends.apply(bytes));
        if let Some(encoding) = self.encoding {
            replace(&mut content, |bytes| encoding.encode(bytes));
        }
        content
    }
}

fn replace(content: &mut Cow<'_, [u8]>, step: impl FnOnce(&[u8]) -> Option<Vec<u8>>) {
    if let Some(changed) = step(content) {
        *content = Cow::Owned(changed);
    }
}

/// Where git's decision ends up on a machine whose own line end is LF and without configuration:
/// only `eol=crlf` adds carriage returns.
fn line_ends(values: &Values<'_>) -> LineEnds {
    let text = match values.get("text") {
        said if decides(said) => said,
        _ => values.get("crlf"),
    };
    let wants_crlf = matches!(values.get("eol"), State::Value(value) if *value == "crlf");
    match text {
        State::Unset => LineEnds::Kept,
        _ if !wants_crlf => LineEnds::Kept,
        State::Value(value) if *value == "auto" => LineEnds::CrlfIfText,
        _ => LineEnds::Crlf,
    }
}

/// Tells whether a value of `text` means anything; if not, the old attribute `crlf` is asked.
fn decides(state: &State) -> bool {
    match state {
        State::Set | State::Unset => true,
        State::Unspecified => false,
        State::Value(value) => *value == "auto" || *value == "input",
    }
}

impl LineEnds {
    fn apply(self, content: &[u8]) -> Option<Vec<u8>> {
        let wanted = match self {
            LineEnds::Kept => false,
            LineEnds::Crlf => has_bare_line_feed(content),
            LineEnds::CrlfIfText => {
                !content.contains(&b'\r') && content.contains(&b'\n') && !looks_binary(content)
            }
        };
        wanted.then(|| add_carriage_returns(content))
    }
}

fn has_bare_line_feed(content: &[u8]) -> bool {
    content.find_iter(b"\n").any(|at| at == 0 || content[at - 1] != b'\r')
}

fn add_carriage_returns(content: &[u8]) -> Vec<u8> {
    let mut converted = Vec::with_capacity(content.len() + content.len() / 16);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) if text.last() != Some(&b'\r') => {
                converted.extend_from_slice(text);
                converted.extend_from_slice(b"\r\n");
            }
            _ => converted.extend_from_slice(line),
        }
    }
    converted
}

/// Git's guess for content without carriage returns: a NUL, or more than one odd byte in 128.
fn looks_binary(content: &[u8]) -> bool {
    let odd = |byte: &&u8| {
        **byte == 127 || (**byte < 32 && !matches!(**byte, 8 | b'\t' | 12 | 27 | b'\n' | b'\r'))
    };
    let line_feeds = content.find_iter(b"\n").count();
    let counted = content.iter().filter(odd).count();
    // A closing ^Z is the end mark of old systems and is forgiven.
    let odd = counted - usize::from(content.last() == Some(&0x1a));
    let plain = content.len() - line_feeds - counted;
    content.contains(&0) || plain / 128 < odd
}

/// Expands `$Id$`, and replaces what an earlier expansion of git's own left; `None` where there is none.
fn expand_ident(content: &[u8], id: &ObjectId) -> Option<Vec<u8>> {
    let expanded = format!("Id: {id} $");
    let mut out = Vec::new();
    let mut rest = content;
    while let Some(dollar) = rest.find_byte(b'$') {
        let (before, after) = rest.split_at(dollar + 1);
        out.extend_from_slice(before);
        rest = after;
        if let Some(length) = ident_keyword(rest) {
            out.extend_from_slice(expanded.as_bytes());
            rest = &rest[length..];
        }
    }
    out.extend_from_slice(rest);
    (out != content).then_some(out)
}

/// Returns the length of `Id$` or of an expansion that git may have made; others keep theirs: those with
/// a line break, or a space anywhere but before the closing dollar.
fn ident_keyword(text: &[u8]) -> Option<usize> {
    let after = text.strip_prefix(b"Id")?;
    match after.first()? {
        b'$' => Some(3),
        b':' => {
            let end = after.find_byte(b'$')?;
            let inside = &after[1..end];
            let has_line_break = inside.contains(&b'\n');
            let space = inside.get(1..).and_then(|inside| inside.find_byte(b' '));
            let foreign = space.is_some_and(|space| space + 2 < inside.len());
            (!has_line_break && !foreign).then_some(2 + end + 1)
        }
        _ => None,
    }
}
