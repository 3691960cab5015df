//! Opening: the tables are made once, and a newer program's are left alone.

use lockkeeper::database::{Database, DatabaseAddress, Stored};
use lockkeeper::outcome::Fault;

use crate::postgres::Postgres;
use crate::store::{Store, delivery, postgres_address};

async fn nodes_that_start_at_once_make_the_tables_once(address: &DatabaseAddress) {
    let nodes: Vec<_> = (0..4)
        .map(|_| {
            let address = address.clone();
            tokio::spawn(async move { Database::open(&address).await })
        })
        .collect();
    let mut stored = Vec::new();
    for node in nodes {
        let db = node.await.unwrap().expect("it opens");
        stored.push(db.store_delivery(delivery("src", "a")).await.unwrap());
    }
    assert_eq!(stored.iter().filter(|stored| **stored == Stored::New).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_nodes_that_start_at_once_make_the_tables_once() {
    let folder = tempfile::tempdir().unwrap();
    let address = DatabaseAddress::Sqlite(folder.path().join("new.sqlite"));
    nodes_that_start_at_once_make_the_tables_once(&address).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_nodes_that_start_at_once_make_the_tables_once() {
    let address = postgres_address(&Postgres::shared().database());
    nodes_that_start_at_once_make_the_tables_once(&address).await;
}

fn refused(result: Result<Database, Fault>) {
    let Err(Fault::Refused(refusal)) = result else { panic!("a newer database was opened") };
    assert_eq!(refusal.code.0, "database-newer");
    assert!(refusal.message.contains("0099-later"), "{}", refusal.message);
}

const LATER: &str = "INSERT INTO migrations (number, name) VALUES (99, '0099-later')";

#[tokio::test]
async fn a_newer_sqlite_database_is_refused_by_name() {
    let store = Store::sqlite().await;
    let DatabaseAddress::Sqlite(path) = &store.address else { unreachable!() };
    let python =
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()";
    let status =
        std::process::Command::new("python3").args(["-c", python]).arg(path).arg(LATER).status();
    assert!(status.expect("python3 is installed (tests/run)").success());
    refused(Database::open(&store.address).await);
}

#[tokio::test]
async fn a_newer_postgresql_database_is_refused_by_name() {
    let store = Store::postgres().await;
    let name = store.address.to_string();
    let name = name.rsplit('/').next().unwrap();
    let status = Postgres::shared().psql(name).args(["-c", LATER]).status().unwrap();
    assert!(status.success());
    refused(Database::open(&store.address).await);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let address = DatabaseAddress::Sqlite(folder.path().join("none/x.sqlite"));
    let Err(Fault::Failed(problem)) = Database::open(&address).await else { panic!() };
    assert_eq!(problem.code.0, "database-unreachable");
    assert!(problem.message.contains("none/x.sqlite"), "{}", problem.message);
}
