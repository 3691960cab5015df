//! Source branches: where each was seen last, and when its forge last spoke of it.

use jiff::Timestamp;
use serde::Serialize;

use super::Database;
use super::session::{Row, Session, values};
use super::trouble::Answer;
use crate::names::{BranchName, ObjectId};

/// A source branch that some dist-git branch tracks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceRecord {
    /// The repository, normalised.
    pub source: String,
    /// Its address as a config has it, where it is tracked: what is fetched from.
    pub address: Option<String>,
    /// The branch.
    pub branch: BranchName,
    /// Its tip, as it was seen last.
    pub tip: Option<ObjectId>,
    /// When it was last looked at.
    pub seen_at: Option<Timestamp>,
    /// When a look last found it moved.
    pub moved_at: Option<Timestamp>,
    /// When a delivery last spoke of it.
    pub delivered_at: Option<Timestamp>,
}

/// What a look at a source branch found, against the look before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceSeen {
    /// It was never looked at before.
    First,
    /// It is where it was.
    Same,
    /// It moved. A hook that lives has spoken of it since the last look.
    Moved {
        /// When a delivery last spoke of it.
        delivered_at: Option<Timestamp>,
        /// When it was looked at before.
        seen_at: Option<Timestamp>,
    },
}

impl Database {
    /// Returns the tracked source branches in order, those after `after`; together they are what reconciling looks at.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn tracked_sources(
        &self,
        after: Option<(&str, &BranchName)>,
        limit: u32,
    ) -> Answer<Vec<SourceRecord>> {
        const SQL: &str = "SELECT tracked.source, tracked.source_branch, sources.tip, seen_at, moved_at, delivered_at, \
                 tracked.address \
             FROM (SELECT source, source_branch, MIN(address) AS address FROM branches WHERE source IS NOT NULL \
                 AND (source, source_branch) > ($1, $2) GROUP BY source, source_branch \
                 ORDER BY source, source_branch LIMIT $3) AS tracked \
             LEFT JOIN sources ON sources.source = tracked.source \
                 AND sources.source_branch = tracked.source_branch \
             ORDER BY tracked.source, tracked.source_branch";
        let (source, branch) = after.map_or(("", ""), |(source, branch)| (source, branch.as_str()));
        let rows = self.rows(SQL, values![source, branch, limit]).await?;
        rows.iter().map(record).collect()
    }

    /// Returns what is known of one source branch.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn source(&self, source: &str, branch: &BranchName) -> Answer<Option<SourceRecord>> {
        const SQL: &str = "SELECT source, source_branch, tip, seen_at, moved_at, delivered_at, NULL FROM sources \
             WHERE source = $1 AND source_branch = $2";
        let rows = self.rows(SQL, values![source, branch.as_str()]).await?;
        rows.first().map(record).transpose()
    }

    /// Writes down where source branches are, and says what that is against the look before, in the same order.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn sources_seen(
        &self,
        seen: Vec<(String, BranchName, ObjectId)>,
        now: Timestamp,
    ) -> Answer<Vec<SourceSeen>> {
        let mut found = Vec::with_capacity(seen.len());
        for chunk in seen.chunks(200) {
            let chunk = chunk.to_vec();
            let some = self.write(move |session| {
                Box::pin(async move {
                    let mut some = Vec::with_capacity(chunk.len());
                    for (source, branch, tip) in &chunk {
                        some.push(see(session, source, branch, tip, now).await?);
                    }
                    Ok(some)
                })
            });
            found.extend(some.await?);
        }
        Ok(found)
    }

    /// Returns source branches that a look found moved though nothing had been delivered for so long: their
    /// hooks seem dead. `since` is the earliest move that counts, `silence_began` the latest delivery that is too old.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn silent_sources(
        &self,
        since: Timestamp,
        silence_began: Timestamp,
        limit: u32,
    ) -> Answer<Vec<SourceRecord>> {
        const SQL: &str = "SELECT source, source_branch, tip, seen_at, moved_at, delivered_at, NULL FROM sources \
             WHERE moved_at >= $1 AND (delivered_at IS NULL OR delivered_at < $2) \
             ORDER BY source, source_branch LIMIT $3";
        let rows = self.rows(SQL, values![since, silence_began, limit]).await?;
        rows.iter().map(record).collect()
    }
}

/// Writes down that a delivery spoke of a source branch.
pub(super) async fn delivered(
    session: &mut Session,
    source: &str,
    branch: &BranchName,
    now: Timestamp,
) -> Answer<()> {
    const SQL: &str = "INSERT INTO sources (source, source_branch, delivered_at) VALUES ($1, $2, $3) \
         ON CONFLICT (source, source_branch) DO UPDATE SET delivered_at = excluded.delivered_at";
    session.change(SQL, values![source, branch.as_str(), now]).await.map(drop)
}

async fn see(
    session: &mut Session,
    source: &str,
    branch: &BranchName,
    tip: &ObjectId,
    now: Timestamp,
) -> Answer<SourceSeen> {
    const BEFORE: &str = "SELECT source, source_branch, tip, seen_at, moved_at, delivered_at, NULL FROM sources \
         WHERE source = $1 AND source_branch = $2";
    const SQL: &str = "INSERT INTO sources (source, source_branch, tip, seen_at, moved_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (source, source_branch) DO UPDATE SET tip = excluded.tip, \
             seen_at = excluded.seen_at, moved_at = COALESCE(excluded.moved_at, sources.moved_at)";
    let before = session.first(BEFORE, values![source, branch.as_str()]).await?;
    let before = before.as_ref().map(record).transpose()?;
    let seen = match &before {
        Some(SourceRecord { tip: Some(before), .. }) if before == tip => SourceSeen::Same,
        Some(SourceRecord { tip: Some(_), delivered_at, seen_at, .. }) => {
            SourceSeen::Moved { delivered_at: *delivered_at, seen_at: *seen_at }
        }
        _ => SourceSeen::First,
    };
    let moved_at = matches!(seen, SourceSeen::Moved { .. }).then_some(now);
    let values = values![source, branch.as_str(), tip.to_string(), now, moved_at];
    session.change(SQL, values).await?;
    Ok(seen)
}

fn record(row: &Row) -> Answer<SourceRecord> {
    Ok(SourceRecord {
        source: row.text(0)?,
        address: row.maybe_text(6)?,
        branch: row.parsed(1)?,
        tip: row.maybe_parsed(2)?,
        seen_at: row.maybe_time(3)?,
        moved_at: row.maybe_time(4)?,
        delivered_at: row.maybe_time(5)?,
    })
}
