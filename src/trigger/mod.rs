//! Trigger: bytes from outside become *look at this branch*, never *do this*.
//!
//! A person's command, a delivery and a timer all end in the same [`Target`]. Nothing in a payload decides
//! what is published: the branch is looked at afresh.
//!
//! - [`hooks`] proves and reads the deliveries of forges.

pub mod hooks;

use std::path::Path;

use crate::names::{BranchName, PackageName, RepositoryAddress};
use crate::outcome::{Refusal, Result};
use crate::publication::DistGitTarget;

/// One dist-git branch to look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The package.
    pub package: PackageName,
    /// The package's dist-git repository.
    pub dist_git: RepositoryAddress,
    /// The branch in it.
    pub branch: BranchName,
}

impl Target {
    /// Reads what a person typed: an address or a path, a branch, and a package where its name is not the
    /// last part of the address.
    ///
    /// # Errors
    /// Refuses names and addresses that are not legal (exit code 2).
    pub fn from_arguments(
        dist_git: &str,
        branch: &str,
        package: Option<&str>,
        folder: &Path,
    ) -> Result<Target> {
        let dist_git = RepositoryAddress::from_argument(dist_git, folder).map_err(bad_argument)?;
        let last = dist_git.last_component();
        let package = package.unwrap_or(&last).parse().map_err(bad_argument)?;
        let branch = branch.parse().map_err(bad_argument)?;
        Ok(Target { package, dist_git, branch })
    }

    /// Returns the form that the bot's commits name it by.
    pub fn name(&self) -> DistGitTarget {
        DistGitTarget { package: self.package.clone(), branch: self.branch.clone() }
    }
}

fn bad_argument(error: crate::names::NameError) -> Refusal {
    Refusal::config("bad-argument", error.to_string())
}
