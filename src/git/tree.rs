//! Trees put together from changes.

use std::collections::BTreeMap;

use bstr::BString;

use super::diff::Side;
use super::store::{EntryMode, Objects, TreeEntry};
use crate::names::ObjectId;
use crate::outcome::Result;

/// What becomes of a path in [`Objects::edited_tree`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A file with this mode and content stands there.
    Put(EntryMode, ObjectId),
    /// Nothing stands there.
    Remove,
}

impl Objects {
    /// Writes the tree that `base` becomes under `changes` (by path) and returns its id.
    ///
    /// A folder that loses its last entry goes too; a file in the way of a folder is replaced.
    ///
    /// # Errors
    /// As [`Objects::tree`] and [`Objects::write`].
    pub fn edited_tree(
        &self,
        base: &ObjectId,
        changes: &BTreeMap<String, Change>,
    ) -> Result<ObjectId> {
        let changes: Vec<(&str, &Change)> =
            changes.iter().map(|(path, change)| (&path[..], change)).collect();
        let entries = self.tree(base)?;
        let edited = self.edited(entries, &changes)?;
        self.write_tree(edited)
    }

    fn edited(
        &self,
        entries: Vec<TreeEntry>,
        changes: &[(&str, &Change)],
    ) -> Result<Vec<TreeEntry>> {
        let mut by_name: BTreeMap<Vec<u8>, TreeEntry> =
            entries.into_iter().map(|entry| (entry.name.to_vec(), entry)).collect();
        let mut folders: BTreeMap<&str, Vec<(&str, &Change)>> = BTreeMap::new();
        for (path, change) in changes {
            match (path.split_once('/'), change) {
                (Some((folder, rest)), _) => {
                    folders.entry(folder).or_default().push((rest, change))
                }
                (None, Change::Remove) => drop(by_name.remove(path.as_bytes())),
                (None, Change::Put(mode, id)) => {
                    let entry = TreeEntry { mode: *mode, name: (*path).into(), id: *id };
                    by_name.insert(path.as_bytes().to_vec(), entry);
                }
            }
        }
        for (folder, changes) in folders {
            let old =
                by_name.remove(folder.as_bytes()).filter(|entry| entry.mode == EntryMode::Tree);
            let entries = old.map(|entry| self.tree(&entry.id)).transpose()?.unwrap_or_default();
            let edited = self.edited(entries, &changes)?;
            if !edited.is_empty() {
                let id = self.write_tree(edited)?;
                let entry = TreeEntry { mode: EntryMode::Tree, name: folder.into(), id };
                by_name.insert(folder.as_bytes().to_vec(), entry);
            }
        }
        Ok(by_name.into_values().collect())
    }

    /// Returns every file, link and submodule below a tree, by path.
    ///
    /// # Errors
    /// As [`Objects::tree`].
    pub fn files(&self, tree: &ObjectId) -> Result<BTreeMap<BString, Side>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![(BString::default(), *tree)];
        while let Some((above, folder)) = folders.pop() {
            for entry in self.tree(&folder)? {
                let path = [&above[..], &entry.name[..]].concat();
                match entry.mode {
                    EntryMode::Tree => folders.push(([&path[..], b"/"].concat().into(), entry.id)),
                    mode => drop(files.insert(path.into(), Side { mode, id: entry.id })),
                }
            }
        }
        Ok(files)
    }
}
