//! The built-in mechanisms: what each puts beside the spec, and nothing of what proves it.
//!
//! | mechanism | archive | patches |
//! |---|---|---|
//! | `archive` | of the tip | none |
//! | `tag-archive` | of the release tag | one per commit after it |
//! | `upstream-tarball` | the released tarball, which is at hand | one per commit after the tag |
//!
//! The bot calls [`Recipe::make`] in its own process, and so does the program inside the published images
//! ([`super::contained::inside`]): it is this code that both run, and its input is a [`Recipe`] in both places.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use super::archive::{self, Written};
use super::patches::{self, PatchCache, PatchRules, Series};
use crate::config::Mechanism;
use crate::git::{Commit, Store};
use crate::names::{FileName, ObjectId};
use crate::outcome::{Problem, Result};
use crate::progress::{Progress, Stage};

/// Threads for archives and patches: one for each processor.
const ALL_PROCESSORS: usize = 0;

/// Everything that a mechanism's result is a function of, and who watches.
pub struct Recipe<'a> {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// The source repository.
    pub source: &'a Store,
    /// The signed commit.
    pub tip: ObjectId,
    /// The commit of the release tag.
    pub tag_commit: ObjectId,
    /// The name of the archive, where one is made.
    pub file: FileName,
    /// The folder in it.
    pub top: FileName,
    /// What patches leave out.
    pub rules: PatchRules,
    /// File names that patches by hand have.
    pub taken: Vec<FileName>,
    /// Patches of earlier runs.
    pub patch_cache: Option<&'a PatchCache>,
    /// Who watches.
    pub progress: Progress<'a>,
}

/// What a mechanism made.
#[derive(Debug)]
pub struct Made {
    /// The archive, where it is not upstream's.
    pub archive: Option<Archive>,
    /// The patches.
    pub series: Series,
}

/// An archive that was just made.
#[derive(Debug)]
pub struct Archive {
    /// Where it lies.
    pub path: PathBuf,
    /// The commit whose content it holds.
    pub commit: Commit,
    /// What was written.
    pub written: Written,
}

impl Recipe<'_> {
    /// Makes archive and patches; the archive goes into `folder`.
    ///
    /// # Errors
    /// Refusals for content that cannot be carried; fails where the folder cannot be written.
    pub fn make(&self, folder: &Path) -> Result<Made> {
        let archive = |commit: &ObjectId| self.archive(commit, folder).map(Some);
        match self.mechanism {
            Mechanism::Archive => {
                Ok(Made { archive: archive(&self.tip)?, series: Series::default() })
            }
            Mechanism::TagArchive => {
                Ok(Made { archive: archive(&self.tag_commit)?, series: self.series()? })
            }
            Mechanism::UpstreamTarball => Ok(Made { archive: None, series: self.series()? }),
        }
    }

    fn archive(&self, commit: &ObjectId, folder: &Path) -> Result<Archive> {
        let commit = self.source.objects().commit(commit)?;
        let path = folder.join(self.file.as_str());
        let failed = |error: std::io::Error| {
            let words = format!("cannot write {}: {error}", path.display());
            Problem::permanent("work-not-writable", words).because(error)
        };
        let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
        let mut progress = |bytes| self.progress.at(Stage::Archiving { bytes });
        progress(0);
        let top = self.top.as_str();
        let watched = Some(&mut progress as &mut dyn FnMut(u64));
        let written =
            archive::write(self.source, &commit, top, &mut file, ALL_PROCESSORS, watched)?;
        file.into_inner().map_err(|error| failed(error.into_error()))?;
        Ok(Archive { path, commit, written })
    }

    fn series(&self) -> Result<Series> {
        self.progress.at(Stage::Patches);
        let steps = self.source.objects().steps_since(&self.tip, &self.tag_commit)?;
        let (rules, taken) = (&self.rules, &self.taken);
        patches::series(self.source, &steps, rules, taken, ALL_PROCESSORS, self.patch_cache)
    }

    /// Returns the patches that [`Recipe::make`] would make, without their text.
    ///
    /// # Errors
    /// As [`Recipe::make`], for what the trailers say.
    pub fn planned(&self) -> Result<Series> {
        if self.mechanism == Mechanism::Archive {
            return Ok(Series::default());
        }
        let steps = self.source.objects().steps_since(&self.tip, &self.tag_commit)?;
        patches::planned(self.source, &steps, &self.rules, &self.taken)
    }
}
