//! What a container gave: proved in git terms from the archive's content and the patches' text alone.
//!
//! An archive that claims to be a commit's content is held against that commit's tree. Where they differ, git's own
//! export of the commit is the judge: what `export-ignore`, `export-subst` and line ends change is no lie. From
//! there on it is the proof of every series.

use super::{Base, Content, Ingredients, Prepared, released};
use crate::config::Mechanism;
use crate::git::{Commit, Objects};
use crate::names::{FileName, ObjectId, TreePath};
use crate::outcome::{Problem, Refusal, Result, printable};
use crate::populate::contained::Given;
use crate::populate::identity::compare;
use crate::populate::identity::series::differs;
use crate::populate::patches::Series;
use crate::populate::upstream::tarball::{self, Imported, Limits};
use crate::populate::{DraftArchive, Proof, archive};

pub(super) fn prove(of: Ingredients<'_>, given: &Given) -> Result<Content> {
    let mut proof = Proof::default();
    let mut notes = given.notes.clone();
    let mut archives = given.archives.clone();
    let release = of.provisions.release.as_ref();
    if let Some(release) = release {
        notes.extend(release.notes.iter().cloned());
        proof.pinned_by = released::pinned_by(release, of, &mut notes)?;
        archives.extend(released::archives(release, of));
    }
    let series = Series {
        patches: given.patches.clone(),
        ignored: given.ignored.clone(),
        packaging_only: Vec::new(),
    };
    let is_release = release.is_some_and(|release| given.source0.as_ref() == Some(&release.file));
    let judged = Judged { of, series: &series, commit: commit_of(of)?, is_release };
    let outcome = judged.whole(&archives, given.source0.as_ref(), &mut proof, &mut notes);
    let outcome = of.judge(outcome, &mut notes)?;
    proof.is_broken |= outcome.is_none();
    let (top, prepared) = outcome.unwrap_or_default();
    Ok(Content {
        archives,
        source0: given.source0.clone(),
        top,
        archived_commit: judged.commit.id,
        patches: series.patches,
        proof,
        prepared,
        notes,
    })
}

/// Returns the commit whose content the archive is asked to hold.
fn commit_of(of: Ingredients<'_>) -> Result<Commit> {
    match of.order.config.population.mechanism {
        Mechanism::Archive => Ok(of.order.source_commit.clone()),
        Mechanism::TagArchive | Mechanism::UpstreamTarball => {
            of.source.objects().commit(&of.order.release.tag.commit)
        }
    }
}

struct Judged<'a> {
    of: Ingredients<'a>,
    series: &'a Series,
    commit: Commit,
    is_release: bool,
}

impl Judged<'_> {
    /// Proves archive and series, and returns the folder in the archive.
    fn whole(
        &self,
        archives: &[DraftArchive],
        source0: Option<&FileName>,
        proof: &mut Proof,
        notes: &mut Vec<String>,
    ) -> Result<(Option<FileName>, Option<Prepared>)> {
        let archive = archives.iter().find(|archive| Some(&archive.name) == source0);
        let (Some(archive), Some(file)) = (archive, source0) else {
            return Err(nothing_to_prove().into());
        };
        let path = archive.path.as_deref().ok_or_else(nothing_to_prove)?;
        let objects = self.of.source.scratch_in(self.of.provisions.work)?;
        let imported = tarball::import_file(path, &objects, &Limits::default())?;
        notes.extend(imported.notes.iter().cloned());
        let top = top(&imported);
        if !self.is_release {
            self.must_be_export(&objects, imported.tree, proof)?;
        }
        let Some(folder) = &top else { return Err(no_top(file, &imported).into()) };
        let base = Base {
            objects: &objects,
            base_tree: imported.tree,
            tag_tree: self.commit.tree,
            archive: path,
            file,
            top: folder,
        };
        let proved = self.of.prove(&base, self.series, proof)?;
        notes.extend(proved.notes);
        Ok((top.clone(), proved.prepared))
    }

    /// Refuses an archive that is not the commit's content.
    fn must_be_export(&self, objects: &Objects, tree: ObjectId, proof: &mut Proof) -> Result<()> {
        let rules = self.of.rules();
        let except: Vec<TreePath> = rules.packaging.into_iter().chain(rules.spec).collect();
        if compare(objects, tree, self.commit.tree, &except)?.is_empty() {
            return Ok(());
        }
        let exported = self.export(objects, proof)?;
        let left = compare(objects, tree, exported, &except)?;
        if left.is_empty() { Ok(()) } else { Err(differs(&left).into()) }
    }

    /// Returns what git's own export of the commit unpacks to.
    fn export(&self, objects: &Objects, proof: &mut Proof) -> Result<ObjectId> {
        let work = self.of.provisions.work;
        let failed = |error: std::io::Error| {
            let words = format!("cannot write below {}: {error}", work.display());
            Problem::permanent("work-not-writable", words).because(error)
        };
        let mut tar = tempfile::NamedTempFile::new_in(work).map_err(failed)?;
        let written = archive::write_tar(self.of.source, &self.commit, "export", &mut tar, 0)?;
        let shown =
            |paths: &[bstr::BString]| paths.iter().map(|path| printable(path, 300)).collect();
        (proof.hidden, proof.converted) = (shown(&written.hidden), shown(&written.converted));
        Ok(tarball::import_file(tar.path(), objects, &Limits::default())?.tree)
    }
}

fn top(imported: &Imported) -> Option<FileName> {
    std::str::from_utf8(imported.top.as_ref()?).ok()?.parse().ok()
}

fn nothing_to_prove() -> Refusal {
    Refusal::new("tree-identity", "the container left no archive that could be held against what was signed")
        .hint("leave an archive in /output/lookaside/, and name it as source0 in result.json where there are several")
}

fn no_top(file: &FileName, imported: &Imported) -> Refusal {
    let top = imported.top.as_ref().map(|top| printable(top, 200)).unwrap_or_default();
    Refusal::new(
        "tree-identity",
        format!("{file} does not unpack to one folder that a spec can name {top}"),
    )
    .hint("pack everything below one folder, as archive.top of the request says")
}
