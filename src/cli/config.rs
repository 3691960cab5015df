//! `lockkeeper config`: the branch config before it is committed.

use std::path::PathBuf;

use clap::Subcommand;

use super::world::read;
use super::{Format, print};
use crate::config::{BranchConfig, schema};
use crate::outcome::Refusal;
use crate::report::Exit;

/// What to do with a branch config.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks a branch config and tells all faults at once.
    Check {
        /// The file; `source-git.yaml` in a dist-git branch.
        file: PathBuf,
    },
    /// Prints the JSON Schema of branch configs.
    Schema,
}

/// Runs `config`.
pub fn run(command: Command, format: Format) -> Exit {
    match command {
        Command::Schema => {
            print::to_stdout(&format!("{:#}\n", schema()));
            Exit::Done
        }
        Command::Check { file } => check(&file, format),
    }
}

fn check(file: &std::path::Path, format: Format) -> Exit {
    let bytes = match read(file) {
        Ok(bytes) => bytes,
        Err(fault) => return print::fault(&fault),
    };
    let name = file.display().to_string();
    match (BranchConfig::parse(&bytes), format) {
        (Ok(config), Format::Text) => {
            let unsupported =
                config.unsupported().map_or(String::new(), |refusal| format!("note: {refusal}\n"));
            print::to_stdout(&format!("{name}: fine\n{unsupported}"));
            Exit::Done
        }
        (Ok(_), Format::Json) => {
            print::to_stdout("{\n  \"valid\": true,\n  \"faults\": []\n}\n");
            Exit::Done
        }
        (Err(faults), Format::Text) => print::refusal(&Refusal::from(faults.of_file(&name))),
        (Err(faults), Format::Json) => {
            let faults = serde_json::json!({ "valid": false, "faults": faults.faults() });
            print::to_stdout(&format!("{faults:#}\n"));
            Exit::Usage
        }
    }
}
