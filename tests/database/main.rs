//! What the database promises, asked of SQLite and of PostgreSQL alike.
//!
//! `store` makes a fresh database; each other file is one topic. A test is a function of a [`store::Store`]; `both!`
//! makes two tests of it.

#![allow(clippy::disallowed_methods, reason = "tests make their worlds with the real tools")]

#[path = "../world/postgres.rs"]
mod postgres;
mod store;

/// Runs each of these for SQLite and for PostgreSQL.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&crate::store::Store::sqlite().await).await;
            })*
        }
        mod postgresql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&crate::store::Store::postgres().await).await;
            })*
        }
    };
}

mod claims;
mod deliveries;
mod index;
mod jobs;
mod opening;
mod outbox;
mod people;
mod robust;
