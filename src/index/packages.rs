//! The packages of a dist-git: a folder, a list, a file of names, or a namespace of a forge.

use std::collections::BTreeSet;
use std::path::Path;

use globset::GlobSet;

use super::namespace;
use crate::names::PackageName;
use crate::operator::{Instance, Operator, Packages};
use crate::outcome::{Problem, Refusal, Result, printable};

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
            let names = namespace::repositories(forge, namespace).await?;
            Ok(names.into_iter().filter(|name| matches(matching, name)).collect())
        }
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
