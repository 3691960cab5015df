//! Runs: every claim and what came of it; the history for people.

use jiff::Timestamp;
use serde::Serialize;

use super::Database;
use super::jobs::{JobId, key};
use super::session::{Row, values};
use super::trouble::Answer;
use crate::names::{NodeName, ObjectId};
use crate::queue::{Cause, JobKey};

/// A run's number: later runs have higher ones, over all nodes, so it is the fence as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRecord {
    /// Its number.
    pub id: RunId,
    /// The job it is a run of; a job that is tried again has several.
    pub job: JobId,
    /// The branch.
    pub key: JobKey,
    /// Where it ran.
    pub node: NodeName,
    /// Who had asked.
    pub causes: Vec<Cause>,
    /// How many earlier failures counted when it began.
    pub attempts: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs.
    pub finished_at: Option<Timestamp>,
    /// What came of it: an outcome of `docs/exit-codes.md`, or `lost` where its worker was heard of no more.
    pub outcome: Option<String>,
    /// The code of its reason, where it has one.
    pub code: Option<String>,
    /// What comes next: `done`, `retry`, `wait`.
    pub next: Option<String>,
    /// The source tip that was looked at.
    pub source_commit: Option<ObjectId>,
    /// The commit that was pushed, or found.
    pub dist_git_commit: Option<ObjectId>,
    /// What was published.
    pub evr: Option<String>,
    /// The whole report; only from [`Database::run`].
    pub report: Option<serde_json::Value>,
}

/// Whose runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunsOf {
    /// Everybody's.
    All,
    /// One branch's.
    Branch(JobKey),
    /// One job's.
    Job(JobId),
}

const COLUMNS: &str = "id, job, instance, package, branch, node, causes, attempts, started_at, finished_at, outcome, \
     code, next, source_commit, dist_git_commit, evr";

impl Database {
    /// Returns runs, the newest first, those before `before`: the cursor of a page is the last number of the one before.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn runs(
        &self,
        of: &RunsOf,
        before: Option<RunId>,
        limit: u32,
    ) -> Answer<Vec<RunRecord>> {
        let before = before.map_or(i64::MAX, |run| run.0);
        let (filter, values) = match of {
            RunsOf::All => ("", values![before, limit]),
            RunsOf::Job(job) => ("job = $3 AND", values![before, limit, job.0]),
            RunsOf::Branch(JobKey { instance, package, branch }) => (
                "instance = $3 AND package = $4 AND branch = $5 AND",
                values![before, limit, instance.as_str(), package.as_str(), branch.as_str()],
            ),
        };
        let sql =
            format!("SELECT {COLUMNS} FROM runs WHERE {filter} id < $1 ORDER BY id DESC LIMIT $2");
        self.rows(sql, values).await?.iter().map(record).collect()
    }

    /// Returns one run with its report.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn run(&self, run: RunId) -> Answer<Option<RunRecord>> {
        let sql = format!("SELECT {COLUMNS}, report FROM runs WHERE id = $1");
        let rows = self.rows(sql, values![run.0]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let report = row.maybe_text(16)?.map(|_| row.json(16)).transpose()?;
        Ok(Some(RunRecord { report, ..record(row)? }))
    }

    /// Forgets runs that ended before a time, but never a branch's latest; at most 500 in one call. Returns how many.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn prune_runs(&self, before: Timestamp) -> Answer<u64> {
        const RUNS: &str = "DELETE FROM runs WHERE id IN (SELECT runs.id FROM runs \
             WHERE runs.finished_at < $1 AND NOT EXISTS (SELECT 1 FROM latest WHERE latest.run = runs.id \
                 AND latest.instance = runs.instance AND latest.package = runs.package \
                 AND latest.branch = runs.branch) LIMIT 500)";
        const PUBLICATIONS: &str = "DELETE FROM publications WHERE run IN \
             (SELECT run FROM publications WHERE published_at < $1 LIMIT 500)";
        self.write(move |session| {
            Box::pin(async move {
                let pruned = session.change(RUNS, values![before]).await?;
                Ok(pruned + session.change(PUBLICATIONS, values![before]).await?)
            })
        })
        .await
    }
}

fn record(row: &Row) -> Answer<RunRecord> {
    Ok(RunRecord {
        id: RunId(row.number(0)?),
        job: JobId(row.number(1)?),
        key: key(row, 2)?,
        node: row.parsed(5)?,
        causes: row.json(6)?,
        attempts: row.count(7)?,
        started_at: row.time(8)?,
        finished_at: row.maybe_time(9)?,
        outcome: row.maybe_text(10)?,
        code: row.maybe_text(11)?,
        next: row.maybe_text(12)?,
        source_commit: row.maybe_parsed(13)?,
        dist_git_commit: row.maybe_parsed(14)?,
        evr: row.maybe_text(15)?,
        report: None,
    })
}
