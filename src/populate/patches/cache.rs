//! Finished patches on disk: a run pays only for the commits that are new.
//!
//! An entry is named by all that its patch is a function of, so entries never go stale; losing any of
//! them costs time and nothing else. The entries of a line lie in one file, because opening hundreds of
//! small ones takes longer than writing their patches. The file is named for where the line starts and
//! for the rules, is read once, and is replaced as a whole when something is new. An entry that does not
//! hash to what it says is passed over, and written again.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bstr::{BString, ByteSlice};
use sha2::{Digest, Sha256};

use super::PatchRules;
use super::work::Rendered;
use crate::names::ObjectId;

/// What a patch's bytes depend on beside its inputs; raised with every change to how patches are written.
const FORMAT: &str = "lockkeeper patches 1\n";

/// The largest entry that is kept: a larger patch is rare, and every run would read it.
const LARGEST_ENTRY: usize = 4 * 1024 * 1024;

/// The largest file that is read or written.
const LARGEST_FILE: usize = 256 * 1024 * 1024;

/// How many files a folder holds: a branch has one for each release it is on.
const FILES: usize = 8;

/// A folder of finished patches.
#[derive(Debug, Clone)]
pub struct PatchCache {
    folder: PathBuf,
}

/// The name of an entry, and the check on its content.
type Hash = [u8; 32];

/// What the cache holds for one line.
pub(super) struct Shelf {
    path: PathBuf,
    rules: Hash,
    content: Vec<u8>,
    entries: HashMap<Hash, Range<usize>>,
}

impl PatchCache {
    /// Returns the cache in `folder`, which is made with the first entry.
    pub fn new(folder: &Path) -> PatchCache {
        PatchCache { folder: folder.to_owned() }
    }

    /// Reads what there is for a line that starts from the tree `base`.
    pub(super) fn shelf(&self, base: &ObjectId, rules: &PatchRules) -> Shelf {
        let rules = hash_of_rules(rules);
        let name = Sha256::new().chain_update(rules).chain_update(base.as_bytes()).finalize();
        let name: String = name[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let path = self.folder.join(format!("{name}.patches"));
        let small = path.metadata().is_ok_and(|found| found.len() <= LARGEST_FILE as u64);
        let content = if small { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let entries = index(&content);
        Shelf { path, rules, content, entries }
    }
}

fn hash_of_rules(rules: &PatchRules) -> Hash {
    let mut hash = Sha256::new_with_prefix(FORMAT);
    for path in rules.packaging.iter().chain(&rules.spec) {
        hash.update((path.as_str().len() as u64).to_le_bytes());
        hash.update(path.as_str());
    }
    hash.finalize().into()
}

/// Finds the entries: each a key, a hash, a length of 8 bytes, and the content.
fn index(content: &[u8]) -> HashMap<Hash, Range<usize>> {
    let mut entries = HashMap::new();
    let mut rest = content.strip_prefix(FORMAT.as_bytes()).unwrap_or_default();
    while let Some((key, entry)) = take_entry(&mut rest) {
        let end = content.len() - rest.len();
        entries.insert(key, end - entry.len()..end);
    }
    entries
}

/// Takes a key and, as one piece, the hash and the content that it is the hash of.
fn take_entry<'c>(rest: &mut &'c [u8]) -> Option<(Hash, &'c [u8])> {
    let (key, after) = rest.split_first_chunk()?;
    let (length, after) = after.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (entry, after) = after.split_at_checked(length)?;
    *rest = after;
    Some((*key, entry))
}

impl Shelf {
    /// Returns the name of the entry for these commits on this tree.
    pub(super) fn key(&self, base: &ObjectId, commits: &[ObjectId]) -> Hash {
        let hash = Sha256::new_with_prefix(self.rules).chain_update(base.as_bytes());
        let add = |hash: Sha256, commit: &ObjectId| hash.chain_update(commit.as_bytes());
        commits.iter().fold(hash, add).finalize().into()
    }

    /// Returns the entry where it is there and sound.
    pub(super) fn find(&self, key: &Hash) -> Option<Rendered> {
        decode(self.sound(key)?)
    }

    fn sound(&self, key: &Hash) -> Option<&[u8]> {
        let entry = &self.content[self.entries.get(key)?.clone()];
        let (hash, content) = entry.split_at_checked(size_of::<Hash>())?;
        (Sha256::digest(content).as_slice() == hash).then_some(content)
    }

    /// Replaces the file where one of these entries is not in it.
    ///
    /// Others stay, as long as they take no more room than these: another branch may have them. A folder
    /// that cannot be written costs time at the next run and nothing else.
    pub(super) fn keep(&self, used: &[(Hash, &Rendered)]) {
        if used.iter().all(|(key, _)| self.sound(key).is_some()) {
            return;
        }
        if let Err(error) = write_atomically(&self.path, &self.with(used)) {
            tracing::warn!(path = %self.path.display(), %error, "finished patches could not be cached");
        }
    }

    fn with(&self, used: &[(Hash, &Rendered)]) -> Vec<u8> {
        let mut content = FORMAT.as_bytes().to_vec();
        for (key, rendered) in used {
            let encoded = encode(rendered);
            let entry = [Sha256::digest(&encoded).as_slice(), &encoded].concat();
            if entry.len() <= LARGEST_ENTRY && content.len() + entry.len() < LARGEST_FILE / 2 {
                push_entry(&mut content, key, &entry);
            }
        }
        let limit = 2 * content.len();
        let keys: HashSet<&Hash> = used.iter().map(|(key, _)| key).collect();
        for (key, range) in self.entries.iter().filter(|(key, _)| !keys.contains(key)) {
            if content.len() + range.len() < limit {
                push_entry(&mut content, key, &self.content[range.clone()]);
            }
        }
        content
    }
}

fn push_entry(content: &mut Vec<u8>, key: &Hash, entry: &[u8]) {
    content.extend_from_slice(key);
    content.extend_from_slice(&(entry.len() as u64).to_le_bytes());
    content.extend_from_slice(entry);
}

fn write_atomically(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.persist(path)?;
    remove_oldest(folder)
}

fn remove_oldest(folder: &Path) -> std::io::Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|ending| ending == "patches") {
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    files.sort();
    let surplus = files.len().saturating_sub(FILES);
    files[..surplus].iter().try_for_each(|(_, path)| std::fs::remove_file(path))
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
