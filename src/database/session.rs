//! One transaction, whichever database is behind it: the same statements go to both.
//!
//! Both take `$1` as a parameter and know `ON CONFLICT`, `RETURNING` and partial indexes. Where they differ, a
//! statement asks [`Session::pick`]. Numbers are `BIGINT`, times are milliseconds.

use jiff::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Postgres, Row as _, SqlSafeStr, Sqlite, Transaction};

use super::trouble::{Answer, trouble, unreadable};

/// A transaction. Without [`Session::commit`] it never happened.
pub(super) enum Session {
    /// The one that writes. SQLite may end its transaction by itself, when the disk is full for example, and the
    /// library's own count of transactions would be wrong from then on; so it is begun and ended by statements.
    SqliteWriter(PoolConnection<Sqlite>),
    /// One that reads.
    SqliteReader(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// The connection behind a transaction.
enum Connection<'s> {
    Sqlite(&'s mut SqliteConnection),
    Postgres(&'s mut PgConnection),
}

/// A parameter of a statement; a missing one still has its type, which PostgreSQL asks for.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

/// One row of an answer; columns are read by their place.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Session {
    /// Makes what was done durable; until this returns, nothing may be told to anybody.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Session::SqliteWriter(mut connection) => {
                let ended = sqlx::query("COMMIT").execute(&mut *connection).await;
                if ended.is_err() {
                    Session::SqliteWriter(connection).discard().await;
                }
                ended.map(drop)
            }
            Session::SqliteReader(transaction) => transaction.commit().await,
            Session::Postgres(transaction) => transaction.commit().await,
        }
    }

    /// Undoes everything. SQLite's connection is closed, whatever state it is in; the next one is clean.
    pub(super) async fn discard(self) {
        if let Session::SqliteWriter(connection) = self {
            // It was failing anyway.
            let _ = connection.close().await;
        }
    }

    fn connection(&mut self) -> Connection<'_> {
        match self {
            Session::SqliteWriter(connection) => Connection::Sqlite(connection),
            Session::SqliteReader(transaction) => Connection::Sqlite(transaction),
            Session::Postgres(transaction) => Connection::Postgres(transaction),
        }
    }

    /// Tells whether it is PostgreSQL's.
    pub(super) fn is_postgres(&self) -> bool {
        matches!(self, Session::Postgres(_))
    }

    /// Returns the statement for this database.
    pub(super) fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        if self.is_postgres() { postgres } else { sqlite }
    }

    /// Runs a statement and returns how many rows it touched.
    pub(super) async fn run(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<u64, sqlx::Error> {
        Ok(match self.connection() {
            Connection::Sqlite(connection) => {
                let query = sqlx::query_with(sql, for_sqlite(values)?);
                query.execute(&mut *connection).await?.rows_affected()
            }
            Connection::Postgres(connection) => {
                let query = sqlx::query_with(sql, for_postgres(values)?);
                query.execute(&mut *connection).await?.rows_affected()
            }
        })
    }

    /// Runs statements that take no parameters, any number of them.
    pub(super) async fn script(&mut self, sql: impl SqlSafeStr) -> Result<(), sqlx::Error> {
        match self.connection() {
            Connection::Sqlite(connection) => {
                sqlx::raw_sql(sql).execute(&mut *connection).await?;
            }
            Connection::Postgres(connection) => {
                sqlx::raw_sql(sql).execute(&mut *connection).await?;
            }
        }
        Ok(())
    }

    /// Runs a statement and returns its rows.
    pub(super) async fn rows(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self.connection() {
            Connection::Sqlite(connection) => {
                let query = sqlx::query_with(sql, for_sqlite(values)?);
                let rows = query.fetch_all(&mut *connection).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Connection::Postgres(connection) => {
                let query = sqlx::query_with(sql, for_postgres(values)?);
                let rows = query.fetch_all(&mut *connection).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }
}

/// The forms of the above that most of the room uses: a statement that is a constant, errors as problems.
impl Session {
    /// Runs a statement and returns how many rows it touched.
    pub(super) async fn change(&mut self, sql: &'static str, values: Vec<Value>) -> Answer<u64> {
        self.run(sql, values).await.map_err(trouble)
    }

    /// Runs a statement and returns its rows.
    pub(super) async fn all(&mut self, sql: &'static str, values: Vec<Value>) -> Answer<Vec<Row>> {
        self.rows(sql, values).await.map_err(trouble)
    }

    /// Runs a statement that the program put together of its own constants, and returns its rows.
    pub(super) async fn all_of(&mut self, sql: String, values: Vec<Value>) -> Answer<Vec<Row>> {
        self.rows(AssertSqlSafe(sql), values).await.map_err(trouble)
    }

    /// Runs a statement and returns its first row.
    pub(super) async fn first(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Answer<Option<Row>> {
        Ok(self.all(sql, values).await?.into_iter().next())
    }
}

/// What an insertion did, as far as each database says it cheaply.
pub(super) enum Inserted {
    /// How many rows, and the number of the last one.
    Counted { count: u64, last: i64 },
    /// The rows themselves.
    Rows(Vec<Row>),
}

impl Session {
    /// Runs an insertion that the program put together of its own constants; PostgreSQL's says what it returns.
    pub(super) async fn insert(&mut self, sql: String, values: Vec<Value>) -> Answer<Inserted> {
        let Connection::Sqlite(connection) = self.connection() else {
            return self.all_of(sql, values).await.map(Inserted::Rows);
        };
        let arguments = for_sqlite(values).map_err(trouble)?;
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
        let done = query.execute(connection).await.map_err(trouble)?;
        Ok(Inserted::Counted { count: done.rows_affected(), last: done.last_insert_rowid() })
    }
}

fn for_sqlite(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        let added = match value {
            Value::Number(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text),
            Value::Bytes(bytes) => arguments.add(bytes),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn for_postgres(values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for value in values {
        let added = match value {
            Value::Number(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text),
            Value::Bytes(bytes) => arguments.add(bytes),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

impl Row {
    /// Returns a number that is always there.
    pub(super) fn number(&self, at: usize) -> Answer<i64> {
        self.maybe_number(at)?.ok_or_else(|| missing(at))
    }

    /// Returns a number, where there is one.
    pub(super) fn maybe_number(&self, at: usize) -> Answer<Option<i64>> {
        match self {
            Row::Sqlite(row) => row.try_get(at),
            Row::Postgres(row) => row.try_get(at),
        }
        .map_err(trouble)
    }

    /// Returns a text that is always there.
    pub(super) fn text(&self, at: usize) -> Answer<String> {
        self.maybe_text(at)?.ok_or_else(|| missing(at))
    }

    /// Returns a text, where there is one.
    pub(super) fn maybe_text(&self, at: usize) -> Answer<Option<String>> {
        match self {
            Row::Sqlite(row) => row.try_get(at),
            Row::Postgres(row) => row.try_get(at),
        }
        .map_err(trouble)
    }

    /// Returns bytes, where there are any.
    pub(super) fn maybe_bytes(&self, at: usize) -> Answer<Option<Vec<u8>>> {
        match self {
            Row::Sqlite(row) => row.try_get(at),
            Row::Postgres(row) => row.try_get(at),
        }
        .map_err(trouble)
    }

    /// Returns a count.
    pub(super) fn count(&self, at: usize) -> Answer<u32> {
        let number = self.number(at)?;
        u32::try_from(number).map_err(|error| unreadable("a count", error))
    }

    /// Returns a text, parsed.
    pub(super) fn parsed<T>(&self, at: usize) -> Answer<T>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        self.text(at)?.parse().map_err(|error| unreadable("a name", error))
    }

    /// Returns a text, parsed, where there is one.
    pub(super) fn maybe_parsed<T>(&self, at: usize) -> Answer<Option<T>>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        let text = self.maybe_text(at)?;
        text.map(|text| text.parse().map_err(|error| unreadable("a name", error))).transpose()
    }

    /// Returns what a text holds as JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, at: usize) -> Answer<T> {
        let text = self.text(at)?;
        serde_json::from_str(&text).map_err(|error| unreadable("JSON", error))
    }

    /// Returns a time.
    pub(super) fn time(&self, at: usize) -> Answer<Timestamp> {
        timestamp(self.number(at)?)
    }

    /// Returns a time, where there is one.
    pub(super) fn maybe_time(&self, at: usize) -> Answer<Option<Timestamp>> {
        self.maybe_number(at)?.map(timestamp).transpose()
    }
}

fn timestamp(milliseconds: i64) -> Answer<Timestamp> {
    Timestamp::from_millisecond(milliseconds).map_err(|error| unreadable("a time", error))
}

fn missing(at: usize) -> crate::outcome::Problem {
    unreadable("a row", format!("column {at} is empty"))
}

macro_rules! value_from {
    ($($kind:ident: $from:ty => |$given:ident| $made:expr;)*) => { $(
        impl From<$from> for Value {
            fn from($given: $from) -> Value {
                Value::$kind(Some($made))
            }
        }
        impl From<Option<$from>> for Value {
            fn from(given: Option<$from>) -> Value {
                Value::$kind(given.map(|$given| $made))
            }
        }
    )* };
}

value_from! {
    Number: i64 => |number| number;
    Number: u32 => |number| i64::from(number);
    Number: Timestamp => |time| time.as_millisecond();
    Text: String => |text| text;
    Text: &str => |text| text.to_owned();
    Bytes: Vec<u8> => |bytes| bytes;
}

/// Lists parameters: anything that a [`Value`] can be made from.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::database::session::Value::from($value)),*] };
}
pub(super) use values;
