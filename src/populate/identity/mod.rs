//! Tree identity: does what is prepared equal what was signed?
//!
//! [`compare`] answers it in git terms. [`appliers`] tells beforehand which patches the spec's own way of
//! applying them cannot carry. Rule: the design, section 5, "Tree identity".

pub mod appliers;
pub mod series;

#[cfg(test)]
mod tests;

use bstr::BString;

pub use appliers::{Applier, ApplierCause, ApplierFault, applier_faults};

use crate::git::{Objects, Side};
use crate::names::{FileName, ObjectId, TreePath};
use crate::outcome::Result;

/// How tree identity is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// In git terms: always done.
    #[default]
    Git,
    /// By rpm too: `%prep` is run in a sandbox, and what it leaves is compared ([`crate::prove`]).
    Rpm,
}

impl Method {
    /// Returns the word for it on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Git => "git",
            Method::Rpm => "rpm",
        }
    }
}

/// How many paths an archive and its tag do not agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AtTag {
    /// Files that the archive has and the tag has not: generated ones.
    pub only_in_archive: usize,
    /// Files that the tag has and the archive has not.
    pub only_in_tag: usize,
    /// Files that both have, with other content or another mode.
    pub changed: usize,
}

impl AtTag {
    /// Counts them.
    pub fn count(differences: &[Difference]) -> AtTag {
        let mut count = AtTag::default();
        for difference in differences {
            match (difference.got, difference.wanted) {
                (Some(_), None) => count.only_in_archive += 1,
                (None, _) => count.only_in_tag += 1,
                (Some(_), Some(_)) => count.changed += 1,
            }
        }
        count
    }

    /// Says for people how `archive` differs from its tag; `None` where it does not.
    pub fn words(&self, archive: &FileName) -> Option<String> {
        let AtTag { only_in_archive, only_in_tag, changed } = self;
        (*self != AtTag::default()).then(|| {
            format!(
                "{archive} is not its tag: {only_in_archive} files only in it, {only_in_tag} only in the tag, \
                 {changed} with other content; this difference is left out of the proof"
            )
        })
    }
}

/// A path that two trees do not agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path.
    pub path: BString,
    /// What the prepared tree has there.
    pub got: Option<Side>,
    /// What it should have.
    pub wanted: Option<Side>,
}

/// Returns the paths at which the tree `got` is not the tree `wanted`, in git's order.
///
/// Paths in `except`, and all below them, are not looked at. Equal subtrees cost nothing.
///
/// # Errors
/// Fails where a tree cannot be read.
pub fn compare(
    objects: &Objects,
    got: ObjectId,
    wanted: ObjectId,
    except: &[TreePath],
) -> Result<Vec<Difference>> {
    let skip = |path: &bstr::BStr| except.iter().any(|excepted| excepted.covers(path));
    let changes = objects.changes(&got, &wanted, &skip)?;
    let difference = |change: crate::git::FileChange| Difference {
        path: change.path,
        got: change.old,
        wanted: change.new,
    };
    Ok(changes.into_iter().map(difference).collect())
}
