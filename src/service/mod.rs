//! The service: what came in, what is due, and who works on it. Runs unattended until it is told to stop.
//!
//! ```text
//! POST /hooks/NAME -> doors -> deliveries -> sorter -> jobs -> workers -> sync -> history, outbox -> courier -> forges
//!                                                       ^
//!                      timers: every source is looked at, every package is indexed
//! ```
//!
//! 1. [`prepare`] opens everything, or says all that is wrong;
//! 2. [`listen`] keeps clients to good manners, [`doors`] store what they bring and answer;
//! 3. [`sorter`] turns deliveries into requests to look at branches;
//! 4. [`worker`] claims a job, syncs in the [`workshop`], and writes down what came of it ([`aftermath`]);
//! 5. [`indexer`] knows which branches there are, and finds what no delivery told; [`timers`] carry messages and keep house;
//! 6. [`stop`] is thrown by a signal: nothing new is begun, what runs may end, and after a while it is dropped.
//!
//! Tasks are spawned here and nowhere else. They speak through the database; bells only save them the wait, so each
//! of them, and the whole process, can be killed at any moment.

pub mod aftermath;
pub mod body;
pub mod doors;
pub mod indexer;
pub mod listen;
pub mod logs;
pub mod mailroom;
pub mod prepare;
pub mod sorter;
pub mod status;
pub mod stop;
pub mod supervisor;
pub mod timers;
pub mod trouble;
pub mod worker;
pub mod workshop;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;

use aftermath::Aftermath;
use doors::Doors;
use indexer::Indexer;
use listen::Manners;
use mailroom::Mailroom;
use prepare::Prepared;
use sorter::Sorter;
use stop::Switch;
use supervisor::Supervisor;
use worker::{Ends, Team};

use crate::database::{Answer, Database, DatabaseAddress};
use crate::index::Hosts;
use crate::operator::Operator;
use crate::outbox::Courier;
use crate::outcome::{Problem, Result};
use crate::queue::Policy;

/// How long what was dropped may take to be gone.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// A service, about to run.
pub struct Service {
    /// What the operator wants.
    pub operator: Arc<Operator>,
    /// Who watches over us.
    pub supervisor: Supervisor,
    /// The clock.
    pub now: fn() -> Timestamp,
}

/// What the tasks call each other with.
#[derive(Clone, Default)]
struct Bells {
    deliveries: Arc<Notify>,
    jobs: Arc<Notify>,
    outbox: Arc<Notify>,
}

impl Service {
    /// Runs until `told` resolves; then drains, but no longer than the operator allows and until `told_again` resolves.
    ///
    /// `announce` hears at which addresses requests are taken.
    ///
    /// # Errors
    /// Fails where a task ended by itself, which none should.
    pub async fn run(
        self,
        prepared: Prepared,
        announce: impl FnOnce(&[SocketAddr]),
        told: impl Future<Output = ()>,
        told_again: impl Future<Output = ()>,
    ) -> Result<()> {
        let (drain_switch, drain) = Switch::new();
        let (abort_switch, abort) = Switch::new();
        let database = prepared.database.clone();
        self.take_over(&prepared).await;
        let addresses: Vec<SocketAddr> =
            prepared.listeners.iter().filter_map(|one| one.local_addr().ok()).collect();
        let lock = prepared.lock.try_clone();
        let mut tasks = self.spawn(prepared, &Ends { drain, abort });
        announce(&addresses);
        self.supervisor.ready(&format!("listening at {addresses:?}"));
        let ended = tokio::select! {
            () = told => Ok(()),
            Some(ended) = tasks.join_next() => Err(ended_early(ended)),
        };
        self.supervisor.stopping();
        tracing::info!("stopping: what runs may end within {:?}", self.operator.drain);
        drain_switch.throw();
        let drained = all_ended(&mut tasks);
        tokio::select! {
            () = drained => {}
            () = tokio::time::sleep(self.operator.drain) => tracing::warn!("the time to end is over"),
            () = told_again => tracing::warn!("told twice: what runs is dropped"),
        }
        abort_switch.throw();
        let _ = tokio::time::timeout(LAST_MOMENT, all_ended(&mut tasks)).await;
        let _ = tokio::time::timeout(LAST_MOMENT, database.farewell(&self.operator.node)).await;
        let _ = tokio::time::timeout(LAST_MOMENT, database.close()).await;
        drop(lock);
        Ok(ended?)
    }

    /// Takes up what an earlier process of this node left.
    async fn take_over(&self, prepared: &Prepared) {
        let left = prepared.workshop.sweep();
        if left > 0 {
            tracing::info!(left, "removed what runs of an earlier process left");
        }
        // Nobody else works on a file of this machine's. On a server another node may bear the same name by mistake,
        // so there the leases of the earlier process run out by themselves.
        if let DatabaseAddress::Sqlite(_) = self.operator.database
            && let Err(problem) = self.free_leases(&prepared.database).await
        {
            tracing::warn!(code = %problem.code, "its work waits for the leases: {}", problem.message);
        }
    }

    /// Frees the jobs and the messages that an earlier process had in its hands.
    async fn free_leases(&self, database: &Database) -> Answer<()> {
        let jobs = database.free_leases_of(&self.operator.node, (self.now)()).await?;
        let messages = database.free_messages().await?;
        if jobs > 0 || messages > 0 {
            tracing::info!(jobs, messages, "what an earlier process had in its hands waits again");
        }
        Ok(())
    }

    fn spawn(&self, prepared: Prepared, ends: &Ends) -> JoinSet<()> {
        let Prepared { workshop, accounts, addresses, database, listeners, lock: _ } = prepared;
        let Service { operator, now, supervisor } = self;
        let (operator, now, bells) = (Arc::clone(operator), *now, Bells::default());
        let hosts = || Hosts::new(&operator.hosts);
        let mut tasks = JoinSet::new();
        let doors = Arc::new(Doors {
            operator: Arc::clone(&operator),
            database: database.clone(),
            bell: Arc::clone(&bells.deliveries),
            jobs_bell: Arc::clone(&bells.jobs),
            public_key: workshop.public_key().to_owned(),
            now,
            gate: body::BodyGate::default(),
            health: doors::Health::default(),
        });
        for listener in listeners {
            let manners =
                Manners { connections: operator.limits.connections, ..Manners::default() };
            let router = doors::router(Arc::clone(&doors));
            tasks.spawn(listen::serve(listener, router, manners, ends.drain.clone()));
        }
        let (news, heard) = unbounded_channel();
        let sorter = Sorter {
            operator: Arc::clone(&operator),
            hosts: hosts(),
            database: database.clone(),
            bell: Arc::clone(&bells.deliveries),
            jobs_bell: Arc::clone(&bells.jobs),
            news: news.clone(),
            now,
        };
        tasks.spawn(sorter.run(ends.drain.clone()));
        let team = Arc::new(Team {
            node: operator.node.clone(),
            lease: operator.lease,
            policy: Arc::new(policy(&operator)),
            workshop: Arc::clone(&workshop),
            aftermath: Aftermath {
                operator: Arc::clone(&operator),
                hosts: hosts(),
                accounts,
                database: database.clone(),
                outbox_bell: Arc::clone(&bells.outbox),
                news,
            },
            database: database.clone(),
            bell: Arc::clone(&bells.jobs),
            now,
        });
        for _ in 0..operator.workers {
            tasks.spawn(Arc::clone(&team).work(ends.clone()));
        }
        let stop = || ends.drain.clone();
        let indexer = Arc::new(Indexer {
            operator: Arc::clone(&operator),
            workshop,
            work: operator.data.join("work"),
            database: database.clone(),
            jobs_bell: Arc::clone(&bells.jobs),
            now,
        });
        tasks.spawn(Arc::clone(&indexer).run(stop()));
        tasks.spawn(indexer.listen(heard, stop()));
        let mailroom = Mailroom::new(database.clone(), now);
        let courier = Courier::new(mailroom.clone(), addresses);
        tasks.spawn(timers::courier(courier, mailroom, Arc::clone(&bells.outbox), now, stop()));
        tasks.spawn(timers::heartbeat(database.clone(), operator.node.clone(), now, stop()));
        tasks.spawn(timers::housekeeping(database, operator.keep, now, stop()));
        tasks.spawn(timers::containers(operator.population.clone(), stop()));
        tasks.spawn(timers::watchdog(supervisor.clone(), stop()));
        tasks
    }
}

/// Returns the operator's rules for the queue.
fn policy(operator: &Operator) -> Policy {
    Policy { metering: operator.metering.clone(), breaker: Some(operator.breaker.clone()) }
}

/// Draws a number from 0 to 1: what many do at once is spread by it.
fn chance() -> f64 {
    let drawn = RandomState::new().build_hasher().finish();
    (drawn >> 11) as f64 / (1u64 << 53) as f64
}

async fn all_ended(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!("a task broke off: {error}");
        }
    }
}

/// Says that a task ended although nobody told it to.
fn ended_early(ended: Result<(), tokio::task::JoinError>) -> Problem {
    let why = ended.err().map_or("without a word".to_owned(), |error| error.to_string());
    let words = format!("a part of the service ended by itself: {why}");
    Problem::permanent("service-broken", words).hint("please report it, with what the log says")
}
