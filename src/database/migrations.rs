//! Migrations: the tables, step by step, forward only.
//!
//! Each step is one file for each database, part of the program. The steps that a database lacks are made in one
//! transaction, under a lock: two nodes that start at once do them once.

use sqlx::AssertSqlSafe;

use super::pools::Pools;
use super::session::{Session, values};
use super::trouble::{Answer, trouble};
use crate::outcome::{Refusal, Result};

/// One step, the same for each database.
struct Migration {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

/// All steps, in order. A step that was released is never changed.
const MIGRATIONS: [Migration; 1] = [Migration {
    name: "0001-service",
    sqlite: include_str!("../../migrations/sqlite/0001-service.sql"),
    postgres: include_str!("../../migrations/postgres/0001-service.sql"),
}];

/// Where it is written which steps were made.
const LEDGER: &str =
    "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL)";

/// Holds off other nodes until the end of the transaction; the number is ours, `lock` in ASCII.
const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(1819239275)";

/// Makes the tables, or brings them up to date.
///
/// # Errors
/// Refuses a database that a newer program has brought further; problems where it cannot be read or written.
pub(super) async fn migrate(pools: &Pools) -> Result<()> {
    let mut session = pools.begin_writing().await.map_err(trouble)?;
    match make_missing(&mut session).await {
        Ok(()) => Ok(session.commit().await.map_err(trouble)?),
        Err(fault) => {
            session.discard().await;
            Err(fault)
        }
    }
}

async fn make_missing(session: &mut Session) -> Result<()> {
    let made = made(session).await?;
    if let Some((number, name)) = made.last().filter(|(number, _)| *number > MIGRATIONS.len()) {
        return Err(newer(*number, name).into());
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(made.len()) {
        make(session, index + 1, migration).await?;
    }
    Ok(())
}

/// Returns number and name of the steps that were made, in order.
async fn made(session: &mut Session) -> Answer<Vec<(usize, String)>> {
    let lock = session.pick("", POSTGRES_LOCK);
    session.script(lock).await.map_err(trouble)?;
    session.script(LEDGER).await.map_err(trouble)?;
    let rows =
        session.all("SELECT number, name FROM migrations ORDER BY number", values![]).await?;
    rows.iter().map(|row| Ok((row.count(0)? as usize, row.text(1)?))).collect()
}

async fn make(session: &mut Session, number: usize, migration: &Migration) -> Answer<()> {
    let script = session.pick(migration.sqlite, migration.postgres);
    session.script(AssertSqlSafe(script)).await.map_err(trouble)?;
    let values = values![number as i64, migration.name];
    session.change("INSERT INTO migrations (number, name) VALUES ($1, $2)", values).await?;
    Ok(())
}

fn newer(number: usize, name: &str) -> Refusal {
    let known = MIGRATIONS.len();
    let name = crate::outcome::printable(name, 100);
    Refusal::config(
        "database-newer",
        format!(
            "the database has been brought to step {number} ({name}); this program knows {known}"
        ),
    )
    .hint("run the newer program that was here before, or restore the database as it was then")
}
