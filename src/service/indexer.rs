//! The indexer: which branches there are, and whether their sources moved though nobody said so.
//!
//! 1. at the start: what an earlier process had found but not yet asked for is asked for ([`Indexer::take_up`]); then
//!    every package and every source is looked at;
//! 2. on timers, with some chance in them so that nodes do not ask in step: the same again. Nothing moves twice, so
//!    several nodes on one database do no harm;
//! 3. in between, single packages, where a delivery or a run has seen something new.
//!
//! What was found is kept first and asked for then. Killed in between, the next process sees by the times in the
//! database that nobody has looked since.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;

use super::chance;
use super::stop::Stop;
use super::workshop::Workshop;
use crate::database::{BranchEntry, BranchFilter, BranchRecord, Database, JobRequest, Tracking};
use crate::index::{Lookout, Reconciled};
use crate::names::{InstanceName, PackageName};
use crate::operator::Operator;
use crate::outcome::{Fault, Result};
use crate::queue::{Cause, JobKey};

/// How many branches are read from the database at once.
const PAGE: u32 = 500;

/// How many sources that moved lately are looked at again at the start.
const MOVED_LATELY: u32 = 100_000;

/// How many news are gathered before the packages are looked at.
const NEWS_AT_ONCE: usize = 100;

/// A package that something new was seen of.
pub type News = (InstanceName, PackageName);

/// Looks at packages and sources.
pub struct Indexer {
    /// What the operator wants.
    pub operator: Arc<Operator>,
    /// The way to repositories.
    pub workshop: Arc<Workshop>,
    /// A folder for what is fetched and thrown away.
    pub work: PathBuf,
    /// Where it is kept.
    pub database: Database,
    /// Rung where a job was asked for.
    pub jobs_bell: Arc<Notify>,
    /// The clock.
    pub now: fn() -> Timestamp,
}

/// What is to be looked at.
#[derive(Debug, Clone)]
enum Look {
    Everything,
    Sources,
    Packages(Vec<News>),
}

impl Indexer {
    /// Looks at everything now and then, until told to stop.
    pub async fn run(self: Arc<Self>, mut stop: Stop) {
        stop.or(self.begin()).await;
        let mut indexed = tokio::time::Instant::now();
        while !stop.is_told() {
            stop.or(tokio::time::sleep(jittered(self.operator.reconcile))).await;
            if stop.is_told() {
                return;
            }
            if indexed.elapsed() >= self.operator.reindex {
                indexed = tokio::time::Instant::now();
                stop.or(self.look(Look::Everything)).await;
            }
            stop.or(self.look(Look::Sources)).await;
        }
    }

    /// Looks at single packages as soon as something new was seen of them, until told to stop.
    pub async fn listen(self: Arc<Self>, mut news: UnboundedReceiver<News>, mut stop: Stop) {
        let mut heard = Vec::new();
        while stop.or(news.recv_many(&mut heard, NEWS_AT_ONCE)).await.is_some_and(|count| count > 0)
        {
            heard.sort();
            heard.dedup();
            stop.or(self.look(Look::Packages(std::mem::take(&mut heard)))).await;
        }
        stop.told().await;
    }

    async fn begin(self: &Arc<Self>) {
        if let Err(fault) = self.take_up().await {
            say("what was found earlier could not be asked for", &fault);
        }
        self.look(Look::Everything).await;
        self.look(Look::Sources).await;
    }

    /// Looks, on a thread of its own: objects are read there.
    async fn look(self: &Arc<Self>, look: Look) {
        let (indexer, handle) = (Arc::clone(self), Handle::current());
        let looked =
            tokio::task::spawn_blocking(move || handle.block_on(indexer.looked(look))).await;
        match looked {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => say("a look at repositories broke off", &fault),
            Err(error) => tracing::error!("a look at repositories broke off: {error}"),
        }
    }

    async fn looked(&self, look: Look) -> Result<()> {
        let lookout =
            Lookout::new(&self.operator, &self.database, self.workshop.transport(), &self.work)?;
        match look {
            Look::Everything => {
                for instance in &self.operator.instances {
                    // One dist-git that cannot be listed now does not keep the others from being looked at.
                    let found = match lookout.refresh(instance, (self.now)()).await {
                        Ok(found) => found,
                        Err(fault) => {
                            say(&format!("{} could not be looked at", instance.name), &fault);
                            continue;
                        }
                    };
                    for (package, fault) in &found.failed {
                        say(&format!("{}/{package} could not be looked at", instance.name), fault);
                    }
                    self.ask_for_changed(&found.changed).await?;
                }
                Ok(())
            }
            Look::Sources => self.reconciled(lookout.reconcile((self.now)()).await?).await,
            Look::Packages(packages) => {
                for (name, package) in &packages {
                    let Some(instance) = self.operator.instance(name) else { continue };
                    match lookout.refresh_package(instance, package, (self.now)()).await {
                        Ok(found) => self.ask_for_changed(&found.changed).await?,
                        Err(fault) => {
                            say(&format!("{name}/{package} could not be looked at"), &fault)
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Asks for a look at branches whose config is new or changed.
    async fn ask_for_changed(&self, changed: &[BranchEntry]) -> Result<()> {
        for entry in changed {
            match entry.tracking {
                Tracking::Nothing => {}
                Tracking::Faulty { .. } | Tracking::Source { .. } => {
                    self.ask(entry.key.clone(), Cause::Index).await?;
                }
            }
        }
        Ok(())
    }

    /// Asks for a look at branches whose source moved, and says which hooks seem dead.
    async fn reconciled(&self, found: Reconciled) -> Result<()> {
        for moved in &found.moved {
            for entry in &moved.tracked_by {
                self.ask(entry.key.clone(), Cause::Reconcile).await?;
            }
        }
        for hook in &found.dead_hooks {
            let last = hook.delivered_at.map_or("ever".to_owned(), |at| format!("since {at}"));
            tracing::warn!(source = %hook.source, branch = %hook.branch,
                "a hook seems dead: its source moved, and no delivery came {last}");
        }
        for (source, branch) in &found.missing {
            tracing::info!(%source, %branch, "a tracked branch is not there");
        }
        for (source, fault) in &found.failed {
            say(&format!("the source {source} could not be asked"), fault);
        }
        Ok(())
    }

    /// Asks for what an earlier process had found and not asked for: branches that nobody has looked at since their
    /// config was read, and sources that were found moved lately.
    async fn take_up(&self) -> Result<()> {
        let filter = BranchFilter { opted_in: true, ..BranchFilter::default() };
        let mut after: Option<JobKey> = None;
        loop {
            let page = self.database.branches(&filter, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.entry.key.clone());
            for record in page.into_iter().filter(waits) {
                self.ask(record.entry.key, Cause::Index).await?;
            }
        }
        let now = (self.now)();
        let since = now - self.operator.reconcile * 3;
        for source in self.database.silent_sources(since, now, MOVED_LATELY).await? {
            for entry in self.database.by_source(&source.source, &source.branch).await? {
                self.ask(entry.key, Cause::Reconcile).await?;
            }
        }
        Ok(())
    }

    async fn ask(&self, key: JobKey, cause: Cause) -> Result<()> {
        let now = (self.now)();
        self.database.request(JobRequest { key, cause, not_before: now }, now).await?;
        self.jobs_bell.notify_one();
        Ok(())
    }
}

/// Tells whether a branch was not run since its config was read.
fn waits(record: &BranchRecord) -> bool {
    record.standing.as_ref().is_none_or(|standing| standing.finished_at < record.looked_at)
}

/// Returns a time between nine and eleven tenths of this one.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(0.9 + 0.2 * chance())
}

fn say(what: &str, fault: &Fault) {
    let code = match fault {
        Fault::Refused(refusal) => refusal.code,
        Fault::Failed(problem) => problem.code,
    };
    tracing::warn!(%code, "{what}: {fault}");
}
