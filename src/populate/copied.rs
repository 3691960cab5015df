//! Files that are copied from source-git into dist-git: packaging paths and tests.
//!
//! A packaging folder's content comes to the root of the dist-git branch, a packaging file too; `tests` folders'
//! content comes to `tests/`. The bot's own files and the spec are never taken from there: the spec is written by
//! the spec editor, and `source-git.yaml` in a source tree could otherwise approve itself.

use std::collections::BTreeMap;

use bstr::ByteSlice;

use crate::config::FILE_NAME;
use crate::git::{EntryMode, Objects, TreeEntry};
use crate::names::{ObjectId, TreePath};
use crate::outcome::{Refusal, Result, printable};

/// The largest number of files and bytes that are copied: more belongs into an archive.
const MOST_FILES: usize = 10_000;
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// A file on its way into dist-git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedFile {
    /// A file, an executable or a link.
    pub mode: EntryMode,
    /// The content; of a link, its target.
    pub content: Vec<u8>,
}

/// Which paths of source-git are copied.
#[derive(Debug, Clone, Copy)]
pub struct Paths<'a> {
    /// Those that come to the root of dist-git.
    pub packaging: &'a [TreePath],
    /// Those that come to `tests/`.
    pub tests: &'a [TreePath],
    /// The spec's own, which is left out.
    pub spec: &'a TreePath,
}

/// Returns what is copied out of the tree `root`, by the path that it gets in dist-git.
///
/// # Errors
/// Refuses paths that dist-git cannot carry, links that climb out, submodules, clashes and masses of files.
pub fn copied(
    objects: &Objects,
    root: &ObjectId,
    paths: Paths<'_>,
) -> Result<BTreeMap<String, CopiedFile>> {
    let mut copy = Copy { objects, spec: paths.spec, files: BTreeMap::new(), bytes: 0 };
    for path in paths.packaging {
        copy.path(root, path, "")?;
    }
    for path in paths.tests {
        copy.path(root, path, "tests/")?;
    }
    Ok(copy.files)
}

struct Copy<'a> {
    objects: &'a Objects,
    spec: &'a TreePath,
    files: BTreeMap<String, CopiedFile>,
    bytes: usize,
}

impl Copy<'_> {
    fn path(&mut self, root: &ObjectId, path: &TreePath, below: &str) -> Result<()> {
        let Some(entry) = self.objects.entry_at(root, path.as_str())? else { return Ok(()) };
        match entry.mode {
            EntryMode::Tree => self.folder(&entry.id, path.as_str(), below),
            _ => self.file(&entry, path.as_str(), &format!("{below}{}", path.file_name())),
        }
    }

    fn folder(&mut self, tree: &ObjectId, from: &str, to: &str) -> Result<()> {
        for entry in self.objects.tree(tree)? {
            let name = entry.name.to_str().ok().and_then(|name| name.parse::<TreePath>().ok());
            let Some(name) = name else { return Err(unfit(from, &entry).into()) };
            let (from, to) = (format!("{from}/{name}"), format!("{to}{name}"));
            match entry.mode {
                EntryMode::Tree => self.folder(&entry.id, &from, &format!("{to}/"))?,
                _ => self.file(&entry, &from, &to)?,
            }
        }
        Ok(())
    }

    fn file(&mut self, entry: &TreeEntry, from: &str, to: &str) -> Result<()> {
        if from == self.spec.as_str() || is_bots_own(to) {
            return Ok(());
        }
        if entry.mode == EntryMode::Submodule {
            return Err(refuse("packaging-submodule", format!("{from} is a submodule")).into());
        }
        let content = self.objects.blob(&entry.id)?;
        if entry.mode == EntryMode::Symlink && climbs_out(to, &content) {
            let target = printable(&content, 200);
            return Err(refuse(
                "packaging-link",
                format!("{from} is a link to {target:?}, out of dist-git"),
            )
            .into());
        }
        self.bytes += content.len();
        let copied = CopiedFile { mode: entry.mode, content };
        if self.files.insert(to.to_owned(), copied).is_some() {
            return Err(
                refuse("packaging-clash", format!("two packaging paths come to {to}")).into()
            );
        }
        if self.files.len() > MOST_FILES || self.bytes > MOST_BYTES {
            let words = format!(
                "the packaging paths hold more than {MOST_FILES} files or {MOST_BYTES} bytes"
            );
            return Err(refuse("packaging-too-large", words).into());
        }
        Ok(())
    }
}

/// Tells whether dist-git's file at `path` is the bot's own to write, or read as policy.
pub(super) fn is_bots_own(path: &str) -> bool {
    [FILE_NAME, "sources", ".gitignore", "dead.package"].contains(&path)
        || path.starts_with("keys/")
}

/// Tells whether a link at `path` leads out of the tree: an absolute target, or more `..` than folders.
fn climbs_out(path: &str, target: &[u8]) -> bool {
    let mut depth = path.matches('/').count() as i64;
    for component in target.split_str("/") {
        match component {
            b"" | b"." => {}
            b".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    target.starts_with(b"/") || target.is_empty()
}

fn unfit(from: &str, entry: &TreeEntry) -> Refusal {
    let name = printable(&entry.name, 200);
    refuse(
        "packaging-name",
        format!("{from} holds {name:?}, a name that dist-git cannot carry"),
    )
}

fn refuse(code: &'static str, words: String) -> Refusal {
    Refusal::new(code, words)
        .hint("change it in source-git, or leave it out of `packaging` and `tests`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_may_not_leave_dist_git() {
        let table: [(&str, &str, bool); 8] = [
            ("a", "b", false),
            ("a", "../b", true),
            ("tests/a", "../b", false),
            ("tests/a", "../../b", true),
            ("a", "/etc/passwd", true),
            ("a", "", true),
            ("a", "x/../../b", true),
            ("a", "./x/../y", false),
        ];
        for (path, target, climbs) in table {
            assert_eq!(climbs_out(path, target.as_bytes()), climbs, "{path} -> {target}");
        }
    }

    #[test]
    fn the_bots_own_files_are_not_taken_from_source_git() {
        for path in ["source-git.yaml", "keys/mallory.asc", "sources", ".gitignore", "dead.package"]
        {
            assert!(is_bots_own(path), "{path}");
        }
        assert!(!is_bots_own("hello.service"));
    }
}
