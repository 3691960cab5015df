//! A look at packages: their branches' tips, and the config at each tip that moved since the last look.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;

use super::polite::{self, Heard};
use super::{Lookout, RepositoryKey, packages};
use crate::config;
use crate::database::{BranchEntry, Tracking};
use crate::git::{Objects, Store, Trust};
use crate::ledger::{self, Entry};
use crate::names::{BranchName, ObjectId, PackageName, RepositoryAddress};
use crate::operator::{Instance, Packages};
use crate::outcome::{Fault, Problem, Result, printable};
use crate::queue::JobKey;

/// What a look at all packages of an instance found.
#[derive(Debug, Default)]
pub struct Refreshed {
    /// How many packages were looked at.
    pub looked: usize,
    /// Branches that are new or moved: what they are now.
    pub changed: Vec<BranchEntry>,
    /// Branches that are no more.
    pub removed: Vec<JobKey>,
    /// Packages that could not be looked at; what is known of them stays.
    pub failed: Vec<(PackageName, Fault)>,
}

/// What a look at one package found.
#[derive(Debug, Default)]
pub struct PackageChanges {
    /// Branches that are new or moved: what they are now.
    pub changed: Vec<BranchEntry>,
    /// Branches that are no more.
    pub removed: Vec<JobKey>,
}

impl Lookout<'_> {
    /// Looks at every package of an instance, and keeps what was found.
    ///
    /// # Errors
    /// Fails where the packages cannot be listed, or the database does not answer. A package that fails is told in
    /// the answer.
    pub async fn refresh(&self, instance: &Instance, now: Timestamp) -> Result<Refreshed> {
        let listed = packages(self.operator, instance).await?;
        let mut refreshed = Refreshed { looked: listed.len(), ..Refreshed::default() };
        refreshed.removed = self.forget_all_but(instance, &listed).await?;
        let questions = listed.into_iter().map(|package| {
            let address = instance.git.address(&package).ok();
            let key = address.map(|address| RepositoryKey::of(&address, &self.hosts));
            (key.and_then(|key| key.host().map(str::to_owned)), package)
        });
        let look = async |package| {
            let changes = self.refresh_package(instance, &package, now).await;
            let heard = Heard::of(&changes);
            ((package, changes), heard)
        };
        let pass_over = |package, host: &str| (package, Err(polite::silent(host)));
        let looks = polite::each(self.operator.per_host, questions, look, pass_over);
        for (package, changes) in looks.await {
            match changes {
                Ok(changes) => {
                    refreshed.changed.extend(changes.changed);
                    refreshed.removed.extend(changes.removed);
                }
                Err(fault) => refreshed.failed.push((package, fault)),
            }
        }
        Ok(refreshed)
    }

    /// Looks at one package, and keeps what was found.
    ///
    /// # Errors
    /// Fails where the repository cannot be read, or the database does not answer.
    pub async fn refresh_package(
        &self,
        instance: &Instance,
        package: &PackageName,
        now: Timestamp,
    ) -> Result<PackageChanges> {
        let known = self.database.tips(&instance.name, package).await?;
        let address = instance.target(package, &placeholder())?.dist_git;
        let tips = self.tips(instance, &address).await?;
        let moved: BTreeMap<BranchName, ObjectId> = tips
            .iter()
            .filter(|(branch, tip)| known.get(*branch) != Some(tip))
            .map(|(branch, tip)| (branch.clone(), *tip))
            .collect();
        let key = |branch: &BranchName| JobKey {
            instance: instance.name.clone(),
            package: package.clone(),
            branch: branch.clone(),
        };
        let mut changes = PackageChanges::default();
        if !moved.is_empty() {
            for (branch, tracking) in self.tracking(instance, &address, &moved).await? {
                let tip = moved[&branch];
                changes.changed.push(BranchEntry { key: key(&branch), tip, tracking });
            }
            self.database.put_branches(changes.changed.clone(), now).await?;
        }
        changes.removed =
            known.keys().filter(|branch| !tips.contains_key(*branch)).map(key).collect();
        if !changes.removed.is_empty() {
            self.database.remove_branches(changes.removed.clone()).await?;
        }
        Ok(changes)
    }

    /// Forgets packages that are listed no more.
    ///
    /// A list with nothing in it, where there was something, is doubted: a folder that is not mounted, or a token
    /// that may see nothing any more, must not empty the index.
    async fn forget_all_but(
        &self,
        instance: &Instance,
        listed: &BTreeSet<PackageName>,
    ) -> Result<Vec<JobKey>> {
        let mut gone = Vec::new();
        let known = self.database.indexed_packages(&instance.name).await?;
        let is_written = matches!(instance.packages, Packages::List(_));
        if listed.is_empty() && !known.is_empty() && !is_written {
            let words = format!(
                "no package of {} is listed, though {} were: they are kept",
                instance.name,
                known.len()
            );
            return Err(Problem::temporary("packages-unreadable", words)
                .hint("see that what lists them can be read; take the instance out of the config if they are no more")
                .into());
        }
        for package in known {
            if listed.contains(&package) {
                continue;
            }
            let branches = self.database.tips(&instance.name, &package).await?;
            gone.extend(branches.into_keys().map(|branch| JobKey {
                instance: instance.name.clone(),
                package: package.clone(),
                branch,
            }));
        }
        if !gone.is_empty() {
            self.database.remove_branches(gone.clone()).await?;
        }
        Ok(gone)
    }

    /// Returns the branches that are looked at, and their tips; none where there is no repository.
    async fn tips(
        &self,
        instance: &Instance,
        address: &RepositoryAddress,
    ) -> Result<BTreeMap<BranchName, ObjectId>> {
        let limit = self.operator.per_host.answer;
        match self.transport.branches(&self.standing(), address, &[], limit).await {
            Ok(mut tips) => {
                tips.retain(|branch, _| instance.looks_at(branch));
                Ok(tips)
            }
            Err(Fault::Refused(refusal)) if refusal.code.0 == "repository-missing" => {
                Ok(BTreeMap::new())
            }
            Err(fault) => Err(fault),
        }
    }

    /// Reads what each of these tips tracks. Of a repository elsewhere only the tips are fetched, into a folder
    /// that is thrown away: most packages are never synced, and their history is not wanted.
    async fn tracking(
        &self,
        instance: &Instance,
        address: &RepositoryAddress,
        moved: &BTreeMap<BranchName, ObjectId>,
    ) -> Result<Vec<(BranchName, Tracking)>> {
        let scratch;
        let store = match address.local_path() {
            Some(path) => Store::open(path, Trust::InPlace)?,
            None => {
                scratch = self.scratch()?;
                let folder = scratch.path().join("tips.git");
                Store::init_bare(&folder)?;
                let branches: Vec<BranchName> = moved.keys().cloned().collect();
                let limit = self.operator.per_host.answer * 10;
                self.transport.fetch_tips(&folder, address, &branches, limit).await?;
                Store::open(&folder, Trust::Fetched)?
            }
        };
        let objects = store.objects();
        let read = moved
            .iter()
            .map(|(branch, tip)| Ok((branch.clone(), self.tracking_at(instance, &objects, tip)?)));
        read.collect()
    }

    fn tracking_at(
        &self,
        instance: &Instance,
        objects: &Objects,
        tip: &ObjectId,
    ) -> Result<Tracking> {
        let commit = objects.commit(tip)?;
        let config = match ledger::enter(objects, &commit) {
            Ok(Entry::Retired | Entry::NotOptedIn) => return Ok(Tracking::Nothing),
            Ok(Entry::OptedIn(config)) => config,
            Err(Fault::Refused(refusal)) => {
                return Ok(Tracking::Faulty { why: printable(&refusal.message, 2000) });
            }
            Err(fault) => return Err(fault),
        };
        let source = &config.source;
        if source.repository.local_path().is_some() && !instance.allow_file_sources {
            let why = "source.repository is of this machine, which this dist-git does not allow";
            return Ok(Tracking::Faulty { why: why.to_owned() });
        }
        let file = objects.entry_at(&commit.tree, config::FILE_NAME)?;
        Ok(Tracking::Source {
            source: RepositoryKey::of(&source.repository, &self.hosts).to_string(),
            address: source.repository.to_string(),
            branch: source.branch.clone(),
            config: file.map(|file| file.id.to_string()).unwrap_or_default(),
        })
    }

    fn scratch(&self) -> Result<tempfile::TempDir> {
        tempfile::tempdir_in(self.work.path()).map_err(|error| {
            let words =
                format!("cannot make a folder in {}", PathBuf::from(self.work.path()).display());
            Problem::temporary("work-not-writable", words).because(error).into()
        })
    }
}

/// A branch for asking where a repository is.
fn placeholder() -> BranchName {
    "main".parse().expect("a legal branch name")
}
