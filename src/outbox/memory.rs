//! A store in memory, by the same rules as the database's: for tests and for trying things out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::message::{Account, Message};
use super::store::{Due, Store, Verdict};
use crate::forge::RemoteId;
use crate::outcome::Result;

/// Messages in memory: gone with the process.
#[derive(Debug, Default)]
pub struct Memory {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    next_row: i64,
    waiting: BTreeMap<i64, Waiting>,
    remote: BTreeMap<String, RemoteId>,
    dropped: Vec<(String, String)>,
}

#[derive(Debug)]
struct Waiting {
    message: Message,
    due: Timestamp,
    attempts: u32,
    taken: bool,
}

impl Memory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores messages; each takes the place of one with its key that still waits.
    pub fn put(&self, messages: impl IntoIterator<Item = Message>, now: Timestamp) {
        let mut kept = self.kept();
        for message in messages {
            kept.waiting.retain(|_, waiting| waiting.message.key != message.key);
            kept.next_row += 1;
            let row = kept.next_row;
            let waiting = Waiting { message, due: now, attempts: 0, taken: false };
            kept.waiting.insert(row, waiting);
        }
    }

    /// Returns how many messages wait.
    pub fn waiting(&self) -> usize {
        self.kept().waiting.len()
    }

    /// Returns key and reason of each message that was dropped.
    pub fn dropped(&self) -> Vec<(String, String)> {
        self.kept().dropped.clone()
    }

    /// Lets go of what was taken and not settled, as the end of a lease does.
    pub fn release(&self) {
        self.kept().waiting.values_mut().for_each(|waiting| waiting.taken = false);
    }
}

impl Store for &Memory {
    async fn accounts_due(&self, now: Timestamp) -> Result<Vec<Account>> {
        let kept = self.kept();
        let due = kept.waiting.values().filter(|waiting| waiting.due <= now && !waiting.taken);
        let accounts: BTreeSet<Account> =
            due.map(|waiting| waiting.message.account.clone()).collect();
        Ok(accounts.into_iter().collect())
    }

    async fn take(&self, account: &Account, now: Timestamp) -> Result<Option<Due>> {
        let mut kept = self.kept();
        let is_due = |waiting: &Waiting| {
            waiting.message.account == *account && waiting.due <= now && !waiting.taken
        };
        let Some((row, waiting)) = kept.waiting.iter_mut().find(|(_, waiting)| is_due(waiting))
        else {
            return Ok(None);
        };
        waiting.taken = true;
        let (row, attempts, message) = (*row, waiting.attempts, waiting.message.clone());
        let remote = kept.remote.get(&message.key).cloned();
        Ok(Some(Due { row, attempts, message, remote }))
    }

    async fn settle(&self, due: &Due, verdict: Verdict) -> Result<()> {
        let mut kept = self.kept();
        match verdict {
            Verdict::Sent(remote) => {
                kept.waiting.remove(&due.row);
                if let Some(remote) = remote {
                    kept.remote.insert(due.message.key.clone(), remote);
                }
            }
            Verdict::Later(then, _) => {
                if let Some(waiting) = kept.waiting.get_mut(&due.row) {
                    (waiting.due, waiting.taken) = (then, false);
                    waiting.attempts += 1;
                }
            }
            Verdict::Dropped(why) => {
                kept.waiting.remove(&due.row);
                kept.dropped.push((due.message.key.clone(), why));
            }
        }
        Ok(())
    }
}
