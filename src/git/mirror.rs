//! Our own bare copies of repositories that lie elsewhere, kept between runs.
//!
//! A mirror holds what was fetched and nothing of the other side's configuration: no alternates, no grafts, no
//! hooks, no replace refs. Deleting the folder costs a longer next fetch and nothing else.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::note::Note;
use super::remote::Transport;
use super::store::{Store, Trust};
use crate::names::{BranchName, ObjectId, RepositoryAddress};
use crate::outcome::{Problem, Refusal, Result};

/// How often a mirror that somebody else is fetching into is tried again, and how many times.
const LOCK_PAUSE: Duration = Duration::from_millis(25);
const LOCK_TRIES: u32 = 24_000;

/// The folder of all mirrors.
#[derive(Debug, Clone)]
pub struct Mirrors {
    folder: PathBuf,
}

/// One mirror, held by one run at a time while it fetches.
struct Held {
    folder: PathBuf,
    _lock: File,
}

impl Mirrors {
    /// Uses `folder`, which is made where it is missing.
    ///
    /// # Errors
    /// Fails where the folder cannot be made.
    pub fn at(folder: PathBuf) -> Result<Mirrors> {
        std::fs::create_dir_all(&folder).map_err(|error| not_writable(&folder, error))?;
        Ok(Mirrors { folder })
    }

    /// Returns the folder of all that is kept.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Fetches what is wanted besides the branch itself, and returns the store and the branch's tip.
    ///
    /// # Errors
    /// As [`Transport::fetch`].
    pub async fn fetch_branch(
        &self,
        transport: &Transport,
        address: &RepositoryAddress,
        branch: &BranchName,
        wanted: Wanted,
    ) -> Result<(Store, ObjectId)> {
        let held = self.hold(address).await?;
        let reference = branch.reference();
        let refspecs = match wanted {
            Wanted::BranchAndTags => {
                vec![format!("+{reference}:{reference}"), "+refs/tags/*:refs/tags/*".to_owned()]
            }
            Wanted::AllBranches => vec!["+refs/heads/*:refs/heads/*".to_owned()],
        };
        let fetched = transport.fetch(&held.folder, address, &refspecs).await;
        fetched.map_err(|fault| naming_branch(fault, address, branch))?;
        let store = Store::open(&held.folder, Trust::Fetched)?;
        let tip = store.objects().reference(&reference)?.ok_or_else(|| missing(address, branch))?;
        Ok((store, tip))
    }

    /// Returns the place of the note about a branch, whether or not there is a mirror of its repository.
    pub fn note(&self, address: &RepositoryAddress, branch: &BranchName, about: About) -> Note {
        let about = match about {
            About::SourceTags => "tags",
            About::Publications => "publications",
        };
        let branch = short_hash(branch.as_str());
        let name = format!("{}-{branch}.{about}", mirror_name(address));
        Note::at(self.folder.join("notes").join(name))
    }

    /// Returns the folder for patches that were made for a dist-git branch.
    pub fn patch_folder(&self, address: &RepositoryAddress, branch: &BranchName) -> PathBuf {
        let branch = short_hash(branch.as_str());
        self.folder.join("patches").join(format!("{}-{branch}", mirror_name(address)))
    }

    /// Returns the mirror's folder, made as an empty bare repository where it is not there yet.
    async fn hold(&self, address: &RepositoryAddress) -> Result<Held> {
        let name = mirror_name(address);
        let folder = self.folder.join(format!("{name}.git"));
        let lock_path = self.folder.join(format!("{name}.lock"));
        let lock = lock(&lock_path).await?;
        if !folder.join("HEAD").exists() {
            let half_made = self.folder.join(format!("{name}.new"));
            let _ = std::fs::remove_dir_all(&half_made);
            let _ = std::fs::remove_dir_all(&folder);
            Store::init_bare(&half_made)?;
            std::fs::rename(&half_made, &folder).map_err(|error| not_writable(&folder, error))?;
        }
        sweep_locks(&folder);
        Ok(Held { folder, _lock: lock })
    }
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Which tags are in reach of a source branch.
    SourceTags,
    /// What the commits of a dist-git branch claim to have published.
    Publications,
}

/// What a fetch brings; what is gone at the other side goes here too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The branch and every tag: a source-git repository.
    BranchAndTags,
    /// Every branch: a dist-git repository, whose newer branches set bounds for older ones.
    AllBranches,
}

/// A name for people, and a hash of the whole address for the machine.
pub(super) fn mirror_name(address: &RepositoryAddress) -> String {
    let hash = short_hash(&address.for_git());
    let kind = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = address.last_component().chars().take(40).map(kind).collect();
    format!("{name}-{hash}")
}

pub(super) fn short_hash(text: &str) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(text);
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) async fn lock(path: &Path) -> Result<File> {
    let file = File::options().create(true).append(true).open(path);
    let file = file.map_err(|error| not_writable(path, error))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(not_writable(path, error)),
        }
    }
    let words = format!("another run has held {} for ten minutes", path.display());
    Err(Problem::temporary("mirror-busy", words).into())
}

/// Removes lock files that a killed `git` left among the references.
///
/// We hold the mirror, so none of them can be a living one of ours.
fn sweep_locks(folder: &Path) {
    let mut waiting = vec![folder.join("refs")];
    for name in ["packed-refs.lock", "shallow.lock", "config.lock", "HEAD.lock"] {
        let _ = std::fs::remove_file(folder.join(name));
    }
    while let Some(current) = waiting.pop() {
        for entry in std::fs::read_dir(current).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(path);
            } else if path.extension().is_some_and(|ending| ending == "lock") {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

pub(super) fn not_writable(path: &Path, error: std::io::Error) -> crate::outcome::Fault {
    Problem::permanent("cache-not-writable", format!("cannot write {}: {error}", path.display()))
        .hint("name another folder with --cache, or make this one writable")
        .because(error)
        .into()
}

fn missing(address: &RepositoryAddress, branch: &BranchName) -> Refusal {
    Refusal::new("branch-missing", format!("there is no branch {branch} at {address}"))
        .hint("push the branch, or name another one")
}

fn naming_branch(
    fault: crate::outcome::Fault,
    address: &RepositoryAddress,
    branch: &BranchName,
) -> crate::outcome::Fault {
    match fault {
        crate::outcome::Fault::Refused(refusal) if refusal.code.0 == "branch-missing" => {
            missing(address, branch).into()
        }
        other => other,
    }
}
