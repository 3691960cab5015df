//! The session: logged in, numbered, and logged in again when the hub forgot it.
//!
//! Calls of one session go one after the other, because the hub wants their numbers to rise.

use std::fmt;
use std::time::Duration;

use reqwest::{Client, Url};
use tokio::sync::Mutex;

use super::wire::{self, Call, HubFault, Look, Value};
use crate::http::{
    Backoff, Codes, Timeouts, certificate_authority, client_builder, client_certificate,
    read_short, request_failed,
};
use crate::outcome::{Fault, Problem, Refusal, Result, printable};

/// The most that an answer may hold: a log's tail and a thousand tasks are far below.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

const CODES: Codes = Codes {
    unreachable: "koji-unreachable",
    too_slow: "koji-too-slow",
    redirects: "koji-redirects",
    unauthorized: "koji-unauthorized",
    certificate: "koji-certificate",
    too_large: "koji-answer",
    not_written: "koji-answer",
};

/// How the bot says who it is.
///
/// Kerberos (`sslLogin` with `Negotiate`) needs a GSSAPI library, which is not built in: it would be a third variant
/// here and one header in [`Session::log_in`].
pub enum Login {
    /// A client certificate with its key, one PEM; the certificate's common name is the user.
    Certificate(Vec<u8>),
    /// A name and a password: for hubs that are set up for it, such as those of tests.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// Nobody: enough for following what others build.
    Anonymous,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Login::Certificate(_) => "Certificate(…)",
            Login::Password { .. } => "Password(…)",
            Login::Anonymous => "Anonymous",
        })
    }
}

/// Where a hub is, and how to talk to it.
#[derive(Debug)]
pub struct HubAddress {
    /// Its address, such as `https://koji.example.org/kojihub`.
    pub hub: Url,
    /// Who we are.
    pub login: Login,
    /// The hub's own certificate authority, in PEM.
    pub ca: Option<Vec<u8>>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How often to try again.
    pub backoff: Backoff,
}

/// What became of a call that is not to be sent twice.
#[derive(Debug)]
pub(super) enum Once {
    /// The hub answered.
    Answered(Result<Value, HubFault>),
    /// It surely did not arrive.
    NotSent(Fault),
    /// Nobody knows.
    Lost(Fault),
}

/// A connection to one hub.
pub(super) struct Session {
    client: Client,
    hub: Url,
    login: Login,
    answer_within: Duration,
    backoff: Backoff,
    ticket: Mutex<Option<Ticket>>,
}

/// What the hub gave us at login.
struct Ticket {
    id: i64,
    key: String,
    /// Whether it takes them in headers; older hubs want them in the query.
    in_headers: bool,
    next: u64,
}

/// Why one request gave no value.
enum Failed {
    /// The hub said so.
    Fault(HubFault),
    /// It was not sent.
    NotSent(Fault),
    /// It may have arrived, or not.
    Lost(Fault),
}

impl Session {
    /// Prepares a session; nothing is sent yet.
    ///
    /// # Errors
    /// Refuses a certificate or an authority that cannot be read.
    pub(super) fn new(address: HubAddress) -> Result<Session> {
        let mut builder =
            client_builder(&address.timeouts).redirect(reqwest::redirect::Policy::none());
        if let Some(ca) = &address.ca {
            builder = builder.tls_certs_merge(certificate_authority(ca)?);
        }
        if let Login::Certificate(pem) = &address.login {
            builder = builder.identity(client_certificate(pem)?);
        }
        let client = builder
            .build()
            .map_err(|error| request_failed(&CODES, "cannot prepare for koji", error))?;
        Ok(Session {
            client,
            hub: address.hub,
            login: address.login,
            answer_within: address.timeouts.answer,
            backoff: address.backoff,
            ticket: Mutex::new(None),
        })
    }

    /// Calls something that may be called twice: tried again where the connection, the server or the session broke.
    ///
    /// # Errors
    /// A temporary problem where the hub is not there; what the hub said no to is a value.
    pub(super) async fn call(&self, call: &Call) -> Result<Result<Value, HubFault>> {
        let mut attempts = self.backoff.attempts();
        loop {
            let answer = match self.once(call).await {
                Once::Answered(Err(fault)) if fault.code == HubFault::OFFLINE => {
                    Err(offline(&fault))
                }
                Once::Answered(answer) => Ok(answer),
                Once::NotSent(fault) | Once::Lost(fault) => Err(fault),
            };
            if !attempts.again(&answer).await {
                return answer;
            }
        }
    }

    /// Calls, and takes a fault as a problem that asking again may mend: for questions that cannot be wrong.
    ///
    /// # Errors
    /// As [`Session::call`], and every fault.
    pub(super) async fn ask(&self, call: &Call) -> Result<Value> {
        self.call(call).await?.map_err(|fault| unexpected(call.method, &fault))
    }

    /// Calls several things at once.
    ///
    /// # Errors
    /// As [`Session::ask`]; the faults of single calls are values.
    pub(super) async fn ask_many(&self, calls: Vec<Call>) -> Result<Vec<Result<Value, HubFault>>> {
        let asked = calls.len();
        let value = self.ask(&Call::many(calls)).await?;
        wire::answers(value, asked).map_err(|why| no_answer(&why))
    }

    /// Calls something once. Only where the hub refused the session, so that nothing was done, it logs in again and
    /// sends it a second time.
    pub(super) async fn once(&self, call: &Call) -> Once {
        let mut ticket = self.ticket.lock().await;
        let first = self.with_ticket(&mut ticket, call).await;
        let answer = match first {
            Err(Failed::Fault(fault)) if lost_session(&fault) && ticket.is_some() => {
                *ticket = None;
                self.with_ticket(&mut ticket, call).await
            }
            other => other,
        };
        match answer {
            Ok(value) => Once::Answered(Ok(value)),
            Err(Failed::Fault(fault)) => Once::Answered(Err(fault)),
            Err(Failed::NotSent(fault)) => Once::NotSent(fault),
            Err(Failed::Lost(fault)) => {
                // The hub may or may not have counted that call: a new session is sure to be in step.
                *ticket = None;
                Once::Lost(fault)
            }
        }
    }

    async fn with_ticket(&self, ticket: &mut Option<Ticket>, call: &Call) -> Result<Value, Failed> {
        if ticket.is_none() {
            *ticket = self.log_in().await?;
        }
        self.send(ticket.as_mut(), self.hub.clone(), call).await
    }

    async fn log_in(&self) -> Result<Option<Ticket>, Failed> {
        let (hub, call) = match &self.login {
            Login::Anonymous => return Ok(None),
            Login::Certificate(_) => (below(&self.hub, "ssllogin"), Call::new("sslLogin", [])),
            Login::Password { user, password } => {
                let params = [wire::text(user), wire::text(password)];
                (self.hub.clone(), Call::new("login", params))
            }
        };
        let sent = self.send(None, hub, &call).await;
        // A login does nothing but log in: what it was for was not sent.
        let given = sent.map_err(|failed| match failed {
            Failed::Fault(fault) if fault.code == HubFault::OFFLINE => Failed::Fault(fault),
            Failed::Fault(fault) => Failed::NotSent(login_refused(&fault)),
            Failed::NotSent(fault) | Failed::Lost(fault) => Failed::NotSent(fault),
        })?;
        ticket(&given)
            .map(Some)
            .ok_or_else(|| Failed::NotSent(no_answer("a login was answered without a session")))
    }

    async fn send(
        &self,
        ticket: Option<&mut Ticket>,
        mut address: Url,
        call: &Call,
    ) -> Result<Value, Failed> {
        let doing = format!("{}, {}", self.hub, call.method);
        let body = call.body().map_err(|why| Failed::NotSent(no_request(call.method, &why)))?;
        let headers = ticket.map(|ticket| ticket.stamp(&mut address)).unwrap_or_default();
        let mut request = self.client.post(address).header("Content-Type", "text/xml").body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.timeout(self.answer_within).send().await.map_err(|error| {
            let never_left = error.is_connect() || error.is_builder();
            let fault = request_failed(&CODES, &doing, error);
            if never_left { Failed::NotSent(fault) } else { Failed::Lost(fault) }
        })?;
        let status = response.status();
        let bytes = read_short(&CODES, &doing, response, LARGEST_ANSWER).await;
        let bytes = bytes.map_err(Failed::Lost)?;
        if !status.is_success() {
            return Err(Failed::Lost(bad_status(&doing, status.as_u16(), &bytes)));
        }
        let text = String::from_utf8_lossy(&bytes);
        match wire::answer(&text) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(fault)) => Err(Failed::Fault(fault)),
            Err(why) => Err(Failed::Lost(no_answer(&format!("{doing}: {why}")))),
        }
    }
}

impl Ticket {
    /// Numbers a call; the query is the older hubs' way.
    fn stamp(&mut self, address: &mut Url) -> Vec<(&'static str, String)> {
        let number = self.next;
        self.next += 1;
        let (id, key, number) = (self.id.to_string(), self.key.clone(), number.to_string());
        if self.in_headers {
            return vec![
                ("Koji-Session-Id", id),
                ("Koji-Session-Key", key),
                ("Koji-Session-Callnum", number),
            ];
        }
        let mut query = address.query_pairs_mut();
        query.append_pair("session-id", &id).append_pair("session-key", &key);
        query.append_pair("callnum", &number);
        Vec::new()
    }
}

fn ticket(given: &Value) -> Option<Ticket> {
    let (id, key) = (given.get("session-id").whole()?, given.get("session-key").words()?);
    let in_headers = given.get("header-auth").is_true();
    Some(Ticket { id, key: key.to_owned(), in_headers, next: 0 })
}

fn below(hub: &Url, name: &str) -> Url {
    let mut address = hub.clone();
    address.set_path(&format!("{}/{name}", hub.path().trim_end_matches('/')));
    address
}

/// Tells the faults after which a login mends it, and before which nothing was done.
fn lost_session(fault: &HubFault) -> bool {
    [HubFault::EXPIRED, HubFault::SEQUENCE, HubFault::AUTH].contains(&fault.code)
}

fn offline(fault: &HubFault) -> Fault {
    let words = format!("the hub is offline: {}", printable(&fault.words, 300));
    Problem::temporary("koji-offline", words).into()
}

fn login_refused(fault: &HubFault) -> Fault {
    let words =
        format!("the hub does not let us in: {} {}", fault.code, printable(&fault.words, 300));
    Refusal::new("koji-unauthorized", words)
        .hint("give a certificate, or a name and password, that this hub knows")
        .into()
}

/// Says that the hub answered a plain question with a fault.
pub(super) fn unexpected(method: &str, fault: &HubFault) -> Fault {
    let words = format!("koji, {method}: {} {}", fault.code, printable(&fault.words, 300));
    match fault.code {
        HubFault::OFFLINE => offline(fault),
        _ => Problem::permanent("koji-fault", words).into(),
    }
}

/// Says that what came was no answer.
pub(super) fn no_answer(why: &str) -> Fault {
    Problem::temporary("koji-answer", format!("koji answered nonsense: {why}")).into()
}

fn no_request(method: &str, why: &str) -> Fault {
    Problem::permanent("koji-answer", format!("koji, {method}: cannot be written: {why}")).into()
}

fn bad_status(doing: &str, status: u16, body: &[u8]) -> Fault {
    let words = format!("{doing}: HTTP {status}: {}", printable(body, 200));
    match status {
        500..=599 | 429 => Problem::temporary("koji-unreachable", words).into(),
        401 | 403 => Refusal::new("koji-unauthorized", words)
            .hint("give a certificate, or a name and password, that this hub knows")
            .into(),
        _ => Problem::permanent("koji-answer", words).into(),
    }
}
