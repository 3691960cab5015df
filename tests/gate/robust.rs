//! Whatever bytes come, there is a verdict; and what was changed is never accepted.

use std::sync::LazyLock;

use lockkeeper::gate::{CommitObject, Policy, TagObject, Verdict, judge_commit};
use lockkeeper::git::{Kind, Objects};
use lockkeeper::openpgp::Certificates;
use lockkeeper::ssh::AllowedSigner;
use proptest::prelude::*;

use crate::case::{NOW, plain, with_signature};
use crate::mint::{ALICE, list, public, sign};
use crate::ssh_mint::{self, BOB, Block};

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let (certificates, _) = Certificates::load([("alice", public(&ALICE))]);
    Policy::new(&[list(&ALICE), ssh_mint::list(&BOB)], certificates, *NOW)
});

static SIGNED: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let plain = plain();
    let openpgp = sign(&ALICE, plain.as_bytes());
    let ssh = Block::of(&BOB).signed_by(&BOB, plain.as_bytes());
    [openpgp, ssh].map(|armour| with_signature(plain.as_bytes(), &armour))
});

fn judge(raw: &[u8]) -> Verdict {
    let id = Objects::hash(Kind::Commit, raw).expect("no collision");
    judge_commit(&id, raw, &POLICY)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_refused_without_panic(raw in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(matches!(judge(&raw), Verdict::Refused(_)));
        prop_assert!(TagObject::parse(&raw).is_err());
    }

    #[test]
    fn a_changed_commit_is_accepted_only_where_what_is_signed_is_the_same(
        which in 0..2usize, place in any::<prop::sample::Index>(), change in 1..=255u8,
    ) {
        let mut raw = SIGNED[which].clone();
        let place = place.index(raw.len());
        raw[place] ^= change;
        if let Verdict::Accepted(_) = judge(&raw) {
            let commit = CommitObject::parse(&raw).expect("it was accepted");
            prop_assert_eq!(commit.signed().expect("signed").payload.clone(), plain().into_bytes());
        }
    }

    #[test]
    fn any_signature_bytes_are_judged_without_panic(
        which in 0..2usize, bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let armour = match which {
            0 => crate::mint::armour(&bytes),
            _ => ssh_mint::armour(&[b"SSHSIG\0\0\0\x01".as_slice(), &bytes].concat()),
        };
        let raw = with_signature(plain().as_bytes(), &armour);
        prop_assert!(matches!(judge(&raw), Verdict::Refused(_)));
    }

    #[test]
    fn any_certificate_file_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (certificates, _) = Certificates::load([("file", &bytes)]);
        let policy = Policy::new(&[list(&ALICE)], certificates, *NOW);
        prop_assert_eq!(policy.missing_certificates().len(), 1);
    }

    #[test]
    fn a_damaged_certificate_opens_nothing_it_did_not_open_before(
        place in any::<prop::sample::Index>(), change in 1..=255u8,
    ) {
        let mut bytes = public(&ALICE);
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        let (certificates, _) = Certificates::load([("file", &bytes)]);
        let policy = Policy::new(&[list(&ALICE)], certificates, *NOW);
        let id = Objects::hash(Kind::Commit, &SIGNED[1]).expect("no collision");
        prop_assert!(matches!(judge_commit(&id, &SIGNED[1], &policy), Verdict::Refused(_)));
        let id = Objects::hash(Kind::Commit, &SIGNED[0]).expect("no collision");
        let _ = judge_commit(&id, &SIGNED[0], &policy);
    }

    #[test]
    fn any_allowed_signers_line_is_read_without_panic(line in "[ -~]{0,80}", principal in "[ -~]{0,9}") {
        let _ = AllowedSigner::parse(&line, &[principal]);
    }
}
