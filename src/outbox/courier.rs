//! The courier: takes what is due and delivers it, one message at a time for each account.
//!
//! 1. The store lends messages that are due.
//! 2. For each account, side by side: deliver the oldest, note what became of it, go on with the next.
//! 3. After a setback that will pass, the account's other messages wait as long: the forge is away or wants us to wait,
//!    and asking more would make it worse.
//!
//! | setback | becomes |
//! |---|---|
//! | the forge named a time, or the account is at fault | tried again then, and the account waits as long |
//! | temporary | tried again after 30 s, doubling to an hour; so does the account wait, until something is taken |
//! | permanent | dropped, and told to the operator |

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::mail::Mailer;
use super::message::{Account, Body, Message};
use super::store::{Due, Store, Verdict};
use super::webhook::Sink;
use crate::forge::{Answer, Forge, RemoteId, Setback};
use crate::names::ForgeName;
use crate::outcome::{Lasting, Problem, Result};

/// The first wait after a temporary setback; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// After so many attempts, more than a week of them, a message is no longer news.
const ATTEMPTS: u32 = 200;

/// Whom the courier can go to.
#[derive(Debug, Default)]
pub struct Addresses {
    /// The forges.
    pub forges: BTreeMap<ForgeName, Forge>,
    /// The mail server.
    pub mail: Option<Mailer>,
    /// The owners' programs, by the operator's names.
    pub webhooks: BTreeMap<String, Sink>,
}

/// The time, counted on from when a round began.
#[derive(Debug, Clone, Copy)]
struct Clock {
    began_at: Timestamp,
    began: Instant,
}

impl Clock {
    fn now(self) -> Timestamp {
        later(self.began_at, self.began.elapsed())
    }
}

/// What one round came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Messages that were delivered.
    pub sent: usize,
    /// Messages that are tried again later.
    pub later: usize,
    /// Messages that will never be delivered.
    pub dropped: usize,
}

impl Round {
    fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Sent(_) => self.sent += 1,
            Verdict::Later(..) => self.later += 1,
            Verdict::Dropped(_) => self.dropped += 1,
        }
    }

    fn add(&mut self, other: Round) {
        self.sent += other.sent;
        self.later += other.later;
        self.dropped += other.dropped;
    }
}

/// An account that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hold {
    until: Timestamp,
    /// How many temporary setbacks came in a row.
    strikes: u32,
}

/// What a message's fate means for the others of its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Nothing: they may go.
    None,
    /// They wait as long as was said.
    Until(Timestamp),
    /// They wait, longer each time.
    Longer,
}

/// Carries messages from a store to those whom they are for.
#[derive(Debug)]
pub struct Courier<S> {
    store: S,
    addresses: Addresses,
    holds: Mutex<BTreeMap<Account, Hold>>,
}

impl<S: Store> Courier<S> {
    /// Makes a courier.
    pub fn new(store: S, addresses: Addresses) -> Courier<S> {
        Courier { store, addresses, holds: Mutex::default() }
    }

    /// Returns the accounts that wait, and until when: what an operator wants to see.
    pub fn holds(&self, now: Timestamp) -> BTreeMap<Account, Timestamp> {
        let holds = self.held();
        let waiting = holds.iter().filter(|(_, hold)| hold.until > now);
        waiting.map(|(account, hold)| (account.clone(), hold.until)).collect()
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Account, Hold>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers what is due at `now`. To be called again and again; a round that is dropped halfway loses nothing.
    ///
    /// # Errors
    /// Only where the store fails; what is wrong with a forge stays with its messages.
    pub async fn round(&self, now: Timestamp) -> Result<Round> {
        let clock = Clock { began_at: now, began: Instant::now() };
        let mut all = Round::default();
        loop {
            let due = self.store.due(clock.now()).await?;
            if due.is_empty() {
                return Ok(all);
            }
            let mut accounts: BTreeMap<Account, Vec<Due<S::Handle>>> = BTreeMap::new();
            for due in due {
                accounts.entry(due.message.account.clone()).or_default().push(due);
            }
            let rounds = accounts.into_values().map(|due| self.one_after_the_other(due, clock));
            for round in together(rounds.collect()).await {
                all.add(round?);
            }
        }
    }

    /// Delivers the messages of one account.
    async fn one_after_the_other(
        &self,
        messages: Vec<Due<S::Handle>>,
        clock: Clock,
    ) -> Result<Round> {
        let mut round = Round::default();
        for due in messages {
            let account = &due.message.account;
            let waits = self.holds(clock.now()).get(account).copied();
            let verdict = match waits {
                Some(until) => Verdict::Later(until, "its account waits".to_owned()),
                None => {
                    let answer = self.deliver(&due, clock.now()).await;
                    let (verdict, rest) = judge(&due, answer, clock.now());
                    self.rest(account, rest, clock.now());
                    verdict
                }
            };
            round.count(&verdict);
            self.store.settle(&due, verdict, clock.now()).await?;
        }
        Ok(round)
    }

    /// Notes how long an account waits.
    fn rest(&self, account: &Account, rest: Rest, now: Timestamp) {
        let mut holds = self.held();
        let strikes = holds.get(account).map_or(0, |hold| hold.strikes);
        match rest {
            Rest::None => holds.remove(account),
            Rest::Until(until) => holds.insert(account.clone(), Hold { until, strikes }),
            Rest::Longer => {
                let until = later(now, after(strikes));
                holds.insert(account.clone(), Hold { until, strikes: strikes + 1 })
            }
        };
    }

    async fn deliver(&self, due: &Due<S::Handle>, now: Timestamp) -> Answer<Option<RemoteId>> {
        let known = due.remote.as_ref();
        match (&due.message.account, &due.message.body) {
            (Account::Mail, Body::Mail(mail)) => match &self.addresses.mail {
                Some(mailer) => mailer.send(mail, now).await.map(|()| None),
                None => nobody("no mail server is configured any more"),
            },
            (Account::Webhook(name), Body::Webhook(event)) => {
                match self.addresses.webhooks.get(name) {
                    Some(sink) => sink.post(event, now).await.map(|()| None),
                    None => nobody("this webhook is not configured any more"),
                }
            }
            (Account::Forge(name), body) => match self.addresses.forges.get(name) {
                Some(forge) => at_forge(forge, body, known).await,
                None => nobody("this forge is not configured any more"),
            },
            (Account::Mail | Account::Webhook(_), _) => nobody("this is no message for there"),
        }
    }
}

async fn at_forge(
    forge: &Forge,
    body: &Body,
    known: Option<&RemoteId>,
) -> Answer<Option<RemoteId>> {
    match body {
        Body::Status(status) => forge.set_status(status, known).await,
        Body::Comment(comment) => forge.put_comment(comment, known).await,
        Body::Mend(comment) => forge.mend_comment(comment, known).await,
        Body::Issue(issue) => forge.put_issue(issue, known).await,
        Body::Mail(_) | Body::Webhook(_) => nobody("this is no message for a forge"),
    }
}

fn nobody(why: &str) -> Answer<Option<RemoteId>> {
    Err(Problem::permanent("message-without-address", why).into())
}

/// Says what becomes of a message, and what follows for its account.
fn judge<H>(due: &Due<H>, answer: Answer<Option<RemoteId>>, now: Timestamp) -> (Verdict, Rest) {
    let Setback { problem, hold } = match answer {
        Ok(remote) => return (Verdict::Sent(remote), Rest::None),
        Err(setback) => setback,
    };
    let words = format!("{problem} [{}]", problem.code);
    let Message { account, subject, context, .. } = &due.message;
    let hint = &problem.hint;
    let is_temporary = problem.lasting == Lasting::Temporary;
    let named = hold.map(|hold| later(now, hold));
    let again = named.or_else(|| is_temporary.then(|| later(now, after(due.attempts))));
    let Some(then) = again.filter(|_| due.attempts + 1 < ATTEMPTS) else {
        tracing::error!(%account, subject, context, hint, "a message cannot be told: {words}");
        return (Verdict::Dropped(words), Rest::None);
    };
    match is_temporary {
        true => tracing::info!(%account, subject, context, %then, "a message waits: {words}"),
        false => tracing::error!(%account, hint, %then, "an account cannot be used: {words}"),
    }
    (Verdict::Later(then, words), named.map_or(Rest::Longer, Rest::Until))
}

/// Returns the wait after so many attempts.
fn after(attempts: u32) -> Duration {
    (FIRST_WAIT * 2u32.saturating_pow(attempts.min(10))).min(LONGEST_WAIT)
}

fn later(time: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    time.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// Runs futures side by side, in one task, until all have ended.
async fn together<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<Running<F>> = futures.into_iter().map(Running::of).collect();
    poll_fn(|context| {
        let mut all_ended = true;
        for one in &mut running {
            all_ended &= one.has_ended(context);
        }
        if all_ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|one| one.output).collect()
}

/// A future, and what it came to.
struct Running<F: Future> {
    future: Pin<Box<F>>,
    output: Option<F::Output>,
}

impl<F: Future> Running<F> {
    fn of(future: F) -> Running<F> {
        Running { future: Box::pin(future), output: None }
    }

    /// Goes on with it, and tells whether it has ended.
    fn has_ended(&mut self, context: &mut Context<'_>) -> bool {
        if self.output.is_none()
            && let Poll::Ready(output) = self.future.as_mut().poll(context)
        {
            self.output = Some(output);
        }
        self.output.is_some()
    }
}

#[cfg(test)]
mod tests;
