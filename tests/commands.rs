//! Stories of the commands around the main job, told to the program itself: key, keys, signer, init-spec.

#![allow(clippy::disallowed_methods, reason = "tests make their worlds with the real tools")]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use clap::CommandFactory;
use lockkeeper::cli::Cli;
use lockkeeper::demo::{Kind, NewCommit, Package, Person, Project, package::write_keys};

const SPEC: &str = "\
Name:           hello
Version:        0
Release:        1%{?dist}
Summary:        Says hello
License:        MIT
Source0:        %{name}-%{version}.tar.gz
BuildArch:      noarch

%description
Says hello.

%prep
%autosetup -p1

%files

%changelog
";

/// A package that alice may sign for, opted in and not published yet.
struct World {
    folder: tempfile::TempDir,
    alice: Person,
    source: Project,
    package: Package,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let (born, start) = (now - Duration::from_secs(900_000), now - Duration::from_secs(90_000));
        let alice = Person::new("Alice", Kind::OpenPgp, born).unwrap();
        let bot = Person::new("Bot", Kind::Ssh, born).unwrap();
        let mut source = Project::new(&folder.path().join("source/hello"), "main", start).unwrap();
        let release = NewCommit::new("Say hello\n").put("hello", "hello\n").put("LICENSE", "MIT\n");
        let release = release.put(".distro/hello.spec", SPEC).signed_by(&alice);
        let release = source.commit(release).unwrap();
        source.tag("v1.0", &release, Some(&alice)).unwrap();
        let mut package = Package::new(folder.path(), "hello", "f44", bot, start).unwrap();
        package.opt_in(&config(&source, &[&alice.listed()]), &[&alice]).unwrap();
        write_keys(folder.path(), &package).unwrap();
        World { folder, alice, source, package }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run(self.folder.path(), arguments)
    }
}

fn config(source: &Project, keys: &[&str]) -> String {
    format!(
        "version: 1\nsource: {{repository: \"file://{}\", branch: main}}\nsigning: {{keys: [{}]}}\n",
        source.folder().display(),
        keys.join(", ")
    )
}

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockkeeper"));
    command.args(arguments).current_dir(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder, arguments).output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", stdout(output), stderr(output)))
}

/// Runs with `--format json` and returns the object; the exit code must be `code`.
fn json_of(folder: &Path, arguments: &[&str], code: i32) -> serde_json::Value {
    let output = run(folder, &[arguments, &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(&output), stderr(&output));
    json(&output)
}

#[test]
fn a_key_is_made_once_shown_and_tried() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("passphrase"), "sesame\n").unwrap();
    let who = ["key", "generate", "--name", "Bot", "--mail", "bot@example.org"];
    for (kind, more) in [("openpgp", &[][..]), ("ssh", &["--ssh"])] {
        let (secret, public) = (format!("{kind}.key"), format!("{kind}.pub"));
        let files = ["--output", &secret, "--public", &public, "--passphrase-file", "passphrase"];
        let made = json_of(folder, &[&who[..], more, &files[..]].concat(), 0);
        assert_eq!(made["secret"], "locked");
        let mode = folder.join(&secret).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let again = run(folder, &[&who[..], more, &files[..]].concat());
        assert_eq!(again.status.code(), Some(2));
        assert!(stderr(&again).contains("output-exists"), "{}", stderr(&again));
        for file in [&secret, &public] {
            let shown = json_of(folder, &["key", "show", file], 0);
            assert_eq!(shown["key"], made["key"], "{file}");
        }
        let locked = run(folder, &["key", "check", &secret]);
        assert_eq!(locked.status.code(), Some(2));
        assert!(stderr(&locked).contains("bot-key-locked"));
        let check = ["key", "check", &secret, "--passphrase-file", "passphrase"];
        let checked = json_of(folder, &check, 0);
        assert_eq!(checked["can_sign"], true);
        // The passphrase's file was written with everybody's rights.
        assert!(checked["warnings"][0].as_str().unwrap().contains("passphrase has mode"));
    }
}

#[test]
fn a_passphrase_can_come_from_a_systemd_credential() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("credentials")).unwrap();
    std::fs::write(folder.join("credentials/lock"), "sesame").unwrap();
    let run = |arguments: &[&str]| {
        let mut command = program(folder, arguments);
        command.env("CREDENTIALS_DIRECTORY", folder.join("credentials")).output().unwrap()
    };
    let with = ["--passphrase-credential", "lock"];
    let who = ["key", "generate", "--name", "Bot", "--mail", "bot@example.org", "--output", "k"];
    assert!(run(&[&who[..], &with].concat()).status.success());
    assert!(run(&[&["key", "check", "k"][..], &with].concat()).status.success());
    let missing = run(&["key", "check", "k", "--passphrase-credential", "other"]);
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn a_key_that_will_not_do_is_refused_and_an_open_one_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut keygen = Command::new("ssh-keygen");
    keygen
        .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", "rsa.key"])
        .current_dir(folder);
    assert!(keygen.status().expect("ssh-keygen is installed").success());
    let refused = run(folder, &["key", "check", "rsa.key"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("bot-key-unsupported"));
    assert_eq!(json_of(folder, &["key", "show", "rsa.key"], 0)["kind"], "RSA of 2048 bits");
    let who = ["key", "generate", "--name", "Bot", "--mail", "bot@example.org", "--output", "k"];
    assert!(run(folder, &who).status.success());
    std::fs::set_permissions(folder.join("k"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let checked = json_of(folder, &["key", "check", "k"], 0);
    assert!(checked["warnings"][0].as_str().unwrap().contains("mode 0644"));
    for (name, mail) in [("", "a@b"), ("A <x>", "a@b"), ("A", "nobody"), ("A", "a@b>"), ("A", "@")]
    {
        let odd = ["key", "generate", "--name", name, "--mail", mail, "--output", "new"];
        assert_eq!(run(folder, &odd).status.code(), Some(2), "{name:?} {mail:?}");
        assert!(!folder.join("new").exists());
    }
}

#[test]
fn a_key_that_is_about_to_end_is_warned_about_and_one_that_ended_cannot_sign() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let home = folder.join("gnupg");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = |arguments: &[&str]| {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--quiet", "--passphrase", ""]).args(arguments);
        gpg.env("GNUPGHOME", &home).output().expect("gpg is installed")
    };
    let past = ["--faked-system-time", "20200101T000000"];
    for (who, expiry, more) in [("soon", "10d", &[][..]), ("gone", "1d", &past)] {
        let mail = format!("{who}@example.org");
        let make = ["--quick-gen-key", &mail, "ed25519", "sign", expiry];
        let made = gpg(&[more, &make].concat());
        assert!(made.status.success(), "{}", stderr(&made));
        let secret = gpg(&["--armor", "--export-secret-keys", &mail]).stdout;
        std::fs::write(folder.join(who), secret).unwrap();
        std::fs::set_permissions(folder.join(who), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut stop = Command::new("gpgconf");
    let _ = stop.args(["--kill", "gpg-agent"]).env("GNUPGHOME", &home).status();
    let soon = json_of(folder, &["key", "check", "soon"], 0);
    assert_eq!(soon["warnings"].as_array().unwrap().len(), 1, "{soon}");
    let gone = run(folder, &["key", "check", "gone"]);
    assert_eq!(gone.status.code(), Some(1), "{}", stderr(&gone));
    assert!(stderr(&gone).contains("bot-key-unusable"));
    assert_eq!(json_of(folder, &["key", "show", "gone"], 0)["reason"]["code"], "key-expired");
}

#[test]
fn keys_says_who_may_sign_and_a_change_of_keys_is_named_in_reports() {
    let mut world = World::new();
    let branch = ["--dist-git", "dist-git/hello.git", "--branch", "f44"];
    let listed = json_of(world.folder.path(), &[&["keys"][..], &branch].concat(), 0);
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1);
    assert_eq!(listed["keys"][0]["may_sign"], true);
    assert!(listed["keys"][0]["user_id"].as_str().unwrap().starts_with("Alice"));

    let bot = ["--key", "bot.key", "--bot-name", "Bot", "--bot-mail", "bot@example.org"];
    let sync = [&["sync"][..], &branch, &bot, &["--lookaside", "lookaside"]].concat();
    let landed = json_of(world.folder.path(), &sync, 0);
    assert_eq!(landed["outcome"], "landed");
    assert_eq!(
        landed["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|w| w.as_str().unwrap().contains("since the last"))
            .count(),
        0
    );

    let born = SystemTime::now() - Duration::from_secs(900_000);
    let bob = Person::new("Bob", Kind::Ssh, born).unwrap();
    let line = bob.key().public();
    let windows = [
        format!("{{ssh: \"valid-before=20200101Z {}\"}}", line.trim()),
        "{openpgp: 0123456789012345678901234567890123456789}".to_owned(),
    ];
    let keys = [world.alice.listed(), windows[0].clone(), windows[1].clone()];
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    world.package.opt_in(&config(&world.source, &keys), &[]).unwrap();
    std::fs::write(world.path("bot.pub"), world.package.bot().key().public()).unwrap();
    let with_cert = [&branch[..], &["--bot-cert", "bot.pub"]].concat();
    let listed = json_of(world.folder.path(), &[&["keys"][..], &with_cert].concat(), 0);
    let notes: Vec<&str> =
        listed["keys"].as_array().unwrap().iter().filter_map(|key| key["note"].as_str()).collect();
    assert!(notes.iter().any(|note| note.contains("[certificate-missing]")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("[key-expired]")), "{notes:?}");
    let changes = |report: &serde_json::Value| {
        let warnings = report["warnings"].as_array().unwrap().iter();
        let words: Vec<String> = warnings.map(|words| words.as_str().unwrap().to_owned()).collect();
        words.iter().filter(|words| words.contains("may sign now, and might not then")).count()
    };
    assert_eq!(changes(&listed), 2, "{listed}");
    let verified = json_of(world.folder.path(), &[&["verify"][..], &with_cert].concat(), 0);
    assert_eq!(changes(&verified), 2, "{verified}");
    let up_to_date = json_of(world.folder.path(), &sync, 0);
    assert_eq!((changes(&up_to_date), &up_to_date["outcome"]), (2, &"up-to-date".into()));

    world.package.opt_in(&config(&world.source, &[&windows[1]]), &[]).unwrap();
    let nobody = world.run(&[&["keys"][..], &branch].concat());
    assert_eq!(nobody.status.code(), Some(3), "{}", stdout(&nobody));
    assert!(stdout(&nobody).contains("0 of 1 listed keys may sign today"));
}

/// A signer that runs until the story ends.
struct Running(Child);

impl Running {
    fn start(folder: &Path, arguments: &[&str]) -> Running {
        let mut command = program(folder, arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if !line.contains("listening") {
            let mut words = String::new();
            child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
            panic!("the signer does not start: {words}");
        }
        Running(child)
    }

    fn terminate(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_branch_is_published_without_the_key_by_a_signer_in_its_own_process() {
    let world = World::new();
    let key = ["--socket", "signer.socket", "--key", "bot.key"];
    std::fs::set_permissions(world.path("bot.key"), std::fs::Permissions::from_mode(0o640))
        .unwrap();
    let exposed = world.run(&[&["signer"][..], &key].concat());
    assert_eq!(exposed.status.code(), Some(2));
    assert!(stderr(&exposed).contains("bot-key-exposed"), "{}", stderr(&exposed));
    std::fs::set_permissions(world.path("bot.key"), std::fs::Permissions::from_mode(0o600))
        .unwrap();

    let address = format!("{}/{{name}}.git", world.path("dist-git").display());
    let asking = [&["signer"][..], &key, &["--dist-git", &address]].concat();
    let signer = Running::start(world.folder.path(), &asking);
    // Whoever syncs has no key at all.
    std::fs::rename(world.path("bot.key"), world.path("hidden")).unwrap();
    let sync = [
        "sync",
        "--dist-git",
        "dist-git/hello.git",
        "--branch",
        "f44",
        "--signer",
        "signer.socket",
        "--bot-name",
        "Bot",
        "--bot-mail",
        "bot@example.org",
        "--lookaside",
        "lookaside",
    ];
    let output = world.run(&[&sync[..], &["--format", "json"]].concat());
    assert_eq!(json(&output)["outcome"], "landed", "{}", stdout(&output));
    assert_eq!(stderr(&output), "", "a pipe sees no progress");
    assert_eq!(json_of(world.folder.path(), &sync, 0)["outcome"], "up-to-date");
    let mut git = Command::new("git");
    let allowed = format!("gpg.ssh.allowedSignersFile={}", world.path("allowed-signers").display());
    git.arg("-C").arg(world.package.dist_git.folder()).args(["-c", &allowed]);
    let believed = git.args(["verify-commit", "f44"]).output().unwrap();
    assert!(believed.status.success(), "{}", stderr(&believed));

    assert_eq!(signer.terminate(), Some(0));
    assert!(!world.path("signer.socket").exists());
    let mut source = Project::open(world.source.folder(), "main", SystemTime::now()).unwrap();
    source
        .commit(NewCommit::new("More\n").put("hello", "more\n").signed_by(&world.alice))
        .unwrap();
    let gone = world.run(&sync);
    assert_eq!(gone.status.code(), Some(75), "{}{}", stdout(&gone), stderr(&gone));
    assert!(stderr(&gone).contains("signer-unreachable"));
}

#[test]
fn a_first_spec_is_drafted_that_rpm_reads_and_nothing_is_overwritten() {
    let world = World::new();
    let draft = ["init-spec", "--source", "source/hello"];
    let output = world.run(&[&draft[..], &["--output", "new.spec"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("next"), "{}", stdout(&output));
    let spec = std::fs::read_to_string(world.path("new.spec")).unwrap();
    // The name is that of the repository's folder, the version that of the tag.
    assert!(spec.contains("Name:           hello\n"), "{spec}");
    assert!(spec.contains("Version:        1.0\n"), "{spec}");
    let mut rpmspec = Command::new("rpmspec");
    rpmspec.args(["-P", "new.spec"]).current_dir(world.folder.path());
    assert!(rpmspec.env("HOME", world.folder.path()).status().expect("rpm is here").success());
    let again = world.run(&[&draft[..], &["--output", "new.spec"]].concat());
    assert_eq!(again.status.code(), Some(2));
    let printed = world.run(&draft);
    assert_eq!(stdout(&printed), spec);
    assert!(stderr(&printed).contains("# Review:"));
    let outside = world.run(&["init-spec"]);
    assert_eq!(outside.status.code(), Some(2), "{}", stdout(&outside));
}

#[test]
fn examples_of_the_new_commands_run_as_the_help_shows_them() {
    use lockkeeper::cli::examples;
    let world = World::new();
    std::fs::create_dir_all(world.path("keys")).unwrap();
    for text in
        [examples::CONTAINER, examples::KEY, examples::KEYS, examples::SIGNER, examples::INIT_SPEC]
    {
        for line in text.lines().filter_map(|line| line.trim_start().strip_prefix("lockkeeper ")) {
            let arguments: Vec<&str> = line.split_whitespace().collect();
            let output = world.run(&arguments);
            assert!(output.status.success(), "{line}: {}", stderr(&output));
        }
    }
}

/// Names every command and flag, as `key generate` and `key generate --output`.
fn named(command: &clap::Command, path: &str, names: &mut Vec<(String, String)>) {
    for argument in command.get_arguments().filter_map(clap::Arg::get_long) {
        if argument != "help" && argument != "version"
            || path == "init-spec" && argument == "version"
        {
            names.push((path.to_owned(), format!("--{argument}")));
        }
    }
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let below_path = format!("{path} {}", below.get_name()).trim().to_owned();
        names.push((below_path.clone(), String::new()));
        named(below, &below_path, names);
    }
}

#[test]
fn the_page_of_commands_names_every_command_and_flag() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let page = std::fs::read_to_string(page).expect("docs/commands.md is there");
    let mut names = Vec::new();
    named(&Cli::command(), "", &mut names);
    assert!(names.len() > 60, "the commands are found");
    for (command, flag) in names {
        // A command's part of the page begins with its heading and ends at the next.
        let heading = format!("## `lockkeeper {command}`\n");
        let part = match command.is_empty() {
            true => page.as_str(),
            false => {
                let start = page.find(&heading);
                let start = start.unwrap_or_else(|| panic!("docs/commands.md has no {heading}"));
                let rest = &page[start + heading.len()..];
                rest.split("\n## ").next().unwrap_or(rest)
            }
        };
        assert!(part.contains(&flag), "docs/commands.md does not name {flag} of {command:?}");
    }
}
