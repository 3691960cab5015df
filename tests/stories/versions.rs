//! Version and release only go up, whatever people do in between.

use crate::world::{NewCommit, SPEC, World};

#[test]
fn a_humans_revert_cannot_lower_what_was_published() {
    let mut world = World::empty();
    world.opt_in("divergence: overwrite\n");
    world.release();
    world.sync().landed("1.0-1");
    let older = world.file("hello.spec");
    for number in 2..5 {
        world.commit("Go on", "README", &format!("{number}\n"));
        world.sync().landed(&format!("1.0-{number}"));
    }
    world.dist_git_commit(NewCommit::new("Revert all of it").put("hello.spec", &older));
    // One source commit more would give 5; what matters is what was published.
    world.source_git(&["update-ref", "refs/heads/main", "main~2"]);
    world.sync_with(&["--accept-rewrite"]).landed("1.0-5");
}

#[test]
fn a_release_that_people_raised_in_dist_git_is_a_floor() {
    let mut world = World::empty();
    let raised = SPEC
        .replace("Version:        0\n", "Version:        1.0\n")
        .replace("1%{?dist}", "8%{?dist}");
    world.dist_git_commit(NewCommit::new("Import").put("hello.spec", raised));
    world.opt_in("");
    world.release();
    world.sync().landed("1.0-9");
}

#[test]
fn autorelease_at_the_tip_is_a_floor_of_its_commits() {
    let mut world = World::empty();
    let auto = SPEC
        .replace("Version:        0\n", "Version:        1.0\n")
        .replace("1%{?dist}", "%autorelease")
        .replace("%changelog\n", "%changelog\n%autochangelog\n");
    world.dist_git_commit(NewCommit::new("Import").put("hello.spec", &auto));
    for number in 0..5 {
        world.dist_git_commit(NewCommit::new("Rebuild").put("note", format!("{number}\n")));
    }
    world.opt_in("");
    world.release();
    let run = world.sync();
    // Six commits of people's and the one that opted in.
    run.landed("1.0-8");
    let spec = world.file("hello.spec");
    assert!(!spec.contains("%autorelease") && !spec.contains("%autochangelog"), "{spec}");
}

#[test]
fn auto_macros_are_kept_where_the_branch_says_so() {
    let mut world = World::empty();
    world.opt_in("release:\n  auto: keep\n");
    world.release();
    let auto = SPEC
        .replace("1%{?dist}", "%autorelease")
        .replace("%changelog\n", "%changelog\n%autochangelog\n");
    world.commit("Use the macros", ".distro/hello.spec", &auto);
    let run = world.sync();
    run.came_to(0, "landed", "");
    assert_eq!(run.text("evr"), "");
    assert_eq!(world.dist_git(&["log", "-1", "--format=%s", "f44"]), "Sync main");
    assert!(!world.dist_git(&["log", "-1", "--format=%B", "f44"]).contains("Published-EVR"));
    let spec = world.file("hello.spec");
    assert!(spec.contains("%autorelease") && spec.contains("%autochangelog"), "{spec}");
    world.sync_changes_nothing(0, "up-to-date", "");
}

#[test]
fn a_version_that_went_back_is_refused_until_the_epoch_is_raised() {
    let mut world = World::empty();
    let newer = SPEC.replace("Version:        0\n", "Version:        2.0\n");
    world.dist_git_commit(NewCommit::new("Import").put("hello.spec", newer));
    world.opt_in("");
    world.release();
    world.refuses("version-went-back").says("release.epoch to 1");
    world.opt_in("release:\n  epoch: 1\n");
    let run = world.sync();
    run.landed("1.0-1");
    assert_eq!(run.text("evr"), "1:1.0-1");
    assert!(world.file("hello.spec").contains("Epoch:"), "{}", world.file("hello.spec"));
    world.opt_in("release:\n  epoch: 0\n");
    world.commit("Go on", "README", "More words.\n");
    world.refuses("epoch-lowered");
}

#[test]
fn versions_are_compared_as_rpm_compares_them() {
    let mut world = World::empty();
    let newer = SPEC.replace("Version:        0\n", "Version:        1.9\n");
    world.dist_git_commit(NewCommit::new("Import").put("hello.spec", newer));
    world.opt_in("");
    let tip = world.release();
    world.tag("v1.10", &tip);
    world.sync().landed("1.10-1");
}

#[test]
fn a_prerelease_comes_before_its_release() {
    let mut world = World::empty();
    world.opt_in("");
    let tip = world.release();
    world.tag("v2.0-rc1", &tip);
    world.sync().landed("2.0~rc1-1");
    let tip = world.commit("Finish", "README", "Done.\n");
    world.tag("v2.0", &tip);
    world.sync().landed("2.0-1");
}

#[test]
fn one_source_commit_has_one_number_on_every_branch() {
    let mut world = World::released("archive");
    world.commit("Go on", "README", "More words.\n");
    world.commit("Go further", "README", "Still more words.\n");
    world.dist_git(&["branch", "f45", "f44"]);
    world.dist_git(&["branch", "rawhide", "f44"]);
    for branch in ["rawhide", "f44", "f45"] {
        world.sync_at("dist-git/hello.git", branch).landed("1.0-3");
    }
}

#[test]
fn an_older_branch_does_not_pass_a_newer_one() {
    let mut world = World::empty();
    let newer = SPEC
        .replace("Version:        0\n", "Version:        1.0\n")
        .replace("1%{?dist}", "2%{?dist}");
    world.dist_git_commit(NewCommit::new("Import").put("hello.spec", newer));
    world.dist_git(&["branch", "f45", "f44"]);
    world.dist_git_commit(NewCommit::new("Clear").remove("hello.spec"));
    world.opt_in("");
    world.release();
    for number in 0..3 {
        world.commit("Go on", "README", &format!("{number}\n"));
    }
    world.sync().landed("1.0-2.1");
    assert!(world.file("hello.spec").contains("Release:        2%{?dist}.1\n"));
    world.commit("Go on", "README", "more\n");
    world.sync().landed("1.0-2.2");
}
