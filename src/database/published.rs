//! Publications: counted for metering.

use jiff::Timestamp;
use serde::Serialize;

use super::Database;
use super::runs::RunId;
use super::session::{Row, Session, Value, values};
use super::trouble::Answer;
use crate::queue::{JobKey, Published, Scope, Window};

/// How much was published in one scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PublicationCounts {
    /// Within the last hour.
    pub hour: u32,
    /// Within the last day.
    pub day: u32,
}

impl Database {
    /// Counts what was published in a scope.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn publications(&self, scope: &Scope, now: Timestamp) -> Answer<PublicationCounts> {
        let (filter, names) = filter(scope);
        let sql = format!(
            "SELECT COUNT(CASE WHEN published_at > $1 THEN 1 END), COUNT(*) FROM publications \
             WHERE published_at > $2 {filter}"
        );
        let begins = |window: Window| now - window.length();
        let mut values = values![begins(Window::Hour), begins(Window::Day)];
        values.extend(names.into_iter().map(Value::from));
        let rows = self.rows(sql, values).await?;
        let Some(row) = rows.first() else { return Ok(PublicationCounts::default()) };
        Ok(PublicationCounts { hour: row.count(0)?, day: row.count(1)? })
    }
}

/// Returns the condition for a scope, whose names are parameters from `$3` on.
fn filter(scope: &Scope) -> (&'static str, Vec<String>) {
    match scope {
        Scope::All => ("", Vec::new()),
        Scope::Package { instance, package } => (
            "AND instance = $3 AND package = $4",
            vec![instance.to_string(), package.to_string()],
        ),
        Scope::Branch { instance, package, branch } => (
            "AND instance = $3 AND package = $4 AND branch = $5",
            vec![instance.to_string(), package.to_string(), branch.to_string()],
        ),
    }
}

/// What was published of a branch, and of its package.
#[derive(Default)]
pub(super) struct Publications {
    pub(super) branch: Published,
    pub(super) package: Published,
}

impl Publications {
    /// Reads the latest `limit` of each; nothing where nothing is limited.
    pub(super) async fn of(
        session: &mut Session,
        key: &JobKey,
        limit: u32,
    ) -> Answer<Publications> {
        const BRANCH: &str = "SELECT published_at FROM publications \
             WHERE instance = $2 AND package = $3 AND branch = $4 ORDER BY published_at DESC LIMIT $1";
        const PACKAGE: &str = "SELECT published_at FROM publications \
             WHERE instance = $2 AND package = $3 ORDER BY published_at DESC LIMIT $1";
        const RUNNING: &str = "SELECT COUNT(*) FROM jobs \
             WHERE state = 'running' AND instance = $1 AND package = $2";
        if limit == 0 {
            return Ok(Publications::default());
        }
        let (instance, package) = (key.instance.as_str(), key.package.as_str());
        let of_branch = values![limit, instance, package, key.branch.as_str()];
        let of_branch = session.all(BRANCH, of_branch).await?;
        let of_package = session.all(PACKAGE, values![limit, instance, package]).await?;
        let running = session.first(RUNNING, values![instance, package]).await?;
        // The branch itself does not run, or it would be no candidate.
        Ok(Publications {
            branch: Published { at: times(&of_branch)?, running: 0 },
            package: Published { at: times(&of_package)?, running: counted(running)? },
        })
    }
}

/// Reads the latest `limit` publications of everything, and counts what runs.
pub(super) async fn overall(session: &mut Session, limit: u32) -> Answer<Published> {
    const SQL: &str = "SELECT published_at FROM publications ORDER BY published_at DESC LIMIT $1";
    const RUNNING: &str = "SELECT COUNT(*) FROM jobs WHERE state = 'running'";
    let at = match limit {
        0 => Vec::new(),
        limit => times(&session.all(SQL, values![limit]).await?)?,
    };
    Ok(Published { at, running: counted(session.first(RUNNING, values![]).await?)? })
}

/// Writes down that a run published something.
pub(super) async fn add(
    session: &mut Session,
    run: RunId,
    key: &JobKey,
    now: Timestamp,
) -> Answer<()> {
    const SQL: &str = "INSERT INTO publications (run, instance, package, branch, published_at) \
         VALUES ($1, $2, $3, $4, $5)";
    let JobKey { instance, package, branch } = key;
    let values = values![run.0, instance.as_str(), package.as_str(), branch.as_str(), now];
    session.change(SQL, values).await.map(drop)
}

fn times(rows: &[Row]) -> Answer<Vec<Timestamp>> {
    rows.iter().map(|row| row.time(0)).collect()
}

fn counted(row: Option<Row>) -> Answer<u32> {
    row.map_or(Ok(0), |row| row.count(0))
}
