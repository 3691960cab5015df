//! Runs that race, and runs that are killed: one commit for each source tip, whatever happens.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::world::lookaside::LookasideServer;
use crate::world::{World, files_below};

/// Returns the source commits that the bot's commits on `f44` name, newest first.
fn published(world: &World) -> Vec<String> {
    let format = "--format=%(trailers:key=From-source-git-commit,valueonly,separator=%x2C)";
    let log = world.dist_git(&["log", format, "f44"]);
    log.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn two_that_race_end_with_one_commit() {
    let mut world = World::released("tag-archive");
    for round in 0..10 {
        let tip = world.commit("Go on", "README", &format!("Round {round}.\n"));
        let before = world.commits();
        let runs = std::thread::scope(|scope| {
            // One of the two has a cache of its own, as another machine would.
            let first = scope.spawn(|| world.sync());
            let second = scope.spawn(|| world.sync_with(&["--cache", "elsewhere"]));
            [first.join().unwrap(), second.join().unwrap()]
        });
        let mut outcomes = runs.each_ref().map(|run| (run.exit, run.text("outcome")));
        outcomes.sort_unstable();
        assert_eq!(outcomes, [(Some(0), "landed"), (Some(0), "up-to-date")], "{runs:#?}");
        assert_eq!(world.commits(), before + 1);
        assert_eq!(published(&world)[0], tip.to_string());
    }
}

#[test]
fn two_that_race_in_one_cache_end_with_one_commit() {
    let world = World::released("archive");
    let runs = std::thread::scope(|scope| {
        let runs = [(); 3].map(|()| scope.spawn(|| world.sync()));
        runs.map(|run| run.join().unwrap())
    });
    let mut outcomes = runs.each_ref().map(|run| (run.exit, run.text("outcome")));
    outcomes.sort_unstable();
    let quiet = (Some(0), "up-to-date");
    assert_eq!(outcomes, [(Some(0), "landed"), quiet, quiet], "{runs:#?}");
    assert_eq!(published(&world).len(), 1);
}

/// How many runs are killed; `LOCKKEEPER_KILLS` asks for more.
fn kills() -> u32 {
    std::env::var("LOCKKEEPER_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(25)
}

#[test]
fn a_run_that_is_killed_at_any_moment_is_finished_by_the_next() {
    let mut world = World::released("tag-archive");
    killed_again_and_again(&mut world);
}

#[test]
fn so_is_one_that_uploads_to_a_server() {
    let mut world = World::released("archive");
    let server = LookasideServer::start(&world.path("server"), &["hello"]);
    world.use_lookaside(&server.url());
    killed_again_and_again(&mut world);
    // Each file is what its path says: none was cut off.
    for (path, content) in files_below(&world.path("server")) {
        let digest = lockkeeper::digest::Sha512::of(&content).to_string();
        assert!(path.contains(&digest), "{path}");
    }
}

/// Kills runs at moments spread over the length of a whole one; then the next finishes the job, once.
fn killed_again_and_again(world: &mut World) {
    let whole = Instant::now();
    world.sync().landed("1.0-1");
    let whole = whole.elapsed();
    let kills = kills();
    for kill in 0..kills {
        let tip = world.commit("Go on", "README", &format!("Round {kill}.\n"));
        if kill % 5 == 4 {
            world.tag(&format!("v1.{kill}"), &tip);
        }
        kill_after(world, whole * 5 / 4 * kill / kills);
        let run = world.sync();
        assert_eq!(run.exit, Some(0), "{run:#?}");
        let sources = published(world);
        assert_eq!(sources.iter().filter(|id| **id == tip.to_string()).count(), 1, "{sources:?}");
        assert_eq!(sources[0], tip.to_string());
        world.sync_changes_nothing(0, "up-to-date", "");
    }
    assert_eq!(published(world).len(), 1 + usize::try_from(kills).unwrap());
    world.dist_git(&["fsck", "--strict", "--no-dangling"]);
}

/// Starts a sync and kills it, and what it started, after a while.
fn kill_after(world: &World, delay: Duration) {
    let mut command = world.program(&world.sync_arguments());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // The moment is what this test is about: there is nothing to wait for.
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn lock_files_of_a_git_that_was_killed_do_not_stand_in_the_way() {
    let mut world = World::published("archive");
    world.commit("Go on", "README", "More words.\n");
    let mirrors = world.path("home/.cache/lockkeeper/mirrors");
    let mut locked = 0;
    for entry in std::fs::read_dir(&mirrors).unwrap() {
        let mirror = entry.unwrap().path();
        if mirror.extension().is_some_and(|ending| ending == "git") {
            for name in ["packed-refs.lock", "refs/heads/f44.lock", "config.lock", "HEAD.lock"] {
                std::fs::write(mirror.join(name), "").unwrap();
            }
            locked += 1;
        }
    }
    assert!(locked > 0);
    world.sync().landed("1.0-2");
}

#[test]
fn a_cache_that_is_lost_costs_nothing_but_time() {
    let mut world = World::published("archive");
    std::fs::remove_dir_all(world.path("home/.cache")).unwrap();
    world.sync_changes_nothing(0, "up-to-date", "");
    world.commit("Go on", "README", "More words.\n");
    world.sync().landed("1.0-2");
}
