//! Nodes that share the work, stand still, are told to stop, lose their database or their disk.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::world::World;
use crate::world::postgres::Postgres;
use crate::world::service::{Service, deliver_to, unique, until};

/// Returns a world whose nodes share a database on this server.
fn on(postgres: &Postgres, more: &str) -> World {
    let world = World::released("archive");
    world.configure(&format!("database: {}\n{more}", postgres.database()));
    world
}

#[test]
fn two_nodes_share_the_work_and_nothing_else() {
    let postgres = Postgres::shared();
    let mut world = on(postgres, "");
    let nodes = [world.serve_as("one", &[]), world.serve_as("two", &[])];
    until("1.0 is published", || world.published_sources().len() == 1);
    for round in 0..6 {
        let tip = world.commit("Go on", "README", &format!("Round {round}.\n")).to_string();
        // Both hear of it.
        for node in &nodes {
            assert_eq!(node.deliver_push(&world, &tip), 202);
        }
        until("it is published", || world.published_sources().first() == Some(&tip));
    }
    let [one, two] = nodes;
    // Killed without a word: the other takes over what it was given.
    let tip = world.commit("Go on", "README", "The last round.\n").to_string();
    assert_eq!(one.deliver_push(&world, &tip), 202);
    one.kill();
    until("the other takes over", || world.published_sources().first() == Some(&tip));
    assert_eq!(world.published_sources().len(), 8);
    assert_eq!(two.stop(), Some(0));
}

#[test]
fn a_node_that_stood_still_past_its_lease_does_not_push_when_it_comes_back() {
    let postgres = Postgres::shared();
    let mut world = on(postgres, "");
    let zombie = world.serve_as("zombie", &[]);
    until("1.0 is published", || world.published_sources().len() == 1);
    let tip = world.commit("Go on", "README", "A long story.\n").to_string();
    // Stopped in the middle of its push, which waits in a hook until both nodes have come so far.
    let hook = hold_up_dist_git(&world, "while [ ! -e \"$folder/go\" ]; do sleep 0.05; done");
    assert_eq!(zombie.deliver_push(&world, &tip), 202);
    until("the zombie works", || hook.join("begun").exists());
    zombie.signal("STOP");
    let other = world.serve_as("other", &[]);
    until("the other has taken over", || {
        let jobs = world.ops("other", &["jobs", "list"]).report;
        jobs.as_array().is_some_and(|jobs| jobs.iter().any(|job| job["state"]["node"] == "other"))
    });
    std::fs::write(hook.join("go"), "").unwrap();
    until("it is published", || world.published_sources().first() == Some(&tip));
    until("the other is through", || other.log().contains("job=local/hello#f44"));
    let commits = world.commits();
    zombie.signal("CONT");
    until("the zombie finds out", || {
        let log = zombie.log();
        log.contains("given to another worker") || log.contains("dropped before its end")
    });
    assert_eq!(world.commits(), commits);
    assert_eq!(world.published_sources().len(), 2);
    let tip = world.commit("Go on", "README", "And on.\n").to_string();
    zombie.deliver_push(&world, &tip);
    until("both work again", || world.published_sources().first() == Some(&tip));
    assert_eq!((zombie.stop(), other.stop()), (Some(0), Some(0)));
}

/// Holds up each push to dist-git by a hook of git's, which leaves a file `begun` in the folder that is returned.
fn hold_up_dist_git(world: &World, wait: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let folder = world.package.dist_git.folder().join("hooks");
    std::fs::create_dir_all(&folder).unwrap();
    let script =
        format!("#!/bin/sh\nfolder='{}'\ntouch \"$folder/begun\"\n{wait}\n", folder.display());
    let hook = folder.join("pre-receive");
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn a_service_that_is_told_to_stop_finishes_what_it_began() {
    let mut world = World::released("archive");
    world.configure("");
    let service = world.serve();
    until("1.0 is published", || world.published_sources().len() == 1);
    let hook = hold_up_dist_git(&world, "sleep 1");
    let tip = world.commit("Go on", "README", "The last one today.\n").to_string();
    assert_eq!(service.deliver_push(&world, &tip), 202);
    until("it has begun", || hook.join("begun").exists());
    let (began, address) = (Instant::now(), service.address);
    assert_eq!(service.stop(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(world.published_sources()[0], tip);
    assert_eq!(
        deliver_to(address, "forgejo", "push", "late", &world.push_payload(&tip)).status,
        0
    );
    // It is written down too: the next process has nothing to do.
    assert_eq!(world.status("node")["jobs"]["running"], 0);
}

#[test]
fn a_second_signal_ends_it_at_once_and_the_next_process_goes_on() {
    let mut world = World::released("archive");
    world.configure("drain: 1min\n");
    let service = world.serve();
    until("1.0 is published", || world.published_sources().len() == 1);
    let hook = hold_up_dist_git(&world, "sleep 1");
    let tip = world.commit("Go on", "README", "Interrupted.\n").to_string();
    service.deliver_push(&world, &tip);
    until("it has begun", || hook.join("begun").exists());
    let began = Instant::now();
    service.signal("TERM");
    until("the first is heard", || service.log().contains("stopping"));
    assert_eq!(service.stop(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let service = world.serve();
    until("the next goes on", || world.published_sources().first() == Some(&tip));
    assert_eq!(world.published_sources().len(), 2);
    drop(service);
}

#[test]
fn a_database_that_goes_away_loses_nothing_that_was_answered() {
    let mut postgres = Postgres::start();
    let mut world = on(&postgres, "");
    let service = world.serve_as("one", &[]);
    until("1.0 is published", || world.published_sources().len() == 1);
    postgres.stop();
    let tip = world.commit("Go on", "README", "Without a database.\n").to_string();
    let refused = deliver(&service, &world, &tip);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.text.to_lowercase().contains("retry-after"), "{refused:?}");
    postgres.go_on();
    until("deliveries are taken again", || deliver(&service, &world, &tip).status == 202);
    until("it is published", || world.published_sources().first() == Some(&tip));
    assert_eq!(world.published_sources().len(), 2);
    assert_eq!(service.stop(), Some(0));
}

fn deliver(service: &Service, world: &World, tip: &str) -> crate::world::service::Answered {
    let id = format!("{tip}-{}", unique());
    deliver_to(service.address, "forgejo", "push", &id, &world.push_payload(tip))
}

#[test]
fn a_full_disk_answers_nothing_that_it_did_not_keep() {
    let mut world = World::released("archive");
    world.configure("");
    let service = world.serve();
    until("1.0 is published", || world.published_sources().len() == 1);
    let tip = world.commit("Go on", "README", "There is no room for it.\n").to_string();
    // No file may grow any more, as on a full disk.
    service.limit_files("0");
    let refused = deliver(&service, &world, &tip);
    assert_eq!(refused.status, 503, "{refused:?}");
    service.limit_files("unlimited");
    until("deliveries are taken again", || deliver(&service, &world, &tip).status == 202);
    until("it is published", || world.published_sources().first() == Some(&tip));
    assert_eq!(world.published_sources().len(), 2);
    assert_eq!(service.stop(), Some(0));
}
