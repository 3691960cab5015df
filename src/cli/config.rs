//! `lockkeeper config`: a config before it is relied on, that of a branch or that of the operator.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::operator::places;
use super::world::read;
use super::{Format, print};
use crate::config::{BranchConfig, ConfigFaults, schema};
use crate::operator::{self, Layers, Operator};
use crate::outcome::{Refusal, Result};
use crate::report::Exit;

/// What to do with a config.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks a branch config or an operator config, and tells all faults at once.
    Check {
        /// The file; `source-git.yaml` in a dist-git branch, or the `lockkeeper.yaml` of a service.
        file: PathBuf,
        /// Takes it for an operator config, whatever it looks like.
        #[arg(long)]
        operator: bool,
        /// Does not read the secrets that an operator config names.
        #[arg(long)]
        without_secrets: bool,
    },
    /// Prints the JSON Schema of branch configs.
    Schema {
        /// Prints that of operator configs.
        #[arg(long)]
        operator: bool,
    },
}

/// Runs `config`.
pub fn run(command: Command, format: Format) -> Exit {
    match command {
        Command::Schema { operator } => {
            let schema = if operator { operator::schema() } else { schema() };
            print::to_stdout(&format!("{schema:#}\n"));
            Exit::Done
        }
        Command::Check { file, operator, without_secrets } => {
            let checked =
                read(&file).and_then(|bytes| match operator || Operator::is_meant(&bytes) {
                    true => check_operator(&file, &bytes, without_secrets),
                    false => Ok(check_branch(&bytes)),
                });
            match checked {
                Ok(checked) => show(&file, checked, format),
                Err(fault) => print::fault(&fault),
            }
        }
    }
}

/// Checks a branch config; returns what is to be noted of one without faults.
fn check_branch(bytes: &[u8]) -> Result<String, ConfigFaults> {
    let config = BranchConfig::parse(bytes)?;
    Ok(config.unsupported().map_or(String::new(), |refusal| format!("note: {refusal}\n")))
}

/// Checks an operator config with what stands in the environment, as the service would.
fn check_operator(
    file: &Path,
    bytes: &[u8],
    without_secrets: bool,
) -> Result<Result<String, ConfigFaults>> {
    let layers = Layers::from_environment(|name| std::env::var(name).ok());
    let places = places(file)?;
    Ok(match without_secrets {
        true => Operator::check_without_secrets(bytes, &layers, &places)
            .map(|()| "note: the secrets were not looked at\n".to_owned()),
        false => Operator::parse(bytes, &layers, &places).map(|_| String::new()),
    })
}

fn show(file: &Path, checked: Result<String, ConfigFaults>, format: Format) -> Exit {
    let name = file.display().to_string();
    match (checked, format) {
        (Ok(note), Format::Text) => {
            print::to_stdout(&format!("{name}: fine\n{note}"));
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
