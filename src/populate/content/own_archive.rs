//! An archive of ours: written, and read back.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use bstr::BString;

use super::{ALL_PROCESSORS, Ingredients};
use crate::digest::Sha512;
use crate::git::{Commit, Objects};
use crate::names::FileName;
use crate::outcome::{Problem, Refusal, Result, printable};
use crate::populate::upstream::tarball;
use crate::populate::{DraftArchive, Proof, archive};
use crate::progress::Stage;

/// An archive that was just made, and what proves it.
pub(super) struct OwnArchive {
    /// Its line in `sources`.
    pub(super) line: DraftArchive,
    /// The folder in it.
    pub(super) top: FileName,
    /// What was proved of it.
    pub(super) proof: Proof,
}

impl OwnArchive {
    /// Writes `NAME-VERSION.tar.gz` of a commit's content, and proves it.
    pub(super) fn of(commit: &Commit, made_of: Ingredients<'_>) -> Result<OwnArchive> {
        let (top, name) = names(made_of)?;
        let path = made_of.provisions.work.join(name.as_str());
        let failed = |error: std::io::Error| {
            let words = format!("cannot write {}: {error}", path.display());
            Problem::permanent("work-not-writable", words).because(error)
        };
        let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
        let source = made_of.source;
        let watcher = made_of.provisions.progress;
        let mut progress = |bytes| watcher.at(Stage::Archiving { bytes });
        progress(0);
        let written = archive::write(
            source,
            commit,
            top.as_str(),
            &mut file,
            ALL_PROCESSORS,
            Some(&mut progress),
        )?;
        file.into_inner().map_err(|error| failed(error.into_error()))?;
        let sha512: Sha512 =
            written.sha512.parse().expect("the archive writer gives 128 hex digits");
        let identity = archive::prove(open(&path)?, source, commit, &written, top.as_str())?;
        let shown = |paths: Vec<BString>| paths.iter().map(|path| printable(path, 300)).collect();
        let proof = Proof {
            hidden: shown(identity.hidden),
            converted: shown(identity.converted),
            ..Proof::default()
        };
        let line = DraftArchive { name, sha512, size: Some(written.size), path: Some(path) };
        Ok(OwnArchive { line, top, proof })
    }

    /// Returns where it lies.
    pub(super) fn path(&self) -> &Path {
        self.line.path.as_deref().expect("an archive that was just made has a path")
    }

    /// Reads the archive back as a git tree, as `%prep` will find it.
    pub(super) fn import(&self, objects: &Objects) -> Result<tarball::Imported> {
        tarball::import_file(self.path(), objects, &tarball::Limits::default())
    }
}

/// The folder in the archive, and the archive's name.
fn names(of: Ingredients<'_>) -> Result<(FileName, FileName), Refusal> {
    let parse = |text: String| {
        text.parse::<FileName>().map_err(|error| Refusal::new("archive-name", error.to_string()))
    };
    let top = format!("{}-{}", of.spec.name()?, of.order.plan.evr.version);
    Ok((parse(top.clone())?, parse(format!("{top}.tar.gz"))?))
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| {
        Problem::permanent("archive-unreadable", format!("cannot read {}: {error}", path.display()))
            .because(error)
            .into()
    })
}
