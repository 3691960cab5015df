//! A small world: one source-git project, one dist-git branch that tracks it, a lookaside cache, people with keys.

pub mod container;
mod files;
pub mod forges;
pub mod https;
pub mod images;
pub mod lookaside;
pub mod memory;
pub mod postgres;
mod rpm;
mod run;
pub mod service;
pub mod smtp;
pub mod sshd;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

pub use files::{files_below, hermetic, output_of, succeed};
pub use lockkeeper::demo::story::SPEC;
pub use lockkeeper::demo::{Kind, NewCommit, Package, Person, Project};
pub use lockkeeper::git::EntryMode;
pub use lockkeeper::names::ObjectId;
pub use run::Run;

/// 2024-03-01 12:00:00 UTC: commits are dated from then on, a minute apart.
const START: u64 = 1_709_294_400;

/// The world. Each story makes its own, with its own keys.
pub struct World {
    folder: tempfile::TempDir,
    /// source-git, on branch `main`.
    pub source: Project,
    /// dist-git, on branch `f44`.
    pub package: Package,
    /// Listed, with an OpenPGP key.
    pub alice: Person,
    /// Listed, with an SSH key.
    pub bob: Person,
    /// Not listed.
    pub mallory: Person,
    lookaside: String,
}

impl World {
    /// Makes a world in which nothing has happened yet; the bot's key is OpenPGP.
    pub fn empty() -> World {
        World::with_bot(Kind::OpenPgp)
    }

    /// Makes a world whose bot has a key of this kind.
    pub fn with_bot(kind: Kind) -> World {
        World::in_folder("lk-story-", kind)
    }

    /// Makes a world in a folder whose name begins so.
    pub fn in_folder(prefix: &str, kind: Kind) -> World {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir().expect("a folder");
        let born = moment(START - 60 * 24 * 3600);
        let person = |name, kind| Person::new(name, kind, born).expect("keys can be made");
        let bot = person("Lockkeeper Bot", kind);
        let at = |name: &str| folder.path().join(name);
        let source = Project::new(&at("source/hello.git"), "main", moment(START));
        let package = Package::new(folder.path(), "hello", "f44", bot, moment(START));
        let world = World {
            source: source.expect("a repository can be made"),
            package: package.expect("a repository can be made"),
            alice: person("Alice", Kind::OpenPgp),
            bob: person("Bob", Kind::Ssh),
            mallory: person("Mallory", Kind::OpenPgp),
            lookaside: at("lookaside").display().to_string(),
            folder,
        };
        std::fs::create_dir(world.path("home")).expect("a folder can be made");
        let write_keys = lockkeeper::demo::package::write_keys;
        write_keys(world.folder.path(), &world.package).expect("keys can be written");
        world
    }

    /// Makes a world in which Alice released 1.0, and `f44` tracks it with this mechanism.
    pub fn released(mechanism: &str) -> World {
        let mut world = World::empty();
        world.opt_in(&format!("population:\n  mechanism: {mechanism}\n"));
        world.release();
        world
    }

    /// Makes a world in which 1.0-1 was published.
    pub fn published(mechanism: &str) -> World {
        let world = World::released(mechanism);
        world.sync().landed("1.0-1");
        world
    }

    /// Alice commits the first content and tags it v1.0.
    pub fn release(&mut self) -> ObjectId {
        let first = NewCommit::new("Say hello")
            .put("hello", "#!/bin/sh\necho hello\n")
            .put("README", "A program that says hello.\n")
            .put(".distro/hello.spec", SPEC)
            .signed_by(&self.alice);
        let id = self.source.commit(first).expect("source-git can be written");
        self.source.tag("v1.0", &id, Some(&self.alice)).expect("source-git can be written");
        id
    }

    /// Alice changes a file and signs.
    pub fn commit(&mut self, subject: &str, path: &str, content: &str) -> ObjectId {
        let new = NewCommit::new(subject).put(path, content).signed_by(&self.alice);
        self.source.commit(new).expect("source-git can be written")
    }

    /// Alice signs and pushes this.
    pub fn alice_commits(&mut self, new: NewCommit<'_>) -> ObjectId {
        self.source.commit(new.signed_by(&self.alice)).expect("source-git can be written")
    }

    /// Alice tags a commit and signs the tag.
    pub fn tag(&mut self, name: &str, commit: &ObjectId) -> ObjectId {
        self.source.tag(name, commit, Some(&self.alice)).expect("source-git can be written")
    }

    /// A human commits to dist-git.
    pub fn dist_git_commit(&mut self, new: NewCommit<'_>) -> ObjectId {
        self.package.dist_git.commit(new).expect("dist-git can be written")
    }

    /// Returns a config that lists Alice and Bob, with these lines below.
    pub fn config(&self, rest: &str) -> String {
        format!(
            "version: 1\nsource:\n  repository: file://{}\n  branch: main\nsigning:\n  keys:\n    - {}\n    - {}\n{rest}",
            self.source.folder().display(),
            self.alice.listed(),
            self.bob.listed(),
        )
    }

    /// Opts `f44` in with [`World::config`].
    pub fn opt_in(&mut self, rest: &str) -> ObjectId {
        let config = self.config(rest);
        self.opt_in_with(&config)
    }

    /// Opts `f44` in with this whole config.
    pub fn opt_in_with(&mut self, config: &str) -> ObjectId {
        let people = [&self.alice, &self.bob];
        self.package.opt_in(config, &people).expect("dist-git can be written")
    }

    /// Returns the folder that all of the world is in.
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Uses this lookaside from now on: a server's address.
    pub fn use_lookaside(&mut self, address: &str) {
        address.clone_into(&mut self.lookaside);
    }

    /// Returns the address of the lookaside.
    pub fn lookaside(&self) -> &str {
        &self.lookaside
    }

    /// Runs git in dist-git and returns what it prints, trimmed at its end.
    pub fn dist_git(&self, arguments: &[&str]) -> String {
        git(self.package.dist_git.folder(), arguments)
    }

    /// Runs git in source-git and returns what it prints, trimmed at its end.
    pub fn source_git(&self, arguments: &[&str]) -> String {
        git(self.source.folder(), arguments)
    }

    /// Returns the content of a file at the tip of `f44`.
    pub fn file(&self, path: &str) -> String {
        let shown = self.dist_git(&["show", &format!("f44:{path}")]);
        shown + "\n"
    }

    /// Returns the paths at the tip of `f44`.
    pub fn files(&self) -> Vec<String> {
        let listed = self.dist_git(&["ls-tree", "-r", "--name-only", "f44"]);
        listed.lines().map(str::to_owned).collect()
    }

    /// Returns how many commits the branch `f44` has.
    pub fn commits(&self) -> usize {
        self.dist_git(&["rev-list", "--count", "f44"]).parse().expect("a number")
    }

    /// Returns everything that a refusal must leave as it was.
    pub fn state(&self) -> Vec<(String, String)> {
        let mut state = vec![
            ("dist-git".to_owned(), self.dist_git(&["for-each-ref"])),
            ("source-git".to_owned(), self.source_git(&["for-each-ref"])),
        ];
        for folder in ["lookaside", "server"] {
            let files = files_below(&self.path(folder));
            state.extend(
                files.into_iter().map(|(path, bytes)| {
                    (path, lockkeeper::digest::Sha512::of(&bytes).to_string())
                }),
            );
        }
        state
    }
}

/// Runs git hermetically.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments);
    let output = succeed(hermetic(&mut command));
    String::from_utf8_lossy(&output).trim_end().to_owned()
}

fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
