//! Connections: accepted, kept to good manners, and let finish when the service stops.
//!
//! axum's routes run on hyper itself, since only hyper can be told how long a client may take for its headers and how
//! much of them it may send. Bodies have limits of their own, where they are read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::stop::Stop;
use crate::outcome::{Problem, Result};

/// What a client is held to.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// How long it may take for the headers of a request, and how long it may keep silent between two.
    pub headers_within: Duration,
    /// How many headers it may send.
    pub headers: usize,
    /// About how many bytes of headers it may send.
    pub header_bytes: usize,
    /// How many clients are served at once; the next ones wait in the system's queue.
    pub connections: usize,
}

impl Default for Manners {
    fn default() -> Manners {
        Manners {
            headers_within: Duration::from_secs(20),
            headers: 64,
            header_bytes: 32 * 1024,
            connections: 4096,
        }
    }
}

/// Opens the listening socket.
///
/// # Errors
/// Fails (`listen-failed`) where the address is taken, not ours, or not allowed to this user.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let words = format!("cannot listen at {address}: {error}");
        Problem::permanent("listen-failed", words)
            .hint("see what listens there already, or name another address with `listen`")
            .because(error)
            .into()
    })
}

/// Serves until told to stop; then takes no more connections and lets the open ones finish their request.
///
/// Whoever calls bounds how long that may take, by dropping the future.
pub async fn serve(listener: TcpListener, router: Router, manners: Manners, mut stop: Stop) {
    let places = Arc::new(Semaphore::new(manners.connections));
    let mut open = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let next = async {
            let place = place.await.ok();
            (place, listener.accept().await)
        };
        let Some((place, accepted)) = stop.or(next).await else { break };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone(), manners, stop.clone());
                open.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            // Out of file descriptors, or a client that went away: the next may fare better.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while open.try_join_next().is_some() {}
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

/// Serves one client to its end; what it did wrong is its own affair.
async fn connection(stream: TcpStream, router: Router, manners: Manners, mut stop: Stop) {
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(manners.headers_within)
        .max_headers(manners.headers)
        .max_buf_size(manners.header_bytes)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let ended = match stop.or(served.as_mut()).await {
        Some(ended) => ended,
        None => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client was cut off");
    }
}

#[cfg(test)]
mod tests {
    use super::super::stop::Switch;
    use super::*;
    use axum::routing::get;
    use std::io::{Read, Write};

    async fn listening(manners: Manners) -> (SocketAddr, Switch) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (switch, stop) = Switch::new();
        let router = Router::new().route("/", get(|| async { "here" }));
        tokio::spawn(serve(listener, router, manners, stop));
        (address, switch)
    }

    /// Sends this, then reads to the end of the connection.
    async fn told(address: SocketAddr, sent: Vec<u8>) -> String {
        let asked = move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            // Whoever is refused early may find the door shut while still speaking.
            let _ = stream.write_all(&sent);
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            answer
        };
        tokio::task::spawn_blocking(asked).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_client_that_never_finishes_its_headers_is_cut_off() {
        let manners = Manners { headers_within: Duration::from_millis(100), ..Manners::default() };
        let (address, _stop) = listening(manners).await;
        let answer = told(address, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_vec()).await;
        assert!(!answer.contains("200"), "{answer}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn headers_without_end_are_refused() {
        let (address, _stop) = listening(Manners::default()).await;
        let long = format!("GET / HTTP/1.1\r\nX-Long: {}\r\n\r\n", "a".repeat(200_000));
        let answer = told(address, long.into_bytes()).await;
        assert!(!answer.contains("200 OK"), "{answer}");
        let many: String = (0..100).map(|n| format!("X-{n}: 1\r\n")).collect();
        let answer = told(address, format!("GET / HTTP/1.1\r\n{many}\r\n").into_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stopping_service_ends_its_idle_connections() {
        let (address, switch) = listening(Manners::default()).await;
        let asked = tokio::spawn(told(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()));
        // The answer comes at once, the end of the connection only when the service stops.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!asked.is_finished());
        switch.throw();
        assert!(asked.await.unwrap().ends_with("here"));
    }
}
