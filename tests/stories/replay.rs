//! Replay: publications are made again, and what comes out differently is told.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use lockkeeper::demo::{NewCommit, Project};

use crate::world::{Run, World, hermetic, succeed};

const REPLAY: &str = "replay --dist-git dist-git/hello.git --branch f44 --key bot.key --dist .fc44";

fn replay(world: &World, more: &[&str]) -> Run {
    let arguments: Vec<&str> = REPLAY.split(' ').chain(more.iter().copied()).collect();
    let before = world.state();
    let run = world.run(&arguments);
    assert_eq!(world.state(), before, "{run:#?}");
    run
}

/// Returns how many came out the same, differently, and not at all.
fn counts(run: &Run) -> [u64; 3] {
    ["same", "different", "impossible"].map(|key| run.report[key].as_u64().unwrap_or(u64::MAX))
}

/// Makes a world with two publications.
fn published_twice(mechanism: &str) -> World {
    let mut world = World::published(mechanism);
    world.commit("Greet", "hello", "#!/bin/sh\necho hello world\n");
    world.sync().landed("1.0-2");
    world
}

#[test]
fn what_was_published_comes_out_the_same() {
    for mechanism in ["archive", "tag-archive"] {
        let mut world = published_twice(mechanism);
        // People's commits between and above are none of the bot's.
        world.dist_git_commit(NewCommit::new("A note of a person's").put("notes", "x\n"));
        let run = replay(&world, &[]);
        run.came_to(0, "replayed", "");
        assert_eq!(counts(&run), [2, 0, 0], "{mechanism}: {run:#?}");
    }
}

#[test]
fn a_tag_that_came_later_and_keys_that_changed_make_no_difference() {
    let mut world = published_twice("tag-archive");
    let tip = world.source.tip().unwrap().unwrap();
    world.tag("v2.0", &tip);
    world.opt_in("population:\n  mechanism: archive\n");
    let run = replay(&world, &[]);
    assert_eq!(counts(&run), [2, 0, 0], "{run:#?}");
}

#[test]
fn the_released_tarball_of_an_old_publication_is_taken_from_the_lookaside() {
    let mut world = World::empty();
    world.release();
    let tar = world.path("upstream/hello-1.0.tar.gz");
    std::fs::create_dir(world.path("upstream")).unwrap();
    let output = format!("--output={}", tar.display());
    world.source_git(&["archive", "--format=tar.gz", "--prefix=hello-1.0/", &output, "v1.0"]);
    let digest = lockkeeper::digest::Sha512::of(&std::fs::read(&tar).unwrap());
    world.commit("Greet", "hello", "#!/bin/sh\necho hello world\n");
    let pinned = format!("  upstream: {{sha512: {digest}}}\n");
    world.opt_in(&format!("population:\n  mechanism: upstream-tarball\n{pinned}"));
    world.sync_with(&["--upstream", "upstream"]).came_to(0, "landed", "");
    std::fs::remove_dir_all(world.path("upstream")).unwrap();
    let lookaside = world.lookaside().to_owned();
    let run = replay(&world, &["--lookaside", &lookaside]);
    assert_eq!(counts(&run), [1, 0, 0], "{run:#?}");
}

#[test]
fn a_tree_that_this_build_would_not_make_is_told_with_its_files() {
    let world = published_twice("tag-archive");
    // As if another build had made the last publication: the same words, another tree, the bot's own signature.
    let message = world.dist_git(&["show", "-s", "--format=%B", "f44"]) + "\n";
    let folder = world.package.dist_git.folder();
    let mut dist_git = Project::open(folder, "f44", SystemTime::now()).unwrap();
    let other = NewCommit::new(&message).put("hello.spec", "Name: hello\n").put("odd\u{7}", "x");
    dist_git.commit(other.signed_by(world.package.bot())).unwrap();
    let run = replay(&world, &["--limit", "1"]);
    run.came_to(3, "refused", "replay-differs");
    let publication = &run.report["publications"][0];
    assert_eq!(publication["verdict"], "different", "{run:#?}");
    let files = publication["files"].to_string();
    assert!(files.contains("M hello.spec") && files.contains("D odd\\\\u{7}"), "{files}");
    assert_eq!(publication["evr_now"], "0:1.0-3");
}

#[test]
fn what_cannot_be_made_again_is_no_silent_success() {
    let world = published_twice("tag-archive");
    let tip = world.source.tip().unwrap().unwrap();
    world.source_git(&["tag", "-f", "v1.0", &tip.to_string()]);
    let run = replay(&world, &[]);
    run.came_to(3, "refused", "replay-impossible");
    assert_eq!(run.report["publications"][0]["code"], "replay-tag-moved", "{run:#?}");
    assert_eq!(counts(&run), [0, 0, 2]);
    std::fs::remove_dir_all(world.path("source/hello.git")).unwrap();
    let arguments: Vec<&str> = REPLAY.split(' ').collect();
    world.run(&arguments).came_to(3, "refused", "replay-impossible");
}

#[test]
fn only_what_is_recent_is_replayed() {
    let world = published_twice("archive");
    assert_eq!(counts(&replay(&world, &["--limit", "1"])), [1, 0, 0]);
    assert_eq!(counts(&replay(&world, &["--since", "2000-01-01"])), [2, 0, 0]);
    let none = replay(&world, &["--since", "2999-01-01T00:00:00Z"]);
    none.came_to(0, "replayed", "");
    assert_eq!(counts(&none), [0, 0, 0]);
    assert_eq!(replay(&world, &["--since", "yesterday"]).exit, Some(2));
}

#[test]
fn this_build_makes_what_earlier_builds_published() {
    let world = World::empty();
    let recorded = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/recorded");
    for name in ["source", "dist-git"] {
        unpack(
            &recorded.join(format!("{name}.bundle")),
            &world.path(&format!("recorded/{name}/hello.git")),
        );
    }
    let certificate = recorded.join("bot.asc").display().to_string();
    let flags = "replay --dist-git recorded/dist-git/hello.git --branch f44 --source recorded/source/hello.git";
    let mut arguments: Vec<&str> = flags.split(' ').collect();
    arguments.extend(["--bot-cert", &certificate, "--dist", ".fc44"]);
    let run = world.run(&arguments);
    run.came_to(0, "replayed", "");
    assert_eq!(counts(&run), [3, 0, 0], "{run:#?}");
}

fn unpack(bundle: &Path, to: &Path) {
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--mirror"]).arg(bundle).arg(to);
    succeed(hermetic(&mut git));
}
