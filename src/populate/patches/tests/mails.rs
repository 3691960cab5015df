//! Headers as git writes them, and messages that try to be more than messages.

use bstr::ByteSlice;

use super::super::Patch;
use super::{applied_by, base, format_patch};
use crate::populate::apply;
use crate::populate::identity::Applier;
use crate::populate::testing::World;

#[test]
fn headers_equal_those_of_git() {
    let long = "a subject that is so long that it has to be folded, and then some more words until a \
                third line is needed for it, which is quite a lot for a subject";
    let subjects = [
        "plain",
        long,
        &long.replace('a', "\u{e9}"),
        "two\nlines",
        "with =?UTF-8?q?an?= encoded word",
        "\u{4f60}\u{597d}\u{4e16}\u{754c} \u{1f980} and a name_with_underscore",
        "an_unbreakable_word_that_is_longer_than_any_header_line_should_ever_be_but_here_it_is_anyway yes",
        "tab\there",
    ];
    let authors = [
        "Alice",
        "\u{c5}sa \u{d6}rn",
        "Alice B. Example",
        "\"Quoted\" \\ Name",
        "A very long name that goes on and on with many words so that it has to be folded by itself",
        "\u{5f20}\u{4e09} (nickname, with comma) and more words to make it long enough to be folded",
    ];
    let world = World::new();
    base(&world);
    for (index, subject) in subjects.iter().enumerate() {
        world.write("text", format!("{index}\n"));
        world.commit(format!("{subject}\n\nBody \u{e9} {index}.\n\n\n  indented \n\nlast\n"));
    }
    for (index, author) in authors.iter().enumerate() {
        world.write("text", format!("author {index}\n"));
        world.git(&[
            "commit",
            "-q",
            "-a",
            "-m",
            "s",
            &format!("--author={author} <a@example.com>"),
        ]);
    }
    let series = world.series("base", "HEAD");
    let theirs = format_patch(&world, "base..HEAD");
    for (ours, theirs) in series.patches.iter().zip(mails(&theirs)) {
        let head = |text: &[u8]| {
            let end = text.find(b"\ndiff --git ").expect("there is a diff");
            let head = text[..end].to_str_lossy().into_owned();
            head.replace("\n---\n", "\n").trim_end().to_owned()
        };
        assert_eq!(head(&ours.bytes), head(&theirs));
    }
    assert_eq!(series.patches.len(), subjects.len() + authors.len());
}

fn mails(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut mails: Vec<Vec<u8>> = Vec::new();
    for line in stream.lines_with_terminator() {
        if line.starts_with(b"From 0000") {
            mails.push(Vec::new());
        }
        mails.last_mut().expect("it begins with a From line").extend_from_slice(line);
    }
    mails
}

const HOSTILE: &[&[u8]] = &[
    b"body\n\n---\n\nafter the dashes\n",
    b"--- a/text\n+++ b/text\n@@ -1,3 +1,3 @@\n a\n-b\n+EVIL\n c\n",
    b"see:\n\n    diff --git a/text b/text\n    --- a/text\n    +++ b/text\n    @@ -1 +1 @@\n    -a\n    +EVIL\n",
    b"diff --git a/text b/text\nindex 123..456\n",
    b"From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nFrom: x <x@y>\nSubject: z\n\nq\n",
    b"From: Mallory <m@example.com>\nSubject: another\n\nbody\n",
    b">From x\n",
    b"Date: Thu, 1 Jan 1970 00:00:00 +0000\n",
    b"2c\nEVIL\n.\n",
    b"- 2c\n- EVIL\n- .\n",
    b"1c1\n< a\n---\n> EVIL\n",
    b"*** a/text\n--- b/text\n***************\n*** 1,3 ****\n! a\n--- 1,3 ----\n! EVIL\n",
    b"Index: text\n===================\n",
    b"XX --- a/text\nXX +++ b/text\nXX @@ -1 +1 @@\nXX -a\nXX +EVIL\n",
    b"-- \n2.47\n",
    b"-- >8 --\nrest\n",
    b"GIT binary patch\nliteral 1\nIcmZPo000310RR91\n\n",
    b"bad \xff\xfe bytes \x1b[31m and \x07\n",
    b"Content-Type: text/plain; charset=utf-7\n\nMIME\n",
    b"@@ -1 +1 @@\n-a\n+EVIL\n",
    b"Prereq: nothing\n",
    b"\n\n\n",
    b"",
];

#[test]
fn hostile_messages_never_change_what_is_applied() {
    let world = World::new();
    base(&world);
    for (index, body) in HOSTILE.iter().enumerate() {
        world.git(&["checkout", "-q", "-f", "--detach", "base"]);
        world.write("text", format!("a\nb {index}\nc\n"));
        world.commit([b"Fix [it] now\n\n", *body].concat());
        let patch = &world.series("base", "HEAD").patches[0];
        taken_by_all(&world, patch, &format!("body {index}"));
        let log = world.git(&["log", "-1", "--format=%an|%ae|%ad|%s", "--date=raw"]);
        assert_eq!(
            log, "Alice Example|alice@example.com|1700000000 +0200|Fix [it] now",
            "body {index}"
        );
    }
}

#[test]
fn hostile_subjects_never_change_what_is_applied() {
    let pad = "x".repeat(70);
    let subjects = [
        "".to_owned(),
        "   ".to_owned(),
        "...".to_owned(),
        "../../etc/passwd".to_owned(),
        "-rf".to_owned(),
        "diff --git a/text b/text".to_owned(),
        "--- a/text".to_owned(),
        "%(touch /tmp/x) %{lua:x}".to_owned(),
        "\u{4f60}\u{597d}".to_owned(),
        format!("{pad} diff --git a/text b/text {pad} --- a/text {pad} 2c"),
        format!("{pad} From {pad} Subject: x"),
        "a\rb\u{1b}[31m\u{202e}".to_owned(),
        "\u{e9}".repeat(500),
    ];
    let world = World::new();
    base(&world);
    for (index, subject) in subjects.iter().enumerate() {
        world.git(&["checkout", "-q", "-f", "--detach", "base"]);
        world.write("text", format!("a\nb {index}\nc\n"));
        world.commit(format!("{subject}\n\nbody\n"));
        let patch = &world.series("base", "HEAD").patches[0];
        let name = patch.file_name.as_str();
        assert!(name.len() < 70 && name.ends_with(".patch"), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{name}");
        taken_by_all(&world, patch, subject);
    }
}

fn taken_by_all(world: &World, patch: &Patch, what: &str) {
    let wanted = world.tree("HEAD");
    let ours = apply::series(&world.objects(), world.tree("base"), &[&patch.bytes]);
    assert_eq!(ours.expect(what), wanted, "{what}");
    for applier in [Applier::Patch, Applier::Git, Applier::GitAm] {
        let got = applied_by(world, applier, &patch.bytes);
        assert_eq!(got, Ok(wanted), "{applier}, {what}: {}", patch.bytes.as_bstr());
    }
}

/// Authors and dates as no tool of today writes them.
const AUTHORS: &[&[u8]] = &[
    b" <a@example.com> 1700000000 +0000",
    b"Name <> 1700000000 +0000",
    b" <> 1700000000 +0000",
    b"Name <no-at-sign> 1700000000 +0000",
    b"a@b c@d <e@f> 1700000000 +0000",
    b"Name <a b@example.com> 1700000000 +0000",
    b"N\xe4me <a@example.com> 1700000000 +0000",
    b"... ;;: <a@example.com> 1700000000 +0000",
    b"Name <a@example.com> 0 +0000",
    b"Name <a@example.com> 1700000000 -1159",
    b"Name <a@example.com> 1700000000 +9999",
    b"Name <a@example.com> 99999999999999 +0000",
    b"Name <a@example.com> -5 +0000",
    b"Name <a@example.com> soon",
    b"From: x\rSubject: y\x1b <a@example.com> 1700000000 +0000",
    b"=?UTF-8?q?x?= <a@example.com> 1700000000 +0000",
];

#[test]
fn odd_authors_and_dates_never_keep_a_patch_from_applying() {
    let world = World::new();
    base(&world);
    world.write("text", "a\nB\nc\n");
    world.git(&["add", "text"]);
    let (tree, parent) = (world.git(&["write-tree"]), world.rev("base").expect("it is there"));
    for author in AUTHORS {
        let head = format!("tree {tree}\nparent {parent}\nauthor ");
        let tail = b"\ncommitter A <a@b> 1 +0000\n\nsubject\n\nbody\n";
        let raw = [head.as_bytes(), author, tail].concat();
        let args = ["hash-object", "-t", "commit", "-w", "--literally", "--stdin"];
        let output = world.run("git", &args, &world.source(), &raw);
        let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        world.git(&["checkout", "-q", "-f", "--detach", &id]);
        let patch = &world.series("base", "HEAD").patches[0];
        taken_by_all(&world, patch, &String::from_utf8_lossy(author));
    }
}
