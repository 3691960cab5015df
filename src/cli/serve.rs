//! `lockkeeper serve`: runs unattended until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use super::operator::{ConfigFlag, load};
use super::print;
use super::stop::Told;
use crate::outcome::{Fault, Result};
use crate::report::Exit;
use crate::service::Service;
use crate::service::prepare::{is_temporary, prepare};
use crate::service::supervisor::Supervisor;

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigFlag,
    /// Where HTTP is served, instead of what the operator config says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The name of this process among several on one database, instead of what the operator config says.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
}

/// Runs `serve`.
pub async fn run(arguments: Arguments) -> Exit {
    match serve(&arguments).await {
        Ok(exit) => exit,
        Err(fault) => print::fault(&fault),
    }
}

async fn serve(arguments: &Arguments) -> Result<Exit> {
    let operator = load(arguments.config.config.as_deref(), |layers| {
        let layers = layers.flag("--listen", "listen", arguments.listen.clone());
        layers.flag("--node", "node", arguments.node.clone())
    })?;
    let mut told = Told::new()?;
    let agent = std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty());
    let agent = agent.map(PathBuf::from);
    let prepared = tokio::select! {
        prepared = prepare(&operator, agent.as_deref()) => prepared,
        () = told.next() => return Ok(Exit::Done),
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(faults) => return Ok(all(&faults)),
    };
    let service =
        Service { operator: Arc::new(operator), supervisor: supervisor(), now: Timestamp::now };
    let (first, second) = signals(told);
    service.run(prepared, announce, first, second).await?;
    Ok(Exit::Done)
}

/// Returns what resolves by the first signal, and what does by the second.
fn signals(mut told: Told) -> (impl Future<Output = ()>, impl Future<Output = ()>) {
    let (send, receive) = tokio::sync::oneshot::channel();
    let first = async move {
        told.next().await;
        let _ = send.send(told);
    };
    let second = async move {
        match receive.await {
            Ok(mut told) => told.next().await,
            // The service ended by itself, before any signal.
            Err(_) => std::future::pending().await,
        }
    };
    (first, second)
}

fn supervisor() -> Supervisor {
    // The variables are for this process alone, where they name one.
    let ours = std::env::var("WATCHDOG_PID").ok();
    let ours = ours.is_none_or(|id| id == std::process::id().to_string());
    let watchdog = std::env::var("WATCHDOG_USEC").ok().filter(|_| ours);
    Supervisor::new(std::env::var_os("NOTIFY_SOCKET"), watchdog.as_deref())
}

fn announce(addresses: &[SocketAddr]) {
    for address in addresses {
        print::to_stdout(&format!("lockkeeper serve: listening at http://{address}\n"));
    }
}

/// Tells every fault, and returns the exit code of the worst.
fn all(faults: &[Fault]) -> Exit {
    let exits: Vec<Exit> = faults.iter().map(print::fault).collect();
    match is_temporary(faults) {
        true => Exit::TryAgain,
        false => exits.into_iter().find(|exit| *exit != Exit::TryAgain).unwrap_or(Exit::Failed),
    }
}
