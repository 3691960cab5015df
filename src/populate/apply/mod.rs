//! Applying patches to a tree, in git terms and without a checkout.
//!
//! This is the other half of the proof of tree identity, so it shares nothing with the code that writes
//! patches: it reads the text alone, as `git apply` and `patch -p1` would. Patches by hand come
//! through here too: plain unified diffs, renames, several mails in one file.
//!
//! 1. [`parse`] takes a patch apart into file patches ([`names`] reads the paths, [`binary`] the content
//!    that is no text);
//! 2. [`hunks`] changes a file's content: no fuzz, but hunks may have moved;
//! 3. [`tree`] keeps what changed in memory for the length of the series and writes each changed folder
//!    once, at the end.
//!
//! Rule: the design, section 5, "Tree identity".

pub mod binary;
pub mod hunks;
pub mod names;
pub mod parse;
pub mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use bstr::{BStr, BString, ByteSlice};

use self::binary::BinaryPatch;
use self::parse::{Content, FilePatch, Kind};
use self::tree::{File, WorkTree};
use crate::git::{EntryMode, Objects};
use crate::names::ObjectId;
use crate::outcome::{Fault, printable};

/// Where and why a patch does not apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyFault {
    /// The patch's place in the series, from 0.
    pub patch: usize,
    /// The file it was about; empty where the patch cannot be read that far.
    pub file: BString,
    /// The hunk in that file, from 1.
    pub hunk: Option<usize>,
    /// What is wrong.
    pub cause: Cause,
}

/// What keeps a patch from applying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The text breaks the format of patches; the words say how.
    Malformed(String),
    /// The path leaves the tree, or names `.git`.
    PathUnsafe,
    /// A file to be changed is not there.
    FileMissing,
    /// A file to be made is there.
    FileExists,
    /// A part of the path is a file, or the path is a folder.
    FolderInTheWay,
    /// The lines of the hunk are nowhere in the file.
    LinesNotFound,
    /// A deletion does not take away the whole content.
    ContentLeft,
    /// A binary patch was made for other content.
    OtherContent,
    /// The patch says that binary files differ, and carries no content.
    BinaryWithoutContent,
    /// The patch changes a submodule.
    Submodule,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Malformed(words) => return write!(f, "the patch is malformed: {words}"),
            Cause::PathUnsafe => "the path leaves the tree or names .git",
            Cause::FileMissing => "the file to be changed is not there",
            Cause::FileExists => "the file to be made is already there",
            Cause::FolderInTheWay => "a folder is where a file should be, or a file where a folder",
            Cause::LinesNotFound => "the lines to be changed are not in the file",
            Cause::ContentLeft => "the file to be deleted has more than the patch takes away",
            Cause::OtherContent => "the binary patch was made for other content",
            Cause::BinaryWithoutContent => "the patch has no content for a binary file",
            Cause::Submodule => "a submodule cannot be patched",
        })
    }
}

impl fmt::Display for ApplyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "patch {}", self.patch + 1)?;
        if !self.file.is_empty() {
            write!(f, ", {}", printable(&self.file, 200))?;
        }
        if let Some(hunk) = self.hunk {
            write!(f, ", hunk {hunk}")?;
        }
        write!(f, ": {}", self.cause)
    }
}

/// Why a series did not give a tree.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// A patch does not apply.
    #[error("{0}")]
    Patch(ApplyFault),
    /// The repository could not be read or written.
    #[error(transparent)]
    Store(#[from] Fault),
}

impl From<Cause> for Stopped {
    fn from(cause: Cause) -> Stopped {
        Stopped::Patch(ApplyFault { patch: 0, file: BString::default(), hunk: None, cause })
    }
}

impl Stopped {
    fn at(mut self, change: impl FnOnce(&mut ApplyFault)) -> Stopped {
        if let Stopped::Patch(fault) = &mut self {
            change(fault);
        }
        self
    }
}

/// Applies the patches to `base_tree`, in order, and returns the id of the tree that comes out.
///
/// New objects are written through `objects`; use [`crate::git::Store::scratch`] to keep them in
/// memory. A file that many patches change is written once.
///
/// # Errors
/// Says which patch, file and hunk does not apply and why, or that the repository failed.
pub fn series(
    objects: &Objects,
    base_tree: ObjectId,
    patches: &[&[u8]],
) -> Result<ObjectId, Stopped> {
    let mut tree = WorkTree::new(objects, base_tree);
    for (place, patch) in patches.iter().enumerate() {
        apply_patch(&mut tree, patch).map_err(|stop| stop.at(|fault| fault.patch = place))?;
    }
    tree.write()
}

fn apply_patch(tree: &mut WorkTree<'_>, patch: &[u8]) -> Result<(), Stopped> {
    let files = parse::parse(patch)?;
    let named =
        |file: &FilePatch<'_>, stop: Stopped| stop.at(|fault| fault.file = file.path.clone());
    // Renames read what was there before any of them, so that two files may change places.
    let mut sources = Vec::with_capacity(files.len());
    for file in &files {
        sources.push(source(tree, file).map_err(|stop| named(file, stop))?);
    }
    let created: BTreeSet<&BStr> = paths_of(&files, &Kind::Create).collect();
    let goes_first = |file: &FilePatch<'_>| makes_room(file, &created);
    let (first, then): (Vec<_>, Vec<_>) =
        files.iter().zip(sources).partition(|(file, _)| goes_first(file));
    for (file, source) in first.into_iter().chain(then) {
        apply_file(tree, file, source).map_err(|stop| named(file, stop))?;
    }
    Ok(())
}

fn paths_of<'f>(files: &'f [FilePatch<'_>], kind: &Kind) -> impl Iterator<Item = &'f BStr> {
    files.iter().filter(move |file| file.kind == *kind).map(|file| file.path.as_bstr())
}

/// Tells whether a file goes out of a folder whose place a new file takes.
///
/// git writes the new file above it, and applies deletions first.
fn makes_room(file: &FilePatch<'_>, created: &BTreeSet<&BStr>) -> bool {
    let path = &file.path;
    let mut folders = path.find_iter("/").map(|end| path[..end].as_bstr());
    file.kind == Kind::Delete && folders.any(|folder| created.contains(folder))
}

/// Takes the file that a rename or copy starts from.
fn source(tree: &mut WorkTree<'_>, file: &FilePatch<'_>) -> Result<Option<File>, Stopped> {
    match &file.kind {
        Kind::Rename { from } => tree.remove(from.as_bstr()).map(Some),
        Kind::Copy { from } => tree.get(from.as_bstr())?.ok_or(Cause::FileMissing.into()).map(Some),
        Kind::Modify | Kind::Create | Kind::Delete => Ok(None),
    }
}

fn apply_file(
    tree: &mut WorkTree<'_>,
    file: &FilePatch<'_>,
    source: Option<File>,
) -> Result<(), Stopped> {
    if file.touches_submodule() {
        return Err(Cause::Submodule.into());
    }
    let path = file.path.as_bstr();
    let old = match file.kind {
        Kind::Create => File { mode: EntryMode::File, content: Vec::new() },
        Kind::Modify | Kind::Delete => tree.remove(path)?,
        Kind::Rename { .. } | Kind::Copy { .. } => source.unwrap_or_default(),
    };
    let content = changed(&file.content, &old.content)?;
    match file.kind {
        Kind::Delete if content.is_empty() => Ok(()),
        Kind::Delete => Err(Cause::ContentLeft.into()),
        _ => tree.put(path, File { mode: file.new_mode.unwrap_or(old.mode), content }),
    }
}

fn changed(content: &Content<'_>, old: &[u8]) -> Result<Vec<u8>, Stopped> {
    match content {
        Content::Same => Ok(old.to_vec()),
        Content::Hunks(hunks) => Ok(hunks::apply(hunks, old)?),
        Content::Binary(binary) => changed_binary(binary, old),
        Content::BinaryUnknown => Err(Cause::BinaryWithoutContent.into()),
    }
}

/// Applies a binary patch; like `git apply`, only where the content is the one it was made for.
fn changed_binary(binary: &BinaryPatch, old: &[u8]) -> Result<Vec<u8>, Stopped> {
    let is = |id: &Option<ObjectId>, content: &[u8]| match id {
        Some(id) if id.is_zero() => Ok(content.is_empty()),
        Some(id) => Objects::hash(crate::git::Kind::Blob, content).map(|found| found == *id),
        None => Ok(false),
    };
    if !is(&binary.old, old)? {
        return Err(Cause::OtherContent.into());
    }
    let content = binary.apply(old)?;
    match is(&binary.new, &content)? {
        true => Ok(content),
        false => Err(Cause::OtherContent.into()),
    }
}

/// Returns a cause for text that breaks the format.
pub(crate) fn malformed(words: &str, line: &[u8]) -> Cause {
    let line: &BStr = line.trim_end().as_bstr();
    Cause::Malformed(format!("{words}: `{}`", printable(line, 120)))
}
