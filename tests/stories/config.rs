//! What is wrong with a branch config is told, and nothing else happens.

use crate::world::{NewCommit, World};

/// Opts in with a config made from the good one, and sees that it is refused with exit code 2.
fn refused(change: impl Fn(&World, String) -> String, code: &str, words: &str) {
    let mut world = World::empty();
    world.release();
    let config = change(&world, world.config(""));
    world.opt_in_with(&config);
    let run = world.sync_changes_nothing(2, "refused", code);
    run.says(words);
}

#[test]
fn a_branch_without_a_config_is_not_for_us() {
    let mut world = World::empty();
    world.release();
    world.dist_git_commit(NewCommit::new("Begin").put("README", "hello\n"));
    world.sync_changes_nothing(0, "not-for-us", "not-opted-in");
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    refused(
        |_, config| config + "popluation: {}\n",
        "config-unknown-key",
        "did you mean `population`?",
    );
}

#[test]
fn a_short_key_id_is_refused() {
    let short = |world: &World, config: String| {
        let listed = world.alice.listed();
        let fingerprint = listed.trim_start_matches("{openpgp: ").trim_end_matches('}').to_owned();
        config.replace(&fingerprint, &fingerprint[24..])
    };
    refused(short, "config-short-key-id", "full fingerprint");
}

#[test]
fn an_empty_key_list_is_refused() {
    let empty = |_: &World, config: String| {
        let (before, _) = config.split_once("  keys:\n").unwrap();
        format!("{before}  keys: []\n")
    };
    refused(empty, "config-no-keys", "signing.keys");
}

#[test]
fn a_regular_expression_that_is_none_is_refused() {
    refused(|_, config| config + "tags:\n  match: '^v('\n", "config-bad-regex", "tags.match");
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    refused(
        |_, config| config + "changelog:\n  limit: many\n",
        "config-wrong-type",
        "whole number",
    );
}

#[test]
fn text_that_is_no_yaml_is_refused() {
    refused(|_, config| config + "tags: [\n", "config-syntax", "source-git.yaml:10:1");
}

#[test]
fn what_this_version_does_not_support_is_said_plainly() {
    let mut world = World::empty();
    world.release();
    world.opt_in("delivery: pull-request\n");
    let before = world.state();
    let run = world.sync();
    assert_eq!((run.text("outcome"), run.exit), ("refused", Some(2)), "{run:#?}");
    run.says("not supported by this version");
    assert_eq!(world.state(), before);
}

#[test]
fn a_certificate_that_is_named_and_not_there_is_refused() {
    let mut world = World::empty();
    world.release();
    let listed = world.alice.listed();
    let named = listed.replace('}', ", certificate: keys/nobody.asc}");
    let config = world.config("").replace(&listed, &named);
    world.opt_in_with(&config);
    world
        .sync_changes_nothing(2, "refused", "certificate-file-missing")
        .says("keys/nobody.asc");
}

#[test]
fn a_push_to_source_git_cannot_approve_itself() {
    let mut world = World::released("archive");
    let mine = world.config("").replace(&world.alice.listed(), &world.mallory.listed());
    let sly = NewCommit::new("Approve myself")
        .put("source-git.yaml", &mine)
        .put(".distro/source-git.yaml", &mine)
        .put(".distro/keys/mallory.asc", world.mallory.key().public())
        .signed_by(&world.mallory);
    world.source.commit(sly).unwrap();
    world.refuses("key-not-listed");
}
