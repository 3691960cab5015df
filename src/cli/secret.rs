//! Secret files: passphrases read, keys read and written, rights looked at.
//!
//! A passphrase comes from a file or from systemd's credentials, never from an argument or a variable, which other
//! processes of the machine can read.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::Args;

use super::world::read;
use crate::bot_key::BotKey;
use crate::outcome::{Problem, Refusal, Result};
use crate::ssh::AgentKey;

/// The variable in which systemd names the folder of a service's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Where a key's passphrase is.
#[derive(Debug, Args)]
pub struct PassphraseFlags {
    /// A file that holds the key's passphrase.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// A systemd credential that holds the key's passphrase ($CREDENTIALS_DIRECTORY/NAME).
    #[arg(long, value_name = "NAME", conflicts_with = "passphrase_file")]
    pub passphrase_credential: Option<String>,
}

impl PassphraseFlags {
    /// Reads the passphrase, where one is named.
    pub fn read(&self) -> Result<Option<String>> {
        passphrase(self.passphrase_file.as_deref(), self.passphrase_credential.as_deref())
    }
}

/// Reads a passphrase from a file, or from a credential; a line break at its end does not belong to it.
pub fn passphrase(file: Option<&Path>, credential: Option<&str>) -> Result<Option<String>> {
    let path = match (file, credential) {
        (Some(path), _) => path.to_owned(),
        (None, Some(name)) => credential_path(name)?,
        (None, None) => return Ok(None),
    };
    let text = String::from_utf8(read(&path)?).map_err(|_| {
        Refusal::config("passphrase-unreadable", format!("{} is no UTF-8 text", path.display()))
    })?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => {
            let words = format!("{} holds no passphrase", path.display());
            Err(Refusal::config("passphrase-unreadable", words)
                .hint("write the passphrase into it, or leave the flag away for a key without one")
                .into())
        }
        passphrase => Ok(Some(passphrase.to_owned())),
    }
}

fn credential_path(name: &str) -> Result<PathBuf, Refusal> {
    if name.is_empty() || name.contains('/') || name == ".." || name == "." {
        return Err(Refusal::config("bad-argument", format!("{name:?} is no credential's name")));
    }
    match std::env::var_os(CREDENTIALS) {
        Some(folder) => Ok(Path::new(&folder).join(name)),
        None => Err(Refusal::config("no-credentials", format!("{CREDENTIALS} is not set"))
            .hint("start it as a systemd service with LoadCredential=, or name a file instead")),
    }
}

/// Names a key in the SSH agent that `SSH_AUTH_SOCK` points to, by its public line.
pub fn agent_key(line: &str) -> Result<BotKey> {
    let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty());
    let socket = socket.ok_or_else(|| {
        Refusal::config("no-ssh-agent", "SSH_AUTH_SOCK is not set")
            .hint("start an agent and add the key with ssh-add, or give --key")
    })?;
    Ok(BotKey::SshAgent(AgentKey::new(Path::new(&socket), line)?))
}

/// Says who besides the owner can get at a file, where somebody can.
pub fn exposed(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o077 != 0).then(|| {
        format!(
            "{} has mode {mode:04o}: others than its owner can get at it (chmod 600 mends that)",
            path.display()
        )
    })
}

/// Writes a new file, to the disk itself, its name in the folder included.
///
/// # Errors
/// Refuses (exit code 2) to overwrite anything.
pub fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path).into(),
        _ => {
            let words = format!("cannot write {}: {error}", path.display());
            crate::outcome::Fault::from(
                Problem::permanent("output-not-writable", words).because(error),
            )
        }
    };
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    let written = written.and_then(|()| std::fs::File::open(folder_of(path))?.sync_all());
    written.map_err(|error| {
        // Half a key is worse than none.
        let _ = std::fs::remove_file(path);
        failed(error)
    })
}

/// Refuses where something stands at `path` already.
pub fn must_be_new(path: &Path) -> Result<(), Refusal> {
    match path.symlink_metadata() {
        Ok(_) => Err(exists(path)),
        Err(_) => Ok(()),
    }
}

fn exists(path: &Path) -> Refusal {
    Refusal::config("output-exists", format!("{} is there already", path.display()))
        .hint("name a file that does not exist; nothing is ever overwritten")
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_written_with_its_rights_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bot.key");
        write_new(&path, b"secret", 0o600).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        let error = write_new(&path, b"other", 0o600).unwrap_err();
        assert!(error.to_string().contains("is there already"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"secret");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(must_be_new(&link).is_err() && write_new(&link, b"x", 0o600).is_err());
    }

    #[test]
    fn rights_for_others_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bot.key");
        for (mode, open) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            std::fs::write(&path, b"x").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(exposed(&path).is_some(), open, "{mode:o}");
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_passphrase_loses_its_line_break_and_is_never_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        std::fs::write(&path, "open sesame\n").unwrap();
        assert_eq!(passphrase(Some(&path), None).unwrap().as_deref(), Some("open sesame"));
        std::fs::write(&path, "\n").unwrap();
        assert!(passphrase(Some(&path), None).is_err());
        assert_eq!(passphrase(None, None).unwrap(), None);
    }

    #[test]
    fn a_credential_is_one_name() {
        for name in ["", "..", ".", "a/b", "/etc/passwd"] {
            assert!(credential_path(name).is_err(), "{name}");
        }
    }
}
