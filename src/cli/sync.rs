//! `lockkeeper sync` and `lockkeeper preview`.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;

use super::progress::Spinner;
use super::world::{
    ContentFlags, KeyFlags, LookasideFlags, Surroundings, TargetFlags, TrustFlags, output_folder,
    read,
};
use super::{Format, print};
use crate::bot_key::describe;
use crate::land::{Harbour, Unfenced, committer};
use crate::outcome::{Problem, Result};
use crate::progress::Progress;
use crate::report::{Exit, Report};

/// Arguments of `sync`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetFlags,
    #[command(flatten)]
    key: KeyFlags,
    #[command(flatten)]
    lookaside: LookasideFlags,
    #[command(flatten)]
    trust: TrustFlags,
    #[command(flatten)]
    content: ContentFlags,
}

/// Arguments of `preview`.
#[derive(Debug, Args)]
pub struct PreviewArguments {
    #[command(flatten)]
    target: TargetFlags,
    /// The bot's key; only its public half is used, to know the bot's commits.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustFlags,
    #[command(flatten)]
    content: ContentFlags,
    /// Where to leave the result: dist-git/, lookaside/ and preview.json.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

/// Runs `sync`.
pub async fn run(arguments: Arguments, format: Format) -> Exit {
    print::outcome(sync(&arguments).await, format)
}

async fn sync(arguments: &Arguments) -> Result<Report> {
    let target = arguments.target.target()?;
    let hand = arguments.key.load()?;
    let surroundings = Surroundings::new(&arguments.trust, hand.public())?;
    let lookaside = arguments.lookaside.open()?;
    let door = hand.door(surroundings.bot_certs(), arguments.trust.keyring.clone());
    let (name, mail) = (arguments.key.bot_name.as_deref(), arguments.key.bot_mail.as_deref());
    let harbour = Harbour {
        lookaside: &lookaside,
        transport: &surroundings.transport,
        committer: committer(name, mail, &*door)?,
        signer: &*door,
        now: surroundings.now,
        permit: &Unfenced,
    };
    let spinner = Spinner::new();
    let watcher = |step| spinner.show(step);
    let progress = Progress::new(&watcher);
    let world = surroundings.world(&arguments.content, Some(&lookaside), progress)?;
    Ok(crate::sync::sync(&target, &world, &harbour).await)
}

/// Runs `preview`.
pub async fn preview(arguments: PreviewArguments, format: Format) -> Exit {
    print::outcome(previewed(&arguments).await, format)
}

async fn previewed(arguments: &PreviewArguments) -> Result<Report> {
    let target = arguments.target.target()?;
    let own = arguments.key.as_deref().map(public_half).transpose()?;
    let surroundings = Surroundings::new(&arguments.trust, own.into_iter().collect())?;
    let spinner = Spinner::new();
    let watcher = |step| spinner.show(step);
    let world = surroundings.world(&arguments.content, None, Progress::new(&watcher))?;
    output_folder(&arguments.output)?;
    let report = crate::sync::preview(&target, &world, &arguments.output).await;
    write_json(&report, &arguments.output.join("preview.json"))?;
    Ok(report)
}

/// Returns the public half of a key file; a locked key need not be opened for that.
pub fn public_half(path: &std::path::Path) -> Result<String> {
    Ok(describe(&read(path)?, SystemTime::now())?.public)
}

/// Leaves the report beside the result.
pub fn write_json(report: &Report, path: &std::path::Path) -> Result<()> {
    let json =
        serde_json::to_vec_pretty(report).expect("a report holds nothing but text and numbers");
    std::fs::write(path, json).map_err(|error| {
        Problem::permanent(
            "output-not-writable",
            format!("cannot write {}: {error}", path.display()),
        )
        .because(error)
        .into()
    })
}
