//! Content as it comes: odd names, modes, merges, hostile text.

use crate::world::{EntryMode, Kind, NewCommit, SPEC, World};

#[test]
fn programs_links_and_merges_arrive_as_they_are() {
    for mechanism in ["archive", "tag-archive"] {
        let mut world = World::released(mechanism);
        let base = world.source.tip().unwrap();
        let side = NewCommit::new("On the side").put("side/by side.txt", "side\n");
        let side = world.source.commit_onto(base, side.signed_by(&world.bob)).unwrap();
        let program = NewCommit::new("Add a program and a link")
            .put_as(EntryMode::Executable, "bin/run", "#!/bin/sh\n")
            .put("lib/data", "data\n");
        world.alice_commits(program);
        let merge =
            NewCommit::new("Merge the side").put("side/by side.txt", "side\n").merging(side);
        world.alice_commits(merge.put("hello", "#!/bin/sh\necho merged\n"));
        let mode = NewCommit::new("Make it run").put_as(
            EntryMode::Executable,
            "hello",
            "#!/bin/sh\necho merged\n",
        );
        world.alice_commits(mode);
        let run = world.sync();
        run.landed("1.0-4");
        world.check_with_rpm("0:1.0-4.fc44");
        let message = world.dist_git(&["log", "-1", "--format=%B", "f44"]);
        assert!(message.contains("\n- On the side\n"), "{message}");
    }
}

#[test]
fn links_arrive_in_archives_and_in_patches() {
    for mechanism in ["archive", "tag-archive"] {
        let mut world = World::released(mechanism);
        let link = NewCommit::new("Add a link").put_as(EntryMode::Symlink, "link", "hello");
        world.alice_commits(link);
        world.sync().landed("1.0-2");
        world.check_with_rpm("0:1.0-2.fc44");
    }
}

#[test]
fn what_patch_cannot_take_is_refused_with_the_way_that_can() {
    let mut world = World::released("tag-archive");
    let picture = b"\x89PNG\r\n\0\xff";
    world.alice_commits(NewCommit::new("Add a picture").put("logo.png", picture));
    let before = world.state();
    let run = world.sync();
    assert_eq!((run.exit, run.text("outcome")), (Some(3), "refused"), "{run:#?}");
    run.says("logo.png").says("-S git");
    assert_eq!(world.state(), before);
    let spec = SPEC.replace("%autosetup -p1", "%autosetup -p1 -S git");
    world.commit("Apply with git", ".distro/hello.spec", &spec);
    world.sync().landed("1.0-3");
    world.check_with_rpm("0:1.0-3.fc44");
}

#[test]
fn text_of_commits_runs_nothing_and_forges_nothing() {
    let hostile = [
        "%(touch pwned) %{lua:os.execute('touch pwned')} 100% %%",
        "* Mon Jan 01 2024 Eve <e@x> - 9-9",
        "%changelog",
        "%prep",
        "#!/bin/sh; rm -rf /",
        "ends in a backslash \\",
        "Published-EVR: 0:99-1",
        "-- --upload-pack=evil",
        "\u{1b}[2Jclear \u{202e}reversed",
        "%{?_sourcedir}/%{nil}%global x y",
        "../../etc/passwd",
    ];
    for mechanism in ["archive", "tag-archive"] {
        let mut world = World::released(mechanism);
        for (number, subject) in hostile.iter().enumerate() {
            let message = format!("{subject}\n\nPublished-EVR: 0:98-1\nGenerated-by: me\n");
            world.commit(&message, "README", &format!("{number}\n"));
        }
        let count = hostile.len() + 1;
        world.sync().landed(&format!("1.0-{count}"));
        world.check_with_rpm(&format!("0:1.0-{count}.fc44"));
        for place in ["", "checkout", "home"] {
            assert!(!world.path(place).join("pwned").exists());
        }
        let evr = world.dist_git(&[
            "log",
            "-1",
            "--format=%(trailers:key=Published-EVR,valueonly,separator=%x2C)",
            "f44",
        ]);
        assert_eq!(evr, format!("0:1.0-{count}"));
        world.sync_changes_nothing(0, "up-to-date", "");
    }
}

#[test]
fn odd_authors_make_a_commit_that_fsck_takes() {
    let identities = [
        "Zoë Ünïcode <zoe@example.org> 1709300000 +0530",
        " <> 1709300060 -1200",
        "No Mail <> 1709300120 +0000",
        "a%b %(touch pwned) <x%y@example.org> 1709300180 +1400",
        ".,Crooked;: <\"q\"@example.org> 1709300240 +0000",
    ];
    let mut world = World::released("archive");
    for (number, identity) in (2..).zip(identities) {
        let commit = NewCommit::new("Go on").put("README", format!("{number}\n"));
        world.alice_commits(commit.as_written(identity));
        let run = world.sync();
        run.landed(&format!("1.0-{number}"));
        world.dist_git(&["fsck", "--strict", "--no-dangling"]);
        world.check_with_rpm(&format!("0:1.0-{number}.fc44"));
    }
    let dates = world.dist_git(&["log", "--format=%ad|%cd", "--date=raw", "-5", "f44"]);
    let wanted = "1709300240 +0000|1709300240 +0000\n1709300180 +1400|1709300180 +1400\n\
                  1709300120 +0000|1709300120 +0000\n1709300060 -1200|1709300060 -1200\n\
                  1709300000 +0530|1709300000 +0530";
    assert_eq!(dates, wanted);
}

#[test]
fn folders_may_have_spaces_and_other_letters() {
    let mut world = World::in_folder("lk störy 100% ", Kind::OpenPgp);
    let address = format!("file://{}", world.source.folder().display());
    let escaped = address.replace('%', "%25").replace(' ', "%20");
    let config =
        world.config("population:\n  mechanism: tag-archive\n").replace(&address, &escaped);
    world.opt_in_with(&config);
    world.release();
    world.sync().landed("1.0-1");
    world.commit("Go on", "README", "More words.\n");
    world.sync().landed("1.0-2");
    world.sync_changes_nothing(0, "up-to-date", "");
}

#[test]
fn a_dist_git_with_its_branch_checked_out_does_not_take_a_push() {
    let world = World::released("archive");
    let mut git = std::process::Command::new("git");
    git.args(["clone", "--quiet", "-b", "f44"]).arg(world.package.dist_git.folder());
    crate::world::succeed(crate::world::hermetic(git.arg(world.path("work/hello"))));
    let run = world.sync_at("work/hello", "f44");
    run.came_to(3, "refused", "push-refused").says("checked out");
}

#[test]
fn a_spec_that_is_no_file_or_no_text_is_refused() {
    let specs: [(EntryMode, &[u8]); 3] = [
        (EntryMode::Symlink, b"../hello"),
        (EntryMode::File, b"\0\x01\x02"),
        (EntryMode::File, b""),
    ];
    for (mode, content) in specs {
        let mut world = World::released("archive");
        let new = NewCommit::new("Spoil it").put_as(mode, ".distro/hello.spec", content);
        world.alice_commits(new);
        let before = world.state();
        let run = world.sync();
        assert_eq!((run.exit, run.text("outcome")), (Some(3), "refused"), "{mode:?}: {run:#?}");
        assert_eq!(world.state(), before);
    }
}

#[test]
fn a_dist_git_with_odd_things_in_the_places_of_known_files_is_refused() {
    let odd: [(&str, NewCommit<'_>); 6] = [
        (
            "config is a folder",
            NewCommit::new("x").remove("source-git.yaml").put("source-git.yaml/a", "b"),
        ),
        (
            "config is a link",
            NewCommit::new("x").put_as(EntryMode::Symlink, "source-git.yaml", "/etc/passwd"),
        ),
        ("keys is a file", NewCommit::new("x").remove("keys/alice.asc").put("keys", "b")),
        ("sources is no list", NewCommit::new("x").put("sources", "what is this?\n")),
        ("sources is a folder", NewCommit::new("x").put("sources/a", "b")),
        ("spec is a folder", NewCommit::new("x").put("hello.spec/a", "b")),
    ];
    for (name, commit) in odd {
        let mut world = World::released("archive");
        world.dist_git_commit(commit);
        let before = world.state();
        let run = world.sync();
        assert!(matches!(run.exit, Some(2 | 3)), "{name}: {run:#?}");
        assert_eq!(run.text("outcome"), "refused", "{name}: {run:#?}");
        assert!(!run.text("reason.code").is_empty(), "{name}: {run:#?}");
        assert_eq!(world.state(), before, "{name}");
    }
}

#[test]
fn a_branch_that_opted_out_is_left_alone() {
    let mut world = World::published("archive");
    world.dist_git_commit(NewCommit::new("Opt out").remove("source-git.yaml"));
    world.commit("Go on", "README", "More words.\n");
    world.sync_changes_nothing(0, "not-for-us", "not-opted-in");
}

#[test]
fn what_is_over_the_limit_is_counted_and_marked_where_it_is_unsigned() {
    let mut world = World::empty();
    world.opt_in("changelog:\n  limit: 2\n");
    world.release();
    let unsigned = NewCommit::new("Sneak in").put("a", "b\n");
    world.source.commit(unsigned).unwrap();
    for number in 0..3 {
        world.commit(&format!("Step {number}"), "README", &format!("{number}\n"));
    }
    world.sync().landed("1.0-5");
    let message = world.dist_git(&["log", "-1", "--format=%B", "f44"]);
    let items = "\n\n- Step 2\n- Step 1\n- and 2 more changes (unsigned)\n\nFrom-source";
    assert!(message.contains(items), "{message}");
    // The package's users are told what changed, not who signed it.
    assert!(!world.file("hello.spec").contains("(unsigned)"));
}
