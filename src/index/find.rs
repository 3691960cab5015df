//! What a notice is about: source branches that are tracked, or a package of a dist-git.

use std::collections::BTreeMap;

use super::{Hosts, RepositoryKey};
use crate::database::{BranchEntry, Database};
use crate::names::{InstanceName, PackageName};
use crate::operator::{Instance, Operator};
use crate::outcome::Result;
use crate::queue::JobKey;
use crate::trigger::hooks::{Notice, Reference, RepositoryHint};

/// What a notice is about.
#[derive(Debug, Default)]
pub struct Found {
    /// The dist-git branches whose source it speaks of; to be looked at.
    pub tracked: Vec<BranchEntry>,
    /// The packages whose dist-git repository it speaks of; to be indexed anew.
    pub packages: Vec<(InstanceName, PackageName)>,
}

/// Finds what a notice is about. Only branches and tags that moved or went are looked for; what else a notice may say
/// is others' to answer.
///
/// # Errors
/// Fails where the database does not answer.
pub async fn find(
    notice: &Notice,
    operator: &Operator,
    hosts: &Hosts,
    database: &Database,
) -> Result<Found> {
    let (Notice::Moved { repository, reference, .. } | Notice::Deleted { repository, reference }) =
        notice
    else {
        return Ok(Found::default());
    };
    let mut tracked: BTreeMap<JobKey, BranchEntry> = BTreeMap::new();
    for key in keys(repository, hosts) {
        let entries = tracking(&key, reference, database).await?;
        tracked.extend(entries.into_iter().map(|entry| (entry.key.clone(), entry)));
    }
    Ok(Found {
        tracked: tracked.into_values().collect(),
        packages: packages(repository, operator, hosts),
    })
}

/// Returns the keys of the repository's addresses, each once.
fn keys(repository: &RepositoryHint, hosts: &Hosts) -> Vec<RepositoryKey> {
    let mut keys: Vec<RepositoryKey> =
        repository.urls.iter().filter_map(|url| RepositoryKey::of_text(url, hosts)).collect();
    keys.sort();
    keys.dedup();
    keys
}

async fn tracking(
    key: &RepositoryKey,
    reference: &Reference,
    database: &Database,
) -> Result<Vec<BranchEntry>> {
    let source = key.as_str();
    match reference {
        Reference::Branch(branch) => Ok(database.by_source(source, branch).await?),
        // A tag belongs to no branch: a release may have come for any of them.
        Reference::Tag(_) => Ok(database.by_source_repository(source).await?),
        Reference::BranchOrTag(name) => match database.by_source(source, name).await? {
            found if found.is_empty() => Ok(database.by_source_repository(source).await?),
            found => Ok(found),
        },
    }
}

/// Returns the packages whose dist-git repository has one of these addresses.
fn packages(
    repository: &RepositoryHint,
    operator: &Operator,
    hosts: &Hosts,
) -> Vec<(InstanceName, PackageName)> {
    let mut found = Vec::new();
    for instance in &operator.instances {
        let of_instance = repository.urls.iter().filter_map(|url| package(url, instance, hosts));
        found.extend(of_instance.map(|package| (instance.name.clone(), package)));
    }
    found.sort();
    found.dedup();
    found
}

/// Returns the package whose repository has this address: each component of it is tried as the name, since a key has
/// lost the name's case.
fn package(url: &str, instance: &Instance, hosts: &Hosts) -> Option<PackageName> {
    let key = RepositoryKey::of_text(url, hosts)?;
    let components = url.trim().rsplit(['/', ':']).filter(|part| !part.is_empty()).take(4);
    let mut names = components
        .flat_map(|part| [part.strip_suffix(".git").unwrap_or(part), part])
        .filter_map(|name| name.parse::<PackageName>().ok());
    names.find(|name| {
        let address = instance.git.address(name);
        address.is_ok_and(|address| RepositoryKey::of(&address, hosts) == key)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use globset::GlobSet;

    use super::*;
    use crate::config::TagTrust;
    use crate::operator::{DistTags, LookasideAccess, Packages};

    fn instance(git: &str) -> Instance {
        Instance {
            name: "main".parse().unwrap(),
            git: git.parse().unwrap(),
            lookaside: LookasideAccess {
                timeout: Duration::from_secs(1),
                ..LookasideAccess::of("/x".to_owned())
            },
            packages: Packages::List(Vec::new()),
            branches: GlobSet::empty(),
            dist_tags: DistTags::default(),
            allow_file_sources: false,
            tag_trust: TagTrust::Signed,
        }
    }

    #[test]
    fn a_dist_git_repository_is_known_by_any_spelling_of_its_address() {
        let hosts = Hosts::new(&[("src.example".to_owned(), "dist-git.example".to_owned())].into());
        let table = [
            (
                "ssh://bot@dist-git.example/rpms/{name}.git",
                "https://src.example/rpms/ImageMagick",
                Some("ImageMagick"),
            ),
            (
                "https://dist-git.example/rpms/{name}",
                "git@dist-git.example:rpms/hello.git",
                Some("hello"),
            ),
            (
                "https://dist-git.example/{name}/repo.git",
                "https://dist-git.example/hello/repo",
                Some("hello"),
            ),
            (
                "file:///srv/dist-git/rpms/{name}.git",
                "/srv/dist-git/rpms/hello.git",
                Some("hello"),
            ),
            (
                "https://dist-git.example/rpms/{name}",
                "https://dist-git.example/modules/hello",
                None,
            ),
            ("https://dist-git.example/rpms/{name}", "https://forge.example/rpms/hello", None),
            ("https://dist-git.example/rpms/{name}", "nonsense", None),
        ];
        for (git, url, name) in table {
            let found = package(url, &instance(git), &hosts);
            assert_eq!(found.as_ref().map(PackageName::as_str), name, "{git} {url}");
        }
    }
}
