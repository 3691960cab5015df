//! The packages of a dist-git are what a forge's namespace holds, as its API lists it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::index::{OPEN, index, write_config};
use crate::world::World;
use crate::world::forges::{Forge, Plays, TOKEN, Trouble, github};
use crate::world::https::Https;

const KINDS: [(Plays, &str); 5] = [
    (Plays::GitHub, "github"),
    (Plays::GitLab, "gitlab"),
    (Plays::Pagure, "pagure"),
    (Plays::Forgejo, "forgejo"),
    (Plays::Forgejo, "gitea"),
];

fn write_secret(path: &Path, secret: &str) {
    std::fs::write(path, secret).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Has the world's packages listed by a forge that has hello in this namespace; `entry` is how the bot gets in there.
fn listed_by(world: &World, forge: &Forge, kind: &str, namespace: &str, entry: &str) {
    write_secret(&world.path("forge.token"), TOKEN);
    write_config(world, OPEN);
    let file = world.path("lockkeeper.yaml");
    let config = std::fs::read_to_string(&file).unwrap();
    let packages = format!("packages: {{forge: fake, namespace: {namespace}}}");
    let config = config.replace("packages: {directory: dist-git}", &packages);
    let forges =
        format!("forges: [{{name: fake, kind: {kind}, url: \"{}\", {entry}}}]\n", forge.url());
    std::fs::write(file, config + &forges).unwrap();
}

const BY_TOKEN: &str = "token_file: forge.token";

/// Looks at a forge as it is, and then as it is in trouble: the index keeps what it knows, and says why.
fn nothing_is_forgotten(world: &World, what: &str, code: &str, exit: i32) {
    let (output, _) = index(world, &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{what}: {output:#?}");
    assert!(said.contains(code) && !said.contains(TOKEN), "{what}: {said}");
    let (_, json) = index(world, &["--known"]);
    assert_eq!(json["counts"]["tracking"], 1, "{what}: {json:#}");
}

#[test]
fn every_forge_lists_its_namespace_page_by_page() {
    for (plays, kind) in KINDS {
        let world = World::released("archive");
        let forge = Forge::start(plays);
        // Names that no package has: nothing is asked of them.
        for number in 0..230 {
            forge.has_repository("rpms", &format!("-{number}"), false);
        }
        forge.has_repository("rpms", "hello", false);
        forge.has_repository("rpms", "retired", kind != "pagure");
        listed_by(&world, &forge, kind, "rpms", BY_TOKEN);
        let (output, json) = index(&world, &[]);
        assert_eq!(output.status.code(), Some(0), "{kind}: {output:#?}");
        assert_eq!(json["counts"]["tracking"], 1, "{kind}: {json:#}");
        assert!(forge.keep().asked.len() >= 3, "{kind}: {:?}", forge.keep().asked);
        assert!(forge.writes().is_empty());
    }
}

#[test]
fn a_list_that_fails_takes_nothing_from_the_index() {
    for (plays, kind) in KINDS {
        let world = World::released("archive");
        let mut forge = Forge::start(plays);
        forge.has_repository("rpms", "hello", false);
        listed_by(&world, &forge, kind, "rpms", BY_TOKEN);
        let (_, json) = index(&world, &[]);
        assert_eq!(json["counts"]["tracking"], 1, "{kind}: {json:#}");

        let wait = || vec![("retry-after", "77".to_owned())];
        let rest = || {
            let reset = jiff::Timestamp::now().as_second() + 300;
            vec![
                ("x-ratelimit-remaining", "0".to_owned()),
                ("x-ratelimit-reset", reset.to_string()),
            ]
        };
        let table = [
            ("too many", Trouble::Answers(429, wait(), "slow down"), "packages-unreadable"),
            (
                "too many, GitHub's way",
                Trouble::Answers(403, rest(), "{}"),
                "packages-unreadable",
            ),
            ("no right", Trouble::Answers(403, vec![], "{}"), "packages-forbidden"),
            ("a proxy", Trouble::Answers(502, vec![], "Bad Gateway"), "packages-unreadable"),
            ("elsewhere", Trouble::Answers(301, wait(), "{}"), "packages-unreadable"),
            ("no list", Trouble::Answers(200, vec![], "{}"), "packages-unreadable"),
            ("no JSON", Trouble::Answers(200, vec![], "<html>"), "packages-unreadable"),
        ];
        for (what, trouble, code) in table {
            forge.trouble(trouble);
            nothing_is_forgotten(&world, &format!("{kind}, {what}"), code, 75);
        }
        write_secret(&world.path("forge.token"), "an-old-token");
        nothing_is_forgotten(&world, &format!("{kind}, old token"), "packages-forbidden", 75);
        write_secret(&world.path("forge.token"), TOKEN);
        forge.go_down();
        nothing_is_forgotten(&world, &format!("{kind}, down"), "packages-unreadable", 75);
        forge.come_back();
        let all = std::mem::take(&mut forge.keep().namespaces);
        let exit = 2;
        nothing_is_forgotten(&world, &format!("{kind}, gone"), "packages-unreadable", exit);
        forge.keep().namespaces.extend(all);
        let (output, json) = index(&world, &[]);
        assert_eq!((output.status.code(), &json["counts"]["tracking"]), (Some(0), &1.into()));
    }
}

#[test]
fn a_list_that_breaks_off_is_none() {
    let world = World::released("archive");
    let forge = Forge::start(Plays::Forgejo);
    for number in 0..120 {
        forge.has_repository("rpms", &format!("-{number}"), false);
    }
    forge.has_repository("rpms", "hello", false);
    listed_by(&world, &forge, "forgejo", "rpms", BY_TOKEN);
    let (_, json) = index(&world, &[]);
    assert_eq!(json["counts"]["tracking"], 1, "{json:#}");
    for trouble in [Trouble::Answers(500, vec![], ""), Trouble::Answers(404, vec![], "")] {
        forge.trouble(Trouble::NotYet);
        forge.trouble(trouble);
        nothing_is_forgotten(&world, "the second page", "packages-unreadable", 75);
    }
    // A token that may see nothing any more sees an empty namespace.
    let all = std::mem::take(forge.keep().namespaces.get_mut("rpms").unwrap());
    nothing_is_forgotten(&world, "empty", "packages-unreadable", 75);
    // But a single package may go.
    let mut namespaces = forge.keep();
    namespaces.namespaces.insert("rpms".to_owned(), all);
    namespaces.namespaces.get_mut("rpms").unwrap().retain(|found| found.name != "hello");
    drop(namespaces);
    forge.has_repository("rpms", "other", false);
    let (_, json) = index(&world, &[]);
    assert_eq!(json["counts"]["all"], 0, "{json:#}");
}

#[test]
fn a_person_has_packages_too() {
    for (plays, kind) in [(Plays::GitHub, "github"), (Plays::Forgejo, "forgejo")] {
        let world = World::released("archive");
        let forge = Forge::start(plays);
        forge.has_repository("~ada", "hello", false);
        listed_by(&world, &forge, kind, "ada", BY_TOKEN);
        let (_, json) = index(&world, &[]);
        assert_eq!(json["counts"]["tracking"], 1, "{kind}: {json:#}");
    }
}

#[test]
fn an_answer_without_an_end_is_read_up_to_a_cap() {
    for (plays, kind) in [(Plays::GitHub, "github"), (Plays::Forgejo, "forgejo")] {
        let world = World::released("archive");
        let forge = Forge::start(plays);
        forge.has_repository("rpms", "hello", false);
        listed_by(&world, &forge, kind, "rpms", BY_TOKEN);
        let (_, json) = index(&world, &[]);
        assert_eq!(json["counts"]["tracking"], 1, "{kind}: {json:#}");
        let endless = format!("[{{\"name\": \"{}\"}}]", "x".repeat(17 << 20));
        forge.trouble(Trouble::Answers(200, vec![], endless.leak()));
        nothing_is_forgotten(&world, kind, "answered something", 75);
    }
}

#[test]
fn a_forge_with_a_ca_of_its_own_is_trusted_by_the_file_that_names_it() {
    for (plays, kind) in KINDS {
        let world = World::released("archive");
        let forge = Forge::start(plays);
        forge.has_repository("rpms", "hello", false);
        let tls = Https::before(&world.path("https"), forge.address());
        let entry = format!("{BY_TOKEN}, ca_file: {}", tls.certificate().display());
        listed_by(&world, &forge, kind, "rpms", &entry);
        let file = world.path("lockkeeper.yaml");
        let config = std::fs::read_to_string(&file).unwrap();
        let config = config.replace(&forge.url(), &tls.url(""));
        std::fs::write(&file, &config).unwrap();
        let (output, json) = index(&world, &[]);
        assert_eq!(json["counts"]["tracking"], 1, "{kind}: {output:#?}");
        // Without it, nobody knows the certificate.
        std::fs::write(&file, config.replace(", ca_file:", ", bot_account:")).unwrap();
        nothing_is_forgotten(&world, kind, "packages-unreadable", 75);
        assert!(forge.keep().asked.len() <= 3, "no token was sent");
    }
}

#[test]
fn an_app_lists_what_it_is_installed_in() {
    let world = World::released("archive");
    let forge = Forge::start(Plays::GitHub);
    let folder = world.path("app");
    std::fs::create_dir(&folder).unwrap();
    forge.keep().app = Some(github::App::new(&folder, "rpms/hello"));
    for number in 0..120 {
        forge.has_repository("rpms", &format!("-{number}"), false);
    }
    forge.has_repository("rpms", "hello", false);
    forge.has_repository("strangers", "hello", false);
    for installation in ["", ", installation: 815"] {
        let entry = format!("app: {{id: 4711, key_file: app/key.pem{installation}}}");
        listed_by(&world, &forge, "github", "rpms", &entry);
        let (output, json) = index(&world, &[]);
        assert_eq!(output.status.code(), Some(0), "{output:#?}");
        assert_eq!(json["counts"]["tracking"], 1, "{json:#}");
    }
    assert_eq!(forge.keep().app.as_ref().unwrap().tokens_given, 2, "one for all pages");
    listed_by(&world, &forge, "github", "strangers", "app: {id: 4711, key_file: app/key.pem}");
    nothing_is_forgotten(&world, "not installed", "installing its App there", 2);
}
