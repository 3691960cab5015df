//! How long it takes to read a container's output of 50,000 files as hostile: `cargo bench --bench output`.
//!
//! The files lie in the page cache, as they do right after a container wrote them.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures time and makes its own world")]

use std::time::Instant;

use lockkeeper::container;
use lockkeeper::populate::contained::output::{Limits, harvest};

const FILES: usize = 50_000;
const FOLDERS: usize = 500;
const ROUNDS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("output");
    for number in 0..FILES {
        let below = output.join(format!("dist-git/folder-{}", number % FOLDERS));
        std::fs::create_dir_all(&below).expect("a folder");
        std::fs::write(
            below.join(format!("file-{number}")),
            format!("content {number}\n").repeat(20),
        )
        .expect("a file");
    }
    let limits: Limits = (&container::Limits::default()).into();
    let before = processor_ms();
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            let harvested = harvest(&output, folder.path(), &limits).expect("it is taken");
            assert_eq!(harvested.files.len(), FILES);
            started.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    let processor = (processor_ms() - before) / ROUNDS as u64;
    times.sort_by(f64::total_cmp);
    let median = times[ROUNDS / 2];
    println!(
        "{FILES} files in {FOLDERS} folders, {ROUNDS} rounds: median {median:.0} ms, processor time {processor} ms"
    );
}

/// Returns the processor time of this process: on a busy machine the figure to trust.
fn processor_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells it");
    let after_name = stat.rsplit(") ").next().expect("the name stands in parentheses");
    let fields: Vec<u64> = after_name.split(' ').map(|field| field.parse().unwrap_or(0)).collect();
    // In ticks of a hundredth of a second: user and system time.
    (fields[11] + fields[12]) * 10
}
