//! The gate's corpus: named cases, each with verdict and code, and git's own verdict beside it.
//!
//! Keys and forged packets are made here, with sequoia and ssh-key; no key of anybody's is used. The
//! table says where git accepts what the gate refuses: those lines are why the gate exists.

#![allow(
    clippy::disallowed_methods,
    reason = "tests make their worlds with the real tools, and read the clock"
)]

mod case;
mod certificate_cases;
mod corpora;
mod key_cases;
mod mint;
mod object_cases;
mod robust;
mod rotation;
mod signature_cases;
mod speed;
mod ssh_cases;
mod ssh_mint;
mod tag_cases;

use std::sync::LazyLock;

use case::{Case, World};

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let mut cases = Vec::new();
    cases.extend(object_cases::all());
    cases.extend(key_cases::all());
    cases.extend(certificate_cases::all());
    cases.extend(signature_cases::all());
    cases.extend(ssh_cases::all());
    cases.extend(tag_cases::all());
    cases
});

#[test]
fn every_case_gets_its_verdict_and_git_says_what_stands_beside_it() {
    let wrong = World::with(&CASES).complaints(&CASES);
    let count = CASES.len();
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 150, "the corpus has shrunk to {count} cases");
}

#[test]
fn names_of_cases_are_unique() {
    let mut names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    names.sort_unstable();
    let doubles: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(doubles.is_empty(), "{doubles:?}");
}

#[test]
fn the_codes_in_the_table_in_the_sources_and_in_the_documentation_agree() {
    let listed: Vec<&str> = lockkeeper::gate::CODES.iter().map(|(code, _)| *code).collect();
    let documentation = include_str!("../../docs/verdicts.md");
    let headings = documentation.lines().filter_map(|line| line.strip_prefix("### `"));
    let documented: Vec<&str> = headings.filter_map(|line| line.strip_suffix('`')).collect();
    assert_eq!(listed, documented, "docs/verdicts.md has one heading a code, in CODES' order");
    for code in listed {
        assert!(case::sources().contains(&format!("\"{code}\"")), "{code} is never used");
    }
}

/// Codes of the same rooms that are no verdicts on a commit or tag: a released tarball that cannot be read.
const NO_VERDICTS: &[&str] = &["content-unreadable"];

#[test]
fn every_code_that_the_sources_refuse_with_is_in_the_table() {
    let codes = lockkeeper::gate::CODES.iter().map(|(code, _)| *code);
    let listed: Vec<&str> = codes.chain(NO_VERDICTS.iter().copied()).collect();
    for part in case::sources().split("Refusal::new(").skip(1) {
        if let Some(code) = part.trim_start().strip_prefix('"').and_then(|p| p.split('"').next()) {
            assert!(listed.contains(&code), "{code} is not in CODES");
        }
    }
}
