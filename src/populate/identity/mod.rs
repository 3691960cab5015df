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
use crate::names::{ObjectId, TreePath};
use crate::outcome::Result;

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
