//! Koji: builds are tasks of a hub that is asked over XML-RPC.
//!
//! 1. `wire` turns values into bytes and back: XML-RPC with Koji's additions.
//! 2. `session` logs in, numbers the calls, and tells "it did not arrive" from "nobody knows".
//! 3. `calls` are the methods that we use, and what we read from their answers.
//! 4. `failure` says from a task's tree and fault what failed, and whose fault it looks like.
//! 5. This page makes a [`BuildSystem`] of them. [`Koji`] builds; with [`Mode::Follow`] it only watches what others
//!    start for the commit.
//!
//! `build()` is not idempotent at the hub, so each submission carries our run id in `custom_user_metadata`, and by it
//! the task is searched for. See [`crate::build::step()`] for the argument.

mod calls;
mod failure;
mod session;
mod wire;

use calls::{BuildState, Record, Wanted, mark, revision};
use failure::TaskState;
use session::{Once, Session};
use wire::{Call, HubFault, Look, Value, number, record, text};

pub use session::{HubAddress, Login};

use super::ending::{Built, Failure, LogTail, Refused};
use super::order::{BuildKind, Source, TagLabel, TaskId};
use super::state::{Build, Stage};
use super::step::{Check, Seen, Submission, TagSeen};
use super::system::BuildSystem;
use crate::outcome::{Fault, Result, printable};

/// How many bytes of a log's end are brought.
const TAIL: i64 = 16 * 1024;

/// How far our clock and the hub's may be apart, and how long before landing a task may have been made.
const SKEW: f64 = 24.0 * 3600.0;

/// What stands beside the hub's address.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    /// The web pages, such as `https://koji.example.org/koji`.
    pub web: Option<String>,
    /// The files, such as `https://kojipkgs.example.org`.
    pub files: Option<String>,
}

/// Who starts builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// We do.
    Build {
        /// The priority of our tasks; lower comes first, and below zero only for administrators.
        priority: Option<i32>,
        /// The channel of our tasks.
        channel: Option<String>,
    },
    /// Others do: we watch.
    Follow,
}

/// One hub.
pub struct Koji {
    session: Session,
    pages: Pages,
    mode: Mode,
}

impl Koji {
    /// Prepares for a hub; nothing is sent yet.
    ///
    /// # Errors
    /// Refuses a certificate or an authority that cannot be read.
    pub fn new(address: HubAddress, pages: Pages, mode: Mode) -> Result<Koji> {
        let trimmed = |page: Option<String>| page.map(|page| page.trim_end_matches('/').to_owned());
        let pages = Pages { web: trimmed(pages.web), files: trimmed(pages.files) };
        Ok(Koji { session: Session::new(address)?, pages, mode })
    }

    fn web(&self) -> Option<&str> {
        self.pages.web.as_deref()
    }

    fn task_url(&self, task: i64) -> Option<String> {
        Some(format!("{}/taskinfo?taskID={task}", self.web()?))
    }

    fn log_url(&self, task: i64, log: &str) -> Option<String> {
        Some(format!(
            "{}/work/tasks/{}/{task}/{log}",
            self.pages.files.as_ref()?,
            task % 10_000
        ))
    }

    /// Says what a build record of our NVR means for us.
    async fn judge(&self, build: &Build, found: &Record) -> Result<Option<Check>> {
        let task = found.task.map(task_id);
        match (found.state, task) {
            (BuildState::Complete, task) => match self.is_of_our_commit(build, found).await? {
                true => Ok(Some(Check::Done { build: found.built(self.web()), task })),
                false => Ok(Some(Check::Refused(taken(build, found)))),
            },
            (BuildState::Building, Some(task)) => Ok(Some(Check::Building(task))),
            (BuildState::Building, None) | (BuildState::Deleted, _) => {
                Ok(Some(Check::Refused(taken(build, found))))
            }
            (BuildState::Failed | BuildState::Cancelled, _) => Ok(None),
        }
    }

    /// Tells whether somebody's build is one of our commit: its record says so, or what was asked of its task.
    async fn is_of_our_commit(&self, build: &Build, found: &Record) -> Result<bool> {
        let ours = build.order.commit.to_string();
        if let Some(commit) = found.revision() {
            return Ok(commit == ours);
        }
        let Some(task) = found.task else { return Ok(false) };
        let asked =
            Call::new("getTaskInfo", [number(task)]).with([("request", Value::Boolean(true))]);
        let info = self.session.ask(&asked).await?;
        Ok(info.get("request").at(0).words().and_then(revision) == Some(&*ours))
    }

    async fn submission(&self, build: &Build) -> Result<Call> {
        let source = match &build.order.source {
            Source::Commit(url) => url.clone(),
            Source::SourcePackage(file) => {
                let folder = format!("lockkeeper/{}", build.run_id());
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.session.upload(file, &folder, &name).await?;
                format!("{folder}/{name}")
            }
        };
        let mut options = vec![("custom_user_metadata", mark(&build.run_id()))];
        match build.order.kind {
            BuildKind::Real => {}
            BuildKind::Draft => options.push(("draft", Value::Boolean(true))),
            BuildKind::Scratch => options.push(("scratch", Value::Boolean(true))),
        }
        let mut params = vec![text(source), text(build.target.as_str()), record(options)];
        if let Mode::Build { priority, channel } = &self.mode {
            params.push(priority.map_or(Value::Nil, |priority| number(i64::from(priority))));
            params.extend(channel.as_deref().map(text));
        }
        Ok(Call::new("build", params))
    }

    /// Says what the hub's information on a task means; `built` is the build of one that is closed.
    fn seen(&self, build: &Build, info: &Value, built: Option<Record>) -> Seen {
        let state = match TaskState::of(info) {
            Some(state) => state,
            // A state that no hub of today sends: the task is there, so it is watched on.
            None => TaskState::Running,
        };
        match state {
            TaskState::Running => Seen::Running,
            TaskState::Cancelled => Seen::Cancelled,
            TaskState::Failed => Seen::Failed(Failure {
                task: info.get("id").whole().map(task_id),
                ..Failure::default()
            }),
            TaskState::Closed => match built {
                // Somebody's build of another commit: to be looked at afresh, which tells that the NVR is taken.
                Some(found) if is_foreign(build, &found) => Seen::Missing,
                Some(found) => Seen::Succeeded(Some(found.built(self.web()))),
                None if build.order.kind == BuildKind::Scratch => Seen::Succeeded(None),
                None => Seen::Missing,
            },
        }
    }

    async fn details(&self, task: i64) -> Result<Failure> {
        let tree = self.session.ask(&Call::new("getTaskDescendents", [number(task)])).await?;
        let cause = failure::first_cause(&tree);
        let (id, step, arch) = match cause {
            Some(cause) => (cause.id, cause.method, cause.arch),
            None => (task, "build".to_owned(), String::new()),
        };
        let (code, message) = self.session.result_of(id).await?;
        let side = failure::side(code, &message);
        let names = failure::logs(&step, &message);
        let tail = self.session.tail(id, &names, TAIL).await?;
        let log = tail.map(|(name, bytes)| LogTail::of(&name, &bytes, self.log_url(id, &name)));
        let message = message.chars().take(2000).collect();
        Ok(Failure {
            side,
            step,
            arch,
            message,
            log,
            task: Some(task_id(id)),
            url: self.task_url(id),
        })
    }
}

impl BuildSystem for Koji {
    async fn check(&self, build: &Build) -> Result<Check> {
        let nvr = build.nvr.as_ref().filter(|_| build.order.kind == BuildKind::Real);
        let (target, found) = self.session.target_and_build(build.target.as_str(), nvr).await?;
        let Some(target) = target else { return Ok(Check::Refused(unknown_target(build))) };
        if let Some(found) = found
            && let Some(check) = self.judge(build, &found).await?
        {
            return Ok(check);
        }
        if build.order.kind == BuildKind::Scratch || self.mode == Mode::Follow {
            return Ok(Check::Clear);
        }
        let package = build.order.package.as_str();
        let (tag, listed) = self.session.tag_and_package(&target.dest, package).await?;
        Ok(match may_be_tagged(build, &target.dest, &tag, &listed) {
            Ok(()) => Check::Clear,
            Err(refused) => Check::Refused(refused),
        })
    }

    async fn find(&self, build: &Build) -> Result<Option<TaskId>> {
        let since = build.order.landed_at.as_second() as f64 - SKEW;
        let commit = build.order.commit.to_string();
        let found = match self.mode {
            Mode::Build { .. } => {
                let me = self.session.me().await?;
                self.session.search(&Wanted::Run(&build.run_id()), Some(me), since).await?
            }
            Mode::Follow => {
                let wanted = Wanted::Commit(&commit, build.target.as_str());
                self.session.search(&wanted, None, since).await?
            }
        };
        Ok(found.map(task_id))
    }

    async fn submit(&self, build: &Build) -> Submission {
        let call = match self.submission(build).await {
            Ok(call) => call,
            Err(Fault::Refused(refusal)) => return Submission::Refused(from_refusal(&refusal)),
            Err(Fault::Failed(problem)) => {
                tracing::info!(code = %problem.code, "nothing was submitted: {problem}");
                return Submission::NotSent;
            }
        };
        match self.session.once(&call).await {
            Once::Answered(Ok(task)) => match task.whole() {
                Some(task) => Submission::Accepted(task_id(task)),
                None => Submission::Doubtful,
            },
            Once::Answered(Err(fault)) if fault.code == HubFault::OFFLINE => Submission::NotSent,
            Once::Answered(Err(fault)) => Submission::Refused(not_taken(&fault)),
            Once::NotSent(fault) => {
                tracing::info!(%fault, "nothing was submitted");
                Submission::NotSent
            }
            Once::Lost(fault) => {
                tracing::info!(%fault, "nobody knows whether the build was submitted");
                Submission::Doubtful
            }
        }
    }

    async fn poll(&self, builds: &[(&Build, TaskId)]) -> Result<Vec<Seen>> {
        let tasks: Vec<i64> = builds.iter().map(|(_, task)| number_of(task)).collect();
        let infos = self.session.task_infos(&tasks).await?;
        let is_closed =
            |info: &Option<Value>| info.as_ref().and_then(TaskState::of) == Some(TaskState::Closed);
        let closed: Vec<i64> = tasks
            .iter()
            .zip(&infos)
            .filter(|(_, info)| is_closed(info))
            .map(|(task, _)| *task)
            .collect();
        let mut made = self.session.builds_of(&closed).await?.into_iter();
        let seen = builds.iter().zip(infos).map(|((build, _), info)| {
            let built = is_closed(&info).then(|| made.next().flatten()).flatten();
            info.map_or(Seen::Missing, |info| self.seen(build, &info, built))
        });
        Ok(seen.collect())
    }

    async fn cancel(&self, task: &TaskId) -> Result<()> {
        let call = Call::new("cancelTask", [number(number_of(task))]);
        match self.session.call(&call).await? {
            // A task that is over cannot be stopped, which is what was wanted.
            Ok(_) => Ok(()),
            Err(fault) if fault.code == HubFault::GENERIC => Ok(()),
            Err(fault) => Err(session::unexpected("cancelTask", &fault)),
        }
    }

    async fn logs(&self, task: &TaskId) -> Result<Failure> {
        self.details(number_of(task)).await
    }

    async fn tag(&self, build: &Built, tag: &TagLabel, tagger: Option<&TaskId>) -> Result<TagSeen> {
        let id = number(number_of_build(build));
        let tags = self.session.ask(&Call::new("listTags", [id.clone()])).await?;
        if tags.items().iter().any(|found| found.get("name").words() == Some(tag.as_str())) {
            return Ok(TagSeen::Present);
        }
        let Some(tagger) = tagger else { return self.ask_for_tag(build, tag, id).await };
        let info = self.session.task_infos(&[number_of(tagger)]).await?.pop().flatten();
        match info.as_ref().and_then(TaskState::of) {
            Some(TaskState::Failed | TaskState::Cancelled) => {
                let (_, words) = self.session.result_of(number_of(tagger)).await?;
                Ok(TagSeen::Refused(not_tagged(build, tag, &words)))
            }
            // A closed task whose tag is not there: a policy moved or withheld it, and may still put it on.
            _ => Ok(TagSeen::Absent),
        }
    }
}

impl Koji {
    async fn ask_for_tag(&self, build: &Built, tag: &TagLabel, id: Value) -> Result<TagSeen> {
        let call = Call::new("tagBuild", [text(tag.as_str()), id]);
        match self.session.call(&call).await? {
            Ok(task) => match task.whole() {
                Some(task) => Ok(TagSeen::Asked(task_id(task))),
                None => Ok(TagSeen::Absent),
            },
            Err(fault) => Ok(TagSeen::Refused(not_tagged(build, tag, &fault.words))),
        }
    }
}

/// Tells whether a build that we watched another make is one of another commit.
fn is_foreign(build: &Build, found: &Record) -> bool {
    let ours = build.order.commit.to_string();
    let watched = matches!(build.stage, Stage::Following { by: super::By::Others, .. });
    watched && found.revision().is_some_and(|commit| commit != ours)
}

fn task_id(task: i64) -> TaskId {
    task.to_string().parse().expect("a positive number is a legal task id")
}

/// Koji's tasks are numbers; a record of another system's would ask for a task that no hub has.
fn number_of(task: &TaskId) -> i64 {
    task.as_str().parse().unwrap_or(0)
}

fn number_of_build(build: &Built) -> i64 {
    build.id.parse().unwrap_or(0)
}

fn may_be_tagged(build: &Build, dest: &str, tag: &Value, listed: &Value) -> Result<(), Refused> {
    let package = &build.order.package;
    if !tag.is_some() || tag.get("locked").is_true() {
        let message =
            format!("tag {dest}, where target {} puts its builds, is locked or gone", build.target);
        return Err(Refused::new(
            "build-tag-locked",
            message,
            "choose another of build.targets, or wait",
        ));
    }
    if !listed.is_some() {
        let message = format!("package {package} is not in the list of tag {dest}");
        let hint = format!("have it added: koji add-pkg --owner OWNER {dest} {package}");
        return Err(Refused::new("build-not-listed", message, hint));
    }
    if listed.get("blocked").is_true() {
        let message = format!("package {package} is blocked in tag {dest}");
        return Err(Refused::new(
            "build-blocked",
            message,
            "have it unblocked, or remove source-git.yaml",
        ));
    }
    Ok(())
}

fn unknown_target(build: &Build) -> Refused {
    let message = format!("the hub knows no build target {}", build.target);
    Refused::new("build-target-unknown", message, "name one of its targets in build.targets")
}

fn taken(build: &Build, found: &Record) -> Refused {
    let message = format!(
        "{} is taken: {} made build {} of it, not from commit {}",
        found.nvr,
        printable(&found.owner, 60),
        found.id,
        build.order.commit.short()
    );
    Refused::new(
        "build-nvr-taken",
        message,
        "push another source commit: its release will be higher",
    )
}

fn not_tagged(build: &Built, tag: &TagLabel, words: &str) -> Refused {
    let message = format!("{} does not get tag {tag}: {}", build.nvr, printable(words, 300));
    Refused::new("build-not-tagged", message, "ask those who look after that tag, then retry")
}

fn not_taken(fault: &HubFault) -> Refused {
    let message = format!(
        "the hub does not take the build: {} {}",
        fault.code,
        printable(&fault.words, 300)
    );
    Refused::new(
        "build-not-taken",
        message,
        "the bot's account needs the right to build, and a legal priority",
    )
}

fn from_refusal(refusal: &crate::outcome::Refusal) -> Refused {
    let code = refusal.code.to_string();
    Refused { code, message: refusal.message.clone(), hint: refusal.hint.clone() }
}
