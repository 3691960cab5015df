//! What the bot wrote once and writes no more goes; what people added stays.

use crate::world::{NewCommit, SPEC, World};

/// Returns whether each of these paths is at the tip of `f44`.
fn has<const N: usize>(world: &World, paths: [&str; N]) -> [bool; N] {
    let files = world.files();
    paths.map(|path| files.iter().any(|file| file == path))
}

#[test]
fn a_packaging_file_that_is_gone_in_source_git_goes() {
    let mut world = World::empty();
    world.opt_in("packaging: [.distro]\n");
    world.release();
    let more = NewCommit::new("Add units")
        .put(".distro/hello.service", "[Unit]\n")
        .put(".distro/conf/hello.conf", "a = b\n");
    world.alice_commits(more);
    world.sync().landed("1.0-2");
    let paths = ["hello.service", "conf/hello.conf", ".distro/hello.service"];
    assert_eq!(has(&world, paths), [true, true, false]);
    world.alice_commits(NewCommit::new("Drop one").remove(".distro/hello.service"));
    world.sync().landed("1.0-3");
    assert_eq!(has(&world, paths), [false, true, false]);
    world.alice_commits(NewCommit::new("Drop the other").remove(".distro/conf/hello.conf"));
    world.sync().landed("1.0-4");
    assert_eq!(has(&world, paths), [false, false, false]);
}

#[test]
fn what_people_keep_in_dist_git_stays() {
    let mut world = World::empty();
    let kept = NewCommit::new("Begin").put("gating.yaml", "{}\n").put("README", "Read me.\n");
    world.dist_git_commit(kept.put("tests/tests.yml", "- hosts: all\n"));
    world.opt_in("");
    world.release();
    world.sync().landed("1.0-1");
    world.commit("Go on", "README", "More words.\n");
    world.sync().landed("1.0-2");
    let paths = ["gating.yaml", "README", "tests/tests.yml", "source-git.yaml", "keys/alice.asc"];
    assert_eq!(has(&world, paths), [true; 5]);
    assert_eq!(world.file("README"), "Read me.\n");
}

#[test]
fn the_first_publication_takes_no_line_out_of_a_persons_gitignore() {
    let mut world = World::empty();
    let digest = "0".repeat(128);
    let old = NewCommit::new("Begin")
        .put("sources", format!("SHA512 (hello-0.9.tar.gz) = {digest}\n"))
        .put(".gitignore", "/hello-0.9.tar.gz\n");
    world.dist_git_commit(old);
    world.opt_in("");
    world.release();
    world.sync().landed("1.0-1");
    assert_eq!(world.file(".gitignore"), "/hello-0.9.tar.gz\n/hello-1.0.tar.gz\n");
    let next = world.commit("Go on", "README", "More words.\n");
    world.tag("v1.1", &next);
    world.sync().landed("1.1-1");
    assert_eq!(world.file(".gitignore"), "/hello-0.9.tar.gz\n/hello-1.1.tar.gz\n");
}

#[test]
fn the_bots_own_files_are_never_taken_from_source_git() {
    let mut world = World::empty();
    world.opt_in("packaging: [.distro]\n");
    world.release();
    let config = world.file("source-git.yaml");
    let sly = NewCommit::new("Bring my own")
        .put(".distro/source-git.yaml", "version: 9\n")
        .put(".distro/keys/mallory.asc", world.mallory.key().public())
        .put(".distro/sources", "SHA512 (x) = 0\n")
        .put(".distro/.gitignore", "*\n");
    world.alice_commits(sly);
    let run = world.sync();
    run.landed("1.0-2");
    assert_eq!(world.file("source-git.yaml"), config);
    assert_eq!(has(&world, ["keys/mallory.asc", "keys/alice.asc"]), [false, true]);
    assert!(world.file("sources").starts_with("SHA512 (hello-1.0.tar.gz) = "));
    assert_eq!(world.file(".gitignore"), "/hello-1.0.tar.gz\n");
}

#[test]
fn patches_follow_the_commits() {
    for style in ["%autosetup -p1", "%patchlist"] {
        let mut world = World::empty();
        world.opt_in("population:\n  mechanism: tag-archive\n");
        let spec = match style {
            "%patchlist" => SPEC.replace("%description\n", "%patchlist\n\n%description\n"),
            _ => SPEC.to_owned(),
        };
        world.commit("Begin", ".distro/hello.spec", &spec);
        let tip = world.commit("Say hello", "hello", "#!/bin/sh\necho hello\n");
        world.tag("v1.0", &tip);
        world.commit("Fix one", "one", "1\n");
        world.commit("Fix two", "two", "2\n");
        world.sync().landed("1.0-3");
        let paths = ["Fix-one.patch", "Fix-two.patch", "Fix-three.patch"];
        assert_eq!(has(&world, paths), [true, true, false], "{style}");
        let first = world.file("Fix-two.patch");
        // The branch is written anew without the first of the two, and a person takes it so.
        world.source_git(&["update-ref", "refs/heads/main", "main~2"]);
        world.commit("Fix two", "two", "2\n");
        world.commit("Fix three", "three", "3\n");
        let run = world.sync_with(&["--accept-rewrite"]);
        run.landed("1.0-4");
        assert_eq!(run.report["patches"], serde_json::json!(["Fix-two.patch", "Fix-three.patch"]));
        assert_eq!(has(&world, paths), [false, true, true], "{style}");
        assert_eq!(world.file("Fix-two.patch").lines().last(), first.lines().last());
        let spec = world.file("hello.spec");
        assert!(!spec.contains("Fix-one.patch") && spec.contains("Fix-three.patch"), "{spec}");
    }
}

#[test]
fn tests_are_copied_and_removed_too() {
    let mut world = World::empty();
    world.opt_in("tests: [tests/distro]\n");
    world.release();
    world.commit("Add a test", "tests/distro/smoke.sh", "exit 0\n");
    world.sync().landed("1.0-2");
    assert_eq!(has(&world, ["tests/smoke.sh"]), [true]);
    world.alice_commits(NewCommit::new("Drop it").remove("tests/distro/smoke.sh"));
    world.sync().landed("1.0-3");
    assert_eq!(has(&world, ["tests/smoke.sh"]), [false]);
}
