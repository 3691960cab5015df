//! Which commits make which patch, by their trailers alone.

use std::collections::HashMap;

use super::names;
use crate::git::{Commit, Step};
use crate::names::{FileName, ObjectId};
use crate::outcome::{Problem, Refusal, Result, printable};
use crate::trailers::Trailers;

/// What a step of the line becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The name that the trailers ask for.
    pub name: Option<FileName>,
    /// The steps that make it, by their place in the line; never empty.
    pub steps: Vec<usize>,
    /// Whether `Ignore-patch: true` keeps it out of the series.
    pub ignored: bool,
}

/// Returns the units of a line, oldest first: adjacent commits with one `Patch-name` share one.
///
/// `is_quiet` answers whether a unit changes nothing outside the packaging paths; only such units may
/// stand between commits of one name, since they are in no patch anyway.
///
/// # Errors
/// Refuses unclear trailers and one name on commits that others separate (`patch-name-scattered`).
pub fn units(steps: &[Step], is_quiet: impl Fn(&Unit) -> Result<bool>) -> Result<Vec<Unit>> {
    let mut units: Vec<Unit> = Vec::with_capacity(steps.len());
    let mut homes: HashMap<FileName, usize> = HashMap::new();
    for (place, step) in steps.iter().enumerate() {
        let (name, ignored) = (asked_name(&step.commit)?, asked_to_ignore(&step.commit)?);
        let unit = Unit { name: name.filter(|_| !ignored), steps: vec![place], ignored };
        let home = unit.name.as_ref().and_then(|name| homes.get(name));
        match home {
            Some(home) => join(&mut units, *home, place, steps, &is_quiet)?,
            None => {
                homes.extend(unit.name.clone().map(|name| (name, units.len())));
                units.push(unit);
            }
        }
    }
    Ok(units)
}

fn join(
    units: &mut [Unit],
    home: usize,
    place: usize,
    steps: &[Step],
    is_quiet: &impl Fn(&Unit) -> Result<bool>,
) -> Result<()> {
    let latest = units[home].steps.last().copied();
    let later = units.iter().rev().take_while(|unit| unit.steps.first().copied() > latest);
    for between in later {
        if between.ignored || !is_quiet(between)? {
            return Err(scattered(&units[home], between, &steps[place], steps));
        }
    }
    units[home].steps.push(place);
    Ok(())
}

fn scattered(home: &Unit, between: &Unit, step: &Step, steps: &[Step]) -> crate::outcome::Fault {
    let id = |unit: &Unit| steps[unit.steps[0]].commit.id.short();
    let name = home.name.as_ref().map_or("", |name| name.as_str());
    Refusal::new(
        "patch-name-scattered",
        format!(
            "commits {} and {} both have `Patch-name: {name}`, but {} lies between them",
            id(home),
            step.commit.id.short(),
            id(between),
        ),
    )
    .hint("commits that share a patch must be adjacent: reorder them, or give them two names")
    .into()
}

fn asked_name(commit: &Commit) -> Result<Option<FileName>> {
    let mut asked = values(commit, "Patch-name");
    asked.dedup();
    match &asked[..] {
        [] => Ok(None),
        [name] => names::asked_for(name, &commit.id.short()).map(Some),
        several => Err(unclear(commit, "Patch-name", &several.join(", "), "keep one of them")),
    }
}

fn asked_to_ignore(commit: &Commit) -> Result<bool> {
    let asked = values(commit, "Ignore-patch");
    match asked.last().map(|value| value.to_ascii_lowercase()).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(unclear(commit, "Ignore-patch", other, "write true or false")),
    }
}

fn unclear(commit: &Commit, key: &str, value: &str, hint: &str) -> crate::outcome::Fault {
    let value = printable(value, 200);
    let words = format!("commit {} has the trailer `{key}: {value}`", commit.id.short());
    Refusal::new("patch-trailer-unclear", words).hint(hint).into()
}

/// Returns the tree before and the tree after a unit.
///
/// # Errors
/// Fails where the steps are no line: one must begin where the one before it ended.
pub fn ends(unit: &Unit, steps: &[Step]) -> Result<(ObjectId, ObjectId)> {
    let (first, last) = (unit.steps[0], unit.steps[unit.steps.len() - 1]);
    let line = &steps[first..=last];
    if line.windows(2).any(|pair| pair[0].commit.tree != pair[1].base_tree) {
        let words = format!("the commits from {} on are no line", line[0].commit.id);
        return Err(Problem::permanent("series-broken", words).into());
    }
    Ok((line[0].base_tree, line[line.len() - 1].commit.tree))
}

/// Returns the values of a trailer of the commit's, in their order.
fn values(commit: &Commit, key: &str) -> Vec<String> {
    let message = commit.message_text();
    Trailers::parse(message.as_bytes()).all(key).map(str::to_owned).collect()
}
