//! What the fuzzer is given, and what it found worth keeping, replayed without it.

use std::path::{Path, PathBuf};

#[path = "../../fuzz/entries.rs"]
mod entries;

/// Each target: its name, and what it does with its bytes.
const TARGETS: [(&str, fn(&[u8])); 12] = [
    ("allowed_signer", entries::allowed_signer),
    ("certificates", entries::certificates),
    ("commit", entries::commit),
    ("config", entries::config),
    ("patch", entries::patch),
    ("signature", entries::signature),
    ("sources", entries::sources),
    ("spec", entries::spec),
    ("tag", entries::tag),
    ("tarball", entries::tarball),
    ("trailers", entries::trailers),
    ("verdict", entries::verdict),
];

fn fuzz(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(below)
}

fn names(folder: &Path) -> Vec<String> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn every_input_of_the_corpora_holds() {
    for (target, entry) in TARGETS {
        let folder = fuzz("corpus").join(target);
        let inputs = names(&folder);
        assert!(!inputs.is_empty(), "{target} has no corpus");
        for input in inputs {
            println!("{target}/{input}");
            entry(&std::fs::read(folder.join(input)).expect("readable"));
        }
    }
}

#[test]
fn targets_corpora_and_files_agree() {
    let targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names(&fuzz("corpus")), targets);
    let files: Vec<String> = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&fuzz("fuzz_targets")), files);
    let manifest = std::fs::read_to_string(fuzz("Cargo.toml")).expect("readable");
    for name in targets {
        assert!(
            manifest.contains(&format!("\nname = \"{name}\"\n")),
            "{name} is not in the manifest"
        );
    }
}

#[test]
fn the_signed_seeds_open_the_gate_so_that_their_neighbours_are_worth_trying() {
    for name in ["openpgp", "ssh"] {
        let raw = std::fs::read(fuzz("corpus/verdict").join(name)).expect("readable");
        assert!(entries::accepts(&raw), "{name}");
    }
}
