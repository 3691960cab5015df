//! Database: the queue, the outbox and the history for people. The only room that names sqlx.
//!
//! 1. [`Database::store_delivery`] makes a delivery durable; only then is it answered.
//! 2. [`Database::route`] turns a delivery into jobs, in one transaction. Jobs of one branch absorb each other.
//! 3. [`Database::claim`] gives a job to one worker, for the length of a lease; the number of the run is its fence.
//! 4. [`Database::may_push`] is asked right before the one irreversible step.
//! 5. [`Database::finish`] writes outcome, history, messages and what comes next, in one transaction.
//! 6. [`Database::due_messages`] hands the messages to whoever sends them; the last state of each thing wins.
//!
//! Beside it: the index of branches ([`BranchEntry`]), what is known of their sources, what people set
//! ([`crate::queue::Switch`]), which dependencies answer, which nodes live.
//!
//! SQLite and PostgreSQL are told the same statements. Every change is one transaction and durable when its call
//! returns; with SQLite, changes that arrive together share one fsync. Times are arguments; nodes on one database
//! need clocks that agree to a second or so. Lose the database and nothing wrong happens: dist-git is the store of
//! what was published.

mod address;
mod branches;
mod checkpoint;
mod claims;
mod deliveries;
mod dependencies;
mod finish;
mod jobs;
mod migrations;
mod nodes;
mod outbox;
mod pools;
mod published;
mod runs;
mod session;
mod sources;
mod switches;
mod trouble;
mod writer;

use std::sync::Arc;

pub use address::{DatabaseAddress, PostgresAddress};
pub use branches::{
    BranchCounts, BranchEntry, BranchFilter, BranchRecord, BranchStanding, Tracking,
};
pub use claims::{Claim, Claimed, PushLeave};
pub use deliveries::{
    DeliveryRecord, DeliveryRow, IDS_AT_LEAST, NewDelivery, Routing, Stored, UnroutedDelivery,
};
pub use dependencies::DependencyRecord;
pub use finish::{Finish, Finished, Next, RunOutcome};
pub use jobs::{CAUSES, JobCounts, JobId, JobRecord, JobRequest, JobState, Requested};
pub use nodes::NodeRecord;
pub use outbox::{
    MessageCounts, MessageKey, MessageRecord, MessageState, OutboxMessage, Sending, Sent,
};
pub use published::PublicationCounts;
pub use runs::{RunId, RunRecord, RunsOf};
pub use sources::{SourceRecord, SourceSeen};
pub use trouble::Answer;

use crate::outcome::Result;
use pools::Pools;
use session::{Row, Session, Value, values};
use trouble::trouble;
pub use writer::Written;
use writer::{Step, Writer};

/// The database, open. Clones share it.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    pools: Arc<Pools>,
    writer: Writer,
}

impl Database {
    /// Opens the database and brings its tables up to date.
    ///
    /// # Errors
    /// Refuses a database that a newer program has changed, and an address that is none; problems where it cannot
    /// be reached.
    pub async fn open(address: &DatabaseAddress) -> Result<Database> {
        let pools = Arc::new(Pools::open(address).await?);
        migrations::migrate(&pools).await?;
        let writer = Writer::start(pools.clone());
        Ok(Database { inner: Arc::new(Inner { pools, writer }) })
    }

    /// Asks the database something trivial and waits for the answer: part of whether the service is ready.
    ///
    /// # Errors
    /// A temporary problem where it does not answer.
    pub async fn ping(&self) -> Answer<()> {
        self.rows("SELECT COUNT(*) FROM migrations", values![]).await.map(drop)
    }

    /// Returns what the writer has written since the database was opened. With PostgreSQL that is deliveries only.
    pub fn written(&self) -> Written {
        self.inner.writer.written()
    }

    /// Closes all connections; what is asked afterwards fails.
    pub async fn close(&self) {
        self.inner.pools.close().await;
    }

    /// Reads, in one transaction: what is read together was true together.
    async fn read<T, W>(&self, work: W) -> Answer<T>
    where
        W: for<'s> FnOnce(&'s mut Session) -> Step<'s, T>,
    {
        let mut session = self.inner.pools.begin_reading().await.map_err(trouble)?;
        let value = work(&mut session).await?;
        session.commit().await.map_err(trouble)?;
        Ok(value)
    }

    /// Reads the rows of one statement that the program put together of its own constants.
    async fn rows(&self, sql: impl Into<String>, values: Vec<Value>) -> Answer<Vec<Row>> {
        let sql = sql.into();
        self.read(|session| Box::pin(async move { session.all_of(sql, values).await })).await
    }

    /// Changes something, in one transaction, and returns once it is durable.
    async fn write<T, W>(&self, work: W) -> Answer<T>
    where
        T: Send + 'static,
        W: for<'s> FnOnce(&'s mut Session) -> Step<'s, T> + Send + 'static,
    {
        if let Pools::Sqlite { .. } = *self.inner.pools {
            return self.inner.writer.change(work).await;
        }
        let mut session = self.inner.pools.begin_writing().await.map_err(trouble)?;
        let value = work(&mut session).await?;
        session.commit().await.map_err(trouble)?;
        Ok(value)
    }
}
