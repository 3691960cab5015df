//! Source-git that cannot be published: what is wrong is told, and nothing else happens.

use std::process::Command;

use crate::world::{NewCommit, SPEC, World, hermetic, succeed};

#[test]
fn a_branch_that_is_gone_is_refused() {
    let world = World::released("archive");
    world.source_git(&["update-ref", "-d", "refs/heads/main"]);
    world.refuses("branch-missing").says("main");
}

#[test]
fn a_repository_that_is_gone_is_refused() {
    let world = World::released("archive");
    std::fs::rename(world.path("source/hello.git"), world.path("source/gone.git")).unwrap();
    let before = world.dist_git(&["for-each-ref"]);
    world.sync().came_to(3, "refused", "repository-missing");
    assert_eq!(world.dist_git(&["for-each-ref"]), before);
    assert!(!world.path("lookaside").exists());
}

#[test]
fn an_empty_repository_is_refused() {
    let mut world = World::empty();
    world.opt_in("");
    world.refuses("branch-missing");
}

#[test]
fn a_shallow_clone_is_refused() {
    let mut world = World::released("archive");
    world.commit("Go on", "README", "More words.\n");
    let from = format!("file://{}", world.source.folder().display());
    let clone = world.path("shallow.git");
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--bare", "--depth", "1", &from]).arg(&clone);
    succeed(hermetic(&mut git));
    let config = world.config("").replace("source/hello.git", "shallow.git");
    world.opt_in_with(&config);
    world.refuses("shallow-repository");
}

#[test]
fn a_project_without_a_usable_tag_is_refused_and_each_tag_is_named() {
    let mut world = World::empty();
    world.opt_in("tags:\n  ignore: ['*-test']\n");
    let tip = world.commit("Begin", ".distro/hello.spec", SPEC);
    world.refuses("no-usable-tag");
    for tag in ["v1-test", "nightly"] {
        world.tag(tag, &tip);
    }
    world.refuses("no-usable-tag").says("v1-test").says("nightly");
}

#[test]
fn two_specs_or_none_are_refused() {
    let mut world = World::released("archive");
    world.commit("Add another", ".distro/other.spec", SPEC);
    world.refuses("two-specs").says("hello.spec").says("other.spec");
    let without = NewCommit::new("Remove both").remove(".distro/hello.spec");
    world.alice_commits(without.remove(".distro/other.spec"));
    world.refuses("no-spec");
}

#[test]
fn a_spec_that_is_named_and_not_there_is_refused() {
    let mut world = World::empty();
    world.opt_in("spec:\n  path: packaging/hello.spec\n");
    world.release();
    world.refuses("no-spec").says("packaging/hello.spec");
}

#[test]
fn a_spec_that_cannot_be_edited_is_refused_with_the_line() {
    let mut world = World::released("archive");
    let two = SPEC.replace("Version:        0\n", "Version:        0\nVersion:        2\n");
    world.commit("Confuse", ".distro/hello.spec", &two);
    let run = world.sync_changes_nothing(3, "refused", "spec-two-versions");
    run.says("lines 2 and 3");
}

#[test]
fn an_unsigned_tip_and_a_stranger_are_refused() {
    let mut world = World::published("archive");
    let unsigned = NewCommit::new("Sneak in").put("README", "Trust me.\n").by(&world.alice);
    world.source.commit(unsigned).unwrap();
    world.refuses("unsigned-tip");
    let strange = NewCommit::new("Sign at least").put("a", "b\n").signed_by(&world.mallory);
    world.source.commit(strange).unwrap();
    world.refuses("key-not-listed");
    // A listed key on top takes the responsibility for what lies below.
    world.commit("Looked at", "a", "better\n");
    world.sync().landed("1.0-4");
}

#[test]
fn every_commit_must_be_signed_where_the_branch_says_so() {
    let mut world = World::empty();
    let config = world.config("").replace("signing:\n", "signing:\n  require: every-commit\n");
    world.opt_in_with(&config);
    world.release();
    world.sync().landed("1.0-1");
    let unsigned = NewCommit::new("Sneak in").put("README", "Trust me.\n");
    world.source.commit(unsigned).unwrap();
    world.commit("Cover it", "a", "b\n");
    world.refuses("unsigned-commit");
}

#[test]
fn a_commit_that_is_bound_lands_in_its_branch_only() {
    let mut world = World::empty();
    let config = world.config("").replace("signing:\n", "signing:\n  bind: true\n");
    world.opt_in_with(&config);
    world.release();
    let run = world.sync();
    assert_eq!((run.exit, run.text("outcome")), (Some(3), "refused"), "{run:#?}");
    let repository = format!("file://{}", world.source.folder().display());
    let bound = format!("Bind it\n\nLockkeeper-target: {repository}#main\n");
    world.commit(&bound, "README", "Bound.\n");
    world.sync().landed("1.0-2");
}
