//! Claims for each second, by one to eight workers: claim a job, finish it. SQLite; and PostgreSQL where
//! `LOCKKEEPER_BENCH_POSTGRES` names an empty database.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lockkeeper::database::{
    Claimed, Database, DatabaseAddress, Finish, JobRequest, Next, RunOutcome,
};
use lockkeeper::queue::{Cause, JobKey, Policy};

/// How many jobs each number of workers does.
const JOBS: usize = 2000;

#[tokio::main]
pub async fn measure() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on a disk");
    let mut addresses = vec![DatabaseAddress::Sqlite(folder.path().join("x.sqlite"))];
    if let Ok(text) = std::env::var("LOCKKEEPER_BENCH_POSTGRES") {
        addresses.push(DatabaseAddress::parse(&text, Path::new("/")).expect("an address"));
    }
    println!("workers  jobs/s (claimed and finished)");
    for address in addresses {
        println!("{address}");
        let db = Database::open(&address).await.expect("it opens");
        for workers in [1, 2, 4, 8] {
            fill(&db).await;
            println!("{workers:7}  {:.0}", JOBS as f64 / work(&db, workers).await.as_secs_f64());
        }
    }
}

async fn fill(db: &Database) {
    let tasks: Vec<_> = (0..JOBS)
        .map(|number| {
            let db = db.clone();
            let key = JobKey {
                instance: "local".parse().expect("legal"),
                package: format!("package-{}", number / 4).parse().expect("legal"),
                branch: format!("f{}", number % 4).parse().expect("legal"),
            };
            let now = Timestamp::now();
            let wanted = JobRequest { key, cause: Cause::Reconcile, not_before: now };
            tokio::spawn(async move { db.request(wanted, now).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.expect("it does not panic").expect("it is stored");
    }
}

async fn work(db: &Database, workers: usize) -> Duration {
    let began = Instant::now();
    let tasks: Vec<_> = (0..workers).map(|_| tokio::spawn(claim_all(db.clone()))).collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.expect("it does not panic");
    }
    assert_eq!(done, JOBS, "each job once");
    began.elapsed()
}

async fn claim_all(db: Database) -> usize {
    let (node, policy) = ("one".parse().expect("legal"), Arc::new(Policy::default()));
    let mut done = 0;
    loop {
        let lease = Duration::from_secs(60);
        match db.claim(&node, lease, &policy, Timestamp::now()).await.expect("it answers") {
            Claimed::Job(claim) => {
                let finish = Finish {
                    outcome: RunOutcome::UpToDate,
                    report: serde_json::Value::Null,
                    source_commit: None,
                    dist_git_commit: None,
                    evr: None,
                    messages: Vec::new(),
                    next: Next::Done,
                };
                db.finish(&claim, finish, Timestamp::now()).await.expect("it is recorded");
                done += 1;
            }
            Claimed::Nothing { look_again: Some(_), .. } => {}
            Claimed::Nothing { look_again: None, .. } => return done,
        }
    }
}
