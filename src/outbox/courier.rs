//! The courier: takes what is due and delivers it, one message at a time for each account.
//!
//! 1. The store says which accounts have something due; those that were told to wait are left out.
//! 2. For each of them, side by side: take the oldest, deliver it, note what became of it, until nothing is due.
//! 3. A setback ends the account's round: the forge is away or wants us to wait, and asking more would make it worse.
//!
//! | setback | becomes |
//! |---|---|
//! | the forge named a time, or the account is at fault | tried again then, and the account waits |
//! | temporary | tried again after 30 s, doubling to an hour; the account waits as long |
//! | permanent | dropped, and told to the operator |

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::mail::Mailer;
use super::message::{Account, Body};
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

/// Carries messages from a store to those whom they are for.
#[derive(Debug)]
pub struct Courier<S> {
    store: S,
    addresses: Addresses,
    holds: Mutex<BTreeMap<Account, Timestamp>>,
}

impl<S: Store> Courier<S> {
    /// Makes a courier.
    pub fn new(store: S, addresses: Addresses) -> Courier<S> {
        Courier { store, addresses, holds: Mutex::default() }
    }

    /// Returns the accounts that wait, and until when: what an operator wants to see.
    pub fn holds(&self) -> BTreeMap<Account, Timestamp> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Delivers what is due at `now`. To be called again and again; a round that is dropped halfway loses nothing.
    ///
    /// # Errors
    /// Only where the store fails; what is wrong with a forge stays with its messages.
    pub async fn round(&self, now: Timestamp) -> Result<Round> {
        let began = Instant::now();
        let due = self.store.accounts_due(now).await?;
        let free = due.into_iter().filter(|account| !self.is_held(account, now));
        let rounds = free.map(|account| self.account_round(account, now, began));
        let mut all = Round::default();
        for round in together(rounds.collect()).await {
            let round = round?;
            all.sent += round.sent;
            all.later += round.later;
            all.dropped += round.dropped;
        }
        Ok(all)
    }

    fn is_held(&self, account: &Account, now: Timestamp) -> bool {
        self.holds().get(account).is_some_and(|until| *until > now)
    }

    async fn account_round(
        &self,
        account: Account,
        began_at: Timestamp,
        began: Instant,
    ) -> Result<Round> {
        let mut round = Round::default();
        loop {
            let now = later(began_at, began.elapsed());
            let Some(due) = self.store.take(&account, now).await? else { return Ok(round) };
            let answer = self.deliver(&due, now).await;
            let now = later(began_at, began.elapsed());
            let (verdict, hold) = judge(&due, answer, now);
            match &verdict {
                Verdict::Sent(_) => round.sent += 1,
                Verdict::Later(..) => round.later += 1,
                Verdict::Dropped(_) => round.dropped += 1,
            }
            self.store.settle(&due, verdict).await?;
            if let Some(hold) = hold {
                let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
                holds.insert(account, later(now, hold));
                return Ok(round);
            }
        }
    }

    async fn deliver(&self, due: &Due, now: Timestamp) -> Answer<Option<RemoteId>> {
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

/// Says what becomes of a message, and how long its account waits.
fn judge(
    due: &Due,
    answer: Answer<Option<RemoteId>>,
    now: Timestamp,
) -> (Verdict, Option<Duration>) {
    let Setback { problem, hold } = match answer {
        Ok(remote) => return (Verdict::Sent(remote), None),
        Err(setback) => setback,
    };
    let words = format!("{problem} [{}]", problem.code);
    let wait = match (hold, problem.lasting) {
        (Some(hold), _) => Some(hold),
        (None, Lasting::Temporary) => Some(after(due.attempts)),
        (None, Lasting::Permanent) => None,
    };
    let key = &due.message.key;
    match wait.filter(|_| due.attempts + 1 < ATTEMPTS) {
        Some(wait) if problem.lasting == Lasting::Temporary => {
            tracing::info!(key, wait = wait.as_secs(), "a message waits: {words}");
            (Verdict::Later(later(now, wait), words), Some(wait))
        }
        Some(wait) => {
            tracing::error!(key, hint = problem.hint, "an account cannot be used: {words}");
            (Verdict::Later(later(now, wait), words), Some(wait))
        }
        None => {
            tracing::error!(key, hint = problem.hint, "a message cannot be delivered: {words}");
            (Verdict::Dropped(words), None)
        }
    }
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
    let mut running: Vec<(Pin<Box<F>>, Option<F::Output>)> =
        futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        for (future, output) in &mut running {
            if output.is_none()
                && let Poll::Ready(ended) = future.as_mut().poll(context)
            {
                *output = Some(ended);
            }
        }
        match running.iter().all(|(_, output)| output.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

#[cfg(test)]
mod tests;
