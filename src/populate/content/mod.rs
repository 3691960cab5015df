//! The archive and the patches above it, and the proof that together they are the signed tree.
//!
//! They are made by a mechanism ([`super::mechanism`]), here or in a container, and proved here:
//!
//! | made by | archive | file |
//! |---|---|---|
//! | `archive` | of the tip | `whole_tip` |
//! | `tag-archive` | of the release tag | `tag_archive` |
//! | `upstream-tarball` | the released tarball | `released` |
//! | a container | what it left | `given` |
//!
//! The proof reads the finished archive back. Where there are patches it goes on: what was read back is the tree
//! that the patches' text is applied to, by code that shares nothing with the code that made them; the tree that
//! comes out must be the tip's, declared packaging aside. See [`super::identity`] for what may be subtracted.

mod by_hand;
mod given;
mod own_archive;
mod released;
mod tag_archive;
mod whole_tip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bstr::BString;

pub use by_hand::{PatchByHand, patches_by_hand};

use super::identity::Method;
use super::identity::series::{SeriesProof, appliers, prove_series};
use super::mechanism::{Made, Recipe};
use super::patches::{Patch, PatchRules, Series};
use super::{DraftArchive, Proof, Provisions};
use crate::config::{Mechanism, TreeIdentity};
use crate::decide::Order;
use crate::git::{Objects, Side, Store};
use crate::names::{FileName, ObjectId};
use crate::observe::DistGit;
use crate::outcome::{Fault, Problem, Refusal, Result};
use crate::spec::SpecFile;

/// What population puts into the lookaside cache and beside the spec.
pub struct Content {
    /// The archives.
    pub archives: Vec<DraftArchive>,
    /// What Source0 must come to; `None` where the spec knows.
    pub source0: Option<FileName>,
    /// The folder that it unpacks to; `None` where the spec knows.
    pub top: Option<FileName>,
    /// The commit whose content the archive holds.
    pub archived_commit: ObjectId,
    /// The patches, in order.
    pub patches: Vec<Patch>,
    /// What was proved.
    pub proof: Proof,
    /// What `%prep` must come to, where rpm is to be asked.
    pub prepared: Option<Prepared>,
    /// What a person might want to know.
    pub notes: Vec<String>,
}

/// What `%prep` must come to, file by file: the other half of a proof by rpm.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The archive that it starts from.
    pub archive: PathBuf,
    /// The archive's name beside the spec.
    pub file: FileName,
    /// The folder that it unpacks to.
    pub top: FileName,
    /// Every file and link, by its path below the folder.
    pub files: BTreeMap<BString, Side>,
}

/// What content is made of.
#[derive(Clone, Copy)]
pub struct Ingredients<'a> {
    /// The order.
    pub order: &'a Order,
    /// The source repository.
    pub source: &'a Store,
    /// The spec in the source tip.
    pub spec: &'a SpecFile,
    /// The patches that it lists outside our markers.
    pub by_hand: &'a [PatchByHand],
    /// The dist-git branch.
    pub dist_git: &'a DistGit,
    /// What was brought before.
    pub provisions: &'a Provisions<'a>,
}

/// Makes and proves the content.
///
/// # Errors
/// As [`super::draft`].
pub fn make(of: Ingredients<'_>) -> Result<Content> {
    if let Some(given) = &of.provisions.given {
        return given::prove(of, given);
    }
    if of.order.config.population.container.is_some() {
        let words = "the container was not run before population";
        return Err(Problem::permanent("container-not-run", words).into());
    }
    let Made { archive, series } = of.recipe()?.make(of.provisions.work)?;
    match (of.order.config.population.mechanism, archive) {
        (Mechanism::Archive, Some(archive)) => whole_tip::prove(of, archive),
        (Mechanism::TagArchive, Some(archive)) => tag_archive::prove(of, archive, series),
        (_, _) => released::prove(of, series),
    }
}

/// Returns what patches leave out.
pub fn patch_rules(order: &Order) -> PatchRules {
    PatchRules { packaging: order.config.packaging.clone(), spec: Some(order.spec.path.clone()) }
}

/// Returns the name of an archive of ours, and that of the folder in it.
///
/// # Errors
/// Refuses a spec without a name, and names that no file can have.
pub fn archive_names(spec: &SpecFile, order: &Order) -> Result<(FileName, FileName), Refusal> {
    let parse = |text: String| {
        text.parse::<FileName>().map_err(|error| Refusal::new("archive-name", error.to_string()))
    };
    let top = format!("{}-{}", spec.name()?, order.plan.evr.version);
    Ok((parse(format!("{top}.tar.gz"))?, parse(top)?))
}

/// An archive read back, and the tree of the tag that it stands for.
struct Base<'a> {
    objects: &'a Objects,
    base_tree: ObjectId,
    tag_tree: ObjectId,
    archive: &'a Path,
    file: &'a FileName,
    top: &'a FileName,
}

/// What came of the proof of a series.
struct Proved {
    prepared: Option<Prepared>,
    notes: Vec<String>,
}

impl<'a> Ingredients<'a> {
    fn rules(&self) -> PatchRules {
        patch_rules(self.order)
    }

    /// Returns what a mechanism makes content from.
    fn recipe(&self) -> Result<Recipe<'a>> {
        let (file, top) = self.archive_names()?;
        Ok(Recipe {
            mechanism: self.order.config.population.mechanism,
            source: self.source,
            tip: self.order.source_commit.id,
            tag_commit: self.order.release.tag.commit,
            file,
            top,
            rules: self.rules(),
            taken: self.by_hand.iter().map(|patch| patch.file.clone()).collect(),
            patch_cache: self.provisions.patch_cache.as_ref(),
            progress: self.provisions.progress,
        })
    }

    fn archive_names(&self) -> Result<(FileName, FileName), Refusal> {
        archive_names(self.spec, self.order)
    }

    /// Proves that the archive and the series are the tip, and that the spec's applier can carry the series.
    fn prove(&self, base: &Base<'_>, series: &Series, proof: &mut Proof) -> Result<Proved> {
        let mut notes = Vec::new();
        let result = self.on_top(base, self.order.source_commit.tree, series, proof);
        let result = self.judge(result, &mut notes)?;
        proof.is_broken = result.is_none();
        self.judge(appliers(self.spec, series), &mut notes)?;
        let prepared = match result {
            Some(tree) => self.prepared(base, tree)?,
            None => None,
        };
        Ok(Proved { prepared, notes })
    }

    /// Returns the tree that the patches by hand and the series give on top of the archive, proved to be `tip_tree`.
    fn on_top(
        &self,
        base: &Base<'_>,
        tip_tree: ObjectId,
        series: &Series,
        proof: &mut Proof,
    ) -> Result<ObjectId> {
        let against = SeriesProof {
            objects: base.objects,
            base_tree: base.base_tree,
            tag_tree: base.tag_tree,
            tip_tree,
            series,
            by_hand: self.by_hand,
            rules: &self.rules(),
        };
        prove_series(&against, proof)
    }

    /// Lists what `%prep` must come to, where rpm is to be asked.
    fn prepared(&self, base: &Base<'_>, tree: ObjectId) -> Result<Option<Prepared>> {
        if self.provisions.method == Method::Git {
            return Ok(None);
        }
        Ok(Some(Prepared {
            archive: base.archive.to_owned(),
            file: base.file.clone(),
            top: base.top.clone(),
            files: base.objects.files(&tree)?,
        }))
    }

    /// With `identity: required` a broken promise is a refusal; with `report` it is a line in the report.
    fn judge<T>(&self, outcome: Result<T>, notes: &mut Vec<String>) -> Result<Option<T>> {
        match (outcome, self.order.config.population.identity) {
            (Ok(held), _) => Ok(Some(held)),
            (Err(Fault::Refused(refusal)), TreeIdentity::Report) => {
                notes.push(refusal.message);
                Ok(None)
            }
            (Err(fault), _) => Err(fault),
        }
    }
}
