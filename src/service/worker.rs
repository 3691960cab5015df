//! A worker: one job after the other, from the claim to the end of its run.
//!
//! 1. claim a job: pauses, limits and the breaker are asked in the same transaction;
//! 2. keep its lease alive beside the work ([`lease`]);
//! 3. [`Workshop::sync`], on a thread of its own: objects are read there, which no other task may wait for. Right before
//!    the push the lease is asked once more;
//! 4. what comes next ([`verdict`]), what is told and the history become durable together.
//!
//! A worker that dies anywhere on this way is heard of no more; its job is claimed again, and finds out by itself how far
//! the first one came.

pub mod lease;
pub mod verdict;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::aftermath::Aftermath;
use super::chance;
use super::stop::Stop;
use super::trouble::Trouble;
use super::workshop::Workshop;
use crate::database::{Answer, Claim, Claimed, Database, Finish, Finished, Next};
use crate::names::NodeName;
use crate::outcome::Problem;
use crate::queue::Policy;
use crate::report::{Outcome, Report};

/// How often an idle worker looks where nobody rings: other nodes ring only their own.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What all workers of a node share.
pub struct Team {
    /// This node.
    pub node: NodeName,
    /// How long a job is lent to a worker that says nothing.
    pub lease: Duration,
    /// The operator's rules for the queue.
    pub policy: Arc<Policy>,
    /// What a sync needs.
    pub workshop: Arc<Workshop>,
    /// What follows of a run besides its outcome.
    pub aftermath: Aftermath,
    /// Where jobs are.
    pub database: Database,
    /// Rung where a job was asked for.
    pub bell: Arc<Notify>,
    /// The clock.
    pub now: fn() -> Timestamp,
}

/// When to stop: taking new work, and doing what was begun.
#[derive(Clone)]
pub struct Ends {
    /// No new job is begun.
    pub drain: Stop,
    /// What runs is dropped, with the programs that it started.
    pub abort: Stop,
}

impl Team {
    /// Works until told to stop.
    pub async fn work(self: Arc<Self>, mut ends: Ends) {
        let mut trouble = Trouble::default();
        while !ends.drain.is_told() {
            let claimed = self.database.claim(&self.node, self.lease, &self.policy, (self.now)());
            let pause = match claimed.await {
                Ok(Claimed::Job(claim)) => {
                    trouble.is_over("jobs are claimed again");
                    // There may be more: let another worker look.
                    self.bell.notify_one();
                    self.job(Arc::new(*claim), &mut ends).await;
                    continue;
                }
                Ok(Claimed::Nothing { .. }) => {
                    trouble.is_over("jobs are claimed again");
                    LOOK_AGAIN
                }
                Err(problem) => trouble.pause("jobs cannot be claimed", &problem),
            };
            ends.drain.or(self.rung(pause)).await;
        }
    }

    async fn rung(&self, pause: Duration) {
        tokio::select! {
            () = self.bell.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    async fn job(&self, claim: Arc<Claim>, ends: &mut Ends) {
        let keeper = lease::keep(self.database.clone(), Arc::clone(&claim), self.lease, self.now);
        let report = self.report(&claim, keeper.lost(), &ends.abort).await;
        let Some(report) = report else {
            tracing::warn!(job = %claim.key, "the run was dropped before its end");
            return;
        };
        let ending = self.finish(&claim, &report);
        match ends.abort.or(ending).await {
            Some(finished) => say(&claim, &report, finished),
            None => {
                tracing::warn!(job = %claim.key, "the end of the run could not be written down")
            }
        }
    }

    /// Runs the sync; `None` where it was dropped.
    async fn report(&self, claim: &Arc<Claim>, lost: Stop, abort: &Stop) -> Option<Report> {
        let workshop = Arc::clone(&self.workshop);
        let fence = lease::Fence::new(self.database.clone(), Arc::clone(claim), self.now);
        let (key, began) = (claim.key.clone(), claim.started_at);
        let (mut lost, mut abort, handle) = (lost, abort.clone(), Handle::current());
        // A run reads objects between its waits, and its future stays on one thread.
        let run = tokio::task::spawn_blocking(move || {
            handle.block_on(async {
                let sync = workshop.sync(&key, &fence, began);
                abort.or(lost.or(sync)).await.flatten()
            })
        });
        match run.await {
            Ok(report) => report,
            Err(error) => Some(broken(claim, &error)),
        }
    }

    /// Writes the end of a run down; where the database is away, as soon as it is back.
    async fn finish(&self, claim: &Claim, report: &Report) -> Finished {
        let mut trouble = Trouble::default();
        loop {
            match self.try_finish(claim, report).await {
                Ok(finished) => return finished,
                Err(problem) => {
                    let pause = trouble.pause("the end of a run cannot be written down", &problem);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn try_finish(&self, claim: &Claim, report: &Report) -> Answer<Finished> {
        let now = (self.now)();
        let next = self.next(claim, report, now).await?;
        let told = self.aftermath.telling(claim, report, now).await?;
        let finish = Finish {
            outcome: verdict::outcome(report),
            report: told.report,
            source_commit: report.source_commit,
            dist_git_commit: report.dist_git_commit,
            evr: report.evr.clone(),
            messages: told.messages,
            next,
        };
        let finished = self.database.finish(claim, finish, now).await?;
        if finished == Finished::Recorded {
            self.note(claim, report).await;
        }
        Ok(finished)
    }

    /// Sees to what follows; what goes wrong here is made good by the timers.
    async fn note(&self, claim: &Claim, report: &Report) {
        if let Err(problem) = self.aftermath.note(claim, report).await {
            tracing::warn!(code = %problem.code, "the index was not told: {}", problem.message);
        }
    }

    /// Says what comes next, and takes note of which dependencies answer.
    async fn next(&self, claim: &Claim, report: &Report, now: Timestamp) -> Answer<Next> {
        let was_up = self.aftermath.dependencies(claim, report, now).await?;
        let jitter = chance();
        Ok(verdict::next(report, claim.attempts, was_up, jitter, now))
    }
}

/// Turns a run that ended by a fault of ours into a report.
fn broken(claim: &Claim, error: &tokio::task::JoinError) -> Report {
    tracing::error!(job = %claim.key, "a run broke off: {error}");
    let problem = Problem::permanent("run-broken", "the run broke off by a fault in lockkeeper")
        .hint("please report it, with what the log says of it");
    Report {
        package: Some(claim.key.package.clone()),
        branch: Some(claim.key.branch.clone()),
        ..Report::new(None, Outcome::Failed).fault(&problem.into())
    }
}

/// Says in one line what came of a run.
fn say(claim: &Claim, report: &Report, finished: Finished) {
    let (job, run) = (&claim.key, claim.run.0);
    if finished == Finished::LeaseLost {
        tracing::warn!(%job, run, "the run was given to another worker; what came of it here is not counted");
        return;
    }
    let evr = report.evr.as_deref().unwrap_or_default();
    let Some(reason) = &report.reason else {
        tracing::info!(%job, run, evr, "{}", word(report.outcome));
        return;
    };
    let (code, words) = (reason.code, crate::outcome::printable(&reason.message, 500));
    match report.outcome {
        Outcome::Failed => tracing::error!(%job, run, %code, "failed: {words}"),
        Outcome::Refused => tracing::warn!(%job, run, %code, "refused: {words}"),
        outcome => tracing::info!(%job, run, %code, "{}: {words}", word(outcome)),
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Landed => "landed",
        Outcome::UpToDate => "up to date",
        Outcome::NotForUs => "not for us",
        Outcome::Held => "held",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
        Outcome::Previewed | Outcome::Populated | Outcome::Accepted => "done",
    }
}
