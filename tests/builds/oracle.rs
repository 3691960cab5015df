//! The judge of the fake hub: Koji's own client library works with it.
//!
//! `tests/run` brings the library, at one exact version, into `target/koji-client`, or the distribution's own is there.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::hub::{HubServer, Step, Trouble};
use crate::yard::{COMMIT, NVR, source};

/// Returns the folder into which `tests/run` brings the library.
fn library() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    target.unwrap_or_else(|| root.join("target")).join("koji-client")
}

#[test]
fn kojis_own_client_works_with_the_fake_hub() {
    let server = HubServer::start();
    server.hub().nvrs.insert(COMMIT.to_owned(), NVR.to_owned());
    server.hub().nvrs.insert(format!("2{}", &COMMIT[1..]), "hello-1.0-3.fc44".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/builds/koji_client.py");
    let mut python = Command::new("python3");
    python.arg(script).args([&server.url(), &source(), NVR]).env("PYTHONPATH", library());
    for proxy in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        python.env_remove(proxy);
    }
    let mut child =
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 is installed");
    let mut answer = child.stdin.take().unwrap();
    let mut last = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        last = line.unwrap();
        if last == "all of it" {
            continue;
        }
        act(&server, &last);
        answer.write_all(b"done\n").expect("the client waits for it");
    }
    drop(answer);
    let status = child.wait().unwrap();
    assert!(
        status.success() && last == "all of it",
        "{status}, after {last:?}; tests/run brings Koji's client"
    );
}

/// Does what the client asks of the builders.
fn act(server: &HubServer, what: &str) {
    let mut hub = server.hub();
    let task = hub.build_tasks().last().map_or(0, |task| task.id);
    let log = ("build.log", "first\nerror\n".to_owned());
    match what {
        "start" => hub.bring(task, Step::Started),
        "finish" => hub.bring(task, Step::Done),
        "fail" => hub.bring(task, Step::Started),
        "break" => hub.bring(task, Step::Failed("buildArch", "x86_64", 1005, "see build.log", log)),
        "tag" => hub.run_tag_tasks(),
        "expire" => hub.expire_sessions(),
        "old" => hub.header_auth = false,
        "offline" => hub.trouble("getTag", [Trouble::Offline]),
        other => panic!("{other}"),
    }
}
