//! A hub on loopback that speaks as Koji does: sessions with numbered calls, tasks and builds with their states,
//! faults as HTTP 200; and that breaks on request. It stops when it is dropped.
//!
//! That it is right is what `oracle.rs` shows, with Koji's own client.

mod methods;
mod state;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use dxr::{Fault, FaultResponse, MethodCall, MethodResponse, Value};

pub use state::{Hub, Step};

/// How the next calls of a method go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It is done, and the connection breaks before the answer.
    LoseAnswer,
    /// The connection breaks before it is done.
    LoseRequest,
    /// The web server in front is out of order.
    Page(u16),
    /// The hub is down for maintenance.
    Offline,
    /// The session has expired.
    Expired,
}

/// The server; dropping it stops it.
pub struct HubServer {
    address: SocketAddr,
    hub: Arc<Mutex<Hub>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HubServer {
    /// Starts a hub with user `bot` (password `secret`), target `f44-candidate` and package `hello`.
    pub fn start() -> HubServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback can be bound");
        listener.set_nonblocking(true).expect("a socket can be made nonblocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let hub = Arc::new(Mutex::new(Hub::new()));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = hub.clone();
        let thread = std::thread::spawn(move || serve(listener, served, stopped));
        HubServer { address, hub, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns its address.
    pub fn url(&self) -> String {
        format!("http://{}/kojihub", self.address)
    }

    /// Returns what is behind it.
    pub fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for HubServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: TcpListener, hub: Arc<Mutex<Hub>>, stopped: tokio::sync::oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("the socket is good");
        let router = Router::new()
            .route("/kojihub", post(receive))
            .route("/kojihub/ssllogin", post(receive))
            // The request limit of a real hub.
            .layer(DefaultBodyLimit::max(4 * 1024 * 1024))
            .with_state(hub);
        tokio::select! {
            ended = axum::serve(listener, router) => ended.expect("loopback can be served"),
            _ = stopped => {}
        }
    });
}

/// A session as a request shows it, in its headers or, the older way, in its query.
#[derive(Debug, Clone)]
struct Shown {
    id: i64,
    key: String,
    number: i64,
}

fn shown(headers: &HeaderMap, query: &BTreeMap<String, String>) -> Option<Shown> {
    let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let from_query = |name: &str| query.get(name).cloned();
    let part = |in_header, in_query| header(in_header).or_else(|| from_query(in_query));
    Some(Shown {
        id: part("Koji-Session-Id", "session-id")?.parse().ok()?,
        key: part("Koji-Session-Key", "session-key")?,
        number: part("Koji-Session-Callnum", "callnum")?.parse().ok()?,
    })
}

async fn receive(
    State(hub): State<Arc<Mutex<Hub>>>,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    if query.contains_key("filename") {
        let shown = shown(&headers, &query);
        return answer(hub.lock().unwrap().raw_upload(shown, &query, &body));
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    let Ok(call) = MethodCall::from_xml(&text) else {
        return (StatusCode::BAD_REQUEST, "no XML-RPC").into_response();
    };
    let method = call.name.into_owned();
    let (trouble, result) = {
        let mut hub = hub.lock().unwrap();
        let trouble = hub.trouble_with(&method);
        let result = match trouble {
            Some(Trouble::LoseRequest | Trouble::Page(_)) => Ok(Value::Nil),
            Some(Trouble::Offline) => Err(Fault::new(1014, "database outage".to_owned())),
            Some(Trouble::Expired) => Err(Fault::new(1007, "session \"1\" has expired".to_owned())),
            Some(Trouble::LoseAnswer) | None => {
                let shown = shown(&headers, &query);
                let at_login = uri.path().ends_with("/ssllogin");
                hub.call(&method, call.params, shown, at_login, &headers)
            }
        };
        (trouble, result)
    };
    match trouble {
        // The task of this connection ends, and the connection with it; the hook that prints is passed by.
        Some(Trouble::LoseAnswer | Trouble::LoseRequest) => std::panic::resume_unwind(Box::new(())),
        Some(Trouble::Page(status)) => {
            let code = StatusCode::from_u16(status).expect("is a status");
            (code, "<html>The web server says no.</html>").into_response()
        }
        _ => answer(result),
    }
}

fn answer(result: Result<Value, Fault>) -> Response {
    let xml = match result {
        Ok(value) => MethodResponse { value }.to_xml(),
        Err(fault) => FaultResponse { fault }.to_xml(),
    };
    let body = format!("<?xml version='1.0'?>\n{}", xml.expect("it can be written"));
    let headers = [
        (header::CONTENT_TYPE, "text/xml"),
        (header::HeaderName::from_static("koji-version"), "1.36.1"),
    ];
    (headers, body).into_response()
}
