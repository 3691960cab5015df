//! A commit's message, cut as git's placeholders cut it.

use bstr::{BStr, BString, ByteSlice};

use crate::git::Commit;

/// A commit's message in UTF-8, up to its first NUL.
pub(super) struct Message {
    pub(super) raw: BString,
}

impl Message {
    /// Returns the commit's message; `None` where its encoding is not one that can be read exactly.
    pub(super) fn of(commit: &Commit) -> Option<Message> {
        let end = commit.message.find_byte(0).unwrap_or(commit.message.len());
        let raw = to_utf8(commit, commit.message[..end].as_bstr())?;
        Some(Message { raw })
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

/// Returns `text` of the commit in UTF-8, following its `encoding` header.
pub(super) fn to_utf8(commit: &Commit, text: &BStr) -> Option<BString> {
    let Some(encoding) = &commit.encoding else { return Some(text.into()) };
    match encoding.to_str_lossy().to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" => Some(text.into()),
        "iso-8859-1" | "iso8859-1" | "latin1" | "latin-1" => {
            let decoded: String = text.iter().map(|byte| char::from(*byte)).collect();
            Some(decoded.into())
        }
        _ => None,
    }
}

fn is_blank(line: &[u8]) -> bool {
    trim_end(line).is_empty()
}

fn trim_end(line: &[u8]) -> &[u8] {
    line.trim_end_with(|c| matches!(c, ' ' | '\t' | '\n' | '\r'))
}
