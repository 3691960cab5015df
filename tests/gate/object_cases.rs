//! The commit object: its form, its name, what the signature covers and what it does not.

use lockkeeper::names::ObjectId;

use crate::case::Git::{Accepts, NotAsked, Refuses};
use crate::case::{Case, dated, days_ago, message, plain, with_header, with_signature};
use crate::mint::*;

pub fn all() -> Vec<Case> {
    [unsigned(), changed(), forms(), names(), merges()].concat()
}

/// Any bytes, signed by Alice as they are.
fn sealed(name: &'static str, bare: &[u8]) -> Case {
    listed(name, with_signature(bare, &sign(&ALICE, bare)), &ALICE)
}

fn alices(name: &'static str, raw: impl Into<Vec<u8>>) -> Case {
    listed(name, raw, &ALICE)
}

fn signed_plain() -> String {
    String::from_utf8(sealed("", plain().as_bytes()).raw).expect("ASCII")
}

fn unsigned() -> Vec<Case> {
    let armour = sign(&ALICE, plain().as_bytes());
    let alike = message(&format!("Subject\n\ngpgsig {}", armour.replace('\n', "\n ")));
    vec![
        alices("unsigned commit", plain()).refused("unsigned-tip", Refuses),
        alices("signature in the message only", alike).refused("unsigned-tip", Refuses),
        alices("armour at the end of the message", format!("{}{armour}", plain()))
            .refused("unsigned-tip", Refuses),
        alices(
            "gpgsig-sha256 alone",
            with_header(plain().as_bytes(), "gpgsig-sha256", armour.trim_end()),
        )
        .refused("malformed-commit", Refuses),
    ]
}

fn changed() -> Vec<Case> {
    let signed = signed_plain();
    let other = message("Another change\n");
    let swapped = with_signature(other.as_bytes(), &sign(&ALICE, plain().as_bytes()));
    let change = |name, from: &str, to: &str| {
        assert!(signed.contains(from), "{name}");
        alices(name, signed.replacen(from, to, 1)).refused("bad-signature", Refuses)
    };
    let encoded = with_header(signed.as_bytes(), "encoding", "UTF-16");
    vec![
        change("message changed after signing", "overflow", "underflow"),
        change("tree changed after signing", "tree 4b82", "tree 4b83"),
        change("author changed after signing", "author Alice", "author Mallory"),
        change("committer date changed after signing", " +0100\n", " +0200\n"),
        change("final line break removed after signing", "small.\n", "small."),
        alices("encoding header added after signing", encoded).refused("bad-signature", Refuses),
        alices("signature of another commit", swapped).refused("bad-signature", Refuses),
        alices(
            "parent added after signing",
            signed.replacen("author", "parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor", 1),
        )
        .refused("bad-signature", NotAsked),
    ]
}

fn forms() -> Vec<Case> {
    let plain = plain();
    let signed = signed_plain();
    let armour = sign(&ALICE, plain.as_bytes());
    let second = with_signature(signed.as_bytes(), &sign(&MALLORY, plain.as_bytes()));
    let early = {
        let header = format!("gpgsig {}\n", armour.trim_end().replace('\n', "\n "));
        plain.replacen("author", &format!("{header}author"), 1)
    };
    let late = {
        let bare = with_header(plain.as_bytes(), "change-id", "xyzzy");
        let signed = with_signature(plain.as_bytes(), &sign(&ALICE, &bare));
        with_header(&signed, "change-id", "xyzzy")
    };
    let huge = message(&format!("Subject\n\n{}", "x".repeat(17 << 20)));
    let with = |name, header: &str, value: &str| {
        sealed(name, &with_header(plain.as_bytes(), header, value))
    };
    let bytes = |text: &[u8]| [message("Caf").into_bytes(), text.to_vec()].concat();
    let no_blank = plain[..plain.find("\n\n").expect("headers end") + 1].to_owned();
    let malformed = |case: Case, git| case.refused("malformed-commit", git);
    vec![
        sealed("no message", message("").as_bytes()).accepted(Accepts),
        sealed("no line break at the end", message("Subject").as_bytes()).accepted(Accepts),
        sealed("invalid UTF-8 in the message", &bytes(b"\xe9\n")).accepted(Accepts),
        with("encoding header", "encoding", "ISO-8859-1").accepted(Accepts),
        with("header of another tool", "change-id", "xyzzy").accepted(Accepts),
        with("header that goes on over lines", "HG:extra", "a\nb").accepted(Accepts),
        sealed("old date", dated("Subject\n", days_ago(9000)).as_bytes()).accepted(Accepts),
        alices("header of another tool behind the signature", late).accepted(Accepts),
        alices("gpgsig header without a value", plain.replacen("\n\n", "\ngpgsig\n\n", 1))
            .refused("malformed-signature", Refuses),
        malformed(
            sealed(
                "author with two mails",
                plain.replacen("<alice", "<eve@x> <alice", 1).as_bytes(),
            ),
            NotAsked,
        ),
        malformed(sealed("NUL in the message", &bytes(b"\0e\n")), Accepts),
        malformed(
            alices("NUL and text behind a signed message", format!("{signed}\0more")),
            Refuses,
        ),
        malformed(
            sealed(
                "two trees",
                plain
                    .replacen("author", "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor", 1)
                    .as_bytes(),
            ),
            Accepts,
        ),
        malformed(
            with(
                "second tree behind the committer",
                "tree",
                "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
            ),
            NotAsked,
        ),
        malformed(with("second author", "author", "Eve <eve@example.org> 1 +0000"), NotAsked),
        malformed(
            with("late parent", "parent", "4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
            NotAsked,
        ),
        malformed(
            sealed(
                "two encoding headers",
                &with_header(
                    &with_header(plain.as_bytes(), "encoding", "UTF-8"),
                    "encoding",
                    "UTF-8",
                ),
            ),
            NotAsked,
        ),
        malformed(alices("signature before the author", early), NotAsked),
        malformed(
            sealed("tree that is no id", plain.replacen("tree 4b", "tree zz", 1).as_bytes()),
            NotAsked,
        ),
        malformed(
            sealed("author without mail", plain.replacen("<alice@example.org>", "", 1).as_bytes()),
            NotAsked,
        ),
        malformed(
            sealed("author with letters as zone", plain.replacen(" +0100", " +01b0", 1).as_bytes()),
            NotAsked,
        ),
        malformed(
            sealed("author without date", plain.replacen(" +0100", "", 1).as_bytes()),
            NotAsked,
        ),
        malformed(alices("no blank line behind the headers", no_blank), NotAsked),
        malformed(alices("empty object", ""), NotAsked),
        malformed(alices("object above 16 MiB", huge), NotAsked),
        malformed(with("unknown signature header, signed over", "gpgsig-sha512", "x"), NotAsked),
        malformed(
            alices(
                "gpgsig-sha256 beside gpgsig",
                with_header(signed.as_bytes(), "gpgsig-sha256", armour.trim_end()),
            ),
            Accepts,
        ),
        malformed(
            alices(
                "unknown header gpgsig-note with unsigned text",
                with_header(signed.as_bytes(), "gpgsig-note", "trust me"),
            ),
            Accepts,
        ),
        malformed(
            alices("header GPGSIG in capitals", with_header(signed.as_bytes(), "GPGSIG", "x")),
            Refuses,
        ),
        alices("two gpgsig headers", second).refused("signature-count", Refuses),
        alices("same gpgsig twice", with_signature(signed.as_bytes(), &armour))
            .refused("signature-count", Refuses),
    ]
}

fn names() -> Vec<Case> {
    let wrong: ObjectId = "4b825dc642cb6eb9a060e54bf8d69288fbee4904".parse().expect("an id");
    let long: ObjectId = "ab".repeat(32).parse().expect("an id");
    let named = |name, id| Case { id: Some(id), ..alices(name, signed_plain()) };
    vec![
        named("object under a wrong name", wrong).refused("object-hash-mismatch", NotAsked),
        named("SHA-256 object id", long).refused("object-format-unsupported", NotAsked),
    ]
}

fn merges() -> Vec<Case> {
    let tag = "object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\ntag v1\n\
               tagger Mallory <m@example.org> 1700000000 +0000\n\nRelease\n";
    let signed_tag = format!("{tag}{}", sign(&MALLORY, tag.as_bytes()));
    let merge = with_header(plain().as_bytes(), "mergetag", signed_tag.trim_end());
    let two = with_header(&merge, "mergetag", signed_tag.trim_end());
    let own_tag = format!("{tag}{}", sign(&ALICE, tag.as_bytes()));
    let unsigned = with_header(plain().as_bytes(), "mergetag", own_tag.trim_end());
    vec![
        sealed("signed merge of a stranger's signed tag", &merge).accepted(Accepts),
        sealed("signed merge of two tags", &two).accepted(Accepts),
        alices("unsigned merge of a listed signer's tag", unsigned)
            .refused("unsigned-tip", Refuses),
        alices(
            "a tag's signature on a commit",
            with_signature(plain().as_bytes(), &sign(&ALICE, tag.as_bytes())),
        )
        .refused("bad-signature", Refuses),
    ]
}
