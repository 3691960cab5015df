//! Secrets are files, or credentials of systemd, and nobody else may read them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::faults::{Found, KeyPath};
use crate::config::rules::Checked;
use crate::outcome::printable;
use crate::secret::Secret;

/// How a path in the folder of systemd's credentials begins.
const CREDENTIALS: &str = "$CREDENTIALS_DIRECTORY/";

/// The largest secret that is read: keys and certificates have a few KiB.
const LARGEST: u64 = 1 << 20;

/// Where files that the config names are, and whether they are to be read at all.
#[derive(Debug, Clone)]
pub struct Places {
    /// Where relative paths begin: the folder of the config.
    pub folder: PathBuf,
    /// `$CREDENTIALS_DIRECTORY`, where it is set.
    pub credentials: Option<PathBuf>,
    /// Whether secrets are read; off, a config can be checked on a machine that has none of them.
    pub read_secrets: bool,
}

impl Places {
    /// Returns the path that a text of the config means.
    pub(super) fn path(&self, text: &str, at: &KeyPath) -> Checked<PathBuf> {
        let refuse = |words: &str| Err(Found::new("operator-bad-path", at, words));
        if text.is_empty() || text.contains('\0') {
            return refuse("names no file");
        }
        let Some(name) = text.strip_prefix(CREDENTIALS) else {
            return Ok(self.folder.join(text));
        };
        if name.is_empty() || name.contains('/') || name == "." || name == ".." {
            return refuse("does not name one credential after $CREDENTIALS_DIRECTORY/");
        }
        match &self.credentials {
            Some(folder) => Ok(folder.join(name)),
            None if !self.read_secrets => Ok(PathBuf::from(text)),
            None => Err(Found::new(
                "operator-secret-unreadable",
                at,
                "is a credential, and CREDENTIALS_DIRECTORY is not set",
            )
            .hint("start it as a systemd service with LoadCredential=, or name a file instead")),
        }
    }

    /// Reads a secret; `None` where secrets are not to be read.
    pub(super) fn secret(&self, text: &str, at: &KeyPath) -> Checked<Option<Secret>> {
        let path = self.path(text, at)?;
        match self.read_secrets {
            true => read(&path, at).map(Some),
            false => Ok(None),
        }
    }
}

fn read(path: &Path, at: &KeyPath) -> Checked<Secret> {
    let shown = printable(path.to_string_lossy().as_bytes(), 200);
    let unreadable = |error: std::io::Error| {
        let words = format!("cannot be read: {shown}: {error}");
        Found::new("operator-secret-unreadable", at, words)
            .hint("create the file, readable by the user that runs lockkeeper and by nobody else")
    };
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() || about.len() > LARGEST {
        let words = format!("is no file, or one of more than 1 MiB: {shown}");
        return Err(Found::new("operator-secret-unreadable", at, words));
    }
    rights(about.permissions().mode() & 0o7777, &shown, at)?;
    let content = std::fs::read(path).map_err(unreadable)?;
    Secret::from_file(&content).ok_or_else(|| {
        Found::new("operator-secret-empty", at, format!("holds nothing: {shown}"))
            .hint("write the secret into the file, and nothing else")
    })
}

/// Refuses a secret that all users of the machine can read, or that others than its owner can exchange. A group may
/// read it: `root:lockkeeper 0640` is how packages install such files.
fn rights(mode: u32, shown: &str, at: &KeyPath) -> Checked<()> {
    match mode & 0o027 {
        0 => Ok(()),
        _ => {
            let words = format!("has mode {mode:04o}: others can get at it: {shown}");
            let fault = Found::new("operator-secret-exposed", at, words);
            Err(fault.hint("`chmod 640` or `chmod 600` mends that; then change the secret"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &Path) -> Places {
        let credentials = Some(folder.join("credentials"));
        Places { folder: folder.to_owned(), credentials, read_secrets: true }
    }

    fn code<T>(checked: Checked<T>) -> &'static str {
        checked.err().expect("a fault").code
    }

    #[test]
    fn rights_of_a_secret_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let at = KeyPath::of("token_file");
        for (mode, passes) in
            [(0o600, true), (0o400, true), (0o640, true), (0o644, false), (0o660, false)]
        {
            let path = folder.path().join(format!("secret-{mode:o}"));
            std::fs::write(&path, "abc\n").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            let secret = places(folder.path()).secret(name, &at);
            match passes {
                true => assert!(secret.unwrap().unwrap().is(b"abc"), "{mode:o}"),
                false => assert_eq!(code(secret), "operator-secret-exposed", "{mode:o}"),
            }
        }
    }

    #[test]
    fn a_credential_is_one_name_in_the_folder_of_systemd() {
        let folder = tempfile::tempdir().unwrap();
        let at = KeyPath::of("token_file");
        let mut places = places(folder.path());
        let path = places.path("$CREDENTIALS_DIRECTORY/token", &at).unwrap();
        assert_eq!(path, folder.path().join("credentials/token"));
        for bad in ["$CREDENTIALS_DIRECTORY/", "$CREDENTIALS_DIRECTORY/../x", ""] {
            assert_eq!(code(places.path(bad, &at)), "operator-bad-path", "{bad}");
        }
        assert_eq!(code(places.secret("nowhere", &at)), "operator-secret-unreadable");
        places.credentials = None;
        let found = places.secret("$CREDENTIALS_DIRECTORY/token", &at);
        assert_eq!(code(found), "operator-secret-unreadable");
        places.read_secrets = false;
        assert_eq!(places.secret("$CREDENTIALS_DIRECTORY/token", &at).ok(), Some(None));
    }
}
