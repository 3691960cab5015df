//! The lookaside cache: where archives lie that `sources` names.
//!
//! - [`directory`] keeps them in a folder of this machine, in dist-git's own layout;
//! - [`http`] speaks dist-git's upload protocol and reads what any web server serves.
//!
//! An archive is landed by [`Lookaside::store`]: check whether it is there, upload it where it is not, and
//! look at the download address before anything refers to it. Files are named by their content, so
//! doing it again, or twice at once, is harmless; nothing is ever replaced or deleted.

mod answer;
pub mod directory;
pub mod http;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

use std::path::Path;

pub use self::directory::Directory;
pub use self::http::{Http, HttpOptions};
use crate::digest::{Digest, Sha512};
use crate::names::{FileName, PackageName};
use crate::outcome::{Refusal, Result};

/// Whether the cache holds a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It does, under this digest.
    Available,
    /// It does not.
    Missing,
}

/// What an upload changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// The file was not there and is now.
    New,
    /// The same file was there already.
    AlreadyThere,
}

/// A file of this machine that is to be in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive<'a> {
    /// Its name in the cache and in `sources`.
    pub name: &'a FileName,
    /// Its digest, computed while it was written.
    pub sha512: &'a Sha512,
    /// Its size in bytes.
    pub size: u64,
    /// Where it lies.
    pub path: &'a Path,
    /// Its modification time in seconds since 1970: the source tip's, so that repeating changes nothing.
    pub mtime: i64,
}

/// A lookaside cache.
#[derive(Debug)]
pub enum Lookaside {
    /// A folder of this machine.
    Directory(Directory),
    /// A server.
    Http(Box<Http>),
}

impl Lookaside {
    /// Understands what follows `--lookaside`: a `file:` address or an absolute path, or an http(s) one.
    ///
    /// Nothing is opened yet; `options` matter for servers only.
    ///
    /// # Errors
    /// Refuses other schemes, credentials in the address, and certificates that cannot be read.
    pub fn from_argument(text: &str, options: HttpOptions) -> Result<Lookaside, Refusal> {
        if text.starts_with('/') {
            return Ok(Lookaside::Directory(Directory::new(text)));
        }
        let url = url::Url::parse(text).map_err(|error| not_an_address(text, error))?;
        match url.scheme() {
            "file" => match url.to_file_path() {
                Ok(path) => Ok(Lookaside::Directory(Directory::new(path))),
                Err(()) => Err(not_an_address(text, "it has a host or no absolute path")),
            },
            "http" | "https" => Http::new(&url, options).map(Box::new).map(Lookaside::Http),
            scheme => Err(not_an_address(text, format!("{scheme}: is not spoken here"))),
        }
    }

    /// Asks whether the cache holds `file` of `package` under this digest.
    ///
    /// # Errors
    /// As the two kinds say.
    pub async fn check(
        &self,
        package: &PackageName,
        file: &FileName,
        sha512: &Sha512,
    ) -> Result<Presence> {
        match self {
            Lookaside::Directory(directory) => directory.check(package, file, sha512).await,
            Lookaside::Http(http) => http.check(package, file, sha512).await,
        }
    }

    /// Uploads an archive; the same one being there already is success.
    ///
    /// # Errors
    /// As the two kinds say.
    pub async fn upload(&self, package: &PackageName, archive: &Archive<'_>) -> Result<Stored> {
        match self {
            Lookaside::Directory(directory) => directory.upload(package, archive).await,
            Lookaside::Http(http) => http.upload(package, archive).await,
        }
    }

    /// Makes sure that the archive can be downloaded by whoever reads `sources`.
    ///
    /// # Errors
    /// A temporary problem where it is not there (yet); a permanent one where its size is another.
    pub async fn verify_download(
        &self,
        package: &PackageName,
        file: &FileName,
        sha512: &Sha512,
        size: Option<u64>,
    ) -> Result<()> {
        match self {
            Lookaside::Directory(directory) => {
                directory.verify_download(package, file, sha512, size).await
            }
            Lookaside::Http(http) => http.verify_download(package, file, sha512, size).await,
        }
    }

    /// Brings an archive into the cache: check, upload where missing, then a look at the download address.
    ///
    /// # Errors
    /// As its three steps.
    pub async fn store(&self, package: &PackageName, archive: &Archive<'_>) -> Result<Stored> {
        let stored = match self.check(package, archive.name, archive.sha512).await? {
            Presence::Available => Stored::AlreadyThere,
            Presence::Missing => self.upload(package, archive).await?,
        };
        let size = Some(archive.size);
        self.verify_download(package, archive.name, archive.sha512, size).await?;
        Ok(stored)
    }

    /// Downloads a file that `sources` lists to `destination`, which exists only if the digest is right.
    ///
    /// Returns the size. The file is written beside `destination` under another name first.
    ///
    /// # Errors
    /// A refusal where the cache has no such file; a problem where what came is something else.
    pub async fn download(
        &self,
        package: &PackageName,
        file: &FileName,
        digest: &Digest,
        destination: &Path,
    ) -> Result<u64> {
        match self {
            Lookaside::Directory(directory) => {
                directory.download(package, file, digest, destination).await
            }
            Lookaside::Http(http) => http.download(package, file, digest, destination).await,
        }
    }
}

impl std::fmt::Display for Lookaside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Lookaside::Directory(directory) => directory.fmt(f),
            Lookaside::Http(http) => http.fmt(f),
        }
    }
}

fn not_an_address(text: &str, why: impl std::fmt::Display) -> Refusal {
    let shown = crate::outcome::printable(text, 200);
    Refusal::config("lookaside-address-wrong", format!("{shown} is no lookaside address: {why}"))
        .hint("give an absolute path, or a file:, https: or http: address")
}

/// Says that the cache has no such file; `sources` names what cannot be had.
fn not_there(place: &dyn std::fmt::Display, file: &FileName, digest: &Digest) -> Refusal {
    Refusal::new("lookaside-file-missing", format!("{place} has no {file} with digest {digest}"))
        .hint("upload the file, or correct the entry in `sources`")
}

/// Says that what the cache holds is not what its name promises.
fn differs(what: String, found: &Digest, wanted: &Digest) -> crate::outcome::Problem {
    let message = format!("{what} has digest {found}, not {wanted}");
    crate::outcome::Problem::permanent("lookaside-file-differs", message)
        .hint("the file in the cache is damaged or was exchanged: tell those who run the lookaside")
}
