//! Command: an operator's own program is the build system.
//!
//! It is run as `PROGRAM VERB REQUEST`, where REQUEST is a JSON file, and prints one JSON object on stdout.
//! `docs/builds.md` has the contract, and `deploy/build-commands/` two programs that keep it. A program answers at once
//! and leaves the work to a process of its own, which must leave the program's process group (`setsid`).
//!
//! Exit 0: the answer counts. Exit 2 to `check`, `tag` or `cancel`: it does not know that verb, and none is needed.
//! Any other: no answer, and the same is asked again later.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ending::{Built, Failure, Refused, Side};
use super::order::{BuildKind, Source, TagLabel, TaskId};
use super::state::Build;
use super::step::{Check, Seen, Submission, TagSeen};
use super::system::BuildSystem;
use crate::outcome::{Fault, Problem, Result, printable};
use crate::process::Invocation;

/// The contract's number, in every request.
const CONTRACT: u32 = 1;

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(120);

/// How the program says that it does not know a verb.
const UNKNOWN_VERB: i32 = 2;

/// An operator's program.
#[derive(Debug, Clone)]
pub struct Command {
    /// The program.
    pub program: PathBuf,
    /// A folder of its own, where it keeps what it must remember.
    pub state: PathBuf,
}

/// What the program gets to read.
#[derive(Debug, Serialize)]
struct Request<'a> {
    contract: u32,
    verb: &'a str,
    state: &'a std::path::Path,
    #[serde(flatten)]
    about: About<'a>,
}

/// What it is asked about.
#[derive(Debug, Default, Serialize)]
struct About<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<Ordered<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a TaskId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    built: Option<&'a Built>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a TagLabel>,
}

/// The build that is ordered.
#[derive(Debug, Serialize)]
struct Ordered<'a> {
    run: String,
    package: &'a str,
    branch: &'a str,
    commit: String,
    repository: Option<&'a str>,
    source_package: Option<&'a std::path::Path>,
    target: &'a str,
    nvr: Option<&'a str>,
    kind: BuildKind,
}

impl<'a> Ordered<'a> {
    fn of(build: &'a Build) -> Ordered<'a> {
        let order = &build.order;
        let (repository, source_package) = match &order.source {
            Source::Commit(url) => (url.split_once('#').map(|(address, _)| address), None),
            Source::SourcePackage(file) => (None, Some(file.as_path())),
        };
        Ordered {
            run: build.run_id().to_string(),
            package: order.package.as_str(),
            branch: order.branch.as_str(),
            commit: order.commit.to_string(),
            repository,
            source_package,
            target: build.target.as_str(),
            nvr: build.nvr.as_ref().map(super::Nvr::as_str),
            kind: order.kind,
        }
    }
}

/// What a task's state is, as the program says it.
#[derive(Debug, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum TaskAnswer {
    Running,
    Succeeded { build: Option<Built> },
    Failed,
    Cancelled,
    Missing,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "check", rename_all = "kebab-case")]
enum CheckAnswer {
    Clear,
    Done { build: Built, task: Option<TaskId> },
    Building { task: TaskId },
    Refused { message: String, hint: String },
}

#[derive(Debug, Deserialize)]
struct FindAnswer {
    task: Option<TaskId>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SubmitAnswer {
    Task(TaskId),
    Refused { message: String, hint: String },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "tag", rename_all = "kebab-case")]
enum TagAnswer {
    Present,
    Absent,
    Asked { task: TaskId },
    Refused { message: String, hint: String },
}

/// What came of one run of the program.
enum Told {
    Answer(Value),
    UnknownVerb,
}

impl Command {
    async fn ask(&self, verb: &str, about: About<'_>) -> Result<Told> {
        let request = Request { contract: CONTRACT, verb, state: &self.state, about };
        let file = written(&request)?;
        let program = self.program.display().to_string();
        let run = Invocation::new(&self.program).arg(verb).arg(file.path()).folder(&self.state);
        let output = run.limit(LIMIT).run().await.map_err(|error| {
            let words = format!("the build command gave no answer to `{verb}`: {error}");
            Problem::temporary("build-command", words).because(error)
        })?;
        if output.status.code() == Some(UNKNOWN_VERB) {
            return Ok(Told::UnknownVerb);
        }
        if !output.status.success() {
            let said = printable(output.stderr.trim_ascii_end(), 300);
            let words = format!("{program} {verb}: {}: {said}", output.status);
            return Err(Problem::temporary("build-command", words).into());
        }
        serde_json::from_slice(&output.stdout).map(Told::Answer).map_err(|e| garbled(verb, &e))
    }

    async fn answer<T: for<'de> Deserialize<'de>>(
        &self,
        verb: &str,
        about: About<'_>,
    ) -> Result<Option<T>> {
        match self.ask(verb, about).await? {
            Told::Answer(value) => {
                serde_json::from_value(value).map(Some).map_err(|error| garbled(verb, &error))
            }
            Told::UnknownVerb => Ok(None),
        }
    }
}

impl BuildSystem for Command {
    async fn check(&self, build: &Build) -> Result<Check> {
        let answer = self.answer("check", about(build)).await?;
        Ok(match answer.unwrap_or(CheckAnswer::Clear) {
            CheckAnswer::Clear => Check::Clear,
            CheckAnswer::Done { build, task } => Check::Done { build, task },
            CheckAnswer::Building { task } => Check::Building(task),
            CheckAnswer::Refused { message, hint } => {
                Check::Refused(Refused::new("build-not-taken", message, hint))
            }
        })
    }

    async fn find(&self, build: &Build) -> Result<Option<TaskId>> {
        let answer: Option<FindAnswer> = self.answer("find", about(build)).await?;
        answer.map(|found| found.task).ok_or_else(|| must_know("find"))
    }

    async fn submit(&self, build: &Build) -> Submission {
        match self.answer("submit", about(build)).await {
            Ok(Some(SubmitAnswer::Task(task))) => Submission::Accepted(task),
            Ok(Some(SubmitAnswer::Refused { message, hint })) => {
                Submission::Refused(Refused::new("build-not-taken", message, hint))
            }
            Ok(None) => {
                let message = "the build command does not know the verb `submit`";
                Submission::Refused(Refused::new("build-not-taken", message, "see docs/builds.md"))
            }
            // It may have begun before it fell.
            Err(fault) => {
                tracing::info!(%fault, "nobody knows whether the build was submitted");
                Submission::Doubtful
            }
        }
    }

    async fn poll(&self, builds: &[(&Build, TaskId)]) -> Result<Vec<Seen>> {
        let mut seen = Vec::with_capacity(builds.len());
        for (build, task) in builds {
            let about = About { task: Some(task), ..about(build) };
            let answer: Option<TaskAnswer> = self.answer("poll", about).await?;
            seen.push(match answer.ok_or_else(|| must_know("poll"))? {
                TaskAnswer::Running => Seen::Running,
                TaskAnswer::Succeeded { build } => Seen::Succeeded(build),
                TaskAnswer::Failed => {
                    let task = Some(task.clone());
                    Seen::Failed(Failure { task, side: Side::Package, ..Failure::default() })
                }
                TaskAnswer::Cancelled => Seen::Cancelled,
                TaskAnswer::Missing => Seen::Missing,
            });
        }
        Ok(seen)
    }

    async fn cancel(&self, task: &TaskId) -> Result<()> {
        self.ask("cancel", About { task: Some(task), ..About::default() }).await.map(|_| ())
    }

    async fn logs(&self, task: &TaskId) -> Result<Failure> {
        let about = About { task: Some(task), ..About::default() };
        let answer: Option<Failure> = self.answer("logs", about).await?;
        answer.ok_or_else(|| must_know("logs"))
    }

    async fn tag(&self, built: &Built, tag: &TagLabel, tagger: Option<&TaskId>) -> Result<TagSeen> {
        let about = About { built: Some(built), tag: Some(tag), task: tagger, ..About::default() };
        let none = || TagAnswer::Refused {
            message: format!("the build command puts on no tags, and {tag} is wanted"),
            hint: "leave gating.tag out, or have the build command know the verb `tag`".to_owned(),
        };
        Ok(match self.answer("tag", about).await?.unwrap_or_else(none) {
            TagAnswer::Present => TagSeen::Present,
            TagAnswer::Absent => TagSeen::Absent,
            TagAnswer::Asked { task } => TagSeen::Asked(task),
            TagAnswer::Refused { message, hint } => {
                TagSeen::Refused(Refused::new("build-not-tagged", message, hint))
            }
        })
    }
}

fn about(build: &Build) -> About<'_> {
    About { build: Some(Ordered::of(build)), ..About::default() }
}

fn written(request: &Request<'_>) -> Result<tempfile::NamedTempFile> {
    let failed = |error: std::io::Error| {
        let words = format!("a request for the build command cannot be written: {error}");
        Problem::permanent("build-log-unusable", words).because(error)
    };
    let json = serde_json::to_vec_pretty(request).expect("a request holds only text and numbers");
    let mut file =
        tempfile::Builder::new().prefix("build-").suffix(".json").tempfile().map_err(failed)?;
    file.write_all(&json).map_err(failed)?;
    Ok(file)
}

fn garbled(verb: &str, error: &serde_json::Error) -> Fault {
    let words = format!("the build command's answer to `{verb}` cannot be read: {error}");
    Problem::permanent("build-command", words).hint("docs/builds.md has the contract").into()
}

fn must_know(verb: &str) -> Fault {
    let words = format!("the build command does not know the verb `{verb}`");
    Problem::permanent("build-command", words).hint("docs/builds.md has the contract").into()
}
