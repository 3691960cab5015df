//! A signed tip lands as a signed, correct, reviewable commit; and then nothing happens.

use std::process::Command;

use crate::world::{Kind, NewCommit, SPEC, World, files_below, hermetic, output_of, succeed};

/// Returns the commit object at the tip of `f44`: headers, then message.
fn tip(world: &World) -> (String, String) {
    let object = world.dist_git(&["cat-file", "commit", "f44"]) + "\n";
    let (headers, message) = object.split_once("\n\n").expect("a commit has a message");
    (headers.to_owned(), message.to_owned())
}

/// Returns the header lines that begin with this word.
fn headers<'h>(headers: &'h str, word: &str) -> Vec<&'h str> {
    headers.lines().filter(|line| line.split(' ').next() == Some(word)).collect()
}

#[test]
fn a_signed_release_lands_as_an_archive() {
    let world = World::released("archive");
    let run = world.sync();
    run.landed("1.0-1");
    assert_eq!(run.text("release_tag"), "v1.0");
    assert_eq!(run.text("dist_git_commit"), world.dist_git(&["rev-parse", "f44"]));
    assert_eq!(world.file("sources"), sources_line(&world, "hello-1.0.tar.gz"));
    assert_eq!(world.file(".gitignore"), "/hello-1.0.tar.gz\n");
    assert_eq!(world.files()[..2], [".gitignore", "hello.spec"]);
}

/// Returns the line of `sources` for the only file of this name in the lookaside.
fn sources_line(world: &World, name: &str) -> String {
    let files = files_below(&world.path("lookaside"));
    let paths: Vec<_> = files.keys().filter(|path| path.ends_with(name)).collect();
    let [path] = paths.as_slice() else { panic!("{paths:?}") };
    let digest = lockkeeper::digest::Sha512::of(&files[*path]).to_string();
    assert_eq!(**path, format!("hello/{name}/sha512/{digest}/{name}"));
    format!("SHA512 ({name}) = {digest}\n")
}

#[test]
fn the_commit_message_is_that_of_the_design_to_the_letter() {
    let mut world = World::released("tag-archive");
    let tag = world.source_git(&["rev-parse", "refs/tags/v1.0"]);
    world.commit("Fix overflow in a\n\nResolves: #7", "hello", "#!/bin/sh\necho hi\n");
    let unsigned = NewCommit::new("Explain it").put("README", "It says hi.\n").by(&world.mallory);
    world.source.commit(unsigned).unwrap();
    let bobs = NewCommit::new("Greet\n\nLong words.").put("greet", "hi\n").signed_by(&world.bob);
    let source_commit = world.source.commit(bobs).unwrap();
    world.sync().landed("1.0-4");

    let (head, message) = tip(&world);
    let lockkeeper::signer_id::Signer::Ssh { fingerprint, .. } = world.bob.key().signer_id() else {
        panic!("Bob has an SSH key")
    };
    let wanted = format!(
        "Update to 1.0-4 from main\n\n\
         - Greet\n- Explain it (unsigned)\n- Fix overflow in a (Resolves: #7)\n\n\
         From-source-git-commit: {source_commit}\n\
         Source-git-repository: file://{}\n\
         Source-git-branch: main\n\
         Source-git-signer: ssh:{fingerprint}\n\
         Dist-git-target: hello#f44\n\
         Release-tag: v1.0 {tag}\n\
         Published-EVR: 0:1.0-4\n\
         Population: tag-archive\n\
         Generated-by: lockkeeper {}\n",
        world.source.folder().display(),
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(message, wanted);
    // Bob's commit is the fourth that was made, a minute after the third.
    assert_eq!(headers(&head, "author"), ["author Bob <bob@example.org> 1709294640 +0000"]);
    let committer = "committer Lockkeeper <lockkeeper@example.org> 1709294640 +0000";
    assert_eq!(headers(&head, "committer"), [committer]);
    assert_eq!(headers(&head, "gpgsig").len(), 1);
    assert_eq!(headers(&head, "parent").len(), 1);
}

#[test]
fn the_committer_is_by_default_who_the_key_says_it_is() {
    let world = World::released("archive");
    let flags =
        "sync --dist-git dist-git/hello.git --branch f44 --key bot.key --lookaside lookaside";
    world.run(&flags.split(' ').collect::<Vec<_>>()).landed("1.0-1");
    let (head, _) = tip(&world);
    let found = headers(&head, "committer")[0];
    assert!(
        found.starts_with("committer Lockkeeper Bot <lockkeeper.bot@example.org> "),
        "{found}"
    );
}

#[test]
fn git_and_gpg_take_the_commit_of_an_openpgp_bot() {
    let world = World::published("archive");
    std::fs::write(world.path("bot.asc"), world.package.bot().key().public()).unwrap();
    // The socket of a gpg agent wants a short path, which the world's folder has.
    std::fs::create_dir(world.path("gnupg")).unwrap();
    let gpg = |arguments: &[&str]| {
        let mut gpg = Command::new("gpg");
        gpg.env("GNUPGHOME", world.path("gnupg")).args(["--batch", "--quiet"]).args(arguments);
        succeed(&mut gpg);
    };
    gpg(&["--import", world.path("bot.asc").to_str().unwrap()]);
    let said = verify_commit(&world, &[("GNUPGHOME", world.path("gnupg").to_str().unwrap())], &[]);
    assert!(
        said.contains("[GNUPG:] GOODSIG") && said.contains("[GNUPG:] VALIDSIG"),
        "{said}"
    );
    fsck(&world);
}

#[test]
fn git_and_ssh_keygen_take_the_commit_of_an_ssh_bot() {
    let mut world = World::with_bot(Kind::Ssh);
    world.opt_in("");
    world.release();
    world.sync().landed("1.0-1");
    let allowed = format!("gpg.ssh.allowedSignersFile={}", world.path("allowed-signers").display());
    let said = verify_commit(&world, &[], &["-c", &allowed]);
    assert!(said.contains("Good \"git\" signature for lockkeeper.bot@example.org"), "{said}");
    fsck(&world);
}

/// Runs `git verify-commit`, which must pass, and returns what it said.
fn verify_commit(world: &World, environment: &[(&str, &str)], options: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(world.package.dist_git.folder()).args(options);
    git.args(["verify-commit", "--raw", "f44"]).envs(environment.iter().copied());
    let output = output_of(hermetic(&mut git));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

fn fsck(world: &World) {
    let mut git = Command::new("git");
    git.arg("-C").arg(world.package.dist_git.folder());
    git.args(["fsck", "--strict", "--full", "--no-dangling", "--no-progress"]);
    let output = output_of(hermetic(&mut git));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn the_archive_is_what_git_archive_writes() {
    for mechanism in ["archive", "tag-archive"] {
        let mut world = World::released(mechanism);
        let tagged = world.source_git(&["rev-parse", "main"]);
        world.commit("Go on", "more/deep/file", "content\n");
        let tip = world.source_git(&["rev-parse", "main"]);
        world.sync().landed("1.0-2");
        let commit = if mechanism == "archive" { tip } else { tagged };
        let mut git = Command::new("git");
        git.arg("-C").arg(world.source.folder());
        git.args(["archive", "--format=tar", "--prefix=hello-1.0/", &commit]);
        let wanted = succeed(hermetic(&mut git));
        let files = files_below(&world.path("lookaside"));
        let archive = world.path("lookaside").join(files.keys().next().unwrap());
        let unpacked = succeed(Command::new("gzip").arg("-dc").arg(archive));
        assert!(unpacked == wanted, "{mechanism}");
    }
}

#[test]
fn rpm_takes_what_lands_and_unpacks_it_to_the_signed_tree() {
    for mechanism in ["archive", "tag-archive"] {
        let mut world = World::released(mechanism);
        world.commit("Add a line", "README", "A program that says hello.\nIt is good.\n");
        let both = NewCommit::new("Add a file\n\nWith a body: 100 %prep.")
            .put("lib/new.sh", "echo new\n")
            .put(".distro/notes.txt", "for packagers\n")
            .remove("README");
        world.alice_commits(both);
        let run = world.sync();
        run.landed("1.0-3");
        let patches = if mechanism == "archive" { 0 } else { 2 };
        assert_eq!(run.report["patches"].as_array().unwrap().len(), patches, "{run:#?}");
        world.check_with_rpm("0:1.0-3.fc44");
    }
}

#[test]
fn the_spec_is_edited_and_nothing_else_of_it_changes() {
    let world = World::published("archive");
    let header = "* Fri Mar 01 2024 Alice <alice@example.org> - 1.0-1\n- Update to 1.0\n";
    let wanted = SPEC
        .replace("Version:        0\n", "Version:        1.0\n")
        .replace("%changelog\n", &format!("%changelog\n{header}"));
    let found = world.file("hello.spec");
    assert_eq!(found.trim_end(), wanted.trim_end());
}

#[test]
fn a_second_sync_finds_nothing_to_do() {
    for mechanism in ["archive", "tag-archive"] {
        let world = World::published(mechanism);
        let before = world.state();
        let run = world.sync();
        run.up_to_date();
        assert_eq!(run.text("dist_git_commit"), world.dist_git(&["rev-parse", "f44"]));
        assert_eq!((run.text("version"), run.text("release")), ("1.0", "1"));
        assert_eq!(world.state(), before);
    }
}

#[test]
fn what_does_not_matter_for_the_result_causes_no_commit() {
    let mut world = World::published("archive");
    // A key is struck off, another tag comes, a comment is written.
    let config = world.config("").replace(&format!("    - {}\n", world.bob.listed()), "");
    world.opt_in_with(&format!("# Bob has left us\n{config}population:\n  mechanism: archive\n"));
    let tip = world.source.tip().unwrap().unwrap();
    world.tag("nightly-1", &tip);
    world.sync_changes_nothing(0, "up-to-date", "");
}

#[test]
fn changed_settings_publish_the_same_commit_again() {
    let mut world = World::published("archive");
    world.opt_in("population:\n  mechanism: tag-archive\n");
    world.sync().landed("1.0-2");
    world.sync_changes_nothing(0, "up-to-date", "");
}

#[test]
fn an_archive_of_a_tag_is_made_once() {
    let mut world = World::published("tag-archive");
    let before = files_below(&world.path("lookaside"));
    world.commit("Go on", "README", "More words.\n");
    let run = world.sync();
    run.landed("1.0-2");
    assert_eq!(run.report["archives"][0]["name"], "hello-1.0.tar.gz");
    assert!(run.report["archives"][0]["size"].is_null(), "it was kept: {run:#?}");
    assert!(files_below(&world.path("lookaside")) == before);
}

#[test]
fn an_archive_that_the_lookaside_lost_is_refused_by_name() {
    let mut world = World::published("tag-archive");
    world.commit("Go on", "README", "More words.\n");
    std::fs::remove_dir_all(world.path("lookaside/hello")).unwrap();
    world.refuses("archive-lost").says("hello-1.0.tar.gz");
}

#[test]
fn two_machines_populate_to_the_same_bytes() {
    let mut world = World::released("tag-archive");
    world.commit("Go on", "README", "More words.\n");
    for output in ["one", "two"] {
        world.preview(output).came_to(0, "previewed", "");
        std::fs::remove_dir_all(world.path("home/.cache")).unwrap();
    }
    let (mut one, mut two) = (files_below(&world.path("one")), files_below(&world.path("two")));
    // The report says how long it took.
    assert!(one.remove("preview.json").is_some() && two.remove("preview.json").is_some());
    assert!(one == two && one.len() > 4, "{:?}", one.keys());
}

#[test]
fn a_new_release_takes_the_place_of_the_old_one() {
    let mut world = World::published("tag-archive");
    world.commit("Go on", "README", "More words.\n");
    world.sync().landed("1.0-2");
    assert!(world.files().contains(&"Go-on.patch".to_owned()), "{:?}", world.files());
    let tip = world.source.tip().unwrap().unwrap();
    world.tag("v1.1", &tip);
    world.sync().landed("1.1-1");
    assert!(!world.files().contains(&"Go-on.patch".to_owned()));
    assert_eq!(world.file("sources"), sources_line(&world, "hello-1.1.tar.gz"));
    let entries = world.file("hello.spec");
    let order: Vec<_> = entries.lines().filter(|line| line.starts_with("* ")).collect();
    let evrs: Vec<_> = order.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(evrs, ["1.1-1", "1.0-2", "1.0-1"]);
}
