//! Work must grow with what is asked, not with what lies around.

use std::time::{Duration, Instant};

use lockkeeper::gate::every_commit::Sweep;
use lockkeeper::gate::{Policy, Verdict, judge_commit};
use lockkeeper::git::{Kind, Objects};
use lockkeeper::openpgp::Certificates;

use crate::case::{NOW, message, plain, with_signature};
use crate::mint::{ALICE, list, person, public, sign};
use crate::ssh_mint;

fn policy_with(count: usize) -> Policy {
    let files = (0..count).map(|n| public(&person(&format!("Person{n}"))));
    let files = files.chain([public(&ALICE)]).map(|bytes| ("keyring", bytes));
    Policy::new(&[list(&ALICE)], Certificates::load(files).0, *NOW)
}

#[test]
fn five_thousand_signed_commits_are_judged_in_seconds_and_the_unsigned_are_listed() {
    let policy = policy_with(1);
    let commits: Vec<Vec<u8>> = (0..5000)
        .map(|n| {
            let bare = message(&format!("Commit {n}\n"));
            with_signature(bare.as_bytes(), &sign(&ALICE, bare.as_bytes()))
        })
        .collect();
    let started = Instant::now();
    let mut sweep = Sweep::new(&policy);
    for n in 0..5000 {
        let raw = &commits[n % commits.len()];
        sweep.judge(&Objects::hash(Kind::Commit, raw).expect("no collision"), raw);
    }
    assert_eq!(sweep.finish().expect("all signed"), 5000);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn refused_commits_of_a_range_are_named_with_their_codes_up_to_a_limit() {
    let policy = policy_with(0);
    let mut sweep = Sweep::new(&policy);
    let signed = with_signature(plain().as_bytes(), &sign(&ALICE, plain().as_bytes()));
    sweep.judge(&Objects::hash(Kind::Commit, &signed).expect("no collision"), &signed);
    for n in 0..30 {
        let raw = message(&format!("Unsigned {n}\n")).into_bytes();
        sweep.judge(&Objects::hash(Kind::Commit, &raw).expect("no collision"), &raw);
    }
    let refusal = sweep.finish().expect_err("thirty are unsigned");
    assert_eq!(refusal.code.0, "unsigned-commit");
    assert!(refusal.message.starts_with("30 of 31 commits"), "{refusal}");
    assert_eq!(refusal.message.matches(" unsigned-commit").count(), 20);
    assert!(refusal.message.ends_with("and 10 more"));
}

#[test]
fn a_thousand_certificates_lying_around_do_not_slow_a_verdict() {
    let signed = with_signature(plain().as_bytes(), &sign(&ALICE, plain().as_bytes()));
    let id = Objects::hash(Kind::Commit, &signed).expect("no collision");
    let judge = |policy: &Policy| {
        let started = Instant::now();
        for _ in 0..100 {
            assert!(matches!(judge_commit(&id, &signed, policy), Verdict::Accepted(_)));
        }
        started.elapsed() / 100
    };
    let many = judge(&policy_with(1000));
    assert!(many < Duration::from_millis(5), "{many:?}");
}

#[test]
fn ssh_verdicts_take_no_longer_than_openpgp_ones() {
    let block = ssh_mint::Block::of(&ssh_mint::BOB);
    let signed =
        with_signature(plain().as_bytes(), &block.signed_by(&ssh_mint::BOB, plain().as_bytes()));
    let id = Objects::hash(Kind::Commit, &signed).expect("no collision");
    let policy = Policy::new(&[ssh_mint::list(&ssh_mint::BOB)], Certificates::default(), *NOW);
    let started = Instant::now();
    for _ in 0..100 {
        assert!(matches!(judge_commit(&id, &signed, &policy), Verdict::Accepted(_)));
    }
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
}
