//! Checkpoints: what stands in SQLite's write-ahead log is copied into its database, beside the writer and not in its
//! way.
//!
//! 1. The writer says after each commit about how much it wrote.
//! 2. After [`OFTEN`] bytes another connection copies what is in the log (`PASSIVE`: it waits for nobody, and nobody
//!    waits for it). Copied whole, the log begins anew.
//! 3. While more is written than that, the log would grow without end. So the writer copies the small rest by itself
//!    where the log has [`LONGEST`] pages.

use std::sync::Arc;

use tokio::sync::watch;

use super::pools::Pools;

/// After how many bytes the log is copied: what SQLite's own 1,000 pages come to.
const OFTEN: u64 = 4 << 20;

/// At how many pages of the log the writer copies by itself: 64 MiB.
pub(super) const LONGEST: u32 = 16 * 1024;

/// About how many bytes of the log a change takes beside its payload: a few pages of tables and indexes.
const CHANGE: u64 = 8 << 10;

/// The writer's end: how much was written since the database was opened.
pub(super) struct Meter(watch::Sender<u64>);

impl Meter {
    /// Starts the task that copies; it ends when the meter is gone.
    pub(super) fn start(pools: Arc<Pools>) -> Meter {
        let (sender, receiver) = watch::channel(0);
        if let Pools::Sqlite { .. } = *pools {
            tokio::spawn(copy(pools, receiver));
        }
        Meter(sender)
    }

    /// Takes note of a group that is durable.
    pub(super) fn wrote(&self, changes: usize, payload: usize) {
        self.0.send_modify(|written| *written += changes as u64 * CHANGE + payload as u64);
    }
}

async fn copy(pools: Arc<Pools>, mut written: watch::Receiver<u64>) {
    let mut next = OFTEN;
    while written.wait_for(|bytes| *bytes >= next).await.is_ok() {
        // Where it fails, the writer will see the same trouble, and say it to somebody.
        let _ = pools.checkpoint().await;
        next = *written.borrow() + OFTEN;
    }
}
