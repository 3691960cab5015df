//! What is to be built, and the names that a build goes by.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use super::moment;
use crate::names::{BranchName, Evr, NameError, ObjectId, PackageName};

/// Everything that is to be known of a landed commit in order to build it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildOrder {
    /// The package.
    pub package: PackageName,
    /// The dist-git branch that the commit landed on.
    pub branch: BranchName,
    /// The landed commit. The builder must be able to reach it before the order is given.
    #[serde(deserialize_with = "object_id")]
    pub commit: ObjectId,
    /// Where the builder takes the commit from.
    pub source: Source,
    /// When the commit landed: no build task of it is older.
    #[serde(with = "moment")]
    pub landed_at: Timestamp,
    /// What sort of build it is.
    pub kind: BuildKind,
    /// Packages whose builds are to be done first.
    pub after: Vec<PackageName>,
    /// Whether a successful build waits for validation.
    pub validate: bool,
    /// The tag that makes it a success: where a validated build is put.
    pub tag: Option<TagLabel>,
}

/// Where the builder takes its input from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A commit in a repository, as Koji writes it: `git+https://HOST/rpms/NAME.git#COMMIT`.
    Commit(String),
    /// A source package on this machine, which is uploaded first; for scratch builds.
    SourcePackage(std::path::PathBuf),
}

/// What sort of build it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildKind {
    /// One that takes the NVR for good.
    Real,
    /// One that is promoted later and leaves the NVR free (`hello-1.0-2,draft_2`).
    Draft,
    /// One whose packages are thrown away.
    Scratch,
}

impl BuildOrder {
    /// Returns the address under which a Koji builder finds a commit: always the full commit, never a branch,
    /// whose meaning could change between landing and building.
    ///
    /// # Errors
    /// Refuses an address of another kind than git over https, http or ssh, or without a path.
    pub fn commit_source(repository: &str, commit: &ObjectId) -> Result<Source, NameError> {
        let refuse = |why: &str| NameError::new("build source", repository, why);
        let known = ["git+https://", "git+http://", "git+ssh://", "git://"];
        let plain = ["https://", "http://", "ssh://"];
        let address = match plain.iter().any(|scheme| repository.starts_with(scheme)) {
            true => format!("git+{repository}"),
            false => repository.to_owned(),
        };
        if !known.iter().any(|scheme| address.starts_with(scheme)) {
            return Err(refuse("is not reachable by https, http, ssh or git"));
        }
        if address.contains(['#', '?'])
            || address.bytes().any(|b| b.is_ascii_control() || b == b' ')
        {
            return Err(refuse("has a space, `?` or `#`"));
        }
        Ok(Source::Commit(format!("{address}#{commit}")))
    }
}

/// Reads an object id from its digits.
fn object_id<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectId, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

/// Defines a label with a rule of its own.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $extra:literal, $longest:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the checked text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let refuse = |why: &str| Err(NameError::new($kind, text, why));
                if text.is_empty() || text.len() > $longest {
                    return refuse(concat!("is empty or longer than ", $longest, " bytes"));
                }
                if !text.as_bytes()[0].is_ascii_alphanumeric() {
                    return refuse("does not begin with a letter or digit");
                }
                if !text.bytes().all(|b| b.is_ascii_alphanumeric() || $extra.contains(&b)) {
                    return refuse("has a character that has no place there");
                }
                Ok($name(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

label! {
    /// A build target, such as `f44-candidate`.
    ///
    /// Rule: that of `build.targets` in the branch config.
    TargetLabel, "build target", b"._+-", 128
}

label! {
    /// A tag of the build system, such as `f44`.
    TagLabel, "build tag", b"._+-", 128
}

label! {
    /// What a build system calls one of its tasks: a number at Koji, any short label of an operator's program.
    TaskId, "task id", b"._-", 128
}

label! {
    /// Name, version and release of a build, dist tag included, as build systems write it: `hello-1.0-2.fc44`.
    Nvr, "NVR", b"._+~^,-", 512
}

impl Nvr {
    /// Returns the NVR of what was published under this EVR on a branch with this dist tag (empty: none).
    ///
    /// The published release leaves the dist tag out: `1.2` was written `1%{?dist}.2`.
    ///
    /// # Errors
    /// Refuses a dist tag that no release may hold.
    pub fn of(package: &PackageName, evr: &Evr, dist: &str) -> Result<Nvr, NameError> {
        let release = evr.release.as_str();
        let release = match release.split_once('.') {
            Some((number, minor)) => format!("{number}{dist}.{minor}"),
            None => format!("{release}{dist}"),
        };
        format!("{package}-{}-{release}", evr.version).parse()
    }
}

/// Returns the target that fedpkg would take: `rawhide` for rawhide, `BRANCH-candidate` for the others.
///
/// # Errors
/// Refuses a branch name that no target can have, such as one with a slash.
pub fn default_target(branch: &BranchName) -> Result<TargetLabel, NameError> {
    match branch.as_str() {
        "rawhide" => "rawhide".parse(),
        other => format!("{other}-candidate").parse(),
    }
}

/// Our own name for one try at one build: it travels with the submission, and by it the task is found again.
///
/// It is a function of what is built, not a random number: even a bot that lost all it knew finds the task
/// that it started before.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunId(String);

impl RunId {
    /// Returns the id of one try; `attempt` begins at 1.
    pub fn of(order: &BuildOrder, target: &TargetLabel, attempt: u32) -> RunId {
        let what = match &order.source {
            Source::Commit(url) => url.clone(),
            Source::SourcePackage(_) => order.commit.to_string(),
        };
        let kind = format!("{:?}", order.kind);
        let mut hash = Sha256::new();
        for part in [order.package.as_str(), order.branch.as_str(), &what, target.as_str(), &kind] {
            // The lengths stand before, so that no two lists of parts run together.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        RunId(format!("{hex}-{attempt}"))
    }

    /// Returns its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit() -> ObjectId {
        "a".repeat(40).parse().unwrap()
    }

    #[test]
    fn the_source_names_the_full_commit_and_no_other_scheme_passes() {
        let source = |url: &str| BuildOrder::commit_source(url, &commit());
        let full = format!("git+https://src.example/rpms/hello.git#{}", "a".repeat(40));
        assert_eq!(source("https://src.example/rpms/hello.git"), Ok(Source::Commit(full.clone())));
        assert_eq!(source("git+https://src.example/rpms/hello.git"), Ok(Source::Commit(full)));
        for bad in
            ["file:///srv/x", "/srv/x", "https://a/b?c", "https://a/b#c", "https://a/b c", ""]
        {
            assert!(source(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_nvr_has_the_dist_tag_where_the_spec_has_it() {
        let nvr = |evr: &str, dist: &str| {
            Nvr::of(&"hello".parse().unwrap(), &evr.parse().unwrap(), dist).unwrap().to_string()
        };
        assert_eq!(nvr("0:1.0-2", ".fc44"), "hello-1.0-2.fc44");
        assert_eq!(nvr("3:1.0~rc1-2.1", ".fc44"), "hello-1.0~rc1-2.fc44.1");
        assert_eq!(nvr("0:1.0-2", ""), "hello-1.0-2");
    }

    #[test]
    fn the_default_target_is_fedpkgs() {
        let target = |branch: &str| default_target(&branch.parse().unwrap()).map(String::from);
        assert_eq!(target("rawhide").unwrap(), "rawhide");
        assert_eq!(target("f44").unwrap(), "f44-candidate");
        assert_eq!(target("epel10").unwrap(), "epel10-candidate");
        assert!(target("user/alice/topic").is_err());
    }
}
