//! Connections: how each database is opened, and what it is told about durability.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::address::{DatabaseAddress, PostgresAddress};
use super::checkpoint::LONGEST;
use super::session::Session;
use super::trouble::trouble;
use crate::outcome::{Problem, Refusal, Result};

/// How long a caller waits for a connection before it is told that the database is gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long SQLite waits for another process that writes, such as `lockkeeper pause`.
const BUSY: Duration = Duration::from_secs(5);

/// Readers beside the one writer of SQLite; one of them may be busy with a checkpoint.
const SQLITE_READERS: u32 = 5;

/// Connections to PostgreSQL for one node.
const POSTGRES_CONNECTIONS: u32 = 12;

/// Open connections.
pub(super) enum Pools {
    /// One writer, so that a group of changes costs one fsync; readers beside it see the last commit.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

impl Pools {
    /// Opens the database; the file of SQLite is made where it is missing.
    pub(super) async fn open(address: &DatabaseAddress) -> Result<Pools> {
        match address {
            DatabaseAddress::Sqlite(path) => open_sqlite(path).await,
            DatabaseAddress::Postgres(address) => open_postgres(address).await,
        }
    }

    /// Begins a transaction that writes. SQLite's takes the lock at once: taken later, it could fail half way.
    pub(super) async fn begin_writing(&self) -> Result<Session, sqlx::Error> {
        Ok(match self {
            Pools::Sqlite { writer, .. } => {
                let mut connection = writer.acquire().await?;
                sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
                Session::SqliteWriter(connection)
            }
            Pools::Postgres(pool) => Session::Postgres(pool.begin().await?),
        })
    }

    /// Begins a transaction that only reads.
    pub(super) async fn begin_reading(&self) -> Result<Session, sqlx::Error> {
        Ok(match self {
            Pools::Sqlite { readers, .. } => Session::SqliteReader(readers.begin().await?),
            Pools::Postgres(pool) => Session::Postgres(pool.begin().await?),
        })
    }

    /// Copies what stands in SQLite's write-ahead log into its database, as far as nobody has to wait for it.
    pub(super) async fn checkpoint(&self) -> Result<(), sqlx::Error> {
        if let Pools::Sqlite { readers, .. } = self {
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(readers).await?;
        }
        Ok(())
    }

    /// Closes all connections, after what they are doing.
    pub(super) async fn close(&self) {
        match self {
            Pools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

/// Opens SQLite for durability: a commit returns after the write-ahead log is on the disk (`synchronous=FULL`).
async fn open_sqlite(path: &Path) -> Result<Pools> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .statement_cache_capacity(200)
        .disable_statement_logging();
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(PATIENCE + BUSY)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let cannot_open = |error| {
        let problem = trouble(error);
        let message = format!("cannot open the database {}: {}", path.display(), problem.message);
        Problem { message, ..problem }
    };
    let writer_options = options.clone().pragma("wal_autocheckpoint", LONGEST.to_string());
    let writer = pool().min_connections(1).max_connections(1);
    let writer = writer.connect_with(writer_options).await.map_err(cannot_open)?;
    let readers = pool().min_connections(0).max_connections(SQLITE_READERS);
    let readers = readers.connect_lazy_with(options.pragma("query_only", "on"));
    Ok(Pools::Sqlite { writer, readers })
}

/// Opens PostgreSQL, with limits by which a node that stops in the middle of a transaction frees its locks.
async fn open_postgres(address: &PostgresAddress) -> Result<Pools> {
    let options = PgConnectOptions::from_str(address.with_secret()).map_err(|error| {
        let said = error.to_string();
        Refusal::config("database-address-wrong", format!("{address} is no address: {said}"))
    })?;
    let options = options
        .application_name("lockkeeper")
        .options([
            ("lock_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "10s"),
            ("statement_timeout", "60s"),
            // As the server is set up, unless it is set up to lose what it has confirmed.
            ("synchronous_commit", "on"),
        ])
        .disable_statement_logging();
    let pool = PgPoolOptions::new().acquire_timeout(PATIENCE).max_connections(POSTGRES_CONNECTIONS);
    let pool = pool.connect_with(options).await.map_err(|error| {
        let problem = trouble(error);
        let message = format!("cannot reach the database {address}: {}", problem.message);
        Problem { message, ..problem }
    })?;
    Ok(Pools::Postgres(pool))
}
