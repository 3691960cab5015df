//! What a changelog entry says: commits in, one-line items out.
//!
//! An entry stands for one publication; its items are the commits since the last one. STRATEGY, the
//! design's section 4, in this order:
//!
//! 1. `[skip changelog]` and `Changelog: none` take a commit out: its author has said so;
//! 2. `fixup!`, `squash!` and `amend!` commits go into the commit that they mend (`fold`);
//! 3. a commit and its revert go, and so does a revert and its own revert (`fold`);
//! 4. commits that touch packaging paths only go;
//! 5. merges go (`per: commit`), or all that is not on the first-parent line does (`per: merge`);
//! 6. a `Changelog:` trailer replaces the subject, and bug references are appended (`message`);
//! 7. what is over the limit is counted in a last item.
//!
//! Collapsing changes words only, never patches or the release. Every commit is either in an item or in
//! [`Changes::dropped`], with the reason. The text is one plain line; making it harmless to rpm is left to
//! the spec room, through which all of an entry goes.

mod fold;
mod message;

use std::fmt;

use crate::config::{self, ChangelogItem, Collapse};
use crate::names::{ObjectId, TagName, Version};
use fold::Group;

/// A commit as the changelog sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCommit {
    /// The commit.
    pub id: ObjectId,
    /// The whole message, decoded.
    pub message: String,
    /// How many parents it has.
    pub parents: usize,
    /// Whether it is on the first-parent line of the tip.
    pub on_first_parent_line: bool,
    /// Whether it touches packaging paths only.
    pub packaging_only: bool,
}

/// The items of one entry, and what became of every other commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The items, newest first; never empty.
    pub items: Vec<Item>,
    /// The commits that no item stands for, in the order of the input.
    pub dropped: Vec<Dropped>,
}

/// One item of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// One line of text, without control characters and not escaped for rpm.
    pub text: String,
    /// The commits that it stands for, newest first; none for an item that says there was nothing.
    pub commits: Vec<ObjectId>,
}

/// A commit that no item stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// The commit.
    pub id: ObjectId,
    /// Why.
    pub why: DropReason,
}

/// Why no item stands for a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// It says `[skip changelog]` or `Changelog: none`.
    Skipped,
    /// It and its revert cancel each other.
    Reverted,
    /// It touches packaging paths only.
    PackagingOnly,
    /// It is a merge, and items stand for commits.
    Merge,
    /// It came in by a merge, and items stand for merges.
    MergedIn,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropReason::Skipped => "asks to be left out of the changelog",
            DropReason::Reverted => "is undone by a revert, or is that revert",
            DropReason::PackagingOnly => "touches packaging paths only",
            DropReason::Merge => "is a merge",
            DropReason::MergedIn => "came in by a merge",
        })
    }
}

/// What is published: the words where no commit has any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occasion<'a> {
    /// The release tag.
    pub tag: &'a TagName,
    /// The version.
    pub version: &'a Version,
    /// Whether this version was not published on the branch before.
    pub version_is_new: bool,
}

/// Returns the items for `commits`, which are newest first as `git log` lists them.
pub fn items(commits: &[LogCommit], rules: &config::Changelog, occasion: Occasion<'_>) -> Changes {
    let folded = fold::fold(commits, &rules.collapse);
    let mut dropped = folded.dropped;
    let mut items = Vec::new();
    for group in folded.groups {
        match reason_to_drop(&group, rules) {
            Some(why) => dropped.extend(group.indices().map(|index| (index, why))),
            None => items.push(group.item()),
        }
    }
    dropped.sort_by_key(|(index, _)| *index);
    let dropped = dropped.into_iter().map(|(index, why)| Dropped { id: commits[index].id, why });
    Changes { items: limited(items, rules.limit, occasion), dropped: dropped.collect() }
}

fn reason_to_drop(group: &Group<'_>, rules: &config::Changelog) -> Option<DropReason> {
    let head = group.head;
    let packaging = rules.collapse.contains(&Collapse::Packaging);
    if packaging && group.members().all(|commit| commit.packaging_only) {
        return Some(DropReason::PackagingOnly);
    }
    let worded = message::replacement(group.message()).is_some();
    match rules.per {
        ChangelogItem::Commit if head.parents > 1 && !worded => Some(DropReason::Merge),
        ChangelogItem::Merge if !head.on_first_parent_line => Some(DropReason::MergedIn),
        ChangelogItem::Commit | ChangelogItem::Merge => None,
    }
}

/// Cuts the items to `limit` and counts the rest in one more; says what happened where there is none.
fn limited(mut items: Vec<Item>, limit: usize, occasion: Occasion<'_>) -> Vec<Item> {
    if items.is_empty() {
        return vec![nothing_left(occasion)];
    }
    let rest = items.split_off(limit.min(items.len()));
    if !rest.is_empty() {
        items.push(counted(rest, limit));
    }
    items
}

fn counted(rest: Vec<Item>, limit: usize) -> Item {
    let text = match (limit, rest.len()) {
        (0, 1) => "1 change".to_owned(),
        (0, count) => format!("{count} changes"),
        (_, 1) => "and 1 more change".to_owned(),
        (_, count) => format!("and {count} more changes"),
    };
    Item { text, commits: rest.into_iter().flat_map(|item| item.commits).collect() }
}

fn nothing_left(occasion: Occasion<'_>) -> Item {
    let text = match occasion.version_is_new {
        true => format!("Update to {}", occasion.version),
        false => format!("Rebuild of {}", message::one_line(occasion.tag.as_str())),
    };
    Item { text, commits: Vec::new() }
}

#[cfg(test)]
mod tests;
