//! `lockkeeper container`: the conformance kit, the contract's schemas, and the program inside the published images.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Subcommand, ValueEnum};

use super::world::EngineFlags;
use super::{Format, print};
use crate::config::Mechanism;
use crate::conformance;
use crate::container::ImageReference;
use crate::outcome::{Fault, printable};
use crate::populate::contained::inside::{Folders, populate};
use crate::populate::contained::{request_schema, result_schema};
use crate::report::Exit;

/// What to do about containers.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs an image on a small source-git, and says point by point whether it keeps the contract.
    Check {
        /// The image, with its registry; `localhost/NAME` is one that was built here.
        image: ImageReference,
        /// What it is asked for, as `population.mechanism` says beside the image.
        #[arg(long, value_enum, default_value_t = Named::Archive)]
        mechanism: Named,
        #[command(flatten)]
        engine: EngineFlags,
    },
    /// Prints the JSON Schema of one of the contract's files.
    Schema {
        /// The file.
        file: ContractFile,
    },
    /// Fulfils a request inside a container with a built-in mechanism: what the published images run.
    #[command(hide = true)]
    Populate {
        /// The mechanism.
        mechanism: Named,
        /// Where the contract's folders are.
        #[arg(long, value_name = "DIR", default_value = "/")]
        root: PathBuf,
    },
}

/// A mechanism, by its name in the branch config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Named {
    /// An archive of the tip, no patches.
    Archive,
    /// An archive of the release tag and a patch for each commit after it.
    TagArchive,
    /// The released tarball and a patch for each commit after the tag.
    UpstreamTarball,
}

impl From<Named> for Mechanism {
    fn from(named: Named) -> Mechanism {
        match named {
            Named::Archive => Mechanism::Archive,
            Named::TagArchive => Mechanism::TagArchive,
            Named::UpstreamTarball => Mechanism::UpstreamTarball,
        }
    }
}

/// A file of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ContractFile {
    /// `/lockkeeper/request.json`.
    Request,
    /// `/output/result.json`.
    Result,
}

/// Runs `container`.
pub async fn run(command: Command, format: Format) -> Exit {
    match command {
        Command::Check { image, mechanism, engine } => {
            check(&image, mechanism, &engine, format).await
        }
        Command::Schema { file } => {
            let schema = match file {
                ContractFile::Request => request_schema(),
                ContractFile::Result => result_schema(),
            };
            print::to_stdout(&format!("{schema:#}\n"));
            Exit::Done
        }
        Command::Populate { mechanism, root } => inside(mechanism, &root),
    }
}

async fn check(
    image: &ImageReference,
    mechanism: Named,
    engine: &EngineFlags,
    format: Format,
) -> Exit {
    let options = engine.options_with_engine();
    let checked = conformance::check(image, mechanism.into(), options, SystemTime::now()).await;
    let checked = match checked {
        Ok(checked) => checked,
        Err(fault) => return print::fault(&fault),
    };
    let text = match format {
        Format::Text => checked.words(),
        Format::Json => format!("{:#}\n", checked.to_json()),
    };
    print::to_stdout(&text);
    if checked.holds() { Exit::Done } else { Exit::Refused }
}

/// Fulfils a request; a refusal is one line on stdout, as the contract has it.
fn inside(mechanism: Named, root: &Path) -> Exit {
    match populate(mechanism.into(), &Folders::below(root)) {
        Ok(()) => Exit::Done,
        Err(Fault::Refused(refusal)) => {
            let hint = if refusal.hint.is_empty() { "" } else { "; " };
            let line = format!("{} [{}]{hint}{}", refusal.message, refusal.code, refusal.hint);
            print::to_stdout(&format!("{}\n", printable(line.replace('\n', " "), 2000)));
            Exit::ContainerRefuses
        }
        Err(fault) => print::fault(&fault),
    }
}
