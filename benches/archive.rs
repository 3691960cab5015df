//! One archive written, read back and proved: what `benches/archive.sh` measures.
//!
//! `archive write|prove REPOSITORY fetched|in-place FILE WORKERS`; `write` only writes FILE, `prove` does
//! the same and then proves it. Run without arguments, as `cargo bench` does, it only says so.

#![allow(clippy::disallowed_methods, reason = "a benchmark asks the real tools")]

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use lockkeeper::git::{Store, Trust};
use lockkeeper::populate::archive::{prove, write};

const PREFIX: &str = "bench-1/";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let [action, repository, trust, file, workers] = &arguments[..] else {
        println!("run benches/archive.sh");
        return Ok(());
    };
    let trust = if trust == "in-place" { Trust::InPlace } else { Trust::Fetched };
    let store = Store::open(Path::new(repository), trust)?;
    let commit = store.objects().commit(&head(repository)?.parse()?)?;
    let mut out = BufWriter::new(File::create(file)?);
    let (mut calls, mut peak) = (0_u64, 0);
    let mut sample = |_| {
        calls += 1;
        if calls % 16 == 1 {
            peak = peak.max(own_memory());
        }
    };
    let written = write(&store, &commit, PREFIX, &mut out, workers.parse()?, Some(&mut sample))?;
    if action == "prove" {
        let start = Instant::now();
        let identity = prove(File::open(file)?, &store, &commit, &written, PREFIX)?;
        println!("files {}\nprove {:.3}", identity.files, start.elapsed().as_secs_f64());
    }
    println!("size {}\nsha512 {}\npeak {}", written.size, written.sha512, peak.div_ceil(1024));
    Ok(())
}

fn head(repository: &str) -> Result<String, Box<dyn Error>> {
    let output =
        Command::new("git").args(["--git-dir", repository, "rev-parse", "HEAD"]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Reads from the kernel how many KiB this process has of its own just now: the repository's mapped packs,
/// which the kernel drops when it needs the room, are not counted.
fn own_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
}
