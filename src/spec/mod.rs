//! The spec editor: bytes in, bytes or a refusal out (DESIGN section 4).
//!
//! [`SpecFile::parse`] walks through a spec once and keeps every byte. The queries say what the walk found;
//! [`SpecFile::edit`] changes the version, the release, Source0, our patches and the changelog, and leaves all
//! other bytes as they are. rpm is never run: parsing a spec with it runs the spec's code.
//!
//! 1. `lines` splits the file, `directive` and `definition` read one line, `walk` follows the conditionals;
//! 2. `macros`, `syntax` and `expression` expand what is plain, and say "not known" for what would run;
//! 3. `applier` tells how `%prep` unpacks and patches;
//! 4. `query` answers, and `template` finds the macros behind a value;
//! 5. `changelog` and `sanitise` write entries of text that strangers wrote;
//! 6. `edit` makes one change after the other, and reads the result again after each.
//!
//! Refusals name the line. Their codes: `spec-unreadable` (an open macro or conditional, a NUL byte),
//! `spec-tag-missing`, `spec-tag-included`, `spec-tag-computed`, `spec-tag-twice`, `spec-two-versions`,
//! `spec-two-releases`, `spec-two-sources`, `spec-condition-undecided`, `spec-unexpandable`, `spec-name-illegal`,
//! `spec-version-illegal`, `spec-release-illegal`, `spec-epoch-illegal`, `spec-file-name-illegal`,
//! `spec-prefix-unknown`, `spec-applier-unknown`, `spec-applied-twice`, `spec-patch-level`,
//! `spec-patch-in-subpackage`, `spec-marker-unpaired`, and `spec-edit-failed` where no way of writing worked.

mod applier;
mod changelog;
mod definition;
mod directive;
mod edit;
mod expression;
mod lines;
mod macros;
mod query;
mod sanitise;
mod syntax;
mod template;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use applier::{Applier, PatchLevel};
pub use changelog::{Entry, PublishedEntry, merge_entries};
pub use edit::{Edited, Edits, PATCHES_BEGIN, PATCHES_END, ReleaseEdit, Snapshot};
pub use query::{ListedPatch, Origin, ReadAs, SpecRelease, SpecSource};
pub use sanitise::{sanitise_item, sanitise_mail, sanitise_person};

use macros::Macros;
use walk::Walk;

/// What is known about the build before the spec is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    /// The dist tag, such as `.fc44`; `%fedora` and `%rhel` follow from it.
    pub dist: Option<String>,
    /// Other macros that are defined where the spec is built.
    pub macros: BTreeMap<String, String>,
}

impl Context {
    /// Returns a context with this dist tag and nothing else.
    pub fn with_dist(dist: &str) -> Self {
        Context { dist: Some(dist.to_owned()), macros: BTreeMap::new() }
    }
}

/// A spec, read and ready to be edited.
#[derive(Debug, Clone)]
pub struct SpecFile {
    bytes: Vec<u8>,
    context: Context,
    walk: Walk,
}

impl SpecFile {
    /// Reads a spec. Nothing is refused yet: what cannot be read shows in the queries and in
    /// [`SpecFile::edit`].
    pub fn parse(bytes: impl Into<Vec<u8>>, context: &Context) -> Self {
        let bytes = bytes.into();
        let macros = Macros::new(context.dist.as_deref(), context.macros.clone());
        let walk = walk::walk(&bytes, macros);
        SpecFile { bytes, context: context.clone(), walk }
    }

    /// Returns the file's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the file's bytes, owned.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
