//! What a container left, read as what it is: hostile.
//!
//! 1. the root holds `dist-git/`, `lookaside/` and `result.json`, and nothing else;
//! 2. each folder is opened from the one above it by its plain name; no link is ever followed ([`walk`]);
//! 3. an entry is a file, a folder or (in `dist-git/`) a relative link that stays inside ([`entry`]). Anything else,
//!    and any name that means trouble, is refused by a code of its own, and then nothing of the output is kept;
//! 4. a file is measured before and after it is read: what changes meanwhile is refused. A sparse file counts with the
//!    size that it claims;
//! 5. archives are copied into the run's own folder while they are hashed, so that what is judged is what is used;
//! 6. [`result`] is read last, with a cap of its own.
//!
//! Rule: the design, section 5, "Container contract".

mod entry;
pub mod result;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

pub use result::{ResultFile, Said, SpecState};

use crate::container;
use crate::outcome::{Refusal, Result};
use crate::populate::DraftArchive;
use crate::populate::copied::CopiedFile;
use walk::{Found, Walk};

/// How deep folders may lie in each other.
const DEEPEST: usize = 64;

/// The most bytes of files for dist-git: they are kept in memory, and more belongs into an archive.
const DIST_GIT_BYTES: u64 = 256 * 1024 * 1024;

/// What an output may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files, links and folders.
    pub entries: u64,
    /// Bytes of `dist-git/`.
    pub dist_git: u64,
    /// Bytes of `lookaside/`.
    pub lookaside: u64,
    /// Folders within folders.
    pub depth: usize,
}

impl From<&container::Limits> for Limits {
    fn from(limits: &container::Limits) -> Limits {
        let lookaside = limits.output.0;
        let dist_git = DIST_GIT_BYTES.min(lookaside);
        Limits { entries: limits.output_files, dist_git, lookaside, depth: DEEPEST }
    }
}

/// An output that passed.
#[derive(Debug, Default)]
pub struct Harvest {
    /// The files of `dist-git/`, by path.
    pub files: BTreeMap<String, CopiedFile>,
    /// The files of `lookaside/`, copied.
    pub archives: Vec<DraftArchive>,
    /// What `result.json` says.
    pub said: Said,
}

/// Reads the output in `folder`; archives are copied into `work`.
///
/// # Errors
/// Refuses whatever the contract does not allow; see the module's text.
pub fn harvest(folder: &Path, work: &Path, limits: &Limits) -> Result<Harvest> {
    let mut walk = Walk::begin(folder, limits)?;
    let mut harvest = Harvest::default();
    for found in walk.root()? {
        match (found.name.as_str(), found.is_folder) {
            ("dist-git", true) => harvest.files = walk.dist_git(&found)?,
            ("lookaside", true) => harvest.archives = walk.lookaside(&found, work)?,
            ("result.json", false) => harvest.said = Said::parse(&walk.result(&found)?)?,
            _ => return Err(unexpected(&found).into()),
        }
    }
    Ok(harvest)
}

fn unexpected(found: &Found) -> Refusal {
    let kind = if found.is_folder { "folder" } else { "file" };
    let words = format!("the container left a {kind} /output/{}", found.name);
    Refusal::new("output-unexpected", words)
        .hint("leave the folders dist-git/ and lookaside/ and the file result.json in /output, and nothing else")
}
