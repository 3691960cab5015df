//! What the file may say, as it is written.
//!
//! The documentation of these types becomes the descriptions of the JSON Schema, and the schema is
//! what [`super::shape`] checks a file against: so what is printed and what is taken cannot part.
//! Whether a text keeps the rule of its kind is [`super::check`]'s question.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{
    AutoMacros, BuildSystem, ChangelogItem, Collapse, CommentWhen, Delivery, Divergence, Mechanism,
    PrereleaseStyle, SigningScope, TagTrust, TreeIdentity,
};

/// A container image with its registry, roughly; `rules::container` has the whole rule.
const IMAGE: &str = r"^[^\s/@]+/[^\s@]+(@sha256:[0-9a-f]{64})?$";

/// A name of Koji's, of Greenwave's or of a package.
const NAME: &str = r"^[A-Za-z0-9_][A-Za-z0-9._+/-]*$";

/// A user or group of a forge.
const MENTION: &str = r"^@?[A-Za-z0-9_][A-Za-z0-9._+/-]*$";

/// The branch config of Lockkeeper: `source-git.yaml` at the root of a dist-git branch. Placing the file opts the branch in, removing it opts out.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Lockkeeper branch config")]
pub(super) struct File {
    /// The version of this format: 1.
    #[schemars(required, extend("const" = 1))]
    pub(super) version: Option<u32>,
    /// The tracked branch of source-git.
    #[schemars(required)]
    pub(super) source: Option<Source>,
    /// Who may sign, and how much of the history must be signed.
    #[schemars(required)]
    pub(super) signing: Option<Signing>,
    /// How the source tree becomes the dist-git tree.
    #[serde(default)]
    pub(super) population: Population,
    /// Which tags are releases, and what version each gives.
    #[serde(default)]
    pub(super) tags: Tags,
    /// Where the spec comes from.
    #[serde(default)]
    pub(super) spec: Spec,
    /// The release number and the epoch.
    #[serde(default)]
    pub(super) release: ReleaseRules,
    /// How commits become one `%changelog` entry per publication. Nothing here changes patches or releases.
    #[serde(default)]
    pub(super) changelog: Changelog,
    /// Paths of source-git (files or folders) that are packaging: copied into dist-git, never in patches.
    #[serde(default)]
    #[schemars(length(max = 100), example = [".distro"])]
    pub(super) packaging: Vec<String>,
    /// Paths of source-git (files or folders) that are copied into `tests/` of dist-git.
    #[serde(default)]
    #[schemars(length(max = 100), example = ["tests/distro"])]
    pub(super) tests: Vec<String>,
    /// What to do where dist-git has commits that are not the bot's.
    #[serde(default = "divergence")]
    pub(super) divergence: Divergence,
    /// How the commit reaches dist-git.
    #[serde(default = "delivery")]
    pub(super) delivery: Delivery,
    /// What builds the commit.
    #[serde(default)]
    pub(super) build: Build,
    /// What must pass before a build is tagged, in this order.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub(super) validate: Vec<Validator>,
    /// What becomes of a validated build.
    #[serde(default)]
    pub(super) gating: Gating,
    /// Who is told, and how.
    #[serde(default)]
    pub(super) notify: Notify,
}

fn divergence() -> Divergence {
    Divergence::Report
}

fn delivery() -> Delivery {
    Delivery::Push
}

/// The tracked branch of source-git.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    /// The repository: an https, ssh or file address. `git@host:path` is read as ssh; file is for the command line, and for services whose operator allows it.
    #[schemars(required, example = "https://forge.example/pkg/hello.git")]
    pub(super) repository: Option<String>,
    /// The branch whose tip is published.
    #[schemars(required, example = &"main")]
    pub(super) branch: Option<String>,
}

/// Who may sign, and how much of the history must be signed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Signing {
    /// The listed keys: only what one of them has signed is published. 1 to 100.
    #[schemars(required, length(min = 1, max = 100))]
    pub(super) keys: Option<Vec<Key>>,
    /// Which commits must be signed.
    #[serde(default = "tip")]
    pub(super) require: SigningScope,
    /// Whether the tip needs a signed trailer `Lockkeeper-target: REPOSITORY#BRANCH` that names this dist-git branch.
    #[serde(default)]
    pub(super) bind: bool,
}

fn tip() -> SigningScope {
    SigningScope::Tip
}

/// A key whose signature opens the gate: either `openpgp` or `ssh`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Key {
    /// The full OpenPGP fingerprint, 40 or 64 hex digits; spaces, case and a leading 0x are forgiven. That of a primary key lets its signing subkeys pass, that of a subkey only itself. A key id is refused.
    #[schemars(schema_with = "fingerprint", example = &"8E1B6A0C6E3A4A6A9C5D0A6B1F3D5C7E9A2B4D6F")]
    pub(super) openpgp: Option<String>,
    /// The path of the certificate in this dist-git branch; without it, `keys/` and the operator's keyring are searched. Beside `openpgp` only.
    #[schemars(example = "keys/alice.asc")]
    pub(super) certificate: Option<String>,
    /// An SSH key as a line of an allowed-signers file after its principals: options, type, key, comment. No option is ignored.
    #[schemars(
        example = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPHMHAQvwtqAGGRK00SATRmVpuGN9qbXPAGLccMTKxbi alice"
    )]
    pub(super) ssh: Option<String>,
    /// Names that a certificate may carry, one or a list. Beside `ssh` only, for `cert-authority`.
    #[schemars(schema_with = "one_or_more", example = "alice@example.com")]
    pub(super) principals: Option<OneOrMore>,
}

/// A text, or a list of texts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    /// One.
    One(String),
    /// A list.
    More(Vec<String>),
}

fn one_or_more(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "array"], "items": {"type": "string"}, "minItems": 1, "maxItems": 100})
}

fn fingerprint(_: &mut SchemaGenerator) -> Schema {
    let pattern = r"^\s*(0[xX])?\s*([0-9A-Fa-f]\s*){40}(([0-9A-Fa-f]\s*){24})?$";
    json_schema!({"type": "string", "format": "openpgp-fingerprint", "pattern": pattern})
}

fn fingerprints(generator: &mut SchemaGenerator) -> Schema {
    let items = fingerprint(generator);
    json_schema!({"type": "array", "items": items, "minItems": 1, "maxItems": 100})
}

/// How the source tree becomes the dist-git tree.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Population {
    /// The built-in mechanism.
    pub(super) mechanism: Mechanism,
    /// An image that replaces the mechanism, with its registry. A tag is resolved once and the digest recorded; a digest says what runs.
    #[schemars(regex(pattern = IMAGE), example = "registry.example/packaging/populate:1")]
    pub(super) container: Option<String>,
    /// Whether the container asks for the network; it gets it only where the operator allows it.
    pub(super) network: bool,
    /// Variables for the container. Names beginning with `LOCKKEEPER_` are the bot's own.
    #[schemars(extend("propertyNames" = {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "not": {"pattern": "^LOCKKEEPER_"}}))]
    pub(super) env: BTreeMap<String, String>,
    /// What follows from a prepared tree that differs from the signed one. Default: required for the built-in mechanisms, report for containers.
    pub(super) identity: Option<TreeIdentity>,
    /// Where the released tarball is and what pins it, for `upstream-tarball`.
    pub(super) upstream: Option<Upstream>,
}

impl Default for Population {
    fn default() -> Self {
        Population {
            mechanism: Mechanism::Archive,
            container: None,
            network: false,
            env: BTreeMap::new(),
            identity: None,
            upstream: None,
        }
    }
}

/// The released tarball and what pins it.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Upstream {
    /// Where it is, https only. `{name}` and `{version}` are filled in. Default: the spec's Source0, expanded.
    #[schemars(
        regex(pattern = r"^https://"),
        example = "https://downloads.example/{name}-{version}.tar.gz"
    )]
    pub(super) url: Option<String>,
    /// Its SHA-512, 128 hex digits.
    #[schemars(regex(pattern = r"^[0-9A-Fa-f]{128}$"))]
    pub(super) sha512: Option<String>,
    /// A detached OpenPGP signature over it.
    pub(super) signature: Option<UpstreamSignature>,
}

/// A detached OpenPGP signature over a released tarball.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamSignature {
    /// Where it is, https only. `{name}` and `{version}` are filled in.
    #[schemars(
        required,
        regex(pattern = r"^https://"),
        example = "https://downloads.example/{name}-{version}.tar.gz.asc"
    )]
    pub(super) url: Option<String>,
    /// Full OpenPGP fingerprints of those who may have made it; certificates come from `keys/` and the operator's keyring. 1 to 100.
    #[schemars(required, schema_with = "fingerprints")]
    pub(super) keys: Option<Vec<String>>,
}

/// Which tags are releases, and what version each gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tags {
    /// Whether a release tag must be signed. Default: signed in the service; any on the command line, with a warning.
    pub(super) require: Option<TagTrust>,
    /// Globs of tags that are never releases.
    #[schemars(length(max = 100), example = ["*-test*", "nightly/*"])]
    pub(super) ignore: Vec<String>,
    /// A regular expression over the whole tag, with the named groups that `version` uses. Default: the usual forms, such as v1.2, 1.2, name-1.2, 1_2, with rc and beta.
    #[serde(rename = "match")]
    #[schemars(example = r"^v(?P<version>[0-9.]+)(?:-?(?P<prerelease>rc[0-9]+))?$")]
    pub(super) expression: Option<String>,
    /// The version, as a template over the named groups of `match`.
    #[schemars(example = "{major}.{minor}")]
    pub(super) version: String,
    /// What becomes of the group `prerelease`.
    pub(super) prerelease: PrereleaseStyle,
}

impl Default for Tags {
    fn default() -> Self {
        Tags {
            require: None,
            ignore: Vec::new(),
            expression: None,
            version: "{version}".to_owned(),
            prerelease: PrereleaseStyle::Tilde,
        }
    }
}

/// Where the spec comes from.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Spec {
    /// Its path in source-git. Default: the one `*.spec` in .distro/, packaging/, dist/, rpm/, fedora/ or the root.
    #[schemars(regex(pattern = r"\.spec$"), example = "hello.spec")]
    pub(super) path: Option<String>,
    /// A program of the project that writes the spec to stdout, with its arguments; it runs in the container.
    #[schemars(length(max = 100), example = ["./build/genspec"])]
    pub(super) command: Vec<String>,
}

/// The release number and the epoch.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ReleaseRules {
    /// The epoch. Raising it is the only way to a lower version. Default: the spec's own.
    #[schemars(range(max = 4_294_967_295_u32), example = 1)]
    pub(super) epoch: Option<u32>,
    /// What becomes of `%autorelease` and `%autochangelog`.
    pub(super) auto: AutoMacros,
}

impl Default for ReleaseRules {
    fn default() -> Self {
        ReleaseRules { epoch: None, auto: AutoMacros::Replace }
    }
}

/// How commits become one `%changelog` entry per publication.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Changelog {
    /// What is folded away.
    pub(super) collapse: Vec<Collapse>,
    /// What an item stands for.
    pub(super) per: ChangelogItem,
    /// How many items an entry has at most; the rest is counted in a last line.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) limit: usize,
}

impl Default for Changelog {
    fn default() -> Self {
        Changelog {
            collapse: vec![Collapse::Fixups, Collapse::Reverts, Collapse::Packaging],
            per: ChangelogItem::Commit,
            limit: 40,
        }
    }
}

/// What builds the commit.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Build {
    /// The build system. Default: the operator's.
    pub(super) system: Option<BuildSystem>,
    /// Build targets. Default: rawhide for the branch rawhide, BRANCH-candidate for every other.
    #[schemars(length(max = 100), inner(regex(pattern = NAME)), example = ["f44-candidate"])]
    pub(super) targets: Vec<String>,
    /// Packages that are built first.
    #[schemars(length(max = 100), inner(regex(pattern = NAME)), example = ["libhello"])]
    pub(super) after: Vec<String>,
    /// Whether pull requests of source-git get a scratch build.
    pub(super) scratch_on_pull_request: bool,
}

/// Something that must pass before a build is tagged: exactly one of these keys.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Validator {
    /// An image that gets the build and answers by its exit code.
    #[schemars(regex(pattern = IMAGE), example = "registry.example/packaging/validate:1")]
    pub(super) container: Option<String>,
    /// Greenwave's decision for this decision context.
    #[schemars(regex(pattern = NAME), example = &"bodhi_update_push_stable")]
    pub(super) greenwave: Option<String>,
    /// The package's own tests.
    #[schemars(extend("const" = true))]
    pub(super) tests: Option<bool>,
}

/// What becomes of a validated build.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Gating {
    /// The tag that it gets.
    #[schemars(regex(pattern = NAME), example = &"f44")]
    pub(super) tag: Option<String>,
}

/// Who is told, and how.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Notify {
    /// Whether every run sets a commit status.
    pub(super) status: bool,
    /// When a comment is written.
    pub(super) comment: CommentWhen,
    /// Whether an issue may be opened.
    pub(super) issue: bool,
    /// Whom a comment mentions: users or groups of the forge.
    #[schemars(length(max = 100), inner(regex(pattern = MENTION)), example = ["alice", "packaging/hello"])]
    pub(super) mention: Vec<String>,
}

impl Default for Notify {
    fn default() -> Self {
        Notify { status: true, comment: CommentWhen::OnRefusal, issue: false, mention: Vec::new() }
    }
}
