//! Patches: one for each commit of the first-parent line between the release tag and the tip.
//!
//! 1. [`plan`] reads the trailers and says which commits share a patch;
//! 2. the trees at both ends are compared, packaging paths left out ([`crate::git::diff`]);
//! 3. [`diff`] and [`binary`] write what changed, [`mail`] writes the headers and message above it;
//! 4. [`names`] gives each patch its file name, in series order;
//! 5. [`cache`] keeps finished patches, so that a run pays only for what is new.
//!
//! A patch is a function of its commits, the tree below them and the rules alone: no date of making, no
//! number, no version of a tool. The first line has an id of zeros, so a rebase that changes nothing in
//! a patch changes no byte of it. Rules: the design, section 5, "Patches".

pub mod binary;
pub mod cache;
pub mod diff;
pub mod mail;
pub mod names;
pub mod plan;
pub mod quote;
mod work;

#[cfg(test)]
mod tests;

use bstr::BString;

pub use cache::PatchCache;

use crate::git::{Step, Store};
use crate::names::{FileName, ObjectId, TreePath};
use crate::outcome::Result;

/// What the branch config says about patches.
#[derive(Debug, Clone, Default)]
pub struct PatchRules {
    /// Packaging paths: never in patches.
    pub packaging: Vec<TreePath>,
    /// The spec's path in source-git, which is packaging too.
    pub spec: Option<TreePath>,
}

impl PatchRules {
    /// Tells whether `path` is left out of patches.
    pub fn leave_out(&self, path: &[u8]) -> bool {
        self.packaging.iter().chain(&self.spec).any(|packaging| packaging.covers(path))
    }
}

/// One patch of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Its name in dist-git: safe as one path component and in a spec.
    pub file_name: FileName,
    /// The file: what `git am` takes.
    pub bytes: Vec<u8>,
    /// The commits in it, oldest first; several where they share a `Patch-name`.
    pub commits: Vec<ObjectId>,
    /// The subject of the first commit, on one line, control characters replaced.
    pub subject: String,
    /// The paths that are carried as `GIT binary patch`.
    pub binary: Vec<BString>,
    /// The paths with a carriage return at the end of a line of the patch.
    pub has_crlf: Vec<BString>,
}

/// The patches between tag and tip, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// What is to be applied, in this order.
    pub patches: Vec<Patch>,
    /// Commits with `Ignore-patch: true`: what they change is in no patch, and tree identity has to
    /// count it as a declared difference.
    pub ignored: Vec<ObjectId>,
    /// Commits that change nothing outside the packaging paths, or nothing at all.
    pub packaging_only: Vec<ObjectId>,
}

/// Writes the patches of a line of commits, oldest first, on `workers` threads.
///
/// `taken` are file names that patches by hand have; no patch of the series gets one of them. With a
/// `cache`, finished patches are taken from it and new ones put there.
///
/// # Errors
/// Refuses a submodule that changes (`patch-submodule`), a file that is too large for a text patch
/// (`patch-too-large`), a `Patch-name` that is no safe name (`patch-name-unsafe`), is taken
/// (`patch-name-taken`), or stands on commits with others between them (`patch-name-scattered`); and
/// whatever reading objects refuses.
pub fn series(
    store: &Store,
    steps: &[Step],
    rules: &PatchRules,
    taken: &[FileName],
    workers: usize,
    cache: Option<&PatchCache>,
) -> Result<Series> {
    work::series(store, steps, rules, taken, workers, cache)
}

/// Returns the series that [`series`] would write, by names and commits: its patches have no text yet.
///
/// # Errors
/// As [`series`], for what trailers and names say.
pub fn planned(
    store: &Store,
    steps: &[Step],
    rules: &PatchRules,
    taken: &[FileName],
) -> Result<Series> {
    work::planned(store, steps, rules, taken)
}
