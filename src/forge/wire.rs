//! The wire: one request at a time, writes apart from each other, and what comes back as it came.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tokio::time::Instant;

use super::answer::Reply;
use super::app::Hub;
use super::limits::Signs;
use super::{Account, Answer, Credential, Kind};
use crate::http::{self, Codes, Timeouts};
use crate::outcome::{Fault, Problem};

pub(super) const CODES: Codes = Codes {
    unreachable: "forge-unreachable",
    too_slow: "forge-too-slow",
    redirects: "forge-moved",
    unauthorized: "forge-unauthorized",
    certificate: "forge-certificate-invalid",
    too_large: "forge-answer-unreadable",
    not_written: "forge-answer-unreadable",
};

/// The most bytes that are read of an answer: a page of a hundred long comments fits.
pub(super) const ANSWER_CAP: usize = 16 * 1024 * 1024;

/// How we behave towards a forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// The least time from one write to the next; GitHub asks for a second.
    pub between_writes: Duration,
    /// How long a request may take.
    pub answer: Duration,
}

impl Manners {
    /// Returns what a forge of this kind asks for.
    pub fn towards(kind: Kind) -> Manners {
        let between_writes = match kind {
            Kind::GitHub => Duration::from_secs(1),
            Kind::GitLab | Kind::Pagure | Kind::Forgejo | Kind::Gitea => Duration::ZERO,
        };
        Manners { between_writes, answer: Duration::from_secs(30) }
    }
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// It reads.
    Get,
    /// It writes something new.
    Post,
    /// It changes something, GitLab's way.
    Put,
    /// It changes something.
    Patch,
}

/// One request, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    /// What it does.
    pub method: Method,
    /// The path below the API's base, with its query; begins with a slash.
    pub path: String,
    /// The JSON that goes with it.
    pub body: Option<Value>,
}

impl Call {
    /// Returns a request that reads.
    pub fn get(path: impl Into<String>) -> Call {
        Call { method: Method::Get, path: path.into(), body: None }
    }

    /// Returns a request that writes something new.
    pub fn post(path: impl Into<String>, body: Value) -> Call {
        Call { method: Method::Post, path: path.into(), body: Some(body) }
    }

    /// Returns a request that changes something.
    pub fn patch(path: impl Into<String>, body: Value) -> Call {
        Call { method: Method::Patch, path: path.into(), body: Some(body) }
    }

    /// Returns a request that changes something, GitLab's way.
    pub fn put(path: impl Into<String>, body: Value) -> Call {
        Call { method: Method::Put, path: path.into(), body: Some(body) }
    }
}

/// The way to one forge with one account.
pub(super) struct Wire {
    account: Account,
    manners: Manners,
    client: OnceCell<Client>,
    pace: Mutex<Pace>,
}

/// What carries requests: octocrab at GitHub, since it knows Apps and their tokens; plain requests elsewhere, and where
/// a CA of its own is trusted.
enum Client {
    Plain { client: reqwest::Client, base: String },
    Hub(Box<Hub>),
}

/// What one request leaves for the next.
#[derive(Debug, Default)]
struct Pace {
    last_write: Option<Instant>,
    strikes: u32,
}

impl Wire {
    pub fn new(account: Account, manners: Manners) -> Wire {
        Wire { account, manners, client: OnceCell::new(), pace: Mutex::default() }
    }

    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Sends a request and returns the answer, whatever its status; only "too many requests" and broken
    /// connections are setbacks here.
    pub async fn ask(&self, call: &Call, doing: &str) -> Answer<Reply> {
        let mut pace = self.turn(call).await;
        let sent = tokio::time::timeout(self.manners.answer, self.send(call, doing)).await;
        if call.method != Method::Get {
            pace.last_write = Some(Instant::now());
        }
        let reply = sent.map_err(|_| http::no_answer(&CODES, doing, self.manners.answer))??;
        let setback = reply.setback(self.account.kind, doing, pace.strikes, now());
        match setback.problem.code.0 == "forge-rate-limited" {
            true => {
                pace.strikes += 1;
                Err(setback)
            }
            false => {
                pace.strikes = 0;
                Ok(reply)
            }
        }
    }

    /// As [`Wire::ask`], where anything but success is a setback.
    pub async fn call(&self, call: &Call, doing: &str) -> Answer<Reply> {
        let reply = self.ask(call, doing).await?;
        self.taken(reply, doing)
    }

    /// Returns the answer where it is a success, and else what it means.
    pub fn taken(&self, reply: Reply, doing: &str) -> Answer<Reply> {
        match reply.is_taken() {
            true => Ok(reply),
            false => Err(reply.setback(self.account.kind, doing, 0, now())),
        }
    }

    /// As [`Wire::call`], where "not found" is an answer.
    pub async fn find(&self, call: &Call, doing: &str) -> Answer<Option<Reply>> {
        let reply = self.ask(call, doing).await?;
        match reply.status {
            404 | 410 => Ok(None),
            _ => self.taken(reply, doing).map(Some),
        }
    }

    /// Waits until it is this request's turn.
    async fn turn(&self, call: &Call) -> MutexGuard<'_, Pace> {
        let pace = self.pace.lock().await;
        if let (true, Some(last)) = (call.method != Method::Get, pace.last_write) {
            tokio::time::sleep_until(last + self.manners.between_writes).await;
        }
        pace
    }

    async fn send(&self, call: &Call, doing: &str) -> Answer<Reply> {
        match self.client.get_or_try_init(|| self.connect()).await? {
            Client::Plain { client, base } => plain(client, base, &self.account, call, doing).await,
            Client::Hub(hub) => hub.send(call, doing).await,
        }
    }

    /// Makes the client at the first request: reading the machine's CA certificates takes a while.
    async fn connect(&self) -> Answer<Client> {
        let authority = self.account.certificate_authority.as_deref();
        if self.account.kind == Kind::GitHub && authority.is_none() {
            return Ok(Client::Hub(Box::new(Hub::new(&self.account)?)));
        }
        let mut builder = http::client_builder(&Timeouts::default());
        if let Some(pem) = authority {
            let certificates = http::certificate_authority(pem);
            builder = builder.tls_certs_only(certificates.map_err(|refusal| {
                Problem::permanent("forge-certificate-invalid", refusal.message)
            })?);
        }
        // A token is sent to the configured address and nowhere else.
        let client = builder.redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| broken("making a client", error))?;
        Ok(Client::Plain { client, base: self.account.api() })
    }
}

/// Says what a request failed of.
fn broken(doing: &str, error: reqwest::Error) -> Problem {
    match http::request_failed(&CODES, doing, error) {
        Fault::Failed(problem) => problem,
        Fault::Refused(refusal) => Problem::permanent("forge-unauthorized", refusal.message),
    }
}

async fn plain(
    client: &reqwest::Client,
    base: &str,
    account: &Account,
    call: &Call,
    doing: &str,
) -> Answer<Reply> {
    let method = match call.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
    };
    let (header, value) = authorization(account)?;
    let mut request = client.request(method, format!("{base}{}", call.path)).header(header, value);
    if let Some(body) = &call.body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await.map_err(|error| broken(doing, error))?;
    let (status, signs) = (response.status().as_u16(), signs(response.headers()));
    let body = http::read_short(&CODES, doing, response, ANSWER_CAP).await;
    let body = body.map_err(|fault| match fault {
        Fault::Failed(problem) => problem,
        Fault::Refused(refusal) => Problem::permanent("forge-unauthorized", refusal.message),
    })?;
    Ok(Reply { status, signs, body })
}

/// Returns the header that lets us in; marked secret, so that no log of headers shows it.
fn authorization(account: &Account) -> Answer<(HeaderName, HeaderValue)> {
    let Credential::Token(token) = &account.credential else {
        let words = format!(
            "the forge `{}` is {}, and has an App for a credential",
            account.name, account.kind
        );
        return Err(Problem::permanent("forge-account-unusable", words).into());
    };
    let (header, text) = match account.kind {
        Kind::GitLab => (HeaderName::from_static("private-token"), token.expose().to_vec()),
        _ => (AUTHORIZATION, [b"token ", token.expose()].concat()),
    };
    let value = HeaderValue::from_bytes(&text);
    let mut value = value.map_err(|_| {
        let words =
            format!("the token of the forge `{}` has a character that no token has", account.name);
        Problem::permanent("forge-secret-unusable", words)
    })?;
    value.set_sensitive(true);
    Ok((header, value))
}

/// Reads what headers say of limits.
pub(super) fn signs(headers: &HeaderMap) -> Signs {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    Signs {
        retry_after: text("retry-after"),
        remaining: text("x-ratelimit-remaining").or_else(|| text("ratelimit-remaining")),
        reset: text("x-ratelimit-reset").or_else(|| text("ratelimit-reset")),
    }
}

/// Returns the seconds since 1970, by which a forge names the end of a limit.
#[allow(clippy::disallowed_methods, reason = "how long to wait, never what is said")]
fn now() -> i64 {
    Timestamp::now().as_second()
}
