//! Patch text taken apart into one piece for each file.
//!
//! As `git apply` does it: text before, between and after diffs is passed over; a diff begins at a
//! `diff --git` line, or at `---` and `+++` lines with a hunk below; a hunk is as long as its header
//! says.

use bstr::{BString, ByteSlice};

use super::binary::{self, BinaryPatch};
use super::hunks::{self, Hunk};
use super::{Cause, malformed, names};
use crate::git::EntryMode;
use crate::names::ObjectId;

/// What a patch does to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePatch<'p> {
    /// The path: where the file is afterwards, or was, where it is deleted.
    pub path: BString,
    /// What becomes of the file.
    pub kind: Kind,
    /// The mode before, where the patch says it.
    pub old_mode: Option<EntryMode>,
    /// The mode afterwards, where the patch says it.
    pub new_mode: Option<EntryMode>,
    /// What becomes of the content.
    pub content: Content<'p>,
}

impl FilePatch<'_> {
    /// Tells whether one of the modes is that of a submodule.
    pub fn touches_submodule(&self) -> bool {
        [self.old_mode, self.new_mode].contains(&Some(EntryMode::Submodule))
    }
}

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// It stays where it is.
    Modify,
    /// It is new.
    Create,
    /// It goes.
    Delete,
    /// It moves here.
    Rename {
        /// Where it was.
        from: BString,
    },
    /// Another file is copied here.
    Copy {
        /// Where that one is.
        from: BString,
    },
}

/// What becomes of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'p> {
    /// It stays the same.
    Same,
    /// Lines change.
    Hunks(Vec<Hunk<'p>>),
    /// All of it is given.
    Binary(BinaryPatch),
    /// It changes, and the patch does not say to what.
    BinaryUnknown,
}

/// The lines of a patch that are still to be read; each keeps its line feed.
pub(super) struct Lines<'p> {
    rest: &'p [u8],
}

impl<'p> Lines<'p> {
    pub(super) fn peek(&self) -> Option<&'p [u8]> {
        let end = self.rest.find_byte(b'\n').map_or(self.rest.len(), |end| end + 1);
        (end > 0).then(|| &self.rest[..end])
    }

    pub(super) fn next(&mut self) -> Option<&'p [u8]> {
        let line = self.peek()?;
        self.rest = &self.rest[line.len()..];
        Some(line)
    }

    /// Takes the next line where it begins with `start`, and returns what follows on it.
    pub(super) fn after(&mut self, start: &str) -> Option<&'p [u8]> {
        let rest = self.peek()?.strip_prefix(start.as_bytes())?;
        self.next();
        Some(rest.trim_end_with(|c| c == '\n'))
    }

    fn starts_plain_diff(&self) -> bool {
        let mut ahead = Lines { rest: self.rest };
        let two = ahead.after("--- ").is_some() && ahead.after("+++ ").is_some();
        two && ahead.peek().is_some_and(|line| line.starts_with(b"@@ -"))
    }
}

/// Takes a patch apart.
///
/// # Errors
/// Says which line breaks the format. A patch without any diff is refused, as git does: it may be a
/// message whose diff was lost.
pub fn parse(patch: &[u8]) -> Result<Vec<FilePatch<'_>>, Cause> {
    let mut lines = Lines { rest: patch };
    let mut files = Vec::new();
    while let Some(line) = lines.peek() {
        if line.starts_with(b"diff --git ") {
            files.push(git_diff(&mut lines)?);
        } else if lines.starts_plain_diff() {
            files.push(plain_diff(&mut lines)?);
        } else if line.starts_with(b"@@ -") {
            return Err(malformed("a hunk without a file", line));
        } else {
            lines.next();
        }
    }
    match files.is_empty() && !patch.is_empty() {
        true => Err(Cause::Malformed("it has no diff".to_owned())),
        false => Ok(files),
    }
}

/// The extended header lines below `diff --git`, as far as they were there.
#[derive(Default)]
struct Header {
    old_mode: Option<EntryMode>,
    new_mode: Option<EntryMode>,
    is_new: bool,
    is_deleted: bool,
    renamed: Option<(BString, BString)>,
    copied: Option<(BString, BString)>,
    ids: (Option<ObjectId>, Option<ObjectId>),
}

fn git_diff<'p>(lines: &mut Lines<'p>) -> Result<FilePatch<'p>, Cause> {
    let first = lines.next().unwrap_or_default();
    let named = names::of_git_line(first.strip_prefix(b"diff --git ").unwrap_or_default());
    let header = git_header(lines)?;
    let below = file_names(lines)?;
    let kind_and_path = match (&header.renamed, &header.copied) {
        (Some((from, to)), _) => Some((Kind::Rename { from: from.clone() }, to.clone())),
        (_, Some((from, to))) => Some((Kind::Copy { from: from.clone() }, to.clone())),
        _ => {
            let path = below.and_then(|(old, new)| new.or(old)).or(named);
            path.map(|path| (header.kind(), path))
        }
    };
    let (kind, path) = kind_and_path.ok_or_else(|| malformed("no file name", first))?;
    check_paths(&kind, &path)?;
    let content = content(lines, &header)?;
    let Header { old_mode, new_mode, .. } = header;
    Ok(FilePatch { path, kind, old_mode, new_mode, content })
}

impl Header {
    fn kind(&self) -> Kind {
        match (self.is_new, self.is_deleted) {
            (true, _) => Kind::Create,
            (_, true) => Kind::Delete,
            _ => Kind::Modify,
        }
    }
}

fn check_paths(kind: &Kind, path: &BString) -> Result<(), Cause> {
    let from = match kind {
        Kind::Rename { from } | Kind::Copy { from } => Some(from),
        Kind::Modify | Kind::Create | Kind::Delete => None,
    };
    let safe = from.into_iter().chain([path]).all(|path| names::is_safe(path));
    if safe { Ok(()) } else { Err(Cause::PathUnsafe) }
}

fn git_header(lines: &mut Lines<'_>) -> Result<Header, Cause> {
    let mut header = Header::default();
    let mut from = None;
    let read_name = |text| names::take(text, |_| false).map(|(name, _)| name);
    loop {
        if let Some(mode) = lines.after("old mode ") {
            header.old_mode = Some(read_mode(mode)?);
        } else if let Some(mode) = lines.after("new mode ") {
            header.new_mode = Some(read_mode(mode)?);
        } else if let Some(mode) = lines.after("new file mode ") {
            (header.is_new, header.new_mode) = (true, Some(read_mode(mode)?));
        } else if let Some(mode) = lines.after("deleted file mode ") {
            (header.is_deleted, header.old_mode) = (true, Some(read_mode(mode)?));
        } else if let Some(name) = lines.after("rename from ").or_else(|| lines.after("copy from "))
        {
            from = read_name(name);
        } else if let Some(name) = lines.after("rename to ") {
            header.renamed = from.take().zip(read_name(name));
        } else if let Some(name) = lines.after("copy to ") {
            header.copied = from.take().zip(read_name(name));
        } else if let Some(ids) = lines.after("index ") {
            header.ids = read_ids(ids);
        } else if lines.after("similarity index ").is_none()
            && lines.after("dissimilarity index ").is_none()
        {
            return Ok(header);
        }
    }
}

fn read_mode(digits: &[u8]) -> Result<EntryMode, Cause> {
    EntryMode::from_tree(digits.trim()).ok_or_else(|| malformed("a mode that is none", digits))
}

/// Reads `OLD..NEW MODE`; only full ids say anything.
fn read_ids(text: &[u8]) -> (Option<ObjectId>, Option<ObjectId>) {
    let ids = text.fields().next().unwrap_or_default();
    let id = |hex: &[u8]| hex.to_str().ok()?.parse().ok();
    match ids.split_once_str("..") {
        Some((old, new)) => (id(old), id(new)),
        None => (None, None),
    }
}

type TwoNames = (Option<BString>, Option<BString>);

/// Reads the `---` and `+++` lines where they are there; `/dev/null` is `None`.
fn file_names(lines: &mut Lines<'_>) -> Result<Option<TwoNames>, Cause> {
    let Some(old) = lines.after("--- ") else { return Ok(None) };
    let Some(new) = lines.after("+++ ") else {
        return Err(malformed("`---` without `+++` below", old));
    };
    Ok(Some((file_name(old)?, file_name(new)?)))
}

fn file_name(text: &[u8]) -> Result<Option<BString>, Cause> {
    let fault = || malformed("no file name after `---` or `+++`", text);
    let (name, _) = names::take(text, |byte| byte == b'\t').ok_or_else(fault)?;
    let name = name.trim_end_with(|c| c == '\r');
    if name == b"/dev/null" {
        return Ok(None);
    }
    names::strip_one(name).map(Some).ok_or_else(fault)
}

fn content<'p>(lines: &mut Lines<'p>, header: &Header) -> Result<Content<'p>, Cause> {
    if lines.after("GIT binary patch").is_some() {
        let (old, new) = header.ids;
        return Ok(Content::Binary(BinaryPatch { old, new, forward: binary::read(lines)? }));
    }
    if lines.peek().is_some_and(|line| line.starts_with(b"Binary files ")) {
        lines.next();
        return Ok(Content::BinaryUnknown);
    }
    let hunks = hunks::read(lines)?;
    Ok(if hunks.is_empty() { Content::Same } else { Content::Hunks(hunks) })
}

fn plain_diff<'p>(lines: &mut Lines<'p>) -> Result<FilePatch<'p>, Cause> {
    let removed_at_epoch = lines.peek_second().is_some_and(has_epoch_date);
    let names = file_names(lines)?.unwrap_or_default();
    let hunks = hunks::read(lines)?;
    let fresh = hunks.first().is_some_and(|hunk| hunk.old_start == 0 && hunk.old.is_empty());
    let emptied = hunks.len() == 1 && hunks[0].new_start == 0 && hunks[0].new.is_empty();
    let (path, kind) = match names {
        (None, Some(new)) => (new, Kind::Create),
        (Some(old), None) => (old, Kind::Delete),
        (Some(old), Some(_)) if emptied && removed_at_epoch => (old, Kind::Delete),
        (Some(_), Some(new)) if fresh => (new, Kind::Create),
        (Some(old), Some(new)) => (shorter(old, new), Kind::Modify),
        (None, None) => return Err(Cause::Malformed("both names are /dev/null".to_owned())),
    };
    check_paths(&kind, &path)?;
    Ok(FilePatch { path, kind, old_mode: None, new_mode: None, content: Content::Hunks(hunks) })
}

impl<'p> Lines<'p> {
    fn peek_second(&self) -> Option<&'p [u8]> {
        let mut ahead = Lines { rest: self.rest };
        ahead.next();
        ahead.next()
    }
}

/// Tells whether a `+++` line is dated 1970-01-01 UTC: how `diff -N` marks a file that is gone.
fn has_epoch_date(line: &[u8]) -> bool {
    let date = line.split_once_str("\t").map_or(&b""[..], |(_, date)| date);
    date.starts_with(b"1970-01-01 ") || date.starts_with(b"1969-12-31 ")
}

/// Of `x.orig` and `x`, the file is `x`.
fn shorter(old: BString, new: BString) -> BString {
    if old.len() < new.len() { old } else { new }
}
