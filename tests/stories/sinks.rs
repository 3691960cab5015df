//! What owners get besides words at a forge: mails, and events for their programs.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use jiff::{SignedDuration, Timestamp};
use lockkeeper::operator::{Mail as MailSetting, SmtpSecurity, SmtpServer, WebhookSink};
use lockkeeper::outbox::{
    Account, Addresses, Body, Courier, Event, Mail, Mailer, Message, Round, Sink,
};
use lockkeeper::secret::Secret;
use sha2::Sha256;

use crate::world::memory::Memory;
use crate::world::smtp::MailServer;

fn start() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn message(account: Account, body: Body) -> Message {
    Message { account, subject: "fedora/hello/f44".to_owned(), context: "run 7".to_owned(), body }
}

fn mail_to(to: &str) -> Body {
    Body::Mail(Mail {
        to: vec![to.to_owned()],
        subject: "[lockkeeper] hello f44: not published\r\nBcc: eve@x.example".to_owned(),
        text: "refused: hello#f44\n.\n.leading dot\nÜmläut\n".to_owned(),
        thread: "fedora/hello/f44:unsigned-tip".to_owned(),
        id: "7:unsigned-tip".to_owned(),
    })
}

fn mail_courier(server: &MailServer, memory: &'static Memory) -> Courier<&'static Memory> {
    let smtp = SmtpServer {
        host: server.address.ip().to_string(),
        port: server.address.port(),
        security: SmtpSecurity::None,
        login: None,
    };
    let setting = MailSetting { smtp, from: "bot@forge.example".to_owned(), to: Vec::new() };
    let mail = Some(Mailer::new(&setting).unwrap());
    Courier::new(memory, Addresses { mail, ..Addresses::default() })
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written_and_its_subject_is_one_line() {
    let memory: &'static Memory = Box::leak(Box::default());
    let server = MailServer::start();
    memory.put([message(Account::Mail, mail_to("ada@x.example"))], start());
    let round = mail_courier(&server, memory).round(start()).await.unwrap();
    assert_eq!(round, Round { sent: 1, later: 0, dropped: 0 });
    let arrived = server.arrived();
    let [mail] = arrived.as_slice() else { panic!("{arrived:?}") };
    assert!(mail.to.len() == 1 && mail.to[0].contains("<ada@x.example>"), "{mail:?}");
    let (headers, text) = mail.data.split_once("\n\n").unwrap();
    assert!(!headers.lines().any(|line| line.starts_with("Bcc")), "{headers}");
    for header in
        ["Auto-Submitted: auto-generated", "Date: Fri, 20 Nov 2026 12:00:00 +0000", "Message-ID: <"]
    {
        assert!(headers.contains(header), "{header} in {headers}");
    }
    assert!(
        headers.contains("In-Reply-To: <") && headers.contains("References: <"),
        "{headers}"
    );
    let decoded = STANDARD.decode(text.replace('\n', ""));
    let text = decoded.map_or(text.to_owned(), |bytes| String::from_utf8(bytes).unwrap());
    assert!(text.contains("refused: hello#f44") && text.contains("leading dot"), "{text}");
}

#[tokio::test]
async fn mail_waits_for_a_server_that_is_busy_and_gives_up_where_it_says_never() {
    let memory: &'static Memory = Box::leak(Box::default());
    let server = MailServer::start();
    let courier = mail_courier(&server, memory);
    memory.put([message(Account::Mail, mail_to("ada@x.example"))], start());
    server.refuses(Some("451 later"));
    assert_eq!(courier.round(start()).await.unwrap().later, 1);
    server.refuses(None);
    let later = start() + SignedDuration::from_secs(31);
    assert_eq!(courier.round(later).await.unwrap().sent, 1);
    server.refuses(Some("550 no such user"));
    memory.put([message(Account::Mail, mail_to("nobody@x.example"))], later);
    assert_eq!(courier.round(later).await.unwrap().dropped, 1);
    assert!(memory.dropped()[0].1.contains("mail-not-taken"));
    assert_eq!(server.arrived().len(), 1);
}

/// What an owner's program received.
struct Received {
    headers: BTreeMap<String, String>,
    body: String,
}

/// Starts a program that answers these statuses, one after the other, then 200.
fn program(statuses: &'static [u16]) -> (String, mpsc::Receiver<Received>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let handler = move |headers: HeaderMap, body: Bytes| {
        let at = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let headers = headers.iter().map(text).collect();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let _ = sender.send(Received { headers, body });
        async move { StatusCode::from_u16(*statuses.get(at).unwrap_or(&200)).unwrap() }
    };
    tokio::spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        axum::serve(listener, axum::Router::new().fallback(handler)).await.unwrap();
    });
    (format!("http://{address}/hook"), receiver)
}

fn sink_courier(url: &str, memory: &'static Memory) -> Courier<&'static Memory> {
    let secret = Secret::from_file(b"whsec_plJ3nmyCDGBKInavdOK15jsl").unwrap();
    let sink = WebhookSink { name: "ci".to_owned(), url: url.parse().unwrap(), secret };
    let webhooks = BTreeMap::from([("ci".to_owned(), Sink::new(sink).unwrap())]);
    Courier::new(memory, Addresses { webhooks, ..Addresses::default() })
}

fn event() -> Message {
    let payload = serde_json::json!({ "type": "run.finished", "data": { "run": "7" } });
    let event = Event { id: "run_7".to_owned(), at: start(), payload };
    message(Account::Webhook("ci".to_owned()), Body::Webhook(event))
}

#[tokio::test]
async fn an_event_is_signed_so_that_its_reader_can_check_it() {
    let memory: &'static Memory = Box::leak(Box::default());
    let (url, received) = program(&[]);
    memory.put([event()], start());
    assert_eq!(sink_courier(&url, memory).round(start()).await.unwrap().sent, 1);
    let Received { headers, body } = received.recv().unwrap();
    let (id, time) = (&headers["webhook-id"], &headers["webhook-timestamp"]);
    let key = STANDARD.decode("plJ3nmyCDGBKInavdOK15jsl").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{time}.{body}").as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!((id.as_str(), &headers["webhook-signature"]), ("run_7", &expected));
    assert!(time.parse::<i64>().unwrap() - start().as_second() < 60);
}

#[tokio::test]
async fn an_event_is_posted_again_with_the_same_id_until_it_is_taken_or_gone() {
    let memory: &'static Memory = Box::leak(Box::default());
    let (url, received) = program(&[500, 302, 200, 410]);
    let courier = sink_courier(&url, memory);
    memory.put([event()], start());
    let mut now = start();
    for expected in [0, 0, 1] {
        assert_eq!(courier.round(now).await.unwrap().sent, expected);
        now += SignedDuration::from_secs(3600);
    }
    memory.put([event()], now);
    assert_eq!(courier.round(now).await.unwrap().dropped, 1);
    let ids: Vec<String> =
        received.try_iter().map(|one| one.headers["webhook-id"].clone()).collect();
    assert_eq!(ids, ["run_7"; 4]);
}

#[tokio::test]
async fn a_message_for_somebody_who_is_no_longer_configured_is_dropped() {
    let memory: &'static Memory = Box::leak(Box::default());
    let courier = Courier::new(memory, Addresses::default());
    let forge = Account::Forge("gone".parse().unwrap());
    let mail = message(Account::Mail, mail_to("ada@x.example"));
    memory.put([event(), mail, message(forge, mail_to("x@x.example"))], start());
    assert_eq!(courier.round(start()).await.unwrap().dropped, 3);
}
