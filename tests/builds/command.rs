//! The shipped build command: a real package, a real rpmbuild.

use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::{Duration, Instant};

use lockkeeper::build::command::Command;
use lockkeeper::build::{
    Build, BuildOrder, BuildSystem, Driver, Ending, Nvr, Observation, Policy, Source, Stage,
};

use crate::yard::{Yard, order};

const SPEC: &str = "\
Name:           hello
Version:        1.0
Release:        2%{?dist}
Summary:        Says hello
License:        MIT
Source0:        hello-1.0.tar.gz
BuildArch:      noarch

%description
Says hello.

%prep
%autosetup

%build
test \"$(sh hello)\" = hello

%install
install -D -m 755 hello %{buildroot}/usr/bin/hello

%files
/usr/bin/hello

%changelog
* Mon Jan 05 2026 Alice <alice@example.com> - 1.0-2
- First
";

/// A dist-git with one commit, a lookaside, and a folder for the build command.
struct Site {
    folder: tempfile::TempDir,
    commit: String,
}

impl Site {
    fn new(program: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let at = |below: &str| folder.path().join(below);
        for below in ["hello-1.0", "dist-git", "builds"] {
            std::fs::create_dir(at(below)).unwrap();
        }
        std::fs::write(at("hello-1.0/hello"), program).unwrap();
        run(folder.path(), "tar", &["-czf", "hello-1.0.tar.gz", "hello-1.0"]);
        let digest = run(folder.path(), "sha512sum", &["hello-1.0.tar.gz"]);
        let digest = digest.split(' ').next().unwrap();
        let stored = at("lookaside/hello/hello-1.0.tar.gz/sha512").join(digest);
        std::fs::create_dir_all(&stored).unwrap();
        std::fs::rename(at("hello-1.0.tar.gz"), stored.join("hello-1.0.tar.gz")).unwrap();
        let sources = format!("SHA512 (hello-1.0.tar.gz) = {digest}\n");
        std::fs::write(at("dist-git/sources"), sources).unwrap();
        std::fs::write(at("dist-git/hello.spec"), SPEC).unwrap();
        let git = |arguments: &[&str]| run(&at("dist-git"), "git", arguments);
        git(&["init", "--quiet", "--initial-branch", "f44"]);
        git(&["add", "."]);
        git(&[
            "-c",
            "user.name=A",
            "-c",
            "user.email=a@example.com",
            "commit",
            "--quiet",
            "-m",
            "Publish",
        ]);
        let commit = git(&["rev-parse", "HEAD"]).trim().to_owned();
        let settings =
            serde_json::json!({"lookaside": at("lookaside"), "dist": {"f44-candidate": ".fc44"}});
        std::fs::write(at("builds/settings.json"), settings.to_string()).unwrap();
        Site { folder, commit }
    }

    fn command(&self) -> Command {
        let program =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/build-commands/rpmbuild");
        Command { program, state: self.folder.path().join("builds") }
    }

    fn build(&self) -> Build {
        let repository = self.folder.path().join("dist-git").display().to_string();
        let source = Source::Commit(format!("{repository}#{}", self.commit));
        let order = BuildOrder { source, commit: self.commit.parse().unwrap(), ..order() };
        let nvr: Nvr = "hello-1.0-2.fc44".parse().unwrap();
        Build::new(order, "f44-candidate".parse().unwrap(), Some(nvr))
    }
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let mut process = Process::new(program);
    process.args(arguments).current_dir(folder).env("GIT_CONFIG_NOSYSTEM", "1");
    let output =
        process.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("the program is there");
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Goes rounds until the build has ended.
async fn ended(yard: &Yard, site: &Site) -> Ending {
    let policy = Policy { tries: 1, ..Policy::default() };
    let bot = Driver::new(site.command(), yard.record.clone(), yard.people.clone(), policy);
    let mut builds = [bot.take(site.build(), yard.now()).unwrap()];
    let started = Instant::now();
    loop {
        bot.round(&mut builds, &yard.clock()).await.unwrap();
        if let Some(ending) = builds[0].ending() {
            return ending.clone();
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{builds:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_small_site_builds_a_real_package() {
    let (yard, site) = (Yard::new(), Site::new("#!/bin/sh\necho hello\n"));
    let ending = ended(&yard, &site).await;
    let Ending::Succeeded { build: Some(built), .. } = &ending else { panic!("{ending:#?}") };
    assert_eq!(built.nvr.as_str(), "hello-1.0-2.fc44");
    let result = site.folder.path().join("builds").join(&built.id).join("result");
    let made = result.join("noarch/hello-1.0-2.fc44.noarch.rpm");
    let files = run(site.folder.path(), "rpm", &["-qlp", made.to_str().unwrap()]);
    assert_eq!(files, "/usr/bin/hello\n");
    assert_eq!(yard.told().len(), 1);
}

#[tokio::test]
async fn a_package_that_does_not_build_says_its_last_lines() {
    let (yard, site) = (Yard::new(), Site::new("#!/bin/sh\necho nonsense\n"));
    let ending = ended(&yard, &site).await;
    let Ending::FailedByPackage { failure } = &ending else { panic!("{ending:#?}") };
    assert_eq!(failure.step, "rpmbuild");
    let log = failure.log.as_ref().unwrap();
    assert!(
        log.text.contains("Bad exit status") && log.text.contains("(%build)"),
        "{}",
        log.text
    );
}

#[tokio::test]
async fn a_source_that_is_not_there_is_nobodys_package() {
    let (yard, site) = (Yard::new(), Site::new("x"));
    std::fs::remove_dir_all(site.folder.path().join("lookaside")).unwrap();
    let ending = ended(&yard, &site).await;
    let Ending::FailedByInfrastructure { failure } = &ending else { panic!("{ending:#?}") };
    assert_eq!(failure.step, "sources");
}

#[tokio::test]
async fn the_same_run_submitted_twice_is_one_task_and_outlives_who_asked() {
    let site = Site::new("#!/bin/sh\necho hello\n");
    let (command, build) = (site.command(), site.build());
    assert_eq!(command.find(&build).await.unwrap(), None);
    let first = command.submit(&build).await;
    assert_eq!(command.submit(&build).await, first);
    let task = command.find(&build).await.unwrap().expect("it was submitted");
    // A bot that died between its record and the submission finds it.
    let yard = Yard::new();
    let forgotten = Build { stage: Stage::Submitting { at: yard.now() }, ..build };
    let bot =
        Driver::new(site.command(), yard.record.clone(), yard.people.clone(), Policy::default());
    let woken = bot.take_in(forgotten, Observation::Woken, yard.now()).unwrap();
    let mut builds = [woken];
    bot.round(&mut builds, &yard.clock()).await.unwrap();
    let stage = format!("{:?}", builds[0].stage);
    assert!(stage.contains(task.as_str()), "{stage}");
    ended(&yard, &site).await;
}
