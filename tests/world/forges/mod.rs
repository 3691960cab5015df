//! Forges on loopback, small enough to read: each keeps what it was told, and knows the rules that a schema does not
//! know (states, transitions, limits, whose token it is).
//!
//! One server for five kinds. A request goes through the same gates everywhere:
//!
//! 1. it is written down, with its time;
//! 2. trouble that a test has ordered comes first: [`Trouble`];
//! 3. the token is looked at;
//! 4. the kind's own file answers: `github`, `gitlab`, `pagure`, `forgejo`.

mod forgejo;
pub mod github;
mod gitlab;
mod pagure;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};

/// Which program the server plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plays {
    GitHub,
    GitLab,
    Pagure,
    Forgejo,
}

/// Something that goes wrong with the next request.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// None yet: the one after it is for the request after it.
    NotYet,
    /// This status and these headers, and nothing is done.
    Answers(u16, Vec<(&'static str, String)>, &'static str),
}

/// A comment, wherever it hangs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub id: u64,
    pub project: String,
    /// `commit:ID`, `pull:NUMBER` or `issue:NUMBER`.
    pub place: String,
    pub author: String,
    pub body: String,
    /// How often it was edited.
    pub edits: u32,
}

/// An issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub number: u64,
    pub project: String,
    pub author: String,
    pub title: String,
    pub body: String,
    pub open: bool,
}

/// A repository, as lists tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub name: String,
    pub archived: bool,
}

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Method and path, such as `POST /repos/ada/hello/issues`, without its query.
    pub line: String,
    /// When it came.
    pub at: Instant,
}

/// What a forge keeps.
#[derive(Debug, Default)]
pub struct Kept {
    /// Tokens, and whose they are.
    pub tokens: BTreeMap<String, String>,
    /// Commits that exist, as `PROJECT COMMIT`.
    pub commits: BTreeSet<String>,
    /// Pull requests by the commit that they brought, as `PROJECT COMMIT`.
    pub pulls: BTreeMap<String, u64>,
    /// Who may write, as `PROJECT USER`.
    pub writers: BTreeSet<String>,
    /// Pagure's groups: whose members may write to a project, as `PROJECT GROUP`, and who they are, as `GROUP USER`.
    pub writing_groups: BTreeSet<String>,
    pub members: BTreeSet<String>,
    /// What namespaces hold; a person's stands behind a tilde.
    pub namespaces: BTreeMap<String, Vec<Repository>>,
    /// Statuses, flags and check runs, in the order in which they came.
    pub statuses: Vec<Value>,
    pub notes: Vec<Note>,
    pub issues: Vec<Issue>,
    pub asked: Vec<Asked>,
    pub troubles: VecDeque<Trouble>,
    /// Writes are done, and their answers are lost on the way: a proxy says 502.
    pub loses_answers_to_writes: bool,
    /// GitHub's App: its id, the file of its public key, and how many tokens it got.
    pub app: Option<github::App>,
    next: u64,
}

impl Kept {
    /// Returns what a namespace holds, as every forge but Pagure tells it; `None` where there is none.
    fn repositories(&self, namespace: &str) -> Option<Vec<Value>> {
        let shown = |found: &Repository| json!({ "name": found.name, "path": found.name, "archived": found.archived });
        Some(self.namespaces.get(namespace)?.iter().map(shown).collect())
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub fn add_note(&mut self, project: &str, place: String, author: &str, body: &str) -> Note {
        let note = Note {
            id: self.number(),
            project: project.to_owned(),
            place,
            author: author.to_owned(),
            body: body.to_owned(),
            edits: 0,
        };
        self.notes.push(note.clone());
        note
    }

    fn notes_at(&self, project: &str, place: &str) -> Vec<Note> {
        let here = |note: &&Note| note.project == project && note.place == place;
        self.notes.iter().filter(here).cloned().collect()
    }

    /// Changes a note; `None` where there is none, or it is somebody else's.
    fn edit_note(&mut self, project: &str, id: &str, author: &str, body: &str) -> Option<Note> {
        let ours = |note: &&mut Note| note.id.to_string() == id && note.project == project;
        let note = self.notes.iter_mut().find(ours).filter(|note| note.author == author)?;
        note.body = body.to_owned();
        note.edits += 1;
        Some(note.clone())
    }

    fn issue(&mut self, project: &str, number: &str) -> Option<&mut Issue> {
        let here =
            |issue: &&mut Issue| issue.number.to_string() == number && issue.project == project;
        self.issues.iter_mut().find(here)
    }

    pub fn open_issue(&mut self, project: &str, author: &str, title: &str, body: &str) -> Issue {
        let issue = Issue {
            number: self.number(),
            project: project.to_owned(),
            author: author.to_owned(),
            title: title.to_owned(),
            body: body.to_owned(),
            open: true,
        };
        self.issues.push(issue.clone());
        issue
    }
}

/// A request, taken apart.
pub struct Request<'a> {
    pub method: &'a str,
    /// The parts of its path below the API's base, decoded.
    pub path: Vec<&'a str>,
    pub query: BTreeMap<String, String>,
    pub body: &'a Value,
    /// Whose token came with it.
    pub who: &'a str,
}

impl Request<'_> {
    fn text(&self, key: &str) -> &str {
        self.body[key].as_str().unwrap_or_default()
    }

    fn asked(&self, key: &str) -> &str {
        self.query.get(key).map_or("", String::as_str)
    }

    /// Cuts a listing to the page that was asked for.
    fn page(&self, all: Vec<Value>, size_key: &str) -> Value {
        let number = |key: &str, default: usize| self.asked(key).parse().unwrap_or(default).max(1);
        let size = number(size_key, 30).min(100);
        Value::from_iter(all.into_iter().skip((number("page", 1) - 1) * size).take(size))
    }
}

/// What a kind's file answers.
pub type Answer = (u16, Value);

/// A forge; dropping it stops it.
pub struct Forge {
    plays: Plays,
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the bot is called, and its token.
pub const BOT: &str = "lockkeeper-bot";
/// The bot's token.
pub const TOKEN: &str = "t0ken-of-the-bot";

impl Forge {
    /// Starts a forge that knows the bot's token.
    pub fn start(plays: Plays) -> Forge {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback can be bound");
        let address = listener.local_addr().expect("a bound socket has an address");
        let kept = Arc::new(Mutex::new(Kept::default()));
        let mut forge = Forge { plays, address, kept, stop: None, thread: None };
        forge.keep().tokens.insert(TOKEN.to_owned(), BOT.to_owned());
        forge.serve(listener);
        forge
    }

    fn serve(&mut self, listener: TcpListener) {
        listener.set_nonblocking(true).expect("a socket can be made nonblocking");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let shared = (self.plays, self.kept.clone());
        self.thread = Some(std::thread::spawn(move || serve(listener, shared, stopped)));
        self.stop = Some(stop);
    }

    /// Goes away: connections are refused from now on.
    pub fn go_down(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends");
        }
    }

    /// Comes back at the same address, and remembers everything.
    pub fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).expect("the address is still free");
        self.serve(listener);
    }

    /// Returns what `forges: url` takes.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Looks at, or changes, what the forge keeps.
    pub fn keep(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nobody panics holding it")
    }

    /// Makes a commit known.
    pub fn has_commit(&self, project: &str, commit: &str) {
        self.keep().commits.insert(format!("{project} {commit}"));
    }

    /// Makes a pull request known that brought a commit.
    pub fn has_pull_request(&self, project: &str, number: u64, commit: &str) {
        self.keep().pulls.insert(format!("{project} {commit}"), number);
    }

    /// Makes a repository known in a namespace.
    pub fn has_repository(&self, namespace: &str, name: &str, archived: bool) {
        let repository = Repository { name: name.to_owned(), archived };
        self.keep().namespaces.entry(namespace.to_owned()).or_default().push(repository);
    }

    /// Orders trouble for the next request.
    pub fn trouble(&self, trouble: Trouble) {
        self.keep().troubles.push_back(trouble);
    }

    /// Returns the requests that write, so far.
    pub fn writes(&self) -> Vec<Asked> {
        let is_write =
            |asked: &&Asked| !asked.line.starts_with("GET ") && !asked.line.contains("whoami");
        self.keep().asked.iter().filter(is_write).cloned().collect()
    }

    /// Returns the state of the newest status for a context; empty where there is none.
    pub fn state_of(&self, context: &str) -> String {
        let kept = self.keep();
        let newest = kept.statuses.iter().rev().find(|status| status["context"] == context);
        newest.map_or_else(String::new, |status| status["state"].as_str().unwrap_or("").to_owned())
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type State = (Plays, Arc<Mutex<Kept>>);

fn serve(listener: TcpListener, state: State, stopped: tokio::sync::oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("the socket is good");
        let routes = axum::Router::new().fallback(handle).with_state(state);
        tokio::select! {
            served = async { axum::serve(listener, routes).await } => served.expect("it serves"),
            _ = stopped => {}
        }
    });
}

async fn handle(
    Shared((plays, kept)): Shared<State>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let base = match plays {
        Plays::GitHub => "/api/v3/",
        Plays::GitLab => "/api/v4/",
        Plays::Pagure => "/api/0/",
        Plays::Forgejo => "/api/v1/",
    };
    let Some(below) = uri.path().strip_prefix(base) else {
        return respond(404, &[], &json!({ "message": "no page of the API" }));
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut kept = kept.lock().expect("nobody panics holding it");
    let query = uri.query().unwrap_or_default();
    kept.asked.push(Asked { line: format!("{method} /{below}"), at: Instant::now() });
    let trouble = kept.troubles.pop_front();
    if let Some(Trouble::Answers(status, headers, body)) = &trouble {
        let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
        return respond(*status, headers, &body);
    }
    let path: Vec<String> = below.split('/').map(decoded).collect();
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = query.map(|(key, value)| (key.to_owned(), decoded(value))).collect();
    let path = path.iter().map(String::as_str).collect();
    let (method, who) = (method.as_str(), String::new());
    let mut request = Request { method, path, query, body: &body, who: &who };
    let answer = answer(plays, &mut kept, &mut request, &headers);
    let is_told =
        request.method == "GET" || below.ends_with("whoami") || below.contains("access_tokens");
    match kept.loses_answers_to_writes && !is_told {
        true => respond(502, &[], &json!("Bad Gateway")),
        false => respond(answer.0, &[], &answer.1),
    }
}

fn answer(plays: Plays, kept: &mut Kept, request: &mut Request<'_>, headers: &HeaderMap) -> Answer {
    let header =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let proof = match plays {
        Plays::GitLab => header("private-token").to_owned(),
        _ => header("authorization").split_once(' ').map_or("", |(_, token)| token).to_owned(),
    };
    if plays == Plays::GitHub
        && let Some(answer) = github::app_door(kept, request, &proof)
    {
        return answer;
    }
    let Some(who) = kept.tokens.get(&proof).cloned() else {
        return match plays {
            Plays::Pagure => {
                (401, json!({ "error": "Invalid or expired token", "error_code": "EINVALIDTOK" }))
            }
            _ => (401, json!({ "message": "Bad credentials" })),
        };
    };
    let request = Request {
        method: request.method,
        path: std::mem::take(&mut request.path),
        query: std::mem::take(&mut request.query),
        body: request.body,
        who: &who,
    };
    match plays {
        Plays::GitHub => github::answer(kept, &request),
        Plays::GitLab => gitlab::answer(kept, &request),
        Plays::Pagure => pagure::answer(kept, &request),
        Plays::Forgejo => forgejo::answer(kept, &request),
    }
}

/// Decodes `%XX`.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let hex = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).expect("hex after %");
        bytes.push(match byte {
            b'%' => (hex(rest.next()) * 16 + hex(rest.next())) as u8,
            other => other,
        });
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn respond(status: u16, headers: &[(&'static str, String)], body: &Value) -> Response {
    let mut response = Response::builder().status(StatusCode::from_u16(status).expect("a status"));
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .expect("a response")
}
