//! One dist-git: which repository a package has there, and where its archives go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use globset::GlobSet;

use crate::config::TagTrust;
use crate::http::{Backoff, Timeouts};
use crate::lookaside::{HttpOptions, Lookaside};
use crate::names::{
    BranchName, ForgeName, InstanceName, NameError, PackageName, RepositoryAddress,
};
use crate::outcome::{Refusal, Result};
use crate::secret::Secret;
use crate::trigger::Target;

/// A dist-git that the service serves.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Its name.
    pub name: InstanceName,
    /// Where a package's repository is.
    pub git: RepositoryTemplate,
    /// Its lookaside cache.
    pub lookaside: LookasideAccess,
    /// Which packages are looked at.
    pub packages: Packages,
    /// Which branches are looked at; empty: all.
    pub branches: GlobSet,
    /// The dist tag of each branch.
    pub dist_tags: DistTags,
    /// Whether a branch config may name a repository of this machine.
    pub allow_file_sources: bool,
    /// Whether release tags must be signed where a branch does not say.
    pub tag_trust: TagTrust,
}

/// The address of dist-git repositories, with `{name}` for the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryTemplate(String);

impl RepositoryTemplate {
    /// Returns the repository of a package.
    ///
    /// # Errors
    /// Cannot fail for a template that was checked; the address is parsed all the same.
    pub fn address(&self, package: &PackageName) -> Result<RepositoryAddress, NameError> {
        self.0.replace("{name}", package.as_str()).parse()
    }

    /// Tells whether something secret stands in it.
    pub(super) fn holds_credentials(&self) -> bool {
        let example: Result<RepositoryAddress, _> = self.0.replace("{name}", "name").parse();
        example.is_ok_and(|address| {
            address.local_path().is_none() && address.for_git() != address.to_string()
        })
    }

    /// Returns the template as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for RepositoryTemplate {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        if !text.contains("{name}") {
            return Err(NameError::new("repository template", text, "has no {name} in it"));
        }
        text.replace("{name}", "name").parse::<RepositoryAddress>()?;
        Ok(RepositoryTemplate(text.to_owned()))
    }
}

/// The lookaside cache of an instance.
#[derive(Debug, Clone)]
pub struct LookasideAccess {
    /// Where archives are uploaded: a folder, or an http(s) address.
    pub upload: String,
    /// The base of download addresses, where it is not that of uploads.
    pub download: Option<String>,
    /// The client certificate and its key, PEM.
    pub client_certificate: Option<Secret>,
    /// The certificate authority, PEM.
    pub certificate_authority: Option<PathBuf>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How often a failing server is asked in all.
    pub attempts: u32,
}

impl LookasideAccess {
    /// Returns the cache at an address, with usual settings.
    pub fn of(upload: String) -> LookasideAccess {
        LookasideAccess {
            upload,
            download: None,
            client_certificate: None,
            certificate_authority: None,
            timeout: Duration::from_secs(120),
            attempts: 4,
        }
    }

    /// Returns the cache.
    ///
    /// # Errors
    /// Refuses certificates that cannot be read.
    pub fn open(&self) -> Result<Lookaside> {
        let authority = self.certificate_authority.as_deref().map(|path| {
            std::fs::read(path).map_err(|error| {
                let words = format!("cannot read {}: {error}", path.display());
                Refusal::config("file-unreadable", words)
            })
        });
        let options = HttpOptions {
            download: self.download.clone(),
            client_certificate: self.client_certificate.as_ref().map(|pem| pem.expose().to_vec()),
            certificate_authority: authority.transpose()?,
            timeouts: Timeouts::answering_within(self.timeout),
            backoff: Backoff { attempts: self.attempts, ..Backoff::default() },
            ..HttpOptions::default()
        };
        Ok(Lookaside::from_argument(&self.upload, options)?)
    }
}

/// Which packages of an instance are looked at.
#[derive(Debug, Clone)]
pub enum Packages {
    /// The repositories in a folder of this machine.
    Directory {
        /// The folder.
        folder: PathBuf,
        /// Which names; empty: all.
        matching: GlobSet,
    },
    /// These.
    List(Vec<PackageName>),
    /// Those whose names stand in a file, one a line.
    File(PathBuf),
    /// The repositories of a namespace (group, organisation) of a forge, as its API lists them.
    Namespace {
        /// An entry of `forges`.
        forge: ForgeName,
        /// The namespace.
        namespace: String,
        /// Which names; empty: all.
        matching: GlobSet,
    },
}

/// The dist tags of an instance's branches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DistTags(pub BTreeMap<BranchName, String>);

impl DistTags {
    /// Returns the dist tag of a branch.
    pub fn of(&self, branch: &BranchName) -> Option<&str> {
        self.0.get(branch).map(String::as_str)
    }
}

impl Instance {
    /// Returns the target that a package and a branch name here.
    ///
    /// # Errors
    /// Refuses a package whose address is none (exit code 2).
    pub fn target(&self, package: &PackageName, branch: &BranchName) -> Result<Target> {
        let dist_git = self
            .git
            .address(package)
            .map_err(|error| Refusal::config("bad-argument", error.to_string()))?;
        Ok(Target { package: package.clone(), dist_git, branch: branch.clone() })
    }

    /// Tells whether a branch is looked at.
    pub fn looks_at(&self, branch: &BranchName) -> bool {
        self.branches.is_empty() || self.branches.is_match(branch.as_str())
    }
}
