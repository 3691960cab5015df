//! Trees written out as files: no name leads out of the folder, and no link is followed on the way.
//!
//! A tree object can hold what no honest tool makes: `..`, a slash inside a name, a link `a` beside a folder `a`.
//! So each folder is made and opened from the one above it by its plain name, nothing that stands there already is
//! opened, and a name that could mean another place is refused.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use bstr::ByteSlice;
use rustix::fs::{Mode, OFlags, mkdirat, open, openat, symlinkat};

use super::store::{EntryMode, Objects, TreeEntry};
use crate::names::ObjectId;
use crate::outcome::{Problem, Refusal, Result, printable};

/// How deep folders may lie in each other.
const DEEPEST: usize = 256;

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Objects {
    /// Writes the tree out as files below `folder`, which must be new or empty.
    ///
    /// Submodules become empty folders, as git checks them out.
    ///
    /// # Errors
    /// Refuses names that no honest tool makes (`hostile-path`); fails where something cannot be written.
    pub fn write_out(&self, tree: &ObjectId, folder: &Path) -> Result<()> {
        let failed = |error: std::io::Error| {
            let words = format!("cannot write below {}: {error}", folder.display());
            Problem::permanent("output-not-writable", words).because(error)
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let root = open(folder, FOLDER, Mode::empty()).map_err(|error| failed(error.into()))?;
        let mut writing = Writing { objects: self, failed: &failed };
        writing.folder(tree, &root, DEEPEST)
    }
}

struct Writing<'a> {
    objects: &'a Objects,
    failed: &'a dyn Fn(std::io::Error) -> Problem,
}

impl Writing<'_> {
    fn folder(&mut self, tree: &ObjectId, folder: &OwnedFd, levels: usize) -> Result<()> {
        for entry in self.objects.tree(tree)? {
            if !is_plain(&entry.name) || levels == 0 {
                return Err(hostile(&entry).into());
            }
            match entry.mode {
                EntryMode::Tree => {
                    let below = self.new_folder(folder, &entry)?;
                    self.folder(&entry.id, &below, levels - 1)?;
                }
                EntryMode::Submodule => drop(self.new_folder(folder, &entry)?),
                EntryMode::Symlink => {
                    let target = self.objects.blob(&entry.id)?;
                    let made = symlinkat(target.as_slice(), folder, entry.name.as_slice());
                    made.map_err(|error| (self.failed)(error.into()))?;
                }
                EntryMode::File | EntryMode::Executable => self.file(folder, &entry)?,
            }
        }
        Ok(())
    }

    fn new_folder(&self, above: &OwnedFd, entry: &TreeEntry) -> Result<OwnedFd> {
        let name = entry.name.as_slice();
        let made = mkdirat(above, name, Mode::from_raw_mode(0o755));
        let opened = made.and_then(|()| openat(above, name, FOLDER, Mode::empty()));
        Ok(opened.map_err(|error| (self.failed)(error.into()))?)
    }

    fn file(&self, folder: &OwnedFd, entry: &TreeEntry) -> Result<()> {
        let mode = if entry.mode == EntryMode::Executable { 0o755 } else { 0o644 };
        let content = self.objects.blob(&entry.id)?;
        let file =
            openat(folder.as_fd(), entry.name.as_slice(), NEW_FILE, Mode::from_raw_mode(mode));
        let written = file.map_err(std::io::Error::from).and_then(|file| {
            let mut file = File::from(file);
            file.write_all(&content)
        });
        Ok(written.map_err(self.failed)?)
    }
}

/// Tells whether a name is one component that means nothing else.
fn is_plain(name: &[u8]) -> bool {
    let special = [&b""[..], b".", b".."].contains(&name) || name.eq_ignore_ascii_case(b".git");
    !special && !name.contains(&b'/') && !name.contains(&0)
}

fn hostile(entry: &TreeEntry) -> Refusal {
    let name = printable(entry.name.as_bstr(), 100);
    let words = format!("the tree has an entry `{name}`, which could be written to another place");
    Refusal::new("hostile-path", words)
        .hint("no git command makes such a tree; rewrite the commit with ordinary names")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::{Kind, Store};

    struct Bench {
        folder: tempfile::TempDir,
        objects: Objects,
    }

    impl Bench {
        fn new() -> Bench {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::init_bare(&folder.path().join("bare")).unwrap();
            Bench { objects: store.objects(), folder }
        }

        fn entry(&self, mode: EntryMode, name: &str, content: &str) -> TreeEntry {
            let id = self.objects.write(Kind::Blob, content.as_bytes()).unwrap();
            TreeEntry { mode, name: name.into(), id }
        }

        fn write(&self, entries: Vec<TreeEntry>) -> Result<()> {
            let tree = self.objects.write_tree(entries).unwrap();
            self.objects.write_out(&tree, &self.folder.path().join("out"))
        }
    }

    #[test]
    fn names_that_mean_another_place_are_refused() {
        for name in ["..", ".", ".git", ".GIT", "a/b"] {
            let bench = Bench::new();
            let entry = bench.entry(EntryMode::File, name, "x");
            let refused = bench.write(vec![entry]).unwrap_err().to_string();
            assert!(refused.contains("another place"), "{name}: {refused}");
        }
    }

    #[test]
    fn a_link_beside_a_folder_of_its_name_is_not_followed() {
        let bench = Bench::new();
        let below = bench.objects.write_tree(vec![bench.entry(EntryMode::File, "f", "x")]).unwrap();
        let outside = bench.folder.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let link = bench.entry(EntryMode::Symlink, "a", "../outside");
        let tree = TreeEntry { mode: EntryMode::Tree, name: "a".into(), id: below };
        assert!(bench.write(vec![link, tree]).is_err());
        assert_eq!(std::fs::read_dir(outside).unwrap().count(), 0);
    }
}
