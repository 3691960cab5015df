//! A tree that changes in memory: folders are read when a path leads through them, files when a patch
//! is about them, and what changed is written once.

use std::collections::BTreeMap;

use bstr::{BStr, BString, ByteSlice};

use super::{Cause, Stopped};
use crate::git::{EntryMode, Kind, Objects, TreeEntry};
use crate::names::ObjectId;

/// A file with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its mode.
    pub mode: EntryMode,
    /// Its content; of a link, the target.
    pub content: Vec<u8>,
}

impl Default for File {
    fn default() -> File {
        File { mode: EntryMode::File, content: Vec::new() }
    }
}

type Children = BTreeMap<BString, Node>;

/// What stands at a name.
enum Node {
    /// As the base tree has it: a file, a submodule, or a folder that nobody looked into.
    Stored { mode: EntryMode, id: ObjectId },
    /// A folder that was looked into.
    Folder { children: Children },
    /// A file that a patch wrote.
    Written(File),
}

/// A tree on which patches work.
pub struct WorkTree<'o> {
    objects: &'o Objects,
    root: Node,
}

impl<'o> WorkTree<'o> {
    /// Starts with the tree `base`.
    pub fn new(objects: &'o Objects, base: ObjectId) -> WorkTree<'o> {
        WorkTree { objects, root: Node::Stored { mode: EntryMode::Tree, id: base } }
    }

    /// Returns the file at `path`.
    ///
    /// # Errors
    /// A folder or submodule there is a [`Cause`], and so is a file on the way.
    pub fn get(&mut self, path: &BStr) -> Result<Option<File>, Stopped> {
        let objects = self.objects;
        let Some((folder, name)) = self.folder(path, Missing::Leave)? else { return Ok(None) };
        match folder.get(name) {
            None => Ok(None),
            Some(Node::Written(file)) => Ok(Some(file.clone())),
            Some(Node::Folder { .. }) => Err(Cause::FolderInTheWay.into()),
            Some(Node::Stored { mode, id }) => read_file(objects, *mode, id).map(Some),
        }
    }

    /// Takes the file at `path` out of the tree.
    ///
    /// # Errors
    /// As [`WorkTree::get`]; no file there is a [`Cause`] too.
    pub fn remove(&mut self, path: &BStr) -> Result<File, Stopped> {
        let objects = self.objects;
        let (folder, name) =
            self.folder(path, Missing::Leave)?.ok_or(Stopped::from(Cause::FileMissing))?;
        if matches!(folder.get(name), Some(Node::Folder { .. })) {
            return Err(Cause::FolderInTheWay.into());
        }
        match folder.remove(name) {
            Some(Node::Written(file)) => Ok(file),
            Some(Node::Stored { mode, id }) => read_file(objects, mode, &id),
            Some(Node::Folder { .. }) | None => Err(Cause::FileMissing.into()),
        }
    }

    /// Puts a file where none is.
    ///
    /// # Errors
    /// Anything at `path` is a [`Cause`], except a folder without files.
    pub fn put(&mut self, path: &BStr, file: File) -> Result<(), Stopped> {
        let (folder, name) =
            self.folder(path, Missing::Make)?.ok_or(Stopped::from(Cause::FolderInTheWay))?;
        match folder.get(name) {
            Some(Node::Written(_)) => return Err(Cause::FileExists.into()),
            Some(Node::Stored { mode, .. }) if *mode != EntryMode::Tree => {
                return Err(Cause::FileExists.into());
            }
            Some(node) if !node.is_empty() => return Err(Cause::FolderInTheWay.into()),
            _ => folder.insert(name.into(), Node::Written(file)),
        };
        Ok(())
    }

    /// Writes what changed and returns the id of the tree.
    ///
    /// # Errors
    /// Fails where the repository cannot be written.
    pub fn write(mut self) -> Result<ObjectId, Stopped> {
        let entry = write_node(self.objects, &mut self.root)?;
        match entry {
            Some((_, id)) => Ok(id),
            None => Ok(self.objects.write_tree(Vec::new())?),
        }
    }

    /// Returns the folder of `path` and the last name.
    fn folder<'t, 'p>(
        &'t mut self,
        path: &'p BStr,
        missing: Missing,
    ) -> Result<Option<(&'t mut Children, &'p BStr)>, Stopped> {
        let mut parts = path.split_str("/").map(ByteSlice::as_bstr).peekable();
        let mut children = self.root.open(self.objects)?;
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return Ok(Some((children, part)));
            }
            if missing == Missing::Make && !children.contains_key(part) {
                let fresh = Node::Folder { children: Children::new() };
                children.insert(part.into(), fresh);
            }
            match children.get_mut(part) {
                Some(node) => children = node.open(self.objects)?,
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// What to do about folders that are not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Make,
    Leave,
}

impl Node {
    /// Reads a folder in where nobody did yet, and returns what is in it.
    fn open(&mut self, objects: &Objects) -> Result<&mut Children, Stopped> {
        if let Node::Stored { mode: EntryMode::Tree, id } = self {
            let stored =
                |entry: TreeEntry| (entry.name, Node::Stored { mode: entry.mode, id: entry.id });
            let children = objects.tree(id)?.into_iter().map(stored).collect();
            *self = Node::Folder { children };
        }
        match self {
            Node::Folder { children } => Ok(children),
            Node::Stored { .. } | Node::Written(_) => Err(Cause::FolderInTheWay.into()),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Node::Folder { children } => children.values().all(Node::is_empty),
            Node::Stored { .. } | Node::Written(_) => false,
        }
    }
}

fn read_file(objects: &Objects, mode: EntryMode, id: &ObjectId) -> Result<File, Stopped> {
    match mode {
        EntryMode::Tree => Err(Cause::FolderInTheWay.into()),
        EntryMode::Submodule => Err(Cause::Submodule.into()),
        _ => Ok(File { mode, content: objects.blob(id)? }),
    }
}

/// Writes a node; a folder without files is none, as in every git tree.
fn write_node(
    objects: &Objects,
    node: &mut Node,
) -> Result<Option<(EntryMode, ObjectId)>, Stopped> {
    match node {
        Node::Stored { mode, id } => Ok(Some((*mode, *id))),
        Node::Written(file) => Ok(Some((
            file.mode,
            objects.write(Kind::Blob, &std::mem::take(&mut file.content))?,
        ))),
        Node::Folder { children } => write_folder(objects, children),
    }
}

fn write_folder(
    objects: &Objects,
    children: &mut Children,
) -> Result<Option<(EntryMode, ObjectId)>, Stopped> {
    let mut entries = Vec::with_capacity(children.len());
    for (name, node) in children {
        if let Some((mode, id)) = write_node(objects, node)? {
            entries.push(TreeEntry { mode, name: name.clone(), id });
        }
    }
    match entries.is_empty() {
        true => Ok(None),
        false => Ok(Some((EntryMode::Tree, objects.write_tree(entries)?))),
    }
}
