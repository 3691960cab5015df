//! `lockkeeper replay`: does this build of the program still make what was published?

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::operator::Chosen;
use super::progress::Spinner;
use super::world::{
    ContentFlags, EngineFlags, LookasideFlags, ProveBy, Surroundings, TargetFlags, TrustFlags, read,
};
use super::{Format, print};
use crate::bot_key::describe;
use crate::lookaside::Lookaside;
use crate::observe;
use crate::outcome::{Code, Refusal, Result, printable};
use crate::progress::Stage;
use crate::replay::{LISTED, Place, Replayed, Verdict, again, publications};
use crate::report::{Exit, Reason};

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetFlags,
    /// Only what was published since this day (2026-11-01) or moment (2026-11-01T12:00:00Z).
    #[arg(long, value_name = "DATE", value_parser = since)]
    since: Option<Timestamp>,
    /// At most so many publications, from the last one on.
    #[arg(long, value_name = "NUMBER", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// A source repository on this machine, instead of the one that each config names.
    #[arg(long, value_name = "PATH")]
    source: Option<PathBuf>,
    /// The bot's key; only its public half is used, to know the bot's commits.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A public key whose commits in dist-git are the bot's own; may be repeated, for earlier keys.
    #[arg(long, value_name = "FILE")]
    bot_cert: Vec<PathBuf>,
    /// The branch's dist tag, such as .fc44.
    #[arg(long, value_name = "TAG")]
    dist: Option<String>,
    /// Where copies of remote repositories are kept; by default ~/.cache/lockkeeper.
    #[arg(long, value_name = "DIR", env = "LOCKKEEPER_CACHE")]
    cache: Option<PathBuf>,
    /// A folder of released tarballs at hand.
    #[arg(long, value_name = "DIR")]
    upstream: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineFlags,
    /// The lookaside cache, from which released tarballs of old publications are taken; it is only read.
    #[arg(long, value_name = "URL|PATH")]
    lookaside: Option<String>,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Outcome {
    package: String,
    branch: String,
    outcome: &'static str,
    reason: Option<Reason>,
    same: usize,
    different: usize,
    impossible: usize,
    publications: Vec<Replayed>,
}

/// Runs `replay`.
pub async fn run(arguments: Arguments, format: Format) -> Exit {
    match replayed(&arguments).await {
        Ok(outcome) => show(&outcome, format),
        Err(fault) => print::fault(&fault),
    }
}

async fn replayed(arguments: &Arguments) -> Result<Outcome> {
    let chosen = arguments.target.choose()?;
    let target = &chosen.target;
    let surroundings = Surroundings::for_branch(&chosen, &trust(arguments), own(arguments)?)?;
    let content = ContentFlags { upstream: arguments.upstream.clone(), prove: ProveBy::Git };
    let lookaside = lookaside(arguments, &chosen)?;
    let lookout = surroundings.lookout();
    let spinner = Spinner::new();
    spinner.show(Stage::FetchingDistGit);
    let dist_git = observe::fetch(target, &lookout).await?;
    let place = Place {
        target,
        dist_git: &dist_git,
        lookout: &lookout,
        source: arguments.source.as_deref(),
        releases: &surroundings.releases(&content, lookaside.as_ref())?,
        lookaside: lookaside.as_ref(),
        containers: &arguments.engine.containers(chosen.operator()),
        work: surroundings.work(),
    };
    let (objects, certs) = (dist_git.store.objects(), lookout.trusted.bot_certs);
    let most = arguments.limit as usize;
    let past = publications(&objects, target, &dist_git.tip, certs, arguments.since, most)?;
    spinner.show(Stage::Patches);
    let mut all = Vec::with_capacity(past.len());
    for past in &past {
        all.push(again(past, &place).await?);
    }
    Ok(outcome(target.package.to_string(), target.branch.to_string(), all))
}

fn trust(arguments: &Arguments) -> TrustFlags {
    TrustFlags {
        bot_cert: arguments.bot_cert.clone(),
        keyring: Vec::new(),
        dist: arguments.dist.clone(),
        cache: arguments.cache.clone(),
        accept_rewrite: true,
    }
}

/// Returns the public half of the key that is named; a locked one need not be opened for that.
fn own(arguments: &Arguments) -> Result<Vec<String>> {
    let Some(path) = &arguments.key else { return Ok(Vec::new()) };
    Ok(vec![describe(&read(path)?, std::time::SystemTime::now())?.public])
}

/// Opens the cache that the flag names, or the operator config; `None` where neither does.
fn lookaside(arguments: &Arguments, chosen: &Chosen) -> Result<Option<Lookaside>> {
    if arguments.lookaside.is_none() && chosen.instance().is_none() {
        return Ok(None);
    }
    let flags = LookasideFlags {
        lookaside: arguments.lookaside.clone(),
        lookaside_download: None,
        lookaside_cert: None,
        lookaside_ca: None,
        lookaside_timeout: None,
        lookaside_attempts: None,
    };
    flags.open(chosen).map(Some)
}

/// Reads a day or a moment.
fn since(text: &str) -> Result<Timestamp, String> {
    let moment = text.parse::<Timestamp>().ok();
    let midnight = || format!("{text}T00:00:00Z").parse::<Timestamp>().ok();
    moment
        .or_else(midnight)
        .ok_or_else(|| "write a day, 2026-11-01, or a moment in UTC".to_owned())
}

fn outcome(package: String, branch: String, publications: Vec<Replayed>) -> Outcome {
    let different = publications.iter().filter(|one| one.verdict.is_different()).count();
    let same = publications.iter().filter(|one| one.verdict == Verdict::Same).count();
    let impossible = publications.len() - different - same;
    let refusal = match (different, same, impossible) {
        (0, 0, 1..) => Some(nothing_compared(impossible)),
        (0, ..) => None,
        _ => Some(differs(different, publications.len())),
    };
    let reason = refusal.map(|refusal| {
        let Refusal { code, message, hint, .. } = refusal;
        Reason { code: Code(code.0), message, hint }
    });
    let outcome = if reason.is_some() { "refused" } else { "replayed" };
    Outcome { package, branch, outcome, reason, same, different, impossible, publications }
}

fn differs(different: usize, all: usize) -> Refusal {
    let words = format!("{different} of {all} publications come out differently with this build");
    Refusal::new("replay-differs", words).hint(
        "look at each difference: where it is meant, say so in the changelog of the program; where not, mend it \
         before this build publishes",
    )
}

fn nothing_compared(impossible: usize) -> Refusal {
    let words = format!("none of {impossible} publications could be made again");
    Refusal::new("replay-impossible", words)
        .hint("name the source with --source, or go back less far")
}

fn show(outcome: &Outcome, format: Format) -> Exit {
    let text = match format {
        Format::Text => described(outcome),
        Format::Json => {
            serde_json::to_string_pretty(outcome).expect("it holds nothing but text and numbers")
                + "\n"
        }
    };
    print::to_stdout(&text);
    if outcome.reason.is_some() { Exit::Refused } else { Exit::Done }
}

fn described(outcome: &Outcome) -> String {
    let Outcome { package, branch, same, different, impossible, publications, .. } = outcome;
    let mut text = format!(
        "{package}#{branch}: {same} the same, {different} different, {impossible} that cannot be made again\n"
    );
    for one in publications {
        text.push_str(&line(one));
    }
    if publications.is_empty() {
        text.push_str(
            "  no publication of the bot's; --bot-cert or --key says which commits are its own\n",
        );
    }
    if let Some(Reason { code, message, hint }) = &outcome.reason {
        text.push_str(&format!("{message} [{code}]\n  to mend it: {hint}\n"));
    }
    text
}

fn line(one: &Replayed) -> String {
    let evr = one.evr.as_deref().unwrap_or("no EVR claimed");
    let what = format!("  {} {evr} ({})", one.commit.short(), one.generated_by);
    match &one.verdict {
        Verdict::Same => format!("{what}: same\n"),
        Verdict::Different { evr_now, files, count } => {
            let mut text = format!("{what}: different\n");
            if let Some(evr) = evr_now {
                text.push_str(&format!("      this build says {evr}\n"));
            }
            files.iter().for_each(|file| text.push_str(&format!("      {file}\n")));
            if *count > LISTED {
                text.push_str(&format!("      and {} more files\n", count - LISTED));
            }
            text
        }
        Verdict::Refused(reason) => {
            let why = printable(&reason.message, 300);
            format!("{what}: refused by this build [{}]\n      {why}\n", reason.code)
        }
        Verdict::Impossible(reason) => {
            let why = printable(&reason.message, 300);
            format!("{what}: cannot be made again [{}]\n      {why}\n", reason.code)
        }
    }
}
