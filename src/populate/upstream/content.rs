//! The content of an archive as a tree in memory: names and ids, no bytes of files.
//!
//! Everything that makes an archive dangerous to unpack is refused here by name, although nothing is unpacked:
//! what is imported is later checked out by people and by rpm.

use std::collections::BTreeMap;

use bstr::{BStr, BString, ByteSlice};

use crate::git::{EntryMode, Kind, Objects, TreeEntry};
use crate::names::ObjectId;
use crate::outcome::{Refusal, Result, printable};

/// The deepest folder; the deepest in the Linux kernel is at 14.
const DEEPEST: usize = 200;

/// The most links that are followed for one; as Linux.
const MOST_LINKS: u32 = 40;

/// A folder's entries by name.
#[derive(Debug, Default)]
pub struct Folder {
    entries: BTreeMap<BString, Node>,
}

/// A file's or link's mode and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// What it is.
    pub mode: EntryMode,
    /// The blob; of a link, its target.
    pub blob: ObjectId,
    /// A link's target, to see where it leads.
    pub target: Option<BString>,
}

#[derive(Debug)]
enum Node {
    Folder(Folder),
    Leaf(Leaf),
}

/// A path inside an archive, taken apart and found harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPath {
    parts: Vec<BString>,
    shown: String,
}

impl MemberPath {
    /// Takes a path apart; `.` and empty components are dropped, as tar does.
    ///
    /// # Errors
    /// Refuses absolute paths, `..`, `.git` in any case, and what is too long or too deep.
    pub fn parse(path: &[u8], longest: usize) -> Result<MemberPath, Refusal> {
        let shown = printable(path, 200);
        let refuse = |why: &str| Err(hostile(format!("it holds the path {shown}, which {why}")));
        if path.len() > longest {
            return refuse(&format!("is longer than {longest} bytes"));
        }
        if path.starts_with(b"/") {
            return refuse("is absolute");
        }
        if path.contains(&0) {
            return refuse("holds a NUL");
        }
        let mut parts = Vec::new();
        for part in path.split_str("/").filter(|part| !part.is_empty() && *part != b".") {
            match part {
                b".." => return refuse("climbs out of its folder"),
                _ if is_git_folder(part) => return refuse("has a `.git` component"),
                _ => parts.push(part.into()),
            }
        }
        match parts.len() > DEEPEST {
            true => refuse(&format!("is deeper than {DEEPEST} folders")),
            false => Ok(MemberPath { parts, shown }),
        }
    }

    /// Tells whether it is the archive's own root, `./`.
    pub fn is_root(&self) -> bool {
        self.parts.is_empty()
    }
}

impl std::fmt::Display for MemberPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

/// `.git` as any file system may read it: in any case, and by the short name that Windows gives it.
fn is_git_folder(part: &[u8]) -> bool {
    part.eq_ignore_ascii_case(b".git") || part.eq_ignore_ascii_case(b"git~1")
}

/// Says that an archive holds what none of ours may.
pub fn hostile(what: String) -> Refusal {
    Refusal::new("tarball-hostile", format!("the tarball is refused: {what}"))
        .hint("have upstream make the release again, or let the branch use another mechanism")
}

/// What adding a member did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is new, or the same folder again.
    New,
    /// It took the place of an earlier member of the same type, as tar does.
    Replaced,
}

impl Folder {
    /// Adds a folder and those above it.
    ///
    /// # Errors
    /// Refuses a path that goes through a file or link, or that was one before.
    pub fn add_folder(&mut self, path: &MemberPath) -> Result<(), Refusal> {
        self.descend(path, &path.parts).map(|_| ())
    }

    /// Adds a file or link.
    ///
    /// # Errors
    /// Refuses a path that goes through a file or link, and one that was something else before.
    pub fn add(&mut self, path: &MemberPath, leaf: Leaf) -> Result<Added, Refusal> {
        let Some((name, folders)) = path.parts.split_last() else {
            return Err(hostile("it holds a file without a name".to_owned()));
        };
        let folder = self.descend(path, folders)?;
        let is_link = |mode| mode == EntryMode::Symlink;
        match folder.entries.get_mut(name) {
            None => {
                folder.entries.insert(name.clone(), Node::Leaf(leaf));
                Ok(Added::New)
            }
            Some(Node::Leaf(old)) if is_link(old.mode) == is_link(leaf.mode) => {
                *old = leaf;
                Ok(Added::Replaced)
            }
            Some(_) => Err(changes_type(path)),
        }
    }

    /// Returns what an earlier member left at a path: what a hard link repeats.
    pub fn leaf(&self, path: &MemberPath) -> Option<&Leaf> {
        let (name, folders) = path.parts.split_last()?;
        let mut folder = self;
        for part in folders {
            match folder.entries.get(part)? {
                Node::Folder(inner) => folder = inner,
                Node::Leaf(_) => return None,
            }
        }
        match folder.entries.get(name)? {
            Node::Leaf(leaf) => Some(leaf),
            Node::Folder(_) => None,
        }
    }

    fn descend(&mut self, path: &MemberPath, parts: &[BString]) -> Result<&mut Folder, Refusal> {
        let mut folder = self;
        for part in parts {
            let fresh = || Node::Folder(Folder::default());
            match folder.entries.entry(part.clone()).or_insert_with(fresh) {
                Node::Folder(inner) => folder = inner,
                Node::Leaf(_) => return Err(changes_type(path)),
            }
        }
        Ok(folder)
    }

    /// Tells whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes off the folder that holds everything, where there is one, and returns its name.
    pub fn without_top(mut self) -> (Folder, Option<BString>) {
        match self.entries.pop_first() {
            Some((name, Node::Folder(inner))) if self.entries.is_empty() => (inner, Some(name)),
            Some((name, node)) => {
                self.entries.insert(name, node);
                (self, None)
            }
            None => (self, None),
        }
    }

    /// Looks where every link leads, through other links too.
    ///
    /// # Errors
    /// Refuses a link that leads outside of this folder.
    pub fn check_links(&self) -> Result<(), Refusal> {
        self.check_links_below(self, &mut Vec::new())
    }

    fn check_links_below<'a>(
        &'a self,
        root: &Folder,
        above: &mut Vec<&'a BStr>,
    ) -> Result<(), Refusal> {
        for (name, node) in &self.entries {
            match node {
                Node::Folder(inner) => {
                    above.push(name.as_bstr());
                    inner.check_links_below(root, above)?;
                    above.pop();
                }
                Node::Leaf(Leaf { target: Some(target), .. }) => {
                    if leads_out(root, above, target.as_bstr()) {
                        let link = printable(
                            bstr::join("/", [above.as_slice(), &[name.as_bstr()]].concat()),
                            200,
                        );
                        let target = printable(target, 200);
                        return Err(hostile(format!(
                            "the link {link} leads out of it, to {target}"
                        )));
                    }
                }
                Node::Leaf(_) => {}
            }
        }
        Ok(())
    }

    /// Writes the tree, each folder once; empty folders are left out, since git has none, and counted.
    ///
    /// # Errors
    /// Fails where the repository cannot be written.
    pub fn write(&self, objects: &Objects, empty: &mut u64) -> Result<ObjectId> {
        let mut entries = Vec::with_capacity(self.entries.len());
        for (name, node) in &self.entries {
            let (mode, id) = match node {
                Node::Leaf(leaf) => (leaf.mode, leaf.blob),
                Node::Folder(inner) => {
                    let id = inner.write(objects, empty)?;
                    if id == empty_tree()? {
                        *empty += 1;
                        continue;
                    }
                    (EntryMode::Tree, id)
                }
            };
            entries.push(TreeEntry { mode, name: name.clone(), id });
        }
        objects.write_tree(entries)
    }
}

fn empty_tree() -> Result<ObjectId> {
    Objects::hash(Kind::Tree, b"")
}

fn changes_type(path: &MemberPath) -> Refusal {
    hostile(format!("{path} is one kind of thing first and another later"))
}

/// Follows a link from the folder that holds it; what does not exist is taken for a folder.
fn leads_out(root: &Folder, above: &[&BStr], target: &BStr) -> bool {
    let mut place: Vec<BString> = above.iter().map(|part| (*part).to_owned()).collect();
    let mut ahead: Vec<BString> = parts_reversed(target);
    let mut links = 0;
    if target.starts_with(b"/") {
        return true;
    }
    while let Some(part) = ahead.pop() {
        if part == ".." {
            if place.pop().is_none() {
                return true;
            }
            continue;
        }
        place.push(part);
        let Some(next) = link_at(root, &place) else { continue };
        links += 1;
        if next.starts_with(b"/") {
            return true;
        }
        if links > MOST_LINKS || ahead.len() > DEEPEST * 20 {
            return false;
        }
        place.pop();
        ahead.extend(parts_reversed(next));
    }
    false
}

fn parts_reversed(target: &BStr) -> Vec<BString> {
    let parts = target.rsplit_str("/").filter(|part| !part.is_empty() && *part != b".");
    parts.map(BString::from).collect()
}

fn link_at<'a>(root: &'a Folder, place: &[BString]) -> Option<&'a BStr> {
    let path = MemberPath { parts: place.to_vec(), shown: String::new() };
    root.leaf(&path)?.target.as_ref().map(|target| target.as_bstr())
}
