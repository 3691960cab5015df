//! `/lockkeeper/request.json`: what a container is asked for.
//!
//! The documentation of these types is what the published schema says of them. Fields may be added within contract 1,
//! so a reader passes over those that it does not know; a field never changes its meaning.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Mechanism;
use crate::decide::Order;
use crate::names::{BranchName, FileName, ObjectId, PackageName, TagName, TreePath};
use crate::outcome::{Refusal, Result};
use crate::populate::changelog::Item;
use crate::populate::content::{PatchByHand, archive_names};
use crate::populate::mechanism::Recipe;
use crate::populate::patches::Series;
use crate::populate::upstream::obtain::ReleaseTarball;
use crate::publication::GENERATOR;
use crate::spec::SpecFile;

/// The version of the contract that this program keeps.
pub const CONTRACT: u32 = 1;

/// What a container is asked to populate: `/lockkeeper/request.json`. Readers pass over fields that they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Lockkeeper container request")]
pub struct Request {
    /// The version of the contract: 1.
    #[schemars(extend("const" = 1))]
    pub contract: u32,
    /// The program that asks, with its version.
    pub asked_by: String,
    /// The package.
    #[schemars(with = "String")]
    pub package: PackageName,
    /// The signed commit that is checked out at `/source`.
    pub source: SourceSide,
    /// The branch whose files are at `/dist-git`.
    pub dist_git: DistGitSide,
    /// The release tag that was chosen among those in reach of the commit.
    pub tag: Tag,
    /// The version that is to be published.
    pub version: String,
    /// The release that is planned, without the dist tag.
    pub release: String,
    /// The epoch that is planned.
    pub epoch: u32,
    /// The spec in source-git. What is to be edited afterwards is `/output/dist-git/NAME.spec`, or (where the container leaves none) this one.
    pub spec: SpecPlace,
    /// The archive that Source0 is to name.
    pub archive: ArchiveNames,
    /// The released tarball at `/upstream`, where `population.mechanism` is `upstream-tarball`.
    pub upstream: Option<UpstreamFiles>,
    /// What the changelog entry of this publication says, newest first.
    pub changelog: Vec<String>,
    /// The patches that are wanted above the archive, oldest first; none with `population.mechanism: archive`.
    pub patches: Vec<PlannedPatch>,
    /// Files of patches that the spec lists by hand; no other patch may have one of these names.
    #[schemars(with = "Vec<String>")]
    pub patches_by_hand: Vec<FileName>,
    /// Settings of `source-git.yaml` that population depends on.
    pub config: Settings,
    /// `population.env` of `source-git.yaml`; set as variables, too.
    pub env: BTreeMap<String, String>,
}

/// The source side of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceSide {
    /// The repository, without credentials.
    pub repository: String,
    /// The branch.
    #[schemars(with = "String")]
    pub branch: BranchName,
    /// The commit.
    #[serde(with = "object_id")]
    #[schemars(with = "String")]
    pub commit: ObjectId,
    /// When it was committed, in seconds since 1970: the only clock that a container should look at.
    pub committed: i64,
}

/// The dist-git side of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DistGitSide {
    /// The branch.
    #[schemars(with = "String")]
    pub branch: BranchName,
    /// The commit at its tip.
    #[serde(with = "object_id")]
    #[schemars(with = "String")]
    pub commit: ObjectId,
    /// The branch's dist tag, such as `.fc44`, where it is known.
    pub dist: Option<String>,
}

/// A release tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tag {
    /// Its name.
    #[schemars(with = "String")]
    pub name: TagName,
    /// What the reference points to: a tag object, or the commit.
    #[serde(with = "object_id")]
    #[schemars(with = "String")]
    pub object: ObjectId,
    /// The commit that it leads to.
    #[serde(with = "object_id")]
    #[schemars(with = "String")]
    pub commit: ObjectId,
}

/// Where the spec is, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpecPlace {
    /// Its path below `/source`; there may be none, where a tool writes the spec.
    #[schemars(with = "String")]
    pub path: TreePath,
    /// Its name in dist-git: `NAME.spec`.
    pub file: String,
}

/// The names that an archive is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchiveNames {
    /// The file.
    #[schemars(with = "String")]
    pub file: FileName,
    /// The folder in it.
    #[schemars(with = "String")]
    pub top: FileName,
}

/// The files at `/upstream`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamFiles {
    /// The tarball. It is uploaded as it is, whether or not the container leaves a copy.
    #[schemars(with = "String")]
    pub file: FileName,
    /// Its SHA-512.
    pub sha512: String,
    /// Its signature, where one was checked.
    #[schemars(with = "Option<String>")]
    pub signature: Option<FileName>,
}

/// A patch that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedPatch {
    /// Its name in dist-git.
    #[schemars(with = "String")]
    pub file: FileName,
    /// The commits in it, oldest first.
    #[serde(with = "object_ids")]
    #[schemars(with = "Vec<String>")]
    pub commits: Vec<ObjectId>,
    /// The subject of the first.
    pub subject: String,
}

/// Settings of `source-git.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// `population.mechanism`: what is asked for, whoever makes it.
    pub mechanism: Mechanism,
    /// `packaging`: paths that are copied into dist-git, and in no patch.
    #[schemars(with = "Vec<String>")]
    pub packaging: Vec<TreePath>,
    /// `tests`: paths that are copied into `tests/` of dist-git.
    #[schemars(with = "Vec<String>")]
    pub tests: Vec<TreePath>,
    /// `population.network`: whether the branch asks for the network.
    pub network: bool,
}

/// What a request is put together from.
pub(super) struct Asking<'a> {
    pub(super) order: &'a Order,
    pub(super) spec: &'a SpecFile,
    pub(super) by_hand: &'a [PatchByHand],
    pub(super) items: &'a [Item],
    pub(super) plan: &'a Series,
    pub(super) release: Option<&'a ReleaseTarball>,
}

impl Asking<'_> {
    /// Returns the request.
    ///
    /// # Errors
    /// Refuses a spec without a name.
    pub(super) fn request(&self) -> Result<Request, Refusal> {
        let order = self.order;
        let (file, top) = archive_names(self.spec, order)?;
        let tag = &order.release.tag;
        let package = order.target.package.clone();
        Ok(Request {
            contract: CONTRACT,
            asked_by: GENERATOR.to_owned(),
            source: SourceSide {
                repository: order.config.source.repository.to_string(),
                branch: order.config.source.branch.clone(),
                commit: order.source_commit.id,
                committed: order.source_commit.committer.seconds,
            },
            dist_git: DistGitSide {
                branch: order.target.branch.clone(),
                commit: order.dist_git_tip,
                dist: order.dist.clone(),
            },
            tag: Tag { name: tag.name.clone(), object: tag.object, commit: tag.commit },
            version: order.plan.evr.version.to_string(),
            release: order.plan.evr.release.to_string(),
            epoch: order.plan.evr.epoch,
            spec: SpecPlace { path: order.spec.path.clone(), file: format!("{package}.spec") },
            package,
            archive: ArchiveNames { file, top },
            upstream: self.release.map(upstream_files),
            changelog: self.items.iter().map(|item| item.text.clone()).collect(),
            patches: self.patches(),
            patches_by_hand: self.by_hand.iter().map(|patch| patch.file.clone()).collect(),
            config: settings(order),
            env: order.config.population.env.clone(),
        })
    }

    fn patches(&self) -> Vec<PlannedPatch> {
        let planned = self.plan.patches.iter().map(|patch| PlannedPatch {
            file: patch.file_name.clone(),
            commits: patch.commits.clone(),
            subject: patch.subject.clone(),
        });
        planned.collect()
    }
}

fn upstream_files(release: &ReleaseTarball) -> UpstreamFiles {
    UpstreamFiles {
        file: release.file.clone(),
        sha512: release.sha512.to_string(),
        signature: release.signature.as_ref().map(|signature| signature.name.clone()),
    }
}

fn settings(order: &Order) -> Settings {
    Settings {
        mechanism: order.config.population.mechanism,
        packaging: order.config.packaging.clone(),
        tests: order.config.tests.clone(),
        network: order.config.population.network,
    }
}

impl Request {
    /// Returns the request as the file that a container reads.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a request holds nothing but text and numbers")
    }

    /// Reads a request that this program is asked to fulfil inside an image.
    ///
    /// # Errors
    /// Refuses what is no request, and another version of the contract.
    pub fn parse(bytes: &[u8]) -> Result<Request, Refusal> {
        let refuse = |words: String| Refusal::new("request-unreadable", words);
        let unreadable =
            |error: serde_json::Error| refuse(format!("the request is not understood: {error}"));
        let raw: serde_json::Value = serde_json::from_slice(bytes).map_err(unreadable)?;
        match raw["contract"].as_u64() {
            Some(contract) if contract == u64::from(CONTRACT) => {
                serde_json::from_value(raw).map_err(unreadable)
            }
            found => Err(refuse(format!(
                "the request is of contract {}, and this program keeps contract {CONTRACT}",
                found.map_or("none".to_owned(), |found| found.to_string())
            ))),
        }
    }

    /// Returns the recipe that the request stands for, with `source` opened from `/source`.
    pub(super) fn recipe<'a>(
        &self,
        mechanism: Mechanism,
        source: &'a crate::git::Store,
        progress: crate::progress::Progress<'a>,
    ) -> Recipe<'a> {
        Recipe {
            mechanism,
            source,
            tip: self.source.commit,
            tag_commit: self.tag.commit,
            file: self.archive.file.clone(),
            top: self.archive.top.clone(),
            rules: crate::populate::patches::PatchRules {
                packaging: self.config.packaging.clone(),
                spec: Some(self.spec.path.clone()),
            },
            taken: self.patches_by_hand.clone(),
            patch_cache: None,
            progress,
        }
    }
}

mod object_id {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use crate::names::ObjectId;

    pub fn serialize<S: Serializer>(id: &ObjectId, serializer: S) -> Result<S::Ok, S::Error> {
        id.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

mod object_ids {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use crate::names::ObjectId;

    pub fn serialize<S: Serializer>(ids: &[ObjectId], serializer: S) -> Result<S::Ok, S::Error> {
        ids.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<ObjectId>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
    }
}
