//! The release tag sets the version, so it must be right.

use crate::world::World;

#[test]
fn a_published_tag_that_moved_is_refused() {
    let mut world = World::published("tag-archive");
    let tip = world.commit("Go on", "README", "More words.\n");
    world.tag("v1.0", &tip);
    world.refuses("tag-moved").says("v1.0");
}

#[test]
fn a_published_tag_that_is_gone_is_refused() {
    let mut world = World::published("tag-archive");
    let first = world.source.tip().unwrap().unwrap();
    world.commit("Go on", "README", "More words.\n");
    world.tag("v0.9", &first);
    world.source_git(&["update-ref", "-d", "refs/tags/v1.0"]);
    let run = world.sync();
    assert_eq!((run.exit, run.text("outcome")), (Some(3), "refused"), "{run:#?}");
}

#[test]
fn an_unsigned_tag_is_refused_where_tags_must_be_signed() {
    let mut world = World::empty();
    world.opt_in("tags:\n  require: signed\n");
    let tip = world.release();
    world.sync().landed("1.0-1");
    world.source.tag("v1.1", &tip, None).unwrap();
    world.commit("Go on", "README", "More words.\n");
    world.refuses("tag-unsigned").says("v1.1");
    world.source.tag("v1.1", &tip, Some(&world.mallory)).unwrap();
    world.refuses("tag-signature-refused").says("v1.1");
    world.tag("v1.1", &tip);
    world.sync().landed("1.1-2");
}

#[test]
fn an_unsigned_tag_is_warned_of_where_any_tag_will_do() {
    let mut world = World::released("archive");
    let tip = world.source.tip().unwrap().unwrap();
    world.source.tag("v1.1", &tip, None).unwrap();
    world.sync().landed("1.1-1").warns("v1.1");
}

#[test]
fn a_signed_tip_may_name_its_tag() {
    let mut world = World::empty();
    world.opt_in("tags:\n  require: signed\n");
    let first = world.release();
    world.source.tag("v1.1", &first, None).unwrap();
    world.refuses("tag-unsigned");
    let object = world.source_git(&["rev-parse", "refs/tags/v1.1"]);
    world.commit(&format!("Vouch for it\n\nRelease-tag: v1.1 {object}\n"), "a", "b\n");
    world.sync().landed("1.1-2");
    let wrong = "0".repeat(40);
    world.commit(&format!("Vouch wrongly\n\nRelease-tag: v1.1 {wrong}\n"), "a", "c\n");
    world.refuses("named-tag-unusable");
}

#[test]
fn the_highest_tag_wins_and_not_the_newest_or_nearest() {
    let mut world = World::released("archive");
    let first = world.source.tip().unwrap().unwrap();
    let tip = world.commit("Go on", "README", "More words.\n");
    world.tag("v0.9", &tip);
    world.tag("v1.2", &first);
    world.tag("v1.10", &first);
    world.sync().landed("1.10-2");
}
