//! A small world for the tests of population: a repository, and the real tools as oracles.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::git::{Objects, Step, Store, Trust};
use crate::names::ObjectId;
use crate::populate::patches::{self, PatchRules, Series};

/// A repository in a temporary folder, and git without any configuration of its user or system.
pub struct World {
    folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> World {
        let world = World { folder: tempfile::tempdir().expect("a temporary folder can be made") };
        std::fs::create_dir(world.source()).expect("the folder is new");
        world.git(&["init", "-q", "-b", "main"]);
        world.git(&["config", "gc.auto", "0"]);
        world
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The work tree.
    pub fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    /// A command in `folder`, hermetic.
    pub fn command(&self, program: &str, args: &[&str], folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(folder).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path()).env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("LC_ALL", "C.UTF-8");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Alice Example");
            command.env(format!("GIT_{who}_EMAIL"), "alice@example.com");
            command.env(format!("GIT_{who}_DATE"), "1700000000 +0200");
        }
        command
    }

    /// Runs a tool with `input` and returns what came of it.
    pub fn run(&self, program: &str, args: &[&str], folder: &Path, input: &[u8]) -> Output {
        let file = self.path().join("input");
        std::fs::write(&file, input).expect("the folder can be written");
        let input = std::fs::File::open(&file).expect("it was just written");
        let mut command = self.command(program, args, folder);
        let output = command.stdin(Stdio::from(input)).output();
        output.unwrap_or_else(|error| panic!("{program} is needed for the tests: {error}"))
    }

    /// Runs git in the work tree; it must succeed.
    pub fn git(&self, args: &[&str]) -> String {
        let output = self.run("git", args, &self.source(), b"");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git {args:?}: {words}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.source().join(name);
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("can be made");
        let _ = std::fs::remove_file(&path);
        std::fs::write(path, content).expect("the work tree can be written");
    }

    pub fn remove(&self, name: &str) {
        let path = self.source().join(name);
        let is_folder = path.symlink_metadata().expect("it is there").is_dir();
        let removed =
            if is_folder { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        removed.expect("the work tree can be written");
    }

    pub fn link(&self, target: &str, name: &str) {
        let path = self.source().join(name);
        let _ = std::fs::remove_file(&path);
        std::os::unix::fs::symlink(target, path).expect("the work tree can be written");
    }

    pub fn set_executable(&self, name: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.source().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    /// Commits everything; the message is taken as it is.
    pub fn commit(&self, message: impl AsRef<[u8]>) -> ObjectId {
        self.git(&["add", "--all", "--force", "."]);
        let args = ["commit", "-q", "--allow-empty", "--allow-empty-message", "--cleanup=verbatim"];
        let message = message.as_ref();
        let output = self.run("git", &[&args[..], &["-F", "-"]].concat(), &self.source(), message);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git commit: {words}");
        self.rev("HEAD").expect("it was just made")
    }

    /// The id that a loose reference holds.
    pub fn rev(&self, name: &str) -> Option<ObjectId> {
        let read = |path: &str| std::fs::read_to_string(self.source().join(".git").join(path)).ok();
        let tag = || read(&format!("refs/tags/{name}"));
        let branch = || read(&format!("refs/heads/{name}"));
        let text = read(name).or_else(tag).or_else(branch)?;
        match text.trim().strip_prefix("ref: ") {
            Some(target) => read(target)?.trim().parse().ok(),
            None => text.trim().parse().ok(),
        }
    }

    pub fn tree(&self, rev: &str) -> ObjectId {
        let id = self.rev(rev).expect("the reference is there");
        self.store().objects().commit(&id).expect("the commit is sound").tree
    }

    pub fn store(&self) -> Store {
        Store::open(&self.source(), Trust::InPlace).expect("the repository is sound")
    }

    /// The first-parent line from `tag`, exclusive, to `tip`.
    pub fn steps(&self, tag: &str, tip: &str) -> Vec<Step> {
        let range = format!("{tag}..{tip}");
        let ids = self.git(&["rev-list", "--first-parent", "--reverse", &range]);
        let objects = self.store().objects();
        let mut base_tree = self.tree(tag);
        let mut steps = Vec::new();
        for id in ids.lines() {
            let commit = objects.commit(&id.parse().expect("an id")).expect("it is there");
            let next = commit.tree;
            steps.push(Step { base_tree, commit });
            base_tree = next;
        }
        steps
    }

    pub fn series(&self, tag: &str, tip: &str) -> Series {
        let steps = self.steps(tag, tip);
        patches::series(&self.store(), &steps, &PatchRules::default(), &[], 2, None)
            .unwrap_or_else(|fault| panic!("the series is refused: {fault}"))
    }

    /// Lays the content of `rev` into a fresh folder, as `git archive` would.
    pub fn unpack(&self, rev: &str, folder: &str) -> PathBuf {
        let place = self.path().join(folder);
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir(&place).expect("it was removed");
        let index = self.path().join("unpack.index");
        let _ = std::fs::remove_file(&index);
        for args in [vec!["read-tree", rev], vec!["checkout-index", "--all"]] {
            let mut command = self.command("git", &args, &self.source());
            command.env("GIT_INDEX_FILE", &index).env("GIT_DIR", self.source().join(".git"));
            let status = command.env("GIT_WORK_TREE", &place).current_dir(&place).status();
            assert!(status.expect("git runs").success());
        }
        place
    }

    /// The tree id of a folder's content, whatever is in it.
    pub fn tree_of(&self, folder: &Path) -> ObjectId {
        let _ = std::fs::remove_dir_all(folder.join(".git"));
        let index = self.path().join("tree_of.index");
        let _ = std::fs::remove_file(&index);
        let run = |args: &[&str]| {
            let mut command = self.command("git", args, folder);
            command.env("GIT_INDEX_FILE", &index).env("GIT_DIR", self.source().join(".git"));
            let output = command.env("GIT_WORK_TREE", folder).output().expect("git runs");
            assert!(output.status.success());
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        run(&["add", "--all", "--force", "."]);
        run(&["write-tree"]).parse().expect("an id")
    }

    pub fn objects(&self) -> Objects {
        self.store().scratch()
    }
}
