//! The images of `containers/`, built as people build them, around the program that is under test.
//!
//! The program is the one that the tests were built with, with the libraries that it names: a static one would mean a
//! second build of everything.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::container::variables;
use super::{Run, World, succeed};

/// The template for a maintainer's own.
pub const CUSTOM: &str = "localhost/lockkeeper/custom-example";

/// A shell that runs what the branch's `population.env.SCRIPT` says.
pub const SCRIPTED: &str = "localhost/lockkeeper/scripted";

/// Builds all images once in a test process; what is there already costs little.
pub fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = engine(&root.join("containers/build").display().to_string());
        succeed(command.args([
            "--engine",
            "podman",
            "--program",
            env!("CARGO_BIN_EXE_lockkeeper"),
        ]));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("Containerfile");
        let entry = "ENTRYPOINT [\"/bin/sh\", \"-c\", \"eval \\\"$SCRIPT\\\"\"]";
        std::fs::write(&file, format!("FROM {CUSTOM}\n{entry}\n")).expect("it can be written");
        let mut command = engine("podman");
        command.args(["build", "--quiet", "--network=none", "--tag", SCRIPTED, "--file"]);
        succeed(command.arg(&file).arg(folder.path()));
    });
}

/// Returns a program that finds the store of the stories.
pub fn engine(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(variables());
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command
}

/// Returns a config's population by a script; each line of it stands as it is.
pub fn scripted(script: &str, more: &str) -> String {
    let lines: String = script.lines().map(|line| format!("      {}\n", line.trim())).collect();
    format!("population:\n  container: {SCRIPTED}\n{more}  env:\n    SCRIPT: |\n{lines}")
}

impl World {
    /// Runs the program with podman at hand.
    pub fn run_contained(&self, arguments: &[&str]) -> Run {
        self.run_where_podman_is(&[arguments, &["--engine", "podman"]].concat(), &[])
    }

    /// Runs the program where podman finds its store, with these variables; nobody says which engine to take.
    pub fn run_where_podman_is(&self, arguments: &[&str], more: &[(&str, &str)]) -> Run {
        let variables = variables();
        let shown: Vec<(&str, String)> =
            variables.iter().map(|(name, value)| (*name, value.display().to_string())).collect();
        let shown = shown.iter().map(|(name, value)| (*name, value.as_str()));
        let environment: Vec<(&str, &str)> = shown.chain(more.iter().copied()).collect();
        self.run_in(arguments, &environment)
    }

    /// Syncs `f44` with podman at hand.
    pub fn sync_contained(&self, more: &[&str]) -> Run {
        self.run_contained(&[&self.sync_arguments()[..], more].concat())
    }

    /// Syncs with podman at hand, and sees that a person must act and that everything stays as it was.
    pub fn refuses_contained(&self, code: &str) -> Run {
        let before = self.state();
        let run = self.sync_contained(&[]);
        run.came_to(3, "refused", code);
        assert_eq!(self.state(), before, "{run:#?}");
        run
    }
}
