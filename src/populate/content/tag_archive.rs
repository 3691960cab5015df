//! `tag-archive`: the tag's content, and a patch for each commit after it.

use super::own_archive::OwnArchive;
use super::{Base, Content, Ingredients};
use crate::decide::Order;
use crate::digest::{HashType, Sha512};
use crate::names::FileName;
use crate::observe::DistGit;
use crate::outcome::Result;
use crate::populate::DraftArchive;
use crate::populate::mechanism::Archive;
use crate::populate::patches::Series;
use crate::sources::SourcesFile;

pub(super) fn prove(of: Ingredients<'_>, archive: Archive, series: Series) -> Result<Content> {
    let objects = of.source.scratch();
    let tag_commit = archive.commit.clone();
    let mut made = OwnArchive::proved(archive, of)?;
    let imported = made.import(&objects)?;
    let mut proof = std::mem::take(&mut made.proof);
    let base = Base {
        objects: &objects,
        base_tree: imported.tree,
        tag_tree: tag_commit.tree,
        archive: made.path(),
        file: &made.line.name,
        top: &made.top,
    };
    let proved = of.prove(&base, &series, &mut proof)?;
    let kept = listed_before(of.order, of.dist_git, &made.line.name)?;
    Ok(Content {
        source0: Some(made.line.name.clone()),
        archives: vec![kept.unwrap_or(made.line)],
        top: Some(made.top),
        archived_commit: tag_commit.id,
        patches: series.patches,
        proof,
        prepared: proved.prepared,
        notes: proved.notes,
    })
}

/// Returns the archive that `sources` lists from the last publication of the same tag: it is never made again,
/// since deflate's bytes depend on the library's version.
fn listed_before(
    order: &Order,
    dist_git: &DistGit,
    name: &FileName,
) -> Result<Option<DraftArchive>> {
    let tag = &order.release.tag;
    let is_same_tag = order.published.as_ref().is_some_and(|published| {
        published.publication.release_tag == (tag.name.clone(), tag.object)
            && published.publication.population == order.population()
    });
    let objects = dist_git.store.objects();
    let Some(entry) = objects.entry_at(&dist_git.tip.tree, "sources")?.filter(|_| is_same_tag)
    else {
        return Ok(None);
    };
    let sources = SourcesFile::parse(&objects.blob(&entry.id)?)?;
    let digest = sources.digest_of(name).filter(|digest| digest.hash_type() == HashType::Sha512);
    let listed = digest.and_then(|digest| digest.hex().parse::<Sha512>().ok());
    Ok(listed.map(|sha512| DraftArchive { name: name.clone(), sha512, size: None, path: None }))
}
