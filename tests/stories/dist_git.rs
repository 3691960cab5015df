//! dist-git that others wrote to, that moves under a run, or that is retired.

use std::os::unix::fs::PermissionsExt;

use crate::world::{NewCommit, World};

#[test]
fn a_retired_branch_is_left_alone() {
    let mut world = World::published("archive");
    world.dist_git_commit(NewCommit::new("Retire").put("dead.package", "Not needed.\n"));
    world.commit("Go on", "README", "More words.\n");
    world.sync_changes_nothing(0, "not-for-us", "retired");
}

#[test]
fn a_dist_git_or_a_branch_that_is_not_there_is_refused() {
    let world = World::published("archive");
    world.sync_at("dist-git/nobody.git", "f44").came_to(3, "refused", "repository-missing");
    world
        .sync_at("dist-git/hello.git", "f99")
        .came_to(3, "refused", "branch-missing")
        .says("f99");
}

#[test]
fn a_humans_edit_is_divergence_until_it_is_reverted() {
    let mut world = World::published("archive");
    let published = world.file("hello.spec");
    world.dist_git_commit(NewCommit::new("Quick fix").put("hello.spec", "Name: x\n"));
    world.commit("Go on", "README", "More words.\n");
    world
        .refuses("diverged")
        .says("Quick fix")
        .says("hello.spec")
        .says("divergence: overwrite");
    world.dist_git_commit(NewCommit::new("Take it back").put("hello.spec", &published));
    world.sync().landed("1.0-2");
}

#[test]
fn a_humans_edit_is_divergence_even_where_nothing_is_new() {
    let mut world = World::published("archive");
    world.dist_git_commit(NewCommit::new("Add a note").put("NOTES", "Mind the gap.\n"));
    world.refuses("diverged").says("NOTES");
}

#[test]
fn the_config_and_the_keys_are_peoples_to_change() {
    let mut world = World::published("archive");
    let config =
        world.config("tags:\n  ignore: ['*-test']\n") + "population:\n  mechanism: archive\n";
    world.dist_git_commit(NewCommit::new("Ignore tests").put("source-git.yaml", &config));
    let certificate = world.mallory.key().public();
    world.dist_git_commit(NewCommit::new("Keep a key").put("keys/mallory.asc", certificate));
    world.commit("Go on", "README", "More words.\n");
    world.sync().landed("1.0-2");
    assert!(world.files().contains(&"keys/mallory.asc".to_owned()));
    assert_eq!(world.file("source-git.yaml").trim_end(), config.trim_end());
}

#[test]
fn a_branch_may_ask_to_be_published_over() {
    let mut world = World::empty();
    world.opt_in("divergence: overwrite\n");
    world.release();
    world.sync().landed("1.0-1");
    let published = world.file("hello.spec");
    let edit = NewCommit::new("Quick fix").put("hello.spec", published.replace("Says", "Shouts"));
    world.dist_git_commit(edit.put("NOTES", "Mind the gap.\n"));
    world.commit("Go on", "README", "More words.\n");
    world.sync().landed("1.0-2").warns("Quick fix");
    assert!(world.file("hello.spec").contains("Says hello"));
    // What the bot never wrote is not its to remove.
    assert!(world.files().contains(&"NOTES".to_owned()));
}

#[test]
fn a_branch_that_never_was_the_bots_is_taken_up_as_it_stands() {
    let mut world = World::empty();
    let old = "Name: hello\nVersion: 0.9\nRelease: 7%{?dist}\n\n%changelog\n* Mon Jan 01 2024 Old <old@example.org> - 0.9-7\n- Old\n";
    world.dist_git_commit(
        NewCommit::new("Import").put("hello.spec", old).put("gating.yaml", "{}\n"),
    );
    world.opt_in("");
    world.release();
    world.sync().landed("1.0-1");
    assert!(world.file("hello.spec").contains("Old <old@example.org> - 0.9-7\n- Old\n"));
    assert!(world.files().contains(&"gating.yaml".to_owned()));
}

#[test]
fn a_branch_that_was_fast_forwarded_to_another_counts_as_a_humans() {
    let mut world = World::published("archive");
    world.dist_git(&["branch", "f45", "f44"]);
    world.sync_at("dist-git/hello.git", "f45").landed("1.0-2");
    world.commit("Go on", "README", "More words.\n");
    world.sync_at("dist-git/hello.git", "f45").landed("1.0-3");
    world.dist_git(&["update-ref", "refs/heads/f44", "refs/heads/f45"]);
    world.refuses("diverged").says("Update to 1.0-3");
}

#[test]
fn a_commit_with_copied_trailers_is_a_humans() {
    let mut world = World::published("archive");
    let message = world.dist_git(&["log", "-1", "--format=%B", "f44"]);
    let forged = NewCommit::new(&message).put("hello.spec", "Name: x\n").signed_by(&world.mallory);
    world.package.dist_git.commit(forged).unwrap();
    world.refuses("diverged");
}

/// Installs a hook that the dist-git server runs before it takes a push.
fn install_hook(world: &World, script: &str) {
    let hook = world.package.dist_git.folder().join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    // What is written here is meant to stay, whatever comes of the push.
    let head = "#!/bin/sh\nunset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n";
    std::fs::write(&hook, format!("{head}{script}\n")).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Makes a commit above the tip of `f44`, to which a hook moves the branch once.
fn moves_during_the_run(world: &mut World, new: NewCommit<'_>) {
    let tip = world.package.dist_git.tip().unwrap();
    let other = world.package.dist_git.commit_onto(tip, new).unwrap();
    install_hook(world, &format!("rm hooks/pre-receive; git update-ref refs/heads/f44 {other}"));
}

#[test]
fn a_lost_lease_is_answered_by_looking_again() {
    let mut world = World::published("archive");
    world.commit("Go on", "README", "More words.\n");
    moves_during_the_run(&mut world, NewCommit::new("Keep a key").put("keys/note", "-\n"));
    world.sync().landed("1.0-2");
    assert_eq!(world.dist_git(&["log", "-1", "--format=%s", "f44~1"]), "Keep a key");
    assert!(world.files().contains(&"keys/note".to_owned()));
}

#[test]
fn a_human_who_was_faster_is_not_overwritten() {
    let mut world = World::published("archive");
    world.commit("Go on", "README", "More words.\n");
    moves_during_the_run(&mut world, NewCommit::new("Quick fix").put("NOTES", "Mind the gap.\n"));
    world.sync().came_to(3, "refused", "diverged").says("Quick fix");
    assert_eq!(world.dist_git(&["log", "-1", "--format=%s", "f44"]), "Quick fix");
}

#[test]
fn a_branch_that_never_comes_to_rest_is_left_for_later() {
    let mut world = World::published("archive");
    world.commit("Go on", "README", "More words.\n");
    let before = world.commits();
    let moved = "export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x\n\
                 git update-ref refs/heads/f44 $(git commit-tree -p f44 -m Empty 'f44^{tree}')";
    install_hook(&world, moved);
    world.sync().came_to(75, "failed", "lease-lost");
    assert_eq!(world.commits(), before + 5);
    assert_eq!(world.dist_git(&["log", "-1", "--format=%s", "f44"]), "Empty");
}

#[test]
fn a_server_that_does_not_take_the_push_is_refused_with_its_words() {
    let mut world = World::published("archive");
    world.commit("Go on", "README", "More words.\n");
    install_hook(&world, "echo 'No pushes on Fridays.' >&2; exit 1");
    let before = world.dist_git(&["for-each-ref"]);
    world.sync().came_to(3, "refused", "push-refused").says("No pushes on Fridays.");
    assert_eq!(world.dist_git(&["for-each-ref"]), before);
}

#[test]
fn a_dist_git_that_cannot_be_written_is_a_failure() {
    let world = World::released("archive");
    let objects = world.package.dist_git.folder().join("hooks/update");
    install_hook(&world, "kill -9 $PPID");
    let before = world.dist_git(&["for-each-ref"]);
    let run = world.sync();
    assert!(matches!(run.exit, Some(1 | 75)), "{run:#?}");
    assert_eq!(run.text("outcome"), "failed");
    assert_eq!(world.dist_git(&["for-each-ref"]), before);
    assert!(!objects.exists());
}
