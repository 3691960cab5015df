//! A release server on loopback, allowed by its exact address, and a resolver that says what the test wants.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response as Answer};
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::http::LowSpeed;
use crate::outcome::Lasting;

const CONTENT: &[u8] = b"the content of a release";

#[derive(Default)]
struct Served {
    requests: AtomicUsize,
    encodings: Mutex<Vec<String>>,
}

struct World {
    folder: tempfile::TempDir,
    address: SocketAddr,
    served: Arc<Served>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    State(served): State<Arc<Served>>,
    headers: HeaderMap,
    UrlPath(what): UrlPath<String>,
) -> Answer {
    let count = served.requests.fetch_add(1, Ordering::SeqCst);
    let encoding = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    served.encodings.lock().unwrap().push(encoding.unwrap_or("-").to_owned());
    if let Some(left) = what.strip_prefix("hops-").and_then(|left| left.parse::<u32>().ok()) {
        let next = if left == 1 { "release".to_owned() } else { format!("hops-{}", left - 1) };
        return (StatusCode::FOUND, [(header::LOCATION, next)]).into_response();
    }
    if let Some(target) = what.strip_prefix("to/") {
        return (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, target.to_owned())])
            .into_response();
    }
    match what.as_str() {
        "release" => CONTENT.into_response(),
        "hang" => std::future::pending().await,
        "fails-once" if count > 0 => CONTENT.into_response(),
        "fails-once" => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        "nowhere" => (StatusCode::FOUND, [(header::LOCATION, "http://[")]).into_response(),
        status => StatusCode::from_u16(status.parse().unwrap()).unwrap().into_response(),
    }
}

impl World {
    async fn new() -> World {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::<Served>::default();
        let routes = axum::Router::new().route("/{*what}", get(answer)).with_state(served.clone());
        let task = tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
        World { folder: tempfile::tempdir().unwrap(), address, served, task }
    }

    /// Rules that know a few names and allow this server alone.
    fn rules(&self) -> Rules {
        let names: HashMap<&str, Vec<IpAddr>> = HashMap::from([
            ("release.example", vec![self.address.ip()]),
            ("metadata.example", vec!["169.254.169.254".parse().unwrap()]),
            ("mixed.example", vec![self.address.ip(), "10.0.0.1".parse().unwrap()]),
            ("mapped.example", vec!["::ffff:127.0.0.1".parse().unwrap()]),
            ("empty.example", vec![]),
        ]);
        let lookup = move |host: &str, port: u16| match names.get(host) {
            Some(addresses) => Ok(addresses.iter().map(|ip| (*ip, port).into()).collect()),
            None => Err(std::io::Error::other("no such name")),
        };
        Rules {
            reach: Reach { allow_private: vec![self.address], ..Reach::public() },
            cap: 1000,
            timeouts: Timeouts::default(),
            backoff: Backoff {
                attempts: 2,
                first: Duration::from_millis(5),
                longest: Duration::from_millis(5),
            },
            lookup: Arc::new(lookup),
        }
    }

    /// Rules under which a server that hangs or crawls is given up within a second.
    fn hurried(&self) -> Rules {
        let low_speed = LowSpeed { bytes: 10, window: Duration::from_millis(300) };
        let answer = Duration::from_millis(900);
        let timeouts = Timeouts { answer, low_speed, ..Timeouts::default() };
        Rules { timeouts, ..self.rules() }
    }

    fn url(&self, what: &str) -> String {
        format!("http://release.example:{}/{what}", self.address.port())
    }

    async fn get(&self, rules: &Rules, url: &str) -> Result<Downloaded> {
        let answer = download(rules, url, &self.folder.path().join("got")).await;
        let names = std::fs::read_dir(self.folder.path()).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        match &answer {
            Ok(_) => assert_eq!(names, ["got"]),
            Err(_) => assert!(names.is_empty(), "{names:?}"),
        }
        answer
    }
}

fn told(answer: Result<Downloaded>) -> (String, String) {
    match answer.unwrap_err() {
        Fault::Refused(refusal) => (format!("refused {}", refusal.code), refusal.message),
        Fault::Failed(problem) => match problem.lasting {
            Lasting::Temporary => (format!("temporary {}", problem.code), problem.message),
            Lasting::Permanent => (format!("permanent {}", problem.code), problem.message),
        },
    }
}

#[tokio::test]
async fn a_release_comes_whole_with_its_digest() {
    let world = World::new().await;
    let url = world.url("release");
    let got = world.get(&world.rules(), &(url.clone() + "#/other-name.tar.gz")).await.unwrap();
    assert_eq!(got.sha512, Sha512::of(CONTENT));
    assert_eq!((got.size, got.url.as_str()), (CONTENT.len() as u64, url.as_str()));
    assert_eq!(std::fs::read(world.folder.path().join("got")).unwrap(), CONTENT);
    assert_eq!(*world.served.encodings.lock().unwrap(), ["identity"]);
}

#[tokio::test]
async fn redirects_are_followed_five_times() {
    let world = World::new().await;
    let got = world.get(&world.rules(), &world.url("hops-5")).await.unwrap();
    assert_eq!(got.url.as_str(), world.url("release"));
    let world = World::new().await;
    let (kind, message) = told(world.get(&world.rules(), &world.url("hops-6")).await);
    assert_eq!(kind, "refused upstream-redirects", "{message}");
}

#[tokio::test]
async fn no_redirect_leads_where_the_rules_do_not() {
    let table = [
        ("http://metadata.example/latest", "169.254.169.254, which is link-local"),
        ("https://metadata.example/latest", "169.254.169.254, which is link-local"),
        ("https://127.0.0.1/", "127.0.0.1, which is this machine"),
        ("https://0x7f.1/", "127.0.0.1, which is this machine"),
        ("https://[::1]/", "::1, which is this machine"),
        ("https://[::ffff:10.0.0.1]/", "disguise"),
        ("https://mapped.example/", "disguise"),
        ("https://mixed.example/", "which is"),
        ("https://u:p@release.example/", "credentials"),
        ("ftp://release.example/", "not https"),
        ("file:///etc/passwd", "not https"),
    ];
    let world = World::new().await;
    for (target, words) in table {
        for url in [target.to_owned(), world.url(&format!("to/{target}"))] {
            let (kind, message) = told(world.get(&world.rules(), &url).await);
            assert_eq!(kind, "refused upstream-address-forbidden", "{url}: {message}");
            assert!(message.contains(words), "{url}: {message}");
        }
    }
}

#[tokio::test]
async fn nothing_is_asked_of_a_server_that_the_rules_forbid() {
    let world = World::new().await;
    let strict = Rules { reach: Reach::public(), ..world.rules() };
    let https = world.url("release").replace("http:", "https:");
    for url in [world.url("release"), https, format!("https://{}/release", world.address)] {
        let (kind, _) = told(world.get(&strict, &url).await);
        assert_eq!(kind, "refused upstream-address-forbidden");
    }
    let hosts = super::super::network::AllowedHosts::parse(&["*.example.org".to_owned()]).unwrap();
    let listed = Rules { reach: Reach { hosts, ..world.rules().reach }, ..world.rules() };
    let (kind, message) = told(world.get(&listed, &world.url("release")).await);
    assert_eq!(kind, "refused upstream-address-forbidden");
    assert!(message.contains("no such host"), "{message}");
    assert_eq!(world.served.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_address_gains_nothing() {
    let world = World::new().await;
    let (asked, good) = (Arc::new(AtomicUsize::new(0)), world.address);
    let count = asked.clone();
    let lookup = move |_: &str, port: u16| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Ok(vec![good]),
        _ => Ok(vec![SocketAddr::from(([10, 0, 0, 1], port))]),
    };
    let rules = Rules { lookup: Arc::new(lookup), ..world.rules() };
    world.get(&rules, &world.url("release")).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the connection resolves nothing by itself");
}

#[tokio::test]
async fn what_a_server_may_answer_is_told_by_whose_move_it_is() {
    let table = [
        ("404", "temporary upstream-not-there-yet", 1),
        ("403", "refused upstream-file-refused", 1),
        ("410", "refused upstream-file-refused", 1),
        ("500", "temporary upstream-unavailable", 2),
        ("429", "temporary upstream-unavailable", 2),
        ("204", "permanent upstream-answer-unknown", 1),
        ("304", "permanent upstream-answer-unknown", 1),
        ("nowhere", "permanent upstream-answer-unknown", 1),
        ("hang", "temporary upstream-too-slow", 2),
    ];
    for (what, wanted, requests) in table {
        let world = World::new().await;
        let rules = if what == "hang" { world.hurried() } else { world.rules() };
        let (kind, message) = told(world.get(&rules, &world.url(what)).await);
        assert_eq!(kind, wanted, "{what}: {message}");
        assert_eq!(world.served.requests.load(Ordering::SeqCst), requests, "{what}");
    }
    let world = World::new().await;
    world.get(&world.rules(), &world.url("fails-once")).await.unwrap();
}

#[tokio::test]
async fn names_that_do_not_resolve_are_temporary_and_nonsense_is_refused() {
    let world = World::new().await;
    for name in ["unknown.example", "empty.example"] {
        let (kind, message) = told(world.get(&world.rules(), &format!("https://{name}/")).await);
        assert_eq!(kind, "temporary upstream-unreachable", "{message}");
    }
    for text in ["", "hello-1.0.tar.gz", "https://", "\u{1b}[2J"] {
        let (kind, message) = told(world.get(&world.rules(), text).await);
        assert_eq!(kind, "refused upstream-address-forbidden");
        assert!(!message.contains('\u{1b}'));
    }
}

#[tokio::test]
async fn a_file_over_the_cap_is_given_up() {
    let world = World::new().await;
    let rules = Rules { cap: 10, ..world.rules() };
    let (kind, message) = told(world.get(&rules, &world.url("release")).await);
    assert_eq!(kind, "permanent upstream-file-too-large", "{message}");
}

/// Serves a head and then bytes at a pace.
async fn dribbling(
    bytes: &'static [u8],
    pause: Duration,
) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n";
            let mut goes_on = stream.write_all(head).await.is_ok();
            while goes_on {
                tokio::time::sleep(pause).await;
                goes_on = !bytes.is_empty() && stream.write_all(bytes).await.is_ok();
            }
        }
    });
    (address, task)
}

#[tokio::test]
async fn a_download_that_crawls_or_breaks_is_given_up() {
    let table = [
        (&b"x"[..], Duration::from_millis(100), "temporary upstream-too-slow"),
        (&b"x"[..], Duration::from_secs(60), "temporary upstream-too-slow"),
        (&b""[..], Duration::ZERO, "temporary upstream-unreachable"),
    ];
    for (bytes, pause, wanted) in table {
        let world = World::new().await;
        let (address, task) = dribbling(bytes, pause).await;
        let reach = Reach { allow_private: vec![address], ..Reach::public() };
        let (kind, message) = told(
            world.get(&Rules { reach, ..world.hurried() }, &format!("http://{address}/")).await,
        );
        assert_eq!(kind, wanted, "{message}");
        task.abort();
    }
}

#[tokio::test]
async fn a_download_that_never_ends_ends() {
    let world = World::new().await;
    let (address, task) = dribbling(&[b'x'; 10], Duration::from_millis(50)).await;
    let reach = Reach { allow_private: vec![address], ..Reach::public() };
    let mut rules = Rules { reach, ..world.rules() };
    rules.timeouts.total = Duration::from_millis(700);
    rules.backoff.attempts = 1;
    let (kind, message) = told(world.get(&rules, &format!("http://{address}/")).await);
    assert_eq!(kind, "temporary upstream-too-slow");
    assert!(message.contains("not done after"), "{message}");
    task.abort();
}

#[tokio::test]
async fn downloads_can_run_beside_each_other() {
    let world = Arc::new(World::new().await);
    let tasks: Vec<_> = (0..4)
        .map(|number| {
            let world = world.clone();
            tokio::spawn(async move {
                let to = world.folder.path().join(number.to_string());
                download(&world.rules(), &world.url("release"), &to).await.unwrap().size
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), CONTENT.len() as u64);
    }
}
