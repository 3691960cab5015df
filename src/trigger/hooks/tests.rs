//! Tests of the doors: what proves a delivery and what does not, and what each recorded payload says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use proptest::prelude::*;
use sha2::Sha256;

use super::*;
use crate::secret::Secret;

const SECRET: &str = "It's a Secret to Everybody";
const HELLO: &[u8] = b"Hello, World!";
/// Published with GitHub's documentation: the HMAC of [`HELLO`] under [`SECRET`].
const HELLO_MAC: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

/// Published with Standard Webhooks.
const TOKEN: &str = "whsec_plJ3nmyCDGBKInavdOK15jsl";
const STANDARD_BODY: &[u8] = br#"{"event_type":"ping","data":{"success":true}}"#;
const STANDARD_ID: &str = "msg_loFOjxBNrRLzqYUf";
const STANDARD_TIME: i64 = 1_731_705_121;
const STANDARD_SIGNATURE: &str = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=";

fn secret(text: &str) -> Secret {
    Secret::from_file(text.as_bytes()).unwrap()
}

fn hook(kind: ForgeKind, secrets: &[&str]) -> Hook {
    let proof = Proof::Secrets(secrets.iter().map(|text| secret(text)).collect());
    Hook { name: "src".parse().unwrap(), kind, proof, bot_accounts: Vec::new() }
}

fn mac(key: &[u8], bytes: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(bytes);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> Timestamp {
    Timestamp::from_second(STANDARD_TIME).unwrap()
}

fn receive(hook: &Hook, headers: &[(&str, &str)], body: &[u8]) -> Result<Delivery, Rejected> {
    let headers: Headers = headers.iter().copied().collect();
    hook.receive(Incoming { headers: &headers, body }, now())
}

#[test]
fn the_published_vector_of_github_passes() {
    let github = hook(ForgeKind::GitHub, &[SECRET]);
    let signature = format!("sha256={HELLO_MAC}");
    let headers = [
        ("X-GitHub-Event", "push"),
        ("X-GitHub-Delivery", "a-1"),
        ("X-Hub-Signature-256", &signature),
    ];
    let delivery = receive(&github, &headers, HELLO).unwrap();
    assert_eq!((delivery.id.as_str(), delivery.event.as_str()), ("a-1", "push"));
    assert_eq!(delivery.body, HELLO);
}

#[test]
fn each_forge_signs_in_its_own_header() {
    let signature = mac(SECRET.as_bytes(), b"{}");
    let prefixed = format!("sha256={signature}");
    let table = [
        (ForgeKind::GitHub, "x-hub-signature-256", prefixed.as_str()),
        (ForgeKind::GitLab, "x-gitlab-token", SECRET),
        (ForgeKind::Pagure, "x-pagure-signature-256", &signature),
        (ForgeKind::Forgejo, "x-forgejo-signature", &signature),
        (ForgeKind::Forgejo, "x-gitea-signature", &signature),
        (ForgeKind::Gitea, "x-gitea-signature", &signature),
    ];
    for (kind, header, proof) in table {
        for secrets in [&[SECRET][..], &["the old one", SECRET], &[SECRET, "the new one"]] {
            let taken = receive(&hook(kind, secrets), &[(header, proof)], b"{}");
            assert!(taken.is_ok(), "{kind} {header}");
        }
        let refused = |headers: &[(&str, &str)], body: &[u8]| {
            receive(&hook(kind, &[SECRET]), headers, body).unwrap_err()
        };
        let upper = proof.to_uppercase();
        let (_, last) = proof.split_at(proof.len() - 1);
        let other = format!("{}{}", &proof[..proof.len() - 1], if last == "0" { "1" } else { "0" });
        assert_eq!(refused(&[(header, &other)], b"{}"), Rejected::BadSignature, "{kind}");
        assert_eq!(refused(&[], b"{}"), Rejected::NoProof, "{kind}");
        assert_eq!(refused(&[(header, "")], b"{}"), Rejected::NoProof, "{kind}");
        assert_eq!(refused(&[(header, " ")], b"{}"), Rejected::NoProof, "{kind}");
        let wrong = receive(&hook(kind, &["another"]), &[(header, proof)], b"{}");
        assert_eq!(wrong, Err(Rejected::BadSignature), "{kind}");
        if kind != ForgeKind::GitLab {
            assert_eq!(refused(&[(header, proof)], b"{ }"), Rejected::BadSignature, "{kind}");
        }
        if kind == ForgeKind::GitHub {
            assert_eq!(refused(&[(header, "sha256=")], b"{}"), Rejected::NoProof);
            assert_eq!(refused(&[(header, &upper)], b"{}"), Rejected::NoProof);
            assert_eq!(refused(&[("x-hub-signature", &signature)], b"{}"), Rejected::NoProof);
        }
    }
}

#[test]
fn the_kind_comes_from_the_config_and_not_from_what_the_headers_claim() {
    let prefixed = format!("sha256={}", mac(SECRET.as_bytes(), b"{}"));
    let headers = [("x-hub-signature-256", prefixed.as_str()), ("x-github-event", "push")];
    for kind in [ForgeKind::Forgejo, ForgeKind::Gitea, ForgeKind::Pagure, ForgeKind::GitLab] {
        let taken = receive(&hook(kind, &[SECRET]), &headers, b"{}");
        assert_eq!(taken, Err(Rejected::NoProof), "{kind}");
    }
}

fn signing() -> Hook {
    let proof = Proof::SigningKeys(vec![
        SigningKey::from_token(&secret("whsec_b3RoZXI=")).unwrap(),
        SigningKey::from_token(&secret(TOKEN)).unwrap(),
    ]);
    Hook { proof, ..hook(ForgeKind::GitLab, &["x"]) }
}

fn standard_headers<'h>(time: &'h str, signature: &'h str) -> [(&'static str, &'h str); 3] {
    [("webhook-id", STANDARD_ID), ("webhook-timestamp", time), ("webhook-signature", signature)]
}

#[test]
fn the_published_vector_of_standard_webhooks_passes() {
    let time = STANDARD_TIME.to_string();
    let several = format!("v1,AAAA v2,x {STANDARD_SIGNATURE}");
    for signature in [STANDARD_SIGNATURE, &several] {
        let delivery = receive(&signing(), &standard_headers(&time, signature), STANDARD_BODY);
        assert_eq!(delivery.unwrap().id.as_str(), STANDARD_ID);
    }
}

#[test]
fn what_was_signed_too_long_ago_or_too_early_is_stale() {
    for (offset, result) in [
        (-301, Err(Rejected::Stale)),
        (-300, Ok(())),
        (300, Ok(())),
        (301, Err(Rejected::Stale)),
        (i64::from(i32::MIN), Err(Rejected::Stale)),
    ] {
        let time = (STANDARD_TIME + offset).to_string();
        let signed = [STANDARD_ID.as_bytes(), b".", time.as_bytes(), b".", STANDARD_BODY].concat();
        let key = STANDARD.decode(&TOKEN[6..]).unwrap();
        let mut hmac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        hmac.update(&signed);
        let signature = format!("v1,{}", STANDARD.encode(hmac.finalize().into_bytes()));
        let taken = receive(&signing(), &standard_headers(&time, &signature), STANDARD_BODY);
        assert_eq!(taken.map(drop), result, "{offset}");
    }
}

#[test]
fn where_a_signing_token_is_set_nothing_else_opens_the_door() {
    let time = STANDARD_TIME.to_string();
    let plain = [("x-gitlab-token", TOKEN)];
    assert_eq!(receive(&signing(), &plain, STANDARD_BODY), Err(Rejected::NoProof));
    for bad in ["", "v1,", "v1,!!!", "v1a,rAvf", "rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="] {
        let taken = receive(&signing(), &standard_headers(&time, bad), STANDARD_BODY);
        assert!(matches!(taken, Err(Rejected::NoProof | Rejected::BadSignature)), "{bad:?}");
    }
    let other = receive(&signing(), &standard_headers(&time, STANDARD_SIGNATURE), b"{}");
    assert_eq!(other, Err(Rejected::BadSignature));
    let odd = receive(&signing(), &standard_headers("soon", STANDARD_SIGNATURE), STANDARD_BODY);
    assert_eq!(odd, Err(Rejected::NoProof));
    assert!(SigningKey::from_token(&secret("plJ3nmyCDGBKInavdOK15jsl")).is_none());
    assert!(SigningKey::from_token(&secret("whsec_")).is_none());
}

#[test]
fn of_a_form_github_signs_the_body_and_forgejo_the_payload() {
    let form = b"payload=%7B%22a%22%3A1%7D&x=y";
    let payload = br#"{"a":1}"#;
    let content = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    let over_body = format!("sha256={}", mac(SECRET.as_bytes(), form));
    let over_payload = mac(SECRET.as_bytes(), payload);
    let github = hook(ForgeKind::GitHub, &[SECRET]);
    let taken = receive(&github, &[content, ("x-hub-signature-256", &over_body)], form).unwrap();
    assert_eq!(taken.body, payload);
    let wrong = format!("sha256={over_payload}");
    let refused = receive(&github, &[content, ("x-hub-signature-256", &wrong)], form);
    assert_eq!(refused, Err(Rejected::BadSignature));
    let forgejo = hook(ForgeKind::Forgejo, &[SECRET]);
    let taken = receive(&forgejo, &[content, ("x-forgejo-signature", &over_payload)], form);
    assert_eq!(taken.unwrap().body, payload);
    let wrong = mac(SECRET.as_bytes(), form);
    let refused = receive(&forgejo, &[content, ("x-forgejo-signature", &wrong)], form);
    assert_eq!(refused, Err(Rejected::BadSignature));
    let empty = mac(SECRET.as_bytes(), b"x=y");
    let refused = receive(&forgejo, &[content, ("x-forgejo-signature", &empty)], b"x=y");
    assert_eq!(refused, Err(Rejected::NotDecodable));
}

#[test]
fn a_delivery_has_the_forges_id_or_one_that_no_other_has() {
    let pagure = hook(ForgeKind::Pagure, &[SECRET]);
    let body = br#"{"topic":"git.receive","msg":{},"msg_id":"2026-abc"}"#;
    let signature = mac(SECRET.as_bytes(), body);
    let signed = [("x-pagure-signature-256", signature.as_str()), ("x-pagure-topic", "other")];
    let delivery = receive(&pagure, &signed, body).unwrap();
    assert_eq!((delivery.id.as_str(), delivery.event.as_str()), ("2026-abc", "git.receive"));
    let gitlab = hook(ForgeKind::GitLab, &[SECRET]);
    let token = ("x-gitlab-token", SECRET);
    let retried =
        receive(&gitlab, &[token, ("idempotency-key", "k-1"), ("webhook-id", "w")], b"{}");
    assert_eq!(retried.unwrap().id.as_str(), "k-1");
    let unnamed = receive(&gitlab, &[token, ("idempotency-key", "with space")], b"{}").unwrap();
    assert!(unnamed.id.as_str().starts_with("unnamed-"), "{:?}", unnamed.id);
}

fn payload(kind: &str, name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/deliveries/{kind}/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Puts a notice into a line.
fn told(notices: &Notices) -> String {
    let short = |id: &Option<crate::names::ObjectId>| {
        id.map_or("?".to_owned(), |id| id.to_string()[..4].to_owned())
    };
    let place = |hint: &RepositoryHint| hint.urls.first().cloned().unwrap_or_default();
    let reference = |reference: &Reference| match reference {
        Reference::Branch(name) => format!("branch {name}"),
        Reference::Tag(name) => format!("tag {name}"),
        Reference::BranchOrTag(name) => format!("branch or tag {name}"),
    };
    let lines = notices.notices.iter().map(|notice| match notice {
        Notice::Moved { repository, reference: which, new } => {
            format!("{} {} at {}", place(repository), reference(which), short(new))
        }
        Notice::Deleted { repository, reference: which } => {
            format!("{} {} gone", place(repository), reference(which))
        }
        Notice::PullRequest(request) => format!(
            "{} !{} {:?} to {} at {} from {} by {}",
            place(&request.repository),
            request.number,
            request.change,
            request.base.as_ref().map_or("?", |base| base.as_str()),
            short(&request.head),
            place(&request.from),
            request.author.as_deref().unwrap_or("?"),
        ),
        Notice::Comment(comment) => format!(
            "{} {}{} {:?} {} says {:?}",
            place(&comment.repository),
            if comment.on_pull_request { '!' } else { '#' },
            comment.number,
            comment.id,
            comment.author.as_deref().unwrap_or("?"),
            comment.body,
        ),
        Notice::Label(label) => format!(
            "{} !{} +{:?} {:?} at {}",
            place(&label.repository),
            label.number,
            label.added,
            label.present,
            short(&label.head)
        ),
        Notice::Rerequested(again) => format!(
            "{} again {:?} {:?} at {}",
            place(&again.repository),
            again.check,
            again.external_id,
            short(&again.commit)
        ),
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// Each recorded payload: the kind, its event, the file, and what it says.
const SAYS: &[(&str, &str, &str, &str)] = &[
    (
        "github",
        "push",
        "push",
        "https://github.example/pkg/hello.git branch main at 2e2e",
    ),
    (
        "github",
        "push",
        "push-new-branch",
        "https://github.example/pkg/hello.git branch next at 2e2e",
    ),
    (
        "github",
        "push",
        "push-deleted",
        "https://github.example/pkg/hello.git branch next gone",
    ),
    (
        "github",
        "push",
        "push-tag",
        "https://github.example/pkg/hello.git tag v1.2 at 1f1f",
    ),
    (
        "github",
        "push",
        "push-sha256",
        "https://github.example/pkg/hello.git branch main at 3d3d",
    ),
    (
        "github",
        "create",
        "create",
        "https://github.example/pkg/hello.git tag v1.2 at ?",
    ),
    (
        "github",
        "delete",
        "delete",
        "https://github.example/pkg/hello.git branch next gone",
    ),
    (
        "github",
        "release",
        "release",
        "https://github.example/pkg/hello.git tag v1.2 at ?",
    ),
    (
        "github",
        "pull_request",
        "pull-request",
        "https://github.example/pkg/hello.git !5 Updated to main at 2e2e from https://github.example/bob/hello.git by bob",
    ),
    (
        "github",
        "pull_request",
        "pull-request-merged",
        "https://github.example/pkg/hello.git !5 Merged to main at 2e2e from https://github.example/bob/hello.git by bob",
    ),
    (
        "github",
        "pull_request",
        "label",
        "https://github.example/pkg/hello.git !5 +[\"ok-to-preview\"] [\"ok-to-preview\"] at 2e2e",
    ),
    (
        "github",
        "issue_comment",
        "comment",
        "https://github.example/pkg/hello.git !5 Some(99) alice says \"/lockkeeper retry\\n\"",
    ),
    (
        "github",
        "check_run",
        "check-run",
        "https://github.example/pkg/hello.git again Some(\"lockkeeper/f44\") Some(\"run-17\") at 1f1f",
    ),
    ("github", "ping", "ping", ""),
    (
        "gitlab",
        "Push Hook",
        "push",
        "https://gitlab.example/pkg/hello.git branch main at 2e2e",
    ),
    (
        "gitlab",
        "Push Hook",
        "push-deleted",
        "https://gitlab.example/pkg/hello.git branch next gone",
    ),
    (
        "gitlab",
        "Tag Push Hook",
        "tag-push",
        "https://gitlab.example/pkg/hello.git tag v1.2 at 1f1f",
    ),
    (
        "gitlab",
        "System Hook",
        "repository-update",
        "https://gitlab.example/pkg/hello.git branch main at 2e2e; https://gitlab.example/pkg/hello.git branch next gone",
    ),
    (
        "gitlab",
        "Merge Request Hook",
        "merge-request",
        "https://gitlab.example/pkg/hello.git !5 Updated to main at 2e2e from https://gitlab.example/bob/hello.git by ?",
    ),
    (
        "gitlab",
        "Merge Request Hook",
        "merge-request-labels",
        "https://gitlab.example/pkg/hello.git !5 +[\"ok-to-preview\"] [\"old\", \"ok-to-preview\"] at 2e2e",
    ),
    (
        "gitlab",
        "Note Hook",
        "note",
        "https://gitlab.example/pkg/hello.git !5 Some(99) bob says \"/lockkeeper retry\"",
    ),
    (
        "gitlab",
        "Release Hook",
        "release",
        "https://gitlab.example/pkg/hello.git tag v1.2 at ?",
    ),
    ("gitlab", "Pipeline Hook", "pipeline", ""),
    (
        "pagure",
        "git.receive",
        "receive",
        "https://src.example/rpms/hello branch or tag f44 at 2e2e",
    ),
    (
        "pagure",
        "io.pagure.prod.pagure.git.receive",
        "receive",
        "https://src.example/rpms/hello branch or tag f44 at 2e2e",
    ),
    (
        "pagure",
        "git.receive",
        "receive-new-branch",
        "https://src.example/rpms/hello branch or tag f45 at 2e2e",
    ),
    (
        "pagure",
        "git.receive",
        "receive-tag",
        "https://src.example/rpms/hello branch or tag v1.2 at 2e2e",
    ),
    (
        "pagure",
        "git.branch.creation",
        "branch-creation",
        "https://src.example/rpms/hello branch f45 at 1f1f",
    ),
    (
        "pagure",
        "git.branch.deletion",
        "branch-deletion",
        "https://src.example/rpms/hello branch f43 gone",
    ),
    (
        "pagure",
        "git.tag.creation",
        "tag-creation",
        "https://src.example/rpms/hello tag v1.2 at 1f1f",
    ),
    (
        "pagure",
        "pull-request.rebased",
        "pull-request",
        "https://src.example/rpms/hello !5 Updated to f44 at 2e2e from https://src.example/fork/bob/rpms/hello by bob",
    ),
    (
        "pagure",
        "pull-request.closed",
        "pull-request-merged",
        "https://src.example/rpms/hello !5 Merged to f44 at 2e2e from https://src.example/fork/bob/rpms/hello by bob",
    ),
    (
        "pagure",
        "pull-request.comment.added",
        "comment",
        "https://src.example/rpms/hello !5 Some(2) alice says \"/lockkeeper retry\"",
    ),
    ("pagure", "pull-request.comment.added", "comment-notification", ""),
    ("pagure", "commit.flag.added", "flag", ""),
    (
        "forgejo",
        "push",
        "push",
        "https://forgejo.example/pkg/hello.git branch main at 2e2e",
    ),
    (
        "forgejo",
        "push",
        "push-sha256",
        "https://forgejo.example/pkg/hello.git branch main at 3d3d",
    ),
    (
        "forgejo",
        "create",
        "create",
        "https://forgejo.example/pkg/hello.git tag v1.2 at 1f1f",
    ),
    (
        "forgejo",
        "delete",
        "delete",
        "https://forgejo.example/pkg/hello.git branch next gone",
    ),
    (
        "forgejo",
        "release",
        "release",
        "https://forgejo.example/pkg/hello.git tag v1.2 at ?",
    ),
    (
        "forgejo",
        "pull_request",
        "pull-request",
        "https://forgejo.example/pkg/hello.git !5 Updated to main at 2e2e from https://forgejo.example/bob/hello.git by bob",
    ),
    (
        "forgejo",
        "pull_request_label",
        "label",
        "https://forgejo.example/pkg/hello.git !5 +[] [\"ok-to-preview\"] at 2e2e",
    ),
    (
        "forgejo",
        "issue_comment",
        "comment",
        "https://forgejo.example/pkg/hello.git !5 Some(99) alice says \"/lockkeeper retry\"",
    ),
];

#[test]
fn each_recorded_payload_says_what_happened() {
    for (kind, event, name, says) in SAYS {
        let notices = parse(kind.parse().unwrap(), event, &payload(kind, name));
        assert_eq!(told(&notices), *says, "{kind}/{name}: {notices:?}");
        assert_eq!(notices.ignored.is_some(), says.is_empty(), "{kind}/{name}: {notices:?}");
    }
}

#[test]
fn every_recorded_payload_is_in_the_table() {
    let root = format!("{}/fixtures/deliveries", env!("CARGO_MANIFEST_DIR"));
    for kind in std::fs::read_dir(root).unwrap() {
        let kind = kind.unwrap();
        for file in std::fs::read_dir(kind.path()).unwrap() {
            let (kind, file) = (kind.file_name(), file.unwrap().file_name());
            let (kind, file) = (kind.to_str().unwrap(), file.to_str().unwrap());
            let name = file.strip_suffix(".json").unwrap();
            let known = SAYS.iter().any(|(known, _, named, _)| *known == kind && *named == name);
            assert!(known || name == "push-bot", "{kind}/{name}");
        }
    }
}

#[test]
fn the_bots_own_acts_come_back_and_are_dropped() {
    let own = ["Lockkeeper-Bot".to_owned()];
    let bots = parse(ForgeKind::GitHub, "push", &payload("github", "push-bot"));
    assert_eq!(bots.notices.len(), 1);
    let bots = bots.without_echoes(&own);
    assert!(bots.notices.is_empty() && bots.ignored.is_some());
    let alices = parse(ForgeKind::GitHub, "push", &payload("github", "push"));
    assert_eq!(alices.clone().without_echoes(&own), alices);
}

#[test]
fn content_that_is_not_known_is_ignored_with_a_word() {
    let table: [(&str, &[u8]); 8] = [
        ("push", b""),
        ("push", b"nonsense"),
        ("push", b"[]"),
        ("push", b"{}"),
        ("push", br#"{"ref":7,"repository":[]}"#),
        ("push", br#"{"ref":"refs/pull/1/head","after":"x"}"#),
        ("star", b"{}"),
        ("star\x1b[31m", b"{}"),
    ];
    for kind in ForgeKind::ALL {
        for (event, body) in table {
            let notices = parse(kind, event, body);
            assert!(notices.notices.is_empty(), "{kind} {event}");
            let why = notices.ignored.expect("a word why");
            assert!(!why.is_empty() && !why.contains('\x1b'), "{why:?}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse(kind, "push", deep.as_bytes()).ignored.is_some());
    }
}

/// The published examples of GitHub's payloads: 58 events. `tests/run` brings them; see docs/testing.md.
#[test]
fn the_published_examples_of_github_are_all_read() {
    let target = std::env::var("CARGO_TARGET_DIR");
    let target = target.unwrap_or_else(|_| format!("{}/target", env!("CARGO_MANIFEST_DIR")));
    let path = format!("{target}/webhooks-examples/package/api.github.com/index.json");
    let text = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{path}: {error}: `tests/run` fetches it with npm"));
    let events: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
    let (mut count, mut said) = (0, std::collections::BTreeMap::new());
    for event in &events {
        let name = event["name"].as_str().unwrap();
        for example in event["examples"].as_array().unwrap() {
            count += 1;
            let body = serde_json::to_vec(example).unwrap();
            let notices = parse(ForgeKind::GitHub, name, &body);
            assert_ne!(
                notices.notices.is_empty(),
                notices.ignored.is_none(),
                "{name}: {notices:?}"
            );
            *said.entry(name).or_insert(0) += notices.notices.len();
            if name == "push" {
                assert_push(example, &notices);
            }
            for kind in ForgeKind::ALL {
                parse(kind, name, &body);
            }
        }
    }
    assert_eq!((events.len(), count), (58, 329));
    for event in
        ["push", "create", "delete", "release", "pull_request", "issue_comment", "check_run"]
    {
        assert!(said[event] > 0, "nothing was said by {event}: {said:?}");
    }
    assert_eq!((said["ping"], said["star"]), (0, 0));
}

/// A push moves, or removes, the reference that it names.
fn assert_push(example: &serde_json::Value, notices: &Notices) {
    let full = example["ref"].as_str().unwrap();
    match notices.notices.as_slice() {
        [Notice::Moved { repository, new, .. }] => {
            assert_eq!(new.map(|id| id.to_string()).as_deref(), example["after"].as_str());
            assert_eq!(repository.urls[0], example["repository"]["clone_url"].as_str().unwrap());
        }
        [Notice::Deleted { .. }] => assert_eq!(example["deleted"], true),
        other => panic!("{full}: {other:?}"),
    }
}

proptest! {
    #[test]
    fn nothing_but_the_right_signature_opens_a_door(body: Vec<u8>, signature in "[0-9a-f]{64}", kind in 0..5usize) {
        let kind = ForgeKind::ALL[kind];
        let prefixed = format!("sha256={signature}");
        let headers = [
            ("x-hub-signature-256", prefixed.as_str()), ("x-gitlab-token", &signature),
            ("x-pagure-signature-256", &signature), ("x-forgejo-signature", &signature),
            ("x-gitea-signature", &signature),
        ];
        let taken = receive(&hook(kind, &[SECRET]), &headers, &body);
        prop_assert_eq!(taken, Err(Rejected::BadSignature));
    }

    #[test]
    fn the_right_signature_always_does(body: Vec<u8>, key in "[!-~]{1,80}") {
        let signature = format!("sha256={}", mac(key.as_bytes(), &body));
        let taken = receive(&hook(ForgeKind::GitHub, &[&key]), &[("x-hub-signature-256", &signature)], &body);
        prop_assert_eq!(taken.unwrap().body, body);
    }

    #[test]
    fn any_json_is_read_without_a_panic(event in "[a-z_.-]{0,20}", text in "\\PC*") {
        for kind in ForgeKind::ALL {
            let body = serde_json::json!({"ref": text, "object_kind": event, "msg": {"branch": text}, "after": text});
            parse(kind, &event, body.to_string().as_bytes());
            parse(kind, "push", text.as_bytes());
        }
    }
}
