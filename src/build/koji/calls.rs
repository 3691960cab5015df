//! Koji's methods that we call, and what we read from their answers.

use std::path::Path;

use super::session::{Session, no_answer, unexpected};
use super::wire::{Call, HubFault, Look, Value, number, record, text};
use crate::build::ending::Built;
use crate::build::order::{Nvr, RunId};
use crate::outcome::{Problem, Refusal, Result};

/// How many tasks one page of a search brings.
const PAGE: i64 = 100;

/// The most pages that a search reads: ten thousand tasks since the commit landed.
const PAGES: i64 = 100;

/// How much of a file one request carries: hubs take 4 MiB, and base64 adds a third.
const BLOCK: usize = 1024 * 1024;

/// A target, as far as we need it.
pub(super) struct Target {
    pub(super) dest: String,
}

/// A build record.
pub(super) struct Record {
    pub(super) id: i64,
    pub(super) nvr: Nvr,
    pub(super) state: BuildState,
    pub(super) task: Option<i64>,
    pub(super) owner: String,
    source: Option<String>,
}

/// The states of a build, as Koji numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BuildState {
    Building,
    Complete,
    Deleted,
    Failed,
    Cancelled,
}

impl Record {
    fn read(value: &Value) -> Option<Record> {
        let id = value.get("build_id").whole().or_else(|| value.get("id").whole())?;
        let state = match value.get("state").whole()? {
            0 => BuildState::Building,
            1 => BuildState::Complete,
            2 => BuildState::Deleted,
            3 => BuildState::Failed,
            4 => BuildState::Cancelled,
            _ => return None,
        };
        Some(Record {
            id,
            nvr: value.get("nvr").words()?.parse().ok()?,
            state,
            task: value.get("task_id").whole(),
            owner: value.get("owner_name").words().unwrap_or("somebody").to_owned(),
            source: value.get("source").words().map(str::to_owned),
        })
    }

    /// Returns the commit that it was built from, where the hub knows it.
    pub(super) fn revision(&self) -> Option<&str> {
        revision(self.source.as_deref()?)
    }

    /// Returns what others are to know of it.
    pub(super) fn built(&self, web: Option<&str>) -> Built {
        let url = web.map(|web| format!("{web}/buildinfo?buildID={}", self.id));
        Built { id: self.id.to_string(), nvr: self.nvr.clone(), url }
    }
}

/// Returns the part of a source address that names the commit.
pub(super) fn revision(source: &str) -> Option<&str> {
    Some(source.rsplit_once('#')?.1)
}

/// Which tasks a search is for.
pub(super) enum Wanted<'a> {
    /// The one that carries this run id.
    Run(&'a RunId),
    /// One that builds this commit against this target.
    Commit(&'a str, &'a str),
}

impl Wanted<'_> {
    /// Tells by a task's request: source, target and options, as they were submitted.
    fn is(&self, request: &Value) -> bool {
        match self {
            Wanted::Run(run) => {
                let metadata = request.at(2).get("custom_user_metadata");
                metadata.get("lockkeeper").get("run").words() == Some(run.as_str())
            }
            Wanted::Commit(commit, target) => {
                let source = request.at(0).words().and_then(revision);
                source == Some(*commit)
                    && request.at(1).words() == Some(target)
                    && !request.at(2).get("scratch").is_true()
            }
        }
    }
}

/// Returns what is written into a submission so that it is found again.
pub(super) fn mark(run: &RunId) -> Value {
    record([("lockkeeper", record([("run", text(run.as_str()))]))])
}

impl Session {
    pub(super) async fn target_and_build(
        &self,
        target: &str,
        nvr: Option<&Nvr>,
    ) -> Result<(Option<Target>, Option<Record>)> {
        let mut calls = vec![Call::new("getBuildTarget", [text(target)])];
        calls.extend(nvr.map(|nvr| Call::new("getBuild", [text(nvr.as_str())])));
        let mut answers = self.plain(calls).await?.into_iter();
        let target = answers.next().unwrap_or(Value::Nil);
        let target =
            target.get("dest_tag_name").words().map(|dest| Target { dest: dest.to_owned() });
        let build = answers.next().unwrap_or(Value::Nil);
        match build.is_some() {
            true => Ok((target, Some(read_build(&build)?))),
            false => Ok((target, None)),
        }
    }

    /// Returns what a hub says of a tag and of a package in it; nil for what it does not know.
    pub(super) async fn tag_and_package(&self, tag: &str, package: &str) -> Result<(Value, Value)> {
        let calls = vec![
            Call::new("getTag", [text(tag)]),
            Call::new("getPackageConfig", [text(tag), text(package)]),
        ];
        let mut answers = self.call_many(calls).await?.into_iter();
        let mut next = |method| match answers.next() {
            // An unknown tag is nil to one method and a fault to the other.
            Some(Err(fault)) if fault.code == HubFault::GENERIC => Ok(Value::Nil),
            Some(answer) => answer.map_err(|fault| unexpected(method, &fault)),
            None => Ok(Value::Nil),
        };
        Ok((next("getTag")?, next("getPackageConfig")?))
    }

    /// Returns the newest task that a search finds, of our own or (`owner: None`) of anybody's.
    pub(super) async fn search(
        &self,
        wanted: &Wanted<'_>,
        owner: Option<i64>,
        since: f64,
    ) -> Result<Option<i64>> {
        for page in 0..PAGES {
            let mut which = vec![
                ("method", text("build")),
                ("createdAfter", Value::Double(since)),
                ("decode", Value::Boolean(true)),
            ];
            which.extend(owner.map(|owner| ("owner", number(owner))));
            let order =
                [("order", text("-id")), ("limit", number(PAGE)), ("offset", number(page * PAGE))];
            let tasks = self.ask(&Call::new("listTasks", [record(which), record(order)])).await?;
            let found = tasks.items().iter().find(|task| wanted.is(task.get("request")));
            if let Some(found) = found {
                return Ok(found.get("id").whole());
            }
            if (tasks.items().len() as i64) < PAGE {
                return Ok(None);
            }
        }
        let words = format!("more than {} build tasks since the commit landed", PAGE * PAGES);
        Err(Problem::permanent("koji-too-many-tasks", words).into())
    }

    /// Returns the number under which the hub knows us.
    pub(super) async fn me(&self) -> Result<i64> {
        let user = self.ask(&Call::new("getLoggedInUser", [])).await?;
        user.get("id").whole().ok_or_else(|| {
            Refusal::new("koji-unauthorized", "the hub does not know who we are")
                .hint("builds are started by a user who is logged in: give a certificate")
                .into()
        })
    }

    /// Returns what the hub says of each task, and `None` for those that it does not know.
    pub(super) async fn task_infos(&self, tasks: &[i64]) -> Result<Vec<Option<Value>>> {
        let calls = tasks.iter().map(|task| Call::new("getTaskInfo", [number(*task)])).collect();
        let answers = self.call_many(calls).await?;
        answers
            .into_iter()
            .map(|answer| match answer {
                Ok(info) => Ok(info.is_some().then_some(info)),
                Err(fault) if fault.code == HubFault::GENERIC => Ok(None),
                Err(fault) => Err(unexpected("getTaskInfo", &fault)),
            })
            .collect()
    }

    /// Returns the build that each of these tasks made; `None` where there is none.
    pub(super) async fn builds_of(&self, tasks: &[i64]) -> Result<Vec<Option<Record>>> {
        let by_task = |task: &i64| Call::new("listBuilds", []).with([("taskID", number(*task))]);
        let answers = self.plain(tasks.iter().map(by_task).collect()).await?;
        let first = |list: Value| match list.items().first() {
            Some(build) => read_build(build).map(Some),
            None => Ok(None),
        };
        answers.into_iter().map(first).collect()
    }

    /// Returns the fault that a failed task ended with: its number and its words.
    pub(super) async fn result_of(&self, task: i64) -> Result<(i64, String)> {
        let call = Call::new("getTaskResult", [number(task)])
            .with([("raise_fault", Value::Boolean(false))]);
        let fault = match self.call(&call).await? {
            Ok(value) => value,
            Err(fault) => return Ok((fault.code, fault.words)),
        };
        let words = fault.get("faultString").words().unwrap_or_default().trim().to_owned();
        Ok((fault.get("faultCode").whole().unwrap_or(HubFault::GENERIC), words))
    }

    /// Returns the end of a task's file, at most this many bytes; `None` where there is no such file.
    pub(super) async fn tail(
        &self,
        task: i64,
        names: &[&str],
        most: i64,
    ) -> Result<Option<(String, Vec<u8>)>> {
        let stat = [("stat", Value::Boolean(true)), ("all_volumes", Value::Boolean(true))];
        let files = self.ask(&Call::new("listTaskOutput", [number(task)]).with(stat)).await?;
        let on_volume = |name: &str| {
            let (volume, stat) = files.get(name).fields().next()?;
            let size = stat.get("st_size").whole().unwrap_or(0);
            Some((name.to_owned(), volume.to_owned(), size))
        };
        // An empty log tells nothing, where another one may.
        let candidates: Vec<_> = names.iter().copied().filter_map(on_volume).collect();
        let best = candidates.iter().find(|(_, _, size)| *size > 0).or(candidates.first());
        let Some((name, volume, size)) = best else { return Ok(None) };
        // Not a negative offset: hubs stumble over one that is longer than the file.
        let place = [
            ("offset", number((size - most).max(0))),
            ("size", number(most)),
            ("volume", text(volume)),
        ];
        let content = self
            .ask(&Call::new("downloadTaskOutput", [number(task), text(name)]).with(place))
            .await?;
        let content = content.words().unwrap_or_default();
        Ok(Some((name.clone(), decoded(content)?)))
    }

    /// Uploads a file into a folder of the hub's, block by block; the hub checks each and the whole.
    pub(super) async fn upload(&self, file: &Path, folder: &str, name: &str) -> Result<()> {
        use std::io::Read;

        use sha2::{Digest, Sha256};
        let unreadable = |error: std::io::Error| {
            let words = format!("cannot read {}: {error}", file.display());
            Problem::permanent("source-package-unreadable", words).because(error)
        };
        let mut content = std::fs::File::open(file).map_err(unreadable)?;
        let (mut whole, mut offset) = (Sha256::new(), 0_u64);
        loop {
            let mut block = Vec::with_capacity(BLOCK);
            let read = content.by_ref().take(BLOCK as u64).read_to_end(&mut block);
            read.map_err(unreadable)?;
            whole.update(&block);
            // The last request, at offset -1, has no content: the hub compares the whole.
            let (at, size, digest) = match block.is_empty() {
                true => (-1, offset, hex(&whole.clone().finalize())),
                false => (offset as i64, block.len() as u64, hex(&Sha256::digest(&block))),
            };
            let digest = Value::Array(vec![text("sha256"), text(digest)]);
            let data = text(base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &block));
            let params = [text(folder), text(name), number(size as i64), digest, number(at), data];
            let taken = self.ask(&Call::new("uploadFile", params)).await?;
            if !taken.is_true() {
                return Err(no_answer("the hub did not take a part of the source package"));
            }
            if block.is_empty() {
                return Ok(());
            }
            offset += block.len() as u64;
        }
    }

    async fn plain(&self, calls: Vec<Call>) -> Result<Vec<Value>> {
        let answers = self.call_many(calls).await?.into_iter();
        answers.map(|answer| answer.map_err(|fault| unexpected("multiCall", &fault))).collect()
    }

    async fn call_many(&self, calls: Vec<Call>) -> Result<Vec<Result<Value, HubFault>>> {
        match calls.is_empty() {
            true => Ok(Vec::new()),
            false => self.ask_many(calls).await,
        }
    }
}

fn read_build(value: &Value) -> Result<Record> {
    Record::read(value).ok_or_else(|| no_answer("a build without number, name or state"))
}

fn decoded(content: &str) -> Result<Vec<u8>> {
    let packed: String = content.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    base64::Engine::decode(&base64::prelude::BASE64_STANDARD, packed)
        .map_err(|error| no_answer(&format!("a log that is no base64: {error}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
