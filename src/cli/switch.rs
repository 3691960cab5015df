//! `lockkeeper pause`, `resume` and `throttle`: work held back by a person, with a reason.

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::operator::ConfigFlag;
use super::scope::{ScopeFlags, who};
use super::status::open;
use super::{Format, print};
use crate::outcome::Result;
use crate::queue::{Rate, Switch, SwitchKind};
use crate::report::Exit;
use crate::service::status::describe_switch;

/// Arguments of `pause`.
#[derive(Debug, Args)]
pub struct Pause {
    #[command(flatten)]
    setting: Setting,
}

/// Arguments of `throttle`.
#[derive(Debug, Args)]
pub struct Throttle {
    #[command(flatten)]
    setting: Setting,
    /// How often is published at most: a number in an hour or a day, such as 6/h.
    #[arg(long, value_name = "RATE")]
    at_most: Rate,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub struct Resume {
    #[command(flatten)]
    config: ConfigFlag,
    #[command(flatten)]
    scope: ScopeFlags,
    /// Closes the circuit breaker too, whose cause a person has seen to.
    #[arg(long)]
    breaker: bool,
}

/// What is held back, why, and by whom.
#[derive(Debug, Args)]
struct Setting {
    #[command(flatten)]
    config: ConfigFlag,
    #[command(flatten)]
    scope: ScopeFlags,
    /// Why, for those who wonder.
    #[arg(long, value_name = "WORDS")]
    reason: String,
    /// Who says so; by default this user.
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
}

/// Runs `pause`.
pub async fn pause(arguments: Pause, format: Format) -> Exit {
    ended(set(&arguments.setting, SwitchKind::Pause, format).await)
}

/// Runs `throttle`.
pub async fn throttle(arguments: Throttle, format: Format) -> Exit {
    ended(set(&arguments.setting, SwitchKind::Throttle(arguments.at_most), format).await)
}

/// Runs `resume`.
pub async fn resume(arguments: Resume, format: Format) -> Exit {
    ended(clear(&arguments, format).await)
}

fn ended(done: Result<()>) -> Exit {
    match done {
        Ok(()) => Exit::Done,
        Err(fault) => print::fault(&fault),
    }
}

async fn set(setting: &Setting, kind: SwitchKind, format: Format) -> Result<()> {
    let (operator, database) = open(&setting.config).await?;
    let switch = Switch {
        scope: setting.scope.scope(&operator)?,
        kind,
        reason: setting.reason.clone(),
        who: who(setting.who.as_deref()),
        since: Timestamp::now(),
    };
    database.set_switch(switch.clone()).await?;
    print::value(format, &switch, || describe_switch(&switch) + "\n");
    Ok(())
}

async fn clear(arguments: &Resume, format: Format) -> Result<()> {
    let (operator, database) = open(&arguments.config).await?;
    let scope = arguments.scope.scope(&operator)?;
    let cleared = database.clear_switch(&scope).await?;
    if arguments.breaker {
        database.close_breaker().await?;
    }
    let left = database.switches().await?;
    print::value(format, &json!({ "cleared": cleared, "left": left }), || {
        let first = match &cleared {
            Some(switch) => format!("no longer {}\n", describe_switch(switch)),
            None => format!("nothing held {scope} back by that name\n"),
        };
        let left: String = left.iter().map(|switch| describe_switch(switch) + "\n").collect();
        first + &left
    });
    Ok(())
}
