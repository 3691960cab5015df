//! The outbox: what is to be told to forges and people, until they have it.
//!
//! One row for each thing that has a state over there: the status of a commit in a context, the comment about a branch
//! and a cause. The last state wins: a newer message takes the place of one that waits, and what an older run says
//! is not taken. The id that the thing has over there is remembered, so that it is edited and not made again.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::Database;
use super::session::{Row, Session, values};
use super::trouble::Answer;

/// What a message is about. One row, one state, one id over there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct MessageKey {
    /// Who is told: the name of a forge, or of another sink.
    pub sink: String,
    /// About what: a repository and commit, or a branch.
    pub subject: String,
    /// In which respect: the status's context, the comment's cause.
    pub context: String,
}

/// A state to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// What it is about.
    pub key: MessageKey,
    /// What to say; the sink knows how to read it.
    pub payload: serde_json::Value,
}

/// A message in the hands of whoever sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// Its row.
    id: i64,
    /// Which of the row's states this is.
    version: i64,
    /// What it is about.
    pub key: MessageKey,
    /// What to say.
    pub payload: serde_json::Value,
    /// How many times it was tried before.
    pub attempts: u32,
    /// The id that the thing has over there, where it was told before.
    pub remote_id: Option<String>,
}

/// What became of a message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is the state over there.
    Current,
    /// A newer one has come meanwhile and will be sent next.
    Outdated,
}

/// What a message is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageState {
    /// It is to be sent.
    Waiting,
    /// It is over there.
    Sent,
    /// It will not be tried again, since that would give the same.
    GivenUp,
}

/// A line of the list of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageRecord {
    /// What it is about.
    pub key: MessageKey,
    /// What it is doing.
    pub state: MessageState,
    /// How many times it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub due_at: Timestamp,
    /// When this state was put.
    pub put_at: Timestamp,
    /// Why it was not taken last.
    pub failure: Option<String>,
    /// The id that the thing has over there.
    pub remote_id: Option<String>,
}

impl Database {
    /// Puts a message that no run's end brings along. `rank` orders states of one thing: the number of a run, or
    /// of another kind of event that counts up; a lower one is not taken. Returns whether it was.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn put_message(
        &self,
        message: OutboxMessage,
        rank: i64,
        now: Timestamp,
    ) -> Answer<bool> {
        self.write(move |session| Box::pin(put(session, message, rank, now))).await
    }

    /// Takes messages that are due, the longest waiting first; nobody else gets them until `lease` has passed.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn due_messages(
        &self,
        limit: u32,
        lease: Duration,
        now: Timestamp,
    ) -> Answer<Vec<Sending>> {
        let until = now + lease;
        let mut due = self
            .write(move |session| {
                Box::pin(async move {
                    let sql = session.pick(DUE_SQLITE, DUE_POSTGRES);
                    let rows = session.all(sql, values![limit, until, now]).await?;
                    rows.iter().map(sending).collect::<Answer<Vec<Sending>>>()
                })
            })
            .await?;
        due.sort_by_key(|sending| sending.id);
        Ok(due)
    }

    /// Changes until when messages are lent that were lent until `lent_until` with one call, and were neither taken nor
    /// given to somebody else since; `None` gives them back. Returns how many those were.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn lend_messages(
        &self,
        sendings: &[Sending],
        lent_until: Timestamp,
        until: Option<Timestamp>,
    ) -> Answer<u64> {
        const SQL: &str = "UPDATE outbox SET lent_until = $3 WHERE id = $1 AND lent_until = $2";
        let rows: Vec<i64> = sendings.iter().map(|sending| sending.id).collect();
        self.write(move |session| {
            Box::pin(async move {
                let mut changed = 0;
                for row in &rows {
                    changed += session.change(SQL, values![*row, lent_until, until]).await?;
                }
                Ok(changed)
            })
        })
        .await
    }

    /// Frees every message that is lent, whoever has it: for a database that nobody else works on, when a process
    /// begins. Returns how many those were.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn free_messages(&self) -> Answer<u64> {
        const SQL: &str = "UPDATE outbox SET lent_until = NULL WHERE lent_until IS NOT NULL";
        self.write(move |session| Box::pin(async move { session.change(SQL, values![]).await }))
            .await
    }

    /// Returns when the next message is due.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn next_message_at(&self) -> Answer<Option<Timestamp>> {
        let rows = self.rows("SELECT MIN(due_at) FROM outbox WHERE state = 'waiting'", values![]);
        Ok(rows.await?.first().map(|row| row.maybe_time(0)).transpose()?.flatten())
    }

    /// Writes down that a message was taken, and what its thing is called over there; `None` leaves what is known.
    ///
    /// # Errors
    /// As for every change to the database. The message will be sent again: sinks must bear that.
    pub async fn message_sent(
        &self,
        sending: &Sending,
        remote_id: Option<String>,
        now: Timestamp,
    ) -> Answer<Sent> {
        // A newer state goes on waiting: it could not be sent before this one's answer was here.
        const SQL: &str = "UPDATE outbox SET remote_id = COALESCE($3, remote_id), sent_at = $4, failure = NULL, \
                 lent_until = NULL, state = CASE WHEN version = $2 THEN 'sent' ELSE state END \
             WHERE id = $1 RETURNING version";
        let (version, values) =
            (sending.version, values![sending.id, sending.version, remote_id, now]);
        self.write(move |session| {
            Box::pin(async move {
                let row = session.first(SQL, values).await?;
                let current = row.map(|row| row.number(0)).transpose()?;
                Ok(if current == Some(version) { Sent::Current } else { Sent::Outdated })
            })
        })
        .await
    }

    /// Writes down that a message was not taken, and when to try again; `None`: never, it would be the same.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn message_failed(
        &self,
        sending: &Sending,
        why: &str,
        retry_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Answer<Sent> {
        const SQL: &str = "UPDATE outbox SET failure = $3, lent_until = NULL, \
                 attempts = CASE WHEN version = $2 THEN attempts + 1 ELSE attempts END, \
                 state = CASE WHEN version = $2 THEN $4 ELSE state END, \
                 due_at = CASE WHEN version = $2 THEN $5 ELSE due_at END \
             WHERE id = $1 RETURNING version";
        let state = if retry_at.is_some() { "waiting" } else { "given-up" };
        let why: String = why.chars().take(500).collect();
        let version = sending.version;
        let values = values![sending.id, version, why, state, retry_at.unwrap_or(now)];
        self.write(move |session| {
            Box::pin(async move {
                let row = session.first(SQL, values).await?;
                let current = row.map(|row| row.number(0)).transpose()?;
                Ok(if current == Some(version) { Sent::Current } else { Sent::Outdated })
            })
        })
        .await
    }

    /// Remembers what a thing is called over there before anything else about it is certain, so that a crash right
    /// after making it does not make it twice.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn remember_remote_id(&self, key: &MessageKey, remote_id: &str) -> Answer<()> {
        const SQL: &str =
            "UPDATE outbox SET remote_id = $4 WHERE sink = $1 AND subject = $2 AND context = $3";
        let values =
            values![key.sink.as_str(), key.subject.as_str(), key.context.as_str(), remote_id];
        self.write(move |session| {
            Box::pin(async move { session.change(SQL, values).await.map(drop) })
        })
        .await
    }

    /// Returns what is known of one thing: its last state, and its id over there.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn message(&self, key: &MessageKey) -> Answer<Option<MessageRecord>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM outbox WHERE sink = $1 AND subject = $2 AND context = $3"
        );
        let values = values![key.sink.as_str(), key.subject.as_str(), key.context.as_str()];
        self.rows(sql, values).await?.first().map(record).transpose()
    }

    /// Returns every thing that one sink was told of one subject.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn messages_about(&self, sink: &str, subject: &str) -> Answer<Vec<MessageRecord>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM outbox WHERE sink = $1 AND subject = $2 ORDER BY context"
        );
        self.rows(sql, values![sink, subject]).await?.iter().map(record).collect()
    }

    /// Returns messages that are not over there yet, or never will be, the longest waiting first.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn messages_unsent(&self, limit: u32) -> Answer<Vec<MessageRecord>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM outbox WHERE state <> 'sent' ORDER BY put_at, id LIMIT $1"
        );
        self.rows(sql, values![limit]).await?.iter().map(record).collect()
    }

    /// Counts the messages that wait, and those that were given up.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn message_counts(&self) -> Answer<MessageCounts> {
        const SQL: &str = "SELECT COUNT(CASE WHEN state = 'waiting' THEN 1 END), \
             COUNT(CASE WHEN state = 'given-up' THEN 1 END) FROM outbox WHERE state <> 'sent'";
        let rows = self.rows(SQL, values![]).await?;
        let Some(row) = rows.first() else { return Ok(MessageCounts::default()) };
        Ok(MessageCounts { waiting: row.count(0)?, given_up: row.count(1)? })
    }

    /// Forgets messages that were sent before a time, with what their things are called over there; at most 500 in one call.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn prune_messages(&self, before: Timestamp) -> Answer<u64> {
        const SQL: &str = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox \
             WHERE state <> 'waiting' AND COALESCE(sent_at, put_at) < $1 LIMIT 500)";
        self.write(move |session| {
            Box::pin(async move { session.change(SQL, values![before]).await })
        })
        .await
    }
}

/// How many messages are not over there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MessageCounts {
    /// To be sent.
    pub waiting: u32,
    /// Never to be sent again.
    pub given_up: u32,
}

const DUE_SQLITE: &str = "UPDATE outbox SET lent_until = $2 WHERE id IN \
     (SELECT id FROM outbox WHERE state = 'waiting' AND due_at <= $3 AND COALESCE(lent_until, 0) <= $3 \
     ORDER BY due_at, id LIMIT $1) \
     RETURNING id, version, sink, subject, context, payload, attempts, remote_id";
const DUE_POSTGRES: &str = "UPDATE outbox SET lent_until = $2 WHERE id IN \
     (SELECT id FROM outbox WHERE state = 'waiting' AND due_at <= $3 AND COALESCE(lent_until, 0) <= $3 \
     ORDER BY due_at, id LIMIT $1 FOR UPDATE SKIP LOCKED) \
     RETURNING id, version, sink, subject, context, payload, attempts, remote_id";

const COLUMNS: &str = "sink, subject, context, state, attempts, due_at, put_at, failure, remote_id";

/// Puts a message inside a transaction; returns whether it was taken.
///
/// One that is being sent at this moment stays lent: two requests about one thing could overtake each other. What was
/// given up is tried anew, since it says something new.
pub(super) async fn put(
    session: &mut Session,
    message: OutboxMessage,
    rank: i64,
    now: Timestamp,
) -> Answer<bool> {
    const SQL: &str = "INSERT INTO outbox (sink, subject, context, rank, version, payload, state, attempts, due_at, \
             put_at) VALUES ($1, $2, $3, $4, 1, $5, 'waiting', 0, $6, $6) \
         ON CONFLICT (sink, subject, context) DO UPDATE SET rank = excluded.rank, \
             version = outbox.version + 1, payload = excluded.payload, attempts = 0, \
             put_at = excluded.put_at, due_at = excluded.due_at, state = 'waiting' \
         WHERE excluded.rank >= outbox.rank";
    let MessageKey { sink, subject, context } = message.key;
    let values = values![sink, subject, context, rank, message.payload.to_string(), now];
    Ok(session.change(SQL, values).await? > 0)
}

fn sending(row: &Row) -> Answer<Sending> {
    Ok(Sending {
        id: row.number(0)?,
        version: row.number(1)?,
        key: message_key(row, 2)?,
        payload: row.json(5)?,
        attempts: row.count(6)?,
        remote_id: row.maybe_text(7)?,
    })
}

fn message_key(row: &Row, at: usize) -> Answer<MessageKey> {
    Ok(MessageKey { sink: row.text(at)?, subject: row.text(at + 1)?, context: row.text(at + 2)? })
}

fn record(row: &Row) -> Answer<MessageRecord> {
    let state = match row.text(3)?.as_str() {
        "waiting" => MessageState::Waiting,
        "sent" => MessageState::Sent,
        _ => MessageState::GivenUp,
    };
    Ok(MessageRecord {
        key: message_key(row, 0)?,
        state,
        attempts: row.count(4)?,
        due_at: row.time(5)?,
        put_at: row.time(6)?,
        failure: row.maybe_text(7)?,
        remote_id: row.maybe_text(8)?,
    })
}
