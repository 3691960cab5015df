//! Deliveries for each second, beside a bare program that does nothing else: `cargo bench --bench intake`.
//!
//! Servers take the same signed deliveries over loopback from `wrk`, in turns: `bare` is axum, HMAC and one prepared
//! statement of SQLite on a thread of its own ([`bare`]); `ours` is the doors of `serve`: connections, routes, proof,
//! `Database::store_delivery`; `whole` has the sorter behind them. All write through to the disk (WAL,
//! `synchronous=FULL`) in groups of at most 256. Further words: a number is how many rounds; `fsyncs` counts them with
//! `strace`; `claims` measures claims instead.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads clocks and starts programs")]

mod bare;
mod claims;
mod doors;
mod load;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What both servers share with `wrk`.
pub const SECRET: &[u8] = b"a secret of some length";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", which, folder] => doors::serve(which, folder.as_ref()),
        ["claims"] => claims::measure(),
        ["fsyncs"] => fsyncs(),
        [] => compare(3),
        [rounds] => compare(rounds.parse().expect("a number of rounds, `claims` or `fsyncs`")),
        _ => panic!("no such words: {words:?}"),
    }
}

/// Lets each server take deliveries in turns, and prints what each came to.
fn compare(rounds: usize) {
    println!("which  connections  deliveries/s      p50      p99   CPU us each  load");
    let mut rates = Vec::new();
    for connections in [8, 64] {
        rates.clear();
        for round in 0..rounds {
            for which in in_turns(round) {
                let measured = with_server(which, |server| load::full(server, connections));
                println!("{which:5}  {connections:11}  {measured}");
                rates.extend((which == "ours").then_some(measured.rate));
            }
        }
    }
    let rate = rates.iter().sum::<f64>() / rates.len() as f64;
    println!("at about half of what `ours` takes, 64 connections:");
    for round in 0..rounds {
        for which in in_turns(round) {
            println!(
                "{which:5}  {:11}  {}",
                64,
                with_server(which, |server| load::half(server, rate))
            );
        }
    }
}

/// Returns the servers in another order each time.
fn in_turns(round: usize) -> [&'static str; 3] {
    let mut servers = ["bare", "ours", "whole"];
    servers.rotate_left(round % 3);
    servers
}

/// Counts how often the kernel is asked to write through, beside how many groups were written.
fn fsyncs() {
    for which in ["ours", "whole"] {
        let counts = tempfile::NamedTempFile::new().expect("a file");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-c", "-e", "trace=fsync,fdatasync", "-o"]).arg(counts.path());
        strace.arg(std::env::current_exe().expect("it runs"));
        let mut server = Server::start(strace, which);
        println!("{which}: {}", load::full(&server, 64));
        println!("groups and changes in them: {}", server.end());
        println!("{}", std::fs::read_to_string(counts.path()).expect("strace has counted"));
    }
}

fn with_server<T>(which: &str, work: impl Fn(&Server) -> T) -> T {
    let program = Command::new(std::env::current_exe().expect("it runs"));
    let mut server = Server::start(program, which);
    let result = work(&server);
    server.end();
    result
}

/// A server in a process of its own.
pub struct Server {
    pub address: String,
    pub process: Child,
    said: BufReader<ChildStdout>,
    /// Its database; gone with it.
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(mut program: Command, which: &str) -> Server {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on a disk");
        program.arg("serve").arg(which).arg(folder.path());
        program.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = program.spawn().expect("it can be started");
        let said = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut server = Server { address: String::new(), process, said, _folder: folder };
        server.address = server.line();
        server
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("it says something");
        line.trim().to_owned()
    }

    /// Ends it, and returns what it says then.
    fn end(&mut self) -> String {
        drop(self.process.stdin.take());
        let said = self.line();
        self.process.wait().expect("it has ended");
        said
    }
}
