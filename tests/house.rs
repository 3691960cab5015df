//! The house rules that no compiler checks: which room names which crate, and files that must agree.

#![allow(clippy::disallowed_methods, reason = "tests make their worlds with the real tools")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate that only one room may name, and the room.
const WALLS: [(&str, &[&str]); 3] = [
    ("gix", &["src/git"]),
    ("sequoia_openpgp", &["src/openpgp", "src/openpgp.rs"]),
    ("ssh_key", &["src/ssh", "src/ssh.rs"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(below: &str) -> String {
    std::fs::read_to_string(root().join(below)).unwrap_or_else(|error| panic!("{below}: {error}"))
}

/// Returns every Rust file below `folder`.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| match path.is_dir() {
        true => rust_files(&path),
        false => vec![path],
    });
    below.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

/// Tells whether a line of code names a crate, as `crate_name::…` or after `extern crate`.
fn names(line: &str, crate_name: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(crate_name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let inside_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        !inside_word && code[at + crate_name.len()..].starts_with("::")
    })
}

#[test]
fn each_outside_world_is_named_in_its_own_room_only() {
    for file in rust_files(&root().join("src")) {
        let shown = file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let text = read(&shown);
        for (crate_name, rooms) in WALLS {
            let at_home = rooms.iter().any(|room| file.starts_with(root().join(room)));
            let line = text.lines().position(|line| names(line, crate_name));
            if let (false, Some(line)) = (at_home, line) {
                panic!("{shown}:{}: only {} may name {crate_name}", line + 1, rooms.join(", "));
            }
        }
    }
}

#[test]
fn a_name_inside_another_word_is_no_crossing() {
    assert!(names("use gix::ObjectId;", "gix"));
    assert!(names("    let id: gix::ObjectId = x;", "gix"));
    assert!(!names("use crate::gix::X;", "gix"));
    assert!(!names("use my_gix::X;", "gix"));
    assert!(!names("let gix = 1; // gix::x", "gix"));
}

#[test]
fn no_unsafe_code_is_written() {
    assert!(read("src/lib.rs").contains("#![forbid(unsafe_code)]"));
}

#[test]
fn the_spec_is_taken_by_rpm_and_has_the_version_of_the_crate() {
    let query = |arguments: &[&str]| {
        let mut command = Command::new("rpmspec");
        command.args(arguments).arg("packaging/lockkeeper.spec").current_dir(root());
        let output = command.output().expect("rpmspec is installed (tests/run does it)");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "rpmspec {arguments:?}: {said}");
        String::from_utf8(output.stdout).expect("text")
    };
    let parsed = query(&["-P"]);
    assert!(parsed.contains("cargo build --release"), "{parsed}");
    assert_eq!(query(&["-q", "--srpm", "--qf", "%{VERSION}"]), env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_scripts_are_programs_that_bash_can_read() {
    for script in ["tests/run", ".ci/run"] {
        let path = root().join(script);
        let status = Command::new("bash").arg("-n").arg(&path).status().expect("bash is installed");
        assert!(status.success(), "{script}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o111, 0o111, "{script} is not executable");
        }
    }
}

#[test]
fn the_licence_texts_are_those_that_the_manifest_names() {
    assert!(read("Cargo.toml").contains("license = \"MIT OR Apache-2.0\""));
    assert!(read("LICENSE-MIT").starts_with("MIT License"));
    assert!(read("LICENSE-APACHE").contains("Version 2.0, January 2004"));
}
