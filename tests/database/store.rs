//! A fresh database, and short words for what goes into it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockkeeper::database::{
    Claim, Claimed, Database, DatabaseAddress, Finish, JobRequest, MessageKey, NewDelivery, Next,
    OutboxMessage, Requested, RunOutcome,
};
use lockkeeper::names::NodeName;
use lockkeeper::queue::{Cause, JobKey, Policy};

use crate::postgres::Postgres;

/// A database that nobody else has.
pub struct Store {
    pub db: Database,
    pub address: DatabaseAddress,
    _folder: Option<tempfile::TempDir>,
}

/// How long the tests' leases are.
pub const LEASE: Duration = Duration::from_secs(10);

impl Store {
    pub async fn sqlite() -> Store {
        let folder = tempfile::Builder::new().prefix("lk-database-").tempdir().unwrap();
        let address = DatabaseAddress::parse("sqlite", folder.path()).unwrap();
        let db = Database::open(&address).await.unwrap();
        Store { db, address, _folder: Some(folder) }
    }

    pub async fn postgres() -> Store {
        let address = postgres_address(&Postgres::shared().database());
        let db = Database::open(&address).await.unwrap();
        Store { db, address, _folder: None }
    }

    /// Opens the same database once more, as another process would.
    pub async fn another_node(&self) -> Database {
        Database::open(&self.address).await.unwrap()
    }

    pub async fn request(&self, text: &str, second: i64) -> Requested {
        let wanted = JobRequest { key: key(text), cause: Cause::Reconcile, not_before: at(second) };
        self.db.request(wanted, at(second)).await.unwrap()
    }

    pub async fn request_all(&self, texts: &[&str], second: i64) {
        for text in texts {
            self.request(text, second).await;
        }
    }

    /// Claims without limits.
    pub async fn claim(&self, second: i64) -> Option<Claim> {
        self.claim_under(&Policy::default(), second).await
    }

    pub async fn claim_under(&self, policy: &Policy, second: i64) -> Option<Claim> {
        let policy = Arc::new(policy.clone());
        match self.db.claim(&node("one"), LEASE, &policy, at(second)).await.unwrap() {
            Claimed::Job(claim) => Some(*claim),
            Claimed::Nothing { .. } => None,
        }
    }

    pub async fn finish(&self, claim: &Claim, finish: Finish, second: i64) {
        let finished = self.db.finish(claim, finish, at(second)).await.unwrap();
        assert_eq!(finished, lockkeeper::database::Finished::Recorded);
    }

    /// Returns what waits or runs, as text, sorted.
    pub async fn jobs(&self) -> Vec<String> {
        let jobs = self.db.jobs(None, None, 1000).await.unwrap();
        let mut shown: Vec<String> = jobs.iter().map(|job| job.key.to_string()).collect();
        shown.sort();
        shown
    }
}

pub fn postgres_address(text: &str) -> DatabaseAddress {
    DatabaseAddress::parse(text, Path::new("/")).unwrap()
}

/// A moment: so many seconds after the tests' day began.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A branch, written `hello#f44`.
pub fn key(text: &str) -> JobKey {
    let (package, branch) = text.split_once('#').unwrap();
    JobKey {
        instance: "local".parse().unwrap(),
        package: package.parse().unwrap(),
        branch: branch.parse().unwrap(),
    }
}

pub fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

pub fn delivery(hook: &str, id: &str) -> NewDelivery {
    NewDelivery {
        hook: hook.parse().unwrap(),
        id: id.parse().unwrap(),
        kind: "github".to_owned(),
        event: "push".to_owned(),
        body: format!("{{\"id\": \"{id}\"}}").into_bytes(),
        received_at: at(0),
    }
}

pub fn finish(outcome: RunOutcome, next: Next) -> Finish {
    Finish {
        outcome,
        report: serde_json::json!({"outcome": "some"}),
        source_commit: None,
        dist_git_commit: None,
        evr: None,
        messages: Vec::new(),
        next,
    }
}

pub fn landed() -> Finish {
    finish(RunOutcome::Landed, Next::Done)
}

pub fn failed(code: &str, next: Next) -> Finish {
    finish(RunOutcome::Failed { code: code.to_owned() }, next)
}

pub fn message(subject: &str, text: &str) -> OutboxMessage {
    OutboxMessage { key: message_key(subject), payload: serde_json::json!({ "text": text }) }
}

pub fn message_key(subject: &str) -> MessageKey {
    MessageKey {
        sink: "github".to_owned(),
        subject: subject.to_owned(),
        context: "lockkeeper/f44".to_owned(),
    }
}
