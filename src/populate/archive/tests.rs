//! The archive against `git archive`, byte for byte.

mod random;
mod world;

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bstr::{BString, ByteSlice};

use super::{Written, prove, write, write_tar};
use crate::git::{Commit, Store, Trust};
use crate::outcome::{Fault, Result};
use world::{Item, World, executable, file, gunzip, link, submodule};

const PREFIX: &str = "hello-1.0/";

fn archive(store: &Store, commit: &Commit, workers: usize) -> Result<(Vec<u8>, Written)> {
    let mut out = Vec::new();
    let written = write(store, commit, PREFIX, &mut out, workers, None)?;
    Ok((out, written))
}

fn refusal_of<T: std::fmt::Debug>(result: Result<T>) -> (&'static str, String) {
    match result.expect_err("it is refused") {
        Fault::Refused(refusal) => (refusal.code.0, refusal.message),
        Fault::Failed(problem) => panic!("failed instead of being refused: {problem}"),
    }
}

fn first_difference(left: &[u8], right: &[u8]) -> String {
    let at =
        left.iter().zip(right).position(|(a, b)| a != b).unwrap_or(left.len().min(right.len()));
    let around =
        |bytes: &[u8]| bytes[at / 512 * 512..].iter().take(700).copied().collect::<Vec<_>>();
    format!("at {at}\nours: {}\ngit's: {}", around(left).as_bstr(), around(right).as_bstr())
}

/// Archives the items, compares with `git archive`, has the archive proved, and returns what was written.
fn same_as_git(items: &[Item]) -> Written {
    let world = World::new();
    let id = world.commit(items);
    same_in(&world, &id)
}

fn same_in(world: &World, id: &str) -> Written {
    let (store, commit) = world.open(id);
    let (packed, written) = archive(&store, &commit, 2).expect("it is archived");
    let (ours, gits) = (gunzip(&packed), world.git_archive(id, PREFIX));
    assert!(ours == gits, "{}", first_difference(&ours, &gits));
    assert_eq!(written.tar_size, ours.len() as u64);
    assert_eq!(written.size, packed.len() as u64);
    let identity = prove(&packed[..], &store, &commit, &written, PREFIX).expect("it is proved");
    assert_eq!(identity.converted, written.converted);
    written
}

fn paths(items: &[&str]) -> Vec<BString> {
    items.iter().map(|path| BString::from(*path)).collect()
}

#[test]
fn ordinary_trees_are_archived_as_git_does() {
    let written = same_as_git(&[
        file("README", "hello\n"),
        file("empty", ""),
        executable("bin/run", "#!/bin/sh\n"),
        link("latest", "bin/run"),
        file("a/b/c/d", "deep"),
        file("a.b", "sorts before a/"),
        submodule("vendor/lib"),
        file("exact", vec![b'x'; 512]),
        file("binary", (0..=255u8).collect::<Vec<u8>>()),
    ]);
    assert_eq!((written.entries, written.hidden.len(), written.converted.len()), (14, 0, 0));
}

#[test]
fn an_empty_tree_is_archived() {
    same_as_git(&[]);
}

#[test]
fn streams_of_every_tail_end_as_gits_do() {
    for records in 12..=22 {
        same_as_git(&[file("f", vec![b'x'; records * 512])]);
    }
}

#[test]
fn odd_names_keep_their_bytes() {
    same_as_git(&[
        file("with space", "1"),
        file("quo\"te\\back", "2"),
        file("new\nline", "3"),
        file(b"not\xffutf8\xc3".to_vec(), "4"),
        file("-dash", "5"),
        file("tab\there/ü/\u{202e}", "6"),
        link("link to \n", b"tar\xffget\n".to_vec()),
    ]);
}

#[test]
fn long_names_and_link_targets_are_split_or_put_into_pax_records() {
    let mut items = Vec::new();
    for length in [85, 86, 87, 88, 89, 90, 99, 100, 101, 155, 156, 200, 255] {
        items.push(file("f".repeat(length), "file"));
        items.push(file(format!("{}/x", "d".repeat(length)), "in a folder"));
        items.push(file(format!("p{length}/{}/{}", "e".repeat(length), "g".repeat(99)), "both"));
        items.push(link(format!("link{length}"), "t".repeat(length)));
        items.push(submodule(format!("sub/{}", "s".repeat(length))));
    }
    items.push(file(format!("{}/end", ["deep"; 80].join("/")), "many folders"));
    items.push(file(format!("n{}\nl", "w".repeat(240)), "long, with a line break"));
    same_as_git(&items);
}

#[test]
fn export_ignore_hides_what_git_hides() {
    let written = same_as_git(&[
        file(
            ".gitattributes",
            "*.secret export-ignore\nkeep.secret -export-ignore\ndocs/ export-ignore\nfile/ export-ignore\n\
             /top export-ignore\nsub export-ignore\nall/** export-ignore\n[attr]gone export-ignore\n\
             via-macro gone\nonly/x export-ignore\n\"sp ace\" export-ignore\nbad$name export-ignore\n\
             !neg export-ignore\nvalue export-ignore=yes\n",
        ),
        file("a.secret", "1"),
        file("keep.secret", "2"),
        file("docs/page", "3"),
        file("other/docs/page", "4"),
        file("file", "5"),
        file("top", "6"),
        file("x/top", "7"),
        submodule("sub"),
        file("all/a/b", "8"),
        file("via-macro", "9"),
        file("only/x", "10"),
        file("sp ace", "11"),
        file("neg", "12"),
        file("value", "13"),
        file(
            "nest/.gitattributes",
            "*.c export-ignore\n!*.h export-ignore\n[attr]no export-ignore\nz no\n",
        ),
        file("nest/a.c", "14"),
        file("nest/a.h", "15"),
        file("nest/z", "16"),
        file("nest/d/.gitattributes", "*.c !export-ignore\n"),
        file("nest/d/a.c", "17"),
        file("linked/x", "18"),
        link("linked/.gitattributes", "x export-ignore"),
        file("bom/.gitattributes", "\u{feff}x export-ignore\n"),
        file("bom/x", "19"),
        file("crlf/.gitattributes", "x export-ignore\r\ny export-ignore\r\n"),
        file("crlf/x", "20"),
        file(
            "long/.gitattributes",
            format!("x export-ignore {}\ny export-ignore\n", "a ".repeat(1100)),
        ),
        file("long/x", "21"),
        file("long/y", "22"),
        file("nul/.gitattributes", "x export-ignore\0\ny export-ignore\n"),
        file("nul/x", "23"),
        file("nul/y", "24"),
    ]);
    let hidden = ["a.secret", "docs/", "other/docs/", "only/x", "via-macro", "sub/", "nest/a.c"];
    for path in hidden {
        assert!(written.hidden.contains(&path.into()), "{path} is hidden: {:?}", written.hidden);
    }
    assert!(!written.hidden.contains(&"keep.secret".into()));
}

/// Content that tells the kinds of line ends and text apart.
fn texts() -> Vec<(&'static str, Vec<u8>)> {
    let mostly_text = |odd: usize| [vec![b'a'; 128 * 3], vec![1; odd], b"\n".to_vec()].concat();
    vec![
        ("lf", b"one\ntwo\n".to_vec()),
        ("crlf", b"one\r\ntwo\r\n".to_vec()),
        ("mixed", b"one\r\ntwo\n".to_vec()),
        ("cr", b"one\rtwo\n".to_vec()),
        ("crcrlf", b"one\r\r\ntwo\n".to_vec()),
        ("no-end", b"one\ntwo".to_vec()),
        ("none", b"one".to_vec()),
        ("empty", vec![]),
        ("nul", b"one\0\n".to_vec()),
        ("odd3", mostly_text(3)),
        ("odd4", mostly_text(4)),
        ("eof", b"one\n\x1a".to_vec()),
        ("control", b"\x08\x0c\x1b\t\n".to_vec()),
        ("del", b"\x7f\n".to_vec()),
        ("umlaut", "grün\n€ 𝄞\n".as_bytes().to_vec()),
        ("latin", "grün\n".as_bytes().to_vec()),
        ("broken", b"gr\xfcn\n".to_vec()),
        ("marked", "\u{feff}x\n".as_bytes().to_vec()),
        ("id", b"$Id$ $Id: 0123 $ $Id: a b $ $Id:x\n$ $Id:$ $$Id$$ $Id".to_vec()),
        ("id2", b"$Id: x$\n$Idx$ $ID$ $Id: $".to_vec()),
        ("id3", b"$Id:  $ $Id:a $ $Id: keep this$".to_vec()),
    ]
}

#[test]
fn worktree_conversion_is_gits() {
    let wishes = [
        "text",
        "-text",
        "text=auto",
        "text=input",
        "text=other",
        "eol=crlf",
        "eol=lf",
        "text eol=crlf",
        "text=auto eol=crlf",
        "text=auto eol=lf",
        "-text eol=crlf",
        "text=input eol=crlf",
        "crlf",
        "-crlf",
        "crlf=input",
        "crlf=auto eol=crlf",
        "text=other crlf eol=crlf",
        "-crlf eol=crlf",
        "binary eol=crlf",
        "ident",
        "ident eol=crlf",
        "ident=yes",
        "filter=lfs",
        "working-tree-encoding=UTF-16",
        "working-tree-encoding=utf-16le",
        "working-tree-encoding=UTF-16BE eol=crlf text",
        "working-tree-encoding=UTF-16LE-BOM",
        "working-tree-encoding=UTF-16BE-BOM ident",
        "working-tree-encoding=UTF-32",
        "working-tree-encoding=UTF-32BE",
        "working-tree-encoding=UTF-32LE",
        "working-tree-encoding=ISO-8859-1",
        "working-tree-encoding=ascii",
        "working-tree-encoding=utf8",
        "working-tree-encoding=",
        "working-tree-encoding=latin1 export-subst",
    ];
    let mut items = Vec::new();
    for (number, wish) in wishes.iter().enumerate() {
        items.push(file(format!("{number}/.gitattributes"), format!("* {wish}\n")));
        for (name, content) in texts() {
            items.push(file(format!("{number}/{name}"), content));
        }
    }
    let written = same_as_git(&items);
    assert!(written.converted.contains(&"5/lf".into()));
    assert!(!written.converted.contains(&"5/crlf".into()));
}

const PLACEHOLDERS: &str = "$Format:%H %h %T %t %P %p$ $Format:%an|%ae|%al|%aN|%aE|%aL|%at|%ad|%aD|%ai|%aI|%as$ \
    $Format:%cn|%ce|%cl|%cN|%cE|%cL|%ct|%cd|%cD|%ci|%cI|%cs$ $Format:%s|%f|%e|%m$ $Format:%b$ $Format:%B$ \
    $Format:%n%%%x41%x4%xzz%%n$ $Format:%d|%D|%(decorate)|%(decorate:prefix=x)|%S|%N$ \
    $Format:%Cred|%Creset|%C(red)|%C(auto)|%C(open|%Cmauve$ $Format:%G?|%GG|%GS|%GK|%GF|%GP|%GT|%Gx$ \
    $Format:%gd|%gD|%gn|%gs|%gx|%q|%a|%aZ|%(nope)|%w|%$ $Format:%+s|%+d|% s|% d|%-s|%+e|%+q|%+w(1)$ \
    $Format:x%n%n%-d$ $Format: $ $Format$ $Format:%H";

#[test]
fn export_subst_is_expanded_as_git_does_without_refs() {
    let messages: [&[u8]; 7] = [
        b"Fix: the  thing... (x)  \nsecond line \n\n\nbody\n\nmore  \n",
        b"",
        b"\n\n  indented\n \nbody",
        b"one line",
        b"...dots..and--dashes..\n",
        b"a\n\n\n\n",
        b"ends in. \n\n$Format:%H$\n",
    ];
    for message in messages {
        let world = World::new();
        let items = [
            file(".gitattributes", "* export-subst\n"),
            file("version", PLACEHOLDERS),
            file("z", ""),
        ];
        let root = world.commit_with(&items, message, "1112911993 +0530", &[]);
        same_in(&world, &root);
        let child = world.commit_with(&items, message, "951827696 -0730", &[&root]);
        let merge = world.commit_with(&items, message, "1234567890 +0000", &[&root, &child]);
        let written = same_in(&world, &merge);
        assert_eq!(written.names_refs, paths(&["version"]));
        assert_eq!(written.converted, paths(&["version"]));
    }
}

#[test]
fn one_describe_is_expanded_in_an_archive_and_it_is_the_first() {
    for describe in [
        "%(describe)",
        "%(describe:tags)",
        "%(describe:tags=true,match=v*)",
        "%(describe:abbrev=4)",
        "%(describe:abbrev=x)",
        "%(describe:other)",
        "%(describe:match=)",
        "%(describe",
        "%(describex)",
        "%(describe:tags=maybe)",
        "%(describe:tags=maybe,tags)",
        "%(describe:tags,)",
        "%(describe:tags=2)",
        "%(describe:exclude=*rc*,tags)",
        "%(describe:)",
    ] {
        let content = format!("a $Format:{describe}$ b $Format:{describe}$ c\n");
        let written = same_as_git(&[
            file(".gitattributes", "* export-subst\nplain -export-subst\n"),
            file("0", "none"),
            file("a/plain", content.clone()),
            file("b/first", content.clone()),
            file("c", content),
        ]);
        assert_eq!(written.names_refs[0], "b/first");
    }
}

#[test]
fn placeholders_without_a_fixed_answer_are_refused_by_name() {
    for placeholder in
        ["%ar", "%ch", "%w(10,2)", "%<(20)", "%>|(4)", "%(trailers:key=x)", "%C(always,red)"]
    {
        let world = World::new();
        let id = world.commit(&[
            file(".gitattributes", "* export-subst\n"),
            file("v", format!("$Format:{placeholder}%s$")),
        ]);
        let (store, commit) = world.open(&id);
        let (code, message) = refusal_of(archive(&store, &commit, 2));
        assert_eq!(code, "export-subst-unsupported");
        assert!(message.contains(&format!("`{placeholder}`")), "{message}");
    }
}

#[test]
fn words_without_end_are_refused() {
    let world = World::new();
    let content = "$Format:%B%B%B%B$".repeat(2_000);
    let items = [file(".gitattributes", "v export-subst\n"), file("v", content)];
    let id = world.commit_with(&items, &[b'm'; 20_000], "1 +0000", &[]);
    let (store, commit) = world.open(&id);
    let (code, message) = refusal_of(archive(&store, &commit, 2));
    assert_eq!((code, message.contains("more than 64 MiB")), ("export-subst-unsupported", true));
}

#[test]
fn latin_1_commits_are_read_by_their_encoding() {
    let world = World::new();
    let items = [
        file(".gitattributes", "* export-subst\n"),
        file("plain", "$Format:%an|%s|%b|%e$ $Format:%an$ \u{e9}"),
        file("before", "\u{e9} $Format:%H$ $Format:%at$ $Format:%q$"),
        file("foreign", "\u{20ac} $Format:%at$ $Format:%an$"),
        file("bytes", b"\xff $Format:%an$ \xff".to_vec()),
    ];
    let id = world.commit_raw(&items, |tree| {
        let mut raw =
            format!("tree {tree}\nauthor J\u{f6} <j@x> 1 +0000\ncommitter C <c@y> 2 +0000\n");
        raw += "encoding ISO-8859-1\n\ngr\u{fc}n\n\nB\u{f6}dy\n";
        raw.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect()
    });
    same_in(&world, &id);
}

#[test]
fn commit_times_out_of_the_ordinary_are_git_s_or_refused() {
    let with_time = |world: &World, time: &str| {
        let items = [file(".gitattributes", "v export-subst\n"), file("v", "$Format:%at$")];
        world.commit_raw(&items, |tree| {
            format!("tree {tree}\nauthor A <a@x> 5 +0000\ncommitter C <c@y> {time}\n\nm\n")
                .into_bytes()
        })
    };
    for time in
        ["0 +0000", "8589934591 +0000", "8589934592 +0000", "99999999999 +0000", "12x +0000", "x"]
    {
        let world = World::new();
        let id = with_time(&world, time);
        same_in(&world, &id);
    }
    for time in ["-1 +0000", "18446744073709551615 +0000"] {
        let world = World::new();
        let id = with_time(&world, time);
        let (store, commit) = world.open(&id);
        assert_eq!(refusal_of(archive(&store, &commit, 2)).0, "commit-time-unusable", "{time}");
    }
}

#[test]
fn encodings_that_cannot_be_exact_are_refused() {
    for wish in
        ["working-tree-encoding=SHIFT-JIS", "working-tree-encoding", "-working-tree-encoding"]
    {
        let world = World::new();
        let id = world.commit(&[file(".gitattributes", format!("x {wish}\n")), file("x", "x\n")]);
        let (store, commit) = world.open(&id);
        assert_eq!(refusal_of(archive(&store, &commit, 2)).0, "encoding-unsupported", "{wish}");
    }
}

#[test]
fn hostile_tree_entries_are_refused() {
    for name in ["..", ".", ".git", ".GIT", "a/b", ""] {
        let world = World::new();
        let id = world.commit_of_one_raw_entry(name);
        let (store, commit) = world.open(&id);
        assert_eq!(refusal_of(archive(&store, &commit, 2)).0, "hostile-path", "{name:?}");
    }
}

/// A tree of several blocks with a large file in it.
fn some_megabytes() -> Vec<Item> {
    let noise = |seed: u32, length: usize| -> Vec<u8> {
        let step = |x: &mut u32| {
            *x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some(if *x >> 30 == 0 { (*x >> 16) as u8 } else { b'a' + (*x >> 28) as u8 })
        };
        std::iter::successors(Some(seed), |x| Some(*x))
            .scan(seed, |x, _| step(x))
            .take(length)
            .collect()
    };
    let mut items: Vec<Item> = (0..400)
        .map(|n| file(format!("d{}/f{n}", n % 7), noise(n, 5_000 + n as usize * 37)))
        .collect();
    items.push(file("large", noise(7, 3_000_000)));
    items.push(file("z", "after"));
    items
}

#[test]
fn any_number_of_workers_gives_the_same_bytes() {
    let world = World::new();
    let (store, commit) = world.open(&world.commit(&some_megabytes()));
    let (first, written) = archive(&store, &commit, 1).expect("it is archived");
    for workers in [2, 3, 7, 0, 2] {
        let (again, same) = archive(&store, &commit, workers).expect("it is archived");
        assert!(again == first && same == written, "{workers} workers");
    }
    assert!(gunzip(&first) == world.git_archive(&commit.id.to_string(), PREFIX));
    let mut tar = Vec::new();
    write_tar(&store, &commit, "hello-1.0", &mut tar, 3).expect("it is archived");
    assert!(tar == gunzip(&first));
}

#[test]
fn the_hash_and_the_size_are_those_of_the_file() {
    let world = World::new();
    let (store, commit) = world.open(&world.commit(&some_megabytes()));
    let (packed, written) = archive(&store, &commit, 2).expect("it is archived");
    assert_eq!(written.sha512, world.sha512sum(&packed));
    let gzip = world.gzip(&gunzip(&packed));
    assert!(
        packed.len() * 100 <= gzip.len() * 101,
        "{} against {}",
        packed.len(),
        gzip.len()
    );
    assert!(gunzip(&packed) == world.gunzip(&packed), "gzip reads it");
}

/// A changed hash means that every archive gets another name in every lookaside cache: that a library
/// was updated is no reason to accept it without a word in the release notes.
#[test]
fn the_bytes_of_a_known_tree_are_pinned() {
    let world = World::new();
    let (store, commit) = world.open(&world.commit(&some_megabytes()));
    let (_, written) = archive(&store, &commit, 2).expect("it is archived");
    assert_eq!(written.sha512[..32], *"b73b6922250199a42f111bc06bf9ff38");
}

#[test]
fn progress_ends_at_the_length_of_the_stream() {
    let world = World::new();
    let (store, commit) = world.open(&world.commit(&some_megabytes()));
    let mut seen = Vec::new();
    let mut note = |packed| seen.push(packed);
    let written =
        write(&store, &commit, PREFIX, &mut Vec::new(), 2, Some(&mut note)).expect("written");
    assert!(seen.is_sorted());
    assert_eq!(seen.last(), Some(&written.tar_size));
}

/// Takes so many bytes, then fails as a closed pipe does.
struct ClosesAfter(usize);

impl Write for ClosesAfter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.0.checked_sub(bytes.len()) {
            Some(left) => self.0 = left,
            None => return Err(std::io::ErrorKind::BrokenPipe.into()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_hangs_up_ends_the_work() {
    let world = World::new();
    let (store, commit) = world.open(&world.commit(&some_megabytes()));
    for workers in [1, 2, 5] {
        for room in [0, 10, 100_000, 1_000_000] {
            let result = write(&store, &commit, PREFIX, &mut ClosesAfter(room), workers, None);
            assert!(matches!(result, Err(Fault::Failed(p)) if p.code.0 == "archive-not-written"));
        }
    }
}

#[test]
fn objects_that_are_damaged_or_missing_are_refused_by_id() {
    let world = World::new();
    let mut items = some_megabytes();
    items.truncate(60);
    let id = world.commit(&items);
    let blob = world.blob_at(&id, "d3/f3");
    for (damage, code) in [(b"blob 3\0bad".as_slice(), "object-corrupt"), (b"", "object-missing")] {
        world.replace_loose(&blob, damage);
        let (store, commit) = world.open(&id);
        let (found, message) = refusal_of(archive(&store, &commit, 2));
        assert_eq!((found, message.contains(&blob)), (code, true), "{message}");
    }
}

#[test]
fn a_proof_fails_for_any_difference_and_names_it() {
    let world = World::new();
    let base = vec![
        file(".gitattributes", "v export-subst\n"),
        file("a", "a"),
        file("b", "b"),
        link("l", "a"),
        file("v", "$Format:%s$"),
    ];
    let (store, commit) = world.open(&world.commit(&base));
    let (good, written) = archive(&store, &commit, 2).expect("it is archived");
    let tar = gunzip(&good);
    let cases: [(Vec<u8>, &str); 4] = [
        (world::without_entry(&tar, "hello-1.0/b"), "`b` is missing"),
        (
            world::with_renamed_entry(&tar, "hello-1.0/b", "hello-1.0/c"),
            "`c` is in the archive and not",
        ),
        (world::with_content(&tar, "hello-1.0/b", b'x'), "`b` has other content"),
        (
            world::with_content(&tar, "hello-1.0/v", b'x'),
            "`v` is not what its attributes make",
        ),
    ];
    for (tar, expected) in cases {
        let packed = world.gzip(&tar);
        let (code, message) = refusal_of(prove(&packed[..], &store, &commit, &written, PREFIX));
        assert_eq!(code, "tree-identity");
        assert!(message.contains(expected), "{expected}: {message}");
    }
    let (_, message) =
        refusal_of(prove(&good[..good.len() - 9], &store, &commit, &written, PREFIX));
    assert!(message.contains("cannot be read to its end"), "{message}");
    let longer = [&good[..], b"more"].concat();
    let (_, message) = refusal_of(prove(&longer[..], &store, &commit, &written, PREFIX));
    assert!(message.contains("bytes after its end"), "{message}");
    let more = Written { hidden: paths(&["b"]), ..written.clone() };
    assert_eq!(refusal_of(prove(&good[..], &store, &commit, &more, PREFIX)).0, "tree-identity");
    let none = Written { converted: vec![], ..written };
    assert_eq!(refusal_of(prove(&good[..], &store, &commit, &none, PREFIX)).0, "tree-identity");
}

#[test]
fn this_repository_is_archived_as_git_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let id = world::head_of(path);
    let store = Store::open(path, Trust::InPlace).expect("this repository opens");
    let commit = store.objects().commit(&id.parse().expect("an id")).expect("HEAD is a commit");
    let (packed, written) = archive(&store, &commit, 2).expect("it is archived");
    assert!(gunzip(&packed) == world::git_archive_in(path, &id, PREFIX));
    prove(&packed[..], &store, &commit, &written, PREFIX).expect("it is proved");
}

#[test]
fn a_slow_reader_is_waited_for() {
    struct Slow<'a>(Vec<u8>, &'a AtomicBool);
    impl Write for Slow<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let part = bytes.len().min(1000);
            self.0.extend_from_slice(&bytes[..part]);
            self.1.store(true, Ordering::Relaxed);
            std::thread::yield_now();
            Ok(part)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let world = World::new();
    let (store, commit) = world.open(&world.commit(&some_megabytes()));
    let written_to = Arc::new(AtomicBool::new(false));
    let mut slow = Slow(Vec::new(), &written_to);
    write(&store, &commit, PREFIX, &mut slow, 3, None).expect("it is archived");
    assert!(written_to.load(Ordering::Relaxed));
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(&slow.0[..]).read_to_end(&mut tar).expect("it is gzip");
    assert!(tar == world.git_archive(&commit.id.to_string(), PREFIX));
}
