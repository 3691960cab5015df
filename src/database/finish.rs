//! The end of a run: outcome, history, messages and what comes next, in one transaction.

use jiff::Timestamp;

use super::claims::Claim;
use super::jobs::{JobId, back_to_waiting};
use super::outbox::{OutboxMessage, put};
use super::runs::RunId;
use super::session::{Session, values};
use super::switches::{ask_again, breaker, keep_breaker};
use super::trouble::Answer;
use super::{Database, published};
use crate::names::ObjectId;
use crate::queue::{BreakerPolicy, FailureShare, JobKey};

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOutcome {
    /// A commit was pushed. It counts as a publication.
    Landed,
    /// There was nothing to do.
    UpToDate,
    /// The branch is not ours to publish.
    NotForUs {
        /// The code of the reason.
        code: String,
    },
    /// It waits: a pause was set while it ran, for example.
    Held {
        /// The code of the reason.
        code: String,
    },
    /// A person must act.
    Refused {
        /// The code of the reason.
        code: String,
    },
    /// Something failed.
    Failed {
        /// The code of the reason.
        code: String,
    },
}

impl RunOutcome {
    /// Returns the outcome's word in `docs/exit-codes.md`.
    pub fn word(&self) -> &'static str {
        match self {
            RunOutcome::Landed => "landed",
            RunOutcome::UpToDate => "up-to-date",
            RunOutcome::NotForUs { .. } => "not-for-us",
            RunOutcome::Held { .. } => "held",
            RunOutcome::Refused { .. } => "refused",
            RunOutcome::Failed { .. } => "failed",
        }
    }

    /// Returns the code of the reason, where there is one.
    pub fn code(&self) -> Option<&str> {
        match self {
            RunOutcome::Landed | RunOutcome::UpToDate => None,
            RunOutcome::NotForUs { code }
            | RunOutcome::Held { code }
            | RunOutcome::Refused { code }
            | RunOutcome::Failed { code } => Some(code),
        }
    }
}

/// What comes after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Done,
    /// The same again, later.
    RetryAt {
        /// When.
        at: Timestamp,
        /// How many failures count by now.
        attempts: u32,
    },
    /// Nothing by itself: an event, or a person, will ask again.
    WaitForEvent,
}

/// All that a run leaves behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// What came of it.
    pub outcome: RunOutcome,
    /// The report, as `--format json` prints it.
    pub report: serde_json::Value,
    /// The source tip that was looked at.
    pub source_commit: Option<ObjectId>,
    /// The commit that was pushed, or found.
    pub dist_git_commit: Option<ObjectId>,
    /// What was published.
    pub evr: Option<String>,
    /// What is to be told, and to whom. The run's number is their rank.
    pub messages: Vec<OutboxMessage>,
    /// What comes next.
    pub next: Next,
}

/// What became of the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// It is written down.
    Recorded,
    /// Another worker has, or had, the job since: nothing was written, and nobody will be told.
    LeaseLost,
}

impl Database {
    /// Ends a run.
    ///
    /// It is taken as long as no other worker was given the job, even when the lease ran out a moment ago.
    ///
    /// # Errors
    /// As for every change to the database. Call it again: nothing was written.
    pub async fn finish(&self, claim: &Claim, finish: Finish, now: Timestamp) -> Answer<Finished> {
        let ending = Ending {
            job: claim.job,
            run: claim.run,
            key: claim.key.clone(),
            began: claim.started_at,
            breaker: claim.policy.breaker.clone(),
            now,
        };
        self.write(move |session| Box::pin(async move { ending.write(session, finish).await }))
            .await
    }
}

/// One run that ends.
struct Ending {
    job: JobId,
    run: RunId,
    key: JobKey,
    began: Timestamp,
    breaker: Option<BreakerPolicy>,
    now: Timestamp,
}

impl Ending {
    async fn write(self, session: &mut Session, finish: Finish) -> Answer<Finished> {
        if !self.still_ours(session).await? {
            return Ok(Finished::LeaseLost);
        }
        self.history(session, &finish).await?;
        self.latest(session, &finish.outcome).await?;
        if finish.outcome == RunOutcome::Landed {
            published::add(session, self.run, &self.key, self.now).await?;
        }
        self.tell_breaker(session, &finish).await?;
        let mut messages = finish.messages;
        // In one order everywhere, so that two that end at once never wait for each other.
        messages.sort_by(|left, right| left.key.cmp(&right.key));
        for message in messages {
            put(session, message, self.run.0, self.now).await?;
        }
        self.next(session, finish.next).await?;
        Ok(Finished::Recorded)
    }

    /// Tells whether the job still is this run's, and keeps others from it until the end of the transaction.
    async fn still_ours(&self, session: &mut Session) -> Answer<bool> {
        const SQL: &str =
            "UPDATE jobs SET updated_at = $3 WHERE id = $1 AND run = $2 AND state = 'running'";
        Ok(session.change(SQL, values![self.job.0, self.run.0, self.now]).await? > 0)
    }

    async fn history(&self, session: &mut Session, finish: &Finish) -> Answer<()> {
        const SQL: &str = "UPDATE runs SET finished_at = $2, outcome = $3, code = $4, next = $5, source_commit = $6, \
                 dist_git_commit = $7, evr = $8, report = $9 WHERE id = $1";
        let next = match finish.next {
            Next::Done => "done",
            Next::RetryAt { .. } => "retry",
            Next::WaitForEvent => "wait",
        };
        let values = values![
            self.run.0,
            self.now,
            finish.outcome.word(),
            finish.outcome.code(),
            next,
            finish.source_commit.map(|id| id.to_string()),
            finish.dist_git_commit.map(|id| id.to_string()),
            finish.evr.clone(),
            finish.report.to_string()
        ];
        session.change(SQL, values).await.map(drop)
    }

    async fn latest(&self, session: &mut Session, outcome: &RunOutcome) -> Answer<()> {
        const SQL: &str = "INSERT INTO latest (instance, package, branch, run, outcome, code, finished_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (instance, package, branch) DO UPDATE SET \
                 run = excluded.run, outcome = excluded.outcome, code = excluded.code, \
                 finished_at = excluded.finished_at";
        let JobKey { instance, package, branch } = &self.key;
        let values = values![
            instance.as_str(),
            package.as_str(),
            branch.as_str(),
            self.run.0,
            outcome.word(),
            outcome.code(),
            self.now
        ];
        session.change(SQL, values).await.map(drop)
    }

    /// Lets the circuit breaker know, and has held jobs asked again where its state changed.
    ///
    /// What is tried again by itself says that a dependency is down, and a held run says nothing.
    async fn tell_breaker(&self, session: &mut Session, finish: &Finish) -> Answer<()> {
        let Some(policy) = &self.breaker else { return Ok(()) };
        let mut breaker = breaker(session).await?;
        let changed = match (&finish.outcome, finish.next) {
            (_, Next::RetryAt { .. }) | (RunOutcome::Held { .. }, _) => false,
            (RunOutcome::Refused { code } | RunOutcome::Failed { code }, _) => {
                let share = share(session, code, self.now - policy.window).await?;
                breaker.failed(code, self.began, share, policy, self.now)
            }
            (RunOutcome::Landed | RunOutcome::UpToDate | RunOutcome::NotForUs { .. }, _) => {
                breaker.went_well(self.began, policy, self.now)
            }
        };
        if changed {
            keep_breaker(session, &breaker).await?;
            ask_again(session).await?;
        }
        Ok(())
    }

    async fn next(&self, session: &mut Session, next: Next) -> Answer<()> {
        match next {
            Next::RetryAt { at, attempts } => {
                back_to_waiting(session, self.job, at, attempts, self.now).await
            }
            Next::Done | Next::WaitForEvent => {
                let sql = "DELETE FROM jobs WHERE id = $1 AND state = 'running'";
                session.change(sql, values![self.job.0]).await.map(drop)
            }
        }
    }
}

/// Counts the branches whose latest run ended since a time, and those of them that failed with a code.
async fn share(session: &mut Session, code: &str, since: Timestamp) -> Answer<FailureShare> {
    const SQL: &str = "SELECT COUNT(CASE WHEN code = $1 AND outcome IN ('refused', 'failed') THEN 1 END), COUNT(*) \
         FROM latest WHERE finished_at > $2";
    let row = session.first(SQL, values![code, since]).await?;
    let Some(row) = row else { return Ok(FailureShare { alike: 0, all: 0 }) };
    Ok(FailureShare { alike: row.count(0)?, all: row.count(1)? })
}
