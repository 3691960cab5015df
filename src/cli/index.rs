//! `lockkeeper index`: which dist-git branches are opted in, and what each of them tracks.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::operator::OperatorFlags;
use super::{Format, print};
use crate::database::{BranchCounts, BranchFilter, BranchRecord, Database, Tracking};
use crate::git::Transport;
use crate::index::Lookout;
use crate::operator::Operator;
use crate::outcome::{Fault, Problem, Result};
use crate::report::Exit;

/// How many branches are taken from the database at once.
const PAGE: u32 = 1000;

/// Arguments of `index`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    operator: OperatorFlags,
    /// Prints what is known already, without a look at any repository.
    #[arg(long)]
    known: bool,
    /// Prints branches that have not opted in too.
    #[arg(long)]
    all: bool,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Listing {
    branches: Vec<BranchRecord>,
    counts: BranchCounts,
    failed: Vec<Failure>,
}

/// A package that could not be looked at.
#[derive(Debug, Serialize)]
struct Failure {
    package: String,
    code: String,
    message: String,
    #[serde(skip)]
    is_temporary: bool,
}

/// Runs `index`.
pub async fn run(arguments: Arguments, format: Format) -> Exit {
    match list(&arguments).await {
        Ok(listing) => show(&listing, format),
        Err(fault) => print::fault(&fault),
    }
}

async fn list(arguments: &Arguments) -> Result<Listing> {
    let operator = arguments.operator.load(|layers| layers)?;
    let work = operator.data.join("work");
    std::fs::create_dir_all(&work).map_err(|error| {
        let words = format!("cannot make {}", work.display());
        Problem::permanent("work-not-writable", words)
            .hint("run it as the user of the service, or name another folder with LOCKKEEPER_DATA")
            .because(error)
    })?;
    let database = Database::open(&operator.database).await?;
    let listing = async {
        let failed = match arguments.known {
            true => Vec::new(),
            false => look(arguments, &operator, &database).await?,
        };
        let branches = branches(arguments, &database).await?;
        Ok(Listing { branches, counts: database.branch_counts().await?, failed })
    };
    let listing = listing.await;
    database.close().await;
    listing
}

/// Looks at every package, and returns those that failed.
async fn look(
    arguments: &Arguments,
    operator: &Operator,
    database: &Database,
) -> Result<Vec<Failure>> {
    let transport = Transport::new()?;
    let lookout = Lookout::new(operator, database, &transport, &operator.data.join("work"))?;
    let mut failed = Vec::new();
    let named = arguments.operator.instance.as_ref();
    let instances = operator.instances.iter();
    for instance in instances.filter(|one| named.is_none_or(|name| one.name == *name)) {
        let refreshed = lookout.refresh(instance, Timestamp::now()).await?;
        let name = |package| format!("{}/{package}", instance.name);
        let faults = refreshed.failed.into_iter();
        failed.extend(faults.map(|(package, fault)| Failure::of(name(package), &fault)));
    }
    Ok(failed)
}

impl Failure {
    fn of(package: String, fault: &Fault) -> Failure {
        let (code, is_temporary) = match fault {
            Fault::Refused(refusal) => (refusal.code, false),
            Fault::Failed(problem) => {
                (problem.code, problem.lasting == crate::outcome::Lasting::Temporary)
            }
        };
        Failure { package, code: code.to_string(), message: fault.to_string(), is_temporary }
    }
}

async fn branches(arguments: &Arguments, database: &Database) -> Result<Vec<BranchRecord>> {
    let instance = arguments.operator.instance.clone();
    let filter = BranchFilter { instance, opted_in: !arguments.all, ..BranchFilter::default() };
    let mut branches: Vec<BranchRecord> = Vec::new();
    loop {
        let after = branches.last().map(|record| record.entry.key.clone());
        let page = database.branches(&filter, after.as_ref(), PAGE).await?;
        if page.is_empty() {
            return Ok(branches);
        }
        branches.extend(page);
    }
}

fn show(listing: &Listing, format: Format) -> Exit {
    match format {
        Format::Json => {
            let json = serde_json::to_string_pretty(listing)
                .expect("a listing holds nothing but text and numbers");
            print::to_stdout(&(json + "\n"));
        }
        Format::Text => {
            let lines: String = listing.branches.iter().map(line).collect();
            let BranchCounts { tracking, faulty, all } = listing.counts;
            print::to_stdout(&lines);
            print::to_stderr(&format!(
                "{tracking} branches track a source, {faulty} have a config that cannot be used, of {all}\n"
            ));
            for Failure { package, code, message, .. } in &listing.failed {
                print::to_stderr(&format!("{package}: {message} [{code}]\n"));
            }
        }
    }
    match listing.failed.as_slice() {
        [] => Exit::Done,
        failed if failed.iter().all(|failure| failure.is_temporary) => Exit::TryAgain,
        _ => Exit::Failed,
    }
}

/// One branch for people. What the database holds of a config's faults was made harmless when it was read.
fn line(record: &BranchRecord) -> String {
    let tracks = match &record.entry.tracking {
        Tracking::Nothing => "has not opted in".to_owned(),
        Tracking::Faulty { why } => format!("config: {why}"),
        Tracking::Source { address, branch, .. } => format!("{address}#{branch}"),
    };
    format!("{}\t{tracks}\n", record.entry.key)
}
