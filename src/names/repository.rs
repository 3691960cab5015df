//! Where a git repository is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;
use url::Url;

use super::NameError;

/// Where a git repository is: a local path, or an https or ssh address; http too, on this machine.
///
/// Refused: any other scheme (`ext::` runs commands), anything that begins with a dash (git would read
/// an option), control characters and spaces. Credentials in an address are kept for git's use and
/// never shown: [`fmt::Display`], `Debug` and serialisation leave them out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RepositoryAddress {
    place: Place,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Place {
    Local(PathBuf),
    Remote { url: Url },
}

impl RepositoryAddress {
    /// Returns the folder, where the repository is on this machine.
    pub fn local_path(&self) -> Option<&Path> {
        match &self.place {
            Place::Local(path) => Some(path),
            Place::Remote { .. } => None,
        }
    }

    /// Returns what git is to be called with; it may hold credentials, so it is never printed.
    pub fn for_git(&self) -> String {
        match &self.place {
            Place::Local(path) => path.to_string_lossy().into_owned(),
            Place::Remote { url } => url.to_string(),
        }
    }

    /// Returns the scheme: `file`, `https`, `http` or `ssh`.
    pub fn scheme(&self) -> &str {
        match &self.place {
            Place::Local(_) => "file",
            Place::Remote { url } => url.scheme(),
        }
    }

    /// Returns the last path component without `.git`: the usual name of the package.
    pub fn last_component(&self) -> String {
        let shown = self.to_string();
        let last = shown.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        last.strip_suffix(".git").unwrap_or(last).to_owned()
    }

    /// Parses what a person typed on the command line: as [`FromStr`], and relative paths too, which are
    /// made absolute against `folder`.
    pub fn from_argument(text: &str, folder: &Path) -> Result<Self, NameError> {
        let is_address = text.contains("://") || is_scp_like(text);
        if is_address || text.starts_with('/') || text.starts_with('-') || text.is_empty() {
            return text.parse();
        }
        let path = folder.join(text);
        path.to_string_lossy().parse()
    }
}

/// `git@host:path`: a colon before any slash, as git reads it.
fn is_scp_like(text: &str) -> bool {
    text.split_once(':').is_some_and(|(host, _)| !host.is_empty() && !host.contains('/'))
}

impl FromStr for RepositoryAddress {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why: &str| Err(NameError::new("repository address", text, why));
        if text.starts_with('-') {
            return refuse("begins with a dash");
        }
        if text.is_empty() || text.chars().any(char::is_control) {
            return refuse("is empty or has a control character");
        }
        if text.starts_with('/') {
            return Ok(RepositoryAddress { place: Place::Local(text.into()) });
        }
        if text.chars().any(char::is_whitespace) {
            return refuse("has a space");
        }
        let address = match text.contains("://") {
            true => text.to_owned(),
            false if text.contains("::") => {
                return refuse("names a remote helper, which can run commands");
            }
            false if is_scp_like(text) => format!("ssh://{}", text.replacen(':', "/", 1)),
            false => {
                return refuse(
                    "is neither an address (https://, ssh://, file://) nor an absolute path",
                );
            }
        };
        let url = match Url::parse(&address) {
            Ok(url) => url,
            Err(error) => return refuse(&format!("is no address: {error}")),
        };
        let host_is_option = url.host_str().is_some_and(|host| host.starts_with('-'));
        if host_is_option || url.username().starts_with('-') {
            return refuse("has a host or user that begins with a dash");
        }
        match url.scheme() {
            "file" => match url.to_file_path() {
                Ok(path) => Ok(RepositoryAddress { place: Place::Local(path) }),
                Err(()) => refuse("is a file: address with a host or without an absolute path"),
            },
            "https" | "http" | "ssh" if url.host_str().is_none_or(str::is_empty) => {
                refuse("has no host")
            }
            "http" if !is_this_machine(&url) => {
                refuse("is http, unencrypted, to another machine; use https, ssh or file")
            }
            "https" | "http" | "ssh" => Ok(RepositoryAddress { place: Place::Remote { url } }),
            _ => refuse("has a scheme other than https, ssh and file"),
        }
    }
}

/// Tells whether an address stays on this machine, where nobody can listen on the way.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl fmt::Display for RepositoryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Local(path) => write!(f, "file://{}", path.display()),
            Place::Remote { url } => {
                let mut shown = url.clone();
                let _ = shown.set_password(None);
                if shown.scheme() != "ssh" {
                    let _ = shown.set_username("");
                }
                f.write_str(shown.as_str())
            }
        }
    }
}

impl fmt::Debug for RepositoryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepositoryAddress({self})")
    }
}

impl Serialize for RepositoryAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_their_secrets() {
        let table = [
            (
                "https://forge.example/pkg/hello.git",
                "https://forge.example/pkg/hello.git",
                "hello",
            ),
            ("https://me:secret@forge.example/hello", "https://forge.example/hello", "hello"),
            (
                "ssh://git@forge.example/rpms/hello.git",
                "ssh://git@forge.example/rpms/hello.git",
                "hello",
            ),
            (
                "git@forge.example:rpms/hello.git",
                "ssh://git@forge.example/rpms/hello.git",
                "hello",
            ),
            ("file:///srv/git/hello.git", "file:///srv/git/hello.git", "hello"),
            ("/srv/git/hello/", "file:///srv/git/hello/", "hello"),
        ];
        for (text, shown, last) in table {
            let address: RepositoryAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.last_component(), last);
            assert!(!format!("{address:?}").contains("secret"));
        }
    }

    #[test]
    fn what_git_could_take_for_a_command_is_refused() {
        let table = [
            "",
            "-oProxyCommand=x",
            "--upload-pack=x",
            "ext::sh -c x",
            "https://-x/y",
            "ssh://-oX@h/y",
            "ssh://-x/y",
            "ftp://h/x",
            "http://h/x",
            "git://h/x",
            "relative/path",
            "https://h/a b",
            "https://h/x\n",
            "file://host/x",
        ];
        for text in table {
            assert!(text.parse::<RepositoryAddress>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn relative_paths_are_taken_on_the_command_line_only() {
        let folder = Path::new("/home/ada");
        let address = RepositoryAddress::from_argument("dist-git/hello", folder).unwrap();
        assert_eq!(address.local_path(), Some(Path::new("/home/ada/dist-git/hello")));
        let remote = RepositoryAddress::from_argument("git@h:x/hello", folder).unwrap();
        assert_eq!(remote.scheme(), "ssh");
    }
}
