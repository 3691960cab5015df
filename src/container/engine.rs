//! An engine that was found to work, and how it is asked.

use std::time::Duration;

use super::environment::Environment;
use super::options::{EngineChoice, Options};
use super::owner::Owner;
use super::probe::{self, Host};
use crate::outcome::{Problem, Result, printable};
use crate::process::{Invocation, Output, ProcessError};

/// Which program an engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// podman.
    Podman,
    /// docker.
    Docker,
}

impl Kind {
    /// Returns the program's name.
    pub fn program(self) -> &'static str {
        match self {
            Kind::Podman => "podman",
            Kind::Docker => "docker",
        }
    }
}

/// How long an engine may take for an answer that needs no network.
pub(super) const ANSWER: Duration = Duration::from_secs(120);

/// A container engine that works on this machine.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(super) kind: Kind,
    pub(super) options: Options,
    pub(super) environment: Environment,
    pub(super) host: Host,
    pub(super) owner: Owner,
    warnings: Vec<String>,
}

impl Engine {
    /// Finds an engine: podman first, which needs no daemon and no root, then docker.
    ///
    /// [`EngineChoice::Builtin`] looks for one as `auto` does: who asks for one needs it.
    ///
    /// # Errors
    /// `engine-missing` where the program is not there, `engine-unusable` where it is and does not work; temporary
    /// where docker's daemon does not answer.
    pub async fn find(options: &Options) -> Result<Engine> {
        Engine::find_in(options, Environment::ours()).await
    }

    /// Finds an engine that sees this environment.
    ///
    /// # Errors
    /// As [`Engine::find`].
    pub async fn find_in(options: &Options, environment: Environment) -> Result<Engine> {
        let mut faults = Vec::new();
        for kind in candidates(options.engine) {
            let invocation = invocation(*kind, options, &environment);
            match probe::probe(*kind, invocation).await {
                Ok(host) => return Engine::with(*kind, options, environment, host),
                Err(fault) => faults.push(fault),
            }
        }
        Err(probe::none_works(faults).into())
    }

    fn with(kind: Kind, options: &Options, environment: Environment, host: Host) -> Result<Engine> {
        let (options, owner) = (options.clone(), Owner::this_process()?);
        let warnings = host.warnings(kind);
        Ok(Engine { kind, options, environment, host, owner, warnings })
    }

    /// Returns which program it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns what containers cannot be held to on this machine, for the operator; empty where all holds.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns an invocation of the engine, without a command yet.
    pub(super) fn invocation(&self) -> Invocation {
        invocation(self.kind, &self.options, &self.environment)
    }

    /// Asks the engine for something that it knows by itself.
    pub(super) async fn ask(&self, arguments: &[&str]) -> Result<Output> {
        let ran = self.invocation().args(arguments).limit(ANSWER).run().await;
        Ok(ran.map_err(|error| self.trouble(error))?)
    }

    /// Returns why the engine gave no answer.
    pub(super) fn trouble(&self, error: ProcessError) -> Problem {
        let lost = match &error {
            ProcessError::NotStarted { .. } => {
                Problem::permanent("engine-missing", error.to_string())
            }
            ProcessError::TimedOut { .. } | ProcessError::Unreadable { .. } => {
                Problem::temporary("engine-unusable", error.to_string())
            }
        };
        lost.because(error)
    }

    /// Returns that the engine failed, with its own words.
    pub(super) fn failed(&self, attempted: &str, stderr: &[u8]) -> Problem {
        let program = self.kind.program();
        let words = last_words(stderr);
        Problem::permanent("engine-failed", format!("{program} could not {attempted}: {words}"))
            .hint(format!("try `{program} run` by hand as the user that the bot runs as"))
    }
}

/// Returns an invocation of an engine's program; podman takes the runtime before any command.
fn invocation(kind: Kind, options: &Options, environment: &Environment) -> Invocation {
    let invocation = environment.invocation(kind.program());
    match (kind, &options.runtime) {
        (Kind::Podman, Some(runtime)) => invocation.arg(format!("--runtime={runtime}")),
        _ => invocation,
    }
}

/// Returns the last line that an engine said, harmless on a terminal.
pub(super) fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    printable(last.unwrap_or("it does not say why").trim(), 600)
}

fn candidates(choice: EngineChoice) -> &'static [Kind] {
    match choice {
        EngineChoice::Auto | EngineChoice::Builtin => &[Kind::Podman, Kind::Docker],
        EngineChoice::Podman => &[Kind::Podman],
        EngineChoice::Docker => &[Kind::Docker],
    }
}
