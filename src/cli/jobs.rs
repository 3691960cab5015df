//! `lockkeeper jobs`: what waits and runs, what came of it, and doing it again.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::operator::ConfigFlag;
use super::scope::{BranchFlags, who};
use super::status::open;
use super::{Format, print};
use crate::database::{
    Database, JobId, JobRecord, JobRequest, JobState, Requested, RunId, RunRecord, RunsOf,
};
use crate::names::{InstanceName, PackageName};
use crate::outcome::{Refusal, Result, printable};
use crate::queue::{Cause, JobKey};
use crate::report::Exit;
use crate::service::logs::RunLogs;

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the jobs that wait or run.
    List(List),
    /// Shows a branch's jobs and its last runs.
    Show(Show),
    /// Prints what the container of a run printed; runs are numbered by `jobs show`.
    Logs(Logs),
    /// Asks for a look at a branch now, whatever failed before.
    Retry(Branch),
    /// Takes a waiting job out of the queue; the next event asks again.
    Cancel(Branch),
}

/// Arguments of `jobs list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    config: ConfigFlag,
    /// Only this package's.
    package: Option<PackageName>,
    /// The dist-git, where the operator config has several.
    #[arg(long, value_name = "NAME")]
    instance: Option<InstanceName>,
    /// How many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u32,
}

/// Arguments of `jobs show`.
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    branch: Branch,
    /// How many runs at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    limit: u32,
}

/// Arguments of `jobs logs`.
#[derive(Debug, Args)]
pub struct Logs {
    #[command(flatten)]
    config: ConfigFlag,
    /// The run's number.
    run: i64,
}

/// Which branch.
#[derive(Debug, Args)]
pub struct Branch {
    #[command(flatten)]
    config: ConfigFlag,
    #[command(flatten)]
    branch: BranchFlags,
}

/// Runs `jobs`.
pub async fn run(command: Command, format: Format) -> Exit {
    let done = match command {
        Command::List(arguments) => list(&arguments, format).await,
        Command::Show(arguments) => show(&arguments, format).await,
        Command::Logs(arguments) => logs(&arguments, format).await,
        Command::Retry(arguments) => retry(&arguments, format).await,
        Command::Cancel(arguments) => cancel(&arguments, format).await,
    };
    match done {
        Ok(()) => Exit::Done,
        Err(fault) => print::fault(&fault),
    }
}

async fn list(arguments: &List, format: Format) -> Result<()> {
    let (operator, database) = open(&arguments.config).await?;
    let package = match &arguments.package {
        None => None,
        Some(package) => {
            let name = super::scope::instance(&operator, arguments.instance.as_ref())?;
            Some((name, package))
        }
    };
    let of = package.as_ref().map(|(instance, package)| (instance, *package));
    let jobs = database.jobs(of, None, arguments.limit).await?;
    print::value(format, &jobs, || match jobs.is_empty() {
        true => "no job waits or runs\n".to_owned(),
        false => jobs.iter().map(describe_job).collect(),
    });
    Ok(())
}

async fn show(arguments: &Show, format: Format) -> Result<()> {
    let (operator, database) = open(&arguments.branch.config).await?;
    let key = arguments.branch.branch.key(&operator)?;
    let jobs = database.jobs_of(&key).await?;
    let mut runs = database.runs(&RunsOf::Branch(key), None, arguments.limit).await?;
    if let Some(latest) = runs.first_mut()
        && let Some(run) = database.run(latest.id).await?
    {
        *latest = run;
    }
    let logs = RunLogs::below(&operator.data);
    let runs: Vec<Shown> = runs.into_iter().map(|run| Shown::of(run, &logs)).collect();
    print::value(format, &json!({ "jobs": jobs, "runs": runs }), || {
        let lines: String =
            jobs.iter().map(describe_job).chain(runs.iter().map(Shown::describe)).collect();
        if lines.is_empty() { "nothing is known of this branch\n".to_owned() } else { lines }
    });
    Ok(())
}

async fn logs(arguments: &Logs, format: Format) -> Result<()> {
    let (operator, database) = open(&arguments.config).await?;
    let run = database.run(RunId(arguments.run)).await?;
    let run = run.map(|run| Shown::of(run, &RunLogs::below(&operator.data)));
    let Some(log) = run.and_then(|run| run.log) else {
        let words = format!("run {} has no log here", arguments.run);
        return Err(Refusal::config("no-such-log", words)
            .hint("only containers leave one, on the node where they ran; the last 20 of a branch are kept")
            .into());
    };
    let text = std::fs::read(&log).map_err(|error| {
        Refusal::config("file-unreadable", format!("cannot read {}: {error}", log.display()))
    })?;
    let text = String::from_utf8_lossy(&text);
    print::value(format, &json!({ "run": arguments.run, "log": log, "text": text }), || {
        text.lines().map(|line| printable(line, usize::MAX) + "\n").collect()
    });
    Ok(())
}

async fn retry(arguments: &Branch, format: Format) -> Result<()> {
    let (database, key) = arguments.open().await?;
    let now = Timestamp::now();
    let name = key.to_string();
    let request = JobRequest { key, cause: Cause::Person { who: who(None) }, not_before: now };
    let requested = match database.request(request, now).await? {
        Requested::New => "new",
        Requested::Absorbed => "absorbed",
    };
    print::value(format, &json!({ "branch": name, "requested": requested }), || {
        format!("asked for a look at {name}\n")
    });
    Ok(())
}

async fn cancel(arguments: &Branch, format: Format) -> Result<()> {
    let (database, key) = arguments.open().await?;
    let waiting: Vec<JobId> = database
        .jobs_of(&key)
        .await?
        .iter()
        .filter(|job| !matches!(job.state, JobState::Running { .. }))
        .map(|job| job.id)
        .collect();
    let mut cancelled = 0;
    for job in waiting {
        cancelled += u32::from(database.cancel(job).await?);
    }
    if cancelled == 0 {
        let words = format!("no job waits for {key}");
        return Err(Refusal::config("no-such-job", words)
            .hint("one that runs is not stopped: pause the branch, and it stops before its push")
            .into());
    }
    print::value(format, &json!({ "branch": key.to_string(), "cancelled": cancelled }), || {
        format!("{key} no longer waits\n")
    });
    Ok(())
}

impl Branch {
    async fn open(&self) -> Result<(Database, JobKey)> {
        let (operator, database) = open(&self.config).await?;
        let key = self.branch.key(&operator)?;
        Ok((database, key))
    }
}

fn describe_job(job: &JobRecord) -> String {
    let state = match &job.state {
        JobState::Ready => "ready".to_owned(),
        JobState::Delayed { until, held } => {
            let until = until.map_or(String::new(), |until| format!(" until {}", at(until)));
            let held =
                held.as_ref().map_or(String::new(), |why| format!(": {}", printable(why, 300)));
            format!("waits{until}{held}")
        }
        JobState::Running { node, lease_until, .. } => {
            format!("runs on {node}, lent until {}", at(*lease_until))
        }
    };
    let cause =
        job.causes.last().map_or(String::new(), |cause| format!(", {}", describe_cause(cause)));
    let failures = match job.attempts {
        0 => String::new(),
        count => format!(", {count} failures"),
    };
    format!("job {} {} {state}{failures}{cause}\n", job.id.0, job.key)
}

fn describe_cause(cause: &Cause) -> String {
    match cause {
        Cause::Delivery { hook, id } => format!("delivery {id} of {hook}"),
        Cause::Reconcile => "its source was found to have moved".to_owned(),
        Cause::Person { who } => format!("asked for by {}", printable(who, 100)),
        Cause::Index => "its config was found".to_owned(),
    }
}

fn describe_run(run: &RunRecord) -> String {
    let outcome = run.outcome.as_deref().unwrap_or("running");
    let code = run.code.as_ref().map_or(String::new(), |code| format!(" [{code}]"));
    let evr = run.evr.as_ref().map_or(String::new(), |evr| format!(" {}", printable(evr, 100)));
    let words = run.report.as_ref().and_then(|report| report["reason"]["message"].as_str());
    let words = words.map_or(String::new(), |words| format!("\n    {}", printable(words, 1000)));
    format!(
        "run {} {} {} on {}: {outcome}{code}{evr}{words}\n",
        run.id.0,
        run.key,
        at(run.started_at),
        run.node
    )
}

/// A run, and what its container printed.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    run: RunRecord,
    /// The file, where it lies on this node.
    log: Option<PathBuf>,
}

impl Shown {
    fn of(run: RunRecord, logs: &RunLogs) -> Shown {
        let log = logs.of(&run.key, run.started_at);
        Shown { run, log }
    }

    fn describe(&self) -> String {
        let log =
            self.log.as_ref().map(|path| format!("    its container's log: {}\n", path.display()));
        describe_run(&self.run) + &log.unwrap_or_default()
    }
}

fn at(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
