//! The program, run as people run it, in an environment of its own.

use std::process::{Command, Output};

use serde_json::Value;

use super::{World, hermetic, output_of};

/// What one run of the program came to.
pub struct Run {
    /// The exit code; `None` where it was killed.
    pub exit: Option<i32>,
    /// What it printed on stdout, as JSON; null where that was none.
    pub report: Value,
    /// What it printed on stdout.
    pub stdout: String,
    /// What it printed on stderr.
    pub stderr: String,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}\n{}{}", self.exit, self.stdout, self.stderr)
    }
}

/// Returns the program: the one that cargo built for the tests, or the optimised one that `LOCKKEEPER_PROGRAM` names.
pub fn the_program() -> String {
    let named = std::env::var("LOCKKEEPER_PROGRAM").ok();
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_lockkeeper").to_owned())
}

impl Run {
    fn of(output: Output) -> Run {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Run {
            exit: output.status.code(),
            report: serde_json::from_str(&stdout).unwrap_or_default(),
            stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Returns one text of the report, such as `outcome` or `reason.code`; empty where it is null.
    pub fn text(&self, path: &str) -> &str {
        let value = path.split('.').fold(&self.report, |value, key| &value[key]);
        value.as_str().unwrap_or_default()
    }

    /// Sees that it came to this exit code, outcome and reason (empty: none).
    pub fn came_to(&self, exit: i32, outcome: &str, code: &str) -> &Run {
        let found = (self.exit, self.text("outcome"), self.text("reason.code"));
        assert_eq!(found, (Some(exit), outcome, code), "{self:#?}");
        self
    }

    /// Sees that this version and release landed.
    pub fn landed(&self, version_release: &str) -> &Run {
        self.came_to(0, "landed", "");
        let evr = self.text("evr");
        assert_eq!(evr.split_once(':').map_or(evr, |(_, rest)| rest), version_release, "{self:#?}");
        self
    }

    /// Sees that nothing was to be done.
    pub fn up_to_date(&self) -> &Run {
        self.came_to(0, "up-to-date", "")
    }

    /// Sees that the message or the hint has these words.
    pub fn says(&self, words: &str) -> &Run {
        let said = format!("{}\n{}", self.text("reason.message"), self.text("reason.hint"));
        assert!(said.contains(words), "no {words:?} in {said}");
        self
    }

    /// Sees that one of the warnings has these words.
    pub fn warns(&self, words: &str) -> &Run {
        let warnings = self.report["warnings"].to_string();
        assert!(warnings.contains(words), "no {words:?} in {warnings}");
        self
    }
}

impl World {
    /// Returns the program with these arguments, in the world's folder, with a home of its own.
    pub fn program(&self, arguments: &[&str]) -> Command {
        self.in_world(&the_program(), arguments)
    }

    /// Returns any program with these arguments, in the world's folder, with a home of its own.
    pub fn in_world(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path("")).env_clear();
        for name in ["PATH", "TMPDIR"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("HOME", self.path("home")).env("XDG_CACHE_HOME", self.path("home/.cache"));
        hermetic(&mut command);
        command
    }

    /// Runs the program and asks for JSON.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_in(arguments, &[])
    }

    /// As [`World::run`], with these variables.
    pub fn run_in(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let mut program = self.program(arguments);
        program.args(["--format", "json"]).envs(environment.iter().copied());
        Run::of(output_of(&mut program))
    }

    /// Returns the arguments of `sync`.
    pub fn sync_arguments(&self) -> Vec<&str> {
        let flags = "sync --dist-git dist-git/hello.git --branch f44 --dist .fc44 --key bot.key --bot-name Lockkeeper \
                     --bot-mail lockkeeper@example.org --lookaside";
        flags.split_whitespace().chain([self.lookaside()]).collect()
    }

    /// Syncs `f44`.
    pub fn sync(&self) -> Run {
        self.sync_with(&[])
    }

    /// Syncs `f44` with further arguments.
    pub fn sync_with(&self, more: &[&str]) -> Run {
        self.run(&[&self.sync_arguments()[..], more].concat())
    }

    /// Syncs another dist-git address or branch.
    pub fn sync_at(&self, dist_git: &str, branch: &str) -> Run {
        let mut arguments = self.sync_arguments();
        (arguments[2], arguments[4]) = (dist_git, branch);
        self.run(&arguments)
    }

    /// Syncs, and sees that it ends so and that everything stays as it was.
    pub fn sync_changes_nothing(&self, exit: i32, outcome: &str, code: &str) -> Run {
        self.sync_with_changes_nothing(&[], exit, outcome, code)
    }

    /// As [`World::sync_changes_nothing`], with further arguments.
    pub fn sync_with_changes_nothing(
        &self,
        more: &[&str],
        exit: i32,
        outcome: &str,
        code: &str,
    ) -> Run {
        let before = self.state();
        let run = self.sync_with(more);
        run.came_to(exit, outcome, code);
        assert_eq!(self.state(), before, "{run:#?}");
        run
    }

    /// Syncs, and sees that a person must act and that everything stays as it was.
    pub fn refuses(&self, code: &str) -> Run {
        self.sync_changes_nothing(3, "refused", code)
    }

    /// Does all but landing, into `output` in the world's folder, and sees that everything stays as it was.
    pub fn preview(&self, output: &str) -> Run {
        let before = self.state();
        let flags = "preview --dist-git dist-git/hello.git --branch f44 --dist .fc44 --key bot.key --output";
        let run = self.run(&flags.split(' ').chain([output]).collect::<Vec<_>>());
        assert_eq!(self.state(), before, "{run:#?}");
        run
    }
}
