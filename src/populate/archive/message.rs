//! A commit's message, cut as git's placeholders cut it.

use bstr::{BString, ByteSlice};

use crate::git::Commit;

/// A commit's message in UTF-8, up to its first NUL.
pub(super) struct Message {
    pub(super) raw: BString,
}

impl Message {
    /// Returns the commit's message.
    pub(super) fn of(commit: &Commit) -> Message {
        let end = commit.message.find_byte(0).unwrap_or(commit.message.len());
        Message { raw: to_utf8(commit, &commit.message[..end]) }
    }

    /// Returns `%s`: the first paragraph on one line.
    pub(super) fn subject(&self) -> BString {
        let lines: Vec<&[u8]> = self.first_paragraph().map(trim_end).collect();
        bstr::join(" ", lines).into()
    }

    /// Returns `%f`: the first line as a file name.
    pub(super) fn file_name(&self) -> BString {
        let line = self.first_paragraph().next().unwrap_or_default();
        let mut name = BString::default();
        let mut gap = false;
        for byte in line.trim_end_with(|c| c == '\n').bytes() {
            if !byte.is_ascii_alphanumeric() && byte != b'.' && byte != b'_' {
                gap = true;
                continue;
            }
            if gap && !name.is_empty() {
                name.push(b'-');
            }
            if byte != b'.' || gap || name.last() != Some(&b'.') {
                name.push(byte);
            }
            gap = false;
        }
        let kept = name.trim_end_with(|c| c == '.' || c == '-').len();
        name.truncate(kept);
        name
    }

    /// Returns `%b`: what follows the first paragraph.
    pub(super) fn body(&self) -> BString {
        let lines = self.raw.lines_with_terminator().skip_while(|line| is_blank(line));
        let after = lines.skip_while(|line| !is_blank(line)).skip_while(|line| is_blank(line));
        bstr::concat(after).into()
    }

    fn first_paragraph(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.raw.lines_with_terminator().skip_while(|line| is_blank(line));
        lines.take_while(|line| !is_blank(line))
    }
}

/// What a commit's `encoding` header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Latin1,
    /// One for which no exact table is at hand.
    Other,
}

fn encoding_of(commit: &Commit) -> Encoding {
    let Some(name) = &commit.encoding else { return Encoding::Utf8 };
    match name.to_str_lossy().to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" => Encoding::Utf8,
        "iso-8859-1" | "iso8859-1" | "latin1" | "latin-1" => Encoding::Latin1,
        _ => Encoding::Other,
    }
}

/// Tells whether the commit's encoding is one that is read exactly.
pub(super) fn can_be_read(commit: &Commit) -> bool {
    encoding_of(commit) != Encoding::Other
}

/// Returns `text` of the commit in UTF-8, following its `encoding` header.
pub(super) fn to_utf8(commit: &Commit, text: &[u8]) -> BString {
    match encoding_of(commit) {
        Encoding::Latin1 => text.iter().map(|byte| char::from(*byte)).collect::<String>().into(),
        Encoding::Utf8 | Encoding::Other => text.into(),
    }
}

/// Writes UTF-8 in the commit's own encoding; what is no UTF-8, or does not fit, stays.
pub(super) fn back_to_own_encoding(commit: &Commit, text: &mut Vec<u8>) {
    if encoding_of(commit) != Encoding::Latin1 {
        return;
    }
    let byte = |c: char| u8::try_from(u32::from(c)).ok();
    let encoded = text.to_str().ok().and_then(|text| text.chars().map(byte).collect());
    if let Some(encoded) = encoded {
        *text = encoded;
    }
}

fn is_blank(line: &[u8]) -> bool {
    trim_end(line).is_empty()
}

fn trim_end(line: &[u8]) -> &[u8] {
    line.trim_end_with(|c| matches!(c, ' ' | '\t' | '\n' | '\r'))
}
