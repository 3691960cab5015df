//! Which commits go together: fixups with what they mend, reverts with what they undo.
//!
//! Every commit begins as a group of its own. A group is named by the index of its head in the input.

use std::collections::{BTreeSet, HashMap};

use super::message::{self, Reverts};
use super::{DropReason, Item, LogCommit};
use crate::config::Collapse;

/// A commit and those that mend it.
#[derive(Debug)]
pub(super) struct Group<'c> {
    /// The commit that the item is about.
    pub head: &'c LogCommit,
    head_index: usize,
    /// Those that mend it, newest first.
    mending: Vec<(usize, &'c LogCommit)>,
}

impl<'c> Group<'c> {
    /// Returns all commits of the group, newest first.
    pub fn members(&self) -> impl Iterator<Item = &'c LogCommit> + '_ {
        self.mending.iter().map(|(_, commit)| *commit).chain([self.head])
    }

    /// Returns the places of all its commits in the input.
    pub fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.mending.iter().map(|(index, _)| *index).chain([self.head_index])
    }

    /// Returns the message that counts: the newest `amend!`, else the head's own.
    pub fn message(&self) -> &'c str {
        let amended = self.mending.iter().find_map(|(_, commit)| message::amended(&commit.message));
        amended.unwrap_or(&self.head.message)
    }

    /// Returns the item that stands for the group.
    pub fn item(&self) -> Item {
        let mut references = message::References::default();
        references.collect(self.message());
        self.mending.iter().for_each(|(_, commit)| references.collect(&commit.message));
        Item {
            text: references.append_to(&message::title(self.message())),
            commits: self.members().map(|commit| commit.id).collect(),
        }
    }
}

/// The groups that are left, newest head first, and what was dropped on the way.
pub(super) struct Folded<'c> {
    pub groups: Vec<Group<'c>>,
    pub dropped: Vec<(usize, DropReason)>,
}

/// Folds and cancels commits, which are newest first.
pub(super) fn fold<'c>(commits: &'c [LogCommit], collapse: &BTreeSet<Collapse>) -> Folded<'c> {
    let mut state = State::new(commits);
    state.skip();
    if collapse.contains(&Collapse::Fixups) {
        state.fold_fixups();
    }
    if collapse.contains(&Collapse::Reverts) {
        state.cancel_reverts();
    }
    state.finish()
}

/// How many commits with one subject are looked at: a bound on what a hostile history can cost.
const LOOKED_AT: usize = 1000;

struct State<'c> {
    commits: &'c [LogCommit],
    subjects: Vec<String>,
    /// The head of the group that a commit is in; its own index where it is a head.
    head: Vec<usize>,
    /// The commits that mend a head, oldest first.
    mending: HashMap<usize, Vec<usize>>,
    dropped: Vec<Option<DropReason>>,
    /// Subjects and indices, in order.
    by_subject: Vec<(String, usize)>,
    /// Ids in hex and indices, in order.
    by_id: Vec<(String, usize)>,
}

impl<'c> State<'c> {
    fn new(commits: &'c [LogCommit]) -> State<'c> {
        let subjects: Vec<_> =
            commits.iter().map(|commit| message::subject(&commit.message)).collect();
        let ids = commits.iter().map(|commit| commit.id.to_string());
        State {
            commits,
            head: (0..commits.len()).collect(),
            mending: HashMap::new(),
            dropped: vec![None; commits.len()],
            by_subject: in_order(subjects.iter().cloned()),
            by_id: in_order(ids),
            subjects,
        }
    }

    fn skip(&mut self) {
        for (commit, dropped) in self.commits.iter().zip(&mut self.dropped) {
            if message::asks_to_be_skipped(&commit.message) {
                *dropped = Some(DropReason::Skipped);
            }
        }
    }

    /// Puts every marked commit into the nearest older commit that it names, the oldest first, so that one
    /// that names a mending commit by its id goes where that one went.
    fn fold_fixups(&mut self) {
        for index in (0..self.commits.len()).rev() {
            if self.dropped[index].is_none()
                && message::mark(&self.subjects[index]).is_some()
                && let Some(target) = self.target(index)
            {
                let head = self.head[target];
                self.head[index] = head;
                self.mending.entry(head).or_default().push(index);
                self.dropped[index] = self.dropped[head];
            }
        }
    }

    /// Returns the commit that a marked one mends: by whole subject, by id, or by how its subject begins.
    fn target(&self, index: usize) -> Option<usize> {
        let wanted = message::without_marks(&self.subjects[index]);
        if message::mark(wanted).is_some() {
            return None;
        }
        let same = self.older_with_subject(wanted, index).next();
        let by_id = || self.by_id(wanted).filter(|found| *found > index);
        same.or_else(by_id).or_else(|| self.older_that_begins(wanted, index))
    }

    /// Returns older commits with this subject, nearest first.
    fn older_with_subject<'s>(
        &'s self,
        subject: &'s str,
        index: usize,
    ) -> impl Iterator<Item = usize> + 's {
        let from = self
            .by_subject
            .partition_point(|(other, at)| (other.as_str(), *at) <= (subject, index));
        let same = self.by_subject[from..].iter().take_while(move |(other, _)| other == subject);
        same.take(LOOKED_AT).map(|(_, found)| *found)
    }

    fn older_that_begins(&self, beginning: &str, index: usize) -> Option<usize> {
        let from = self.by_subject.partition_point(|(other, _)| other.as_str() < beginning);
        let begins = self.by_subject[from..].iter().take_while(|(s, _)| s.starts_with(beginning));
        let is_target =
            |(subject, at): &&(String, usize)| *at > index && message::mark(subject).is_none();
        begins.take(LOOKED_AT).filter(is_target).map(|(_, at)| *at).min()
    }

    /// Returns the one commit whose id begins with this text of 7 or more hex digits.
    fn by_id(&self, text: &str) -> Option<usize> {
        if text.len() < 7 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let from = self.by_id.partition_point(|(id, _)| id.as_str() < text);
        let mut found = self.by_id[from..].iter().take_while(|(id, _)| id.starts_with(text));
        match (found.next(), found.next()) {
            (Some((_, index)), None) => Some(*index),
            _ => None,
        }
    }

    /// Cancels reverts, the newest first, so that the revert of a revert leaves the first commit alone.
    fn cancel_reverts(&mut self) {
        for index in 0..self.commits.len() {
            if self.dropped[index].is_none()
                && self.head[index] == index
                && let Some(targets) = self.reverted_by(index)
            {
                self.cancel(index);
                targets.into_iter().for_each(|target| self.cancel(target));
            }
        }
    }

    /// Returns what a commit reverts, where all of it is in range and still stands.
    fn reverted_by(&self, index: usize) -> Option<Vec<usize>> {
        let stands =
            |found: &usize| *found > index && self.dropped[*found] != Some(DropReason::Reverted);
        match message::reverts(&self.commits[index].message)? {
            Reverts::Commits(ids) => ids.iter().map(|id| self.by_id(id).filter(stands)).collect(),
            Reverts::Subject(subject) => {
                Some(vec![self.older_with_subject(&subject, index).find(stands)?])
            }
        }
    }

    /// Drops a commit and all that mends it; a mending commit goes alone.
    fn cancel(&mut self, index: usize) {
        let mending = self.mending.get(&index).into_iter().flatten().copied();
        for member in mending.chain([index]) {
            self.dropped[member].get_or_insert(DropReason::Reverted);
        }
    }

    fn finish(self) -> Folded<'c> {
        let commits = self.commits;
        let all = || (0..commits.len()).zip(&self.dropped);
        let stays = |index: &usize| self.dropped[*index].is_none();
        let heads = (0..commits.len()).filter(|index| stays(index) && self.head[*index] == *index);
        let groups = heads.map(|head_index| {
            let mending = self.mending.get(&head_index).into_iter().flatten().copied();
            let mending =
                mending.rev().filter(stays).map(|index| (index, &commits[index])).collect();
            Group { head: &commits[head_index], head_index, mending }
        });
        Folded {
            groups: groups.collect(),
            dropped: all().filter_map(|(index, why)| Some((index, (*why)?))).collect(),
        }
    }
}

/// Returns texts with their places, ordered by text and then by place.
fn in_order(texts: impl Iterator<Item = String>) -> Vec<(String, usize)> {
    let mut ordered: Vec<_> = texts.enumerate().map(|(index, text)| (text, index)).collect();
    ordered.sort();
    ordered
}
