//! Between the outbox and the database: the courier's store, and the addresses that the operator config names.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::database::{Database, MessageKey, OutboxMessage, Sending};
use crate::forge::{Account, Forge, RemoteId};
use crate::operator::Operator;
use crate::outbox::{Addresses, Due, Mailer, Message, Sink, Store, Verdict};
use crate::outcome::{Fault, Result};

/// For how long a message is nobody else's whose courier says nothing more. What is on its way is lent anew meanwhile.
const LEASE: Duration = Duration::from_secs(30);

/// How many messages are taken at once.
const AT_ONCE: u32 = 20;

/// The database, as the courier asks it. Clones share what is on its way.
#[derive(Clone)]
pub struct Mailroom {
    database: Database,
    now: fn() -> Timestamp,
    bag: Arc<Mutex<Option<Bag>>>,
}

/// What is on its way: messages that were taken together, and until when they are lent.
#[derive(Clone)]
struct Bag {
    messages: Vec<Sending>,
    lent_until: Timestamp,
}

impl Mailroom {
    /// Opens a mailroom.
    pub fn new(database: Database, now: fn() -> Timestamp) -> Mailroom {
        Mailroom { database, now, bag: Arc::default() }
    }

    /// Says again and again that what is on its way is still ours. Never ends; to be dropped with the courier's round.
    pub async fn keep_lent(&self) {
        loop {
            tokio::time::sleep(LEASE / 3).await;
            let Some(Bag { messages, lent_until }) = self.bag().clone() else { continue };
            let until = (self.now)() + LEASE;
            let lent = self.database.lend_messages(&messages, lent_until, Some(until)).await;
            // Without the database's word they are lent as long as before; and the courier may have taken others.
            if let (Ok(_), Some(bag)) = (lent, &mut *self.bag())
                && bag.lent_until == lent_until
            {
                bag.lent_until = until;
            }
        }
    }

    /// Gives back what a round left that did not come to its end.
    pub async fn give_back(&self) {
        let Some(Bag { messages, lent_until }) = self.bag().take() else { return };
        // What cannot be given back is free when its lease ends.
        let _ = self.database.lend_messages(&messages, lent_until, None).await;
    }

    fn bag(&self) -> MutexGuard<'_, Option<Bag>> {
        self.bag.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a message as the database keeps it.
pub fn to_store(message: &Message) -> OutboxMessage {
    let key = MessageKey {
        sink: message.account.to_string(),
        subject: message.subject.clone(),
        context: message.context.clone(),
    };
    let payload = serde_json::to_value(message).expect("a message is plain data");
    OutboxMessage { key, payload }
}

impl Store for Mailroom {
    type Handle = Sending;

    async fn due(&self, now: Timestamp) -> Result<Vec<Due<Sending>>> {
        let taken = self.database.due_messages(AT_ONCE, LEASE, now).await?;
        let bag = Bag { messages: taken.clone(), lent_until: now + LEASE };
        *self.bag() = Some(bag).filter(|bag| !bag.messages.is_empty());
        let mut due = Vec::new();
        for sending in taken {
            match serde_json::from_value::<Message>(sending.payload.clone()) {
                Ok(message) => {
                    let remote = sending.remote_id.clone().map(RemoteId);
                    let attempts = sending.attempts;
                    due.push(Due { handle: sending, attempts, message, remote });
                }
                Err(error) => {
                    let why = format!("it cannot be read: {error}");
                    tracing::error!(sink = sending.key.sink, "a message is given up: {why}");
                    self.database.message_failed(&sending, &why, None, now).await?;
                }
            }
        }
        Ok(due)
    }

    async fn settle(&self, due: &Due<Sending>, verdict: Verdict, now: Timestamp) -> Result<()> {
        let sending = &due.handle;
        match verdict {
            Verdict::Sent(remote) => {
                self.database.message_sent(sending, remote.map(|remote| remote.0), now).await?
            }
            Verdict::Later(at, why) => {
                self.database.message_failed(sending, &why, Some(at), now).await?
            }
            Verdict::Dropped(why) => self.database.message_failed(sending, &why, None, now).await?,
        };
        Ok(())
    }
}

/// Returns the accounts at forges, or everything that is wrong with them.
///
/// # Errors
/// See [`Account::of`].
pub fn accounts(operator: &Operator) -> Result<Vec<Account>, Vec<Fault>> {
    let (mut accounts, mut faults) = (Vec::new(), Vec::new());
    for access in &operator.forges {
        match Account::of(access) {
            Ok(account) => accounts.push(account),
            Err(refusal) => faults.push(refusal.into()),
        }
    }
    if faults.is_empty() { Ok(accounts) } else { Err(faults) }
}

/// Returns everybody whom the courier can go to, or everything that is wrong with them.
///
/// # Errors
/// Addresses and secrets that cannot be used.
pub fn addresses(operator: &Operator, accounts: &[Account]) -> Result<Addresses, Vec<Fault>> {
    let mut addresses = Addresses::default();
    let mut faults = Vec::new();
    for account in accounts {
        addresses.forges.insert(account.name.clone(), Forge::new(account.clone()));
    }
    for sink in &operator.webhooks {
        match Sink::new(sink.clone()) {
            Ok(known) => drop(addresses.webhooks.insert(sink.name.clone(), known)),
            Err(refusal) => faults.push(Fault::from(refusal)),
        }
    }
    match operator.mail.as_ref().map(Mailer::new).transpose() {
        Ok(mailer) => addresses.mail = mailer,
        Err(refusal) => faults.push(refusal.into()),
    }
    if faults.is_empty() { Ok(addresses) } else { Err(faults) }
}
