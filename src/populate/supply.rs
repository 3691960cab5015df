//! What population needs from outside, brought before it begins: population itself has neither network nor engine.
//!
//! 1. the branch's image gets its digest, once;
//! 2. a project's own tool writes the spec ([`super::contained::write_spec`]), and the release is planned again;
//! 3. the released tarball is brought ([`super::upstream::obtain`]);
//! 4. the branch's container runs ([`super::contained::populate`]), and what it says of version and spec passes the
//!    checks of every release.
//!
//! Where the branch names neither image nor tool, only the third is done.

use super::contained::{self, Given, Room, Subject};
use super::upstream::obtain::{ReleaseTarball, Releases, obtain};
use crate::decide::{Amend, Amendment};
use crate::git::Store;
use crate::observe::DistGit;
use crate::outcome::Result;

/// What was brought.
pub struct Supplies {
    /// The released tarball, where the mechanism takes one.
    pub release: Option<ReleaseTarball>,
    /// What a container gave, where the branch names one.
    pub given: Option<Given>,
    /// What a person might want to know.
    pub notes: Vec<String>,
}

/// The repositories, and where things come from.
pub struct Means<'a> {
    /// The source repository.
    pub source: &'a Store,
    /// The dist-git branch.
    pub dist_git: &'a DistGit,
    /// Where released tarballs come from.
    pub releases: &'a Releases<'a>,
    /// Where containers run.
    pub room: Room<'a>,
}

/// Brings everything, and returns the order as it stands then.
///
/// # Errors
/// Refusals of the tarball's pins, of containers and for what they left; problems of network and engine.
pub async fn supply<A: Amend>(mut ordered: A, means: &Means<'_>) -> Result<(A, Supplies)> {
    let Means { source, dist_git, releases, room } = means;
    let mut notes = Vec::new();
    let image = room.containers.image(ordered.order()).await?;
    if let Some(image) = &image {
        ordered = ordered.amend(Amendment::Image(image.to_string()))?;
    }
    let before = Subject { order: ordered.order(), source, dist_git, release: None };
    if let Some((spec, tools)) = contained::write_spec(before, image.as_ref(), room).await? {
        notes.push(format!("the spec was written by spec.command in {tools}"));
        ordered = ordered.amend(spec)?;
    }
    let release = obtain(ordered.order(), dist_git, releases, room.work).await?;
    let mut given = None;
    if let Some(image) = &image {
        let release = release.as_ref();
        let subject = Subject { order: ordered.order(), source, dist_git, release };
        let (gave, amendments) = contained::populate(subject, image, room).await?;
        for amendment in amendments {
            ordered = ordered.amend(amendment)?;
        }
        given = Some(gave);
    }
    Ok((ordered.close()?, Supplies { release, given, notes }))
}
