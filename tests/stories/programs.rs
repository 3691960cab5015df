//! The program's other commands: the demo, the help's examples, wrong usage.

use std::process::Command;
use std::time::{Duration, Instant};

use lockkeeper::cli::examples;

use crate::world::{World, hermetic, output_of, succeed};

#[test]
fn every_example_of_the_help_runs() {
    for text in [
        examples::OVERVIEW,
        examples::DEMO,
        examples::SYNC,
        examples::PREVIEW,
        examples::VERIFY,
        examples::POPULATE,
        examples::REPLAY,
        examples::CONFIG,
    ] {
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| line.starts_with("lockkeeper ")) {
            runs(line);
        }
    }
}

/// Runs an example in a folder as the examples' page describes it.
fn runs(line: &str) {
    let world = World::released("tag-archive");
    std::fs::write(world.path("source-git.yaml"), world.file("source-git.yaml")).unwrap();
    std::fs::create_dir(world.path("keys")).unwrap();
    std::fs::write(world.path("keys/alice.asc"), world.alice.key().public()).unwrap();
    let mut clone = Command::new("git");
    clone
        .args(["clone", "--quiet"])
        .arg(world.source.folder())
        .arg(world.path("source/hello"));
    succeed(hermetic(&mut clone));
    let arguments: Vec<&str> = line.split_whitespace().skip(1).collect();
    let output = output_of(world.program(&arguments).env("TMPDIR", world.path("")));
    let said = [&output.stdout[..], &output.stderr].concat();
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&said));
}

#[test]
fn the_demo_tells_its_story_within_ten_seconds() {
    let world = World::empty();
    let started = Instant::now();
    let output = output_of(world.program(&["demo"]).env("TMPDIR", world.path("")));
    let took = started.elapsed();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    for words in ["landed: hello#f44 0:1.0-1", "[unsigned-tip]", "[key-not-listed]", "[diverged]"] {
        assert!(told.contains(words), "no {words}: {told}");
    }
    assert!(took < Duration::from_secs(10), "the demo took {took:?}");
}

#[test]
fn what_the_demo_says_to_look_at_can_be_looked_at() {
    let world = World::empty();
    let output = output_of(world.program(&["demo"]).env("TMPDIR", world.path("")));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, closing) = told.split_once("== Look for yourself\n").unwrap();
    let joined = closing.replace("\\\n", " ");
    let commands: Vec<_> = joined.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert!(commands.len() > 5, "{commands:#?}");
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_lockkeeper")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    for command in commands {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).env("PATH", &path).env("HOME", world.path("home"));
        let output = output_of(hermetic(&mut shell));
        let said = [&output.stdout[..], &output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        // The demo ends with a divergence, which the sync tells again.
        let wanted = if command.starts_with("lockkeeper sync") { 3 } else { 0 };
        assert_eq!(output.status.code(), Some(wanted), "{command}\n{said}");
        if command.contains("--show-signature") {
            assert!(said.contains("Good \"git\" signature"), "{said}");
        }
    }
}

#[test]
fn the_demo_does_it_with_a_real_history() {
    let mut world = World::released("archive");
    world.commit("Go on", "README", "More words.\n");
    let source = world.source.folder().display().to_string();
    let before = world.state();
    demo_real(&world, &source, "hello");
    assert_eq!(world.state(), before);
}

#[test]
fn the_demo_does_it_with_this_projects_own_history() {
    let world = World::empty();
    let root = env!("CARGO_MANIFEST_DIR");
    let mut git = Command::new("git");
    git.args(["-C", root, "rev-parse", "--is-shallow-repository"]);
    let found = output_of(hermetic(&mut git));
    // A released tarball has no history, and a shallow clone not all of it.
    if found.status.success() && found.stdout.starts_with(b"false") {
        demo_real(&world, root, "lockkeeper");
    }
}

fn demo_real(world: &World, path: &str, package: &str) {
    let mut program = world.program(&["demo", "--real", path]);
    let output = output_of(program.env("TMPDIR", world.path("")));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains(&format!("landed: {package}#f44")), "{told}");
    assert!(told.contains(&format!("up to date: {package}#f44")), "{told}");
}

#[test]
fn wrong_usage_has_an_exit_code_of_its_own() {
    let world = World::released("archive");
    let table: [&[&str]; 6] = [
        &["sync"],
        &["sing"],
        &[
            "sync",
            "--dist-git",
            "dist-git/hello.git",
            "--branch",
            "f44",
            "--key",
            "none",
            "--lookaside",
            "x",
        ],
        &["config", "check", "none.yaml"],
        &["preview", "--dist-git", "dist-git/hello.git", "--branch", "..", "--output", "out"],
        &[
            "sync",
            "--dist-git",
            "dist-git/hello.git",
            "--branch",
            "f44",
            "--key",
            "bot.key",
            "--lookaside",
            "ftp://x/y",
        ],
    ];
    for arguments in table {
        let before = world.state();
        let run = world.run(arguments);
        assert_eq!(run.exit, Some(2), "{arguments:?}: {run:#?}");
        assert!(!run.stderr.is_empty() || run.text("outcome") == "refused", "{run:#?}");
        assert_eq!(world.state(), before);
    }
}

#[test]
fn a_config_is_checked_before_it_is_committed() {
    let world = World::released("archive");
    std::fs::write(world.path("good.yaml"), world.config("")).unwrap();
    std::fs::write(world.path("bad.yaml"), world.config("popluation: {}\ntests: 7\n")).unwrap();
    let good = world.run(&["config", "check", "good.yaml"]);
    assert_eq!((good.exit, &good.report["valid"]), (Some(0), &true.into()), "{good:#?}");
    let bad = world.run(&["config", "check", "bad.yaml"]);
    assert_eq!((bad.exit, &bad.report["valid"]), (Some(2), &false.into()), "{bad:#?}");
    assert_eq!(bad.report["faults"].as_array().unwrap().len(), 2, "all at once: {bad:#?}");
    let schema = world.run(&["config", "schema"]);
    assert!(schema.exit == Some(0) && schema.report["properties"]["signing"].is_object());
}
