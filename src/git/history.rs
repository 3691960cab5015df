//! Walks: who descends from whom, what came since, which tags are in reach.

use std::collections::HashSet;

use gix::traverse::commit::Simple;
use gix::traverse::commit::simple::{CommitTimeOrder, Sorting};

use super::store::{id_from_gix, id_to_gix};
use super::{Commit, Kind, Objects, Tag};
use crate::names::{BranchName, ObjectId, TagName};
use crate::outcome::{Fault, Problem, Refusal, Result, printable};

/// A tag reference and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagReference {
    /// The tag's name.
    pub name: TagName,
    /// What the reference points to: a tag object, or the commit itself for a lightweight tag.
    pub object: ObjectId,
    /// The commit that it leads to.
    pub commit: ObjectId,
    /// When it was made, in seconds since 1970: the tagger's time, else the committer's.
    pub seconds: i64,
}

/// One step of the first-parent line: a commit, and the tree that its change is measured against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The commit.
    pub commit: Commit,
    /// The tree of its first parent; for the last step off a tag beside the line, the tag's tree.
    pub base_tree: ObjectId,
}

/// How a commit stands to one that was published before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// It is the same commit.
    Same,
    /// It descends from it.
    Descendant,
    /// It is an ancestor of it: the branch was moved back.
    Ancestor,
    /// They share an ancestor, and neither contains the other: the branch was rewritten.
    Sibling,
    /// They share nothing, or the published one is not in the repository any more.
    Unrelated,
}

/// A commit met on a walk.
struct Met {
    commit: ObjectId,
    parents: Vec<ObjectId>,
}

fn unwalkable(error: impl std::fmt::Display) -> Fault {
    Refusal::new("history-unreadable", format!("the history cannot be walked: {error}"))
        .hint(
            "see that the repository is complete: no shallow or partial clone, no damaged objects",
        )
        .into()
}

impl Objects {
    /// Refuses a shallow repository: what was cut off cannot be counted or checked.
    ///
    /// # Errors
    /// `shallow-repository`.
    pub fn refuse_shallow(&self) -> Result<()> {
        match self.repository.is_shallow() {
            Ok(false) => Ok(()),
            Ok(true) => Err(Refusal::new(
                "shallow-repository",
                "the repository is a shallow clone: its history is cut off",
            )
            .hint("run `git fetch --unshallow` there, or name the full repository")
            .into()),
            Err(error) => Err(unwalkable(error)),
        }
    }

    /// Returns the commit at the end of the reference, or `None` where there is no such reference.
    ///
    /// # Errors
    /// Refuses references that cannot be read.
    pub fn reference(&self, name: &str) -> Result<Option<ObjectId>> {
        let found = self.repository.try_find_reference(name).map_err(unwalkable)?;
        let Some(mut reference) = found else { return Ok(None) };
        let target = reference.follow_to_object().map_err(unwalkable)?;
        Ok(Some(id_from_gix(&target)))
    }

    /// Points a reference at an object, wherever it pointed before.
    ///
    /// # Errors
    /// Fails where the repository cannot be written.
    pub fn set_reference(&self, name: &str, id: &ObjectId) -> Result<()> {
        use gix::refs::transaction::PreviousValue;
        let set = self.repository.reference(name, id_to_gix(id), PreviousValue::Any, "lockkeeper");
        set.map(drop).map_err(|error| {
            Problem::permanent("reference-not-written", format!("cannot set {name}: {error}"))
                .into()
        })
    }

    /// Resolves what a person typed (a branch, a tag, an id, `HEAD~2`) to a commit.
    ///
    /// The commit itself is not read: its object may be damaged, which is for the reader to say.
    ///
    /// # Errors
    /// Refuses what names nothing, or no commit.
    pub fn resolve(&self, revision: &str) -> Result<ObjectId> {
        if let Ok(id) = revision.parse::<ObjectId>()
            && id.as_bytes().len() == 20
        {
            return Ok(self.peel(&id).ok().flatten().map_or(id, |(commit, _)| commit));
        }
        let unknown = |why: String| {
            let place = self.repository.git_dir().display();
            let words = format!("{revision:?} names no commit in {place}: {why}");
            Refusal::new("revision-unknown", words).hint("give a branch, a tag or a full commit id")
        };
        let found = self.repository.rev_parse_single(revision);
        let id = id_from_gix(&found.map_err(|error| unknown(printable(error.to_string(), 300)))?);
        match self.peel(&id) {
            Ok(Some((commit, _))) => Ok(commit),
            Ok(None) => Err(unknown("it is no commit".to_owned()).into()),
            // What cannot be read is told by whoever reads it, as damaged or missing.
            Err(_) => Ok(id),
        }
    }

    /// Follows tag objects down to a commit; `None` where the chain ends in something else.
    ///
    /// Also returns the time of the outermost tag, 0 where there was none.
    fn peel(&self, id: &ObjectId) -> Result<Option<(ObjectId, i64)>> {
        let (mut current, mut seconds) = (*id, 0);
        // Nobody nests tags ten deep; a longer chain is an attack on our patience.
        for _ in 0..10 {
            let object = self.read(&current)?;
            match object.kind {
                Kind::Commit => return Ok(Some((current, seconds))),
                Kind::Tag => {
                    let Ok(tag) = Tag::parse(current, object.data) else { return Ok(None) };
                    seconds = if seconds == 0 { tag.seconds } else { seconds };
                    current = tag.target;
                }
                Kind::Tree | Kind::Blob => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Returns every tag that leads to a commit, by name; names that are not legal are left out.
    ///
    /// # Errors
    /// Refuses references that cannot be read.
    pub fn tags(&self) -> Result<Vec<TagReference>> {
        let platform = self.repository.references().map_err(unwalkable)?;
        let mut tags = Vec::new();
        for reference in platform.tags().map_err(unwalkable)? {
            let reference = reference.map_err(unwalkable)?;
            let shown = reference.name().shorten().to_string();
            let (Ok(name), Some(id)) = (shown.parse::<TagName>(), reference.try_id()) else {
                continue;
            };
            let object = id_from_gix(&id);
            if let Some((commit, seconds)) = self.peel(&object)? {
                tags.push(TagReference { name, object, commit, seconds });
            }
        }
        Ok(tags)
    }

    /// Tells whether `ancestor` is `commit` itself or one of its ancestors.
    ///
    /// # Errors
    /// Refuses a history with missing objects.
    pub fn is_ancestor(&self, ancestor: &ObjectId, commit: &ObjectId) -> Result<bool> {
        if ancestor == commit {
            return Ok(true);
        }
        let mut bases = self.range(ancestor, &[*commit])?;
        bases.truncate(1);
        Ok(bases.is_empty())
    }

    /// Tells how `new` stands to `published`.
    ///
    /// # Errors
    /// Refuses a history with missing objects.
    pub fn relation(&self, new: &ObjectId, published: &ObjectId) -> Result<Relation> {
        if new == published {
            return Ok(Relation::Same);
        }
        if !self.has(published) {
            return Ok(Relation::Unrelated);
        }
        if self.is_ancestor(published, new)? {
            return Ok(Relation::Descendant);
        }
        if self.is_ancestor(new, published)? {
            return Ok(Relation::Ancestor);
        }
        let bases = self.repository.merge_bases_many(id_to_gix(new), &[id_to_gix(published)]);
        Ok(if bases.map_err(unwalkable)?.is_empty() {
            Relation::Unrelated
        } else {
            Relation::Sibling
        })
    }

    /// Returns the commits reachable from `tip` and from none of `hidden`, newest first.
    ///
    /// # Errors
    /// Refuses a history with missing objects.
    pub fn range(&self, tip: &ObjectId, hidden: &[ObjectId]) -> Result<Vec<ObjectId>> {
        self.walk(tip, hidden)?.map(|met| Ok(met?.commit)).collect()
    }

    /// Returns the commits reachable from `tip` and not from `known`, newest first; `None` where `tip` does not
    /// descend from `known`, so that what was found out from there says nothing.
    ///
    /// # Errors
    /// Refuses a history with missing objects.
    pub fn news(&self, tip: &ObjectId, known: &ObjectId) -> Result<Option<Vec<ObjectId>>> {
        if tip == known {
            return Ok(Some(Vec::new()));
        }
        if !self.has(known) {
            return Ok(None);
        }
        let mut commits = Vec::new();
        let mut descends = false;
        for met in self.walk(tip, std::slice::from_ref(known))? {
            let Met { commit, parents } = met?;
            descends |= parents.contains(known);
            commits.push(commit);
        }
        Ok(descends.then_some(commits))
    }

    /// Walks from `tip`, newest first, leaving out what `hidden` reach.
    ///
    /// Commits are read as [`Objects::read`] reads them, so that those of a repository in place are hashed; a
    /// commit graph, which would be believed without, is not used.
    fn walk(
        &self,
        tip: &ObjectId,
        hidden: &[ObjectId],
    ) -> Result<impl Iterator<Item = Result<Met>>> {
        let walk = Simple::new([id_to_gix(tip)], self)
            .sorting(Sorting::ByCommitTime(CommitTimeOrder::NewestFirst))
            .and_then(|walk| walk.hide(hidden.iter().map(id_to_gix)))
            .map_err(unwalkable)?;
        Ok(walk.map(|info| {
            let info = info.map_err(unwalkable)?;
            let parents = info.parent_ids.iter().map(|id| id_from_gix(id)).collect();
            Ok(Met { commit: id_from_gix(&info.id), parents })
        }))
    }

    /// Returns the steps of the first-parent line from the tag's commit to the tip, oldest first.
    ///
    /// Where the tag lies beside the line (a merged maintenance tag), first parents are walked while they
    /// contain the tag, and the oldest step is measured against the tag's tree (design, section 3).
    ///
    /// # Errors
    /// Refuses a history with missing objects.
    pub fn steps_since(&self, tip: &ObjectId, tag_commit: &ObjectId) -> Result<Vec<Step>> {
        let containing = self.containing(tip, tag_commit)?;
        let mut steps: Vec<Step> = Vec::new();
        let mut current = *tip;
        while current != *tag_commit && containing.contains(&current) {
            let commit = self.commit(&current)?;
            let Some(parent) = commit.parents.first().copied() else { break };
            let base_tree = self.commit(&parent)?.tree;
            steps.push(Step { commit, base_tree });
            current = parent;
        }
        if current != *tag_commit
            && let Some(oldest) = steps.last_mut()
        {
            oldest.base_tree = self.commit(tag_commit)?.tree;
        }
        steps.reverse();
        Ok(steps)
    }

    /// Returns the commits between `tag_commit` and `tip` that descend from `tag_commit`.
    fn containing(&self, tip: &ObjectId, tag_commit: &ObjectId) -> Result<HashSet<ObjectId>> {
        let mut parents_of = Vec::new();
        for met in self.walk(tip, std::slice::from_ref(tag_commit))? {
            let Met { commit, parents } = met?;
            parents_of.push((commit, parents));
        }
        Ok(descendants(&parents_of, tag_commit))
    }
}

/// Returns those commits of the graph from which `ancestor` can be reached.
fn descendants(parents_of: &[(ObjectId, Vec<ObjectId>)], ancestor: &ObjectId) -> HashSet<ObjectId> {
    let mut children: std::collections::HashMap<ObjectId, Vec<ObjectId>> = Default::default();
    for (commit, parents) in parents_of {
        for parent in parents {
            children.entry(*parent).or_default().push(*commit);
        }
    }
    let mut found = HashSet::new();
    let mut waiting = vec![*ancestor];
    while let Some(commit) = waiting.pop() {
        for child in children.get(&commit).into_iter().flatten() {
            if found.insert(*child) {
                waiting.push(*child);
            }
        }
    }
    found
}

impl Objects {
    /// Returns every branch and the commit at its tip.
    ///
    /// # Errors
    /// Refuses references that cannot be read.
    pub fn branches(&self) -> Result<Vec<(BranchName, ObjectId)>> {
        let platform = self.repository.references().map_err(unwalkable)?;
        let mut branches = Vec::new();
        for reference in platform.local_branches().map_err(unwalkable)? {
            let reference = reference.map_err(unwalkable)?;
            let name = reference.name().shorten().to_string().parse();
            if let (Ok(name), Some(id)) = (name, reference.try_id()) {
                branches.push((name, id_from_gix(&id)));
            }
        }
        Ok(branches)
    }

    /// Returns those of `wanted` that can be reached from `tip`; the walk ends where all are found.
    ///
    /// # Errors
    /// Refuses a history with missing objects.
    pub fn reachable(
        &self,
        tip: &ObjectId,
        mut wanted: HashSet<ObjectId>,
    ) -> Result<HashSet<ObjectId>> {
        let mut reached = HashSet::new();
        let mut walk = self.walk(tip, &[])?;
        while !wanted.is_empty()
            && let Some(met) = walk.next().transpose()?
        {
            reached.extend(wanted.take(&met.commit));
        }
        Ok(reached)
    }
}
