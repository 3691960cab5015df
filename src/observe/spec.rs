//! The spec in source-git: the one that the config names, else the only one in the usual places.

use crate::git::{Commit, EntryMode, Objects};
use crate::names::{ObjectId, TreePath};
use crate::outcome::{Refusal, Result, printable};

/// Where a spec is looked for when the config names none; the empty path is the root.
const USUAL_FOLDERS: &[&str] = &[".distro", "packaging", "dist", "rpm", "fedora", ""];

/// The largest spec that is read: 4 MiB, ten times the largest known.
const LARGEST: usize = 4 * 1024 * 1024;

/// A spec as it stands in the source tip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpec {
    /// Its path.
    pub path: TreePath,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Finds and reads the spec.
///
/// The outer result is for objects that cannot be read at all; the inner one for the packager.
///
/// # Errors
/// Refuses objects that cannot be read.
pub fn find_spec(
    objects: &Objects,
    tip: &Commit,
    named: Option<&TreePath>,
) -> Result<Result<SourceSpec, Refusal>> {
    let found = match named {
        Some(path) => named_spec(objects, &tip.tree, path)?,
        None => usual_spec(objects, &tip.tree)?,
    };
    let (path, id) = match found {
        Ok(found) => found,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let bytes = objects.blob(&id)?;
    if bytes.len() > LARGEST {
        let words =
            format!("the spec {path} has {} bytes; at most {LARGEST} are read", bytes.len());
        return Ok(Err(Refusal::new("spec-too-large", words)));
    }
    Ok(Ok(SourceSpec { path, bytes }))
}

type Found = std::result::Result<(TreePath, ObjectId), Refusal>;

fn named_spec(objects: &Objects, tree: &ObjectId, path: &TreePath) -> Result<Found> {
    let entry = objects.entry_at(tree, path.as_str())?;
    Ok(match entry {
        Some(entry) if is_file(entry.mode) => Ok((path.clone(), entry.id)),
        Some(_) => {
            Err(no_spec(format!("spec.path names {path}, which is no file in the source tip")))
        }
        None => Err(no_spec(format!("spec.path names {path}, which is not in the source tip"))),
    })
}

fn usual_spec(objects: &Objects, tree: &ObjectId) -> Result<Found> {
    let mut found = Vec::new();
    for folder in USUAL_FOLDERS {
        found.extend(specs_in(objects, tree, folder)?);
    }
    Ok(match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(no_spec(
            "the source tip has no *.spec in .distro/, packaging/, dist/, rpm/, fedora/ or its root".to_owned(),
        )),
        count => Err(two_specs(count, &found)),
    })
}

fn specs_in(objects: &Objects, tree: &ObjectId, folder: &str) -> Result<Vec<(TreePath, ObjectId)>> {
    let folder_tree = match folder {
        "" => Some(*tree),
        _ => objects.entry_at(tree, folder)?.filter(|e| e.mode == EntryMode::Tree).map(|e| e.id),
    };
    let Some(folder_tree) = folder_tree else { return Ok(Vec::new()) };
    let entries = objects.tree(&folder_tree)?.into_iter().filter(|entry| is_file(entry.mode));
    let specs = entries.filter_map(|entry| {
        let name = std::str::from_utf8(&entry.name).ok().filter(|name| name.ends_with(".spec"))?;
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        Some((path.parse().ok()?, entry.id))
    });
    Ok(specs.collect())
}

fn is_file(mode: EntryMode) -> bool {
    matches!(mode, EntryMode::File | EntryMode::Executable)
}

fn no_spec(words: String) -> Refusal {
    Refusal::new("no-spec", words).hint(
        "commit a spec there (`lockkeeper init-spec` drafts one), or name it as spec.path in source-git.yaml",
    )
}

fn two_specs(count: usize, found: &[(TreePath, ObjectId)]) -> Refusal {
    let names: Vec<String> =
        found.iter().take(10).map(|(path, _)| printable(path.as_str(), 200)).collect();
    Refusal::new("two-specs", format!("the source tip has {count} specs: {}", names.join(", ")))
        .hint("say which one is this package's as spec.path in source-git.yaml")
}
