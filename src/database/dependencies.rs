//! Dependencies: what syncs lean on, and whether it answers.

use jiff::Timestamp;
use serde::Serialize;

use super::Database;
use super::session::{Row, values};
use super::trouble::Answer;
use crate::queue::Dependency;

/// What is known of a dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DependencyRecord {
    /// Which one.
    pub dependency: Dependency,
    /// Whether it answered when it was last asked.
    pub up: bool,
    /// Since when that is so.
    pub since: Timestamp,
    /// When it was last asked.
    pub seen_at: Timestamp,
    /// What it said when it was down.
    pub why: Option<String>,
}

impl Database {
    /// Writes down that a dependency answers (`None`), or why it does not. Returns whether that is news.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn dependency_seen(
        &self,
        dependency: &Dependency,
        down: Option<&str>,
        now: Timestamp,
    ) -> Answer<bool> {
        const SQL: &str = "INSERT INTO dependencies (kind, name, up, since, seen_at, why) \
             VALUES ($1, $2, $3, $4, $4, $5) ON CONFLICT (kind, name) DO UPDATE SET up = excluded.up, \
                 since = CASE WHEN dependencies.up = excluded.up THEN dependencies.since ELSE excluded.since END, \
                 seen_at = excluded.seen_at, why = excluded.why RETURNING since";
        let why: Option<String> = down.map(|why| why.chars().take(500).collect());
        let up = i64::from(down.is_none());
        let values = values![dependency.kind.to_string(), dependency.name.as_str(), up, now, why];
        self.write(move |session| {
            Box::pin(async move {
                let row = session.first(SQL, values).await?;
                let since = row.map(|row| row.number(0)).transpose()?;
                Ok(since == Some(now.as_millisecond()))
            })
        })
        .await
    }

    /// Tells whether a dependency is known to be up; one that nobody spoke of counts as up.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn is_up(&self, dependency: &Dependency) -> Answer<bool> {
        const SQL: &str = "SELECT up FROM dependencies WHERE kind = $1 AND name = $2";
        let values = values![dependency.kind.to_string(), dependency.name.as_str()];
        let rows = self.rows(SQL, values).await?;
        rows.first().map_or(Ok(true), |row| Ok(row.number(0)? != 0))
    }

    /// Returns all dependencies.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn dependencies(&self) -> Answer<Vec<DependencyRecord>> {
        const SQL: &str =
            "SELECT kind, name, up, since, seen_at, why FROM dependencies ORDER BY kind, name";
        self.rows(SQL, values![]).await?.iter().map(record).collect()
    }
}

fn record(row: &Row) -> Answer<DependencyRecord> {
    Ok(DependencyRecord {
        dependency: Dependency { kind: row.parsed(0)?, name: row.text(1)? },
        up: row.number(2)? != 0,
        since: row.time(3)?,
        seen_at: row.time(4)?,
        why: row.maybe_text(5)?,
    })
}
