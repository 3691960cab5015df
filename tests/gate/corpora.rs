//! What the fuzzer is given, and what it found worth keeping, replayed without it.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

#[path = "../../fuzz/entries.rs"]
mod entries;

/// What a target does with its bytes.
type Entry = fn(&[u8]);

/// Each target and its name.
const TARGETS: [(&str, Entry); 17] = [
    ("allowed_signer", entries::allowed_signer),
    ("certificates", entries::certificates),
    ("commit", entries::commit),
    ("config", entries::config),
    ("delivery_forgejo", entries::delivery_forgejo),
    ("delivery_github", entries::delivery_github),
    ("delivery_gitlab", entries::delivery_gitlab),
    ("delivery_pagure", entries::delivery_pagure),
    ("operator", entries::operator),
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

/// A small change of an input.
#[derive(Debug, Clone)]
enum Change {
    Flip { at: prop::sample::Index, by: u8 },
    Remove { at: prop::sample::Index, count: usize },
    Repeat { at: prop::sample::Index, count: usize },
    Insert { at: prop::sample::Index, bytes: Vec<u8> },
}

impl Change {
    fn make(&self, input: &mut Vec<u8>) {
        let place = |at: &prop::sample::Index| at.index(input.len() + 1);
        let run = |start: usize, count: usize| start..input.len().min(start + count);
        match self {
            Change::Flip { at, by } if !input.is_empty() => {
                let at = at.index(input.len());
                input[at] ^= by;
            }
            Change::Flip { .. } => {}
            Change::Remove { at, count } => drop(input.drain(run(place(at), *count))),
            Change::Repeat { at, count } => {
                let at = place(at);
                let again = input[run(at, *count)].to_vec();
                input.splice(at..at, again);
            }
            Change::Insert { at, bytes } => {
                let at = place(at);
                input.splice(at..at, bytes.iter().copied());
            }
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let at = any::<prop::sample::Index>;
    let words = prop::sample::select(vec![
        "%", "\n\n", "{", "}", "%{", "%if 0\n", "%endif\n", "\0", ": ", "\"", "-", "gpgsig ", " ",
        "&a ", "*a",
    ]);
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..6),
        words.prop_map(|word| word.as_bytes().to_vec()),
    ];
    let change = prop_oneof![
        (at(), 1..=255u8).prop_map(|(at, by)| Change::Flip { at, by }),
        (at(), 1..40usize).prop_map(|(at, count)| Change::Remove { at, count }),
        (at(), 1..40usize).prop_map(|(at, count)| Change::Repeat { at, count }),
        (at(), bytes).prop_map(|(at, bytes)| Change::Insert { at, bytes }),
    ];
    prop::collection::vec(change, 1..6)
}

/// The inputs of one target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = fuzz("corpus").join(target);
    let read = |name: &String| std::fs::read(folder.join(name)).expect("readable");
    names(&folder).iter().map(read).collect()
}

proptest! {
    #[test]
    fn what_is_near_the_corpora_holds_too(which in any::<prop::sample::Index>(), changes in changes()) {
        for (target, entry) in TARGETS {
            let corpus = corpus(target);
            let mut input = corpus[which.index(corpus.len())].clone();
            changes.iter().for_each(|change| change.make(&mut input));
            entry(&input);
        }
    }
}
