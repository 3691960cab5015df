//! `lockkeeper status`: how the service stands, read from its database.

use clap::Args;
use jiff::Timestamp;

use super::operator::{ConfigFlag, load};
use super::{Format, print};
use crate::database::Database;
use crate::operator::Operator;
use crate::outcome::Result;
use crate::report::Exit;
use crate::service::prepare::open_database;
use crate::service::status::Status;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigFlag,
}

/// Runs `status`.
pub async fn run(arguments: Arguments, format: Format) -> Exit {
    match status(&arguments, format).await {
        Ok(()) => Exit::Done,
        Err(fault) => print::fault(&fault),
    }
}

async fn status(arguments: &Arguments, format: Format) -> Result<()> {
    let (operator, database) = open(&arguments.config).await?;
    let now = Timestamp::now();
    let status = Status::read(&database, operator.quiet_hook, now).await?;
    print::value(format, &status, || status.describe(now));
    Ok(())
}

/// Opens the database of the service whose operator config is named.
pub async fn open(config: &ConfigFlag) -> Result<(Operator, Database)> {
    let operator = load(config.config.as_deref(), |layers| layers)?;
    let database = open_database(&operator).await?;
    Ok((operator, database))
}
