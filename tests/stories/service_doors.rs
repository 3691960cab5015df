//! What the service answers at its doors, whoever knocks.

use serde_json::{Value, json};

use crate::world::World;
use crate::world::service::{API_TOKEN, SECRET, Service, ask, signature, until};

/// Returns a world whose branch is published, and a service that runs in it.
fn serving() -> (World, Service) {
    let world = World::released("archive");
    world.configure("");
    let service = world.serve();
    until("1.0 is published", || world.published_sources().len() == 1);
    (world, service)
}

/// Returns how many deliveries the database holds.
fn deliveries(world: &World) -> u64 {
    let count = world.sql("node", "SELECT COUNT(*) FROM deliveries");
    count.trim().parse().expect("a number")
}

#[test]
fn each_forge_is_heard_once() {
    let (mut world, service) = serving();
    let url = format!("file://{}", world.source.folder().display());
    let payload = |kind: &str, after: &str| -> (&'static str, Value) {
        let push = world_push(&url, after);
        match kind {
            "github" => (
                "push",
                json!({"ref": "refs/heads/main", "after": after, "repository": {"clone_url": url}, "sender": {"login": "alice"}}),
            ),
            "gitlab" => (
                "Push Hook",
                json!({"object_kind": "push", "ref": "refs/heads/main", "after": after, "project": {"git_http_url": url}, "user_username": "alice"}),
            ),
            "pagure" => (
                "git.receive",
                json!({"topic": "git.receive", "msg_id": format!("2026-{after}"), "msg": {"branch": "main", "end_commit": after, "agent": "alice", "repo": {"fullname": "hello", "full_url": url}}}),
            ),
            _ => ("push", push),
        }
    };
    let before = deliveries(&world);
    for (number, kind) in ["github", "gitlab", "pagure", "forgejo", "gitea"].into_iter().enumerate()
    {
        let tip = world.commit("Go on", "README", &format!("Heard at {kind}.\n")).to_string();
        let (event, payload) = payload(kind, &tip);
        // Twice with one id: a forge that was not sure whether it was heard.
        for _ in 0..2 {
            assert_eq!(service.deliver(kind, event, &tip, &payload), 202, "{kind}");
        }
        until(&format!("{kind} is heard"), || world.published_sources().first() == Some(&tip));
        assert_eq!(world.published_sources().len(), number + 2);
        assert_eq!(deliveries(&world), before + number as u64 + 1, "{kind}");
    }
    assert_eq!(service.stop(), Some(0));
}

fn world_push(url: &str, after: &str) -> Value {
    json!({
        "ref": "refs/heads/main", "after": after,
        "repository": {"clone_url": url}, "sender": {"login": "alice"},
    })
}

#[test]
fn what_is_not_proved_is_not_taken() {
    let (world, service) = serving();
    let body = world_push("file:///nowhere", &"a".repeat(40)).to_string();
    let good = signature(body.as_bytes());
    let other = signature(b"something else");
    let ask = |line: &str, headers: &[(&str, &str)], body: &str| {
        ask(service.address, line, headers, body.as_bytes()).status
    };
    let (event, post) = (("X-Forgejo-Event", "push"), "POST /hooks/forgejo");
    /// What it is, the answer, headers, body.
    type Case<'a> = (&'a str, u16, &'a [(&'a str, &'a str)], &'a str);
    let table: [Case<'_>; 9] = [
        ("nothing at all", 401, &[event], &body),
        ("an empty signature", 401, &[event, ("X-Forgejo-Signature", "")], &body),
        ("of other bytes", 401, &[event, ("X-Forgejo-Signature", &other)], &body),
        (
            "of these bytes, and one more is sent",
            401,
            &[event, ("X-Forgejo-Signature", &good)],
            &format!("{body} "),
        ),
        ("another forge's header", 401, &[event, ("X-Hub-Signature-256", &good)], &body),
        ("the right one", 202, &[event, ("X-Forgejo-Signature", &good)], &body),
        (
            "no JSON, but proved",
            202,
            &[event, ("X-Forgejo-Signature", &signature(b"{"))],
            "{",
        ),
        (
            "nothing, but proved",
            202,
            &[event, ("X-Forgejo-Signature", &signature(b""))],
            "",
        ),
        (
            "an unknown event",
            202,
            &[("X-Forgejo-Event", "wiki"), ("X-Forgejo-Signature", &good)],
            &body,
        ),
    ];
    for (what, status, headers, body) in table {
        assert_eq!(ask(post, headers, body), status, "{what}");
    }
    for (line, status) in [
        ("GET /hooks/forgejo", 405),
        ("PUT /hooks/forgejo", 405),
        ("POST /hooks/nobody", 404),
        ("POST /hooks/..%2f", 404),
        ("POST /hooks/", 404),
        ("GET /", 404),
        ("POST /healthz", 405),
        ("GET /healthz", 200),
    ] {
        assert_eq!(ask(line, &[], ""), status, "{line}");
    }
    assert!(!service.log().contains(SECRET));
    let key = crate::world::service::ask(service.address, "GET /bot-key.asc", &[], b"").text;
    assert!(key.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----"), "{key}");
    assert!(!key.contains("PRIVATE"));
    until("every delivery was read", || {
        world.sql("node", "SELECT COUNT(*) FROM deliveries WHERE routed_at IS NULL").trim() == "0"
    });
    assert_eq!(world.published_sources().len(), 1);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let world = World::released("archive");
    world.configure("limits: {body: 64KiB}\n");
    let service = world.serve();
    let large = vec![b'x'; 64 * 1024 + 1];
    let refused = ask(service.address, "POST /hooks/forgejo", &[], &large);
    assert_eq!(refused.status, 413, "{refused:?}");
    // Without a length that could be believed.
    let chunk = format!("{:x}\r\n{}\r\n", 32 * 1024, "x".repeat(32 * 1024));
    let mut stream = std::net::TcpStream::connect(service.address).unwrap();
    use std::io::{Read, Write};
    stream
        .write_all(b"POST /hooks/forgejo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    for _ in 0..4 {
        let _ = stream.write_all(chunk.as_bytes());
    }
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[test]
fn whoever_has_a_token_may_ask_for_a_look() {
    let (mut world, service) = serving();
    let tip = world.commit("Go on", "README", "Asked for.\n").to_string();
    let wanted = r#"{"package": "hello", "branch": "f44"}"#;
    for (token, body, status) in [
        ("", wanted, 401),
        ("a-token-for-the-operatorz", wanted, 401),
        (API_TOKEN, "{", 422),
        (API_TOKEN, r#"{"package": "../x", "branch": "f44"}"#, 422),
        (API_TOKEN, r#"{"package": "hello", "branch": "f44", "force": true}"#, 422),
        (API_TOKEN, r#"{"instance": "other", "package": "hello", "branch": "f44"}"#, 422),
    ] {
        let answered = service.ask_sync(token, body);
        assert_eq!(answered.status, status, "{answered:?}");
    }
    assert_eq!(world.published_sources().len(), 1);
    let answered = service.ask_sync(API_TOKEN, wanted);
    assert_eq!(answered.status, 202, "{answered:?}");
    until("what was asked for is done", || world.published_sources().first() == Some(&tip));
    let shown = world.ops("node", &["jobs", "show", "hello", "f44"]);
    assert!(shown.stdout.contains("token ops"), "{shown:?}");
    assert!(!service.log().contains(API_TOKEN));
}

#[test]
fn everything_that_is_wrong_at_the_start_is_said_at_once() {
    let world = World::released("archive");
    world.configure("");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = std::fs::read_to_string(world.path("lockkeeper.yaml")).unwrap();
    let config = config
        .replace("127.0.0.1:0", &taken.local_addr().unwrap().to_string())
        .replace("key: {", "bot_certs: [missing.asc]\nkey: {");
    std::fs::write(world.path("wrong.yaml"), config).unwrap();
    let output = world.program(&["serve", "--config", "wrong.yaml"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("listen-failed") && said.contains("missing.asc"), "{said}");
    assert_eq!(output.status.code(), Some(2), "{said}");
}
