//! Deliveries for each second, beside a bare program that does nothing else: `cargo bench --bench intake`.
//!
//! Two servers take the same signed deliveries over loopback from `wrk`, in turns: `bare` is axum, HMAC and one
//! prepared statement of SQLite on a thread of its own ([`bare`]); `ours` is axum, HMAC and
//! `Database::store_delivery`. Both write through to the disk (WAL, `synchronous=FULL`) in groups of at most 256.
//! Further words: `claims` measures claims instead; a number is how many rounds.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads clocks and starts programs")]

mod bare;
mod claims;
mod doors;
mod load;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// What both servers share with `wrk`.
pub const SECRET: &[u8] = b"a secret of some length";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", which, folder] => doors::serve(which, folder.as_ref()),
        ["claims"] => claims::measure(),
        [] => compare(3),
        [rounds] => compare(rounds.parse().expect("a number of rounds, or `claims`")),
        _ => panic!("no such words: {words:?}"),
    }
}

/// Lets each server take deliveries in turns, and prints what each came to.
fn compare(rounds: usize) {
    println!("which  connections  deliveries/s      p50      p99   CPU us each");
    for connections in [64, 8] {
        for _ in 0..rounds {
            for which in ["bare", "ours"] {
                let measured = with_server(which, |server| load::full(server, connections));
                println!("{which:5}  {connections:11}  {measured}");
            }
        }
    }
    println!("at about half of what `ours` takes, 64 connections:");
    for _ in 0..rounds {
        for which in ["bare", "ours"] {
            println!("{which:5}  {:11}  {}", 64, with_server(which, load::half));
        }
    }
}

/// A server in a process of its own.
pub struct Server {
    pub address: String,
    pub process: Child,
}

fn with_server<T>(which: &str, work: impl Fn(&Server) -> T) -> T {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on a disk");
    let mut server = Command::new(std::env::current_exe().expect("it runs"));
    server.arg("serve").arg(which).arg(folder.path()).stdout(Stdio::piped());
    let mut process = server.spawn().expect("it can be started");
    let mut address = String::new();
    let output = process.stdout.take().expect("it is piped");
    BufReader::new(output).read_line(&mut address).expect("it says where it listens");
    let mut server = Server { address: address.trim().to_owned(), process };
    let result = work(&server);
    server.process.kill().expect("it was running");
    server.process.wait().expect("it has ended");
    result
}
