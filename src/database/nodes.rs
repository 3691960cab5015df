//! Nodes: the processes that share the work, and when each was last heard of.

use jiff::Timestamp;
use serde::Serialize;

use super::Database;
use super::session::values;
use super::trouble::Answer;
use crate::names::NodeName;

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeRecord {
    /// Its name.
    pub name: NodeName,
    /// The version of its program.
    pub version: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last heard of.
    pub seen_at: Timestamp,
}

impl Database {
    /// Says that a node lives; a node that has not said so for a minute is likely gone.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn heartbeat(
        &self,
        node: &NodeName,
        version: &str,
        started_at: Timestamp,
        now: Timestamp,
    ) -> Answer<()> {
        const SQL: &str = "INSERT INTO nodes (name, version, started_at, seen_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name) DO UPDATE SET version = excluded.version, started_at = excluded.started_at, \
                 seen_at = excluded.seen_at";
        let values = values![node.as_str(), version, started_at, now];
        self.write(move |session| {
            Box::pin(async move { session.change(SQL, values).await.map(drop) })
        })
        .await
    }

    /// Takes a node off the list that ends in order.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn farewell(&self, node: &NodeName) -> Answer<()> {
        let values = values![node.as_str()];
        self.write(move |session| {
            Box::pin(async move {
                session.change("DELETE FROM nodes WHERE name = $1", values).await.map(drop)
            })
        })
        .await
    }

    /// Returns all nodes that were heard of.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn nodes(&self) -> Answer<Vec<NodeRecord>> {
        const SQL: &str = "SELECT name, version, started_at, seen_at FROM nodes ORDER BY name";
        let rows = self.rows(SQL, values![]).await?;
        let record = |row: &super::session::Row| {
            Ok(NodeRecord {
                name: row.parsed(0)?,
                version: row.text(1)?,
                started_at: row.time(2)?,
                seen_at: row.time(3)?,
            })
        };
        rows.iter().map(record).collect()
    }
}
