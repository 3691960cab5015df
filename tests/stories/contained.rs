//! Population in a container, from a branch that names an image to the commit in dist-git.

use std::collections::BTreeMap;

use super::index::OPEN;
use crate::world::images::{self, CUSTOM, SCRIPTED, scripted};
use crate::world::{EntryMode, NewCommit, Run, World, files_below, succeed};

fn contained(population: &str) -> World {
    images::build();
    let mut world = World::empty();
    world.opt_in(population);
    world.release();
    world
}

/// What an honest script does: the archive, and the spec as it is.
const HONEST: &str = "/bin/sh /populate";

#[test]
fn a_maintainers_own_image_populates_a_branch_from_end_to_end() {
    let mut world =
        contained(&format!("population:\n  container: {CUSTOM}\n  env: {{GREETING: all}}\n"));
    let run = world.sync_contained(&[]);
    run.landed("1.0-1").warns("populated by the example image");
    assert!(world.file("MADE-BY").contains("greeting all"));
    assert!(world.file("hello.spec").contains("Version:        1.0"));
    assert!(world.file("sources").contains("hello-1.0.tar.gz"));
    assert_eq!(run.report["identity"]["holds"], true, "{run:#?}");
    let message = world.dist_git(&["log", "-1", "--format=%B", "f44"]);
    let trailer = message.lines().find(|line| line.starts_with("Population: ")).unwrap();
    assert!(trailer.starts_with(&format!("Population: {CUSTOM}@sha256:")), "{trailer}");
    world.sync_contained(&[]).up_to_date();
    world.commit("Go on", "README", "More.\n");
    world.sync_contained(&[]).landed("1.0-2");
}

#[test]
fn an_engine_is_found_for_the_branch_that_needs_one() {
    let mut world = contained(&format!("population:\n  container: {CUSTOM}\n"));
    world.run_where_podman_is(&world.sync_arguments(), &[]).landed("1.0-1");
    world.commit("Go on", "README", "More.\n");
    // Of all programs only git is there.
    let programs = world.path("programs");
    std::fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink("/usr/bin/git", programs.join("git")).unwrap();
    let path = [("PATH", programs.to_str().unwrap())];
    let run = world.run_where_podman_is(&world.sync_arguments(), &path);
    run.came_to(1, "failed", "engine-missing").says("podman is not installed");
    world.opt_in("");
    world.run_where_podman_is(&world.sync_arguments(), &path).landed("1.0-2");
}

#[test]
fn an_operator_may_have_nothing_of_a_branchs_run() {
    let mut world = contained(&format!("population:\n  container: {CUSTOM}\n"));
    super::index::write_config(&world, &format!("{OPEN}population: {{allow_containers: false}}\n"));
    let sync = ["sync", "hello", "f44", "--config", "lockkeeper.yaml"];
    world.run_where_podman_is(&sync, &[]).came_to(2, "refused", "containers-not-allowed");
    world.opt_in("");
    world.run_where_podman_is(&sync, &[]).landed("1.0-1");
}

#[test]
fn a_container_that_refuses_is_quoted_to_the_maintainer() {
    let mut world = contained(&format!("population:\n  container: {CUSTOM}\n"));
    world.alice_commits(NewCommit::new("Drop it").remove("README"));
    world
        .refuses_contained("container-refused")
        .says("a README is missing in the source tree");
}

fn populated(world: &World, config: &str, more: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let _ = std::fs::remove_dir_all(world.path("out"));
    std::fs::write(world.path("source-git.yaml"), world.config(config)).unwrap();
    let flags = "populate --source source/hello.git --rev main --config source-git.yaml --package hello \
                 --dist .fc44 --output out";
    let arguments: Vec<&str> = flags.split_whitespace().chain(more.iter().copied()).collect();
    world.run_contained(&arguments).came_to(0, "populated", "");
    let files = files_below(&world.path("out")).into_iter();
    files.filter(|(path, _)| path.contains('/')).collect()
}

#[test]
fn the_images_of_the_mechanisms_give_the_bytes_that_the_program_gives() {
    images::build();
    let mut world = World::empty();
    let release = world.release();
    let packaging = "packaging: [.distro]\n";
    let released = populated(&world, "", &[]);
    std::fs::create_dir(world.path("upstream")).unwrap();
    std::fs::write(
        world.path("upstream/hello-1.0.tar.gz"),
        &released["lookaside/hello-1.0.tar.gz"],
    )
    .unwrap();
    world.commit("Fix one", "README", "One.\n");
    world.alice_commits(NewCommit::new("Add two").put_as(EntryMode::Symlink, "two", "README"));
    world.commit("Package", ".distro/hello.conf", "x\n");
    assert_ne!(Some(release), world.source.tip().unwrap());
    for mechanism in ["archive", "tag-archive", "upstream-tarball"] {
        let builtin = format!("{packaging}population:\n  mechanism: {mechanism}\n");
        let image = format!(
            "{builtin}  container: localhost/lockkeeper/{mechanism}\n  identity: required\n"
        );
        let upstream = ["--upstream", "upstream"];
        let (builtin, image) =
            (populated(&world, &builtin, &upstream), populated(&world, &image, &upstream));
        assert_eq!(
            builtin.keys().collect::<Vec<_>>(),
            image.keys().collect::<Vec<_>>(),
            "{mechanism}"
        );
        assert!(builtin == image, "{mechanism}");
    }
}

#[test]
fn the_request_is_what_its_schema_says_and_the_environment_mirrors_it() {
    let script = "cp $LOCKKEEPER_REQUEST $LOCKKEEPER_OUTPUT/
                  mkdir $LOCKKEEPER_OUTPUT/dist-git $LOCKKEEPER_OUTPUT/lookaside
                  mv $LOCKKEEPER_OUTPUT/request.json $LOCKKEEPER_OUTPUT/dist-git/request
                  env | grep ^LOCKKEEPER_ | sort >$LOCKKEEPER_OUTPUT/dist-git/environment
                  cp -r /dist-git $LOCKKEEPER_OUTPUT/dist-git/seen";
    images::build();
    let mut world = World::empty();
    world.release();
    world.commit("Fix one", "README", "One.\n");
    let files = populated(&world, &scripted(script, "  mechanism: tag-archive\n"), &[]);
    let request: serde_json::Value = serde_json::from_slice(&files["dist-git/request"]).unwrap();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/bot-config/container-request.schema.json");
    let schema = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
    fits(&schema, &request, "request");
    assert_eq!(request["patches"][0]["file"], "Fix-one.patch");
    assert_eq!(request["changelog"][0], "Fix one");
    let environment = String::from_utf8(files["dist-git/environment"].clone()).unwrap();
    for (name, value) in [
        ("VERSION", request["version"].as_str()),
        ("RELEASE", request["release"].as_str()),
        ("PACKAGE", request["package"].as_str()),
        ("TAG", request["tag"]["name"].as_str()),
        ("SOURCE_COMMIT", request["source"]["commit"].as_str()),
        ("ARCHIVE", request["archive"]["file"].as_str()),
    ] {
        let line = format!("LOCKKEEPER_{name}={}", value.unwrap());
        assert!(environment.lines().any(|found| found == line), "{line} in {environment}");
    }
}

/// Sees that a value is what a schema says: the keywords that our schemas use, and no others.
fn fits(schema: &serde_json::Value, value: &serde_json::Value, at: &str) {
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("{at}: the test does not know the type {other}"),
    };
    match &schema["type"] {
        serde_json::Value::String(kind) => assert!(is(kind), "{at} is {value}, not {kind}"),
        serde_json::Value::Array(kinds) => {
            assert!(kinds.iter().any(|kind| is(kind.as_str().unwrap())), "{at} is {value}");
        }
        _ => {}
    }
    if let Some(wanted) = schema.get("const") {
        assert_eq!(value, wanted, "{at}");
    }
    for required in
        schema["required"].as_array().into_iter().flatten().filter(|_| value.is_object())
    {
        assert!(value.get(required.as_str().unwrap()).is_some(), "{at} lacks {required}");
    }
    for (key, below) in value.as_object().into_iter().flatten() {
        match (schema["properties"].get(key), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema)) => fits(schema, below, &format!("{at}.{key}")),
            (None, None) => assert!(schema["anyOf"].is_array(), "{at}.{key} is not in the schema"),
        }
    }
    for below in value.as_array().into_iter().flatten() {
        fits(&schema["items"], below, &format!("{at}[]"));
    }
}

#[test]
fn a_container_may_give_a_version_that_passes_the_same_checks() {
    let with = |result: &str| {
        scripted(&format!("{HONEST}\necho '{result}' >$LOCKKEEPER_OUTPUT/result.json"), "")
    };
    let mut world = contained(&with("{\"version\": \"1.5\"}"));
    world.sync_contained(&[]).landed("1.5-1");
    world.opt_in(&with("{\"version\": \"1.2\"}"));
    world.refuses_contained("version-went-back");
    world.opt_in(&with("{\"version\": \"2 beta\"}"));
    world.refuses_contained("result-malformed");
}

#[test]
fn a_final_spec_is_taken_as_it_is_and_its_release_must_be_higher() {
    let with = |release: &str| {
        let edit = format!(
            "sed -i 's/^Version:.*/Version: 1.0/; s/^Release:.*/Release: {release}/' \
             $LOCKKEEPER_OUTPUT/dist-git/hello.spec"
        );
        let result = "echo '{\"spec\": \"final\"}' >$LOCKKEEPER_OUTPUT/result.json";
        scripted(&format!("{HONEST}\n{edit}\n{result}"), "")
    };
    let mut world = contained(&with("7"));
    world.sync_contained(&[]).landed("1.0-7");
    assert!(world.file("hello.spec").contains("Release: 7"));
    assert!(!world.file("hello.spec").contains("lockkeeper"));
    world.opt_in(&with("7"));
    world.commit("Go on", "README", "More.\n");
    world.refuses_contained("release-not-higher");
}

#[test]
fn what_the_container_wrote_before_goes_and_what_people_added_stays() {
    let one = format!("{HONEST}\necho x >$LOCKKEEPER_OUTPUT/dist-git/generated.conf");
    let mut world = contained(&scripted(&one, ""));
    world.dist_git_commit(
        NewCommit::new("Gate it").put("gating.yaml", "x\n").put("tests/plan", "x\n"),
    );
    world.sync_contained(&[]).landed("1.0-1");
    assert!(world.files().contains(&"generated.conf".to_owned()));
    let own = format!(
        "{HONEST}\nmkdir -p $LOCKKEEPER_OUTPUT/dist-git/keys\necho x >$LOCKKEEPER_OUTPUT/dist-git/keys/mallory.asc\n\
                       echo x >$LOCKKEEPER_OUTPUT/dist-git/source-git.yaml"
    );
    world.opt_in(&scripted(&own, ""));
    let run = world.sync_contained(&[]);
    run.landed("1.0-2")
        .warns("keys/mallory.asc, which is the bot's own")
        .warns("source-git.yaml");
    let files = world.files();
    assert!(
        !files.contains(&"generated.conf".to_owned())
            && !files.contains(&"keys/mallory.asc".to_owned())
    );
    assert!(files.contains(&"gating.yaml".to_owned()) && files.contains(&"tests/plan".to_owned()));
    assert!(world.file("source-git.yaml").contains("version: 1"));
}

#[test]
fn an_archive_that_is_not_what_was_signed_is_refused_or_reported() {
    let tampered = "cp -a /source /tmp/source
                    echo backdoor >/tmp/source/hello
                    LOCKKEEPER_SOURCE=/tmp/source /bin/sh /populate";
    let mut world = contained(&scripted(tampered, "  identity: required\n"));
    world.refuses_contained("tree-identity").says("hello has other content");
    world.opt_in(&scripted(tampered, ""));
    let run = world.sync_contained(&[]);
    run.landed("1.0-1").warns("hello has other content");
    assert_eq!(run.report["identity"]["holds"], false);
}

#[test]
fn a_tag_that_moved_alone_publishes_nothing() {
    images::build();
    let mine = "localhost/lockkeeper/moving";
    let tag = |from: &str| drop(succeed(images::engine("podman").args(["tag", from, mine])));
    tag(CUSTOM);
    let mut world = World::empty();
    world.opt_in(&format!("population:\n  container: {mine}\n"));
    world.release();
    world.sync_contained(&[]).landed("1.0-1");
    tag(SCRIPTED);
    world.sync_contained(&[]).up_to_date();
}

#[test]
fn a_projects_own_tool_writes_the_spec() {
    images::build();
    let tool = |file: &str| {
        let path = format!("{}/bot-config/spec-tool/{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    };
    let mut world = World::empty();
    world.opt_in("spec:\n  command: [./packaging/genspec]\npackaging: [packaging]\n");
    let first = NewCommit::new("Say hello")
        .put_as(EntryMode::Executable, "bin/hello", "#!/bin/sh\n")
        .put_as(EntryMode::Executable, "packaging/genspec", tool("genspec"))
        .put("packaging/template.spec", tool("template.spec"));
    let first = world.alice_commits(first);
    world.tag("v1.0", &first);
    let refused = world.sync_contained(&[]);
    refused.came_to(2, "refused", "spec-command-no-image").says("--tool-image");
    let tools = ["--tool-image", CUSTOM];
    let run = world.sync_contained(&tools);
    run.landed("1.0-1").warns("written by spec.command");
    let spec = world.file("hello.spec");
    assert!(
        spec.contains("Version:        1.0") && spec.contains("%{_bindir}/hello"),
        "{spec}"
    );
    world.sync_contained(&tools).up_to_date();
    for (text, code) in [
        ("#!/bin/sh\n", "spec-not-written"),
        ("#!/bin/sh\nprintf '\\377\\376'\n", "spec-not-written"),
        ("#!/bin/sh\necho hello\n", "spec-not-written"),
        ("#!/bin/sh\necho Name: hello >/source/x\n", "container-failed"),
        ("#!/bin/sh\necho no\nexit 64\n", "container-refused"),
    ] {
        let new =
            NewCommit::new("Change it").put_as(EntryMode::Executable, "packaging/genspec", text);
        world.alice_commits(new);
        world.sync_contained(&tools).came_to(3, "refused", code);
    }
}

#[test]
fn preview_keeps_what_the_container_printed() {
    let world = contained(&scripted(&format!("echo loud and clear\n{HONEST}"), ""));
    let flags = "preview --dist-git dist-git/hello.git --branch f44 --dist .fc44 --key bot.key --output out";
    world.run_contained(&flags.split(' ').collect::<Vec<_>>()).came_to(0, "previewed", "");
    let log = std::fs::read_to_string(world.path("out/container.log")).unwrap();
    assert!(log.contains("loud and clear"), "{log}");
}

fn check(world: &World, image: &str, more: &[&str]) -> Run {
    world.run_contained(&[&["container", "check", image], more].concat())
}

#[test]
fn the_kit_says_point_by_point_what_an_image_keeps() {
    images::build();
    let world = World::empty();
    for (image, mechanism) in [
        ("localhost/lockkeeper/archive", "archive"),
        ("localhost/lockkeeper/tag-archive", "tag-archive"),
        ("localhost/lockkeeper/upstream-tarball", "upstream-tarball"),
        (CUSTOM, "archive"),
    ] {
        let run = check(&world, image, &["--mechanism", mechanism]);
        assert_eq!((run.exit, &run.report["holds"]), (Some(0), &true.into()), "{run:#?}");
        assert_eq!(run.report["points"].as_array().unwrap().len(), 7);
    }
    // It does nothing at all, and so takes on every contract.
    let run = check(&world, SCRIPTED, &[]);
    assert_eq!((run.exit, &run.report["holds"]), (Some(3), &false.into()), "{run:#?}");
    let failing =
        run.report["points"].as_array().unwrap().iter().filter(|point| point["holds"] == false);
    let failing: Vec<_> = failing.map(|point| point["point"].as_str().unwrap()).collect();
    assert_eq!(failing, ["identity", "contract"], "{run:#?}");
    let run = check(&world, "localhost/lockkeeper/nothing", &[]);
    assert_eq!(run.exit, Some(3), "{run:#?}");
}
