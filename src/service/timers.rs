//! What is done now and then: the courier goes, the node says that it lives, what is old is forgotten, what crashed runs
//! left behind is swept up.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::mailroom::Mailroom;
use super::stop::Stop;
use super::supervisor::Supervisor;
use super::trouble::Trouble;
use crate::container::{self, Engine};
use crate::database::{Answer, Database, IDS_AT_LEAST};
use crate::names::NodeName;
use crate::operator::Keep;
use crate::outbox::{Courier, Round};
use crate::outcome::Fault;

/// How often the outbox is looked at where nobody rings: messages become due, and other nodes leave some.
const OUTBOX: Duration = Duration::from_secs(2);

/// How often a node says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How often what is old is forgotten, and what crashed runs left is swept up.
const HOUSEKEEPING: Duration = Duration::from_secs(60 * 60);

/// For how long what was told is remembered, with what forges call it.
const MESSAGES_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// Carries messages until told to stop. A round that is dropped halfway loses nothing.
pub async fn courier(
    courier: Courier<Mailroom>,
    mailroom: Mailroom,
    bell: Arc<Notify>,
    now: fn() -> Timestamp,
    mut stop: Stop,
) {
    let mut trouble = Trouble::default();
    while !stop.is_told() {
        let round = async {
            tokio::select! {
                round = courier.round(now()) => Some(round),
                () = mailroom.keep_lent() => None,
            }
        };
        let round = stop.or(round).await.flatten();
        mailroom.give_back().await;
        let Some(round) = round else { return };
        let pause = match round {
            Ok(round) => {
                trouble.is_over("messages are carried again");
                if round != Round::default() {
                    tracing::debug!(?round, "messages were carried");
                }
                OUTBOX
            }
            Err(Fault::Failed(problem)) => trouble.pause("messages cannot be carried", &problem),
            Err(Fault::Refused(refusal)) => {
                tracing::error!(code = %refusal.code, "messages cannot be carried: {refusal}");
                OUTBOX
            }
        };
        let rung = async {
            tokio::select! {
                () = bell.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        };
        stop.or(rung).await;
    }
}

/// Says that the node lives, until told to stop.
pub async fn heartbeat(database: Database, node: NodeName, now: fn() -> Timestamp, mut stop: Stop) {
    let started_at = now();
    let version = env!("CARGO_PKG_VERSION");
    while !stop.is_told() {
        // A database that is away is told of by those who need it.
        let _ = database.heartbeat(&node, version, started_at, now()).await;
        stop.or(tokio::time::sleep(HEARTBEAT)).await;
    }
}

/// Tells the supervisor that we live, as often as it wants to hear it.
pub async fn watchdog(supervisor: Supervisor, mut stop: Stop) {
    let Some(pause) = supervisor.heartbeat() else { return stop.told().await };
    while !stop.is_told() {
        supervisor.alive();
        stop.or(tokio::time::sleep(pause)).await;
    }
}

/// Forgets what is old, until told to stop.
pub async fn housekeeping(database: Database, keep: Keep, now: fn() -> Timestamp, mut stop: Stop) {
    while !stop.is_told() {
        match stop.or(forget(&database, keep, now())).await {
            Some(Ok(0)) | None => {}
            Some(Ok(rows)) => tracing::info!(rows, "what is old was forgotten"),
            Some(Err(problem)) => {
                tracing::warn!(code = %problem.code, "what is old is kept for now: {}", problem.message);
            }
        }
        stop.or(tokio::time::sleep(HOUSEKEEPING)).await;
    }
}

/// Forgets a few hundred rows at a time, so that nobody waits behind it.
async fn forget(database: &Database, keep: Keep, now: Timestamp) -> Answer<u64> {
    let bodies = now - keep.deliveries;
    let rows = now - keep.deliveries.max(IDS_AT_LEAST);
    let mut forgotten = 0;
    loop {
        let mut some = database.prune_deliveries(bodies, rows).await?;
        some += database.prune_runs(now - keep.runs).await?;
        some += database.prune_messages(now - MESSAGES_KEPT).await?;
        forgotten += some;
        if some == 0 {
            return Ok(forgotten);
        }
    }
}

/// Sweeps up the containers of bots that are no more, until told to stop. Where no engine works there are none.
pub async fn containers(options: container::Options, mut stop: Stop) {
    while !stop.is_told() {
        let sweep = async {
            match Engine::find(&options).await {
                Ok(engine) => engine.sweep().await.map(Some),
                Err(fault) => {
                    tracing::debug!("no container engine: {fault}");
                    Ok(None)
                }
            }
        };
        if let Some(Err(fault)) = stop.or(sweep).await {
            tracing::warn!("containers that are left over could not be removed: {fault}");
        }
        stop.or(tokio::time::sleep(HOUSEKEEPING)).await;
    }
}
