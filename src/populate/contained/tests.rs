//! What the program inside an image makes, beside what the bot itself makes of the same.

use std::collections::BTreeMap;

use super::inside::{Folders, populate};
use super::request::{ArchiveNames, DistGitSide, Settings, SourceSide, SpecPlace, Tag};
use super::*;
use crate::config::Mechanism;
use crate::names::ObjectId;
use crate::populate::patches::PatchRules;
use crate::populate::testing::World;

fn world() -> World {
    let world = World::new();
    world.write("src/a.c", "one\n");
    world.write(".distro/hello.spec", "Name: hello\n");
    world.write(".distro/hello.conf", "x\n");
    world.commit("Release\n");
    world.git(&["tag", "v1.0"]);
    world.write("src/a.c", "two\n");
    world.commit("Change a\n");
    world.write(".distro/hello.conf", "y\n");
    world.commit("Packaging only\n");
    world.link("src/a.c", "link");
    world.commit("Add a link\n\nPatch-name: link.patch\n");
    world
}

fn request(world: &World, mechanism: Mechanism) -> Request {
    let id = |name: &str| -> ObjectId { world.rev(name).unwrap() };
    Request {
        contract: CONTRACT,
        asked_by: "test".to_owned(),
        package: "hello".parse().unwrap(),
        source: SourceSide {
            repository: "file:///x".to_owned(),
            branch: "main".parse().unwrap(),
            commit: id("main"),
            committed: 1_700_000_000,
        },
        dist_git: DistGitSide { branch: "f44".parse().unwrap(), commit: id("main"), dist: None },
        tag: Tag { name: "v1.0".parse().unwrap(), object: id("v1.0"), commit: id("v1.0") },
        version: "1.0".to_owned(),
        release: "4".to_owned(),
        epoch: 0,
        spec: SpecPlace {
            path: ".distro/hello.spec".parse().unwrap(),
            file: "hello.spec".to_owned(),
        },
        archive: ArchiveNames {
            file: "hello-1.0.tar.gz".parse().unwrap(),
            top: "hello-1.0".parse().unwrap(),
        },
        upstream: None,
        changelog: vec!["Change a".to_owned()],
        patches: Vec::new(),
        patches_by_hand: Vec::new(),
        config: Settings {
            mechanism,
            packaging: vec![".distro".parse().unwrap()],
            tests: Vec::new(),
            network: false,
        },
        env: BTreeMap::from([("API".to_owned(), "34".to_owned())]),
    }
}

fn folders(world: &World, request: &Request) -> Folders {
    let root = world.path().join("root");
    let folders = Folders { source: world.source(), ..Folders::below(&root) };
    for folder in [&folders.asked, &folders.output] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(folders.asked.join("request.json"), request.to_json()).unwrap();
    folders
}

fn recipe<'a>(request: &Request, mechanism: Mechanism, source: &'a Store) -> Recipe<'a> {
    Recipe {
        mechanism,
        source,
        tip: request.source.commit,
        tag_commit: request.tag.commit,
        file: request.archive.file.clone(),
        top: request.archive.top.clone(),
        rules: PatchRules {
            packaging: request.config.packaging.clone(),
            spec: Some(request.spec.path.clone()),
        },
        taken: Vec::new(),
        patch_cache: None,
        progress: Progress::SILENT,
    }
}

#[test]
fn the_program_inside_makes_the_same_bytes() {
    for mechanism in [Mechanism::Archive, Mechanism::TagArchive] {
        let world = world();
        let request = request(&world, mechanism);
        let folders = folders(&world, &request);
        populate(mechanism, &folders).unwrap();
        let work = world.path().join("work");
        std::fs::create_dir(&work).unwrap();
        let store = world.store();
        let made = recipe(&request, mechanism, &store).make(&work).unwrap();
        let archive = made.archive.unwrap();
        let inside = folders.output.join("lookaside/hello-1.0.tar.gz");
        assert_eq!(std::fs::read(inside).unwrap(), std::fs::read(archive.path).unwrap());
        let wanted = if mechanism == Mechanism::Archive { 0 } else { 2 };
        assert_eq!(made.series.patches.len(), wanted);
        for patch in made.series.patches {
            let inside = folders.output.join("dist-git").join(patch.file_name.as_str());
            assert_eq!(std::fs::read(inside).unwrap(), patch.bytes);
        }
        let limits = (&crate::container::Limits::default()).into();
        let harvest = output::harvest(&folders.output, &work, &limits);
        // The copy of the archive has the name of the one that was made there.
        assert!(harvest.is_err());
        std::fs::remove_file(work.join("hello-1.0.tar.gz")).unwrap();
        let harvest = output::harvest(&folders.output, &work, &limits).unwrap();
        assert!(
            harvest.files.contains_key("hello.spec") && harvest.files.contains_key("hello.conf")
        );
    }
}

#[test]
fn the_plan_has_the_names_that_the_patches_get() {
    let world = world();
    let request = request(&world, Mechanism::TagArchive);
    let store = world.store();
    let recipe = recipe(&request, Mechanism::TagArchive, &store);
    let made = recipe.make(world.path()).unwrap().series;
    let planned = recipe.planned().unwrap();
    let names = |series: &crate::populate::patches::Series| -> Vec<_> {
        let patches = series.patches.iter();
        patches.map(|patch| (patch.file_name.clone(), patch.commits.clone())).collect()
    };
    assert_eq!(names(&planned), names(&made));
    assert_eq!(planned.packaging_only, made.packaging_only);
}

#[test]
fn a_request_is_read_as_it_was_written_and_another_contract_is_refused() {
    let world = world();
    let written = request(&world, Mechanism::Archive);
    assert_eq!(Request::parse(&written.to_json()).unwrap(), written);
    let mut other: serde_json::Value = serde_json::from_slice(&written.to_json()).unwrap();
    other["contract"] = 2.into();
    for text in [other.to_string(), "{}".to_owned(), "nonsense".to_owned()] {
        let refused = Request::parse(text.as_bytes()).unwrap_err();
        assert_eq!(refused.code.0, "request-unreadable");
    }
    other["contract"] = 1.into();
    other["added_later"] = true.into();
    assert!(Request::parse(other.to_string().as_bytes()).is_ok());
}

#[test]
fn variables_mirror_the_request_and_cannot_be_overridden() {
    let world = world();
    let mut request = request(&world, Mechanism::Archive);
    request.env.insert("LOCKKEEPER_VERSION".to_owned(), "9".to_owned());
    request.env.insert("HOME".to_owned(), "/elsewhere".to_owned());
    let all = variables::variables(&request);
    let of = |name: &str| {
        let found: Vec<_> = all.iter().filter(|(known, _)| known == name).collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found[0].1.clone()
    };
    assert_eq!(
        (of("LOCKKEEPER_VERSION"), of("API"), of("HOME")),
        ("1.0".into(), "34".into(), "/elsewhere".into())
    );
    assert_eq!(of("SOURCE_DATE_EPOCH"), "1700000000");
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/containers.md"));
    let page = page.unwrap_or_default();
    for (name, _) in all.iter().filter(|(name, _)| name.starts_with("LOCKKEEPER_")) {
        assert!(page.contains(&format!("`{name}`")), "docs/containers.md does not name {name}");
    }
}

#[test]
fn the_shipped_schemas_are_those_of_the_code() {
    for (file, schema) in
        [("container-request", request_schema()), ("container-result", result_schema())]
    {
        let file = format!("{}/bot-config/{file}.schema.json", env!("CARGO_MANIFEST_DIR"));
        let printed = format!("{:#}\n", schema);
        if std::env::var_os("REWRITE_SCHEMA").is_some() {
            std::fs::write(&file, &printed).unwrap();
        }
        let shipped = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            shipped == printed,
            "{file} is old; REWRITE_SCHEMA=1 cargo test --lib contained::tests"
        );
    }
}
