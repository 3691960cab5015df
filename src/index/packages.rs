//! The packages of a dist-git: a folder, a list, a file of names, or a namespace of a forge.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use globset::GlobSet;

use crate::forge::{Account, Forge, Manners, Setback};
use crate::names::PackageName;
use crate::operator::{ForgeAccess, Instance, Operator, Packages};
use crate::outcome::{Problem, Refusal, Result, printable};

/// How long one page of a forge's list may take: Pagure counts all that it has for each.
const PAGE_TIME: Duration = Duration::from_secs(120);

/// Lists the packages of an instance by name.
///
/// # Errors
/// Refuses (exit code 2) files with names that are none; problems where folder, file or forge cannot be read.
pub async fn packages(operator: &Operator, instance: &Instance) -> Result<BTreeSet<PackageName>> {
    match &instance.packages {
        Packages::List(names) => Ok(names.iter().cloned().collect()),
        Packages::Directory { folder, matching } => in_folder(folder, matching),
        Packages::File(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, error))?;
            Ok(names(&text).map_err(|why| {
                Refusal::config("packages-unreadable", format!("{}: {why}", path.display()))
                    .hint("write one package name a line")
            })?)
        }
        Packages::Namespace { forge, namespace, matching } => {
            let forge = operator.forge(forge).ok_or_else(|| {
                Refusal::config("packages-unreadable", format!("there is no forge `{forge}`"))
            })?;
            let names = in_namespace(forge, namespace).await?;
            Ok(names.into_iter().filter(|name| matches(matching, name)).collect())
        }
    }
}

/// Asks a forge; repositories whose names are none of packages are left out.
async fn in_namespace(forge: &ForgeAccess, namespace: &str) -> Result<Vec<PackageName>> {
    let manners = Manners { answer: PAGE_TIME, ..Manners::towards(forge.kind) };
    let client = Forge::with_manners(Account::of(forge)?, manners);
    match client.repositories(namespace).await {
        Ok(Some(names)) => Ok(names.iter().filter_map(|name| name.parse().ok()).collect()),
        Ok(None) => {
            let words = format!("{} has no namespace `{}`", forge.name, printable(namespace, 100));
            let hint = "correct the namespace, or let the bot see it: by its token's rights, or by installing its App there";
            Err(Refusal::config("packages-unreadable", words).hint(hint).into())
        }
        Err(setback) => Err(not_listed(setback).into()),
    }
}

/// Says why a forge listed nothing. It is asked again in time, whatever it was: a person may have mended it.
fn not_listed(Setback { problem, .. }: Setback) -> Problem {
    let (words, hint) = (problem.message.clone(), problem.hint.clone());
    match problem.code.0 {
        "forge-unauthorized" | "forge-not-allowed" | "forge-secret-unusable" => {
            let hint =
                "give the bot at this forge what it needs to read the namespace's repositories";
            Problem::temporary("packages-forbidden", words).hint(hint).because(problem)
        }
        _ => Problem::temporary("packages-unreadable", words).hint(hint).because(problem),
    }
}

fn matches(matching: &GlobSet, name: &PackageName) -> bool {
    matching.is_empty() || matching.is_match(name.as_str())
}

/// Repositories are folders, bare ones with `.git` at the end; others are no packages.
fn in_folder(folder: &Path, matching: &GlobSet) -> Result<BTreeSet<PackageName>> {
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))?;
    let names = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let is_repository =
            entry.path().join("HEAD").is_file() || entry.path().join(".git").exists();
        let name = entry.file_name().into_string().ok()?;
        let name = name.strip_suffix(".git").unwrap_or(&name).parse().ok()?;
        (is_repository && matches(matching, &name)).then_some(name)
    });
    Ok(names.collect())
}

/// Reads names, one a line; what follows a `#` is a remark.
fn names(text: &str) -> Result<BTreeSet<PackageName>, String> {
    let lines = text.lines().enumerate().filter_map(|(place, line)| {
        let name = line.split('#').next().unwrap_or_default().trim();
        (!name.is_empty()).then_some((place, name))
    });
    lines
        .map(|(place, name)| {
            name.parse().map_err(|error: crate::names::NameError| {
                format!("line {}: `{}` {}", place + 1, printable(name, 100), error.why)
            })
        })
        .collect()
}

fn unreadable(path: &Path, error: std::io::Error) -> Problem {
    let words = format!("cannot list packages from {}: {error}", path.display());
    Problem::temporary("packages-unreadable", words)
        .hint("see that it is there and that the user of lockkeeper may read it")
        .because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_one_a_line_with_remarks() {
        let read = names("# all of ours\nhello\n\n  world # not yet\nhello\n").unwrap();
        assert_eq!(read.iter().map(PackageName::as_str).collect::<Vec<_>>(), ["hello", "world"]);
        let why = names("hello\n-x\n").unwrap_err();
        assert!(why.starts_with("line 2: `-x`"), "{why}");
    }

    #[test]
    fn only_repositories_in_a_folder_are_packages() {
        let folder = tempfile::tempdir().unwrap();
        for (name, inside) in
            [("hello.git", "HEAD"), ("world", ".git"), ("no", "x"), ("-x", "HEAD")]
        {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join(inside), "").unwrap();
        }
        let found = in_folder(folder.path(), &GlobSet::empty()).unwrap();
        assert_eq!(found.iter().map(PackageName::as_str).collect::<Vec<_>>(), ["hello", "world"]);
        assert!(in_folder(&folder.path().join("nowhere"), &GlobSet::empty()).is_err());
    }
}
