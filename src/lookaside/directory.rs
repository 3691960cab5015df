//! A lookaside cache in a folder: `NAME/FILE/HASHTYPE/HASH/FILE`, as dist-git stores it.
//!
//! A file appears under its final name whole or not at all: it is written under a temporary name in the
//! package's folder, hashed, synced, and then moved without replacing. Temporary names begin with a dot, which
//! no file name does, so one left by a killed process is in nobody's way.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Archive, Presence, Stored, differs, not_there};
use crate::digest::{Digest, HashType, Hasher, Sha512};
use crate::names::{FileName, PackageName};
use crate::outcome::{Problem, Refusal, Result};

/// A lookaside cache in a folder of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    root: PathBuf,
}

impl std::fmt::Display for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the lookaside at {}", self.root.display())
    }
}

impl Directory {
    /// Returns the cache below `root`, which must exist when it is used.
    pub fn new(root: impl Into<PathBuf>) -> Directory {
        Directory { root: root.into() }
    }

    /// Returns where a file lies, or would lie.
    pub fn path_of(&self, package: &PackageName, file: &FileName, digest: &Digest) -> PathBuf {
        let kind = digest.hash_type().as_str();
        let folder = self.root.join(package.as_str()).join(file.as_str());
        folder.join(kind).join(digest.hex()).join(file.as_str())
    }

    /// Tells whether the file is there; one with a wrong content does not count as there.
    ///
    /// # Errors
    /// A refusal where the folder is missing; a problem where a file is there with a wrong content.
    pub async fn check(
        &self,
        package: &PackageName,
        file: &FileName,
        sha512: &Sha512,
    ) -> Result<Presence> {
        self.must_exist()?;
        let (path, digest) = (self.path_of(package, file, &sha512.into()), sha512.into());
        off_thread(move || match examine(&path, &digest)? {
            Some(_) => Ok(Presence::Available),
            None => Ok(Presence::Missing),
        })
        .await
    }

    /// Copies the archive into the cache, hashing it on the way.
    ///
    /// # Errors
    /// A problem where the archive is not what its digest says, where another content is there already, or
    /// where the folder cannot be written.
    pub async fn upload(&self, package: &PackageName, archive: &Archive<'_>) -> Result<Stored> {
        self.must_exist()?;
        let digest = Digest::from(archive.sha512);
        let deposit = Deposit {
            root: self.root.clone(),
            package_folder: self.root.join(package.as_str()),
            target: self.path_of(package, archive.name, &digest),
            source: archive.path.to_owned(),
            digest,
            mtime: archive.mtime,
        };
        off_thread(move || deposit.run()).await
    }

    /// Reads the file again and compares size and digest.
    ///
    /// # Errors
    /// A temporary problem where it is not there; a permanent one where it is another.
    pub async fn verify_download(
        &self,
        package: &PackageName,
        file: &FileName,
        sha512: &Sha512,
        size: Option<u64>,
    ) -> Result<()> {
        let (path, digest) = (self.path_of(package, file, &sha512.into()), sha512.into());
        off_thread(move || match (examine(&path, &digest)?, size) {
            (None, _) => Err(gone(&path).into()),
            (Some(found), Some(wanted)) if found != wanted => {
                let message = format!("{} has {found} bytes, not {wanted}", path.display());
                Err(Problem::permanent("lookaside-size-differs", message).into())
            }
            _ => Ok(()),
        })
        .await
    }

    /// Copies a file out of the cache to `destination` and returns its size.
    ///
    /// # Errors
    /// A refusal where it is not there; a problem where its content is wrong or `destination` cannot be written.
    pub async fn download(
        &self,
        package: &PackageName,
        file: &FileName,
        digest: &Digest,
        destination: &Path,
    ) -> Result<u64> {
        self.must_exist()?;
        let path = self.path_of(package, file, digest);
        let missing = not_there(self, file, digest);
        let (digest, destination) = (digest.clone(), destination.to_owned());
        off_thread(move || match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing.into()),
            _ => copy_out(&path, &digest, &destination),
        })
        .await
    }

    /// A new cache begins as an empty folder, made by the first upload. A folder around it that is missing too is
    /// more likely a typing error, or a disk that is not mounted, than a wish.
    fn must_exist(&self) -> Result<()> {
        if self.root.is_dir()
            || (!self.root.exists() && self.root.parent().is_some_and(Path::is_dir))
        {
            return Ok(());
        }
        let message = format!("{} is not a folder", self.root.display());
        Err(Refusal::config("lookaside-folder-missing", message)
            .hint("make the folder that it is in, or mount the disk that holds it")
            .into())
    }
}

/// Runs file work beside the asynchronous tasks.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Err(Problem::permanent(
            "lookaside-task-failed",
            format!("file work for the lookaside ended early: {error}"),
        )
        .into()),
    }
}

fn gone(path: &Path) -> Problem {
    let message = format!("{} is not there after it was stored", path.display());
    Problem::temporary("lookaside-not-downloadable", message)
}

fn failed(doing: &str, path: &Path, error: io::Error) -> Problem {
    let message = format!("cannot {doing} {}: {error}", path.display());
    Problem::permanent("lookaside-folder-failed", message).because(error)
}

/// Returns the size of the file at `path` if it has this digest, `None` if nothing is there.
fn examine(path: &Path, digest: &Digest) -> Result<Option<u64>> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("look at", path, error).into()),
    };
    if !metadata.is_file() {
        let message = format!("{} is not a regular file", path.display());
        return Err(Problem::permanent("lookaside-file-differs", message)
            .hint("remove what lies there")
            .into());
    }
    let mut file = File::open(path).map_err(|error| failed("open", path, error))?;
    let (size, found) = copy_hashed(&mut file, &mut io::sink(), digest.hash_type())
        .map_err(|error| failed("read", path, error))?;
    match found == *digest {
        true => Ok(Some(size)),
        false => Err(differs(path.display().to_string(), &found, digest).into()),
    }
}

fn copy_hashed(
    source: &mut impl Read,
    target: &mut impl Write,
    hash_type: HashType,
) -> io::Result<(u64, Digest)> {
    let mut hasher = Hasher::new(hash_type);
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok((size, hasher.finish())),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                target.write_all(&buffer[..count])?;
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// One archive on its way into the cache.
struct Deposit {
    root: PathBuf,
    package_folder: PathBuf,
    target: PathBuf,
    source: PathBuf,
    digest: Digest,
    mtime: i64,
}

impl Deposit {
    fn run(&self) -> Result<Stored> {
        if examine(&self.target, &self.digest)?.is_some() {
            return Ok(Stored::AlreadyThere);
        }
        let folder = self.target.parent().expect("a file in the cache lies five folders deep");
        fs::create_dir_all(folder).map_err(|error| failed("make", folder, error))?;
        let temporary = self.write_temporary()?;
        match temporary.persist_noclobber(&self.target) {
            Ok(_) => self.sync_folders(folder).map(|()| Stored::New),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                examine(&self.target, &self.digest)?;
                self.sync_folders(folder).map(|()| Stored::AlreadyThere)
            }
            Err(error) => Err(failed("store", &self.target, error.error).into()),
        }
    }

    /// Writes the whole content beside its place; dropped unmoved, it is removed again.
    fn write_temporary(&self) -> Result<tempfile::NamedTempFile> {
        let mut source =
            File::open(&self.source).map_err(|error| failed("open", &self.source, error))?;
        let mut temporary = tempfile::Builder::new()
            .prefix(".upload-")
            .tempfile_in(&self.package_folder)
            .map_err(|error| failed("write in", &self.package_folder, error))?;
        let (_, found) = copy_hashed(&mut source, temporary.as_file_mut(), self.digest.hash_type())
            .map_err(|error| failed("copy", &self.source, error))?;
        if found != self.digest {
            let message =
                format!("{} has digest {found}, not {}", self.source.display(), self.digest);
            return Err(Problem::permanent("archive-changed", message).into());
        }
        self.finish(temporary.as_file())
            .map_err(|error| failed("write", temporary.path(), error))?;
        Ok(temporary)
    }

    /// Readable by the web server, dated, and on the disk.
    fn finish(&self, file: &File) -> io::Result<()> {
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.set_modified(moment(self.mtime))?;
        file.sync_all()
    }

    /// A name is on the disk only when its folder is: from the file's own up to the root.
    fn sync_folders(&self, folder: &Path) -> Result<()> {
        for folder in folder.ancestors().take_while(|folder| folder.starts_with(&self.root)) {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(|error| failed("sync", folder, error))?;
        }
        Ok(())
    }
}

/// The moment so many seconds from 1970; one that no file system can hold counts as 1970.
fn moment(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let moment = match seconds >= 0 {
        true => SystemTime::UNIX_EPOCH.checked_add(distance),
        false => SystemTime::UNIX_EPOCH.checked_sub(distance),
    };
    moment.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn copy_out(path: &Path, digest: &Digest, destination: &Path) -> Result<u64> {
    let mut source = File::open(path).map_err(|error| failed("open", path, error))?;
    let mut temporary = beside(destination)?;
    let (size, found) = copy_hashed(&mut source, temporary.as_file_mut(), digest.hash_type())
        .map_err(|error| failed("copy", path, error))?;
    if found != *digest {
        return Err(differs(path.display().to_string(), &found, digest).into());
    }
    put_in_place(temporary, destination)?;
    Ok(size)
}

/// Opens a temporary file in the folder of `destination`.
///
/// # Errors
/// A problem where that folder cannot be written.
pub(super) fn beside(destination: &Path) -> Result<tempfile::NamedTempFile> {
    let parent = destination.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".download-").tempfile_in(folder);
    Ok(temporary.map_err(|error| failed("write in", folder, error))?)
}

/// Gives a checked temporary file its name.
///
/// # Errors
/// A problem where the folder cannot be written.
pub(super) fn put_in_place(temporary: tempfile::NamedTempFile, destination: &Path) -> Result<()> {
    let placed = temporary.persist(destination);
    placed.map_err(|error| failed("write", destination, error.error))?;
    Ok(())
}
