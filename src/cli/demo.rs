//! demo

use clap::Args;

use crate::report::Exit;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct Arguments {}

/// Runs `demo`.
pub async fn run(_arguments: Arguments) -> Exit {
    Exit::Done
}
