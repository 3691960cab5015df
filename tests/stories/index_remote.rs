//! The index over https and ssh: branches are found, what moved unsaid is found, and hosts are asked politely.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lockkeeper::database::{BranchEntry, Tracking};
use lockkeeper::index::{Hosts, RepositoryKey};
use lockkeeper::names::RepositoryAddress;
use lockkeeper::operator::Operator;
use lockkeeper::queue::JobKey;

use super::index::{OPEN, index, run_async, with_lookout, write_config};
use crate::world::https::Https;
use crate::world::service::until;
use crate::world::sshd::Sshd;
use crate::world::{NewCommit, World, succeed};

/// Changes the operator config.
fn change(world: &World, from: &str, to: &str) {
    let file = world.path("lockkeeper.yaml");
    let config = std::fs::read_to_string(&file).unwrap();
    assert!(config.contains(from), "{from} in {config}");
    std::fs::write(file, config.replace(from, to)).unwrap();
}

fn local(world: &World) -> String {
    format!("file://{}/{{name}}.git", world.path("dist-git").display())
}

/// Runs `index` with these variables.
fn index_with(world: &World, variables: &[(&str, &str)]) -> serde_json::Value {
    let arguments = ["index", "--config", "lockkeeper.yaml", "--format", "json"];
    let output = world.program(&arguments).envs(variables.iter().copied()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:#?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn branches_are_found_over_https() {
    let mut world = World::released("archive");
    let server = Https::start(&world.path("https"), &world.path(""));
    let certificate = server.certificate().display().to_string();
    let trust = [("GIT_SSL_CAINFO", certificate.as_str())];
    write_config(&world, OPEN);
    change(&world, &local(&world), &server.url("dist-git/{name}.git"));
    change(&world, "{directory: dist-git}", "{list: [hello, nobody]}");
    let json = index_with(&world, &trust);
    assert_eq!((&json["counts"]["all"], &json["counts"]["tracking"]), (&1.into(), &1.into()));
    world.dist_git_commit(NewCommit::new("Leave").remove("source-git.yaml"));
    let json = index_with(&world, &trust);
    assert_eq!((&json["counts"]["all"], &json["counts"]["tracking"]), (&1.into(), &0.into()));
    // A server whose certificate nobody knows is told, and takes nothing from the index.
    let (output, json) = index(&world, &["--all"]);
    assert_eq!(json["failed"].as_array().map(Vec::len), Some(2), "{output:#?}");
    assert_eq!(json["counts"]["all"], 1, "{json:#}");
}

#[test]
fn a_dozen_packages_are_found_over_ssh_with_one_login() {
    let world = World::released("archive");
    let sshd = Sshd::start(&world.path("sshd"));
    let path = format!("{}:{}", sshd.bin().display(), std::env::var("PATH").unwrap());
    let names: Vec<String> = (0..12).map(|number| format!("hello{number}")).collect();
    for name in &names {
        let copy = format!("dist-git/{name}.git");
        succeed(&mut world.in_world("cp", &["-r", "dist-git/hello.git", &copy]));
    }
    write_config(&world, OPEN);
    let remote = sshd.url(&world.path("dist-git/{name}.git"));
    change(&world, &local(&world), &remote);
    change(&world, "{directory: dist-git}", &format!("{{list: [{}]}}", names.join(", ")));
    let json = index_with(&world, &[("PATH", &path)]);
    assert_eq!(json["counts"]["tracking"], 12, "{json:#}");
    assert_eq!(sshd.logins(), 1, "the first question logs in, the others share its connection");
}

#[test]
fn a_service_finds_over_https_what_moved_unsaid_and_publishes_it_over_ssh() {
    let mut world = World::empty();
    let server = Https::start(&world.path("https"), &world.path(""));
    let sshd = Sshd::start(&world.path("sshd"));
    let config = world.config("");
    let source = format!("file://{}", world.source.folder().display());
    world.opt_in_with(&config.replace(&source, &server.url("source/hello.git")));
    let first = world.release();
    world.configure("reconcile: 10s\n");
    change(&world, &local(&world), &sshd.url(&world.path("dist-git/{name}.git")));
    let path = format!("{}:{}", sshd.bin().display(), std::env::var("PATH").unwrap());
    let certificate = server.certificate().display().to_string();
    let service = world.serve_as("node", &[("PATH", &path), ("GIT_SSL_CAINFO", &certificate)]);
    until("what is there is published", || {
        world.published_sources() == [first.to_string()]
    });
    let tip = world.commit("Go on", "README", "More words.\n");
    until("the commit that nobody told of is published", || {
        world.published_sources() == [tip.to_string(), first.to_string()]
    });
    until("the hook is said to be dead", || service.log().contains("a hook seems dead"));
}

/// A host that takes connections and says nothing; counts them.
fn silent_host() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    let host = listener.local_addr().expect("it is bound").to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    // It ends with the tests.
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            kept.push(stream);
        }
    });
    (host, count)
}

#[test]
fn hosts_that_hang_hold_nobody_up_and_are_given_up_soon() {
    let world = World::released("archive");
    write_config(&world, OPEN);
    change(&world, "data: data\n", "data: data\nper_host: {answer: 1s}\n");
    let silent: Vec<_> = (0..3).map(|_| silent_host()).collect();
    run_async(with_lookout(&world, async |lookout, operator, database| {
        let now = Timestamp::now();
        lookout.refresh(&operator.instances[0], now).await.unwrap();
        let mut entries = Vec::new();
        for (place, (host, _)) in silent.iter().enumerate() {
            for number in 0..30 {
                let address = format!("http://{host}/pkg/stuck{number}");
                entries.push(stuck(operator, &address, &format!("stuck{place}-{number}")));
            }
        }
        database.put_branches(entries, now).await.unwrap();
        let began = Instant::now();
        let found = lookout.reconcile(now).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        assert_eq!((found.looked, found.failed.len(), found.moved.len()), (91, 90, 1));
        assert!(found.missing.is_empty() && found.moved[0].is_new);
        for (_, count) in &silent {
            assert_eq!(count.load(Ordering::SeqCst), 2, "two questions, and then no more");
        }
    }));
}

/// A branch of a package that tracks this address.
fn stuck(operator: &Operator, address: &str, package: &str) -> BranchEntry {
    let hosts = Hosts::new(&operator.hosts);
    let parsed: RepositoryAddress = address.parse().unwrap();
    BranchEntry {
        key: JobKey {
            instance: operator.instances[0].name.clone(),
            package: package.parse().unwrap(),
            branch: "f44".parse().unwrap(),
        },
        tip: "1f".repeat(20).parse().unwrap(),
        tracking: Tracking::Source {
            source: RepositoryKey::of(&parsed, &hosts).to_string(),
            address: address.to_owned(),
            branch: "main".parse().unwrap(),
            config: String::new(),
        },
    }
}
