//! The branch config, `source-git.yaml`: what the file may say, and what we may rely on.
//!
//! [`BranchConfig`] is the checked form. It is read from the dist-git tip that the push will be leased
//! on, never from source-git, so that a push to source-git cannot approve itself.
//!
//! The way of a file, each step with a file of its own:
//!
//! 1. `document`: bytes to a plain document, and where a node stands in the text;
//! 2. `shape`: keys, types, choices and counts against the [`schema()`], which is made from the types
//!    in `file`;
//! 3. `check`, with `rules` and `tag_expression`: written values to checked ones;
//! 4. `faults`: what was found at fault, all of it, with places, words and hints.
//!
//! The operator config goes the same way through `document`, `shape` and `faults` ([`crate::operator`]).
//!
//! `unsupported` lists what this version does not act on yet.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::{BranchName, Fingerprint, RepositoryAddress, TreePath};
use crate::ssh::AllowedSigner;

mod check;
pub(crate) mod document;
pub(crate) mod faults;
mod file;
pub(crate) mod parse;
pub(crate) mod rules;
pub(crate) mod schema;
pub(crate) mod shape;
mod tag_expression;
mod unsupported;

#[cfg(test)]
mod tests;

pub use faults::{ConfigFault, ConfigFaults, Position};
pub use schema::schema;
pub use tag_expression::{template_groups, whole_tag};

/// The name of the branch config at the root of a dist-git branch.
pub const FILE_NAME: &str = "source-git.yaml";

/// A whole branch config, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct BranchConfig {
    /// What is tracked.
    pub source: Source,
    /// Who may sign, and how much of the history must be signed.
    pub signing: Signing,
    /// How the source tree becomes the dist-git tree.
    pub population: Population,
    /// Which tags are releases, and what version each gives.
    pub tags: Tags,
    /// Where the spec comes from.
    pub spec: Spec,
    /// The release number and the epoch.
    pub release: ReleaseRules,
    /// How commits become a `%changelog` entry.
    pub changelog: Changelog,
    /// Paths that are copied into dist-git and never into patches.
    pub packaging: Vec<TreePath>,
    /// Paths that are copied into dist-git's `tests/`.
    pub tests: Vec<TreePath>,
    /// What to do where dist-git has commits that are not the bot's.
    pub divergence: Divergence,
    /// How the commit reaches dist-git.
    pub delivery: Delivery,
    /// What builds the commit.
    pub build: Build,
    /// What must pass before the build is tagged.
    pub validate: Vec<Validator>,
    /// The tag that a validated build gets.
    pub gating_tag: Option<String>,
    /// Who is told, and how.
    pub notify: Notify,
}

/// The tracked branch of source-git.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The repository.
    pub repository: RepositoryAddress,
    /// The branch whose tip is published.
    pub branch: BranchName,
}

/// Who may sign. At least one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Signing {
    /// The listed keys, 1 to 100.
    pub keys: Vec<ListedKey>,
    /// Which commits must be signed.
    pub require: SigningScope,
    /// Whether the tip needs a signed `Lockkeeper-target` trailer.
    pub bind: bool,
}

/// A key whose signature opens the gate.
#[derive(Debug, Clone, PartialEq)]
pub enum ListedKey {
    /// An OpenPGP certificate by its primary's fingerprint (its signing subkeys pass), or one subkey.
    OpenPgp {
        /// The full fingerprint.
        fingerprint: Fingerprint,
        /// A file in this dist-git branch that holds the certificate.
        certificate: Option<TreePath>,
    },
    /// An SSH key, or a certificate authority, in the allowed-signers form.
    Ssh(AllowedSigner),
}

/// Which commits must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SigningScope {
    /// The tip; its signer answers for what is below.
    Tip,
    /// Every commit reachable from the tip and not from the last published one.
    EveryCommit,
}

/// How the source tree becomes the dist-git tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// The built-in mechanism; not used where `container` is set.
    pub mechanism: Mechanism,
    /// An image that replaces the mechanism.
    pub container: Option<String>,
    /// Whether the container asks for the network.
    pub network: bool,
    /// Variables for the container.
    pub env: BTreeMap<String, String>,
    /// Whether the prepared tree must be proved equal to the signed one.
    pub identity: TreeIdentity,
    /// Where the released tarball is and what pins it.
    pub upstream: Option<Upstream>,
}

/// A built-in population mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// An archive of the tip, no patches.
    Archive,
    /// An archive of the release tag and one patch per commit after it.
    TagArchive,
    /// The released tarball and one patch per commit after the tag.
    UpstreamTarball,
}

/// What follows from a tree that differs from the signed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TreeIdentity {
    /// A refusal.
    Required,
    /// A line in the report.
    Report,
}

/// The released tarball and what pins it.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Where it is; `None`: the spec's Source0. `{version}` and `{name}` are filled in.
    pub url: Option<String>,
    /// Its SHA-512, lower-case hex.
    pub sha512: Option<String>,
    /// A detached OpenPGP signature over it.
    pub signature: Option<UpstreamSignature>,
}

/// A detached OpenPGP signature over a released tarball.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamSignature {
    /// Where it is.
    pub url: String,
    /// Whose it may be; certificates come from `keys/` and the keyring.
    pub keys: Vec<Fingerprint>,
}

/// Which tags are releases, and what version each gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Tags {
    /// Whether the tag must be signed; `None`: the default of the place (service: signed, command line: any).
    pub require: Option<TagTrust>,
    /// Globs of tags that are never releases.
    pub ignore: Vec<String>,
    /// The expression that a whole tag must match; `None`: the built-in forms.
    pub expression: Option<String>,
    /// Template of the version over the expression's named groups.
    pub version: String,
    /// What becomes of the group `prerelease`.
    pub prerelease: PrereleaseStyle,
}

/// Whether a release tag must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TagTrust {
    /// By a listed key.
    Signed,
    /// Not at all: whoever can push a tag sets the version.
    Any,
}

/// What becomes of a matched `prerelease` group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PrereleaseStyle {
    /// Joined with a tilde: `1.0~rc1`.
    Tilde,
    /// Dropped: `v4.9-rc8` gives `4.9`.
    Drop,
}

/// Where the spec comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Its path in source-git; `None`: the one `*.spec` in the usual places.
    pub path: Option<TreePath>,
    /// A project's tool that writes it to stdout, run in the container; empty: none.
    pub command: Vec<String>,
}

/// The release number and the epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseRules {
    /// The epoch; `None`: the spec's own.
    pub epoch: Option<u32>,
    /// What becomes of `%autorelease` and `%autochangelog`.
    pub auto: AutoMacros,
}

/// What becomes of `%autorelease` and `%autochangelog`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AutoMacros {
    /// Both replaced by numbers and entries of ours.
    Replace,
    /// Both kept, and no EVR is claimed.
    Keep,
}

/// How commits become a `%changelog` entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Changelog {
    /// What is folded away.
    pub collapse: BTreeSet<Collapse>,
    /// What an item stands for.
    pub per: ChangelogItem,
    /// How many items an entry has at most; the rest is counted in a last line.
    pub limit: usize,
}

/// Something that is folded away in a changelog; never in patches or releases.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Collapse {
    /// `fixup!` and `squash!` commits go into their target.
    Fixups,
    /// A commit and its revert both go.
    Reverts,
    /// Commits that touch packaging paths only go.
    Packaging,
}

/// What a changelog item stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangelogItem {
    /// Each commit that is no merge.
    Commit,
    /// Each commit on the first-parent line.
    Merge,
}

/// What to do where dist-git has commits that are not the bot's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Divergence {
    /// Refuse, naming commits and files.
    Report,
    /// Publish over them; they stay in the history.
    Overwrite,
}

/// How the commit reaches dist-git.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// A push to the branch.
    Push,
    /// A pull request against it.
    PullRequest,
}

/// What builds the commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    /// The build system; `None`: none was named, and the place decides.
    pub system: Option<BuildSystem>,
    /// Build targets; empty: the branch's default one.
    pub targets: Vec<String>,
    /// Packages to build first.
    pub after: Vec<String>,
    /// Whether pull requests get a scratch build.
    pub scratch_on_pull_request: bool,
}

/// A build system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BuildSystem {
    /// Koji.
    Koji,
    /// No build.
    None,
    /// Watch what others start.
    Follow,
    /// The operator's program.
    Command,
}

/// Something that must pass before a build is tagged.
#[derive(Debug, Clone, PartialEq)]
pub enum Validator {
    /// An image that gets the build and answers.
    Container(String),
    /// Greenwave's decision for this decision context.
    Greenwave(String),
    /// The package's own tests.
    Tests,
}

/// Who is told, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Notify {
    /// A commit status on every run.
    pub status: bool,
    /// When a comment is written.
    pub comment: CommentWhen,
    /// Whether an issue may be opened.
    pub issue: bool,
    /// Whom a comment mentions.
    pub mention: Vec<String>,
}

/// When a comment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CommentWhen {
    /// When a person must act.
    OnRefusal,
    /// After every run.
    Always,
    /// Never.
    Never,
}
