//! The applier against `git apply` on patches that others wrote.

use bstr::ByteSlice;

use super::*;
use crate::populate::testing::World;

fn world() -> World {
    let world = World::new();
    world.write("text", (1..=40).map(|n| format!("line {n}\n")).collect::<String>());
    world.write("same", "x\n".repeat(30));
    world.write("folder/one", "1\n");
    world.write("folder/two", "2\n");
    world.write("bin", b"\0\x01\x02");
    world.write("crlf", "a\r\nb\r\n");
    world.commit("base\n");
    world.git(&["tag", "base"]);
    world
}

/// What `git apply` makes of a patch on `base`: the tree, or a refusal.
fn by_git(world: &World, patch: &[u8]) -> Option<ObjectId> {
    world.git(&["reset", "-q", "--hard", "base"]);
    let output = world.run("git", &["apply", "--index", "-p1", "-"], &world.source(), patch);
    output.status.success().then(|| world.git(&["write-tree"]).parse().expect("an id"))
}

fn by_us(world: &World, patches: &[&[u8]]) -> Result<ObjectId, ApplyFault> {
    match series(&world.objects(), world.tree("base"), patches) {
        Ok(tree) => Ok(tree),
        Err(Stopped::Patch(fault)) => Err(fault),
        Err(Stopped::Store(fault)) => panic!("the repository failed: {fault}"),
    }
}

const TAKEN: &[(&str, &str)] = &[
    ("plain diff", "--- a/folder/one\n+++ b/folder/one\n@@ -1 +1 @@\n-1\n+one\n"),
    (
        "dates after the names",
        "--- x/folder/one\t2020-01-01 00:00:00.000000000 +0000\n\
         +++ y/folder/one\t2021-01-01 00:00:00.000000000 +0000\n@@ -1 +1 @@\n-1\n+one\n",
    ),
    (
        "words around it",
        "Fix it.\n\n--- a/folder/one\n+++ b/folder/one\n@@ -1 +1 @@ fn x()\n-1\n+one\n-- \n2.47\n",
    ),
    ("new file", "--- /dev/null\n+++ b/new/file\n@@ -0,0 +1,2 @@\n+1\n+2\n"),
    ("deleted file", "--- a/folder/one\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"),
    (
        "moved down",
        "--- a/text\n+++ b/text\n@@ -2,7 +2,7 @@\n line 20\n line 21\n line 22\n-line 23\n+LINE 23\n line 24\n line 25\n line 26\n",
    ),
    (
        "moved up, two hunks",
        "--- a/text\n+++ b/text\n@@ -12,3 +12,4 @@\n line 5\n+new\n line 6\n line 7\n@@ -32,3 +33,2 @@\n line 35\n-line 36\n line 37\n",
    ),
    (
        "nearest of many places",
        "--- a/same\n+++ b/same\n@@ -14,3 +14,4 @@\n x\n x\n+y\n x\n",
    ),
    (
        "blank context line without its blank",
        "--- /dev/null\n+++ b/new\n@@ -0,0 +1,1 @@\n+1\n\n",
    ),
    (
        "rename with change",
        "diff --git a/folder/one b/moved\nsimilarity index 50%\nrename from folder/one\nrename to moved\n\
         --- a/folder/one\n+++ b/moved\n@@ -1 +1,2 @@\n 1\n+more\n",
    ),
    (
        "rename alone",
        "diff --git a/folder/one b/x y\nsimilarity index 100%\nrename from folder/one\nrename to x y\n",
    ),
    (
        "two names change places",
        "diff --git a/folder/one b/folder/two\nsimilarity index 100%\nrename from folder/one\nrename to folder/two\n\
         diff --git a/folder/two b/folder/one\nsimilarity index 100%\nrename from folder/two\nrename to folder/one\n",
    ),
    (
        "copy",
        "diff --git a/folder/one b/copy\nsimilarity index 100%\ncopy from folder/one\ncopy to copy\n",
    ),
    (
        "no prefix to speak of",
        "diff --git i/folder/one w/folder/one\nindex d00491f..8d6318b 100644\n--- i/folder/one\n+++ w/folder/one\n@@ -1 +1 @@\n-1\n+x\n",
    ),
    (
        "carriage returns",
        "--- a/crlf\n+++ b/crlf\n@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n",
    ),
    (
        "no newline on one side",
        "--- a/folder/one\n+++ b/folder/one\n@@ -1 +1 @@\n-1\n+1\n\\ No newline at end of file\n",
    ),
];

#[test]
fn patches_by_hand_apply_as_git_applies_them() {
    let world = world();
    for (what, patch) in TAKEN {
        let theirs = by_git(&world, patch.as_bytes());
        assert!(theirs.is_some(), "git refuses: {what}");
        assert_eq!(by_us(&world, &[patch.as_bytes()]).ok(), theirs, "{what}");
    }
}

const REFUSED: &[(&str, &str)] = &[
    ("other lines", "--- a/folder/one\n+++ b/folder/one\n@@ -1 +1 @@\n-3\n+one\n"),
    ("file missing", "--- a/nowhere\n+++ b/nowhere\n@@ -1 +1 @@\n-3\n+one\n"),
    ("file there", "--- /dev/null\n+++ b/text\n@@ -0,0 +1 @@\n+1\n"),
    ("folder there", "--- /dev/null\n+++ b/folder\n@@ -0,0 +1 @@\n+1\n"),
    ("file as folder", "--- /dev/null\n+++ b/text/x\n@@ -0,0 +1 @@\n+1\n"),
    ("content left", "--- a/text\n+++ /dev/null\n@@ -1 +0,0 @@\n-line 1\n"),
    ("outside", "--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+1\n"),
    ("git's own", "--- /dev/null\n+++ b/.git/config\n@@ -0,0 +1 @@\n+1\n"),
    ("cut off", "--- a/text\n+++ b/text\n@@ -1,3 +1,3 @@\n line 1\n-line 2\n"),
    ("no diff", "Only words.\n"),
    ("hunk alone", "@@ -1 +1 @@\n-1\n+2\n"),
    (
        "binary without content",
        "diff --git a/bin b/bin\nindex 123..456 100644\nBinary files a/bin and b/bin differ\n",
    ),
    (
        "top hunk further down",
        "--- a/text\n+++ b/text\n@@ -1,2 +1,2 @@\n-line 3\n+LINE 3\n line 4\n",
    ),
    (
        "last hunk further up",
        "--- a/text\n+++ b/text\n@@ -3,2 +3,2 @@\n line 3\n-line 4\n+LINE 4\n",
    ),
    (
        "binary for other content",
        "diff --git a/bin b/bin\nindex 1111111111111111111111111111111111111111..\
         2222222222222222222222222222222222222222 100644\nGIT binary patch\nliteral 0\nHcmV?d00001\n\n\n",
    ),
];

#[test]
fn what_git_refuses_is_refused_with_the_place() {
    let world = world();
    let good = TAKEN[0].1.as_bytes();
    for (what, patch) in REFUSED {
        assert_eq!(by_git(&world, patch.as_bytes()), None, "git takes: {what}");
        let fault = by_us(&world, &[good, patch.as_bytes()]).expect_err(what);
        assert_eq!(fault.patch, 1, "{what}");
        assert!(fault.to_string().starts_with("patch 2"), "{fault}");
    }
}

#[test]
fn fault_names_file_and_hunk() {
    let world = world();
    let patch = b"--- a/text\n+++ b/text\n@@ -1,2 +1,2 @@\n-line 1\n+LINE 1\n line 2\n\
        @@ -8,2 +8,2 @@\n line 8\n-line 10\n+x\n";
    let fault = by_us(&world, &[patch]).expect_err("line 10 does not follow line 8");
    assert_eq!((fault.file.as_bstr(), fault.hunk), (b"text".as_bstr(), Some(2)));
    assert_eq!(
        fault.to_string(),
        "patch 1, text, hunk 2: the lines to be changed are not in the file"
    );
}

#[test]
fn later_patches_see_what_earlier_ones_did() {
    let world = world();
    let steps = [
        "--- /dev/null\n+++ b/n/e/w\n@@ -0,0 +1 @@\n+1\n",
        "--- a/n/e/w\n+++ b/n/e/w\n@@ -1 +1 @@\n-1\n+2\n",
        "--- a/n/e/w\n+++ /dev/null\n@@ -1 +0,0 @@\n-2\n",
        "--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+file\n",
        "--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-file\n",
    ];
    let patches: Vec<&[u8]> = steps.iter().map(|step| step.as_bytes()).collect();
    assert_eq!(by_us(&world, &patches), Ok(world.tree("base")));
    assert_eq!(by_us(&world, &[]), Ok(world.tree("base")));
}

#[test]
fn tree_may_end_empty() {
    let world = World::new();
    world.write("only", "1\n");
    world.commit("base\n");
    world.git(&["tag", "base"]);
    let got = by_us(&world, &[b"--- a/only\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"]);
    assert_eq!(got, Ok("4b825dc642cb6eb9a060e54bf8d69288fbee4904".parse().expect("an id")));
}

#[test]
fn nothing_is_written_into_the_repository() {
    let world = world();
    let count = || world.git(&["count-objects"]);
    let before = count();
    by_us(&world, &[TAKEN[0].1.as_bytes()]).expect("it applies");
    assert_eq!(count(), before);
}

proptest::proptest! {
    /// Bytes from outside never make the parser or the applier panic.
    #[test]
    fn any_bytes_are_taken_or_refused(
        head in proptest::sample::select(TAKEN.iter().map(|(_, patch)| *patch).collect::<Vec<_>>()),
        cut in 0..400_usize,
        tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
    ) {
        let head = &head.as_bytes()[..cut.min(head.len())];
        let patch = [head, &tail[..]].concat();
        if let Ok(files) = parse::parse(&patch) {
            for file in &files {
                let _ = changed(&file.content, b"line 1\nline 2\n");
            }
        }
    }
}
