//! Deliveries: stored before they are answered, once each, and routed in one transaction with the jobs they ask for.

use std::collections::HashSet;

use jiff::Timestamp;

use super::jobs::{JobRequest, Requested, request};
use super::session::{Inserted, Row, Session, Value, values};
use super::trouble::Answer;
use super::{Database, sources};
use crate::names::{BranchName, DeliveryId, HookName};

/// A delivery that was verified at its door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The door.
    pub hook: HookName,
    /// What the forge calls it.
    pub id: DeliveryId,
    /// The kind of forge, as the operator config says.
    pub kind: String,
    /// What the forge calls the event.
    pub event: String,
    /// The payload, as JSON. Kept as it is: compressing it would cost more than the disk it saves for a week.
    pub body: Vec<u8>,
    /// When it arrived.
    pub received_at: Timestamp,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is on the disk.
    New,
    /// It was there already; nothing was changed.
    Duplicate,
}

/// The row of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct DeliveryRow(pub i64);

/// A delivery that nobody has read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnroutedDelivery {
    /// Its row, to route it by.
    pub row: DeliveryRow,
    /// What was stored.
    pub delivery: NewDelivery,
}

/// What reading a delivery came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routing {
    /// The jobs that it asks for.
    pub requests: Vec<JobRequest>,
    /// The source branches that it spoke of, as normalised address and branch: their hooks are alive.
    pub spoke_of: Vec<(String, BranchName)>,
    /// What was made of it, in words for people: `3 branches`, or why it was ignored.
    pub note: String,
}

/// One line of the list of deliveries.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeliveryRecord {
    /// Its row.
    pub row: DeliveryRow,
    /// The door.
    pub hook: HookName,
    /// What the forge calls it.
    pub id: DeliveryId,
    /// The kind of forge.
    pub kind: String,
    /// What the forge calls the event.
    pub event: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// When it was routed.
    pub routed_at: Option<Timestamp>,
    /// What was made of it.
    pub note: Option<String>,
}

/// A delivery that is older than this is never sent again by any forge we know; its id may be forgotten.
pub const IDS_AT_LEAST: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

/// How many deliveries one statement stores; the remainder goes in smaller ones. Each length is one prepared statement.
const CHUNKS: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

impl Database {
    /// Stores a delivery, and returns once it is durable. Only then may it be answered.
    ///
    /// # Errors
    /// A temporary problem where it could not be stored: the forge must be told to come again.
    pub async fn store_delivery(&self, delivery: NewDelivery) -> Answer<Stored> {
        self.inner.writer.store(delivery).await
    }

    /// Returns the oldest deliveries that were not routed yet.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn deliveries_to_route(&self, limit: u32) -> Answer<Vec<UnroutedDelivery>> {
        const SQL: &str = "SELECT id, hook, delivery, kind, event, body, received_at FROM deliveries \
             WHERE routed_at IS NULL ORDER BY id LIMIT $1";
        let rows = self.rows(SQL, values![limit]).await?;
        rows.iter().map(unrouted).collect()
    }

    /// Takes note of what a delivery said, and asks for its jobs, in one transaction.
    ///
    /// Returns `None` where it was routed already, by another node or before a crash: nothing is done twice.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn route(
        &self,
        row: DeliveryRow,
        routing: Routing,
        now: Timestamp,
    ) -> Answer<Option<Vec<Requested>>> {
        self.write(move |session| Box::pin(async move { route(session, row, routing, now).await }))
            .await
    }

    /// Returns deliveries, the newest first, those before `before`; all doors, or one.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn deliveries(
        &self,
        hook: Option<&HookName>,
        before: Option<DeliveryRow>,
        limit: u32,
    ) -> Answer<Vec<DeliveryRecord>> {
        let before = before.map_or(i64::MAX, |row| row.0);
        const COLUMNS: &str = "id, hook, delivery, kind, event, received_at, routed_at, note";
        let (filter, values) = match hook {
            Some(hook) => ("hook = $3 AND", values![before, limit, hook.as_str()]),
            None => ("", values![before, limit]),
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM deliveries WHERE {filter} id < $1 ORDER BY id DESC LIMIT $2"
        );
        let rows = self.rows(sql, values).await?;
        rows.iter().map(record).collect()
    }

    /// Returns the last delivery of each door.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn last_deliveries(&self) -> Answer<Vec<DeliveryRecord>> {
        const SQL: &str = "SELECT id, hook, delivery, kind, event, received_at, routed_at, note \
             FROM deliveries WHERE id IN (SELECT MAX(id) FROM deliveries GROUP BY hook) ORDER BY hook";
        let rows = self.rows(SQL, values![]).await?;
        rows.iter().map(record).collect()
    }

    /// Forgets the payloads of routed deliveries that arrived before `bodies`, and whole rows from before `rows`.
    ///
    /// Returns how many rows were touched: at most 500 of each kind in one call, so that nobody waits behind it. Call it again while it
    /// returns more than nothing. `rows` should lie at least [`IDS_AT_LEAST`] back.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn prune_deliveries(&self, bodies: Timestamp, rows: Timestamp) -> Answer<u64> {
        const BODIES: &str = "UPDATE deliveries SET body = NULL WHERE id IN (SELECT id FROM deliveries \
             WHERE routed_at IS NOT NULL AND body IS NOT NULL AND received_at < $1 LIMIT 500)";
        const ROWS: &str = "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries \
             WHERE routed_at IS NOT NULL AND body IS NULL AND received_at < $1 LIMIT 500)";
        self.write(move |session| {
            Box::pin(async move {
                let emptied = session.change(BODIES, values![bodies]).await?;
                Ok(emptied + session.change(ROWS, values![rows]).await?)
            })
        })
        .await
    }
}

/// What makes a delivery the same one.
type Name = (String, String);

/// Inserts deliveries; the answers are in their order.
pub(super) async fn insert(
    session: &mut Session,
    deliveries: Vec<NewDelivery>,
) -> Answer<Vec<Stored>> {
    let name = |new: &NewDelivery| (new.hook.to_string(), new.id.to_string());
    let mut stored = Vec::with_capacity(deliveries.len());
    let mut left = deliveries.into_iter();
    for size in CHUNKS {
        while left.len() >= size {
            let chunk: Vec<NewDelivery> = left.by_ref().take(size).collect();
            let names: Vec<Name> = chunk.iter().map(name).collect();
            let inserted = insert_chunk(session, chunk).await?;
            tell_apart(session, &names, inserted, &mut stored).await?;
        }
    }
    Ok(stored)
}

/// Inserts deliveries by one statement; those that are there already are passed over.
async fn insert_chunk(session: &mut Session, chunk: Vec<NewDelivery>) -> Answer<Inserted> {
    let sql = insert_statement(chunk.len(), session.is_postgres());
    let values = chunk.into_iter().flat_map(|new| -> [Value; 6] {
        [
            Value::from(String::from(new.hook)),
            Value::from(String::from(new.id)),
            Value::from(new.kind),
            Value::from(new.event),
            Value::from(new.body),
            Value::from(new.received_at),
        ]
    });
    session.insert(sql, values.collect()).await
}

/// Says of each name whether it was inserted. Nearly always all were, and nothing needs to be asked.
async fn tell_apart(
    session: &mut Session,
    names: &[Name],
    inserted: Inserted,
    stored: &mut Vec<Stored>,
) -> Answer<()> {
    const SINCE: &str = "SELECT hook, delivery FROM deliveries WHERE id > $1";
    let rows = match inserted {
        Inserted::Rows(rows) => rows,
        Inserted::Counted { count, .. } if count == names.len() as u64 => {
            stored.extend(names.iter().map(|_| Stored::New));
            return Ok(());
        }
        Inserted::Counted { count: 0, .. } => Vec::new(),
        // The only writer: what it has just inserted has the last numbers.
        Inserted::Counted { count, last } => {
            session.all(SINCE, values![last - count as i64]).await?
        }
    };
    let found = rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?)));
    let mut found = found.collect::<Answer<HashSet<Name>>>()?;
    // Twice in one group: only the first was inserted, so only the first finds itself.
    stored.extend(names.iter().map(|name| match found.remove(name) {
        true => Stored::New,
        false => Stored::Duplicate,
    }));
    Ok(())
}

/// Returns the statement that inserts `size` deliveries; PostgreSQL numbers its parameters and says what it inserted.
fn insert_statement(size: usize, is_postgres: bool) -> String {
    let numbered = |row: usize| {
        let names: Vec<String> = (1..=6).map(|column| format!("${}", row * 6 + column)).collect();
        format!("({})", names.join(", "))
    };
    let rows: Vec<String> = match is_postgres {
        true => (0..size).map(numbered).collect(),
        false => vec!["(?, ?, ?, ?, ?, ?)".to_owned(); size],
    };
    let returning = if is_postgres { " RETURNING hook, delivery" } else { "" };
    format!(
        "INSERT INTO deliveries (hook, delivery, kind, event, body, received_at) VALUES {} \
         ON CONFLICT (hook, delivery) DO NOTHING{returning}",
        rows.join(", ")
    )
}

async fn route(
    session: &mut Session,
    row: DeliveryRow,
    routing: Routing,
    now: Timestamp,
) -> Answer<Option<Vec<Requested>>> {
    const SQL: &str =
        "UPDATE deliveries SET routed_at = $2, note = $3 WHERE id = $1 AND routed_at IS NULL";
    let note: String = routing.note.chars().take(500).collect();
    if session.change(SQL, values![row.0, now, note]).await? == 0 {
        return Ok(None);
    }
    // In one order everywhere, so that two routers never wait for each other.
    let mut requests: Vec<(usize, JobRequest)> = routing.requests.into_iter().enumerate().collect();
    requests.sort_by(|(_, left), (_, right)| left.key.cmp(&right.key));
    let mut requested = vec![Requested::Absorbed; requests.len()];
    for (index, wanted) in requests {
        requested[index] = request(session, wanted, now).await?;
    }
    let mut spoke_of = routing.spoke_of;
    spoke_of.sort();
    for (source, branch) in spoke_of {
        sources::delivered(session, &source, &branch, now).await?;
    }
    Ok(Some(requested))
}

fn unrouted(row: &Row) -> Answer<UnroutedDelivery> {
    let delivery = NewDelivery {
        hook: row.parsed(1)?,
        id: row.parsed(2)?,
        kind: row.text(3)?,
        event: row.text(4)?,
        body: row.maybe_bytes(5)?.unwrap_or_default(),
        received_at: row.time(6)?,
    };
    Ok(UnroutedDelivery { row: DeliveryRow(row.number(0)?), delivery })
}

fn record(row: &Row) -> Answer<DeliveryRecord> {
    Ok(DeliveryRecord {
        row: DeliveryRow(row.number(0)?),
        hook: row.parsed(1)?,
        id: row.parsed(2)?,
        kind: row.text(3)?,
        event: row.text(4)?,
        received_at: row.time(5)?,
        routed_at: row.maybe_time(6)?,
        note: row.maybe_text(7)?,
    })
}
