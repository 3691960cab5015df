//! Finished patches on disk: a run pays only for the commits that are new.
//!
//! An entry is named by all that its patch is a function of, so entries never go stale and need no
//! order; deleting any of them costs time and nothing else. Writing is atomic. An entry that does not
//! hash to what it says is passed over, and written again.

use std::io::Write;
use std::path::{Path, PathBuf};

use bstr::{BString, ByteSlice};
use sha2::{Digest, Sha256};

use super::PatchRules;
use super::work::Rendered;
use crate::names::ObjectId;

/// What a patch's bytes depend on beside its inputs; raised with every change to how patches are written.
const FORMAT: &str = "lockkeeper patch 1";

/// The length of the hash that each entry begins with.
const HASH: usize = 32;

/// A folder of finished patches.
#[derive(Debug, Clone)]
pub struct PatchCache {
    folder: PathBuf,
}

/// The name of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CacheKey(String);

impl PatchCache {
    /// Returns the cache in `folder`, which is made with the first entry.
    pub fn new(folder: &Path) -> PatchCache {
        PatchCache { folder: folder.to_owned() }
    }

    /// Returns the name of the entry for these commits on this tree under these rules.
    pub(super) fn key(base: &ObjectId, commits: &[ObjectId], rules: &PatchRules) -> CacheKey {
        let mut hash = Sha256::new_with_prefix(FORMAT);
        hash.update(base.as_bytes());
        hash.update((commits.len() as u64).to_le_bytes());
        commits.iter().for_each(|commit| hash.update(commit.as_bytes()));
        for path in rules.packaging.iter().chain(&rules.spec) {
            hash.update((path.as_str().len() as u64).to_le_bytes());
            hash.update(path.as_str());
        }
        let hex = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        CacheKey(hex)
    }

    fn path(&self, key: &CacheKey) -> PathBuf {
        self.folder.join(&key.0[..2]).join(&key.0[2..])
    }

    /// Returns the entry where it is there and sound.
    pub(super) fn find(&self, key: &CacheKey) -> Option<Rendered> {
        let entry = std::fs::read(self.path(key)).ok()?;
        let (hash, content) = entry.split_at_checked(HASH)?;
        if Sha256::digest(content).as_slice() != hash {
            return None;
        }
        decode(content)
    }

    /// Keeps an entry; a folder that cannot be written costs time at the next run and nothing else.
    pub(super) fn keep(&self, key: &CacheKey, rendered: &Rendered) {
        let path = self.path(key);
        if let Err(error) = write_atomically(&path, &encode(rendered)) {
            tracing::warn!(path = %path.display(), %error, "a finished patch could not be cached");
        }
    }
}

fn write_atomically(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&Sha256::digest(content))?;
    file.write_all(content)?;
    file.persist(path)?;
    Ok(())
}

/// `N`, or `T` with two lists of paths before the text; lengths are 8 bytes each.
fn encode(rendered: &Rendered) -> Vec<u8> {
    let Rendered::Text { bytes, binary, has_crlf } = rendered else {
        return b"N".to_vec();
    };
    let mut content = b"T".to_vec();
    for paths in [binary, has_crlf] {
        content.extend_from_slice(&(paths.len() as u64).to_le_bytes());
        for path in paths {
            content.extend_from_slice(&(path.len() as u64).to_le_bytes());
            content.extend_from_slice(path);
        }
    }
    content.extend_from_slice(bytes);
    content
}

fn decode(content: &[u8]) -> Option<Rendered> {
    let (kind, mut rest) = content.split_first()?;
    match kind {
        b'N' => Some(Rendered::Nothing),
        b'T' => {
            let (binary, has_crlf) = (take_paths(&mut rest)?, take_paths(&mut rest)?);
            Some(Rendered::Text { bytes: rest.to_vec(), binary, has_crlf })
        }
        _ => None,
    }
}

fn take_paths(rest: &mut &[u8]) -> Option<Vec<BString>> {
    let count = take_number(rest)?;
    (0..count).map(|_| take_path(rest)).collect()
}

fn take_path(rest: &mut &[u8]) -> Option<BString> {
    let length = take_number(rest)?;
    let (path, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(path.as_bstr().to_owned())
}

fn take_number(rest: &mut &[u8]) -> Option<usize> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    usize::try_from(u64::from_le_bytes(*number)).ok()
}
