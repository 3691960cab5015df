//! An archive of ours, read back: the proof that it holds the commit's content.

use std::fs::File;
use std::path::Path;

use bstr::BString;

use super::Ingredients;
use crate::digest::Sha512;
use crate::git::Objects;
use crate::names::FileName;
use crate::outcome::{Problem, Result, printable};
use crate::populate::mechanism::Archive;
use crate::populate::upstream::tarball;
use crate::populate::{DraftArchive, Proof, archive};

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
    /// Proves an archive of ours.
    pub(super) fn proved(made: Archive, of: Ingredients<'_>) -> Result<OwnArchive> {
        let Archive { path, commit, written } = made;
        let (file, top) = of.archive_names()?;
        let sha512: Sha512 =
            written.sha512.parse().expect("the archive writer gives 128 hex digits");
        let identity = archive::prove(open(&path)?, of.source, &commit, &written, top.as_str())?;
        let shown = |paths: Vec<BString>| paths.iter().map(|path| printable(path, 300)).collect();
        let proof = Proof {
            hidden: shown(identity.hidden),
            converted: shown(identity.converted),
            ..Proof::default()
        };
        let line = DraftArchive { name: file, sha512, size: Some(written.size), path: Some(path) };
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

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| {
        Problem::permanent("archive-unreadable", format!("cannot read {}: {error}", path.display()))
            .because(error)
            .into()
    })
}
