//! Annotated tags: judged by the same code as commits.

use lockkeeper::gate::{Policy, Verdict, judge_release_tag};
use lockkeeper::git::{Kind, Objects};
use lockkeeper::openpgp::Certificates;

use crate::case::Git::{Accepts, NotAsked, Refuses};
use crate::case::{Case, NOW};
use crate::mint::{self, ALICE, MALLORY};
use crate::ssh_mint::{self, BOB, Block};

const COMMIT: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

pub fn all() -> Vec<Case> {
    let bare = tag("v1.2");
    let signed = |by| format!("{bare}{}", mint::sign(by, bare.as_bytes()));
    let by_alice = signed(&ALICE);
    let alices = |name, raw: String| {
        Case::tag(name, raw).lists(mint::list(&ALICE)).certificate(mint::public(&ALICE))
    };
    let bobs = format!("{bare}{}", Block::of(&BOB).signed_by(&BOB, bare.as_bytes()));
    let long = format!("{bare}{}\n", "Long words.\n".repeat(3_500));
    let long = format!("{long}{}", mint::sign(&ALICE, long.as_bytes()));
    let no_tagger = "object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\ntag v1\n\nOld\n";
    let no_tagger = format!("{no_tagger}{}", mint::sign(&ALICE, no_tagger.as_bytes()));
    let no_kind = bare.replacen("type commit", "type", 1);
    let no_kind = format!("{no_kind}{}", mint::sign(&ALICE, no_kind.as_bytes()));
    let extra = bare.replacen("\n\n", "\nextra x\n\n", 1);
    let extra = format!("{extra}{}", mint::sign(&ALICE, extra.as_bytes()));
    vec![
        alices("tag signed", by_alice.clone()).accepted(Accepts),
        alices("tag unsigned", bare.clone()).refused("unsigned-tag", Refuses),
        alices("tag by a key that is not listed", signed(&MALLORY))
            .certificate(mint::public(&MALLORY))
            .refused("key-not-listed", Accepts),
        alices("tag changed after signing", by_alice.replacen("v1.2", "v1.3", 1))
            .refused("bad-signature", Refuses),
        alices("tag with text after the armour", format!("{by_alice}more\n"))
            .refused("malformed-signature", NotAsked),
        alices(
            "tag with two armours",
            format!("{by_alice}{}", mint::sign(&ALICE, bare.as_bytes())),
        )
        .refused("signature-count", Refuses),
        alices(
            "tag with a signature above 64 KiB",
            format!("{by_alice}{}", "\n".repeat(70_000)),
        )
        .refused("signature-too-large", NotAsked),
        alices("tag without tagger", no_tagger).refused("malformed-tag", Refuses),
        alices("tag with an unknown header", extra).refused("malformed-tag", NotAsked),
        alices("tag of no kind", no_kind).refused("malformed-tag", NotAsked),
        alices("tag without name", bare.replacen("tag v1.2\n", "", 1))
            .refused("malformed-tag", NotAsked),
        alices("tag with an illegal name", bare.replacen("v1.2", "v1..2", 1))
            .refused("malformed-tag", NotAsked),
        alices("tag with a NUL", format!("{by_alice}\0")).refused("malformed-tag", NotAsked),
        Case::tag("tag signed with SSH", bobs.clone())
            .lists(ssh_mint::list(&BOB))
            .accepted(Accepts),
        Case::tag("tag made after the key's window began", bobs.clone())
            .lists(ssh_mint::list_with("valid-after=\"20230101Z\"", &BOB))
            .accepted(NotAsked),
        Case::tag("tag made before the key's window began", bobs)
            .lists(ssh_mint::list_with("valid-after=\"20240101Z\"", &BOB))
            .refused("signature-outside-window", NotAsked),
        alices("tag with a message of 40 KiB", long).accepted(Accepts),
    ]
}

fn tag(name: &str) -> String {
    format!(
        "object {COMMIT}\ntype commit\ntag {name}\n\
         tagger Alice <alice@example.org> 1700000000 +0000\n\nRelease {name}\n"
    )
}

#[test]
fn a_signed_tag_counts_under_its_own_name_and_for_its_own_commit_only() {
    let bare = tag("v1.2");
    let raw = format!("{bare}{}", mint::sign(&ALICE, bare.as_bytes()));
    let id = Objects::hash(Kind::Tag, raw.as_bytes()).expect("no collision");
    let (certificates, _) = Certificates::load([("alice", mint::public(&ALICE))]);
    let policy = Policy::new(&[mint::list(&ALICE)], certificates, *NOW);
    let other = "1111111111111111111111111111111111111111";
    for (name, commit, wanted) in [
        ("v1.2", COMMIT, None),
        ("v2.0", COMMIT, Some("tag-mismatch")),
        ("v1.2", other, Some("tag-mismatch")),
    ] {
        let (name, commit) = (name.parse().expect("a name"), commit.parse().expect("an id"));
        let code = match judge_release_tag(&id, raw.as_bytes(), &name, &commit, &policy) {
            Verdict::Accepted(_) => None,
            Verdict::Refused(refusal) => Some(refusal.code.0),
        };
        assert_eq!(code, wanted, "{name} {commit}");
    }
}
