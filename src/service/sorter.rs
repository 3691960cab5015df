//! The sorter: what deliveries say becomes requests to look at branches.
//!
//! 1. a delivery that nobody has read yet is parsed; what cannot be read, and the bot's own echoes, say nothing;
//! 2. a source branch or tag that moved: every dist-git branch that tracks it is to be looked at;
//! 3. a dist-git branch that moved: it is to be looked at itself. Its config may be new, changed or gone; the run that
//!    looks finds out, and what it finds is written into the index;
//! 4. the requests, and that the delivery was read, become durable together: a crash loses neither and doubles neither.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::stop::Stop;
use super::trouble::Trouble;
use crate::database::{
    Answer, Database, JobRequest, Requested, Routing, Tracking, UnroutedDelivery,
};
use crate::index::{Hosts, RepositoryKey};
use crate::names::{BranchName, PackageName};
use crate::operator::{Instance, Operator};
use crate::queue::{Cause, JobKey};
use crate::trigger::hooks::{self, ForgeKind, Notice, Reference, RepositoryHint};

/// How many deliveries are read in one go.
const AT_ONCE: u32 = 200;

/// How often the table is looked at where nobody rings: another node may have stored something and died.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Turns deliveries into requests.
pub struct Sorter {
    /// What the operator wants.
    pub operator: Arc<Operator>,
    /// Hosts by their other names.
    pub hosts: Hosts,
    /// Where deliveries are, and requests go.
    pub database: Database,
    /// Rung where a delivery came.
    pub bell: Arc<Notify>,
    /// Rung where a job was asked for.
    pub jobs_bell: Arc<Notify>,
    /// The clock.
    pub now: fn() -> Timestamp,
}

impl Sorter {
    /// Sorts until told to stop. What is not read then is read by the next process, or by another node.
    pub async fn run(self, mut stop: Stop) {
        let mut trouble = Trouble::default();
        while !stop.is_told() {
            let pause = match self.round().await {
                Ok(AT_ONCE) => continue,
                Ok(_) => {
                    trouble.is_over("deliveries are read again");
                    LOOK_AGAIN
                }
                Err(problem) => trouble.pause("deliveries cannot be read", &problem),
            };
            let rung = async {
                tokio::select! {
                    () = self.bell.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            };
            stop.or(rung).await;
        }
    }

    /// Reads what is there, and returns how much that was.
    async fn round(&self) -> Answer<u32> {
        let unrouted = self.database.deliveries_to_route(AT_ONCE).await?;
        let count = u32::try_from(unrouted.len()).unwrap_or(AT_ONCE);
        for delivery in unrouted {
            let row = delivery.row;
            let routing = self.routing(&delivery).await?;
            let note = routing.note.clone();
            let requested = self.database.route(row, routing, (self.now)()).await?;
            // `None`: another node was faster.
            let Some(requested) = requested else { continue };
            let hook = &delivery.delivery.hook;
            tracing::info!(%hook, id = %delivery.delivery.id, event = %delivery.delivery.event, "delivery: {note}");
            if requested.contains(&Requested::New) {
                self.jobs_bell.notify_one();
            }
        }
        Ok(count)
    }

    /// Says what is to be made of a delivery.
    async fn routing(&self, unrouted: &UnroutedDelivery) -> Answer<Routing> {
        let delivery = &unrouted.delivery;
        let Some(hook) = self.operator.hook(&delivery.hook) else {
            let note = "ignored: the operator config has no such hook any more".to_owned();
            return Ok(Routing { note, ..Routing::default() });
        };
        let kind: ForgeKind = delivery.kind.parse().unwrap_or(hook.kind);
        let notices = hooks::parse(kind, &delivery.event, &delivery.body);
        let notices = notices.without_echoes(&hook.bot_accounts);
        let mut found = Found::default();
        for notice in &notices.notices {
            self.look_up(notice, &mut found).await?;
        }
        let cause = Cause::Delivery { hook: delivery.hook.clone(), id: delivery.id.clone() };
        let not_before = (self.now)();
        let note = found.note(notices.ignored);
        let request = |key| JobRequest { key, cause: cause.clone(), not_before };
        Ok(Routing {
            requests: found.branches.into_iter().map(request).collect(),
            spoke_of: found.spoke_of.into_iter().collect(),
            note,
        })
    }

    /// Finds the dist-git branches that a notice concerns.
    async fn look_up(&self, notice: &Notice, found: &mut Found) -> Answer<()> {
        let (repository, moved) = match notice {
            Notice::Moved { repository, reference, .. }
            | Notice::Deleted { repository, reference } => (repository, Moved::of(reference)),
            Notice::Rerequested(again) => {
                (&again.repository, Moved { branch: again.branch.as_ref(), perhaps_tag: true })
            }
            // Pull requests have no part in publishing yet.
            Notice::PullRequest(_) | Notice::Comment(_) | Notice::Label(_) => return Ok(()),
        };
        found.interesting = true;
        for key in self.keys(repository) {
            self.trackers(&key, moved, found).await?;
            if let Some(branch) = moved.branch {
                self.dist_git(repository, &key, branch, found);
            }
        }
        Ok(())
    }

    fn keys(&self, repository: &RepositoryHint) -> BTreeSet<RepositoryKey> {
        let urls = repository.urls.iter();
        urls.filter_map(|url| RepositoryKey::of_text(url, &self.hosts)).collect()
    }

    /// Adds the branches that track a source branch; for a tag, those that track any branch of its repository.
    async fn trackers(
        &self,
        source: &RepositoryKey,
        moved: Moved<'_>,
        found: &mut Found,
    ) -> Answer<()> {
        let mut entries = match moved.branch {
            Some(branch) => self.database.by_source(source.as_str(), branch).await?,
            None => Vec::new(),
        };
        if entries.is_empty() && moved.perhaps_tag {
            entries = self.database.by_source_repository(source.as_str()).await?;
        }
        for entry in entries {
            if let Tracking::Source { source, branch, .. } = entry.tracking {
                found.spoke_of.insert((source, branch));
            }
            found.branches.insert(entry.key);
        }
        Ok(())
    }

    /// Adds the branch itself, where the repository is one of our dist-gits.
    fn dist_git(
        &self,
        repository: &RepositoryHint,
        key: &RepositoryKey,
        branch: &BranchName,
        found: &mut Found,
    ) {
        for instance in self.operator.instances.iter().filter(|one| one.looks_at(branch)) {
            if let Some(package) = package_at(instance, repository, key, &self.hosts) {
                let instance = instance.name.clone();
                let branch = branch.clone();
                found.branches.insert(JobKey { instance, package, branch });
            }
        }
    }
}

/// What a delivery concerns.
#[derive(Default)]
struct Found {
    interesting: bool,
    branches: BTreeSet<JobKey>,
    spoke_of: BTreeSet<(String, BranchName)>,
}

impl Found {
    /// Says it for people.
    fn note(&self, ignored: Option<String>) -> String {
        match (self.branches.len(), ignored) {
            (0, Some(why)) => format!("ignored: {why}"),
            (0, None) if self.interesting => "nobody tracks that".to_owned(),
            (0, None) => "ignored: no part in publishing".to_owned(),
            (1, _) => format!("a look at {}", self.branches.first().expect("there is one")),
            (count, _) => format!("a look at {count} branches"),
        }
    }
}

/// What moved in a repository.
#[derive(Clone, Copy)]
struct Moved<'a> {
    /// The branch; `None`: none that is named.
    branch: Option<&'a BranchName>,
    /// Whether it may be a tag, which concerns every branch.
    perhaps_tag: bool,
}

impl<'a> Moved<'a> {
    fn of(reference: &'a Reference) -> Moved<'a> {
        match reference {
            Reference::Branch(branch) => Moved { branch: Some(branch), perhaps_tag: false },
            Reference::Tag(_) => Moved { branch: None, perhaps_tag: true },
            Reference::BranchOrTag(name) => Moved { branch: Some(name), perhaps_tag: true },
        }
    }
}

/// Returns the package whose dist-git a repository is.
///
/// The name is read from the address as it was written, since a key forgets case.
fn package_at(
    instance: &Instance,
    repository: &RepositoryHint,
    key: &RepositoryKey,
    hosts: &Hosts,
) -> Option<PackageName> {
    let last = |url: &String| {
        let last = url.trim().trim_end_matches('/').rsplit(['/', ':']).next()?.to_owned();
        last.strip_suffix(".git").unwrap_or(&last).parse::<PackageName>().ok()
    };
    let named = repository.urls.iter().filter_map(last);
    named.into_iter().find(|package| {
        let address = instance.git.address(package);
        address.is_ok_and(|address| RepositoryKey::of(&address, hosts) == *key)
    })
}
