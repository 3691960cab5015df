//! `lockkeeper demo`: the whole main job in a temporary folder.

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use clap::Args;

use super::print;
use crate::demo;
use crate::outcome::{Problem, Result};
use crate::report::Exit;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Plays with a real project's history instead; by default that of the repository around the working folder.
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = ".")]
    real: Option<PathBuf>,
}

/// Runs `demo`.
pub async fn run(arguments: Arguments) -> Exit {
    match played(&arguments).await {
        Ok(()) => Exit::Done,
        Err(fault) => print::fault(&fault),
    }
}

async fn played(arguments: &Arguments) -> Result<()> {
    let started = Instant::now();
    let folder =
        tempfile::Builder::new().prefix("lockkeeper-demo-").tempdir().map_err(|error| {
            Problem::permanent("no-temporary-folder", "cannot make a temporary folder")
                .because(error)
        })?;
    // The folder stays: the story ends by saying what to look at in it.
    let folder = folder.keep();
    let mut say = |text: &str| print::to_stdout(text);
    say(&format!("lockkeeper demo, in {}\n", folder.display()));
    match &arguments.real {
        None => demo::story::play(&folder, SystemTime::now(), &mut say).await?,
        Some(path) => demo::real::play(&folder, path, SystemTime::now(), &mut say).await?,
    }
    say(&format!("\nThis took {:.1} s.\n", started.elapsed().as_secs_f64()));
    Ok(())
}
