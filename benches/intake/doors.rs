//! The two servers: the same door, another store behind it.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use lockkeeper::database::{Database, DatabaseAddress, NewDelivery};

use crate::{SECRET, bare};

enum Store {
    Bare(bare::Writer),
    Ours(Database),
}

/// Serves one of the two until it is killed; says on stdout where.
#[tokio::main]
pub async fn serve(which: &str, folder: &Path) {
    let path = folder.join("x.sqlite");
    let store = match which {
        "bare" => Store::Bare(bare::Writer::start(&path)),
        "ours" => Store::Ours(Database::open(&DatabaseAddress::Sqlite(path)).await.expect("opens")),
        _ => panic!("neither bare nor ours"),
    };
    let router = Router::new().route("/hooks/{hook}", post(take));
    let router = router.layer(DefaultBodyLimit::max(25 << 20)).with_state(Arc::new(store));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    println!("{}", listener.local_addr().expect("it is bound"));
    axum::serve(listener, router).await.expect("it serves");
}

async fn take(State(store): State<Arc<Store>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(signature), Some(id)) = (header("x-hub-signature-256"), header("x-github-delivery"))
    else {
        return StatusCode::UNAUTHORIZED;
    };
    if !verifies(signature, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let stored = match &*store {
        Store::Bare(writer) => writer.store(id.to_owned(), body).await,
        Store::Ours(database) => database.store_delivery(delivery(id, &body)).await.is_ok(),
    };
    if stored { StatusCode::ACCEPTED } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn verifies(signature: &str, body: &[u8]) -> bool {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET).expect("any length will do");
    mac.update(body);
    let hex = signature.strip_prefix("sha256=").unwrap_or_default().as_bytes();
    let digit = |b: u8| (b as char).to_digit(16).map(|digit| digit as u8);
    let bytes = hex.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?));
    let bytes: Option<Vec<u8>> = bytes.collect();
    bytes.is_some_and(|bytes| mac.verify_slice(&bytes).is_ok())
}

fn delivery(id: &str, body: &[u8]) -> NewDelivery {
    NewDelivery {
        hook: "src".parse().expect("a legal name"),
        id: id.parse().expect("a legal id"),
        kind: "github".to_owned(),
        event: "push".to_owned(),
        body: body.to_vec(),
        received_at: Timestamp::now(),
    }
}
