//! How long a look-up takes with 100,000 indexed branches, how long indexing them, and how much memory it takes.
//!
//! `cargo bench --bench index [BRANCHES]`. The figures stand in docs/performance.md.

#![allow(clippy::disallowed_methods, reason = "a bench reads the clock and its arguments")]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use lockkeeper::database::{BranchEntry, Database, DatabaseAddress, Tracking};
use lockkeeper::index::{Hosts, RepositoryKey};
use lockkeeper::names::{BranchName, ObjectId};
use lockkeeper::queue::JobKey;

const LOOK_UPS: usize = 5000;

fn main() {
    let count = std::env::args().filter_map(|text| text.parse().ok()).next();
    let count: usize = count.unwrap_or(100_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(measure(count));
}

async fn measure(count: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let address = DatabaseAddress::Sqlite(folder.path().join("lockkeeper.sqlite"));
    let database = Database::open(&address).await.expect("a database");
    let began = Instant::now();
    let entries: Vec<BranchEntry> = (0..count).map(entry).collect();
    database.put_branches(entries, Timestamp::now()).await.expect("room");
    println!("index {count} branches anew: {:.2?}", began.elapsed());
    let looked = look_ups(&database, count).await;
    tell("look up a source", looked.iter().map(|one| one.wall).collect());
    tell(
        "  without the wait for a processor",
        looked.iter().map(LookUp::undisturbed).collect(),
    );
    let mut longest = looked;
    longest.sort_by_key(|one| one.wall);
    for one in longest.iter().rev().take(5) {
        println!("  among the longest: {:.1?}, waited {:.1?} of it", one.wall, one.waited);
    }
    let began = Instant::now();
    let mut pages = 0;
    let mut last: Option<(String, BranchName)> = None;
    loop {
        let after = last.as_ref().map(|(source, branch)| (source.as_str(), branch));
        let page = database.tracked_sources(after, 2000).await.expect("an answer");
        let Some(end) = page.last() else { break };
        last = Some((end.source.clone(), end.branch.clone()));
        pages += 1;
    }
    println!("read every tracked source: {:.2?} in {pages} pages", began.elapsed());
    println!("memory: {}", memory());
}

/// Four branches a package, each tracking a branch of the package's source.
fn entry(number: usize) -> BranchEntry {
    let (package, branch) = (number / 4, number % 4);
    let address = format!("https://forge.example/group-{}/package-{package}.git", package % 97);
    let mut tip = [0; 20];
    tip[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
    let key = RepositoryKey::of_text(&address, &Hosts::default()).expect("an address");
    BranchEntry {
        key: JobKey {
            instance: "main".parse().expect("a name"),
            package: format!("package-{package}").parse().expect("a name"),
            branch: format!("f{}", 40 + branch).parse().expect("a name"),
        },
        tip: ObjectId::from_bytes(&tip).expect("20 bytes"),
        tracking: Tracking::Source {
            source: key.to_string(),
            address,
            branch: source_branch(branch),
            config: "2e".repeat(20),
        },
    }
}

fn source_branch(number: usize) -> BranchName {
    let name = if number == 0 { "main".to_owned() } else { format!("stable-{number}") };
    name.parse().expect("a name")
}

/// How long a look-up took, and how long threads of ours were ready meanwhile and had no processor.
struct LookUp {
    wall: Duration,
    waited: Duration,
}

impl LookUp {
    fn undisturbed(&self) -> Duration {
        self.wall.saturating_sub(self.waited)
    }
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize];
    let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
    println!("{what}: p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?}");
}

/// Returns for how long the threads of this process were ready and had no processor.
fn waited() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").expect("it is Linux");
    let waited = threads.filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        stat.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Duration::from_nanos(waited.sum())
}

/// Looks sources up by a payload's spelling of their addresses, spread over the whole index.
async fn look_ups(database: &Database, count: usize) -> Vec<LookUp> {
    let hosts = Hosts::default();
    let mut times = Vec::with_capacity(LOOK_UPS);
    for turn in 0..LOOK_UPS {
        let number = turn * 7919 % count;
        let package = number / 4;
        let url = format!("git@Forge.Example:group-{}/package-{package}", package % 97);
        let branch = source_branch(number % 4);
        let before = waited();
        let began = Instant::now();
        let key = RepositoryKey::of_text(&url, &hosts).expect("an address");
        let found = database.by_source(key.as_str(), &branch).await.expect("an answer");
        let wall = began.elapsed();
        times.push(LookUp { wall, waited: waited().saturating_sub(before) });
        assert_eq!(found.len(), 1);
    }
    times
}

/// Returns what this process takes now, and took at most.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines =
        status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join(", ")
}
