//! Jobs: at most one waits for a branch, and what is asked anew is absorbed by it.

use jiff::Timestamp;
use serde::Serialize;

use super::Database;
use super::runs::RunId;
use super::session::{Row, Session, values};
use super::trouble::{Answer, unreadable};
use crate::names::{InstanceName, NodeName, PackageName};
use crate::queue::{Cause, JobKey};

/// A job's number; people name it in commands and addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

/// Asks that a branch be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// The branch.
    pub key: JobKey,
    /// Who asks.
    pub cause: Cause,
    /// Not before this; a time that has passed means now.
    pub not_before: Timestamp,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// A new job waits.
    New,
    /// A job that waited already will do it; it looks at what is true when it begins.
    Absorbed,
}

/// A job that waits or runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobRecord {
    /// Its number.
    pub id: JobId,
    /// The branch.
    pub key: JobKey,
    /// What it is doing.
    pub state: JobState,
    /// Who asked, the oldest first; at most [`CAUSES`] are kept.
    pub causes: Vec<Cause>,
    /// How many requests it absorbed.
    pub absorbed: u32,
    /// How many failures count against it.
    pub attempts: u32,
    /// When it was first asked for.
    pub requested_at: Timestamp,
    /// When it was last asked for.
    pub updated_at: Timestamp,
}

/// What a job is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum JobState {
    /// It may begin.
    Ready,
    /// It waits for a time, or for a switch.
    Delayed {
        /// Until when; `None`: until a switch is changed.
        until: Option<Timestamp>,
        /// What holds it; `None`: it is to be tried again then.
        held: Option<String>,
    },
    /// A worker has it.
    Running {
        /// On which node.
        node: NodeName,
        /// As which run.
        run: RunId,
        /// Until when, unless the worker says that it is alive.
        lease_until: Timestamp,
    },
}

/// How many causes a job remembers: the first ones and the latest.
pub const CAUSES: usize = 20;

/// The columns that a [`JobRecord`] is read from.
const COLUMNS: &str = "id, instance, package, branch, state, causes, absorbed, attempts, requested_at, updated_at, \
     due_at, held, run, node, lease_until";

impl Database {
    /// Asks that a branch be looked at.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn request(&self, wanted: JobRequest, now: Timestamp) -> Answer<Requested> {
        self.write(move |session| Box::pin(async move { request(session, wanted, now).await }))
            .await
    }

    /// Takes a job that waits out of the queue. A job that runs is not stopped; `false` where none waits.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn cancel(&self, job: JobId) -> Answer<bool> {
        const SQL: &str = "DELETE FROM jobs WHERE id = $1 AND state <> 'running'";
        self.write(move |session| {
            Box::pin(async move { Ok(session.change(SQL, values![job.0]).await? > 0) })
        })
        .await
    }

    /// Returns a job that waits or runs. One that has ended is in the runs, see [`Database::runs`].
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn job(&self, job: JobId) -> Answer<Option<JobRecord>> {
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE id = $1");
        self.rows(sql, values![job.0]).await?.first().map(record).transpose()
    }

    /// Returns the jobs of one branch: one that waits, one that runs, both, or none.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn jobs_of(&self, key: &JobKey) -> Answer<Vec<JobRecord>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM jobs WHERE instance = $1 AND package = $2 AND branch = $3 ORDER BY id"
        );
        let JobKey { instance, package, branch } = key;
        let values = values![instance.as_str(), package.as_str(), branch.as_str()];
        self.rows(sql, values).await?.iter().map(record).collect()
    }

    /// Returns the jobs of all packages, or of one, by their number, those after `after`.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn jobs(
        &self,
        package: Option<(&InstanceName, &PackageName)>,
        after: Option<JobId>,
        limit: u32,
    ) -> Answer<Vec<JobRecord>> {
        let after = after.map_or(0, |job| job.0);
        let (filter, values) = match package {
            Some((instance, package)) => (
                "instance = $3 AND package = $4 AND",
                values![after, limit, instance.as_str(), package.as_str()],
            ),
            None => ("", values![after, limit]),
        };
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE {filter} id > $1 ORDER BY id LIMIT $2");
        self.rows(sql, values).await?.iter().map(record).collect()
    }

    /// Counts the jobs that are ready, delayed and running.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn job_counts(&self) -> Answer<JobCounts> {
        const SQL: &str = "SELECT state, COUNT(*) FROM jobs GROUP BY state";
        let mut counts = JobCounts::default();
        for row in &self.rows(SQL, values![]).await? {
            match row.text(0)?.as_str() {
                "ready" => counts.ready = row.count(1)?,
                "delayed" => counts.delayed = row.count(1)?,
                _ => counts.running = row.count(1)?,
            }
        }
        Ok(counts)
    }
}

/// How many jobs there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct JobCounts {
    /// That may begin.
    pub ready: u32,
    /// That wait for a time or a switch.
    pub delayed: u32,
    /// That a worker has.
    pub running: u32,
}

/// Asks for a job inside a transaction.
pub(super) async fn request(
    session: &mut Session,
    wanted: JobRequest,
    now: Timestamp,
) -> Answer<Requested> {
    // Another transaction may take the waiting job away between the two statements; then there is none, and the next
    // insert finds room.
    for _ in 0..10 {
        if insert(session, &wanted, now).await? {
            return Ok(Requested::New);
        }
        if absorb(session, &wanted, now).await? {
            return Ok(Requested::Absorbed);
        }
    }
    Err(unreadable(
        "the queue",
        format!("{} neither waits nor can be added", wanted.key),
    ))
}

async fn insert(session: &mut Session, wanted: &JobRequest, now: Timestamp) -> Answer<bool> {
    const SQL: &str = "INSERT INTO jobs (instance, package, branch, state, causes, requested_at, updated_at, \
             not_before, due_at, served) \
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $7, \
             COALESCE((SELECT run FROM served WHERE instance = $1 AND package = $2), 0)) \
         ON CONFLICT (instance, package, branch) WHERE state <> 'running' DO NOTHING";
    let JobKey { instance, package, branch } = &wanted.key;
    let state = if wanted.not_before > now { "delayed" } else { "ready" };
    let values = values![
        instance.as_str(),
        package.as_str(),
        branch.as_str(),
        state,
        causes_text(std::slice::from_ref(&wanted.cause)),
        now,
        wanted.not_before
    ];
    Ok(session.change(SQL, values).await? > 0)
}

/// Adds a request to the job that waits already; `false` where none does.
///
/// What held it back by policy still does: that is asked again at the next claim, not here. A failure's wait ends:
/// something is new.
async fn absorb(session: &mut Session, wanted: &JobRequest, now: Timestamp) -> Answer<bool> {
    const FIND: &str = "SELECT id, causes, not_before, attempts FROM jobs \
         WHERE instance = $1 AND package = $2 AND branch = $3 AND state <> 'running'";
    /// Also keeps other nodes from it until the end of the transaction.
    const FIND_AND_LOCK: &str = "SELECT id, causes, not_before, attempts FROM jobs \
         WHERE instance = $1 AND package = $2 AND branch = $3 AND state <> 'running' FOR UPDATE";
    const UPDATE: &str = "UPDATE jobs SET causes = $2, absorbed = absorbed + 1, updated_at = $3, not_before = $4, \
             attempts = $5, due_at = CASE WHEN held IS NULL THEN $4 ELSE due_at END, \
             state = CASE WHEN held IS NULL AND $4 <= $3 THEN 'ready' ELSE state END \
         WHERE id = $1 AND state <> 'running'";
    let JobKey { instance, package, branch } = &wanted.key;
    let find = session.pick(FIND, FIND_AND_LOCK);
    let values = values![instance.as_str(), package.as_str(), branch.as_str()];
    let Some(row) = session.first(find, values).await? else { return Ok(false) };
    let mut causes: Vec<Cause> = row.json(1)?;
    remember(&mut causes, wanted.cause.clone());
    let not_before = row.time(2)?.min(wanted.not_before);
    let attempts = if wanted.cause.forgives() { 0 } else { row.number(3)? };
    let values = values![row.number(0)?, causes_text(&causes), now, not_before, attempts];
    Ok(session.change(UPDATE, values).await? > 0)
}

/// Makes a running job wait again, under its own number; a newer one that waits already does its work instead.
pub(super) async fn back_to_waiting(
    session: &mut Session,
    job: JobId,
    not_before: Timestamp,
    attempts: u32,
    now: Timestamp,
) -> Answer<()> {
    const TAKE: &str = "DELETE FROM jobs WHERE id = $1 AND state = 'running' \
         RETURNING instance, package, branch, causes, absorbed, requested_at, served";
    const GIVE: &str = "INSERT INTO jobs (id, instance, package, branch, causes, absorbed, requested_at, served, \
             state, attempts, not_before, due_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12) \
         ON CONFLICT (instance, package, branch) WHERE state <> 'running' DO NOTHING";
    let Some(row) = session.first(TAKE, values![job.0]).await? else { return Ok(()) };
    let state = if not_before > now { "delayed" } else { "ready" };
    let values = values![
        job.0,
        row.text(0)?,
        row.text(1)?,
        row.text(2)?,
        row.text(3)?,
        row.number(4)?,
        row.number(5)?,
        row.number(6)?,
        state,
        attempts,
        not_before,
        now
    ];
    session.change(GIVE, values).await.map(drop)
}

/// Adds a cause; the same one twice says nothing new, and of many the middle ones are forgotten.
pub(super) fn remember(causes: &mut Vec<Cause>, cause: Cause) {
    if causes.contains(&cause) {
        return;
    }
    if causes.len() >= CAUSES {
        causes.remove(CAUSES / 2);
    }
    causes.push(cause);
}

pub(super) fn causes_text(causes: &[Cause]) -> String {
    serde_json::to_string(causes).expect("causes are plain data")
}

/// Reads the names of a branch from three columns.
pub(super) fn key(row: &Row, at: usize) -> Answer<JobKey> {
    Ok(JobKey {
        instance: row.parsed(at)?,
        package: row.parsed(at + 1)?,
        branch: row.parsed(at + 2)?,
    })
}

fn record(row: &Row) -> Answer<JobRecord> {
    Ok(JobRecord {
        id: JobId(row.number(0)?),
        key: key(row, 1)?,
        state: state(row)?,
        causes: row.json(5)?,
        absorbed: row.count(6)?,
        attempts: row.count(7)?,
        requested_at: row.time(8)?,
        updated_at: row.time(9)?,
    })
}

/// When a job is due that waits for a switch: never by itself.
pub(super) const NEVER: i64 = i64::MAX;

fn state(row: &Row) -> Answer<JobState> {
    Ok(match row.text(4)?.as_str() {
        "ready" => JobState::Ready,
        "delayed" => {
            let due = row.number(10)?;
            let until = if due == NEVER { None } else { Some(row.time(10)?) };
            JobState::Delayed { until, held: row.maybe_text(11)? }
        }
        _ => JobState::Running {
            run: RunId(row.number(12)?),
            node: row.parsed(13)?,
            lease_until: row.time(14)?,
        },
    })
}
