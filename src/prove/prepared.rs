//! What `%prep` left in its build folder, compared with what it must be.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bstr::BString;

use crate::git::{EntryMode, Kind, Objects, Side};
use crate::outcome::{Problem, Result};
use crate::populate::content::Prepared;
use crate::populate::identity::Difference;
use crate::populate::identity::series::differs;

/// Compares the folder that `%prep` left below `build` with what is wanted, file by file.
///
/// A repository that `%autosetup -S git` made there is the only thing that is passed over: no signed tree can
/// hold a `.git`.
///
/// # Errors
/// Refuses another content, mode or set of files (`tree-identity`).
pub fn compare(build: &Path, wanted: &Prepared) -> Result<()> {
    let found = files(&unpacked(build, wanted.top.as_str())?)?;
    let paths = found.keys().chain(wanted.files.keys().filter(|path| !found.contains_key(*path)));
    let sides = paths.map(|path| (path, found.get(path).copied(), wanted.files.get(path).copied()));
    let mut broken: Vec<Difference> = sides
        .filter(|(_, got, wanted)| got != wanted)
        .map(|(path, got, wanted)| Difference { path: path.clone(), got, wanted })
        .collect();
    broken.sort_by(|one, other| one.path.cmp(&other.path));
    if broken.is_empty() {
        return Ok(());
    }
    Err(differs(&broken)
        .hint("rpm's own %prep gives this: let commits change these files rather than commands in %prep")
        .into())
}

/// Finds the folder that the archive was unpacked to; rpm 4.20 and later put one more around it.
fn unpacked(build: &Path, top: &str) -> Result<PathBuf> {
    let plain = build.join(top);
    if is_folder(&plain) {
        return Ok(plain);
    }
    let entries = std::fs::read_dir(build).map_err(|error| unreadable(build, error))?;
    let below = entries.filter_map(|entry| Some(entry.ok()?.path().join(top)));
    below.into_iter().find(|path| is_folder(path)).ok_or_else(|| {
        let words = format!("%prep left no folder {top} in {}", build.display());
        crate::outcome::Refusal::new("tree-identity", words)
            .hint("let %setup enter the folder that the archive unpacks to")
            .into()
    })
}

/// Tells whether there is a folder; a link to one could lead anywhere.
fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|about| about.is_dir())
}

/// Reads every file and link below a folder as git would record it.
fn files(root: &Path) -> Result<BTreeMap<BString, Side>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
            let path = entry.map_err(|error| unreadable(&folder, error))?.path();
            if folder == root && path.file_name() == Some(OsStr::new(".git")) {
                continue;
            }
            let about = path.symlink_metadata().map_err(|error| unreadable(&path, error))?;
            if about.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(root).expect("it was found below the root");
            found.insert(below.as_os_str().as_bytes().into(), side(&path, &about)?);
        }
    }
    Ok(found)
}

fn side(path: &Path, about: &std::fs::Metadata) -> Result<Side> {
    let failed = |error| unreadable(path, error);
    let (mode, content) = match about.file_type() {
        kind if kind.is_symlink() => {
            let target = std::fs::read_link(path).map_err(failed)?;
            (EntryMode::Symlink, target.into_os_string().as_bytes().to_vec())
        }
        // A pipe or device would never end; it is no content that can be signed either.
        kind if !kind.is_file() => (EntryMode::Submodule, Vec::new()),
        _ => {
            let is_executable = about.permissions().mode() & 0o100 != 0;
            let mode = if is_executable { EntryMode::Executable } else { EntryMode::File };
            (mode, std::fs::read(path).map_err(failed)?)
        }
    };
    Ok(Side { mode, id: Objects::hash(Kind::Blob, &content)? })
}

fn unreadable(path: &Path, error: std::io::Error) -> Problem {
    let words = format!("cannot read what %prep left at {}: {error}", path.display());
    Problem::permanent("prepared-unreadable", words).because(error)
}
