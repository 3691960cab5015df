//! Series: merges, trailers, packaging paths, names, the cache, and random histories.

use proptest::prelude::*;

use super::super::*;
use super::format_patch;
use crate::outcome::Fault;
use crate::populate::testing::World;
use crate::populate::{apply, identity};

fn world() -> World {
    let world = World::new();
    world.write("text", "a\nb\nc\n");
    world.write("other", "1\n2\n3\n");
    world.commit("base\n");
    world.git(&["tag", "base"]);
    world
}

fn with_rules(world: &World, rules: &PatchRules, taken: &[FileName]) -> Result<Series> {
    series(&world.store(), &world.steps("base", "HEAD"), rules, taken, 2, None)
}

fn refusal(result: Result<Series>) -> (&'static str, String) {
    match result {
        Err(Fault::Refused(refusal)) => (refusal.code.0, refusal.message),
        Err(Fault::Failed(problem)) => panic!("a problem, no refusal: {problem}"),
        Ok(_) => panic!("it was not refused"),
    }
}

fn names(series: &Series) -> Vec<&str> {
    series.patches.iter().map(|patch| patch.file_name.as_str()).collect()
}

/// Applies the series to `base` by our applier and by one `git am`.
fn proves(world: &World, series: &Series) {
    let wanted = world.tree("HEAD");
    let patches: Vec<&[u8]> = series.patches.iter().map(|patch| &patch.bytes[..]).collect();
    let objects = world.objects();
    let got = apply::series(&objects, world.tree("base"), &patches).expect("it applies");
    assert_eq!(identity::compare(&objects, got, wanted, &[]).expect("readable"), []);
    let tip = world.rev("HEAD").expect("there is a tip").to_string();
    world.git(&["checkout", "-q", "-f", "--detach", "base"]);
    if !patches.is_empty() {
        let output =
            world.run("git", &["am", "-q", "--keep-cr"], &world.source(), &patches.concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(world.tree("HEAD"), wanted);
    world.git(&["checkout", "-q", "-f", "--detach", &tip]);
}

#[test]
fn merge_with_a_resolved_conflict_is_one_patch() {
    let world = world();
    world.git(&["checkout", "-q", "-b", "side"]);
    world.write("text", "a\nside\nc\n");
    world.commit("side\n");
    world.git(&["checkout", "-q", "main"]);
    world.write("text", "a\nmain\nc\n");
    world.commit("main\n");
    let merge = world.run("git", &["merge", "-q", "side"], &world.source(), b"");
    assert!(!merge.status.success(), "the two sides conflict");
    world.write("text", "a\nboth\nc\n");
    world.commit("Merge side\n");
    let series = world.series("base", "HEAD");
    assert_eq!(names(&series), ["main.patch", "Merge-side.patch"]);
    proves(&world, &series);
}

#[test]
fn tag_off_the_line_gives_the_tree_it_starts_from() {
    let world = world();
    world.write("text", "a\nmain\nc\n");
    world.commit("main\n");
    world.git(&["checkout", "-q", "-b", "maintenance", "base"]);
    world.write("other", "1\nrelease\n3\n");
    world.commit("release\n");
    world.git(&["tag", "release"]);
    world.git(&["checkout", "-q", "main"]);
    world.git(&["merge", "-q", "--no-edit", "maintenance"]);
    let mut steps = world.steps("base", "HEAD").split_off(1);
    steps[0].base_tree = world.tree("release");
    let store = world.store();
    let made = series(&store, &steps, &PatchRules::default(), &[], 1, None).expect("it is written");
    let patches: Vec<&[u8]> = made.patches.iter().map(|patch| &patch.bytes[..]).collect();
    let got = apply::series(&world.objects(), world.tree("release"), &patches).expect("applies");
    assert_eq!(got, world.tree("HEAD"));
}

#[test]
fn packaging_paths_and_the_spec_are_in_no_patch() {
    let world = world();
    world.write(".distro/hello.spec", "Name: hello\n");
    world.commit("packaging only\n");
    world.write(".distro/gating.yaml", "x\n");
    world.write("text", "new\n");
    world.write("hello.spec", "Name: hello\n");
    world.commit("both\n");
    world.commit("nothing at all\n");
    let rules = PatchRules {
        packaging: vec![".distro".parse().expect("a path")],
        spec: Some("hello.spec".parse().expect("a path")),
    };
    let series = with_rules(&world, &rules, &[]).expect("it is written");
    assert_eq!(names(&series), ["both.patch"]);
    assert_eq!(series.packaging_only.len(), 2);
    let text = String::from_utf8_lossy(&series.patches[0].bytes).into_owned();
    assert!(text.contains("a/text") && !text.contains("distro") && !text.contains("hello.spec"));
}

#[test]
fn names_come_from_subjects_and_stay_when_a_commit_is_inserted_early() {
    let subjects = ["Fix: overflow in a()", "Fix: overflow in b()", "Fix: overflow in a()", "..."];
    let make = |early: bool| {
        let world = world();
        if early {
            world.write("early", "1\n");
            world.commit("Something early\n");
        }
        for (index, subject) in subjects.iter().enumerate() {
            world.write("text", format!("{index}\n"));
            world.commit(format!("{subject}\n"));
        }
        world.series("base", "HEAD")
    };
    let (plain, mut inserted) = (make(false), make(true));
    let wanted = [
        "Fix-overflow-in-a.patch",
        "Fix-overflow-in-b.patch",
        "Fix-overflow-in-a-2.patch",
        "change.patch",
    ];
    assert_eq!(names(&plain), wanted);
    inserted.patches.remove(0);
    let content = |series: &Series| -> Vec<(FileName, Vec<u8>)> {
        let pairs = series.patches.iter();
        pairs.map(|patch| (patch.file_name.clone(), patch.bytes.clone())).collect()
    };
    assert_eq!(content(&plain), content(&inserted));
}

#[test]
fn names_of_patches_by_hand_are_not_given_again() {
    let world = world();
    world.write("text", "1\n");
    world.commit("By hand\n");
    let taken: FileName = "by-hand.patch".parse().expect("a name");
    let made = with_rules(&world, &PatchRules::default(), std::slice::from_ref(&taken));
    assert_eq!(names(&made.expect("it is written")), ["By-hand-2.patch"]);
    world.write("text", "2\n");
    world.commit("x\n\nPatch-name: by-hand.patch\n");
    let made = with_rules(&world, &PatchRules::default(), &[taken]);
    assert_eq!(refusal(made).0, "patch-name-taken");
}

#[test]
fn adjacent_commits_with_one_patch_name_make_one_patch() {
    let world = world();
    world.write("text", "1\n");
    world.commit("One\n\nbody one\n\nSigned-off-by: A <a@b>\nPatch-name: both.patch\n");
    world.write(".distro/x", "packaging\n");
    world.commit("packaging between\n");
    world.write("text", "2\n");
    world.write("other", "2\n");
    world.commit("Two\n\nbody two\n\npatch-name: both.patch\n(cherry picked from commit 12)\n");
    world.write("text", "3\n");
    world.commit("Three\n\nPatch-name: in the middle.patch\n\nis no trailer here\n");
    let rules =
        PatchRules { packaging: vec![".distro".parse().expect("a path")], ..Default::default() };
    let series = with_rules(&world, &rules, &[]).expect("it is written");
    assert_eq!(names(&series), ["both.patch", "Three.patch"]);
    assert_eq!(series.patches[0].commits.len(), 2);
    assert_eq!(series.packaging_only.len(), 1);
    let text = String::from_utf8_lossy(&series.patches[0].bytes).into_owned();
    assert!(text.contains("Subject: [PATCH] One\n\nbody one\n"), "{text}");
    assert!(text.contains("\n\nTwo\n\nbody two\n") && !text.contains("packaging"), "{text}");
    assert!(text.contains("-a\n-b\n-c\n+2\n"), "{text}");
}

#[test]
fn ignored_commits_are_reported_and_give_no_patch() {
    let world = world();
    world.write("text", "1\n");
    let ignored = world.commit("Ours\n\nIgnore-patch: true\nPatch-name: never.patch\n");
    world.write("other", "2\n");
    world.commit("Theirs\n\nIgnore-patch: false\n");
    let series = world.series("base", "HEAD");
    assert_eq!(names(&series), ["Theirs.patch"]);
    assert_eq!(series.ignored, [ignored]);
}

#[test]
fn what_no_patch_can_hold_is_refused_with_words() {
    type Case = (&'static str, fn(&World));
    let cases: [Case; 9] = [
        ("patch-name-unsafe", |w| named(w, "../../x.patch")),
        ("patch-name-unsafe", |w| named(w, "sources")),
        ("patch-name-unsafe", |w| named(w, "-x.patch")),
        ("patch-name-unsafe", |w| named(w, "%{lua:x}.patch")),
        ("patch-name-unsafe", |w| named(w, "a b.patch")),
        ("patch-name-unsafe", |w| named(w, "")),
        ("patch-name-scattered", |w| {
            ["x.patch", "y.patch", "x.patch"].iter().for_each(|n| named(w, n))
        }),
        ("patch-trailer-unclear", |w| named(w, "x.patch\nPatch-name: y.patch")),
        ("patch-submodule", |w| {
            let id = "1".repeat(40);
            w.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{id},module")]);
            w.git(&["commit", "-q", "-m", "module"]);
        }),
    ];
    for (code, make) in cases {
        let world = world();
        make(&world);
        let (found, message) = refusal(with_rules(&world, &PatchRules::default(), &[]));
        assert_eq!(found, code, "{message}");
    }
}

fn named(world: &World, name: &str) {
    let old = std::fs::read_to_string(world.source().join("text")).expect("it is there");
    world.write("text", old + "more\n");
    world.commit(format!("s\n\nPatch-name: {name}\n"));
}

#[test]
fn cache_changes_no_byte_and_survives_damage() {
    let world = world();
    for index in 0..40 {
        world.write("text", format!("{index}\n"));
        world.write(if index % 3 == 0 { "bin" } else { "x" }, [0, index]);
        world.commit(format!("change {index}\r\n"));
    }
    let folder = world.path().join("cache");
    let cache = PatchCache::new(&folder);
    let (store, steps) = (world.store(), world.steps("base", "HEAD"));
    let rules = PatchRules::default();
    let run =
        |workers, cache| series(&store, &steps, &rules, &[], workers, cache).expect("written");
    let plain = run(1, None);
    assert_eq!(run(2, Some(&cache)), plain);
    assert_eq!(run(2, Some(&cache)), plain);
    let file = only_file(&folder);
    let whole = std::fs::read(&file).expect("the cache was written");
    for damage in [0, 1, 20, 30, 70, 90, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[damage] ^= 1;
        for content in [&damaged[..], &whole[..damage], b""] {
            std::fs::write(&file, content).expect("writable");
            assert_eq!(run(2, Some(&cache)), plain, "byte {damage}");
            assert_eq!(run(1, Some(&cache)), plain, "byte {damage}, again");
        }
    }
    let narrow = PatchRules { packaging: vec!["text".parse().expect("a path")], spec: None };
    let fewer = series(&store, &steps, &narrow, &[], 2, Some(&cache)).expect("written");
    assert_ne!(fewer, plain);
}

fn only_file(folder: &std::path::Path) -> std::path::PathBuf {
    let mut files = std::fs::read_dir(folder).expect("the cache was written");
    let file = files.next().expect("it has a file").expect("readable").path();
    assert!(files.next().is_none());
    file
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Act {
    Edit { file: u8, line: u8, text: u8 },
    Write { file: u8, content: Vec<u8> },
    Remove { file: u8 },
    Link { file: u8, target: u8 },
    Execute { file: u8 },
    Merge { file: u8, content: Vec<u8> },
}

fn act() -> impl Strategy<Value = Act> {
    let content = || {
        prop_oneof![
            prop::collection::vec(prop::sample::select(b"ab\n\n\r\0 ".to_vec()), 0..40),
            prop::collection::vec(any::<u8>(), 0..200),
        ]
    };
    prop_oneof![
        4 => (0..6_u8, any::<u8>(), 0..4_u8).prop_map(|(file, line, text)| Act::Edit { file, line, text }),
        3 => (0..8_u8, content()).prop_map(|(file, content)| Act::Write { file, content }),
        1 => (0..8_u8).prop_map(|file| Act::Remove { file }),
        1 => (0..8_u8, 0..4_u8).prop_map(|(file, target)| Act::Link { file, target }),
        1 => (0..8_u8).prop_map(|file| Act::Execute { file }),
        1 => (0..8_u8, content()).prop_map(|(file, content)| Act::Merge { file, content }),
    ]
}

const FILES: [&str; 8] = ["f0", "f1", "dir/f2", "dir/f3", "dir/sub/f 4", "f\u{e9}5", "f0.x", "dir"];

/// Does what can be done: a path may be in the way of another.
fn perform(world: &World, act: &Act) {
    let path = |file: &u8| world.source().join(FILES[usize::from(*file)]);
    match act {
        Act::Edit { file, line, text } => {
            let old = std::fs::read(path(file)).unwrap_or_default();
            let mut lines: Vec<Vec<u8>> =
                old.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            let at = usize::from(*line) % (lines.len() + 1);
            lines.insert(
                at,
                format!("{}line {text}\n", " ".repeat(usize::from(*text))).into_bytes(),
            );
            put(world, *file, &lines.concat());
        }
        Act::Write { file, content } => put(world, *file, content),
        Act::Merge { file, content } => {
            world.git(&["checkout", "-q", "--detach"]);
            let main = world.rev("HEAD").expect("a tip").to_string();
            put(world, *file, content);
            world.commit("side\n");
            let tree = world.tree("HEAD").to_string();
            let side = world.rev("HEAD").expect("a tip").to_string();
            let args = ["commit-tree", "-p", &main, "-p", &side, "-m", "Merge side", &tree];
            let merge = world.git(&args);
            world.git(&["checkout", "-q", "-f", "--detach", &merge]);
        }
        Act::Remove { file } => {
            let _ = std::fs::remove_file(path(file));
        }
        Act::Link { file, target } => {
            if !path(file).is_dir() && path(file).parent().is_some_and(std::path::Path::is_dir) {
                world.link(&format!("target {target}"), FILES[usize::from(*file)]);
            }
        }
        Act::Execute { file } => {
            if path(file).symlink_metadata().is_ok_and(|found| found.is_file()) {
                world.set_executable(FILES[usize::from(*file)]);
            }
        }
    }
}

/// Writes a file, whatever stands in its place or on the way.
fn put(world: &World, file: u8, content: &[u8]) {
    let path = world.source().join(FILES[usize::from(file)]);
    if path.is_dir() && !path.is_symlink() {
        std::fs::remove_dir_all(&path).expect("it is ours");
    }
    let folder = path.parent().expect("it has one");
    if folder.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
        std::fs::remove_file(folder).expect("it is ours");
    }
    if folder.parent().is_some_and(|above| above.symlink_metadata().is_ok_and(|f| !f.is_dir())) {
        std::fs::remove_file(folder.parent().expect("just seen")).expect("it is ours");
    }
    world.write(FILES[usize::from(file)], content);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn base_and_patches_are_the_tip_for_any_history(acts in prop::collection::vec(act(), 1..14)) {
        let world = world();
        for (index, act) in acts.iter().enumerate() {
            perform(&world, act);
            world.commit(format!("Change {}\n\nB\u{f6}dy.\n", index % 3));
        }
        let series = world.series("base", "HEAD");
        prop_assert_eq!(&series, &world.series("base", "HEAD"));
        proves(&world, &series);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 40, ..ProptestConfig::default() })]

    /// Texts of few different lines have many equally short diffs: the choice must be git's.
    #[test]
    fn hunks_equal_those_of_git_for_repetitive_texts(
        texts in prop::collection::vec(prop::collection::vec(0..5_usize, 0..120), 2..5),
    ) {
        const LINES: [&str; 5] = ["\n", "{\n", "    x\n", "\ty\n", "}\n"];
        let world = world();
        for text in &texts {
            world.write("text", text.iter().map(|line| LINES[*line]).collect::<String>());
            world.commit("x\n");
        }
        let ours: Vec<Vec<u8>> = world.series("base", "HEAD").patches.into_iter().map(|p| p.bytes).collect();
        let ours = super::normal_all(&ours.concat());
        let theirs = super::normal_all(&format_patch(&world, "base..HEAD"));
        prop_assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs));
    }
}
