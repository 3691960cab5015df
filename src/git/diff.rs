//! What differs between two trees, and between two texts, line by line.
//!
//! Trees are walked side by side over their raw bytes, so equal subtrees cost nothing and every tree
//! that is read passes through [`Objects::read_into`] and its check. Lines are compared with git's own
//! algorithm (Myers, then the indentation heuristic), so hunks fall where `git diff` puts them.

use bstr::{BStr, BString, ByteSlice};
use gix::diff::blob::{
    Algorithm, Diff, InternedInput, Token, diff_with_slider_heuristics, sources,
};

use super::store::{EntryMode, Kind, Objects};
use crate::names::ObjectId;
use crate::outcome::{Refusal, Result};

/// One side of a changed path: what a tree records for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Side {
    /// What the entry is; never [`EntryMode::Tree`].
    pub mode: EntryMode,
    /// The blob, or for a submodule the foreign commit.
    pub id: ObjectId,
}

/// One path that two trees do not agree on. At least one side is there, and the two differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The path from the root of the tree; any bytes but NUL.
    pub path: BString,
    /// What the old tree has there.
    pub old: Option<Side>,
    /// What the new tree has there.
    pub new: Option<Side>,
}

impl Objects {
    /// Returns the paths that differ between the trees `old` and `new`, in git's order.
    ///
    /// Folders are never reported themselves. A path for which `skip` answers true is left out with all
    /// that lies below it, unread. Modes are compared as git canonicalises them. An id of zeros is the
    /// empty tree.
    ///
    /// # Errors
    /// As [`Objects::tree`].
    pub fn changes(
        &self,
        old: &ObjectId,
        new: &ObjectId,
        skip: &dyn Fn(&BStr) -> bool,
    ) -> Result<Vec<FileChange>> {
        let mut walk = Walk { objects: self, skip, path: BString::default(), changes: Vec::new() };
        walk.trees(Some(*old), Some(*new))?;
        Ok(walk.changes)
    }
}

/// A walk over two trees side by side.
struct Walk<'a> {
    objects: &'a Objects,
    skip: &'a dyn Fn(&BStr) -> bool,
    path: BString,
    changes: Vec<FileChange>,
}

/// An entry as it stands in a raw tree, its name borrowed.
#[derive(Clone, Copy)]
struct RawEntry<'a> {
    mode: EntryMode,
    name: &'a [u8],
    id: ObjectId,
}

impl Walk<'_> {
    fn trees(&mut self, old: Option<ObjectId>, new: Option<ObjectId>) -> Result<()> {
        if old == new {
            return Ok(());
        }
        let (old_raw, new_raw) = (self.raw(old)?, self.raw(new)?);
        let (mut olds, mut news) = (&old_raw[..], &new_raw[..]);
        strip_common_start(&mut olds, &mut news);
        let (mut left, mut right) = (self.next(&mut olds, old)?, self.next(&mut news, new)?);
        while left.is_some() || right.is_some() {
            let (take_left, take_right) = which(left.as_ref(), right.as_ref());
            let one = left.filter(|_| take_left);
            let other = right.filter(|_| take_right);
            self.pair(one, other)?;
            if take_left {
                left = self.next(&mut olds, old)?;
            }
            if take_right {
                right = self.next(&mut news, new)?;
            }
        }
        Ok(())
    }

    fn raw(&self, id: Option<ObjectId>) -> Result<Vec<u8>> {
        match id {
            Some(id) if !id.is_zero() => self.objects.raw_tree(&id),
            _ => Ok(Vec::new()),
        }
    }

    fn next<'r>(&self, raw: &mut &'r [u8], tree: Option<ObjectId>) -> Result<Option<RawEntry<'r>>> {
        if raw.is_empty() {
            return Ok(None);
        }
        match next_entry(raw) {
            Some(entry) => Ok(Some(entry)),
            None => Err(malformed(tree)),
        }
    }

    /// Reports what differs between two entries of one name, of which one may be missing.
    fn pair(&mut self, old: Option<RawEntry<'_>>, new: Option<RawEntry<'_>>) -> Result<()> {
        let name = old.or(new).map_or(&b""[..], |entry| entry.name);
        let same = |a: RawEntry<'_>, b: RawEntry<'_>| a.id == b.id && a.mode == b.mode;
        if old.zip(new).is_some_and(|(a, b)| same(a, b)) {
            return Ok(());
        }
        let length = self.path.len();
        if length > 0 {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name);
        if !(self.skip)(self.path.as_bstr()) {
            self.descend(old, new)?;
        }
        self.path.truncate(length);
        Ok(())
    }

    fn descend(&mut self, old: Option<RawEntry<'_>>, new: Option<RawEntry<'_>>) -> Result<()> {
        let side = |entry: Option<RawEntry<'_>>| entry.map(|e| Side { mode: e.mode, id: e.id });
        let (old, new) = (side(old), side(new));
        let file = |side: Option<Side>| side.filter(|side| side.mode != EntryMode::Tree);
        let tree = |side: Option<Side>| side.filter(|side| side.mode == EntryMode::Tree);
        let (old_file, new_file) = (file(old), file(new));
        if old_file.is_some() || new_file.is_some() {
            let path = self.path.clone();
            self.changes.push(FileChange { path, old: old_file, new: new_file });
        }
        match (tree(old).map(|side| side.id), tree(new).map(|side| side.id)) {
            (None, None) => Ok(()),
            (old, new) => self.trees(old, new),
        }
    }
}

/// Drops whole entries that both trees begin with; what is left begins at an entry's border.
fn strip_common_start(old: &mut &[u8], new: &mut &[u8]) {
    let shorter = old.len().min(new.len());
    let blocks = old[..shorter].chunks(64).zip(new[..shorter].chunks(64));
    let common = shorter.min(64 * blocks.take_while(|(a, b)| a == b).count());
    let mut kept = 0;
    while let Some(length) = entry_length(&old[kept..]).filter(|length| kept + length <= common) {
        kept += length;
    }
    (*old, *new) = (&old[kept..], &new[kept..]);
}

fn entry_length(raw: &[u8]) -> Option<usize> {
    Some(raw.find_byte(0)? + 1 + 20)
}

fn next_entry<'r>(raw: &mut &'r [u8]) -> Option<RawEntry<'r>> {
    let space = raw.find_byte(b' ')?;
    let (mode, rest) = (&raw[..space], &raw[space + 1..]);
    let end = rest.find_byte(0)?;
    let (name, rest) = (&rest[..end], &rest[end + 1..]);
    let (id, rest) = rest.split_at_checked(20)?;
    *raw = rest;
    Some(RawEntry { mode: EntryMode::from_tree(mode)?, name, id: ObjectId::from_bytes(id)? })
}

/// Says which of two entries comes first; both where they share name and place.
fn which(left: Option<&RawEntry<'_>>, right: Option<&RawEntry<'_>>) -> (bool, bool) {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let (Some(left), Some(right)) = (left, right) else {
        return (left.is_some(), right.is_some());
    };
    match sort_key(left).cmp(sort_key(right)) {
        Less => (true, false),
        Greater => (false, true),
        Equal => (true, true),
    }
}

fn sort_key<'r>(entry: &RawEntry<'r>) -> impl Iterator<Item = u8> + 'r {
    let tail = (entry.mode == EntryMode::Tree).then_some(b'/');
    entry.name.iter().copied().chain(tail)
}

fn malformed(tree: Option<ObjectId>) -> crate::outcome::Fault {
    let name = tree.map_or_else(String::new, |id| id.to_string());
    Refusal::new("object-corrupt", format!("object {name} is a malformed tree"))
        .hint("the repository is damaged or was tampered with; `git fsck` there shows more")
        .into()
}

impl Objects {
    fn raw_tree(&self, id: &ObjectId) -> Result<Vec<u8>> {
        // The empty tree is known to git without being stored.
        if super::store::id_to_gix(id).is_empty_tree() {
            return Ok(Vec::new());
        }
        self.read_kind(id, Kind::Tree)
    }
}

/// One stretch of lines that two texts do not share; line numbers count from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedLines {
    /// The lines of the old text that go.
    pub old: std::ops::Range<usize>,
    /// The lines of the new text that come.
    pub new: std::ops::Range<usize>,
}

/// Two texts cut into lines and compared as git does.
pub struct LineDiff<'t> {
    input: InternedInput<&'t [u8]>,
    diff: Diff,
}

impl<'t> LineDiff<'t> {
    /// Compares two texts; a line keeps its line feed, and the last may have none.
    pub fn new(old: &'t [u8], new: &'t [u8]) -> LineDiff<'t> {
        let input = InternedInput::new(sources::byte_lines(old), sources::byte_lines(new));
        let diff = diff_with_slider_heuristics(Algorithm::Myers, &input);
        LineDiff { input, diff }
    }

    /// Returns the stretches that differ, from the top down.
    pub fn changes(&self) -> impl Iterator<Item = ChangedLines> + '_ {
        let wide = |range: std::ops::Range<u32>| range.start as usize..range.end as usize;
        self.diff.hunks().map(move |h| ChangedLines { old: wide(h.before), new: wide(h.after) })
    }

    /// Returns the lines of the old text in `range`.
    pub fn old_lines(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = &'t [u8]> + '_ {
        self.lines(&self.input.before[range])
    }

    /// Returns the lines of the new text in `range`.
    pub fn new_lines(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = &'t [u8]> + '_ {
        self.lines(&self.input.after[range])
    }

    /// Returns how many lines the old and the new text have.
    pub fn line_counts(&self) -> (usize, usize) {
        (self.input.before.len(), self.input.after.len())
    }

    fn lines<'s>(&'s self, tokens: &'s [Token]) -> impl Iterator<Item = &'t [u8]> + 's {
        tokens.iter().map(|token| self.input.interner[*token])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree cut off anywhere is refused or read, never a panic.
    #[test]
    fn malformed_trees_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let store = crate::git::Store::init_bare(folder.path()).expect("it is empty");
        let objects = store.objects();
        let entry = |name: &str| [b"100644 ", name.as_bytes(), b"\0", &[7; 20]].concat();
        let whole = [entry("a"), entry("b"), entry(&"c".repeat(60)), entry("d")].concat();
        let written = |raw: &[u8]| objects.write(Kind::Tree, raw).expect("writable");
        let sound = written(&whole);
        for cut in 1..whole.len() {
            let changes = objects.changes(&sound, &written(&whole[..cut]), &|_| false);
            let is_whole = [29, 58, 146].contains(&cut);
            assert_eq!(changes.is_ok(), is_whole, "cut at {cut}");
        }
    }

    #[test]
    fn skipped_folders_are_not_read() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let store = crate::git::Store::init_bare(folder.path()).expect("it is empty");
        let objects = store.objects();
        let tree = |id: u8| [b"40000 gone\0", &[id; 20][..]].concat();
        let written = |id| objects.write(Kind::Tree, &tree(id)).expect("writable");
        let (old, new) = (written(1), written(2));
        assert!(objects.changes(&old, &new, &|_| false).is_err());
        assert_eq!(objects.changes(&old, &new, &|path| path == "gone").expect("skipped"), []);
    }
}
