//! The sorter: what deliveries say becomes requests to look at branches.
//!
//! 1. a delivery that nobody has read yet is parsed; what cannot be read, and the bot's own echoes, say nothing;
//! 2. a source branch or tag that moved: every dist-git branch that tracks it is to be looked at;
//! 3. a dist-git branch that moved: it is to be looked at itself. Its config may be new, changed or gone; the run that
//!    looks finds out, and what it finds is written into the index;
//! 4. the requests, and that the delivery was read, become durable together: a crash loses neither and doubles neither.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::indexer::News;
use super::stop::Stop;
use super::trouble::Trouble;
use crate::database::{Database, JobRequest, Requested, Routing, Tracking, UnroutedDelivery};
use crate::index::{self, Hosts};
use crate::names::{BranchName, InstanceName, PackageName};
use crate::operator::Operator;
use crate::outcome::{Fault, Problem, Result};
use crate::queue::{Cause, JobKey};
use crate::trigger::hooks::{self, ForgeKind, Notice, Reference};

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
    /// Told which packages are to be looked at for the index.
    pub news: UnboundedSender<News>,
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
                Err(fault) => trouble.pause("deliveries cannot be read", &problem(fault)),
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
    async fn round(&self) -> Result<u32> {
        let unrouted = self.database.deliveries_to_route(AT_ONCE).await?;
        let count = u32::try_from(unrouted.len()).unwrap_or(AT_ONCE);
        for delivery in unrouted {
            let row = delivery.row;
            let (routing, packages) = self.routing(&delivery).await?;
            let note = routing.note.clone();
            let requested = self.database.route(row, routing, (self.now)()).await?;
            // `None`: another node was faster.
            let Some(requested) = requested else { continue };
            let hook = &delivery.delivery.hook;
            tracing::info!(%hook, id = %delivery.delivery.id, event = %delivery.delivery.event, "delivery: {note}");
            for news in packages {
                // Nobody listens any more: the service is about to stop, and the next one looks at everything.
                let _ = self.news.send(news);
            }
            if requested.contains(&Requested::New) {
                self.jobs_bell.notify_one();
            }
        }
        Ok(count)
    }

    /// Says what is to be made of a delivery.
    async fn routing(&self, unrouted: &UnroutedDelivery) -> Result<(Routing, BTreeSet<News>)> {
        let delivery = &unrouted.delivery;
        let Some(hook) = self.operator.hook(&delivery.hook) else {
            let note = "ignored: the operator config has no such hook any more".to_owned();
            return Ok((Routing { note, ..Routing::default() }, BTreeSet::new()));
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
        let routing = Routing {
            requests: found.branches.into_iter().map(request).collect(),
            spoke_of: found.spoke_of.into_iter().collect(),
            note,
        };
        Ok((routing, found.packages))
    }

    /// Finds what a notice concerns.
    async fn look_up(&self, notice: &Notice, found: &mut Found) -> Result<()> {
        let Some(moved) = moved(notice) else { return Ok(()) };
        found.interesting = true;
        let about = index::find(&moved, &self.operator, &self.hosts, &self.database).await?;
        for entry in about.tracked {
            if let Tracking::Source { source, branch, .. } = entry.tracking {
                found.spoke_of.insert((source, branch));
            }
            found.branches.insert(entry.key);
        }
        for (instance, package) in about.packages {
            self.dist_git(&moved, &instance, &package, found).await?;
            found.packages.insert((instance, package));
        }
        Ok(())
    }

    /// Adds the dist-git branch itself where it is tracked: a human may have committed to it. What is not tracked is
    /// left to the index, which reads its tip and no more.
    async fn dist_git(
        &self,
        moved: &Notice,
        instance: &InstanceName,
        package: &PackageName,
        found: &mut Found,
    ) -> Result<()> {
        let Notice::Moved { reference, .. } = moved else { return Ok(()) };
        let (Reference::Branch(branch) | Reference::BranchOrTag(branch)) = reference else {
            return Ok(());
        };
        let (instance, package, branch) = (instance.clone(), package.clone(), branch.clone());
        let key = JobKey { instance, package, branch };
        let record = self.database.branch(&key).await?;
        if record.is_some_and(|record| record.entry.tracking != Tracking::Nothing) {
            found.branches.insert(key);
        }
        Ok(())
    }
}

/// Returns what moved or went by a notice; `None` where it has no part in publishing (yet).
fn moved(notice: &Notice) -> Option<Cow<'_, Notice>> {
    match notice {
        Notice::Moved { .. } | Notice::Deleted { .. } => Some(Cow::Borrowed(notice)),
        Notice::Rerequested(again) => Some(Cow::Owned(Notice::Moved {
            repository: again.repository.clone(),
            reference: Reference::Branch(again.branch.clone()?),
            new: None,
        })),
        Notice::PullRequest(_) | Notice::Comment(_) | Notice::Label(_) => None,
    }
}

/// What a delivery concerns.
#[derive(Default)]
struct Found {
    interesting: bool,
    branches: BTreeSet<JobKey>,
    spoke_of: BTreeSet<(String, BranchName)>,
    packages: BTreeSet<News>,
}

impl Found {
    /// Says it for people.
    fn note(&self, ignored: Option<String>) -> String {
        match (self.branches.len(), ignored) {
            (0, _) if !self.packages.is_empty() => "a look at what dist-git tracks".to_owned(),
            (0, Some(why)) => format!("ignored: {why}"),
            (0, None) if self.interesting => "nobody tracks that".to_owned(),
            (0, None) => "ignored: no part in publishing".to_owned(),
            (1, _) => format!("a look at {}", self.branches.first().expect("there is one")),
            (count, _) => format!("a look at {count} branches"),
        }
    }
}

/// Returns the problem; the database refuses nothing.
fn problem(fault: Fault) -> Problem {
    match fault {
        Fault::Failed(problem) => problem,
        Fault::Refused(refusal) => Problem::permanent(refusal.code.0, refusal.message),
    }
}
