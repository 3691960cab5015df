//! The record of builds on their way: what a bot that was killed reads when it comes back.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::state::Build;
use crate::outcome::{Problem, Result};

/// Where builds are recorded. What [`BuildLog::put`] returned from survives a crash.
pub trait BuildLog: Send + Sync {
    /// Records a build in place of what was recorded under its key.
    ///
    /// # Errors
    /// A problem where the record could not be made safe: then nothing may be done that rests on it.
    fn put(&self, build: &Build) -> Result<()>;

    /// Returns the build with this key.
    ///
    /// # Errors
    /// A problem where the record cannot be read.
    fn get(&self, key: &str) -> Result<Option<Build>>;

    /// Returns the builds that still want something done.
    ///
    /// # Errors
    /// A problem where the record cannot be read.
    fn unsettled(&self) -> Result<Vec<Build>>;
}

/// A record in a folder, one JSON file a build. One process at a time holds it.
#[derive(Debug)]
pub struct FolderLog {
    folder: PathBuf,
    /// Held as long as the log lives.
    _lock: File,
}

impl FolderLog {
    /// Opens a record, and makes the folder where it is missing.
    ///
    /// # Errors
    /// A temporary problem where another process holds it; a permanent one where it cannot be written.
    pub fn open(folder: &Path) -> Result<FolderLog> {
        fs::create_dir_all(folder).map_err(|error| unusable(folder, error))?;
        let lock = File::create(folder.join("lock")).map_err(|error| unusable(folder, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(FolderLog { folder: folder.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => {
                let words = format!("another process follows the builds in {}", folder.display());
                Err(Problem::temporary("build-log-busy", words).into())
            }
            Err(fs::TryLockError::Error(error)) => Err(unusable(folder, error).into()),
        }
    }

    fn file(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        // The name is in the folder, and is safe only with it.
        File::open(&self.folder)?.sync_all()
    }
}

impl BuildLog for FolderLog {
    fn put(&self, build: &Build) -> Result<()> {
        let json = serde_json::to_vec_pretty(build).expect("a build holds only text and numbers");
        let path = self.file(&build.key());
        self.write(&path, &json).map_err(|error| unusable(&path, error).into())
    }

    fn get(&self, key: &str) -> Result<Option<Build>> {
        let path = self.file(key);
        match fs::read(&path) {
            Ok(bytes) => read(&path, &bytes).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&path, error).into()),
        }
    }

    fn unsettled(&self) -> Result<Vec<Build>> {
        let entries = fs::read_dir(&self.folder).map_err(|error| unusable(&self.folder, error))?;
        let mut builds = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| unusable(&self.folder, error))?.path();
            if path.extension().is_some_and(|end| end == "json") {
                let bytes = fs::read(&path).map_err(|error| unusable(&path, error))?;
                builds.push(read(&path, &bytes)?);
            }
        }
        builds.retain(|build: &Build| !build.is_settled());
        builds.sort_by_key(Build::key);
        Ok(builds)
    }
}

fn read(path: &Path, bytes: &[u8]) -> Result<Build> {
    serde_json::from_slice(bytes).map_err(|error| {
        let words = format!("{} is no record of a build: {error}", path.display());
        Problem::permanent("build-log-unreadable", words)
            .hint("move it away: what it started is found again at the build system")
            .because(error)
            .into()
    })
}

fn unusable(path: &Path, error: std::io::Error) -> Problem {
    let words = format!("the record of builds cannot be used: {}: {error}", path.display());
    Problem::permanent("build-log-unusable", words).because(error)
}
