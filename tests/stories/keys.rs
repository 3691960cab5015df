//! The bot's keys and the people's, over time.

use std::time::SystemTime;

use crate::world::{Kind, NewCommit, Person, World};

/// Writes both halves of a new bot key into the world's folder.
fn new_bot(world: &World, name: &str, kind: Kind, passphrase: Option<&str>) {
    let born = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let bot = Person::new("Lockkeeper Two", kind, born).unwrap();
    let secret = bot.key().export(passphrase).unwrap();
    std::fs::write(world.path(&format!("{name}.key")), secret.expose()).unwrap();
    std::fs::write(world.path(&format!("{name}.pub")), bot.key().public()).unwrap();
}

#[test]
fn an_earlier_key_of_the_bots_still_vouches_for_its_commits() {
    let mut world = World::published("archive");
    std::fs::write(world.path("one.pub"), world.package.bot().key().public()).unwrap();
    for (kind, version_release) in [(Kind::OpenPgp, "1.0-2"), (Kind::Ssh, "1.0-3")] {
        new_bot(&world, "two", kind, None);
        world.commit("Go on", "README", version_release);
        let both = ["--bot-cert", "one.pub", "--bot-cert", "two.pub"];
        let mut arguments = world.sync_arguments();
        *arguments.iter_mut().find(|argument| **argument == "bot.key").unwrap() = "two.key";
        let arguments = [&arguments[..], &both].concat();
        world.run(&arguments).landed(version_release);
        world.run(&arguments).up_to_date();
        // The next round rotates again.
        let one = std::fs::read_to_string(world.path("one.pub")).unwrap();
        let two = std::fs::read_to_string(world.path("two.pub")).unwrap();
        std::fs::write(world.path("one.pub"), one + &two).unwrap();
    }
}

#[test]
fn a_key_that_is_locked_needs_its_passphrase() {
    for kind in [Kind::OpenPgp, Kind::Ssh] {
        let world = World::released("archive");
        new_bot(&world, "two", kind, Some("open sesame"));
        std::fs::write(world.path("right"), "open sesame\n").unwrap();
        std::fs::write(world.path("wrong"), "open barley\n").unwrap();
        let mut arguments = world.sync_arguments();
        *arguments.iter_mut().find(|argument| **argument == "bot.key").unwrap() = "two.key";
        assert_eq!(world.run(&arguments).exit, Some(2));
        let wrong = [&arguments[..], &["--key-passphrase-file", "wrong"]].concat();
        let run = world.run(&wrong);
        assert_eq!(run.exit, Some(2), "{run:#?}");
        assert!(!format!("{run:?}").contains("barley"), "{run:#?}");
        let right = [&arguments[..], &["--key-passphrase-file", "right"]].concat();
        let run = world.run(&right);
        run.landed("1.0-1");
        assert!(!format!("{run:?}").contains("sesame"), "{run:#?}");
    }
}

#[test]
fn a_signer_who_was_struck_off_is_told_even_where_nothing_is_new() {
    let mut world = World::published("archive");
    let struck_off = world.config("").replace(&format!("    - {}\n", world.alice.listed()), "");
    world.opt_in_with(&format!("{struck_off}population:\n  mechanism: archive\n"));
    world.refuses("key-not-listed");
    let bobs = NewCommit::new("Looked at").put("README", "Bob did.\n").signed_by(&world.bob);
    world.source.commit(bobs).unwrap();
    world.sync().landed("1.0-2");
}

#[test]
fn a_certificate_may_come_from_the_operators_keyring() {
    let mut world = World::empty();
    world.release();
    let config = world.config("");
    world.dist_git_commit(NewCommit::new("Opt in").put("source-git.yaml", config));
    world.refuses("certificate-missing");
    std::fs::create_dir(world.path("ring")).unwrap();
    std::fs::write(world.path("ring/alice.asc"), world.alice.key().public()).unwrap();
    world.sync_with(&["--keyring", "ring"]).landed("1.0-1");
}
