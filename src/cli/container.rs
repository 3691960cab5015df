//! `lockkeeper container`: the conformance kit, the contract's schemas, and the program inside the published images.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::world::EngineFlags;
use super::{Format, print};
use crate::config::Mechanism;
use crate::conformance;
use crate::container::ImageReference;
use crate::outcome::{Fault, Lasting, printable};
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

/// The exit code by which a container refuses.
const REFUSED: u8 = 64;

/// How a command ended: an exit code of ours, or that of a container.
pub enum Ended {
    /// As every command.
    Exit(Exit),
    /// Refused, as the contract says it.
    Refused,
}

impl From<Ended> for std::process::ExitCode {
    fn from(ended: Ended) -> std::process::ExitCode {
        match ended {
            Ended::Exit(exit) => std::process::ExitCode::from(exit as u8),
            Ended::Refused => std::process::ExitCode::from(REFUSED),
        }
    }
}
