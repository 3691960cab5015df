//! Every kind of change against git, GNU patch and our own applier.

mod mails;
mod pinned;
mod series;

use bstr::ByteSlice;

use super::*;
use crate::populate::apply;
use crate::populate::identity::{Applier, ApplierCause, applier_faults};
use crate::populate::testing::World;

/// One kind of change: its name, how it is made, and what the appliers cannot carry about it.
type Case = (&'static str, fn(&World), &'static [ApplierCause]);

fn base(world: &World) {
    world.write("text", "a\nb\nc\n");
    world.write("bin", b"bin\0x");
    world.write("bin2", b"bin\0x");
    world.write("empty", "");
    world.write("em pty", "");
    world.link("text", "link");
    world.link("text", "link2");
    world.write("sp ace", "x\ny\n");
    world.write("caf\u{e9}", "x\ny\n");
    world.write("q\"uote", "x\ny\n");
    world.write("tab\tname", "x\n");
    world.write("crlf", "x\r\ny\r\n");
    world.write("script", "#!/bin/sh\n");
    world.write("sc ript", "#!/bin/sh\n");
    world.write("folder/x", "1\n");
    world.write("folder/deep/y", "1\n");
    world.write("no-newline", "x\ny");
    world.write("long", (0..200).map(|n| format!("    line {}\n", n % 7)).collect::<String>());
    world.write("-dash", "x\n");
    world.write("trail ", "x\n");
    world.write("nul", [&[b'0'; 9000][..], b"\nX\0\nend\n"].concat());
    world.commit("base\n");
    world.git(&["tag", "base"]);
}

const CASES: &[Case] = &[
    ("text", |w| w.write("text", "a\nB\nc\n"), &[]),
    ("first and last line", |w| w.write("text", "A\nb\nc\nd\n"), &[]),
    ("new file", |w| w.write("new", "n\n"), &[]),
    ("new file in new folders", |w| w.write("n/e/w", "n\n"), &[]),
    ("deleted file", |w| w.remove("text"), &[]),
    ("deleted folder", |w| w.remove("folder"), &[]),
    ("emptied file", |w| w.write("text", ""), &[]),
    ("filled file", |w| w.write("empty", "x\n"), &[]),
    ("new empty file", |w| w.write("new", ""), &[]),
    ("new empty file with a space", |w| w.write("n ew", ""), &[]),
    ("deleted empty file", |w| w.remove("empty"), &[]),
    ("deleted empty file with a space", |w| w.remove("em pty"), &[]),
    (
        "two new empty files",
        |w| {
            w.write("n1", "");
            w.write("n2", "");
        },
        &[],
    ),
    ("binary", |w| w.write("bin", b"bin\0y"), &[ApplierCause::Binary]),
    ("new binary", |w| w.write("new", b"\0\x01\xff"), &[ApplierCause::Binary]),
    ("deleted binary", |w| w.remove("bin2"), &[ApplierCause::Binary]),
    ("binary becomes text", |w| w.write("bin", "text\n"), &[ApplierCause::Binary]),
    (
        "large binary with a delta",
        |w| w.write("bin", large(1)),
        &[ApplierCause::Binary],
    ),
    ("new link", |w| w.link("nowhere", "new"), &[]),
    ("new link with a space", |w| w.link("nowhere", "n ew"), &[]),
    ("changed link", |w| w.link("other", "link"), &[]),
    ("deleted link", |w| w.remove("link"), &[]),
    ("link becomes file", |w| w.write("link", "now\n"), &[]),
    ("file becomes link", |w| w.link("x", "text"), &[]),
    ("mode", |w| w.set_executable("script"), &[]),
    ("mode with a space", |w| w.set_executable("sc ript"), &[]),
    (
        "mode and text",
        |w| {
            w.write("script", "#!/bin/sh\nx\n");
            w.set_executable("script");
        },
        &[],
    ),
    (
        "new executable empty file",
        |w| {
            w.write("new", "");
            w.set_executable("new");
        },
        &[],
    ),
    ("space in a name", |w| w.write("sp ace", "x\nz\n"), &[]),
    ("new file with a space", |w| w.write("n ew/sp ace", "x\n"), &[]),
    ("deleted file with a space", |w| w.remove("sp ace"), &[]),
    ("space at the end of a name", |w| w.write("trail ", "y\n"), &[]),
    ("new file with spaces around", |w| w.write(" new ", "y\n"), &[]),
    ("accent in a name", |w| w.write("caf\u{e9}", "x\nz\n"), &[]),
    ("quote in a name", |w| w.write("q\"uote", "x\nz\n"), &[]),
    ("backslash in a name", |w| w.write("back\\slash", "x\nz\n"), &[]),
    ("tab in a name", |w| w.write("tab\tname", "y\n"), &[]),
    ("line feed in a name", |w| w.write("line\nfeed", "y\n"), &[]),
    ("dash at the start of a name", |w| w.write("-dash", "y\n"), &[]),
    (
        "carriage returns",
        |w| w.write("crlf", "x\r\nz\r\n"),
        &[ApplierCause::CarriageReturn],
    ),
    (
        "new with carriage returns",
        |w| w.write("new", "x\r\n"),
        &[ApplierCause::CarriageReturn],
    ),
    (
        "carriage returns go",
        |w| w.write("crlf", "x\ny\n"),
        &[ApplierCause::CarriageReturn],
    ),
    (
        "return at the very end",
        |w| w.write("text", "x\r"),
        &[ApplierCause::CarriageReturn],
    ),
    ("return within a line", |w| w.write("text", "a\rb\nc\n"), &[]),
    ("no newline at the end", |w| w.write("no-newline", "x\nz"), &[]),
    ("newline at the end comes", |w| w.write("no-newline", "x\ny\n"), &[]),
    ("newline at the end goes", |w| w.write("text", "a\nb\nc"), &[]),
    ("new without newline", |w| w.write("new", "x"), &[]),
    (
        "late NUL in a text",
        |w| w.write("nul", [&[b'0'; 9000][..], b"\nX\0\nmo\0re\nend\n"].concat()),
        &[],
    ),
    ("slider", |w| w.write("long", slid()), &[]),
    (
        "folder becomes file",
        |w| {
            w.remove("folder");
            w.write("folder", "file\n");
        },
        &[ApplierCause::FileAndFolder],
    ),
    (
        "file becomes folder",
        |w| {
            w.remove("text");
            w.write("text/x", "x\n");
        },
        &[ApplierCause::FileAndFolder],
    ),
    (
        "folder becomes link",
        |w| {
            w.remove("folder");
            w.link("text", "folder");
        },
        &[ApplierCause::FileAndFolder],
    ),
    (
        "lines that look like headers",
        |w| w.write("text", "a\n-- x\n++ y\nFrom z\n---\nc\n"),
        &[],
    ),
];

/// Bytes without any pattern, always the same.
fn large(seed: u32) -> Vec<u8> {
    let step = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(seed), step).take(20_000).flat_map(u32::to_be_bytes).collect()
}

fn slid() -> String {
    let mut lines: Vec<String> = (0..200).map(|n| format!("    line {}\n", n % 7)).collect();
    lines.splice(20..20, (0..7).map(|n| format!("    line {}\n", n % 7)));
    lines.splice(90..97, []);
    lines.splice(150..150, ["\n".to_owned(), "{\n".to_owned()]);
    lines.concat()
}

/// Puts each case on a branch of its own and returns its one patch.
fn each_case(world: &World, mut check: impl FnMut(&Case, &Patch)) {
    base(world);
    for case in CASES {
        world.git(&["checkout", "-q", "-f", "--detach", "base"]);
        case.1(world);
        world.commit(format!("{}\n", case.0));
        let series = world.series("base", "HEAD");
        assert_eq!(series.patches.len(), 1, "{}", case.0);
        check(case, &series.patches[0]);
    }
}

#[test]
fn every_kind_of_change_is_carried_by_whoever_is_said_to_carry_it() {
    let world = World::new();
    each_case(&world, |case, patch| {
        let wanted = world.tree("HEAD");
        diff_equals_that_of_git(&world, case, patch);
        changes_equal_those_of_git(&world);
        let ours = apply::series(&world.objects(), world.tree("base"), &[&patch.bytes]);
        assert_eq!(ours.expect(case.0), wanted, "{}", case.0);
        let named = [(&patch.file_name, &patch.bytes[..])];
        let mut causes = Vec::new();
        for applier in [Applier::Patch, Applier::Git, Applier::GitAm] {
            let faults = applier_faults(&named, applier);
            let got = applied_by(&world, applier, &patch.bytes);
            assert_eq!(faults.is_empty(), got == Ok(wanted), "{} with {applier}: {got:?}", case.0);
            causes.extend(faults.iter().map(|fault| fault.cause));
        }
        causes.dedup();
        assert_eq!(causes, case.2, "{}", case.0);
    });
}

fn changes_equal_those_of_git(world: &World) {
    let (objects, old, new) = (world.objects(), world.tree("base"), world.tree("HEAD"));
    let changes = objects.changes(&old, &new, &|_| false).expect("the trees are sound");
    let shown = |side: Option<crate::git::Side>| match side {
        Some(side) => (side.mode.octal().to_owned(), side.id.to_string()),
        None => ("000000".to_owned(), "0".repeat(40)),
    };
    let mut ours = String::new();
    for change in changes {
        let ((old_mode, old_id), (new_mode, new_id)) = (shown(change.old), shown(change.new));
        ours += &format!(":{old_mode} {new_mode} {old_id} {new_id}\0{}\0", change.path);
    }
    let (old, new) = (old.to_string(), new.to_string());
    let args = ["diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", &old, &new];
    let theirs = world.git(&args);
    let without_status = |text: &str| {
        let fields =
            text.split('\0').map(|f| f.trim_end_matches([' ', 'A', 'D', 'M', 'T']).to_owned());
        fields.collect::<Vec<_>>()
    };
    assert_eq!(without_status(&ours), without_status(&theirs));
}

/// Applies a patch on `base` with the tool itself: the tree, or what the tool said.
fn applied_by(world: &World, applier: Applier, patch: &[u8]) -> Result<ObjectId, String> {
    match applier {
        Applier::Git => {
            world.git(&["reset", "-q", "--hard", "base"]);
            let args = ["apply", "--index", "--reject", "-p1", "-"];
            told(world.run("git", &args, &world.source(), patch))?;
            Ok(world.git(&["write-tree"]).parse().expect("an id"))
        }
        Applier::GitAm => {
            world.git(&["reset", "-q", "--hard", "base"]);
            let result = told(world.run("git", &["am", "-q", "-p1"], &world.source(), patch));
            if result.is_err() {
                world.git(&["am", "--abort"]);
            }
            result.map(|()| world.tree("HEAD"))
        }
        _ => {
            let folder = world.unpack("base", "prepared");
            let args = ["-p1", "-s", "--fuzz=0", "--no-backup-if-mismatch", "-f"];
            told(world.run("patch", &args, &folder, patch))?;
            Ok(world.tree_of(&folder))
        }
    }
}

fn told(output: std::process::Output) -> Result<(), String> {
    let words = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(words.to_str_lossy().into_owned()) }
}

fn diff_equals_that_of_git(world: &World, case: &Case, patch: &Patch) {
    let (theirs, ours) = (normal(&format_patch(world, "base..HEAD")), normal(&patch.bytes));
    if ours.contains_str("\"a/") && !ours.contains(&b'\\') {
        // A name that we quote for GNU patch's sake and git does not.
        assert!(case.0.contains("space"), "{}", case.0);
    } else if case.2.contains(&ApplierCause::Binary) {
        // Another compressor: the patches say the same in other bytes.
        assert_eq!(patch_id(world, &theirs), patch_id(world, &ours), "{}", case.0);
    } else {
        assert_eq!(theirs.as_bstr(), ours.as_bstr(), "{}", case.0);
    }
}

fn format_patch(world: &World, range: &str) -> Vec<u8> {
    let args = ["format-patch", "-N", "--no-renames", "--full-index", "--binary", "--no-stat"];
    let more = ["--no-signature", "--zero-commit", "--stdout", range];
    let output = world.run("git", &[&args[..], &more].concat(), &world.source(), b"");
    assert!(output.status.success());
    output.stdout
}

/// The diff alone, without the function names after the second `@@`.
fn normal(patch: &[u8]) -> Vec<u8> {
    let start = patch.find(b"\ndiff --git ").map_or(0, |at| at + 1);
    let mut text = Vec::new();
    for line in patch[start..].lines_with_terminator() {
        match line.strip_prefix(b"@@ ").and_then(|rest| rest.find(b" @@")) {
            Some(end) => text.extend_from_slice(&[&line[..3 + end + 3], b"\n"].concat()),
            None => text.extend_from_slice(line),
        }
    }
    // Between two mails git leaves a blank line.
    while text.ends_with(b"\n\n") && !text.contains_str("GIT binary patch") {
        text.pop();
    }
    text
}

fn patch_id(world: &World, diff: &[u8]) -> String {
    let output = world.run("git", &["patch-id", "--stable"], &world.source(), diff);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// The hunks of a stream of patches, without mails and function names.
fn normal_all(stream: &[u8]) -> Vec<u8> {
    let starts =
        [&b"diff "[..], b"index ", b"--- a", b"--- /", b"+++ ", b"@@", b"+", b"-", b" ", b"\\"];
    let is_diff =
        |line: &&[u8]| starts.iter().any(|start| line.starts_with(start)) && *line != b"---\n";
    normal(&stream.lines_with_terminator().filter(is_diff).collect::<Vec<_>>().concat())
}
