//! An outbox in memory, by the same rules as the database's.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use lockkeeper::forge::RemoteId;
use lockkeeper::outbox::{Due, Message, Store, Verdict};
use lockkeeper::outcome::Result;

/// Messages in memory: gone with the process.
#[derive(Debug, Default)]
pub struct Memory {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    next_row: i64,
    waiting: BTreeMap<i64, Waiting>,
    remote: BTreeMap<(String, String), RemoteId>,
    dropped: Vec<(String, String)>,
    forgets: bool,
}

#[derive(Debug)]
struct Waiting {
    message: Message,
    due: Timestamp,
    attempts: u32,
    lent: bool,
}

impl Memory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores messages; each takes the place of one about the same thing that still waits.
    pub fn put(&self, messages: impl IntoIterator<Item = Message>, now: Timestamp) {
        let mut kept = self.kept();
        for message in messages {
            kept.waiting.retain(|_, waiting| !waiting.message.is_about_the_same_as(&message));
            kept.next_row += 1;
            let row = kept.next_row;
            kept.waiting.insert(row, Waiting { message, due: now, attempts: 0, lent: false });
        }
    }

    /// Returns how many messages wait.
    pub fn waiting(&self) -> usize {
        self.kept().waiting.len()
    }

    /// Returns when the next message is due.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.kept().waiting.values().map(|waiting| waiting.due).min()
    }

    /// Returns context and reason of each message that was dropped.
    pub fn dropped(&self) -> Vec<(String, String)> {
        self.kept().dropped.clone()
    }

    /// Forgets what couriers note from now on, or no longer: as if they had died just before.
    pub fn forget_verdicts(&self, forgets: bool) {
        self.kept().forgets = forgets;
    }

    /// Lets go of what was lent and not settled, as the end of a lease does.
    pub fn release(&self) {
        self.kept().waiting.values_mut().for_each(|waiting| waiting.lent = false);
    }
}

impl Store for &Memory {
    type Handle = i64;

    async fn due(&self, now: Timestamp) -> Result<Vec<Due<i64>>> {
        let mut kept = self.kept();
        let Kept { waiting, remote, .. } = &mut *kept;
        let due = waiting.iter_mut().filter(|(_, waiting)| waiting.due <= now && !waiting.lent);
        let lent = due.map(|(row, waiting)| {
            waiting.lent = true;
            let message = waiting.message.clone();
            let remote = remote.get(&remembered(&message)).cloned();
            Due { handle: *row, attempts: waiting.attempts, message, remote }
        });
        Ok(lent.collect())
    }

    async fn settle(&self, due: &Due<i64>, verdict: Verdict, _: Timestamp) -> Result<()> {
        let mut kept = self.kept();
        if kept.forgets {
            return Ok(());
        }
        match verdict {
            Verdict::Sent(remote) => {
                kept.waiting.remove(&due.handle);
                if let Some(remote) = remote {
                    kept.remote.insert(remembered(&due.message), remote);
                }
            }
            Verdict::Later(then, _) => {
                if let Some(waiting) = kept.waiting.get_mut(&due.handle) {
                    (waiting.due, waiting.lent) = (then, false);
                    waiting.attempts += 1;
                }
            }
            Verdict::Dropped(why) => {
                kept.waiting.remove(&due.handle);
                kept.dropped.push((due.message.context.clone(), why));
            }
        }
        Ok(())
    }
}

fn remembered(message: &Message) -> (String, String) {
    (format!("{} {}", message.account, message.subject), message.context.clone())
}
