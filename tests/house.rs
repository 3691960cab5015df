//! The house rules that no compiler checks: which room names which crate, and files that must agree.

#![allow(clippy::disallowed_methods, reason = "tests make their worlds with the real tools")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate that only one room may name, and the room.
const WALLS: &[(&str, &[&str])] = &[
    ("axum", &["src/service"]),
    // What octocrab answers is a body of hyper's: the forges' room reads it.
    ("hyper", &["src/service", "src/forge"]),
    ("gix", &["src/git"]),
    ("sequoia_openpgp", &["src/openpgp", "src/openpgp.rs"]),
    ("ssh_key", &["src/ssh", "src/ssh.rs"]),
    ("octocrab", &["src/forge"]),
    ("lettre", &["src/outbox/mail.rs"]),
    ("sqlx", &["src/database"]),
    ("dxr", &["src/build/koji"]),
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
    // Tests make their worlds: a server of axum's among them.
    for (shown, text) in program_files() {
        let file = root().join(&shown);
        for (crate_name, rooms) in WALLS.iter().copied() {
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
    for script in ["tests/run", ".ci/run", "tests/forge-schemas.sh"] {
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

/// The modules, each after all that it may import: `pub mod` lines of `src/lib.rs`, lowest first.
const ORDER: &[&str] = &[
    "names",
    "outcome",
    "words",
    "secret",
    "queue",
    "database",
    "process",
    "progress",
    "trailers",
    "digest",
    "signer_id",
    "publication",
    "trigger",
    "git",
    "openpgp",
    "ssh",
    "http",
    "container",
    "config",
    "bot_key",
    "gate",
    "bot_certs",
    "lookaside",
    "operator",
    "sources",
    "spec",
    "version",
    "ledger",
    "observe",
    "decide",
    "populate",
    "prove",
    "land",
    "build",
    "forge",
    "report",
    "outbox",
    "index",
    "sync",
    "replay",
    "init_spec",
    "demo",
    "conformance",
    "service",
    "cli",
];

/// Returns the modules that `src/lib.rs` declares.
fn modules() -> Vec<String> {
    let text = read("src/lib.rs");
    let named = text.lines().filter_map(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)
    });
    named.collect()
}

/// Returns a file's code without its tests at the end.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// Returns the paths, without their ending, of the modules that a file declares for tests alone.
fn test_modules(shown: &str, text: &str) -> Vec<String> {
    let stem = shown.strip_suffix(".rs").unwrap_or(shown);
    let is_front = ["/mod", "/lib", "/main"].iter().any(|front| stem.ends_with(front));
    let folder = match is_front {
        true => stem.rsplit_once('/').map_or("", |(folder, _)| folder),
        false => stem,
    };
    let after = text.split("#[cfg(test)]\n").skip(1).filter_map(|rest| rest.lines().next());
    let names = after.filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'));
    names.map(|name| format!("{folder}/{name}")).collect()
}

/// Returns path and code of every file below `src` that is built into the program.
fn program_files() -> Vec<(String, String)> {
    let files = rust_files(&root().join("src"));
    let shown = files.iter().map(|file| file.strip_prefix(root()).unwrap().to_string_lossy());
    let all: Vec<(String, String)> = shown.map(|path| (path.to_string(), read(&path))).collect();
    let tests: Vec<String> =
        all.iter().flat_map(|(shown, text)| test_modules(shown, text)).collect();
    let is_test = |shown: &str| {
        let below = |module: &String| shown.strip_prefix(module.as_str()).map(str::to_owned);
        tests.iter().filter_map(below).any(|rest| rest == ".rs" || rest.starts_with('/'))
    };
    let program = all.into_iter().filter(|(shown, _)| !is_test(shown));
    program.map(|(shown, text)| (shown, without_tests(&text).to_owned())).collect()
}

/// Returns the modules that a line of code imports from this crate.
fn imported(line: &str) -> Vec<&str> {
    let code = line.split("//").next().unwrap_or_default();
    let after = code.match_indices("crate::").map(|(at, found)| &code[at + found.len()..]);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let lists = after.flat_map(|rest| match rest.strip_prefix('{') {
        Some(list) => list.split([',', '}']).map(str::trim).collect(),
        None => vec![rest],
    });
    lists.map(|name| name.split(|c| !is_word(c)).next().unwrap_or_default()).collect()
}

#[test]
fn every_module_has_its_sentence_on_the_map_and_in_the_architecture() {
    let (map, architecture) = (read("src/lib.rs"), read("docs/architecture.md"));
    for module in modules() {
        let on_map = map.lines().any(|line| {
            let item = line.strip_prefix("//! - ").unwrap_or_default();
            item.starts_with(&format!("[`{module}`] ")) || item.starts_with(&format!("`{module}` "))
        });
        assert!(on_map, "src/lib.rs has no sentence for {module}");
        assert!(
            architecture.contains(&format!("`{module}`")),
            "docs/architecture.md does not name {module}"
        );
    }
}

#[test]
fn imports_point_one_way() {
    let rank = |module: &str| ORDER.iter().position(|known| *known == module);
    for module in modules() {
        assert!(rank(&module).is_some(), "{module} has no place in ORDER");
    }
    for (shown, code) in program_files() {
        let room = shown["src/".len()..].split('/').next().unwrap_or_default();
        let room = room.strip_suffix(".rs").unwrap_or(room);
        let Some(own_rank) = rank(room) else { continue };
        for name in code.lines().flat_map(imported) {
            let points_back = rank(name).is_some_and(|rank| rank > own_rank);
            assert!(!points_back, "{shown} imports {name}, which comes after {room}");
        }
    }
}

/// What stands before a code where one is given to a refusal or a problem.
const CODE_COMES_AFTER: [&str; 14] = [
    "Refused::new(",
    "impossible(",
    "Refusal::new(",
    "Refusal::config(",
    "Problem::permanent(",
    "Problem::temporary(",
    "Found::new(",
    "ConfigFaults::single(",
    "rules::argument(",
    "refuse(",
    "illegal(",
    "NotForUs::Retired => (",
    "Code(",
    "code(",
];

/// Returns the text literal that a piece of code begins with.
fn literal(code: &str) -> Option<&str> {
    code.trim_start().strip_prefix('"')?.split('"').next()
}

fn is_kebab(text: &str) -> bool {
    let is_word = |word: &str| {
        let mut letters = word.bytes();
        !word.is_empty() && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.split('-').all(is_word)
}

/// Returns the codes in a file: where one is asked for, and dashed words that are the value of a match arm, a
/// field or a constant.
fn codes(code: &str) -> Vec<&str> {
    let asked_for = CODE_COMES_AFTER.iter().flat_map(|opening| {
        code.match_indices(opening).filter_map(|(at, found)| literal(&code[at + found.len()..]))
    });
    let ends = [("=> ", ",};"), ("=> (", ","), ("{", "}"), (": ", ",}"), ("= ", ";")];
    let values = ends.into_iter().flat_map(|(before, ends)| {
        let places = code.match_indices(before).map(|(at, found)| &code[at + found.len()..]);
        places.filter_map(move |rest| {
            let text = literal(rest).filter(|text| text.contains('-'))?;
            let after = &rest.trim_start()[text.len() + 2..];
            after.trim_start().starts_with(|c| ends.contains(c)).then_some(text)
        })
    });
    asked_for.chain(values).filter(|text| is_kebab(text)).collect()
}

/// Dashed words in the code that are no codes: a format of the JSON Schema, a migration, words that the database
/// keeps.
const NO_CODES: [&str; 5] =
    ["openpgp-fingerprint", "0001-service", "given-up", "dist-git", "build-system"];

#[test]
fn every_code_is_explained() {
    let pages = ["verdicts", "config", "operator-config", "exit-codes"]
        .map(|page| read(&format!("docs/{page}.md")));
    let (mut count, mut unexplained) = (0, Vec::new());
    for (shown, code) in program_files() {
        for code in codes(&code).into_iter().filter(|code| !NO_CODES.contains(code)) {
            count += 1;
            if !pages.iter().any(|page| page.contains(&format!("`{code}`"))) {
                unexplained.push(format!("{code} ({shown})"));
            }
        }
    }
    assert!(count > 200, "only {count} codes were found: this test no longer sees them");
    assert!(unexplained.is_empty(), "on no page of docs/: {}", unexplained.join(", "));
}

#[test]
fn no_page_explains_a_code_that_nothing_gives() {
    let given: Vec<String> = program_files()
        .iter()
        .flat_map(|(_, code)| codes(code).into_iter().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let page = read("docs/exit-codes.md");
    let (_, tables) = page.split_once("## Every code").expect("the page has this heading");
    let rows = tables.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    for code in rows.filter(|text| text.contains('-') && is_kebab(text)) {
        assert!(given.iter().any(|given| given == code), "docs/exit-codes.md explains {code}");
    }
}

#[test]
fn codes_are_found_where_they_are_given() {
    let given =
        "Refusal::new(\n  \"a-b\", x); Problem::permanent(\"c\", y); X => \"d-e\", { f: \"g-h\" }";
    let mut found = codes(given);
    found.sort_unstable();
    assert_eq!(found, ["a-b", "c", "d-e", "g-h"]);
    assert!(codes("Some(\"a-b\"), \"c-d\" | \"e-f\" => 1, f(\"Not kebab\", 1)").is_empty());
}

/// Returns the targets of a page's links.
fn links(page: &str) -> Vec<&str> {
    page.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let entries =
        std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = entries.filter(|path| path.extension().is_some_and(|end| end == "md"));
    let at_root = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name));
    for page in pages.chain(at_root) {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let file = link.split('#').next().unwrap_or_default();
            let there = file.is_empty() || page.parent().unwrap().join(file).exists();
            assert!(there, "{} links to {link}, which is not there", page.display());
        }
    }
}

#[test]
fn the_unit_is_one_that_systemd_takes_and_is_hardened() {
    let folder = tempfile::tempdir().expect("a folder");
    let unit = folder.path().join("lockkeeper.service");
    // The program is looked for where it will be installed.
    let text = read("deploy/lockkeeper.service").replace("/usr/bin/lockkeeper", "/bin/true");
    std::fs::write(&unit, text).expect("a file can be written");
    for arguments in [&["verify"][..], &["security", "--offline=yes", "--threshold=20"]] {
        let mut command = Command::new("systemd-analyze");
        let output = command.args(arguments).arg(&unit).output();
        let output = output.expect("systemd-analyze is installed (tests/run does it)");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert!(!said.contains("lockkeeper.service:"), "{arguments:?}: {said}");
    }
}
