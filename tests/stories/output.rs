//! `preview`, `populate` and `verify`: all of it but landing.

use crate::world::{NewCommit, World, files_below};

#[test]
fn preview_leaves_what_would_land_and_pushes_nothing() {
    let world = World::released("tag-archive");
    let run = world.preview("out");
    run.came_to(0, "previewed", "");
    assert_eq!(run.text("evr"), "0:1.0-1");
    let files = files_below(&world.path("out"));
    let wanted = [
        "dist-git/.gitignore",
        "dist-git/hello.spec",
        "dist-git/keys/alice.asc",
        "dist-git/source-git.yaml",
        "dist-git/sources",
        "lookaside/hello-1.0.tar.gz",
        "preview.json",
    ];
    assert_eq!(files.keys().collect::<Vec<_>>(), wanted);
    let told: serde_json::Value = serde_json::from_slice(&files["preview.json"]).unwrap();
    assert_eq!(told, run.report);
    // What lands is what was shown.
    world.sync().landed("1.0-1");
    for path in world.files() {
        let shown = String::from_utf8_lossy(&files[&format!("dist-git/{path}")]).into_owned();
        assert_eq!(world.file(&path).trim_end(), shown.trim_end(), "{path}");
    }
    let stored = files_below(&world.path("lookaside"));
    assert_eq!(stored.values().next(), files.get("lookaside/hello-1.0.tar.gz"));
}

#[test]
fn preview_of_what_is_refused_tells_it_in_the_folder_too() {
    let mut world = World::released("archive");
    world.source.commit(NewCommit::new("Sneak in").put("a", "b\n")).unwrap();
    let run = world.preview("out");
    run.came_to(3, "refused", "unsigned-tip");
    let files = files_below(&world.path("out"));
    assert_eq!(files.keys().collect::<Vec<_>>(), ["preview.json"]);
}

#[test]
fn a_folder_that_is_not_empty_is_not_written_to() {
    let world = World::released("archive");
    std::fs::create_dir(world.path("out")).unwrap();
    std::fs::write(world.path("out/mine"), "precious\n").unwrap();
    let run = world.preview("out");
    assert_eq!(run.exit, Some(2), "{run:#?}");
    let run = populate(&world, &[]);
    assert_eq!(run.exit, Some(2), "{run:#?}");
    assert!(run.stderr.contains("output-not-empty") || run.stdout.contains("output-not-empty"));
    assert_eq!(files_below(&world.path("out")).keys().collect::<Vec<_>>(), ["mine"]);
}

/// Populates into `out` with the config of the branch.
fn populate(world: &World, more: &[&str]) -> crate::world::Run {
    std::fs::write(world.path("source-git.yaml"), world.file("source-git.yaml")).unwrap();
    let flags = "populate --source source/hello.git --rev main --config source-git.yaml --package hello \
                 --dist .fc44 --key bot.key --output out";
    world.run(&flags.split_whitespace().chain(more.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn populate_needs_no_dist_git_and_asks_nobody_who_signed() {
    let mut world = World::released("tag-archive");
    world.source.commit(NewCommit::new("Fix it").put("a", "b\n")).unwrap();
    let before = world.state();
    let run = populate(&world, &[]);
    run.came_to(0, "populated", "");
    assert_eq!((run.text("evr"), run.text("package")), ("0:1.0-2", "hello"));
    assert_eq!(world.state(), before);
    let files = files_below(&world.path("out"));
    let wanted = [
        "dist-git/.gitignore",
        "dist-git/Fix-it.patch",
        "dist-git/hello.spec",
        "dist-git/sources",
        "lookaside/hello-1.0.tar.gz",
        "populate.json",
    ];
    assert_eq!(files.keys().collect::<Vec<_>>(), wanted);
}

#[test]
fn populate_on_a_dist_git_holds_the_floor_and_knows_what_is_published() {
    let mut world = World::published("tag-archive");
    let dist_git = ["--dist-git", "dist-git/hello.git", "--branch", "f44"];
    populate(&world, &dist_git).up_to_date();
    std::fs::remove_dir_all(world.path("out")).unwrap();
    world.commit("Go on", "README", "More words.\n");
    let run = populate(&world, &dist_git);
    run.came_to(0, "populated", "");
    assert_eq!(run.text("evr"), "0:1.0-2");
    let shown = files_below(&world.path("out"));
    world.sync().landed("1.0-2");
    for path in world.files() {
        let shown = String::from_utf8_lossy(&shown[&format!("dist-git/{path}")]).into_owned();
        assert_eq!(world.file(&path).trim_end(), shown.trim_end(), "{path}");
    }
}

#[test]
fn verify_says_who_may_pass() {
    let mut world = World::released("archive");
    let branch = ["verify", "--dist-git", "dist-git/hello.git", "--branch", "f44"];
    let run = world.run(&branch);
    run.came_to(0, "accepted", "");
    assert!(run.text("signer").starts_with("openpgp:"), "{run:#?}");
    world.source.commit(NewCommit::new("Sneak in").put("a", "b\n")).unwrap();
    world.run(&branch).came_to(3, "refused", "unsigned-tip");
    std::fs::write(world.path("source-git.yaml"), world.file("source-git.yaml")).unwrap();
    std::fs::create_dir(world.path("keys")).unwrap();
    std::fs::write(world.path("keys/alice.asc"), world.alice.key().public()).unwrap();
    let flags = "verify --source source/hello.git --config source-git.yaml --keys keys --rev";
    let mut commit: Vec<&str> = flags.split(' ').collect();
    commit.push("main~1");
    world.run(&commit).came_to(0, "accepted", "");
    *commit.last_mut().unwrap() = "main";
    world.run(&commit).came_to(3, "refused", "unsigned-tip");
}
