//! Editing: one change after the other, and the result is read again after each.
//!
//! Where a value can be changed in several ways (at the macro behind it, or on its own line), the ways are tried
//! from the most to the least like the spec's own style, and the first is taken whose result, read again,
//! says exactly what was asked for. So a way that is wrong for some spec cannot do harm; it is not taken.

mod change;
mod changelog;
mod macros;
mod patches;
mod release;
mod source;
mod version;

use jiff::civil::Date;

use super::{Entry, PublishedEntry, SpecFile};
use crate::config::AutoMacros;
use crate::names::{FileName, ObjectId, Release, Version};
use crate::outcome::Refusal;

/// The comment line before our patches.
pub const PATCHES_BEGIN: &str = "# lockkeeper patches begin";
/// The comment line after our patches.
pub const PATCHES_END: &str = "# lockkeeper patches end";

/// What a spec shall say. What is `None` stays as it is; `patches` are always the whole list of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Edits {
    /// The Version.
    pub version: Option<Version>,
    /// What the tag calls a prerelease (`rc2`), as upstream writes it, where the version drops it. Where it is
    /// `None`, the part of the version after `~` is taken.
    pub prerelease: Option<String>,
    /// The commit that snapshot macros (`%global commit …`) shall name.
    pub snapshot: Option<Snapshot>,
    /// The Release.
    pub release: Option<ReleaseEdit>,
    /// The Epoch; 0 where none is wanted.
    pub epoch: Option<u32>,
    /// The archive that Source0 must come to; `None` where it is not ours.
    pub source0: Option<FileName>,
    /// The folder that the archive unpacks to; `None` where the spec knows.
    pub prefix_dir: Option<FileName>,
    /// Our patches in the order they apply in; empty: none, and our markers go too.
    pub patches: Vec<FileName>,
    /// The entry of this publication.
    pub changelog: Option<Entry>,
    /// The entries below it, as [`super::merge_entries`] gives them; `None`: those that are there.
    pub older_entries: Option<Vec<PublishedEntry>>,
    /// What becomes of `%autorelease` and `%autochangelog`.
    pub auto: AutoMacros,
}

impl Default for Edits {
    fn default() -> Self {
        Edits {
            version: None,
            prerelease: None,
            snapshot: None,
            release: None,
            epoch: None,
            source0: None,
            prefix_dir: None,
            patches: Vec::new(),
            changelog: None,
            older_entries: None,
            auto: AutoMacros::Replace,
        }
    }
}

/// A Release to write; `%{?dist}` is kept, or added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseEdit {
    /// What stands before the dist tag.
    pub number: Release,
    /// The bump after the dist tag, for an older branch: `2%{?dist}.1`.
    pub minor: Option<u32>,
}

impl ReleaseEdit {
    /// Returns what stands after the dist tag.
    fn after_dist(&self) -> String {
        self.minor.map(|minor| format!(".{minor}")).unwrap_or_default()
    }
}

/// The commit that snapshot macros name, and its day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The commit.
    pub commit: ObjectId,
    /// Its committer date, in UTC.
    pub date: Date,
}

/// An edited spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// What a person may want to know: a macro that was replaced by plain text, an option that was added.
    pub notes: Vec<String>,
}

impl SpecFile {
    /// Makes the edits, or refuses with the line that stands in the way. What is not edited keeps its bytes, and
    /// the same edits on the result change nothing.
    pub fn edit(&self, edits: &Edits) -> Result<Edited, Refusal> {
        self.refuse_flaws()?;
        let mut editor = Editor { spec: self.clone(), edits, notes: Vec::new() };
        editor.version()?;
        editor.epoch()?;
        editor.release()?;
        editor.source0()?;
        editor.prefix()?;
        editor.patches()?;
        editor.changelog()?;
        editor.check()?;
        Ok(Edited { bytes: editor.spec.into_bytes(), notes: editor.notes })
    }

    fn refuse_flaws(&self) -> Result<(), Refusal> {
        match self.walk.flaws.first() {
            None => Ok(()),
            Some(flaw) => Err(Refusal::new(
                "spec-unreadable",
                format!("line {} of the spec {}", flaw.line + 1, flaw.what),
            )
            .hint("rpm would fail on this spec too; correct it")),
        }
    }
}

/// A spec on its way through the edits.
struct Editor<'e> {
    spec: SpecFile,
    edits: &'e Edits,
    notes: Vec<String>,
}

impl Editor<'_> {
    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Makes sure that the spec says what was asked for, after all edits, and that no edit tore it apart: a value
    /// that a macro carries over several lines may hide conditionals that are none until it is replaced.
    fn check(&self) -> Result<(), Refusal> {
        if let Some(flaw) = self.spec.walk.flaws.first() {
            let words = format!(
                "with the edits made, line {} of the spec {}: a value before it goes on over several lines",
                flaw.line + 1,
                flaw.what
            );
            return Err(Refusal::new("spec-edit-failed", words)
                .hint("write Version, Release and Source0 as plain text, each on one line"));
        }
        if let Some(version) = &self.edits.version
            && self.spec.version()? != *version
        {
            return Err(not_taken("Version", version.as_str()));
        }
        if let Some(epoch) = self.edits.epoch
            && self.spec.epoch()? != epoch
        {
            return Err(not_taken("Epoch", &epoch.to_string()));
        }
        Ok(())
    }
}

/// Refuses because no way of writing a value gave that value.
fn not_taken(what: &str, value: &str) -> Refusal {
    Refusal::new(
        "spec-edit-failed",
        format!("no way of writing {what} into the spec makes it come to {value}: something after the line changes it"),
    )
    .hint(format!("write {what} as plain text on one line, and use macros that are defined once"))
}
