//! The archive and the patches above it, and the proof that together they are the signed tree.
//!
//! | mechanism | archive | patches |
//! |---|---|---|
//! | `archive` | of the tip | none |
//! | `tag-archive` | of the release tag | one per commit after it |
//!
//! The proof reads the finished archive back. For `tag-archive` it goes on: what was read back is the tree that
//! the patches' text is applied to, by code that shares nothing with the code that made them; the tree that comes
//! out must be the tip's, declared packaging aside. See [`super::identity`] for what may be subtracted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;

use bstr::BString;

use super::copied::CopiedFile;
use super::identity::series::{SeriesProof, prove_series};
use super::patches::{Patch, PatchRules, Series, SeriesStep};
use super::sources::SourcesFile;
use super::upstream::tarball;
use super::{DraftArchive, Proof, Workbench, archive, patches};
use crate::config::{Mechanism, TreeIdentity};
use crate::decide::Order;
use crate::digest::{HashType, Sha512};
use crate::git::{Commit, Objects, Step, Store};
use crate::names::{FileName, ObjectId};
use crate::observe::DistGit;
use crate::outcome::{Problem, Refusal, Result, printable};
use crate::progress::Stage;
use crate::spec::{Origin, ReadAs, SpecFile};

/// Threads for archives and patches: one for each processor.
const ALL_PROCESSORS: usize = 0;

/// What population puts into the lookaside cache and beside the spec.
pub struct Content {
    /// The archives.
    pub archives: Vec<DraftArchive>,
    /// What Source0 must come to.
    pub source0: FileName,
    /// The folder that it unpacks to.
    pub top: FileName,
    /// The commit whose content the archive holds.
    pub archived_commit: ObjectId,
    /// The patches, in order.
    pub patches: Vec<Patch>,
    /// What was proved.
    pub proof: Proof,
    /// What a person might want to know.
    pub notes: Vec<String>,
}

/// A patch that people keep in the spec by hand: packaging.
#[derive(Debug, Clone)]
pub struct PatchByHand {
    /// Its file.
    pub file: FileName,
    /// Its text.
    pub content: CopiedFile,
}

/// Finds the files of the patches that the spec lists outside our markers, in their order.
///
/// # Errors
/// Refuses a patch whose file is neither under a packaging path nor in dist-git.
pub fn patches_by_hand(
    spec: &SpecFile,
    copied: &BTreeMap<String, CopiedFile>,
    dist_git_objects: &Objects,
    dist_git: &DistGit,
) -> Result<Vec<PatchByHand>> {
    let mut found = Vec::new();
    for patch in spec.patches() {
        if patch.origin == Origin::Ours || patch.read_as == ReadAs::Inactive {
            continue;
        }
        let Some(file) = patch.file.as_ref().and_then(|file| file.parse::<FileName>().ok()) else {
            let words = format!(
                "line {} of the spec lists the patch {:?}",
                patch.line,
                printable(&patch.raw, 200)
            );
            return Err(Refusal::new(
                "patch-by-hand-unknown",
                format!("{words}, whose file cannot be told"),
            )
            .hint("write the patch's file name as plain text")
            .into());
        };
        let content = match copied.get(file.as_str()) {
            Some(content) => content.clone(),
            None => from_dist_git(&file, patch.line, dist_git_objects, dist_git)?,
        };
        found.push(PatchByHand { file, content });
    }
    Ok(found)
}

fn from_dist_git(
    file: &FileName,
    line: usize,
    objects: &Objects,
    dist_git: &DistGit,
) -> Result<CopiedFile> {
    match objects.entry_at(&dist_git.tip.tree, file.as_str())? {
        Some(entry) => Ok(CopiedFile { mode: entry.mode, content: objects.blob(&entry.id)? }),
        None => Err(Refusal::new(
            "patch-by-hand-missing",
            format!(
                "line {line} of the spec lists the patch {file}, which is neither under a packaging path nor in \
                 dist-git"
            ),
        )
        .hint("commit the patch under a packaging path, or remove its line from the spec")
        .into()),
    }
}

/// Makes and proves the content.
///
/// # Errors
/// As [`super::draft`].
pub fn make(
    order: &Order,
    source: &Store,
    spec: &SpecFile,
    by_hand: &[PatchByHand],
    dist_git: &DistGit,
    work: Workbench<'_>,
) -> Result<Content> {
    let names = Names::of(order, spec)?;
    match order.config.population.mechanism {
        Mechanism::Archive => whole_tip(order, source, names, by_hand, work),
        Mechanism::TagArchive => {
            tag_and_patches(order, source, spec, names, by_hand, dist_git, work)
        }
        Mechanism::UpstreamTarball => Err(Refusal::config(
            "unsupported",
            "not supported by this version: population.mechanism: upstream-tarball",
        )
        .into()),
    }
}

/// The archive's name, and the folder in it.
struct Names {
    file: FileName,
    top: FileName,
}

impl Names {
    fn of(order: &Order, spec: &SpecFile) -> Result<Names, Refusal> {
        let name = spec.name()?;
        let parse = |text: String| {
            text.parse::<FileName>()
                .map_err(|error| Refusal::new("archive-name", error.to_string()))
        };
        let top = format!("{name}-{}", order.plan.evr.version);
        Ok(Names { file: parse(format!("{top}.tar.gz"))?, top: parse(top)? })
    }
}

/// `archive`: the tip's content, and no patches.
fn whole_tip(
    order: &Order,
    source: &Store,
    names: Names,
    by_hand: &[PatchByHand],
    work: Workbench<'_>,
) -> Result<Content> {
    let tip = &order.source_commit;
    let (archive, written) = write_archive(source, tip, &names, work)?;
    let proof = prove_archive(&archive, &written, source, tip, &names)?;
    let notes =
        by_hand.iter().map(|patch| format!("{} is applied on top of the signed tree", patch.file));
    Ok(Content {
        archives: vec![archive],
        source0: names.file,
        top: names.top,
        archived_commit: tip.id,
        patches: Vec::new(),
        proof,
        notes: notes.collect(),
    })
}

/// `tag-archive`: the tag's content, and a patch for each commit after it.
fn tag_and_patches(
    order: &Order,
    source: &Store,
    spec: &SpecFile,
    names: Names,
    by_hand: &[PatchByHand],
    dist_git: &DistGit,
    work: Workbench<'_>,
) -> Result<Content> {
    let objects = source.scratch();
    let tag_commit = objects.commit(&order.release.tag.commit)?;
    let (made, written) = write_archive(source, &tag_commit, &names, work)?;
    let mut proof = prove_archive(&made, &written, source, &tag_commit, &names)?;
    let imported = import(&made, &objects)?;
    work.progress.at(Stage::Patches);
    let series = series(order, source, by_hand)?;
    let kept = listed_before(order, dist_git, &made.name)?;
    let against = SeriesProof {
        objects: &objects,
        base_tree: imported.tree,
        tag_tree: tag_commit.tree,
        tip_tree: order.source_commit.tree,
        series: &series,
        by_hand,
        rules: &rules(order),
    };
    let outcome = prove_series(&against, &mut proof);
    let mut notes = judge(order, outcome)?;
    notes.extend(applier_notes(order, spec, &series)?);
    Ok(Content {
        archives: vec![kept.unwrap_or(made)],
        source0: names.file,
        top: names.top,
        archived_commit: tag_commit.id,
        patches: series.patches,
        proof,
        notes,
    })
}

fn write_archive(
    source: &Store,
    commit: &Commit,
    names: &Names,
    work: Workbench<'_>,
) -> Result<(DraftArchive, archive::Written)> {
    let path = work.folder.join(names.file.as_str());
    let failed = |error: std::io::Error| {
        Problem::permanent("work-not-writable", format!("cannot write {}: {error}", path.display()))
            .because(error)
    };
    let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
    let mut progress = |bytes| work.progress.at(Stage::Archiving { bytes });
    progress(0);
    let top = names.top.as_str();
    let written =
        archive::write(source, commit, top, &mut file, ALL_PROCESSORS, Some(&mut progress))?;
    file.into_inner().map_err(|error| failed(error.into_error()))?;
    let sha512: Sha512 = written.sha512.parse().expect("the archive writer gives 128 hex digits");
    let archive = DraftArchive {
        name: names.file.clone(),
        sha512,
        size: Some(written.size),
        path: Some(path.clone()),
    };
    Ok((archive, written))
}

fn open(archive: &DraftArchive) -> Result<File> {
    let path = archive.path.as_ref().expect("an archive that was just made has a path");
    File::open(path).map_err(|error| {
        Problem::permanent("archive-unreadable", format!("cannot read {}: {error}", path.display()))
            .because(error)
            .into()
    })
}

fn prove_archive(
    made: &DraftArchive,
    written: &archive::Written,
    source: &Store,
    commit: &Commit,
    names: &Names,
) -> Result<Proof> {
    let identity = archive::prove(open(made)?, source, commit, written, names.top.as_str())?;
    let shown = |paths: Vec<BString>| paths.iter().map(|path| printable(path, 300)).collect();
    Ok(Proof {
        hidden: shown(identity.hidden),
        converted: shown(identity.converted),
        ..Proof::default()
    })
}

/// Reads the archive back as a git tree, as `%prep` will find it.
fn import(made: &DraftArchive, objects: &Objects) -> Result<tarball::Imported> {
    let path = made.path.as_ref().expect("an archive that was just made has a path");
    tarball::import_file(path, objects, &tarball::Limits::default())
}

fn rules(order: &Order) -> PatchRules {
    PatchRules { packaging: order.config.packaging.clone(), spec: Some(order.spec.path.clone()) }
}

fn series(order: &Order, source: &Store, by_hand: &[PatchByHand]) -> Result<Series> {
    let objects = source.objects();
    let steps = objects.steps_since(&order.source_commit.id, &order.release.tag.commit)?;
    let steps: Vec<SeriesStep> = steps
        .into_iter()
        .map(|Step { commit, base_tree }| SeriesStep { commit, base_tree })
        .collect();
    let taken: Vec<FileName> = by_hand.iter().map(|patch| patch.file.clone()).collect();
    patches::series(source, &steps, &rules(order), &taken, ALL_PROCESSORS, None)
}

/// Returns the archive that `sources` lists from the last publication of the same tag: it is never made again,
/// since deflate's bytes depend on the library's version.
fn listed_before(
    order: &Order,
    dist_git: &DistGit,
    name: &FileName,
) -> Result<Option<DraftArchive>> {
    let tag = &order.release.tag;
    let is_same_tag = order.published.as_ref().is_some_and(|published| {
        published.publication.release_tag == (tag.name.clone(), tag.object)
            && published.publication.population == order.population()
    });
    let objects = dist_git.store.objects();
    let Some(entry) = objects.entry_at(&dist_git.tip.tree, "sources")?.filter(|_| is_same_tag)
    else {
        return Ok(None);
    };
    let sources = SourcesFile::parse(&objects.blob(&entry.id)?)?;
    let digest = sources.digest_of(name).filter(|digest| digest.hash_type() == HashType::Sha512);
    let listed = digest.and_then(|digest| digest.hex().parse::<Sha512>().ok());
    Ok(listed.map(|sha512| DraftArchive { name: name.clone(), sha512, size: None, path: None }))
}

/// With `identity: required` a broken promise is a refusal; with `report` it is a line in the report.
fn judge(order: &Order, outcome: Result<()>) -> Result<Vec<String>> {
    match (outcome, order.config.population.identity) {
        (Ok(()), _) => Ok(Vec::new()),
        (Err(crate::outcome::Fault::Refused(refusal)), TreeIdentity::Report) => {
            Ok(vec![refusal.message])
        }
        (Err(fault), _) => Err(fault),
    }
}

/// Sees whether what applies the patches in `%prep` can carry them.
fn applier_notes(order: &Order, spec: &SpecFile, series: &Series) -> Result<Vec<String>> {
    judge(order, super::identity::series::appliers(spec, series))
}
