//! `lockkeeper sync` and `lockkeeper preview`.

use std::path::PathBuf;

use clap::Args;

use super::world::{
    ContentFlags, KeyFlags, LookasideFlags, Surroundings, TargetFlags, TrustFlags, output_folder,
    read,
};
use super::{Format, print};
use crate::bot_certs::BotCerts;
use crate::bot_key::BotKey;
use crate::land::{Harbour, Signer, committer};
use crate::outcome::{Problem, Result};
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
    match sync(&arguments).await {
        Ok(report) => print::report(&report, format),
        Err(fault) => print::fault(&fault),
    }
}

async fn sync(arguments: &Arguments) -> Result<Report> {
    let target = arguments.target.target()?;
    let key = arguments.key.load()?;
    let surroundings = Surroundings::new(&arguments.trust, Some(BotCerts::of(&key)))?;
    let lookaside = arguments.lookaside.open()?;
    let signer = Signer::new(key, surroundings.bot_certs(), arguments.trust.keyring.clone());
    let (name, mail) = (arguments.key.bot_name.as_deref(), arguments.key.bot_mail.as_deref());
    let harbour = Harbour {
        lookaside: &lookaside,
        transport: &surroundings.transport,
        committer: committer(name, mail, &signer)?,
        signer: &signer,
        now: surroundings.now,
    };
    let world = surroundings.world(&arguments.content, Some(&lookaside))?;
    Ok(crate::sync::sync(&target, &world, &harbour).await)
}

/// Runs `preview`.
pub async fn preview(arguments: PreviewArguments, format: Format) -> Exit {
    match previewed(&arguments).await {
        Ok(report) => print::report(&report, format),
        Err(fault) => print::fault(&fault),
    }
}

async fn previewed(arguments: &PreviewArguments) -> Result<Report> {
    let target = arguments.target.target()?;
    let own = match &arguments.key {
        Some(path) => Some(BotCerts::of(&BotKey::load(&read(path)?, None)?)),
        None => None,
    };
    let surroundings = Surroundings::new(&arguments.trust, own)?;
    let world = surroundings.world(&arguments.content, None)?;
    output_folder(&arguments.output)?;
    let report = crate::sync::preview(&target, &world, &arguments.output).await;
    write_json(&report, &arguments.output.join("preview.json"))?;
    Ok(report)
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
