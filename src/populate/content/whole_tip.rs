//! `archive`: the tip's content, and no patches.

use super::own_archive::OwnArchive;
use super::{Base, Content, Ingredients, Prepared};
use crate::outcome::Result;
use crate::populate::Proof;
use crate::populate::identity::Method;
use crate::populate::mechanism::Archive;
use crate::populate::patches::Series;

pub(super) fn prove(of: Ingredients<'_>, archive: Archive) -> Result<Content> {
    let made = OwnArchive::proved(archive, of)?;
    let prepared = prepared(of, &made)?;
    let notes = of.by_hand.iter();
    let notes = notes.map(|patch| format!("{} is applied on top of the signed tree", patch.file));
    Ok(Content {
        source0: Some(made.line.name.clone()),
        archives: vec![made.line],
        top: Some(made.top),
        archived_commit: of.order.source_commit.id,
        patches: Vec::new(),
        proof: made.proof,
        prepared,
        notes: notes.collect(),
    })
}

/// Works out what `%prep` must come to: the archive, which is the tip, and the patches by hand on top.
fn prepared(of: Ingredients<'_>, made: &OwnArchive) -> Result<Option<Prepared>> {
    if of.provisions.method == Method::Git {
        return Ok(None);
    }
    let objects = of.source.scratch_in(of.provisions.work)?;
    let tree = made.import(&objects)?.tree;
    let base = Base {
        objects: &objects,
        base_tree: tree,
        tag_tree: tree,
        archive: made.path(),
        file: &made.line.name,
        top: &made.top,
    };
    let with_hand = of.on_top(&base, tree, &Series::default(), &mut Proof::default())?;
    of.prepared(&base, with_hand)
}
