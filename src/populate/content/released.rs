//! `upstream-tarball`: the released tarball, and a patch for each commit after the tag.
//!
//! The tarball was brought and judged before ([`crate::populate::upstream::obtain`]); here it is read, the
//! difference between it and its tag is measured, and what it comes to with the patches is proved.

use super::{Base, Content, Ingredients};
use crate::git::{Kind, Objects};
use crate::names::FileName;
use crate::outcome::{Problem, Refusal, Result, printable};
use crate::populate::identity::compare;
use crate::populate::patches::Series;
use crate::populate::upstream::obtain::ReleaseTarball;
use crate::populate::upstream::pin::Pinning;
use crate::populate::upstream::tarball::{self, Imported};
use crate::populate::{DraftArchive, Proof, Sources};

pub(super) fn prove(of: Ingredients<'_>, series: Series) -> Result<Content> {
    let release = of.provisions.release.as_ref().ok_or_else(|| {
        let words = "the released tarball was not brought before population";
        Problem::permanent("upstream-not-brought", words)
    })?;
    let mut notes = release.notes.clone();
    let mut proof = Proof { pinned_by: pinned_by(release, of, &mut notes)?, ..Proof::default() };
    // On disk: a tarball that has little to do with its tag could be larger than memory.
    let objects = of.source.scratch_in(of.provisions.work)?;
    let tag_commit = objects.commit(&of.order.release.tag.commit)?;
    let imported = tarball::import_file(&release.path, &objects, &tarball::Limits::default())?;
    let top = top(release, &imported)?;
    let base = Base {
        objects: &objects,
        base_tree: imported.tree,
        tag_tree: tag_commit.tree,
        archive: &release.path,
        file: &release.file,
        top: &top,
    };
    let proved = of.prove(&base, &series, &mut proof)?;
    must_share_files(&base, &proof, of)?;
    notes.extend(imported.notes);
    notes.extend(proof.at_tag.words(&release.file));
    notes.extend(proved.notes);
    Ok(Content {
        archives: archives(release, of),
        source0: Some(release.file.clone()),
        top: Some(top),
        archived_commit: tag_commit.id,
        patches: series.patches,
        proof,
        prepared: proved.prepared,
        notes,
    })
}

/// Returns what pins the tarball, in words; where it is to be landed something must.
pub(super) fn pinned_by(
    release: &ReleaseTarball,
    of: Ingredients<'_>,
    notes: &mut Vec<String>,
) -> Result<Vec<String>, Refusal> {
    let required = release.pinning.clone().required(&release.file, &release.sha512);
    match (required, of.provisions.sources) {
        (Ok(pins), _) => Ok(pins.iter().map(ToString::to_string).collect()),
        (Err(refusal), Sources::Required) => Err(refusal),
        (Err(refusal), Sources::Optional) => {
            debug_assert_eq!(release.pinning, Pinning::Unpinned);
            notes.push(format!("{}; `sync` would refuse it. {}", refusal.message, refusal.hint));
            Ok(Vec::new())
        }
    }
}

/// Returns the one folder that the tarball unpacks to.
fn top(release: &ReleaseTarball, imported: &Imported) -> Result<FileName, Refusal> {
    let words = match &imported.top {
        Some(top) => match std::str::from_utf8(top).ok().and_then(|top| top.parse().ok()) {
            Some(top) => return Ok(top),
            None => {
                format!("unpacks to the folder {:?}, which no spec can name", printable(top, 200))
            }
        },
        None => "does not unpack to one folder, so that %setup would need -c".to_owned(),
    };
    Err(Refusal::new("upstream-top-folder", format!("{} {words}", release.file)).hint(
        "have upstream release an archive with one top folder, or use `mechanism: tag-archive`",
    ))
}

/// Refuses a tarball in which every file of the tag is another one, or missing: then there is nothing that a
/// measured difference could be subtracted from.
fn must_share_files(base: &Base<'_>, proof: &Proof, of: Ingredients<'_>) -> Result<()> {
    let differing = proof.at_tag.only_in_tag + proof.at_tag.changed;
    let empty = Objects::hash(Kind::Tree, b"")?;
    let rules = of.rules();
    let except: Vec<_> = rules.packaging.into_iter().chain(rules.spec).collect();
    if differing == 0 || compare(base.objects, empty, base.tag_tree, &except)?.len() > differing {
        return Ok(());
    }
    let tag = &of.order.release.tag.name;
    let words = format!("no file of the tag {tag} is in {} with the same content", base.file);
    Err(Refusal::new("upstream-unrelated", words)
        .hint("see whether it is the right file: correct Source0 or population.upstream.url")
        .into())
}

/// The tarball, and its signature where the spec lists it as a source of its own.
pub(super) fn archives(release: &ReleaseTarball, of: Ingredients<'_>) -> Vec<DraftArchive> {
    let sources = of.spec.sources();
    let is_listed = |file: &DraftArchive| {
        sources.iter().any(|source| source.file_name() == Some(file.name.as_str()))
    };
    let line = DraftArchive {
        name: release.file.clone(),
        sha512: release.sha512.clone(),
        size: Some(release.size),
        path: Some(release.path.clone()),
    };
    std::iter::once(line).chain(release.signature.clone().filter(is_listed)).collect()
}
