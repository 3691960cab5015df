//! The servers: `bare`, as little as can be; `ours`, the doors of `serve` as they are; `whole`, with the sorter behind
//! them, which reads every delivery that was stored.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use lockkeeper::database::{Database, DatabaseAddress};
use lockkeeper::index::Hosts;
use lockkeeper::operator::{Layers, Operator, Places};
use lockkeeper::service::body::BodyGate;
use lockkeeper::service::doors::{self, Doors, Health};
use lockkeeper::service::listen::{self, Manners};
use lockkeeper::service::sorter::Sorter;
use lockkeeper::service::stop::Switch;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;

use crate::{SECRET, bare};

/// What the doors need of an operator config.
const CONFIG: &str = "
listen: 127.0.0.1:0
data: .
key: {signer: /nobody/listens/here, name: Bot, mail: bot@example.org}
instances: [{name: local, git: \"https://dist-git.example.org/{name}.git\", packages: {list: [hello]},
    lookaside: {upload: \"https://lookaside.example.org/upload\"}}]
hooks: [{name: src, forge: github, secret_files: [hook.secret]}]
";

/// Serves one of them until its input ends; says on stdout where, and at the end how many groups it wrote.
#[tokio::main]
pub async fn serve(which: &str, folder: &Path) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    println!("{}", listener.local_addr().expect("it is bound"));
    let path = folder.join("x.sqlite");
    let database = match which {
        "bare" => {
            let writer = bare::Writer::start(&path);
            tokio::spawn(serve_bare(listener, writer));
            None
        }
        "ours" | "whole" => {
            let opened = Database::open(&DatabaseAddress::Sqlite(path)).await.expect("it opens");
            tokio::spawn(serve_ours(listener, operator(folder), opened.clone(), which == "whole"));
            Some(opened)
        }
        _ => panic!("none of bare, ours and whole"),
    };
    let end = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(end).await.expect("it waits").expect("there is an input");
    if let Some(database) = database {
        let written = database.written();
        println!("{} {}", written.groups, written.changes);
    }
}

async fn serve_bare(listener: TcpListener, writer: bare::Writer) {
    let router = Router::new().route("/hooks/{hook}", post(take));
    let router = router.layer(DefaultBodyLimit::max(25 << 20)).with_state(Arc::new(writer));
    axum::serve(listener, router).await.expect("it serves");
}

async fn take(
    State(writer): State<Arc<bare::Writer>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(signature), Some(id)) = (header("x-hub-signature-256"), header("x-github-delivery"))
    else {
        return StatusCode::UNAUTHORIZED;
    };
    if !verifies(signature, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    match writer.store(id.to_owned(), body).await {
        true => StatusCode::ACCEPTED,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
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

fn operator(folder: &Path) -> Arc<Operator> {
    let secret = folder.join("hook.secret");
    std::fs::write(&secret, SECRET).expect("it can be written");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&secret, mode).expect("it is ours");
    let places = Places { folder: folder.to_owned(), credentials: None, read_secrets: true };
    let operator = Operator::parse(CONFIG.as_bytes(), &Layers::default(), &places);
    Arc::new(operator.unwrap_or_else(|faults| panic!("{faults}")))
}

async fn serve_ours(
    listener: TcpListener,
    operator: Arc<Operator>,
    database: Database,
    sorted: bool,
) {
    let (_switch, stop) = Switch::new();
    let bell = Arc::new(Notify::new());
    let (news, _heard) = unbounded_channel();
    let sorter = Sorter {
        operator: Arc::clone(&operator),
        hosts: Hosts::default(),
        database: database.clone(),
        bell: Arc::clone(&bell),
        jobs_bell: Arc::default(),
        news,
        now: Timestamp::now,
    };
    if sorted {
        tokio::spawn(sorter.run(stop.clone()));
    }
    let doors = Arc::new(Doors {
        operator,
        database,
        bell,
        jobs_bell: Arc::default(),
        public_key: String::new(),
        now: Timestamp::now,
        gate: BodyGate::default(),
        health: Health::default(),
    });
    listen::serve(listener, doors::router(doors), Manners::default(), stop).await;
}
