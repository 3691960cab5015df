//! The load: `wrk` with signed bodies of 6 KB, each with an id of its own.

use std::fmt;
use std::process::Command;

use hmac::{Hmac, Mac};

use crate::{SECRET, Server};

/// How long each server is under load.
const SECONDS: u32 = 6;

/// What a server came to.
pub struct Measured {
    /// Deliveries for each second.
    pub rate: f64,
    p50: String,
    p99: String,
    processor: f64,
    load: String,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measured { rate, p50, p99, processor, load } = self;
        write!(f, "{rate:12.0}  {p50:>7}  {p99:>7}  {processor:12.1}  {load:>4}")
    }
}

/// As much as it takes.
pub fn full(server: &Server, connections: u32) -> Measured {
    measure(server, connections, 0)
}

/// About half of this rate: each of 64 connections waits between two deliveries, half as long again as one takes.
pub fn half(server: &Server, rate: f64) -> Measured {
    measure(server, 64, (1.5 * 64.0 * 1000.0 / rate).round() as u32)
}

fn measure(server: &Server, connections: u32, pause: u32) -> Measured {
    let script = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(script.path(), lua(pause)).expect("it can be written");
    let before = processor_seconds(server);
    let mut wrk = Command::new("wrk");
    wrk.args(["-t", "2", "-c", &connections.to_string(), "-d", &format!("{SECONDS}s")]);
    wrk.arg("--latency").arg("-s").arg(script.path());
    let output = wrk.arg(format!("http://{}/hooks/src", server.address)).output();
    let output = output.expect("wrk is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !said.contains("Non-2xx"), "{said}");
    let field = |name: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
        line.unwrap_or_else(|| panic!("wrk does not say {name}: {said}")).trim().to_owned()
    };
    let rate: f64 = field("Requests/sec:").parse().expect("a number");
    let used = processor_seconds(server) - before;
    Measured {
        rate,
        p50: field("50%"),
        p99: field("99%"),
        processor: used * 1e6 / (rate * f64::from(SECONDS)),
        load: load_average(),
    }
}

/// Returns how many processes wanted a processor in the last minute.
fn load_average() -> String {
    let averages = std::fs::read_to_string("/proc/loadavg").expect("it is Linux");
    averages.split_whitespace().next().expect("three figures").to_owned()
}

/// Returns how much of the processors a server has used.
fn processor_seconds(server: &Server) -> f64 {
    let path = format!("/proc/{}/stat", server.process.id());
    let stat = std::fs::read_to_string(path).expect("it runs");
    let after = stat.rsplit(')').next().expect("a line");
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks: f64 = [11, 12].map(|at| fields[at].parse::<f64>().expect("ticks")).iter().sum();
    ticks / 100.0
}

fn lua(pause: u32) -> String {
    let body = body();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET).expect("any length will do");
    mac.update(body.as_bytes());
    let digest = mac.finalize().into_bytes();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        r#"
local threads = 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
local count = 0
wrk.method = "POST"
wrk.body = '{body}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-GitHub-Event"] = "push"
wrk.headers["X-Hub-Signature-256"] = "sha256={hex}"
function request()
    count = count + 1
    -- Ids of forges are UUIDs: no order in the index.
    local mixed = (count * 2654435761) % 4294967296
    wrk.headers["X-GitHub-Delivery"] = string.format("%08x-%d-%d", mixed, number, count)
    return wrk.format()
end
{delay}
"#,
        delay = match pause {
            0 => String::new(),
            pause => format!("function delay() return {pause} end"),
        }
    )
}

/// Returns 6 KB of JSON.
fn body() -> String {
    let commits: Vec<String> = (0..40)
        .map(|number| {
            let text = format!("commit {number} of many, ").repeat(5);
            format!(r#"{{"id":"{number:040x}","message":"{text}"}}"#)
        })
        .collect();
    let after = "a".repeat(40);
    format!(
        r#"{{"ref":"refs/heads/main","after":"{after}","repository":{{"full_name":"pkg/hello",{}}},"commits":[{}]}}"#,
        r#""clone_url":"https://forge.example.org/pkg/hello.git""#,
        commits.join(",")
    )
}
