//! The same job over every way to a repository, on both sides.

use crate::world::https::Https;
use crate::world::sshd::Sshd;
use crate::world::{Run, World};

/// Makes a world that was opted in with this address of source-git.
fn world_with_source(world: &mut World, address: &str) {
    let local = format!("file://{}", world.source.folder().display());
    let config = world.config("").replace(&local, address);
    world.opt_in_with(&config);
    world.release();
}

/// Lands twice and then finds nothing to do.
fn job(world: &mut World, mut sync: impl FnMut(&World) -> Run) {
    sync(world).landed("1.0-1");
    world.commit("Go on", "README", "More words.\n");
    sync(world).landed("1.0-2");
    sync(world).up_to_date();
    assert_eq!(world.commits(), 3);
    world.dist_git(&["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn local_paths_and_file_addresses_do() {
    for scheme in ["", "file://"] {
        let mut world = World::released("archive");
        let address = format!("{scheme}{}", world.package.dist_git.folder().display());
        job(&mut world, |world| world.sync_at(&address, "f44"));
    }
}

#[test]
fn ssh_does_on_both_sides_and_one_run_logs_in_once() {
    let mut world = World::empty();
    let sshd = Sshd::start(&world.path("sshd"));
    let dist_git = sshd.url(world.package.dist_git.folder());
    let source = sshd.url(world.source.folder());
    world_with_source(&mut world, &source);
    let mut logins = 0;
    job(&mut world, |world| {
        let mut arguments = world.sync_arguments();
        arguments[2] = &dist_git;
        let path = format!("{}:{}", sshd.bin().display(), std::env::var("PATH").unwrap());
        let run = world.run_in(&arguments, &[("PATH", &path)]);
        let now = sshd.logins();
        assert_eq!(now - logins, 1, "the second connection of a run uses the first: {run:#?}");
        logins = now;
        run
    });
}

#[test]
fn a_long_temporary_folder_is_no_hindrance_to_ssh() {
    let world = World::released("archive");
    let sshd = Sshd::start(&world.path("sshd"));
    let dist_git = sshd.url(world.package.dist_git.folder());
    // The path of a socket has room for about a hundred bytes.
    let long = world.path(&"temporary-".repeat(12));
    std::fs::create_dir(&long).unwrap();
    let mut arguments = world.sync_arguments();
    arguments[2] = &dist_git;
    let path = format!("{}:{}", sshd.bin().display(), std::env::var("PATH").unwrap());
    let environment = [("PATH", path.as_str()), ("TMPDIR", long.to_str().unwrap())];
    world.run_in(&arguments, &environment).landed("1.0-1");
    assert_eq!(std::fs::read_dir(&long).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn an_ssh_server_that_does_not_let_us_in_is_a_failure() {
    let world = World::released("archive");
    let sshd = Sshd::start(&world.path("sshd"));
    std::fs::write(world.path("sshd/authorized"), "").unwrap();
    let dist_git = sshd.url(world.package.dist_git.folder());
    let mut arguments = world.sync_arguments();
    arguments[2] = &dist_git;
    let path = format!("{}:{}", sshd.bin().display(), std::env::var("PATH").unwrap());
    world.run_in(&arguments, &[("PATH", &path)]).came_to(1, "failed", "access-denied");
    std::fs::write(world.path("sshd/known_hosts"), "").unwrap();
    world.run_in(&arguments, &[("PATH", &path)]).came_to(1, "failed", "host-key");
}

#[test]
fn https_does_on_both_sides() {
    let mut world = World::empty();
    let server = Https::start(&world.path("https"), &world.path(""));
    let dist_git = server.url("dist-git/hello.git");
    world_with_source(&mut world, &server.url("source/hello.git"));
    let certificate = server.certificate().display().to_string();
    job(&mut world, |world| {
        let mut arguments = world.sync_arguments();
        arguments[2] = &dist_git;
        world.run_in(&arguments, &[("GIT_SSL_CAINFO", &certificate)])
    });
    let missing = server.url("dist-git/nobody.git");
    let mut arguments = world.sync_arguments();
    arguments[2] = &missing;
    let run = world.run_in(&arguments, &[("GIT_SSL_CAINFO", &certificate)]);
    run.came_to(3, "refused", "repository-missing");
}

#[test]
fn a_server_that_is_away_is_tried_again_later() {
    let world = World::released("archive");
    for scheme in ["https", "ssh"] {
        // Port 1 is nobody's.
        let run = world.sync_at(&format!("{scheme}://127.0.0.1:1/hello.git"), "f44");
        run.came_to(75, "failed", "unreachable");
    }
}

#[test]
fn addresses_that_run_programs_are_refused() {
    let world = World::released("archive");
    for address in
        ["ext::sh -c touch% gone", "-u./evil", "ssh://-oProxyCommand=evil/x", "git://127.0.0.1/x"]
    {
        let run = world.sync_at(address, "f44");
        assert_eq!(run.exit, Some(2), "{address}: {run:#?}");
    }
    assert!(!world.path("gone").exists());
}

#[test]
fn credentials_in_an_address_are_shown_nowhere() {
    let mut world = World::empty();
    let server = Https::start(&world.path("https"), &world.path(""));
    let secret = |path: &str| server.url(path).replace("https://", "https://tester:hunter2@");
    let certificate = server.certificate().display().to_string();
    let sync = |world: &World, dist_git: &str| {
        let mut arguments = world.sync_arguments();
        arguments[2] = dist_git;
        world.run_in(&arguments, &[("GIT_SSL_CAINFO", &certificate)])
    };
    world_with_source(&mut world, &secret("source/hello.git"));
    let in_config = sync(&world, &secret("dist-git/hello.git"));
    world_with_source(&mut world, &server.url("source/hello.git"));
    let landed = sync(&world, &secret("dist-git/hello.git"));
    let missing = sync(&world, &secret("dist-git/nobody.git"));
    let away = sync(&world, "https://tester:hunter2@127.0.0.1:1/hello.git");
    let runs = [in_config, landed, missing, away];
    assert_eq!(runs.each_ref().map(|run| run.exit), [Some(2), Some(0), Some(3), Some(75)]);
    for run in runs {
        assert!(!format!("{run:?}").contains("hunter2"), "{run:#?}");
    }
    let message = world.dist_git(&["log", "-1", "--format=%B", "f44"]);
    assert!(message.contains("Source-git-repository: https://127.0.0.1:"), "{message}");
}
