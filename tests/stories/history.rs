//! No going back: what was published stays below what is published next.

use crate::world::{NewCommit, World};

/// Makes a world in which 1.0-2 was published.
fn world_with_two() -> World {
    let mut world = World::published("archive");
    world.commit("Go on", "README", "More words.\n");
    world.sync().landed("1.0-2");
    world
}

#[test]
fn a_rewound_branch_is_refused() {
    let world = world_with_two();
    world.source_git(&["update-ref", "refs/heads/main", "main~1"]);
    world.refuses("history-rolled-back").says("--accept-rewrite");
}

#[test]
fn a_sibling_of_what_was_published_is_refused() {
    let mut world = world_with_two();
    world.source_git(&["update-ref", "refs/heads/main", "main~1"]);
    world.commit("Go elsewhere", "README", "Other words.\n");
    world.refuses("history-rewritten");
}

#[test]
fn an_unrelated_history_is_refused() {
    let mut world = world_with_two();
    let root = NewCommit::new("Begin anew").put("a", "b\n").signed_by(&world.alice);
    let root = world.source.commit_onto(None, root).unwrap();
    world.source.move_to(&root).unwrap();
    world.refuses("history-unrelated");
}

#[test]
fn a_person_may_accept_a_rewrite_once() {
    let mut world = world_with_two();
    world.source_git(&["update-ref", "refs/heads/main", "main~1"]);
    world.commit("Go elsewhere", "README", "Other words.\n");
    world.sync_with(&["--accept-rewrite"]).landed("1.0-3");
    world.sync_changes_nothing(0, "up-to-date", "");
}

#[test]
fn a_person_may_accept_a_rewound_branch_once() {
    let world = world_with_two();
    world.source_git(&["update-ref", "refs/heads/main", "main~1"]);
    world.sync_with(&["--accept-rewrite"]).landed("1.0-3");
    world.sync_changes_nothing(0, "up-to-date", "");
}

#[test]
fn a_config_that_points_elsewhere_begins_a_new_line() {
    let mut world = world_with_two();
    world.source_git(&["branch", "stable", "main~1"]);
    let config = world.config("").replace("branch: main", "branch: stable");
    world.opt_in_with(&format!("{config}population:\n  mechanism: archive\n"));
    world.sync().landed("1.0-3");
    assert!(world.dist_git(&["log", "-1", "--format=%B"]).contains("Source-git-branch: stable\n"));
}

#[test]
fn an_unsigned_tip_over_a_signed_one_does_not_publish_the_older_one() {
    let mut world = World::published("archive");
    world.commit("Good", "README", "More words.\n");
    let unsigned = NewCommit::new("Bad").put("README", "Trust me.\n");
    world.source.commit(unsigned).unwrap();
    world.refuses("unsigned-tip");
}
