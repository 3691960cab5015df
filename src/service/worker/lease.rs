//! The lease of a job: kept alive beside the work, and asked once more right before the push.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::super::stop::{Stop, Switch};
use crate::database::{Claim, Database, PushLeave};
use crate::land::permit::Asked;
use crate::land::{Leave, Permit};

/// Says every now and then that the worker lives; ends when it is dropped.
pub struct Keeper {
    task: tokio::task::JoinHandle<()>,
    lost: Stop,
}

impl Keeper {
    /// Returns what is told when the lease is lost: then the work is another's.
    pub fn lost(&self) -> Stop {
        self.lost.clone()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keeps a lease until the keeper is dropped.
///
/// A database that is away costs nothing yet: only its own word that the lease is lost ends the work, and without its
/// word nothing is pushed.
pub fn keep(
    database: Database,
    claim: Arc<Claim>,
    lease: Duration,
    now: fn() -> Timestamp,
) -> Keeper {
    let (switch, lost) = Switch::new();
    let task = tokio::spawn(async move {
        loop {
            tokio::time::sleep(lease / 3).await;
            if let Ok(false) = database.renew(&claim, now()).await {
                switch.throw();
                // The switch lives as long as the keeper: one that is dropped counts as thrown.
                std::future::pending::<()>().await;
            }
        }
    });
    Keeper { task, lost }
}

/// Asks the database whether a run may push.
pub struct Fence {
    database: Database,
    claim: Arc<Claim>,
    now: fn() -> Timestamp,
}

impl Fence {
    /// Returns the fence of a claim.
    pub fn new(database: Database, claim: Arc<Claim>, now: fn() -> Timestamp) -> Fence {
        Fence { database, claim, now }
    }
}

impl Permit for Fence {
    fn leave(&self) -> Asked<'_> {
        Box::pin(async move {
            Ok(match self.database.may_push(&self.claim, (self.now)()).await? {
                PushLeave::Granted => Leave::Granted,
                PushLeave::LeaseLost => Leave::GivenAway,
                PushLeave::Paused(switch) => Leave::Held(format!(
                    "{} was paused by {}: {}",
                    switch.scope, switch.who, switch.reason
                )),
            })
        })
    }
}
