//! Claims: one worker has a job for the length of a lease, and the number of its run is the fence.
//!
//! The order is fair between packages: the one that was served longest ago goes first, however many branches or
//! requests another one has. What may not begin is set aside until the time that holds it, or until a switch is
//! changed, so that it is not looked at again for each claim.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::jobs::{JobId, NEVER, key};
use super::published::{Publications, overall};
use super::runs::RunId;
use super::session::{Row, Session, values};
use super::switches::{breaker, switches};
use super::trouble::{Answer, trouble, unreadable};
use super::{Database, jobs};
use crate::names::NodeName;
use crate::queue::{
    Admission, Breaker, Candidate, Cause, DependencyKind, JobKey, Policy, Published, Scope, Switch,
};

/// A job that is ours until its lease ends. Not a clone of anything: whoever has it does the work.
#[derive(Debug)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// The run that it became. A later claim of any job has a higher number: this is the fence.
    pub run: RunId,
    /// The branch to look at.
    pub key: JobKey,
    /// Who asked, the oldest first.
    pub causes: Vec<Cause>,
    /// How many earlier failures count.
    pub attempts: u32,
    /// When it was first asked for.
    pub requested_at: Timestamp,
    /// When it was claimed.
    pub started_at: Timestamp,
    pub(super) lease: Duration,
    pub(super) policy: Arc<Policy>,
}

/// What there was to claim.
#[derive(Debug)]
pub enum Claimed {
    /// A job.
    Job(Box<Claim>),
    /// Nothing that may begin now.
    Nothing {
        /// When something may, unless something new comes first; `None` where nothing waits for a time.
        look_again: Option<Timestamp>,
        /// What holds everything back, where something does.
        held: Option<String>,
    },
}

/// Whether a run may push. Asked right before the push; dist-git's own lease is what decides in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushLeave {
    /// The run is still the branch's, and nothing is paused.
    Granted,
    /// Another worker has the branch by now, or may have it: stop, and say nothing.
    LeaseLost,
    /// A pause was set while it ran: stop, and finish it as held.
    Paused(Box<Switch>),
}

/// How many candidates are fetched at once.
const CANDIDATES: u32 = 64;

impl Database {
    /// Claims the next job that may begin.
    ///
    /// Leases that ended are freed first, so a dead worker's job is claimed again here.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn claim(
        &self,
        node: &NodeName,
        lease: Duration,
        policy: &Arc<Policy>,
        now: Timestamp,
    ) -> Answer<Claimed> {
        let asker = Asker { node: node.clone(), lease, policy: policy.clone(), now };
        self.write(move |session| Box::pin(async move { asker.claim(session).await })).await
    }

    /// Says that the worker is alive: the lease begins anew. `false`: it is lost, and the work is to stop.
    ///
    /// # Errors
    /// As for every change to the database. A worker that cannot renew until its lease ends must stop.
    pub async fn renew(&self, claim: &Claim, now: Timestamp) -> Answer<bool> {
        const SQL: &str = "UPDATE jobs SET lease_until = $3 \
             WHERE id = $1 AND run = $2 AND state = 'running' AND lease_until > $4";
        let values = values![claim.job.0, claim.run.0, now + claim.lease, now];
        self.write(move |session| {
            Box::pin(async move { Ok(session.change(SQL, values).await? > 0) })
        })
        .await
    }

    /// Tells whether the lease still holds.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn holds(&self, claim: &Claim, now: Timestamp) -> Answer<bool> {
        let (job, run) = (claim.job, claim.run);
        self.read(move |session| Box::pin(holds(session, job, run, now))).await
    }

    /// Tells whether a run may push: its lease holds, and no pause covers its branch.
    ///
    /// # Errors
    /// As for every question to the database; then it may not.
    pub async fn may_push(&self, claim: &Claim, now: Timestamp) -> Answer<PushLeave> {
        let (job, run, key) = (claim.job, claim.run, claim.key.clone());
        self.read(move |session| {
            Box::pin(async move {
                if !holds(session, job, run, now).await? {
                    return Ok(PushLeave::LeaseLost);
                }
                let switches = switches(session).await?;
                let covering = switches.into_iter().filter(|switch| switch.scope.covers(&key));
                let mut pauses = covering.filter(Switch::stops_running);
                Ok(pauses.next().map_or(PushLeave::Granted, |s| PushLeave::Paused(Box::new(s))))
            })
        })
        .await
    }

    /// Frees what a node of this name had: it has just begun, so what it had is nobody's. Returns how many jobs that were.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn free_leases_of(&self, node: &NodeName, now: Timestamp) -> Answer<u32> {
        let node = node.clone();
        self.write(move |session| {
            Box::pin(async move {
                const SQL: &str =
                    "SELECT id, run, attempts FROM jobs WHERE state = 'running' AND node = $1";
                let rows = session.all(SQL, values![node.as_str()]).await?;
                free(session, &rows, now).await
            })
        })
        .await
    }
}

async fn holds(session: &mut Session, job: JobId, run: RunId, now: Timestamp) -> Answer<bool> {
    const SQL: &str = "SELECT id FROM jobs \
         WHERE id = $1 AND run = $2 AND state = 'running' AND lease_until > $3";
    Ok(session.first(SQL, values![job.0, run.0, now]).await?.is_some())
}

/// Gives running jobs back to the queue; their runs ended as `lost`.
///
/// A job that takes its worker along each time comes back later and later.
async fn free(session: &mut Session, rows: &[Row], now: Timestamp) -> Answer<u32> {
    const LOST: &str = "UPDATE runs SET outcome = 'lost', finished_at = $2 WHERE id = $1";
    for row in rows {
        let (job, run, attempts) = (JobId(row.number(0)?), row.number(1)?, row.count(2)?);
        session.change(LOST, values![run, now]).await?;
        let wait = match attempts.checked_sub(1) {
            Some(earlier) => DependencyKind::Ourselves.backoff().wait(earlier, 1.0),
            None => Duration::ZERO,
        };
        jobs::back_to_waiting(session, job, now + wait, attempts + 1, now).await?;
    }
    Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX))
}

/// One claim being made.
struct Asker {
    node: NodeName,
    lease: Duration,
    policy: Arc<Policy>,
    now: Timestamp,
}

/// What holds for every candidate of one claim.
struct Surroundings {
    switches: Vec<Switch>,
    breaker: Breaker,
    overall: Published,
}

impl Asker {
    async fn claim(self, session: &mut Session) -> Answer<Claimed> {
        self.free_ended_leases(session).await?;
        self.promote(session).await?;
        let around = self.surroundings(session).await?;
        if let Some(held) = self.everything_held(&around) {
            return Ok(held);
        }
        let mut line = Line::default();
        while let Some(candidate) = line.next(session).await? {
            if let Some(claim) = self.consider(session, candidate, &around).await? {
                return Ok(Claimed::Job(Box::new(claim)));
            }
        }
        self.nothing(session, line.contended).await
    }

    async fn free_ended_leases(&self, session: &mut Session) -> Answer<()> {
        let sql = session.pick(
            "SELECT id, run, attempts FROM jobs WHERE state = 'running' AND lease_until <= $1",
            "SELECT id, run, attempts FROM jobs WHERE state = 'running' AND lease_until <= $1 \
             FOR UPDATE SKIP LOCKED",
        );
        let rows = session.all(sql, values![self.now]).await?;
        free(session, &rows, self.now).await.map(drop)
    }

    /// Makes those ready whose time has come; what held them is asked anew.
    async fn promote(&self, session: &mut Session) -> Answer<()> {
        let sql = session.pick(
            "UPDATE jobs SET state = 'ready', held = NULL WHERE state = 'delayed' AND due_at <= $1",
            "UPDATE jobs SET state = 'ready', held = NULL WHERE id IN \
                 (SELECT id FROM jobs WHERE state = 'delayed' AND due_at <= $1 FOR UPDATE SKIP LOCKED)",
        );
        session.change(sql, values![self.now]).await.map(drop)
    }

    async fn surroundings(&self, session: &mut Session) -> Answer<Surroundings> {
        let switches = switches(session).await?;
        let limit = self.policy.most_counted(&switches);
        if limit > 0 || breaker(session).await? != Breaker::default() {
            take_turns(session).await?;
        }
        let breaker = breaker(session).await?;
        let overall = overall(session, limit).await?;
        Ok(Surroundings { switches, breaker, overall })
    }

    /// Answers at once where nothing at all may begin, instead of looking at each job.
    fn everything_held(&self, around: &Surroundings) -> Option<Claimed> {
        let all = around.switches.iter().filter(|switch| switch.scope == Scope::All);
        let switches: Vec<Switch> = all.cloned().collect();
        let none = Published::default();
        let candidate = Candidate {
            switches: &switches,
            branch: &none,
            package: &none,
            overall: &around.overall,
            breaker: &around.breaker,
        };
        match self.policy.admit(&candidate, self.now) {
            Admission::Go => None,
            Admission::Until { at, why } => {
                Some(Claimed::Nothing { look_again: Some(at), held: Some(why) })
            }
            Admission::Hold { why } => Some(Claimed::Nothing { look_again: None, held: Some(why) }),
        }
    }

    /// Claims a candidate, or sets it aside.
    async fn consider(
        &self,
        session: &mut Session,
        waiting: Waiting,
        around: &Surroundings,
    ) -> Answer<Option<Claim>> {
        let covering = around.switches.iter().filter(|switch| switch.scope.covers(&waiting.key));
        let switches: Vec<Switch> = covering.cloned().collect();
        let limit = self.policy.most_counted(&switches);
        let Publications { branch, package } =
            Publications::of(session, &waiting.key, limit).await?;
        let candidate = Candidate {
            switches: &switches,
            branch: &branch,
            package: &package,
            overall: &around.overall,
            breaker: &around.breaker,
        };
        match self.policy.admit(&candidate, self.now) {
            Admission::Go => self.take(session, waiting).await.map(Some),
            Admission::Until { at, why } => {
                set_aside(session, waiting.job, at.as_millisecond(), why).await.map(|()| None)
            }
            Admission::Hold { why } => {
                set_aside(session, waiting.job, NEVER, why).await.map(|()| None)
            }
        }
    }

    async fn take(&self, session: &mut Session, waiting: Waiting) -> Answer<Claim> {
        let run = self.begin_run(session, &waiting).await?;
        self.lend(session, &waiting, run).await?;
        serve(session, &waiting.key, run).await?;
        let Waiting { job, key, causes, attempts, requested_at, .. } = waiting;
        Ok(Claim {
            job,
            run,
            key,
            causes,
            attempts,
            requested_at,
            started_at: self.now,
            lease: self.lease,
            policy: self.policy.clone(),
        })
    }

    async fn begin_run(&self, session: &mut Session, waiting: &Waiting) -> Answer<RunId> {
        const SQL: &str = "INSERT INTO runs (job, instance, package, branch, node, causes, attempts, started_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
        let JobKey { instance, package, branch } = &waiting.key;
        let values = values![
            waiting.job.0,
            instance.as_str(),
            package.as_str(),
            branch.as_str(),
            self.node.as_str(),
            jobs::causes_text(&waiting.causes),
            waiting.attempts,
            self.now
        ];
        let row = session.first(SQL, values).await?;
        let row = row.ok_or_else(|| unreadable("a run", "it was not inserted"))?;
        Ok(RunId(row.number(0)?))
    }

    async fn lend(&self, session: &mut Session, waiting: &Waiting, run: RunId) -> Answer<()> {
        const SQL: &str = "UPDATE jobs SET state = 'running', run = $2, node = $3, lease_until = $4, held = NULL \
             WHERE id = $1";
        let until = self.now + self.lease;
        let values = values![waiting.job.0, run.0, self.node.as_str(), until];
        session.change(SQL, values).await.map(drop)
    }

    async fn nothing(&self, session: &mut Session, contended: bool) -> Answer<Claimed> {
        const SQL: &str = "SELECT MIN(due_at) FROM jobs WHERE state = 'delayed' AND due_at < $1";
        let row = session.first(SQL, values![NEVER]).await?;
        let due = row.map(|row| row.maybe_time(0)).transpose()?.flatten();
        let look_again = if contended { Some(self.now) } else { due };
        Ok(Claimed::Nothing { look_again, held: None })
    }
}

/// Lets only one node at a time count what is left of a limit. Without limits all claim side by side.
async fn take_turns(session: &mut Session) -> Answer<()> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(1819239276)";
    match session.is_postgres() {
        true => session.script(LOCK).await.map_err(trouble),
        false => Ok(()),
    }
}

/// A job that may begin as far as the queue goes.
struct Waiting {
    job: JobId,
    key: JobKey,
    causes: Vec<Cause>,
    attempts: u32,
    requested_at: Timestamp,
}

/// The jobs that are ready, first in line first; a branch that runs is passed over.
#[derive(Default)]
struct Line {
    fetched: VecDeque<Waiting>,
    /// Where in line the last one stood that was fetched.
    last: Option<(i64, i64)>,
    is_at_end: bool,
    /// Whether another node was just claiming one of them.
    contended: bool,
}

impl Line {
    /// Returns the next one that no other node is claiming, locked.
    async fn next(&mut self, session: &mut Session) -> Answer<Option<Waiting>> {
        loop {
            if self.fetched.is_empty() && !self.is_at_end {
                self.fetch(session).await?;
            }
            let Some(waiting) = self.fetched.pop_front() else { return Ok(None) };
            if !session.is_postgres() {
                return Ok(Some(waiting));
            }
            if let Some(locked) = lock(session, waiting.job).await? {
                return Ok(Some(locked));
            }
            self.contended = true;
        }
    }

    async fn fetch(&mut self, session: &mut Session) -> Answer<()> {
        const SQL: &str = "SELECT id, instance, package, branch, causes, attempts, requested_at, served \
             FROM jobs AS waiting \
             WHERE state = 'ready' AND (served, id) > ($1, $2) AND NOT EXISTS \
                 (SELECT 1 FROM jobs AS running WHERE running.state = 'running' \
                 AND running.instance = waiting.instance AND running.package = waiting.package \
                 AND running.branch = waiting.branch) \
             ORDER BY served, id LIMIT $3";
        let (served, id) = self.last.unwrap_or((-1, -1));
        // Most claims take the first; only those that find it held or taken look further.
        let limit = if self.last.is_none() { 8 } else { CANDIDATES };
        let rows = session.all(SQL, values![served, id, limit]).await?;
        self.is_at_end = rows.len() < limit as usize;
        for row in &rows {
            self.last = Some((row.number(7)?, row.number(0)?));
            self.fetched.push_back(waiting(row)?);
        }
        Ok(())
    }
}

/// Locks a candidate; `None` where another node is claiming it, or has.
async fn lock(session: &mut Session, job: JobId) -> Answer<Option<Waiting>> {
    const SQL: &str = "SELECT id, instance, package, branch, causes, attempts, requested_at FROM jobs \
         WHERE id = $1 AND state = 'ready' FOR UPDATE SKIP LOCKED";
    session.first(SQL, values![job.0]).await?.as_ref().map(waiting).transpose()
}

fn waiting(row: &Row) -> Answer<Waiting> {
    Ok(Waiting {
        job: JobId(row.number(0)?),
        key: key(row, 1)?,
        causes: row.json(4)?,
        attempts: row.count(5)?,
        requested_at: row.time(6)?,
    })
}

async fn set_aside(session: &mut Session, job: JobId, due: i64, why: String) -> Answer<()> {
    const SQL: &str = "UPDATE jobs SET state = 'delayed', due_at = $2, held = $3 WHERE id = $1";
    session.change(SQL, values![job.0, due, why]).await.map(drop)
}

/// Writes down that a package was served: its other branches go to the end of the line.
async fn serve(session: &mut Session, key: &JobKey, run: RunId) -> Answer<()> {
    const PACKAGE: &str = "INSERT INTO served (instance, package, run) VALUES ($1, $2, $3) \
         ON CONFLICT (instance, package) DO UPDATE SET run = excluded.run";
    let others = session.pick(
        "UPDATE jobs SET served = $3 WHERE instance = $1 AND package = $2",
        // Those that another node is claiming just now have had their place in line.
        "UPDATE jobs SET served = $3 WHERE id IN (SELECT id FROM jobs \
             WHERE instance = $1 AND package = $2 FOR UPDATE SKIP LOCKED)",
    );
    let values = values![key.instance.as_str(), key.package.as_str(), run.0];
    session.change(PACKAGE, values.clone()).await?;
    session.change(others, values).await.map(drop)
}
