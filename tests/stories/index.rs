//! An operator config finds the branches, the branches are indexed, and what moved unsaid is found.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use jiff::Timestamp;
use lockkeeper::database::{Database, Tracking};
use lockkeeper::git::Transport;
use lockkeeper::index::{Hosts, Lookout, find};
use lockkeeper::operator::{Layers, Operator, Places};
use lockkeeper::trigger::hooks::{ForgeKind, parse};
use serde_json::Value;

use crate::world::{NewCommit, World};

/// Lines for a dist-git whose sources may lie on this machine.
pub const OPEN: &str = "    allow_file_sources: true\n";

/// Writes the world's operator config, with these lines for its dist-git.
pub fn write_config(world: &World, of_instance: &str) {
    let config = format!(
        "data: data\nkey: {{file: bot.key, name: Lockkeeper, mail: lockkeeper@example.org}}\ninstances:\n  \
         - name: local\n    git: \"file://{}/{{name}}.git\"\n    lookaside: {{upload: lookaside}}\n    \
         packages: {{directory: dist-git}}\n    dist_tags: {{f44: .fc44}}\n{of_instance}",
        world.path("dist-git").display()
    );
    std::fs::write(world.path("lockkeeper.yaml"), config).unwrap();
    let owner_only = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(world.path("bot.key"), owner_only).unwrap();
}

/// Runs `index`, and reads what it prints.
pub fn index(world: &World, more: &[&str]) -> (Output, Value) {
    let arguments = [&["index", "--config", "lockkeeper.yaml", "--format", "json"], more].concat();
    let output = world.program(&arguments).output().expect("the program runs");
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, json)
}

#[test]
fn a_package_and_a_branch_are_enough_where_the_operator_config_says_where_they_are() {
    let world = World::released("archive");
    write_config(&world, OPEN);
    let config = ["--config", "lockkeeper.yaml"];
    let accepted = world.run(&[&["verify", "hello", "f44"], &config[..]].concat());
    assert_eq!(
        (accepted.exit, accepted.text("outcome")),
        (Some(0), "accepted"),
        "{accepted:#?}"
    );
    let preview = [&["preview", "hello", "f44", "--output", "seen"], &config[..]].concat();
    assert_eq!(world.run(&preview).text("outcome"), "previewed");
    let landed = world.run(&[&["sync", "hello", "f44"], &config[..]].concat());
    landed.landed("1.0-1");
    assert!(world.file("hello.spec").contains("%{?dist}"));
    // The same by the variable, and the operator's key is known as the bot's.
    let variable = [("LOCKKEEPER_CONFIG", "lockkeeper.yaml")];
    world.run_in(&["sync", "hello", "f44"], &variable).up_to_date();
    let again =
        world.run(&[&["preview", "hello", "f44", "--output", "again"], &config[..]].concat());
    assert_eq!(again.text("outcome"), "up-to-date", "{again:#?}");
}

#[test]
fn flags_win_over_the_operator_config() {
    let world = World::released("archive");
    write_config(&world, OPEN);
    let arguments = "sync hello f44 --config lockkeeper.yaml --lookaside elsewhere --bot-name Other --bot-mail o@example.org";
    world.run(&arguments.split(' ').collect::<Vec<_>>()).landed("1.0-1");
    assert!(world.path("elsewhere/hello").is_dir() && !world.path("lookaside/hello").exists());
    assert_eq!(world.dist_git(&["log", "-1", "--format=%cn", "f44"]), "Other");
}

#[test]
fn what_the_service_would_refuse_is_refused_by_hand_too() {
    let world = World::released("archive");
    write_config(&world, "");
    let before = world.state();
    let run = world.run(&["sync", "hello", "f44", "--config", "lockkeeper.yaml"]);
    run.came_to(3, "refused", "source-local");
    assert_eq!(world.state(), before);
    let nowhere = world.run(&["sync", "hello", "f44"]);
    nowhere.came_to(2, "refused", "no-operator-config");
    std::fs::set_permissions(world.path("bot.key"), std::fs::Permissions::from_mode(0o644))
        .unwrap();
    let exposed = world.run(&["sync", "hello", "f44", "--config", "lockkeeper.yaml"]);
    exposed.came_to(2, "refused", "operator-secret-exposed").says("lockkeeper.yaml:2:13");
}

#[test]
fn the_index_names_what_each_branch_tracks() {
    let mut world = World::released("archive");
    write_config(&world, OPEN);
    world.dist_git(&["branch", "rawhide", "f44"]);
    let (output, json) = index(&world, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:#?}");
    assert_eq!(json["counts"]["tracking"], 2, "{json:#}");
    let entry = &json["branches"][0]["entry"];
    assert_eq!(
        (&entry["key"]["package"], &entry["key"]["branch"]),
        (&"hello".into(), &"f44".into())
    );
    let address = format!("file://{}", world.source.folder().display());
    assert_eq!(entry["tracking"]["source"]["address"], address, "{json:#}");
    // A config that is at fault is told, and one that is gone is gone.
    world.opt_in_with("version: 1\nsorce: {}\n");
    let (_, json) = index(&world, &[]);
    let why = json["branches"][0]["entry"]["tracking"]["faulty"]["why"].as_str().unwrap();
    assert!(why.contains("did you mean `source`?"), "{json:#}");
    world.dist_git_commit(NewCommit::new("Leave").remove("source-git.yaml"));
    let (_, json) = index(&world, &["--all"]);
    assert_eq!((&json["counts"]["tracking"], &json["counts"]["faulty"]), (&1.into(), &0.into()));
    // What is known is told without a look.
    world.dist_git(&["branch", "-D", "rawhide"]);
    let (_, json) = index(&world, &["--all", "--known"]);
    assert_eq!(json["counts"]["all"], 2, "{json:#}");
    let (_, json) = index(&world, &["--all"]);
    assert_eq!(json["counts"]["all"], 1, "{json:#}");
    let text = world.program(&["index", "--config", "lockkeeper.yaml", "--all"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&text.stdout), "local/hello#f44\thas not opted in\n");
}

#[test]
fn a_package_that_cannot_be_read_is_told_and_the_others_are_indexed() {
    let world = World::released("archive");
    write_config(&world, OPEN);
    let broken = world.path("dist-git/broken.git");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let (_, json) = index(&world, &[]);
    assert_eq!(json["counts"]["tracking"], 1, "{json:#}");
}

/// What looks at the world's repositories as the service does.
pub async fn with_lookout<T>(
    world: &World,
    look: impl AsyncFnOnce(&Lookout<'_>, &Operator, &Database) -> T,
) -> T {
    let places = Places { folder: world.path(""), credentials: None, read_secrets: true };
    let text = std::fs::read(world.path("lockkeeper.yaml")).unwrap();
    let operator = Operator::parse(&text, &Layers::default(), &places).unwrap();
    std::fs::create_dir_all(operator.data.join("work")).unwrap();
    let database = Database::open(&operator.database).await.unwrap();
    let transport = Transport::new().unwrap();
    let work = operator.data.join("work");
    let lookout = Lookout::new(&operator, &database, &transport, &work).unwrap();
    let answer = look(&lookout, &operator, &database).await;
    database.close().await;
    answer
}

pub fn run_async<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn a_source_that_moved_and_was_not_spoken_of_is_found() {
    let mut world = World::released("archive");
    write_config(&world, OPEN);
    let moved = run_async(with_lookout(&world, async |lookout, operator, _| {
        let now = Timestamp::now();
        let refreshed = lookout.refresh(&operator.instances[0], now).await.unwrap();
        assert_eq!((refreshed.looked, refreshed.changed.len()), (1, 1));
        let nothing = lookout.refresh(&operator.instances[0], now).await.unwrap();
        assert!(nothing.changed.is_empty() && nothing.removed.is_empty());
        let first = lookout.reconcile(now).await.unwrap();
        assert!(first.looked == 1 && first.moved[0].is_new && first.dead_hooks.is_empty());
        lookout.reconcile(now).await.unwrap().moved.len()
    }));
    assert_eq!(moved, 0);
    let tip = world.commit("Say more", "hello", "more\n");
    run_async(with_lookout(&world, async |lookout, _, _| {
        let found = lookout.reconcile(Timestamp::now()).await.unwrap();
        assert_eq!((found.moved.len(), found.moved[0].tip), (1, tip));
        assert_eq!(found.moved[0].tracked_by[0].key.branch.as_str(), "f44");
        assert_eq!(found.dead_hooks.len(), 1, "nothing was ever delivered");
    }));
    world.source_git(&["branch", "-m", "main", "trunk"]);
    run_async(with_lookout(&world, async |lookout, _, _| {
        let found = lookout.reconcile(Timestamp::now()).await.unwrap();
        assert_eq!(found.missing.len(), 1);
        assert!(found.failed.is_empty());
    }));
    std::fs::remove_dir_all(world.source.folder()).unwrap();
    run_async(with_lookout(&world, async |lookout, _, _| {
        assert_eq!(lookout.reconcile(Timestamp::now()).await.unwrap().failed.len(), 1);
    }));
}

#[test]
fn a_delivery_finds_the_branches_that_track_its_source_and_the_package_that_it_is_about() {
    let world = World::released("archive");
    write_config(&world, OPEN);
    let source = format!("file://{}", world.source.folder().display());
    let dist_git = format!("{}/", world.package.dist_git.folder().display());
    run_async(with_lookout(&world, async |lookout, operator, database| {
        lookout.refresh(&operator.instances[0], Timestamp::now()).await.unwrap();
        let hosts = Hosts::new(&operator.hosts);
        let about = async |url: &str, reference: &str| {
            let body = serde_json::json!({
                "ref": reference, "after": "1f".repeat(20), "repository": {"clone_url": url}
            });
            let notices = parse(ForgeKind::Forgejo, "push", body.to_string().as_bytes());
            find(&notices.notices[0], operator, &hosts, database).await.unwrap()
        };
        let branch = about(&source, "refs/heads/main").await;
        assert!(matches!(branch.tracked[0].tracking, Tracking::Source { .. }));
        assert!(branch.packages.is_empty());
        assert_eq!(about(&source, "refs/tags/v9").await.tracked.len(), 1);
        assert!(about(&source, "refs/heads/other").await.tracked.is_empty());
        let package = about(&dist_git, "refs/heads/f44").await;
        assert_eq!(package.packages[0].1.as_str(), "hello");
        assert!(package.tracked.is_empty());
        assert!(about("https://forge.example/x", "refs/heads/main").await.packages.is_empty());
    }));
}
