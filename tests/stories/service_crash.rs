//! A service that is killed again and again, at any moment, under load. Whatever was answered 202 is done, once.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::world::forges::{Forge, Plays};
use crate::world::service::{deliver_to, until};
use crate::world::{NewCommit, World, git};

/// How often the service is killed; `LOCKKEEPER_SERVICE_KILLS` asks for more.
fn kills() -> u32 {
    let more = std::env::var("LOCKKEEPER_SERVICE_KILLS").ok();
    more.and_then(|text| text.parse().ok()).unwrap_or(8)
}

/// The branches that track `main`.
const BRANCHES: [&str; 3] = ["f42", "f43", "f44"];

#[test]
fn a_service_that_is_killed_at_any_moment_does_everything_once() {
    let mut world = World::empty();
    let forge = Forge::start(Plays::Forgejo);
    let here = format!("file://{}", world.source.folder().display());
    let config = world.config("").replace(&here, "ssh://git@127.0.0.1/pkg/hello.git");
    world.opt_in_with(&config);
    for branch in ["f42", "f43"] {
        git(world.package.dist_git.folder(), &["branch", branch, "f44"]);
    }
    forge.has_commit("pkg/hello", &world.release().to_string());
    world.configure(&(world.reports_to(&forge, "forgejo") + "reconcile: 1d\n"));

    // Somebody delivers all the time, and remembers what was answered 202.
    let acknowledged = Mutex::new(BTreeSet::new());
    let (over, port) = (AtomicBool::new(false), AtomicU32::new(0));
    let sent = AtomicU32::new(0);
    let template = world.push_payload(&"a".repeat(40)).to_string();
    let template = template.replace(&here, "ssh://git@127.0.0.1/pkg/hello.git");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let port = port.load(Ordering::Relaxed);
                let Ok(port) = u16::try_from(port) else { continue };
                let id = format!("load-{}", sent.fetch_add(1, Ordering::Relaxed));
                let payload = serde_json::from_str(&template).unwrap();
                let address = ([127, 0, 0, 1], port).into();
                if deliver_to(address, "forgejo", "push", &id, &payload).status == 202 {
                    acknowledged.lock().unwrap().insert(id);
                }
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        let mut chance = 0x2545_f491_4f6c_dd1d_u64;
        for kill in 0..kills() {
            let new = NewCommit::new("Go on").put("README", format!("Round {kill}.\n"));
            let tip = world.source.commit(new.signed_by(&world.alice)).unwrap();
            forge.has_commit("pkg/hello", &tip.to_string());
            let service = world.serve();
            port.store(u32::from(service.address.port()), Ordering::Relaxed);
            // Moments without a pattern, the same in each run of this test.
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            std::thread::sleep(Duration::from_millis(chance % 1500));
            port.store(u32::MAX, Ordering::Relaxed);
            service.kill();
        }
        over.store(true, Ordering::Relaxed);
    });

    // At the end one is let live.
    let tip = world.source.tip().unwrap().unwrap().to_string();
    let service = world.serve();
    let began = Instant::now();
    for branch in BRANCHES {
        until("the newest is published everywhere", || {
            world.published_on("hello", branch).first() == Some(&tip)
        });
    }
    until("all is quiet", || {
        let status = world.status("node");
        let jobs = ["ready", "delayed", "running"].map(|state| status["jobs"][state] == 0);
        jobs == [true; 3]
    });
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(service.stop(), Some(0));

    // Every 202 is accounted for, and read.
    let stored = world.sql("node", "SELECT delivery FROM deliveries WHERE routed_at IS NOT NULL");
    let stored: BTreeSet<String> = stored.lines().map(str::to_owned).collect();
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(!acknowledged.is_empty());
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "{lost:?}");
    // One commit for each source tip, on every branch.
    for branch in BRANCHES {
        let published = world.published_on("hello", branch);
        let once: BTreeSet<&String> = published.iter().collect();
        assert_eq!(once.len(), published.len(), "{branch}: {published:?}");
    }
    // Nothing is left to be told; what a killed process had in its hands is sent once more.
    world.sql("node", "UPDATE outbox SET due_at = 0 WHERE state = 'waiting'");
    let service = world.serve();
    until("everything is told", || {
        let left = "SELECT subject, context, version, attempts, due_at, failure FROM outbox WHERE state = 'waiting'";
        let left = world.sql("node", left);
        eprintln!("to be told: {left}");
        left.is_empty()
    });
    assert_eq!(world.status("node")["messages"]["given_up"], 0);
    assert_eq!(service.stop(), Some(0));
    git(world.package.dist_git.folder(), &["fsck", "--strict", "--no-dangling"]);
}
