//! The commits that a publication brings, as the changelog rules want them.

use bstr::ByteSlice;
use jiff::civil::Date;

use super::changelog::LogCommit;
use crate::decide::Order;
use crate::git::{Commit, Objects};
use crate::names::{ObjectId, TreePath};
use crate::outcome::Result;

/// Returns the commits since the last published one, newest first; at first, since the release tag.
///
/// # Errors
/// Refuses a history that cannot be read.
pub fn since_published(objects: &Objects, order: &Order) -> Result<Vec<LogCommit>> {
    let tip = &order.source_commit.id;
    let published = order.published.as_ref().map(|published| published.publication.source_commit);
    let since = published.filter(|id| objects.has(id)).unwrap_or(order.release.tag.commit);
    let range = objects.range(tip, &[since])?;
    let first_parents = first_parents(objects, tip, &range)?;
    let mut packaging: Vec<TreePath> = order.config.packaging.clone();
    packaging.push(order.spec.path.clone());
    range
        .iter()
        .map(|id| {
            let commit = objects.commit(id)?;
            Ok(LogCommit {
                id: *id,
                message: commit.message_text(),
                parents: commit.parents.len(),
                on_first_parent_line: first_parents.contains(id),
                packaging_only: is_packaging_only(objects, &commit, &packaging)?,
            })
        })
        .collect()
}

fn first_parents(
    objects: &Objects,
    tip: &ObjectId,
    range: &[ObjectId],
) -> Result<std::collections::HashSet<ObjectId>> {
    let range: std::collections::HashSet<&ObjectId> = range.iter().collect();
    let mut line = std::collections::HashSet::new();
    let mut current = Some(*tip);
    while let Some(id) = current.filter(|id| range.contains(id)) {
        line.insert(id);
        current = objects.commit(&id)?.parents.first().copied();
    }
    Ok(line)
}

/// Tells whether a commit changes something, and only packaging paths.
fn is_packaging_only(objects: &Objects, commit: &Commit, packaging: &[TreePath]) -> Result<bool> {
    let before = match commit.parents.first() {
        Some(parent) => objects.commit(parent)?.tree,
        None => ObjectId::from_bytes(&[0; 20]).expect("20 bytes are an id"),
    };
    if before == commit.tree {
        return Ok(false);
    }
    let is_packaging = |path: &bstr::BStr| packaging.iter().any(|packaging| packaging.covers(path));
    Ok(objects.changes(&before, &commit.tree, &is_packaging)?.is_empty())
}

/// Returns the day of a time in seconds since 1970, in UTC; times that no calendar holds become the nearest day.
pub fn utc_date(seconds: i64) -> Date {
    let timestamp = jiff::Timestamp::from_second(seconds.max(0)).unwrap_or(jiff::Timestamp::MAX);
    timestamp.to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Returns the author's name as text.
pub fn author_name(commit: &Commit) -> String {
    commit.author.name.to_str_lossy().into_owned()
}

/// Returns the author's mail address as text.
pub fn author_mail(commit: &Commit) -> String {
    commit.author.mail.to_str_lossy().into_owned()
}
