//! The real upload protocol, with servers that work and servers that do not.

use crate::world::lookaside::LookasideServer;
use crate::world::{World, files_below};

/// Makes a world whose lookaside is a server that behaves so; `f44` was never published.
fn world_with(behaviour: &str) -> (World, LookasideServer) {
    let mut world = World::released("archive");
    let server = LookasideServer::start(&world.path("server"), &["hello"]);
    world.use_lookaside(&server.url());
    server.behave(behaviour);
    (world, server)
}

/// Arguments by which a test does not wait long.
const HURRIED: &[&str] = &["--lookaside-attempts", "1", "--lookaside-timeout", "1"];

#[test]
fn a_release_lands_through_a_server_and_the_second_time_nothing_is_asked() {
    let (world, server) = world_with("honest");
    world.sync().landed("1.0-1");
    let asked = server.take_requests();
    assert_eq!(asked[0], "check name,sha512sum,filename");
    assert_eq!(asked[1], "upload name,sha512sum,file,mtime");
    assert!(asked[2].contains("/rpms/hello/hello-1.0.tar.gz/sha512/"), "{asked:?}");
    let stored = files_below(&world.path("server"));
    let (path, bytes) = stored.iter().next().unwrap();
    let digest = lockkeeper::digest::Sha512::of(bytes);
    assert_eq!(*path, format!("rpms/hello/hello-1.0.tar.gz/sha512/{digest}/hello-1.0.tar.gz"));
    assert_eq!(world.file("sources"), format!("SHA512 (hello-1.0.tar.gz) = {digest}\n"));
    world.sync_changes_nothing(0, "up-to-date", "");
    assert_eq!(server.take_requests(), [""; 0]);
}

#[test]
fn what_is_there_already_is_not_uploaded_again() {
    let (world, server) = world_with("honest");
    world.sync().landed("1.0-1");
    server.take_requests();
    world.dist_git(&["update-ref", "refs/heads/f44", "f44~1"]);
    world.sync().landed("1.0-1");
    let asked = server.take_requests();
    assert!(asked.iter().all(|request| !request.starts_with("upload")), "{asked:?}");
}

#[test]
fn a_server_that_refuses_is_a_failure_and_nothing_lands() {
    // Behaviour, exit code, and the reason's code.
    let table = [
        ("not-in-group", 3, "refused"),
        ("not-in-group-said-with-200", 3, "refused"),
        ("page-401", 3, "refused"),
        ("page-500", 75, "failed"),
        ("page-503", 75, "failed"),
        ("hang-on-check", 75, "failed"),
        ("hang-on-upload", 75, "failed"),
        ("drop-upload", 75, "failed"),
        ("store-nothing", 75, "failed"),
        ("other-digest", 1, "failed"),
        ("stored-other", 1, "failed"),
        ("greeting", 1, "failed"),
        ("talkative", 1, "failed"),
        ("redirect", 1, "failed"),
    ];
    let (world, server) = world_with("honest");
    let mut wrong = Vec::new();
    for (behaviour, exit, outcome) in table {
        server.behave(behaviour);
        let before = world.state();
        let run = world.sync_with(HURRIED);
        if (run.exit, run.text("outcome")) != (Some(exit), outcome) || world.state() != before {
            wrong.push(format!("{behaviour}: {run:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    server.behave("honest");
    world.sync().landed("1.0-1");
}

#[test]
fn a_package_that_the_server_does_not_know_is_refused() {
    let mut world = World::released("archive");
    let server = LookasideServer::start(&world.path("server"), &["other"]);
    world.use_lookaside(&server.url());
    world.sync_with_changes_nothing(HURRIED, 3, "refused", "lookaside-no-such-package");
}

#[test]
fn an_old_server_that_says_errors_with_200_is_understood() {
    let (mut world, server) = world_with("old-server");
    world.sync().landed("1.0-1");
    drop(server);
    let server = LookasideServer::start(&world.path("server"), &["other"]);
    server.behave("old-server");
    world.use_lookaside(&server.url());
    world.commit("Go on", "README", "More words.\n");
    world.sync_with_changes_nothing(HURRIED, 3, "refused", "lookaside-no-such-package");
}

#[test]
fn a_server_that_fails_once_is_asked_again() {
    let (world, server) = world_with("fail-once");
    world.sync().landed("1.0-1");
    assert_eq!(server.take_requests()[..2], ["page 503", "check name,sha512sum,filename"]);
}

#[test]
fn what_is_served_wrongly_does_not_land() {
    for behaviour in ["half-files", "hang-on-download"] {
        let (world, _server) = world_with(behaviour);
        let before = world.dist_git(&["for-each-ref"]);
        let run = world.sync_with(HURRIED);
        assert!(matches!(run.exit, Some(1 | 75)), "{behaviour}: {run:#?}");
        assert_eq!(run.text("outcome"), "failed");
        assert_eq!(world.dist_git(&["for-each-ref"]), before);
    }
}

#[test]
fn a_server_that_is_away_is_tried_again_later() {
    let (world, server) = world_with("honest");
    drop(server);
    world.sync_with_changes_nothing(HURRIED, 75, "failed", "lookaside-unreachable");
}

#[test]
fn a_file_in_the_place_of_the_folder_is_refused() {
    let world = World::released("archive");
    std::fs::write(world.path("lookaside"), "a file, not a folder\n").unwrap();
    let before = world.dist_git(&["for-each-ref"]);
    world.sync().came_to(2, "refused", "lookaside-folder-missing");
    assert_eq!(world.dist_git(&["for-each-ref"]), before);
}

#[test]
fn a_file_in_the_place_of_the_packages_folder_is_a_failure() {
    let world = World::released("archive");
    std::fs::create_dir(world.path("lookaside")).unwrap();
    std::fs::write(world.path("lookaside/hello"), "a file, not a folder\n").unwrap();
    world.sync_changes_nothing(1, "failed", "lookaside-folder-failed");
}
