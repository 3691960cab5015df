//! The writer: changes that arrive together become durable together.
//!
//! 1. Whoever wants a change sends it and waits.
//! 2. The writer takes what has arrived, at most [`GROUP`], into one transaction. Deliveries become one statement;
//!    any other change is undone alone should it fail.
//! 3. One commit, so one fsync.
//! 4. Only then is anybody answered. Meanwhile the next group has gathered.
//!
//! SQLite has one writer anyway, and sends everything here. PostgreSQL's many connections commit side by side; only
//! deliveries come here, since a thousand small commits cost more than a few large ones.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::checkpoint::Meter;
use super::deliveries::{NewDelivery, Stored, insert};
use super::pools::Pools;
use super::session::{Session, values};
use super::trouble::{Answer, trouble};
use crate::outcome::{Lasting, Problem};

/// The most changes in one transaction.
const GROUP: usize = 256;

/// How many changes wait before those who send them have to.
const BACKLOG: usize = 4 * GROUP;

/// A step inside a transaction.
pub(super) type Step<'s, T> = Pin<Box<dyn Future<Output = Answer<T>> + Send + 's>>;

/// A change, and who waits for it.
enum Wanted {
    Delivery(NewDelivery, oneshot::Sender<Answer<Stored>>),
    Change(Box<dyn Change>),
}

/// The sending end.
pub(super) struct Writer {
    sender: mpsc::Sender<Wanted>,
    tally: Arc<Tally>,
}

/// What was written since the database was opened: groups of one transaction, so one fsync, and changes in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Groups.
    pub groups: u64,
    /// Deliveries, and other changes.
    pub changes: u64,
}

/// [`Written`], as it grows.
#[derive(Default)]
struct Tally {
    groups: AtomicU64,
    changes: AtomicU64,
}

impl Tally {
    fn add(&self, changes: usize) {
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.changes.fetch_add(changes as u64, Ordering::Relaxed);
    }
}

impl Writer {
    /// Starts the writer; it ends when the last sender is gone and all is answered.
    pub(super) fn start(pools: Arc<Pools>) -> Writer {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let tally = Arc::new(Tally::default());
        let meter = Meter::start(Arc::clone(&pools));
        tokio::spawn(write(pools, receiver, meter, Arc::clone(&tally)));
        Writer { sender, tally }
    }

    /// Returns what was written so far.
    pub(super) fn written(&self) -> Written {
        let Tally { groups, changes } = &*self.tally;
        Written { groups: groups.load(Ordering::Relaxed), changes: changes.load(Ordering::Relaxed) }
    }

    /// Stores a delivery; returns once it is durable.
    pub(super) async fn store(&self, delivery: NewDelivery) -> Answer<Stored> {
        let (reply, answer) = oneshot::channel();
        self.send(Wanted::Delivery(delivery, reply), answer).await
    }

    /// Makes a change; returns once it is durable.
    pub(super) async fn change<T, W>(&self, work: W) -> Answer<T>
    where
        T: Send + 'static,
        W: for<'s> FnOnce(&'s mut Session) -> Step<'s, T> + Send + 'static,
    {
        let (wanted, answer) = wanted_change(work);
        self.send(wanted, answer).await
    }

    async fn send<T>(&self, wanted: Wanted, answer: oneshot::Receiver<Answer<T>>) -> Answer<T> {
        self.sender.send(wanted).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn wanted_change<T, W>(work: W) -> (Wanted, oneshot::Receiver<Answer<T>>)
where
    T: Send + 'static,
    W: for<'s> FnOnce(&'s mut Session) -> Step<'s, T> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (
        Wanted::Change(Box::new(Pending { work: Some(work), result: None, reply })),
        answer,
    )
}

fn closed() -> Problem {
    Problem::temporary("database-unreachable", "the database has been closed")
}

/// What came of a change inside its transaction.
enum Course {
    /// It is in the transaction.
    Kept,
    /// It failed, and is to be undone alone.
    Undone,
    /// It failed in a way that takes the transaction along.
    Spoilt(Problem),
}

/// A change whose type of answer only its sender knows.
trait Change: Send {
    /// Does it, and keeps what came of it.
    fn work<'s>(
        &'s mut self,
        session: &'s mut Session,
    ) -> Pin<Box<dyn Future<Output = Course> + Send + 's>>;

    /// Answers the sender, now that the transaction has ended.
    fn settle(self: Box<Self>, end: &End);
}

/// How a transaction ended.
type End = Answer<()>;

struct Pending<T, W> {
    work: Option<W>,
    result: Option<Answer<T>>,
    reply: oneshot::Sender<Answer<T>>,
}

impl<T, W> Change for Pending<T, W>
where
    T: Send + 'static,
    W: for<'s> FnOnce(&'s mut Session) -> Step<'s, T> + Send + 'static,
{
    fn work<'s>(
        &'s mut self,
        session: &'s mut Session,
    ) -> Pin<Box<dyn Future<Output = Course> + Send + 's>> {
        Box::pin(async move {
            let work = self.work.take().expect("a change is done once");
            let result = work(session).await;
            let course = match &result {
                Ok(_) => Course::Kept,
                Err(problem) if problem.lasting == Lasting::Permanent => Course::Undone,
                Err(problem) => Course::Spoilt(again(problem)),
            };
            self.result = Some(result);
            course
        })
    }

    fn settle(self: Box<Self>, end: &End) {
        let answer = match (self.result, end) {
            (Some(Err(problem)), _) => Err(problem),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(problem)) => Err(again(problem)),
            (None, Ok(())) => Err(closed()),
        };
        // Whoever has gone away in the meantime does not want to know.
        let _ = self.reply.send(answer);
    }
}

/// One transaction's worth of changes.
#[derive(Default)]
struct Group {
    deliveries: Vec<NewDelivery>,
    replies: Vec<oneshot::Sender<Answer<Stored>>>,
    changes: Vec<Box<dyn Change>>,
}

impl Group {
    fn add(&mut self, wanted: Wanted) {
        match wanted {
            Wanted::Delivery(delivery, reply) => {
                self.deliveries.push(delivery);
                self.replies.push(reply);
            }
            Wanted::Change(change) => self.changes.push(change),
        }
    }

    fn len(&self) -> usize {
        self.replies.len() + self.changes.len()
    }

    /// Returns how many bytes the deliveries carry.
    fn payload(&self) -> usize {
        self.deliveries.iter().map(|delivery| delivery.body.len()).sum()
    }
}

async fn write(
    pools: Arc<Pools>,
    mut receiver: mpsc::Receiver<Wanted>,
    meter: Meter,
    tally: Arc<Tally>,
) {
    while let Some(first) = receiver.recv().await {
        let group = gather(first, &mut receiver);
        let (changes, payload) = (group.len(), group.payload());
        if write_group(&pools, group).await {
            meter.wrote(changes, payload);
            tally.add(changes);
        }
    }
}

/// Returns what has arrived, as far as one group goes; the rest stays in line.
fn gather(first: Wanted, receiver: &mut mpsc::Receiver<Wanted>) -> Group {
    let mut group = Group::default();
    group.add(first);
    while group.len() < GROUP {
        let Ok(next) = receiver.try_recv() else { break };
        group.add(next);
    }
    group
}

/// Does one group and answers everybody in it; tells whether it is durable.
async fn write_group(pools: &Pools, mut group: Group) -> bool {
    let deliveries = std::mem::take(&mut group.deliveries);
    let (stored, end) = match transaction(pools, deliveries, &mut group.changes).await {
        Ok(stored) => (stored, Ok(())),
        Err(problem) => (Vec::new(), Err(problem)),
    };
    let mut stored = stored.into_iter();
    for reply in group.replies {
        let answer = match &end {
            Ok(()) => stored.next().ok_or_else(closed),
            Err(problem) => Err(again(problem)),
        };
        let _ = reply.send(answer);
    }
    for change in group.changes {
        change.settle(&end);
    }
    end.is_ok()
}

async fn transaction(
    pools: &Pools,
    deliveries: Vec<NewDelivery>,
    changes: &mut [Box<dyn Change>],
) -> Answer<Vec<Stored>> {
    let mut session = pools.begin_writing().await.map_err(trouble)?;
    match fill(&mut session, deliveries, changes).await {
        Ok(stored) => session.commit().await.map_err(trouble).map(|()| stored),
        Err(problem) => {
            session.discard().await;
            Err(problem)
        }
    }
}

async fn fill(
    session: &mut Session,
    deliveries: Vec<NewDelivery>,
    changes: &mut [Box<dyn Change>],
) -> Answer<Vec<Stored>> {
    let stored = insert(session, deliveries).await?;
    for change in changes {
        step(session, change.as_mut()).await?;
    }
    Ok(stored)
}

/// Does one change so that it can be undone without the others.
async fn step(session: &mut Session, change: &mut dyn Change) -> Answer<()> {
    session.change("SAVEPOINT step", values![]).await?;
    match change.work(session).await {
        Course::Kept => {}
        Course::Undone => {
            session.change("ROLLBACK TO step", values![]).await?;
        }
        // SQLite may have rolled back by itself; what follows would be outside of any transaction.
        Course::Spoilt(problem) => return Err(problem),
    }
    session.change("RELEASE step", values![]).await.map(drop)
}

/// Returns a problem once more, for the next of those who share it.
fn again(problem: &Problem) -> Problem {
    let Problem { code, message, hint, lasting, .. } = problem;
    Problem {
        code: *code,
        message: message.clone(),
        hint: hint.clone(),
        lasting: *lasting,
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{Database, DatabaseAddress};

    fn delivery(number: usize) -> NewDelivery {
        NewDelivery {
            hook: "src".parse().unwrap(),
            id: format!("id-{number}").parse().unwrap(),
            kind: "github".to_owned(),
            event: "push".to_owned(),
            body: b"{}".to_vec(),
            received_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn wanted(number: usize) -> (Wanted, oneshot::Receiver<Answer<Stored>>) {
        let (reply, answer) = oneshot::channel();
        (Wanted::Delivery(delivery(number), reply), answer)
    }

    /// Returns a change that runs one statement.
    fn change(sql: &'static str) -> (Wanted, oneshot::Receiver<Answer<u64>>) {
        wanted_change(move |session| Box::pin(async move { session.change(sql, values![]).await }))
    }

    async fn open() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let address = DatabaseAddress::parse("sqlite", folder.path()).unwrap();
        (folder, Database::open(&address).await.unwrap())
    }

    #[tokio::test]
    async fn a_change_that_fails_leaves_those_beside_it_alone() {
        let (_folder, db) = open().await;
        let mut group = Group::default();
        let (one, stored) = wanted(1);
        let (two, wrong) = change("INSERT INTO no_such_table VALUES (1)");
        let (three, right) = change("INSERT INTO switches (scope, value) VALUES ('all', '{}')");
        [one, two, three].into_iter().for_each(|wanted| group.add(wanted));
        write_group(&db.inner.pools, group).await;
        assert_eq!(stored.await.unwrap().unwrap(), Stored::New);
        assert_eq!(wrong.await.unwrap().unwrap_err().code.0, "database-failed");
        assert_eq!(right.await.unwrap().unwrap(), 1);
        assert_eq!(db.deliveries_to_route(9).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_does_not_fit_into_a_group_comes_into_the_next() {
        let (sender, mut receiver) = mpsc::channel(BACKLOG);
        for number in 0..GROUP + 44 {
            assert!(sender.try_send(wanted(number).0).is_ok());
        }
        let mut lengths = Vec::new();
        while let Ok(first) = receiver.try_recv() {
            lengths.push(gather(first, &mut receiver).len());
        }
        assert_eq!(lengths, [GROUP, 44]);
    }

    #[tokio::test]
    async fn a_change_half_done_is_undone() {
        let (_folder, db) = open().await;
        let half = db.write(|session| {
            Box::pin(async move {
                let sql = "INSERT INTO switches (scope, value) VALUES ('all', '{}')";
                session.change(sql, values![]).await?;
                session.change("INSERT INTO no_such_table VALUES (1)", values![]).await
            })
        });
        assert!(half.await.is_err());
        assert!(db.rows("SELECT scope FROM switches", values![]).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn one_group_is_one_transaction_with_each_answer_in_its_place() {
        let (folder, db) = open().await;
        db.store_delivery(delivery(7)).await.unwrap();
        let mut group = Group::default();
        // Long enough for a statement of each length; 7 is there already, 3 comes twice.
        let numbers: Vec<usize> = (0..100).chain([3]).collect();
        let mut answers = Vec::new();
        for number in &numbers {
            let (wanted, answer) = wanted(*number);
            group.add(wanted);
            answers.push(answer);
        }
        let log = folder.path().join("lockkeeper.sqlite-wal");
        let before = commits(&log);
        write_group(&db.inner.pools, group).await;
        assert_eq!(commits(&log) - before, 1, "one commit, so one fsync");
        for (at, answer) in answers.into_iter().enumerate() {
            let duplicate = at == 100 || numbers[at] == 7;
            let expected = if duplicate { Stored::Duplicate } else { Stored::New };
            assert_eq!(answer.await.unwrap().unwrap(), expected, "{at}");
        }
    }

    /// Counts the commits in a write-ahead log: frames that say how large the database is afterwards.
    fn commits(log: &std::path::Path) -> usize {
        let bytes = std::fs::read(log).unwrap();
        let frames = bytes[32..].chunks_exact(24 + 4096);
        frames.filter(|frame| frame[4..8] != [0; 4]).count()
    }
}
