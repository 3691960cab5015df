//! The socket file of a signer: made with narrow rights, never in a place where others could swap it.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::outcome::{Problem, Refusal, Result};

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketMode {
    /// This user alone: 0600.
    Owner,
    /// This user and its group: 0660.
    Group,
}

impl SocketMode {
    fn bits(self) -> u32 {
        match self {
            SocketMode::Owner => 0o600,
            SocketMode::Group => 0o660,
        }
    }
}

/// A listening socket whose file goes when it does.
#[derive(Debug)]
pub struct SignerSocket {
    path: PathBuf,
    /// Device and inode: what stands there later may be somebody else's.
    identity: (u64, u64),
    listener: UnixListener,
}

impl SignerSocket {
    /// Listens at `path`.
    ///
    /// The socket is made in a folder that only we can enter, gets its rights there, and is moved to its place: at no
    /// time can anybody connect who may not.
    ///
    /// # Errors
    /// Refuses (exit code 2) a folder in which everybody may rename files (`signer-socket-unsafe`), and a path where
    /// something stands that is not our own stale socket (`signer-socket-taken`).
    pub fn bind(path: &Path, mode: SocketMode) -> Result<SignerSocket> {
        let folder = folder_of(path);
        check_folder(folder)?;
        let failed = |error: std::io::Error| {
            let words = format!("cannot listen at {}: {error}", path.display());
            Problem::permanent("signer-socket-not-made", words).because(error)
        };
        let private = tempfile::Builder::new()
            .prefix(".lk")
            .rand_bytes(4)
            .tempdir_in(folder)
            .map_err(failed)?;
        remove_stale(path, private.path())?;
        let made = private.path().join("s");
        let listener = UnixListener::bind(&made).map_err(failed)?;
        std::fs::set_permissions(&made, std::fs::Permissions::from_mode(mode.bits()))
            .map_err(failed)?;
        let identity = identity(&std::fs::symlink_metadata(&made).map_err(failed)?);
        std::fs::rename(&made, path).map_err(failed)?;
        Ok(SignerSocket { path: path.to_owned(), identity, listener })
    }

    /// Returns the listening socket, ready to be waited for.
    ///
    /// # Errors
    /// Fails where it cannot be set up.
    pub(super) fn listener(&self) -> std::io::Result<tokio::net::UnixListener> {
        let listener = self.listener.try_clone()?;
        listener.set_nonblocking(true)?;
        tokio::net::UnixListener::from_std(listener)
    }
}

impl Drop for SignerSocket {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| identity(&metadata) == self.identity);
        if ours {
            // Whoever cannot remove it leaves a stale socket, which the next start clears away.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Refuses a folder in which everybody may replace what others made.
fn check_folder(folder: &Path) -> Result<(), Refusal> {
    let metadata = std::fs::metadata(folder).map_err(|error| {
        unsafe_place(format!("the folder {} cannot be looked at: {error}", folder.display()))
    })?;
    let mode = metadata.permissions().mode();
    match mode & 0o002 != 0 && mode & 0o1000 == 0 {
        false => Ok(()),
        true => Err(unsafe_place(format!(
            "everybody may rename files in {} (mode {:04o})",
            folder.display(),
            mode & 0o7777
        ))),
    }
}

fn unsafe_place(words: String) -> Refusal {
    Refusal::config("signer-socket-unsafe", words).hint(
        "use a folder of the signer's own, such as systemd's RuntimeDirectory=lockkeeper-signer",
    )
}

/// Removes a socket of our own that nobody listens at any more; `ours` is a folder that we just made, which tells who
/// we are.
fn remove_stale(path: &Path, ours: &Path) -> Result<()> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(taken(path, &error.to_string()).into()),
    };
    if !metadata.file_type().is_socket() {
        return Err(taken(path, "something that is no socket stands there").into());
    }
    let owner = std::fs::metadata(ours).map(|metadata| metadata.uid());
    if owner.ok() != Some(metadata.uid()) {
        return Err(taken(path, "the socket there is another user's").into());
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(taken(path, "another signer listens there").into()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|error| taken(path, &error.to_string()).into())
        }
        Err(error) => Err(taken(path, &error.to_string()).into()),
    }
}

fn taken(path: &Path, words: &str) -> Refusal {
    Refusal::config("signer-socket-taken", format!("cannot listen at {}: {words}", path.display()))
        .hint("stop what listens there, or name another path with --socket")
}
