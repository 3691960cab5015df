//! Newer branches of the same package, whose EVRs an older branch must not pass.

use crate::config::BranchConfig;
use crate::git::Objects;
use crate::names::{BranchName, Evr};
use crate::outcome::Result;
use crate::spec::{Context, SpecFile};
use crate::trigger::Target;
use crate::version::NewerBranch;

/// Returns what the tips of newer branches hold.
///
/// # Errors
/// Refuses objects that cannot be read.
pub fn newer_branches(
    objects: &Objects,
    target: &Target,
    config: &BranchConfig,
) -> Result<Vec<NewerBranch>> {
    let mut newer = Vec::new();
    for (name, tip) in objects.branches()? {
        if !is_newer(&name, &target.branch) {
            continue;
        }
        let tree = objects.commit(&tip)?.tree;
        let follows_same_source = follows(objects, &tree, config)?;
        let evr = evr(objects, &tree, target)?;
        newer.extend(evr.map(|evr| NewerBranch { evr, follows_same_source }));
    }
    Ok(newer)
}

/// Tells whether a branch belongs to a newer release of the distribution: `f45` after `f44`, `epel10` after `epel9`,
/// `c10s` after `c9s`, and the development branch after all.
fn is_newer(name: &BranchName, than: &BranchName) -> bool {
    let is_development = |name: &BranchName| ["rawhide", "main", "master"].contains(&name.as_str());
    if is_development(than) {
        return false;
    }
    if is_development(name) {
        return numbered(than.as_str()).is_some();
    }
    match (numbered(name.as_str()), numbered(than.as_str())) {
        (Some((prefix, number, suffix)), Some((other_prefix, other_number, other_suffix))) => {
            prefix == other_prefix && suffix == other_suffix && number > other_number
        }
        _ => false,
    }
}

/// Splits `c9s` into `c`, 9 and `s`.
fn numbered(name: &str) -> Option<(&str, u32, &str)> {
    let start = name.find(|c: char| c.is_ascii_digit())?;
    let rest = &name[start..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((&name[..start], rest[..end].parse().ok()?, &rest[end..]))
}

fn follows(
    objects: &Objects,
    tree: &crate::names::ObjectId,
    config: &BranchConfig,
) -> Result<bool> {
    let Some(entry) = objects.entry_at(tree, crate::config::FILE_NAME)? else { return Ok(false) };
    let other = BranchConfig::parse(&objects.blob(&entry.id)?);
    Ok(other.is_ok_and(|other| other.source == config.source))
}

fn evr(objects: &Objects, tree: &crate::names::ObjectId, target: &Target) -> Result<Option<Evr>> {
    let Some(entry) = objects.entry_at(tree, &format!("{}.spec", target.package))? else {
        return Ok(None);
    };
    let bytes = objects.blob(&entry.id)?;
    Ok(SpecFile::parse(bytes, &Context::default()).published_evr().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_branches_are_told_by_their_numbers() {
        let table = [
            ("f45", "f44", true),
            ("f44", "f45", false),
            ("f44", "f44", false),
            ("rawhide", "f44", true),
            ("main", "epel9", true),
            ("f44", "rawhide", false),
            ("epel10", "epel9", true),
            ("epel10", "f9", false),
            ("c10s", "c9s", true),
            ("c10-beta", "c9s", false),
            ("private-thing", "f44", false),
            ("rawhide", "private-thing", false),
        ];
        for (name, than, newer) in table {
            assert_eq!(
                is_newer(&name.parse().unwrap(), &than.parse().unwrap()),
                newer,
                "{name} {than}"
            );
        }
    }
}
