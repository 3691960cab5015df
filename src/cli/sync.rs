//! `lockkeeper sync` and `lockkeeper preview`.

use clap::Args;

use super::progress::Spinner;
use super::world::{
    ContentFlags, DraftFlags, EngineFlags, KeyFlags, LookasideFlags, Surroundings, TargetFlags,
    TrustFlags, output_folder,
};
use super::{Format, print};
use crate::land::{Harbour, Unfenced, committer};
use crate::outcome::{Problem, Result};
use crate::progress::Progress;
use crate::report::{Exit, Report};
use crate::sync::World;

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
    #[command(flatten)]
    engine: EngineFlags,
}

/// Arguments of `preview`.
#[derive(Debug, Args)]
pub struct PreviewArguments {
    #[command(flatten)]
    target: TargetFlags,
    #[command(flatten)]
    draft: DraftFlags,
}

/// Runs `sync`.
pub async fn run(arguments: Arguments, format: Format) -> Exit {
    print::outcome(sync(&arguments).await, format)
}

async fn sync(arguments: &Arguments) -> Result<Report> {
    let chosen = arguments.target.choose()?;
    let hand = arguments.key.load(&chosen)?;
    let surroundings = Surroundings::for_branch(&chosen, &arguments.trust, hand.public())?;
    let lookaside = arguments.lookaside.open(&chosen)?;
    let door = hand.door(surroundings.bot_certs(), chosen.trust(&arguments.trust).keyring);
    let (name, mail) = arguments.key.name_and_mail(&chosen);
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
    let containers = arguments.engine.containers(chosen.operator());
    let world = surroundings.world(&arguments.content, Some(&lookaside), &containers, progress)?;
    Ok(crate::sync::sync(&chosen.target, &world, &harbour).await)
}

/// Runs `preview`.
pub async fn preview(arguments: PreviewArguments, format: Format) -> Exit {
    print::outcome(previewed(&arguments).await, format)
}

async fn previewed(arguments: &PreviewArguments) -> Result<Report> {
    let chosen = arguments.target.choose()?;
    let draft = &arguments.draft;
    let surroundings = Surroundings::for_branch(&chosen, &draft.trust, draft.own()?)?;
    let spinner = Spinner::new();
    let watcher = |step| spinner.show(step);
    let containers = draft.engine.containers(chosen.operator());
    let world = surroundings.world(&draft.content, None, &containers, Progress::new(&watcher))?;
    let world = World { container_log: draft.output.join("container.log"), ..world };
    output_folder(&draft.output)?;
    let report = crate::sync::preview(&chosen.target, &world, &draft.output).await;
    write_json(&report, &draft.output.join("preview.json"))?;
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
