//! Containers that take too much: each is stopped with all that it started, and told by name.

use std::time::{Duration, Instant};

use lockkeeper::container::{Bytes, ExitKind, Ran, Time};

use crate::world::container::Containers;

/// Returns the code that a run is refused with.
fn code(ran: Ran) -> String {
    match ran.done() {
        Ok(ran) => panic!("it was done: {ran:?}"),
        Err(lockkeeper::outcome::Fault::Refused(refusal)) => refusal.code.to_string(),
        Err(fault) => panic!("{fault:?}"),
    }
}

#[tokio::test]
async fn memory_over_the_limit_ends_it() {
    let mut world = Containers::new();
    world.options.limits.memory = Bytes::mib(64);
    world.options.limits.time = Time(Duration::from_secs(30));
    let ran = world.run("echo begun; dd if=/dev/zero of=/dev/null bs=200M count=1").await;
    assert_eq!(ran.exit, ExitKind::OutOfMemory, "{ran:?}");
    assert_eq!(ran.log.tail.first().map(String::as_str), Some("begun"));
    assert_eq!(code(ran), "container-out-of-memory");
}

#[tokio::test]
async fn what_is_written_to_tmp_is_bounded() {
    let mut world = Containers::new();
    world.options.limits.memory = Bytes::mib(32);
    world.options.limits.output = Bytes::mib(64);
    let said = world
        .printed("dd if=/dev/zero of=/tmp/a bs=1M count=24 2>/dev/null; echo $?; ls -l /tmp")
        .await;
    assert!(said.starts_with("1\n") && said.contains("16777216"), "{said}");
}

#[tokio::test]
async fn time_over_the_limit_ends_it_and_all_that_it_started() {
    let mut world = Containers::new();
    world.options.limits.time = Time(Duration::from_secs(2));
    let begun = Instant::now();
    let ran = world.run("sleep 3333 & sleep 3334 & (sleep 3335 & sleep 3336); wait").await;
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert_eq!(code(ran), "container-timeout");
    assert_eq!(world.leftovers(), [""; 0]);
    assert_eq!(sleepers(&["3333", "3334", "3335", "3336"]), 0);
}

/// Returns how many `sleep` processes of these times there are on the machine.
fn sleepers(times: &[&str]) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let is_ours = |line: &Vec<u8>| {
        let line = String::from_utf8_lossy(line).into_owned();
        times.iter().any(|time| line == format!("sleep\0{time}\0"))
    };
    lines.filter(is_ours).count()
}

#[tokio::test]
async fn processor_time_over_the_limit_ends_it() {
    let mut world = Containers::new();
    world.options.limits.cpu_time = Time(Duration::from_secs(1));
    let ran = world.run("sh -c 'while :; do :; done'; exit $?").await;
    assert_eq!(ran.exit, ExitKind::TimedOut, "{ran:?}");
}

#[tokio::test]
async fn a_fork_bomb_ends_with_its_container() {
    let mut world = Containers::new();
    world.options.limits.processes = 32;
    world.options.limits.time = Time(Duration::from_secs(2));
    let ran = world.run("bomb() { bomb | bomb & }; bomb; wait; sleep 3337").await;
    assert_ne!(ran.exit, ExitKind::Done);
    assert_eq!(world.leftovers(), [""; 0]);
    assert_eq!(sleepers(&["3337"]), 0);
}

#[tokio::test]
async fn more_processes_than_allowed_are_not_had() {
    let mut world = Containers::new();
    world.options.limits.processes = 16;
    let ran = world.run("for i in $(seq 30); do sleep 2 & done; echo all; wait").await;
    assert_ne!(ran.exit, ExitKind::Done, "{ran:?}");
    assert!(!ran.log.tail.iter().any(|line| line == "all"), "{ran:?}");
}

#[tokio::test]
async fn a_flood_of_files_is_stopped_while_it_runs() {
    let mut world = Containers::new();
    world.options.limits.output_files = 500;
    let begun = Instant::now();
    let script = "cd /output; i=0; while :; do : >f$i; i=$((i + 1)); done";
    let ran = world.run(script).await;
    let words = "more than 500 files and folders".to_owned();
    assert_eq!(ran.exit, ExitKind::OutputTooLarge { what: words }, "{ran:?}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(code(ran), "output-too-large");
}

#[tokio::test]
async fn many_files_together_are_too_large() {
    let world = Containers::new();
    let script =
        "cd /output; for i in 1 2 3 4 5; do dd if=/dev/zero of=f$i bs=1M count=6; done; sleep 50";
    let ran = world.run(script).await;
    assert_eq!(ran.exit, ExitKind::OutputTooLarge { what: "more than 16MiB".to_owned() });
}

#[tokio::test]
async fn one_file_is_never_larger_than_all_may_be() {
    let world = Containers::new();
    let ran = world.run("dd if=/dev/zero of=/output/f bs=1M count=40").await;
    assert_ne!(ran.exit, ExitKind::Done, "{ran:?}");
    let length = std::fs::metadata(world.path("output/f")).unwrap().len();
    assert_eq!(length, 16 << 20);
}

#[tokio::test]
async fn a_flood_of_words_is_cut_and_the_end_is_known() {
    let mut world = Containers::new();
    world.options.limits.log = Bytes(10_000);
    let ran = world.run("yes all work and no play | head -n 200000; echo the end; exit 64").await;
    let length = std::fs::metadata(&ran.log.path).unwrap().len();
    assert!(ran.log.is_cut && length < 10_200, "{length}");
    assert!(ran.log.printed > 4_000_000);
    assert_eq!(ran.exit, ExitKind::Refused { last_line: "the end".to_owned() });
}

#[tokio::test]
async fn stdout_that_is_the_product_has_a_cap() {
    let world = Containers::new();
    let ran = world.run("yes | head -c 2000000").await;
    assert_eq!(code(ran), "output-too-large");
}
