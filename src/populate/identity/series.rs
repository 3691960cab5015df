//! Tree identity of an archive with a series: tarball + patches = tip, declared packaging aside.
//!
//! STRATEGY. Let `base` be the tree that the archive unpacks to, `tag` the tag's tree, `tip` the signed one.
//!
//! 1. `base` against `tag` is measured: what differs here differs because the archive is not the tag
//!    (`export-ignore`, generated files), and it is reported.
//! 2. patches by hand are applied to `base`, then the series, from their text.
//! 3. patches by hand are applied to `tip` too, where they go on: that is what is wanted. Where they do not,
//!    what they change cannot be told from the rest, and those paths are left out and named.
//! 4. the result against what is wanted: a path may differ only as it differed at the tag, that is by the same
//!    sides, or (where the series changed the file) by the same changed lines.
//!
//! What is left after that breaks the promise, and is a refusal that names files and cause.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BString, ByteSlice};

use super::{Applier, ApplierFault, AtTag, Difference, applier_faults, compare};
use crate::git::{EntryMode, LineDiff, Objects, Side};
use crate::names::ObjectId;
use crate::outcome::{Fault, Refusal, Result, printable};
use crate::populate::Proof;
use crate::populate::apply::{self, Cause, Stopped};
use crate::populate::content::PatchByHand;
use crate::populate::patches::{PatchRules, Series};
use crate::spec::{Applier as SpecApplier, SpecFile};

/// How many files a refusal names.
const NAMED: usize = 10;

/// What is proved against what.
pub struct SeriesProof<'a> {
    /// Objects of the source, with room for what the proof writes.
    pub objects: &'a Objects,
    /// The tree that the archive unpacks to.
    pub base_tree: ObjectId,
    /// The release tag's tree.
    pub tag_tree: ObjectId,
    /// The signed tree.
    pub tip_tree: ObjectId,
    /// The patches.
    pub series: &'a Series,
    /// Patches that are applied before them.
    pub by_hand: &'a [PatchByHand],
    /// What patches leave out.
    pub rules: &'a PatchRules,
}

/// Proves the series, notes in `proof` what had to be subtracted, and returns the tree that `%prep` comes to.
///
/// # Errors
/// Refuses (`tree-identity`) a series that does not apply, or gives another tree.
pub fn prove_series(against: &SeriesProof<'_>, proof: &mut Proof) -> Result<ObjectId> {
    let at_tag = compare(against.objects, against.base_tree, against.tag_tree, &against.except())?;
    proof.at_tag = AtTag::count(&at_tag);
    proof.differs_at_tag =
        at_tag.iter().map(|difference| printable(&difference.path, 300)).collect();
    let hand: Vec<&[u8]> = against.by_hand.iter().map(|patch| &patch.content.content[..]).collect();
    let ours: Vec<&[u8]> = against.series.patches.iter().map(|patch| &patch.bytes[..]).collect();
    let with_hand = apply::series(against.objects, against.base_tree, &hand)
        .map_err(|stopped| by_hand_stopped(against, stopped))?;
    let result = apply::series(against.objects, with_hand, &ours)
        .map_err(|stopped| stopped_at(against, stopped, proof))?;
    let mut open = against.ignored_paths(proof)?;
    let wanted = against.wanted(with_hand, &hand, &mut open, proof)?;
    let left = compare(against.objects, result, wanted, &against.except())?;
    let known: BTreeMap<&BString, &Difference> =
        at_tag.iter().map(|difference| (&difference.path, difference)).collect();
    let mut broken = Vec::new();
    for difference in left {
        let is_known = match known.get(&difference.path) {
            Some(at_tag) => same_difference(against.objects, at_tag, &difference)?,
            None => false,
        };
        if !is_known && !open.contains(&difference.path) {
            broken.push(difference);
        }
    }
    if broken.is_empty() { Ok(result) } else { Err(differs(&broken).into()) }
}

impl SeriesProof<'_> {
    fn except(&self) -> Vec<crate::names::TreePath> {
        self.rules.packaging.iter().chain(&self.rules.spec).cloned().collect()
    }

    /// Returns the paths that `Ignore-patch` commits change: people declared them to differ.
    fn ignored_paths(&self, proof: &mut Proof) -> Result<BTreeSet<BString>> {
        let mut paths = BTreeSet::new();
        for id in &self.series.ignored {
            let commit = self.objects.commit(id)?;
            let Some(parent) = commit.parents.first() else { continue };
            let before = self.objects.commit(parent)?.tree;
            let leave_out = |path: &bstr::BStr| self.rules.leave_out(path);
            let changes = self.objects.changes(&before, &commit.tree, &leave_out)?;
            paths.extend(changes.into_iter().map(|change| change.path));
        }
        proof.ignored = paths.iter().map(|path| printable(path, 300)).collect();
        Ok(paths)
    }

    /// Returns the tree that is wanted: the tip's, with the patches by hand on top.
    fn wanted(
        &self,
        with_hand: ObjectId,
        hand: &[&[u8]],
        open: &mut BTreeSet<BString>,
        proof: &mut Proof,
    ) -> Result<ObjectId> {
        if hand.is_empty() {
            return Ok(self.tip_tree);
        }
        let changed = compare(self.objects, with_hand, self.base_tree, &[])?;
        proof.by_hand = changed.iter().map(|difference| printable(&difference.path, 300)).collect();
        match apply::series(self.objects, self.tip_tree, hand) {
            Ok(wanted) => Ok(wanted),
            Err(Stopped::Store(fault)) => Err(fault),
            Err(Stopped::Patch(_)) => {
                open.extend(changed.into_iter().map(|difference| difference.path));
                Ok(self.tip_tree)
            }
        }
    }
}

/// Tells whether a path differs now as it differed at the tag.
fn same_difference(objects: &Objects, at_tag: &Difference, now: &Difference) -> Result<bool> {
    if at_tag.got == now.got && at_tag.wanted == now.wanted {
        return Ok(true);
    }
    let changed = |difference: &Difference| -> Result<Option<Vec<Vec<u8>>>> {
        match (text(objects, difference.got)?, text(objects, difference.wanted)?) {
            (Some(got), Some(wanted)) => Ok(Some(changed_lines(&got, &wanted))),
            _ => Ok(None),
        }
    };
    Ok(match (changed(at_tag)?, changed(now)?) {
        (Some(then), Some(now)) => then == now,
        _ => false,
    })
}

fn text(objects: &Objects, side: Option<Side>) -> Result<Option<Vec<u8>>> {
    match side {
        Some(Side { mode: EntryMode::File | EntryMode::Executable, id }) => {
            objects.blob(&id).map(Some)
        }
        _ => Ok(None),
    }
}

/// Returns the lines that go and come, each with a mark, in order; where they stand does not count.
fn changed_lines(got: &[u8], wanted: &[u8]) -> Vec<Vec<u8>> {
    let diff = LineDiff::new(got, wanted);
    let mut lines = Vec::new();
    for change in diff.changes() {
        lines.extend(diff.old_lines(change.old.clone()).map(|line| [b"-", line].concat()));
        lines.extend(diff.new_lines(change.new.clone()).map(|line| [b"+", line].concat()));
    }
    lines
}

fn by_hand_stopped(against: &SeriesProof<'_>, stopped: Stopped) -> Fault {
    match stopped {
        Stopped::Store(fault) => fault,
        Stopped::Patch(fault) => {
            let name = against.by_hand.get(fault.patch).map_or("?", |patch| patch.file.as_str());
            Refusal::new("patch-by-hand-fails", format!("the patch {name} does not apply: {fault}"))
                .hint("refresh the patch under its packaging path, or drop it from the spec")
                .into()
        }
    }
}

fn stopped_at(against: &SeriesProof<'_>, stopped: Stopped, proof: &Proof) -> Fault {
    match stopped {
        Stopped::Store(fault) => fault,
        Stopped::Patch(fault) => {
            let patch = against.series.patches.get(fault.patch);
            let name = patch.map_or("?", |patch| patch.file_name.as_str());
            let path = printable(&fault.file, 300);
            let cause = match proof.hidden.iter().any(|hidden| covers(hidden, &path)) {
                true => "; export-ignore keeps this path out of the archive",
                false if proof.differs_at_tag.contains(&path) => match fault.cause {
                    Cause::FileMissing => "; this file is at the tag and not in the archive",
                    _ => "; this file is another one in the archive than at the tag",
                },
                false => "",
            };
            Refusal::new("tree-identity", format!("{name} does not apply to the archive: {fault}{cause}"))
                .hint(
                    "declare the path as packaging, or take it out of .gitattributes' export-ignore where that hides \
                     it, or publish with `mechanism: archive`",
                )
                .into()
        }
    }
}

fn covers(hidden: &str, path: &str) -> bool {
    hidden == path || (hidden.ends_with('/') && path.starts_with(hidden))
}

/// Says which paths break the promise, and how.
pub fn differs(broken: &[Difference]) -> Refusal {
    let mut lines: Vec<String> = broken.iter().take(NAMED).map(describe).collect();
    if broken.len() > NAMED {
        lines.push(format!("  and {} more", broken.len() - NAMED));
    }
    Refusal::new(
        "tree-identity",
        format!("what rpm would prepare is not what was signed:\n{}", lines.join("\n")),
    )
    .hint("declare the paths as packaging where they are; otherwise this is a fault of ours to be reported")
}

fn describe(difference: &Difference) -> String {
    let path = printable(difference.path.as_bstr(), 300);
    match (difference.got, difference.wanted) {
        (None, Some(_)) => format!("  {path} is signed, and missing from what is prepared"),
        (Some(_), None) => format!("  {path} is prepared, and was not signed"),
        (Some(got), Some(wanted)) if got.id == wanted.id => {
            format!("  {path} has mode {}, signed was {}", got.mode.octal(), wanted.mode.octal())
        }
        _ => format!("  {path} has other content than what was signed"),
    }
}

/// Refuses a series that the spec's way of applying patches cannot carry.
///
/// # Errors
/// `applier-cannot`, with each file, the cause and an applier that would work.
pub fn appliers(spec: &SpecFile, series: &Series) -> Result<()> {
    let Some(applier) = applier_of(spec) else { return Ok(()) };
    let patches: Vec<_> =
        series.patches.iter().map(|patch| (&patch.file_name, &patch.bytes[..])).collect();
    let faults = applier_faults(&patches, applier);
    if faults.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = faults.iter().take(NAMED).map(describe_fault).collect();
    if faults.len() > NAMED {
        lines.push(format!("  and {} more", faults.len() - NAMED));
    }
    let works = faults.iter().flat_map(|fault| &fault.would_work);
    let works = works.map(ToString::to_string).find(|works| !works.is_empty());
    let hint = match works {
        Some(works) => format!("write `{works}` in the spec's %prep"),
        None => "publish with `mechanism: archive`, which needs no patches".to_owned(),
    };
    let words = format!("{applier} cannot apply what was signed:\n{}", lines.join("\n"));
    Err(Refusal::new("applier-cannot", words).hint(hint).into())
}

fn describe_fault(fault: &ApplierFault) -> String {
    let path = printable(fault.path.as_bstr(), 300);
    format!("  {path} in {}: {}", fault.patch, fault.cause)
}

/// Returns what applies patches in the spec; `None` where a script of the project's own does.
fn applier_of(spec: &SpecFile) -> Option<Applier> {
    match spec.applier() {
        SpecApplier::Autosetup { scm: Some(scm), .. } => Applier::from_scm(&scm),
        SpecApplier::Autosetup { scm: None, .. }
        | SpecApplier::ForgeAutosetup { .. }
        | SpecApplier::Autopatch { .. }
        | SpecApplier::PatchLines { .. } => Some(Applier::Patch),
        SpecApplier::Unknown => None,
    }
}
