//! What the service does with its work: held back, refused, tried again, found though nobody said so.

use crate::world::forges::{Forge, Plays};
use crate::world::lookaside::LookasideServer;
use crate::world::service::{Service, until};
use crate::world::{NewCommit, World, git};

/// Returns a world whose source is known at a forge that reports go to, and a service that has published 1.0.
fn reporting(more: &str) -> (World, Forge, Service) {
    let mut world = World::empty();
    let forge = Forge::start(Plays::Forgejo);
    let here = format!("file://{}", world.source.folder().display());
    let config = world.config("").replace(&here, "ssh://git@127.0.0.1/pkg/hello.git");
    world.opt_in_with(&config);
    let first = world.release().to_string();
    forge.has_commit("pkg/hello", &first);
    world.configure(&(world.reports_to(&forge, "forgejo") + more));
    let service = world.serve();
    until("1.0 is published", || world.published_sources() == [first.clone()]);
    (world, forge, service)
}

/// Delivers what Forgejo says of a project that git reaches by ssh.
fn deliver(world: &World, service: &Service, after: &str) {
    let mut payload = world.push_payload(after);
    payload["repository"]["clone_url"] = "ssh://git@127.0.0.1/pkg/hello.git".into();
    assert_eq!(service.deliver("forgejo", "push", after, &payload), 202);
}

/// Returns what the newest status at the forge says of a commit.
fn state_of(forge: &Forge, commit: &str) -> String {
    let kept = forge.keep();
    let about = kept.statuses.iter().rev().find(|status| status.to_string().contains(commit));
    about.map_or_else(String::new, |status| status["state"].as_str().unwrap_or("").to_owned())
}

#[test]
fn a_refusal_is_told_at_the_forge_and_mended_when_it_is_mended() {
    let (mut world, forge, service) = reporting("");
    let sneaked = NewCommit::new("Sneak in").put("README", "Trust me.\n").by(&world.mallory);
    let sneaked = world.source.commit(sneaked).unwrap().to_string();
    forge.has_commit("pkg/hello", &sneaked);
    forge.has_pull_request("pkg/hello", 7, &sneaked);
    deliver(&world, &service, &sneaked);
    until("the commit is marked", || state_of(&forge, &sneaked) == "failure");
    until("a note is written", || !forge.keep().notes.is_empty());
    let note = forge.keep().notes[0].clone();
    assert!(note.body.contains("unsigned"), "{}", note.body);
    assert_eq!(world.published_sources().len(), 1);

    let mended = world.commit("Sign it", "README", "Looked at.\n").to_string();
    forge.has_commit("pkg/hello", &mended);
    deliver(&world, &service, &mended);
    until("it is published", || world.published_sources().first() == Some(&mended));
    until("the note is mended", || forge.keep().notes[0].edits > 0);
    until("the commit is marked", || state_of(&forge, &mended) == "success");
    assert_eq!(forge.keep().notes.len(), 1);
    until("everything is told", || world.status("node")["messages"]["waiting"] == 0);
}

#[test]
fn a_forge_that_is_down_holds_up_its_messages_and_nothing_else() {
    let (mut world, mut forge, service) = reporting("");
    until("all is quiet", || {
        let status = world.status("node");
        let jobs = ["ready", "delayed", "running"].map(|state| status["jobs"][state] == 0);
        jobs == [true; 3] && status["messages"]["waiting"] == 0
    });
    forge.go_down();
    let tip = world.commit("Go on", "README", "While the forge is away.\n").to_string();
    forge.has_commit("pkg/hello", &tip);
    deliver(&world, &service, &tip);
    until("it is published all the same", || {
        world.published_sources().first() == Some(&tip)
    });
    until("the status waits", || service.log().contains("forge-unreachable"));
    assert_eq!(world.commits(), 3);
    // What waits comes through without the sync being repeated.
    let due = "UPDATE outbox SET due_at = 0 WHERE state = 'waiting'";
    forge.come_back();
    drop(service);
    world.sql("node", due);
    let service = world.serve();
    until("the forge is told", || state_of(&forge, &tip) == "success");
    assert_eq!(world.commits(), 3);
    drop(service);
}

#[test]
fn deliveries_while_a_branch_is_paused_become_one_commit_when_it_is_resumed() {
    let mut world = World::released("archive");
    world.configure("");
    let service = world.serve();
    until("1.0 is published", || world.published_sources().len() == 1);
    let paused = world.ops("node", &["pause", "hello", "f44", "--reason", "the maintainer asked"]);
    assert_eq!(paused.exit, Some(0), "{paused:?}");
    let mut tip = String::new();
    for round in 0..5 {
        tip = world.commit("Go on", "README", &format!("Round {round}.\n")).to_string();
        assert_eq!(service.deliver_push(&world, &tip), 202);
    }
    until("one job waits for all of them", || {
        let jobs = world.ops("node", &["jobs", "list"]).report;
        jobs.as_array()
            .is_some_and(|jobs| jobs.len() == 1 && jobs[0]["absorbed"].as_u64() >= Some(4))
    });
    let shown = world.program(&["status"]).env("LOCKKEEPER_CONFIG", "lockkeeper.yaml").output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    assert!(
        shown.contains("paused     local/hello#f44") && shown.contains("the maintainer asked"),
        "{shown}"
    );
    assert_eq!(world.published_sources().len(), 1);
    // What holds everything holds this too, and letting everything go does not let this go.
    world.ops("node", &["pause", "--all", "--reason", "mass rebuild"]);
    world.ops("node", &["resume", "--all"]);
    assert_eq!(world.status("node")["switches"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.published_sources().len(), 1);
    world.ops("node", &["resume", "hello", "f44"]);
    until("the newest is published", || world.published_sources().first() == Some(&tip));
    assert_eq!(world.published_sources().len(), 2);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn metering_and_throttles_let_only_so_many_through() {
    let mut world = World::released("archive");
    world.configure("metering: {per_branch: 2/h}\n");
    let service = world.serve();
    until("1.0 is published", || world.published_sources().len() == 1);
    let second = world.commit("Go on", "README", "Second.\n").to_string();
    service.deliver_push(&world, &second);
    until("the second is published", || world.published_sources().first() == Some(&second));
    let third = world.commit("Go on", "README", "Third.\n").to_string();
    service.deliver_push(&world, &third);
    until("the third is held", || {
        let jobs = world.ops("node", &["jobs", "list"]).report;
        jobs[0]["state"]["held"].as_str().is_some_and(|why| why.contains("2/h"))
    });
    assert_eq!(world.published_sources().len(), 2);
    assert_eq!(world.status("node")["published"]["hour"], 2);
    let throttled =
        world.ops("node", &["throttle", "--all", "--at-most", "1/d", "--reason", "slow builders"]);
    assert_eq!(throttled.exit, Some(0), "{throttled:?}");
    assert_eq!(world.ops("node", &["jobs", "cancel", "hello", "f44"]).exit, Some(0));
    assert_eq!(world.ops("node", &["jobs", "list"]).report.as_array().map(Vec::len), Some(0));
}

#[test]
fn what_fails_for_a_while_is_tried_again() {
    let mut world = World::released("archive");
    let server = LookasideServer::start(&world.path("server"), &["hello"]);
    let address = server.url();
    world.use_lookaside(&address);
    drop(server);
    world.configure("");
    let service = world.serve();
    until("the lookaside is known to be down", || {
        let down = world.status("node")["dependencies"].clone();
        down.as_array().is_some_and(|all| all.iter().any(|one| one["up"] == false))
    });
    until("the job waits to be tried again", || {
        let jobs = world.ops("node", &["jobs", "list"]).report;
        jobs[0]["state"]["state"] == "delayed"
    });
    assert!(world.published_sources().is_empty());
    let server = LookasideServer::start(&world.path("server"), &["hello"]);
    world.use_lookaside(&server.url());
    drop(service);
    world.configure("");
    let service = world.serve();
    world.ops("node", &["jobs", "retry", "hello", "f44"]);
    until("it is published", || world.published_sources().len() == 1);
    drop(service);
}

#[test]
fn a_delivery_that_was_lost_is_found_by_looking() {
    let mut world = World::released("archive");
    world.configure("reconcile: 10s\n");
    let service = world.serve();
    until("1.0 is published", || world.published_sources().len() == 1);
    let tip = world.commit("Go on", "README", "Nobody says so.\n").to_string();
    until("it is found", || world.published_sources().first() == Some(&tip));
    until("the hook is missed", || service.log().contains("a hook seems dead"));

    // Nor does anybody say that a branch was rewound; a person must say what is meant.
    git(world.source.folder(), &["update-ref", "refs/heads/main", "main~1"]);
    until("the rewound branch is refused", || {
        let shown = world.ops("node", &["jobs", "show", "hello", "f44"]).report;
        shown["runs"][0]["outcome"] == "refused"
    });
    assert_eq!(world.published_sources().len(), 2);
}

#[test]
fn a_branch_that_opts_in_or_out_is_noticed() {
    let mut world = World::released("archive");
    let config = world.file("source-git.yaml");
    world.dist_git_commit(NewCommit::new("Leave").remove("source-git.yaml"));
    world.configure("");
    let service = world.serve();
    let url = format!("file://{}", world.package.dist_git.folder().display());
    let moved = |after: &str| {
        serde_json::json!({
            "ref": "refs/heads/f44", "after": after,
            "repository": {"clone_url": url}, "sender": {"login": "alice"},
        })
    };
    until("the branch was looked at", || world.status("node")["branches"]["all"] == 1);
    assert_eq!(world.status("node")["branches"]["tracking"], 0);
    let opted_in =
        world.dist_git_commit(NewCommit::new("Join").put("source-git.yaml", config)).to_string();
    service.deliver("forgejo", "push", &opted_in, &moved(&opted_in));
    until("it is published", || world.published_sources().len() == 1);
    assert_eq!(world.status("node")["branches"]["tracking"], 1);
    let opted_out =
        world.dist_git_commit(NewCommit::new("Leave").remove("source-git.yaml")).to_string();
    service.deliver("forgejo", "push", &opted_out, &moved(&opted_out));
    until("it is forgotten", || world.status("node")["branches"]["tracking"] == 0);
    let echo = serde_json::json!({
        "ref": "refs/heads/f44", "after": opted_out,
        "repository": {"clone_url": url}, "sender": {"login": "Lockkeeper-Bot"},
    });
    service.deliver("forgejo", "push", "echo", &echo);
    until("the echo is ignored", || service.log().contains("echo of the bot's own act"));
}
