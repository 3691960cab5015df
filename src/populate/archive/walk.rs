//! The walk over a commit's tree: which entries the archive gets, in which order, and how each is treated.
//!
//! The order and the choice are git's. A folder's own entry is put off until something inside that is
//! no folder comes up, so empty folders and those with nothing but hidden folders leave no trace,
//! while a folder whose only file is hidden stays as an empty one.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::vec::IntoIter;

use bstr::{BStr, BString, ByteSlice};

use super::convert::Conversion;
use super::export;
use super::subst::Describe;
use crate::git::attributes::{AttributeFile, AttributeStack, PathKind, State, Values};
use crate::git::{Commit, EntryMode, Kind, Objects, TreeEntry};
use crate::names::ObjectId;
use crate::outcome::{Refusal, Result, printable};

/// Deepest nesting that is followed; git's own limit.
const DEPTH_LIMIT: usize = 2048;
/// Most tree entries that are looked at: small objects can describe an endless tree.
const ENTRY_LIMIT: u64 = 10_000_000;

/// One entry of the archive to be.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// From the root of the tree; folders and submodules end in a slash.
    pub(super) path: BString,
    /// The blob, tree or foreign commit.
    pub(super) id: ObjectId,
    pub(super) what: What,
}

/// What an entry is, and what is done to a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A folder, or a submodule, which an archive shows as an empty one.
    Folder,
    Link,
    File {
        executable: bool,
        treatment: Treatment,
    },
}

/// What may be done to a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Treatment {
    pub(super) conversion: Conversion,
    /// `export-subst` is set, and whether `%(describe)` is still to be had.
    pub(super) subst: Option<Describe>,
}

impl Treatment {
    /// Tells whether the content is left as it is, whatever it holds.
    pub(super) fn is_nothing(self) -> bool {
        self.conversion.is_nothing() && self.subst.is_none()
    }
}

struct Folder {
    /// Empty for the root; else with a slash at its end.
    path: BString,
    id: ObjectId,
    entries: IntoIter<TreeEntry>,
    /// Whether its own entry is in the archive already.
    written: bool,
    has_attributes: bool,
}

/// A walk under way.
pub(super) struct Walk<'a> {
    objects: &'a Objects,
    commit: &'a Commit,
    attributes: AttributeStack,
    folders: Vec<Folder>,
    describe: Describe,
    seen: u64,
    /// What `export-ignore` hides: files, links and submodules as they are named, folders with a slash.
    pub(super) hidden: Vec<BString>,
}

impl<'a> Walk<'a> {
    /// Returns a walk over the commit's tree that has not begun.
    pub(super) fn new(objects: &'a Objects, commit: &'a Commit) -> Walk<'a> {
        Walk {
            objects,
            commit,
            attributes: AttributeStack::default(),
            folders: Vec::new(),
            describe: Describe::Left,
            seen: 0,
            hidden: Vec::new(),
        }
    }

    /// Hands every entry to `emit`, in order, until that breaks off.
    ///
    /// # Errors
    /// Refuses trees that git refuses to archive (`hostile-path`), that are too deep or endless
    /// (`tree-too-large`), and what cannot be read.
    pub(super) fn run(&mut self, emit: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<()> {
        self.enter(BString::default(), self.commit.tree)?;
        while let Some(folder) = self.folders.last_mut() {
            let Some(entry) = folder.entries.next() else {
                self.leave();
                continue;
            };
            if self.step(entry, emit)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn enter(&mut self, path: BString, id: ObjectId) -> Result<()> {
        let entries = self.objects.tree(&id)?;
        self.seen += entries.len() as u64;
        if self.folders.len() >= DEPTH_LIMIT || self.seen > ENTRY_LIMIT {
            return Err(too_large(path.as_bstr()));
        }
        check_names(&path, &entries)?;
        let has_attributes = self.read_attributes(&path, &entries)?;
        let written = path.is_empty();
        let entries = entries.into_iter();
        self.folders.push(Folder { path, id, entries, written, has_attributes });
        Ok(())
    }

    fn leave(&mut self) {
        let left = self.folders.pop();
        if left.is_some_and(|folder| folder.has_attributes) {
            self.attributes.pop();
        }
    }

    /// Git reads a link's target as attributes too, where the link is called `.gitattributes`.
    fn read_attributes(&mut self, path: &BString, entries: &[TreeEntry]) -> Result<bool> {
        let is_blob = |mode| !matches!(mode, EntryMode::Tree | EntryMode::Submodule);
        let found = entries.iter().find(|e| e.name == ".gitattributes" && is_blob(e.mode));
        if let Some(entry) = found {
            let content = self.objects.blob(&entry.id)?;
            let folder = path.strip_suffix(b"/").unwrap_or_default();
            self.attributes.push(AttributeFile::parse(folder.as_bstr(), &content));
        }
        Ok(found.is_some())
    }

    fn step(
        &mut self,
        entry: TreeEntry,
        emit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let mut path = self.folders.last().map(|folder| folder.path.clone()).unwrap_or_default();
        path.extend_from_slice(&entry.name);
        let is_folder = matches!(entry.mode, EntryMode::Tree | EntryMode::Submodule);
        let kind = if is_folder { PathKind::Folder } else { PathKind::File };
        let values = self.attributes.values(path.as_bstr(), kind);
        let is_hidden = *values.get("export-ignore") == State::Set;
        let what = match is_hidden {
            true => What::Folder,
            false => what_of(entry.mode, &values, path.as_bstr())?,
        };
        if is_folder {
            path.push(b'/');
        }
        if entry.mode != EntryMode::Tree && self.write_folders(emit).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if is_hidden {
            self.hidden.push(path);
            return Ok(ControlFlow::Continue(()));
        }
        if entry.mode == EntryMode::Tree {
            self.enter(path, entry.id)?;
            return Ok(ControlFlow::Continue(()));
        }
        let what = self.with_describe(what, &entry.id)?;
        Ok(emit(Entry { path, id: entry.id, what }))
    }

    fn write_folders(&mut self, emit: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> ControlFlow<()> {
        for folder in self.folders.iter_mut().filter(|folder| !folder.written) {
            folder.written = true;
            let (path, id) = (folder.path.clone(), folder.id);
            emit(Entry { path, id, what: What::Folder })?;
        }
        ControlFlow::Continue(())
    }

    /// Git expands one `%(describe)` in an archive, so the order of files decides which file has it.
    fn with_describe(&mut self, what: What, id: &ObjectId) -> Result<What> {
        let What::File { executable, mut treatment } = what else { return Ok(what) };
        if treatment.subst.is_some() {
            treatment.subst = Some(self.describe);
            if self.describe == Describe::Left && self.uses_describe(treatment, id)? {
                self.describe = Describe::Used;
            }
        }
        Ok(What::File { executable, treatment })
    }

    fn uses_describe(&self, treatment: Treatment, id: &ObjectId) -> Result<bool> {
        let content = self.objects.read_kind(id, Kind::Blob)?;
        if !content.contains_str("(describe") {
            return Ok(false);
        }
        // A placeholder that cannot be expanded is reported when the file itself is written.
        let exported = export::exported(self.commit, b"".into(), id, treatment, &content);
        Ok(exported.is_ok_and(|exported| exported.describe == Describe::Used))
    }
}

fn what_of(mode: EntryMode, values: &Values<'_>, path: &BStr) -> Result<What> {
    let executable = match mode {
        EntryMode::Tree | EntryMode::Submodule => return Ok(What::Folder),
        EntryMode::Symlink => return Ok(What::Link),
        EntryMode::File => false,
        EntryMode::Executable => true,
    };
    let conversion = Conversion::from_attributes(values, path)?;
    let subst = (*values.get("export-subst") == State::Set).then_some(Describe::Left);
    Ok(What::File { executable, treatment: Treatment { conversion, subst } })
}

/// Refuses names that would write outside their folder or into `.git`, and one name twice.
fn check_names(folder: &BString, entries: &[TreeEntry]) -> Result<()> {
    let mut names = HashSet::with_capacity(entries.len());
    for entry in entries {
        let fault = match entry.name.as_slice() {
            b"" | b"." | b".." => "is no name for an entry",
            name if name.eq_ignore_ascii_case(b".git") => {
                "could be read as a repository's own data"
            }
            name if name.contains(&b'/') => "has a slash inside",
            _ if !names.insert(entry.name.as_bstr()) => "is there twice",
            _ => continue,
        };
        let (name, folder) = (printable(&entry.name, 100), printable(folder, 200));
        return Err(Refusal::new(
            "hostile-path",
            format!("the folder `{folder}` of the tree has an entry `{name}`, which {fault}"),
        )
        .hint("no git command makes such a tree; rewrite the commit with ordinary names")
        .into());
    }
    Ok(())
}

fn too_large(path: &BStr) -> crate::outcome::Fault {
    Refusal::new(
        "tree-too-large",
        format!(
            "the tree has more than {ENTRY_LIMIT} entries or is nested deeper than {DEPTH_LIMIT} \
             folders, seen at `{}`",
            printable(path, 200)
        ),
    )
    .hint("archive a smaller tree")
    .into()
}
