//! What goes wrong around a database: a process killed, a disk full, a server gone.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lockkeeper::database::{Database, DatabaseAddress, NewDelivery, Stored};
use lockkeeper::outcome::Lasting;

use crate::postgres::Postgres;
use crate::store::{delivery, postgres_address};

/// Names the database that the child is to store into; without it the child is no child.
const ADDRESS: &str = "LOCKKEEPER_TEST_STORE_INTO";
/// What the child prints before each id that was confirmed to it.
const CONFIRMED: &str = "confirmed ";
/// How many of the child's tasks store at once.
const TASKS: usize = 32;

/// Returns this test program, about to run one of its tests as a child.
fn child(test: &str) -> Command {
    let mut child = Command::new(std::env::current_exe().expect("it runs"));
    child.args(["--exact", test, "--nocapture", "--test-threads", "1"]);
    child
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).expect("somebody listens");
}

fn address(text: &str) -> DatabaseAddress {
    match text.strip_prefix("sqlite:") {
        Some(path) => DatabaseAddress::Sqlite(path.into()),
        None => postgres_address(text),
    }
}

/// The child: stores deliveries without end and says which were confirmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_stores_without_end() {
    let Ok(text) = std::env::var(ADDRESS) else { return };
    let db = Database::open(&address(&text)).await.unwrap();
    let round = std::process::id();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let db = db.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    let id = format!("{round}-{task}-{number}");
                    let new = NewDelivery { body: vec![b'x'; 3000], ..delivery("src", &id) };
                    assert_eq!(db.store_delivery(new).await.unwrap(), Stored::New);
                    say(&format!("{CONFIRMED}{id}"));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Lets a child store into a database, kills it once it has had `count` confirmed, and returns all of them.
fn store_until_killed(text: &str, count: usize) -> Vec<String> {
    let mut storing = child("robust::child_that_stores_without_end");
    storing.env(ADDRESS, text).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut storing = storing.spawn().expect("it can be started");
    let output = BufReader::new(storing.stdout.take().expect("it is piped"));
    let mut confirmed = Vec::new();
    for line in output.lines() {
        // What it wrote before it died is still in the pipe: all of that was confirmed.
        let line = line.expect("text");
        confirmed.extend(line.strip_prefix(CONFIRMED).map(str::to_owned));
        if confirmed.len() == count {
            kill(&mut storing);
        }
    }
    storing.wait().expect("it has ended");
    assert!(confirmed.len() >= count, "it ended by itself after {}", confirmed.len());
    confirmed
}

fn kill(child: &mut Child) {
    child.kill().expect("SIGKILL can be sent");
}

/// Three rounds, or as many as `LOCKKEEPER_TEST_KILLS` says.
async fn whatever_was_confirmed_is_there(text: &str) {
    let rounds = std::env::var("LOCKKEEPER_TEST_KILLS");
    let rounds: usize = rounds.map_or(3, |text| text.parse().expect("a number"));
    let mut confirmed = BTreeSet::new();
    for round in 0..rounds {
        // Somewhere else each time, often in the middle of a group.
        confirmed.extend(store_until_killed(text, 50 + (round * 7919) % 997));
        let db = Database::open(&address(text)).await.expect("it opens after a crash");
        let rows = db.deliveries_to_route(1_000_000).await.unwrap();
        let there: BTreeSet<String> = rows.iter().map(|row| row.delivery.id.to_string()).collect();
        assert_eq!(there.len(), rows.len(), "each once");
        let lost: Vec<&String> = confirmed.difference(&there).collect();
        assert!(lost.is_empty(), "round {round}: confirmed and lost: {lost:?}");
        db.close().await;
    }
}

#[tokio::test]
async fn sqlite_keeps_what_it_confirmed_before_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("sqlite:{}", folder.path().join("x.sqlite").display());
    whatever_was_confirmed_is_there(&text).await;
}

#[tokio::test]
async fn postgresql_keeps_what_it_confirmed_before_a_kill() {
    whatever_was_confirmed_is_there(&Postgres::shared().database()).await;
}

/// Names the folder, on a small disk of its own, that the next child fills.
const DISK: &str = "LOCKKEEPER_TEST_SMALL_DISK";

/// The child: runs in a mount namespace of its own, with 3 MiB of disk.
#[tokio::test]
async fn child_that_fills_its_disk() {
    let Some(disk) = std::env::var_os(DISK) else { return };
    let disk = Path::new(&disk);
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let db = Database::open(&DatabaseAddress::Sqlite(disk.join("x.sqlite"))).await.unwrap();
    let store = |number: usize| {
        let new = delivery("src", &format!("id-{number}"));
        db.store_delivery(NewDelivery { body: vec![b'x'; 50_000], ..new })
    };
    let mut stored = 0;
    let problem = loop {
        match store(stored).await {
            Ok(_) => stored += 1,
            Err(problem) => break problem,
        }
    };
    assert_eq!((problem.code.0, problem.lasting), ("database-full", Lasting::Temporary));
    assert!(stored > 5, "only {stored} had room");
    let rows = db.deliveries_to_route(1000).await.unwrap();
    assert_eq!(rows.len(), stored, "reading goes on, and what was refused is not there");
    std::fs::remove_file(ballast).unwrap();
    assert_eq!(store(stored).await.unwrap(), Stored::New, "there is room again");
    assert_eq!(db.deliveries_to_route(1000).await.unwrap().len(), stored + 1);
    say("the disk was full and had room again");
}

#[test]
fn a_full_disk_is_told_and_forgotten_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=3m tmpfs "$DISK" && exec "$@""#;
    let filling = child("robust::child_that_fills_its_disk");
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    unshare.arg(filling.get_program()).args(filling.get_args());
    unshare.env("DISK", folder.path()).env(DISK, folder.path());
    let output = unshare.output().expect("unshare is installed (tests/run)");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    assert!(said.contains("the disk was full and had room again"), "{said}{complained}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_used_again() {
    let mut server = Postgres::start();
    let db = Database::open(&postgres_address(&server.database())).await.unwrap();
    db.store_delivery(delivery("src", "before")).await.unwrap();
    server.stop();
    let problem = db.store_delivery(delivery("src", "during")).await.unwrap_err();
    assert_eq!((problem.code.0, problem.lasting), ("database-unreachable", Lasting::Temporary));
    assert!(db.ping().await.is_err() && db.jobs(None, None, 1).await.is_err());
    server.go_on();
    let until = Instant::now() + Duration::from_secs(30);
    while db.ping().await.is_err() {
        assert!(Instant::now() < until, "it never comes back");
    }
    assert_eq!(db.store_delivery(delivery("src", "before")).await.unwrap(), Stored::Duplicate);
    assert_eq!(db.store_delivery(delivery("src", "after")).await.unwrap(), Stored::New);
    assert_eq!(db.deliveries_to_route(9).await.unwrap().len(), 2);
}
