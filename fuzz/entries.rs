//! What each fuzz target does with its bytes.
//!
//! A target holds where nothing panics, hangs or overflows, and where what is said beside it is true. The test
//! `corpora` replays the committed corpora through these same functions.

#![allow(dead_code, reason = "a fuzz target uses one entry, the test all of them")]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lockkeeper::config::{BranchConfig, ListedKey};
use lockkeeper::gate::{CommitObject, Policy, TagObject, Verdict, judge_commit, judge_tag};
use lockkeeper::git::{self, EntryMode, Kind, Objects, Store, TreeEntry};
use lockkeeper::index::{Hosts, RepositoryKey};
use lockkeeper::names::ObjectId;
use lockkeeper::openpgp::Certificates;
use lockkeeper::operator::{Layers, Operator, Places};
use lockkeeper::populate::apply;
use lockkeeper::populate::upstream::tarball::{self, Limits};
use lockkeeper::publication::Publication;
use lockkeeper::sources::SourcesFile;
use lockkeeper::spec::{Context, Edits, ReleaseEdit, SpecFile};
use lockkeeper::ssh::AllowedSigner;
use lockkeeper::trailers::Trailers;
use lockkeeper::trigger::hooks::{self, ForgeKind, Notice};

/// Alice's certificate and Bob's SSH key. Nobody has the secret halves any more.
const ALICE: &[u8] = include_bytes!("seeds/alice.asc");
const BOB: &str = include_str!("seeds/bob.pub");
/// What they signed, once each, and nothing else.
const PAYLOAD: &[u8] = include_bytes!("seeds/payload");

/// The time by which keys are judged: 2027-01-15.
const NOW: Duration = Duration::from_secs(1_800_000_000);

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let (certificates, _) = Certificates::load([("alice", ALICE)]);
    let mut keys: Vec<ListedKey> = certificates
        .fingerprints()
        .into_iter()
        .map(|fingerprint| ListedKey::OpenPgp {
            fingerprint: fingerprint.clone(),
            certificate: None,
        })
        .collect();
    keys.push(ListedKey::Ssh(AllowedSigner::parse(BOB.trim(), &[]).expect("a good line")));
    Policy::new(&keys, certificates, SystemTime::UNIX_EPOCH + NOW)
});

/// A repository for targets that read and write objects; what they write stays in memory.
static STORE: LazyLock<Store> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder can be made").keep();
    Store::init_bare(&folder).expect("a repository can be made")
});

fn hash(kind: Kind, bytes: &[u8]) -> Option<ObjectId> {
    Objects::hash(kind, bytes).ok()
}

fn judge(raw: &[u8]) -> Option<Verdict> {
    Some(judge_commit(&hash(Kind::Commit, raw)?, raw, &POLICY))
}

/// Tells whether the gate lets a commit through.
pub fn accepts(raw: &[u8]) -> bool {
    matches!(judge(raw), Some(Verdict::Accepted(_)))
}

/// The gate's strict reading of a commit: what it takes, the lenient reading understands in the same way.
pub fn commit(bytes: &[u8]) {
    let Some(id) = hash(Kind::Commit, bytes) else { return };
    let lenient = git::Commit::parse(id, bytes.to_vec());
    let Ok(strict) = CommitObject::parse(bytes) else { return };
    let lenient = lenient.expect("what is strict is lenient too");
    assert_eq!((strict.tree(), strict.parents()), (lenient.tree, &lenient.parents[..]));
    assert_eq!(strict.message(), lenient.message);
    assert_eq!(strict.signed().is_some(), lenient.has_signature);
    if let Some(signed) = strict.signed() {
        assert_eq!(git::commit::without_signature(bytes), signed.payload);
    }
}

/// The same of a tag.
pub fn tag(bytes: &[u8]) {
    let Some(id) = hash(Kind::Tag, bytes) else { return };
    let lenient = git::Tag::parse(id, bytes.to_vec());
    if let Ok(strict) = TagObject::parse(bytes) {
        let lenient = lenient.expect("what is strict is lenient too");
        assert_eq!(strict.target(), lenient.target);
        assert_eq!(strict.name().as_str().as_bytes(), &lenient.name[..]);
    }
    assert!(
        !matches!(judge_tag(&id, bytes, &POLICY), Verdict::Accepted(_)),
        "no tag was signed"
    );
}

/// The whole verdict on a commit: what is accepted is what was signed.
pub fn verdict(bytes: &[u8]) {
    if accepts(bytes) {
        let commit = CommitObject::parse(bytes).expect("it was accepted");
        assert_eq!(commit.signed().expect("it was accepted").payload, PAYLOAD);
    }
}

/// A signature on a commit that nobody signed: the first byte says what the rest is: an armour as it is, the bytes
/// inside an OpenPGP armour, or those inside an SSH one.
pub fn signature(bytes: &[u8]) {
    let Some((form, rest)) = bytes.split_first() else { return };
    let armour = |name: &str, bytes: &[u8]| {
        let body = STANDARD.encode(bytes);
        let lines: Vec<&str> = body
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).expect("ASCII"))
            .collect();
        let blank = if name == "PGP" { "\n" } else { "" };
        format!(
            "-----BEGIN {name} SIGNATURE-----\n{blank}{}\n-----END {name} SIGNATURE-----",
            lines.join("\n")
        )
    };
    let armour = match form {
        b'p' => armour("PGP", rest),
        b's' => armour("SSH", rest),
        _ => String::from_utf8_lossy(rest).into_owned(),
    };
    let other = [PAYLOAD, b"and more that nobody signed\n"].concat();
    let raw = git::commit::with_signature(&other, &armour);
    assert!(!accepts(&raw), "nobody signed this");
}

/// A certificate file in the keyring: it makes nobody else's signature good.
pub fn certificates(bytes: &[u8]) {
    let (certificates, _) = Certificates::load([("file", bytes)]);
    let listed = certificates.fingerprints().into_iter().cloned();
    let listed: Vec<ListedKey> =
        listed.map(|fingerprint| ListedKey::OpenPgp { fingerprint, certificate: None }).collect();
    let policy = Policy::new(&listed, certificates, SystemTime::UNIX_EPOCH + NOW);
    let _ = policy.openpgp_states();
    let raw = include_bytes!("corpus/verdict/ssh");
    let id = hash(Kind::Commit, raw).expect("no collision");
    assert!(
        !matches!(judge_commit(&id, raw, &policy), Verdict::Accepted(_)),
        "an SSH key signed this"
    );
}

/// A line of allowed signers: what is kept of it reads as it did.
pub fn allowed_signer(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    let (principal, line) = line.split_once('\n').unwrap_or(("*", line));
    if let Ok(signer) = AllowedSigner::parse(line, &[principal.to_owned()]) {
        let again = AllowedSigner::parse(signer.as_str(), &[principal.to_owned()]);
        assert_eq!(again.expect("it was read once").fingerprint(), signer.fingerprint());
    }
}

/// A branch config: every refusal has words.
pub fn config(bytes: &[u8]) {
    if let Err(faults) = BranchConfig::parse(bytes) {
        assert!(!faults.to_string().is_empty());
    }
}

/// A spec, read and edited: what was asked for is there, and asking again changes nothing.
pub fn spec(bytes: &[u8]) {
    let context = Context::with_dist(".fc44");
    let spec = SpecFile::parse(bytes, &context);
    let _ = (spec.version(), spec.release(), spec.epoch(), spec.uses_autorelease());
    let edits = Edits {
        version: Some("2.5".parse().expect("a version")),
        release: Some(ReleaseEdit { number: "7".parse().expect("a release"), minor: None }),
        source0: Some("hello-2.5.tar.gz".parse().expect("a file name")),
        patches: vec!["fix-a.patch".parse().expect("a file name")],
        ..Edits::default()
    };
    let Ok(edited) = spec.edit(&edits) else { return };
    let again = SpecFile::parse(edited.bytes.clone(), &context);
    assert_eq!(again.version().expect("it was edited"), "2.5".parse().expect("a version"));
    let again = again.edit(&edits).expect("it was edited").bytes;
    assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&edited.bytes));
}

/// A released tarball: a tree, or a refusal.
pub fn tarball(bytes: &[u8]) {
    let limits = Limits { entries: 200, total: 4 << 20, file: 1 << 20, path: 300, ratio: 100 };
    let objects = STORE.scratch();
    if let Ok(imported) = tarball::import(bytes, &objects, &limits) {
        assert!(imported.entries <= limits.entries);
        objects.tree(&imported.tree).expect("what was written can be read");
    }
}

/// A patch upon a small tree: the tree that comes out can be read.
pub fn patch(bytes: &[u8]) {
    let objects = STORE.scratch();
    let base = base_tree(&objects);
    if let Ok(tree) = apply::series(&objects, base, &[bytes]) {
        for entry in objects.tree(&tree).expect("what was written can be read") {
            assert!(!entry.name.is_empty() && entry.name != ".git", "{:?}", entry.name);
        }
    }
}

/// Two files, one of them in a folder, and a link.
fn base_tree(objects: &Objects) -> ObjectId {
    let lines: String = (1..=20).map(|number| format!("line {number}\n")).collect();
    let file = |mode, name: &str, content: &[u8]| {
        let id = objects.write(Kind::Blob, content).expect("memory can be written");
        TreeEntry { mode, name: name.into(), id }
    };
    let below = file(EntryMode::Executable, "run", b"#!/bin/sh\n\0\n");
    let folder = objects.write_tree(vec![below]).expect("memory can be written");
    let entries = vec![
        file(EntryMode::File, "a.txt", lines.as_bytes()),
        file(EntryMode::Symlink, "link", b"a.txt"),
        TreeEntry { mode: EntryMode::Tree, name: "folder".into(), id: folder },
    ];
    objects.write_tree(entries).expect("memory can be written")
}

/// A `sources` file: what is written of it reads as it did.
pub fn sources(bytes: &[u8]) {
    if let Ok(sources) = SourcesFile::parse(bytes) {
        let again = SourcesFile::parse(&sources.to_bytes()).expect("our own form");
        assert_eq!(again, sources);
    }
}

/// A commit message: a publication that is read from it is written and read again as it was.
pub fn trailers(bytes: &[u8]) {
    let trailers = Trailers::parse(bytes);
    let Some(publication) = Publication::read(&trailers) else { return };
    let message = format!("Update\n\n{}", publication.to_paragraph());
    assert_eq!(Publication::read(&Trailers::parse(message.as_bytes())), Some(publication));
}

/// A delivery: its event on the first line, then its payload. What is not understood has a word why, and an address
/// in it has one key however often that is made.
fn delivery(kind: ForgeKind, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (event, body) = text.split_once('\n').unwrap_or(("push", &text));
    let notices = hooks::parse(kind, event, body.as_bytes());
    assert!(!notices.notices.is_empty() || notices.ignored.is_some());
    for notice in &notices.notices {
        let (Notice::Moved { repository, .. } | Notice::Deleted { repository, .. }) = notice else {
            continue;
        };
        for url in &repository.urls {
            if let Some(key) = RepositoryKey::of_text(url, &Hosts::default()) {
                assert!(!key.as_str().chars().any(char::is_control));
            }
        }
    }
}

/// A delivery of GitHub.
pub fn delivery_github(bytes: &[u8]) {
    delivery(ForgeKind::GitHub, bytes);
}

/// A delivery of GitLab.
pub fn delivery_gitlab(bytes: &[u8]) {
    delivery(ForgeKind::GitLab, bytes);
}

/// A delivery of Pagure.
pub fn delivery_pagure(bytes: &[u8]) {
    delivery(ForgeKind::Pagure, bytes);
}

/// A delivery of Forgejo or Gitea.
pub fn delivery_forgejo(bytes: &[u8]) {
    delivery(ForgeKind::Forgejo, bytes);
}

/// An operator config: every refusal has words.
pub fn operator(bytes: &[u8]) {
    let places = Places { folder: "/nowhere".into(), credentials: None, read_secrets: false };
    let checked = Operator::check_without_secrets(bytes, &Layers::default(), &places);
    if let Err(faults) = checked {
        assert!(!faults.to_string().is_empty());
    }
}
