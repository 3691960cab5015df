//! What it costs to follow many builds, and how fast one is submitted.

use std::time::{Duration, Instant};

use lockkeeper::build::{Build, BuildOrder};

use crate::hub::Step;
use crate::yard::{Yard, order};

#[tokio::test]
async fn a_thousand_builds_are_followed_with_one_request_a_poll() {
    let yard = Yard::new();
    let bot = yard.bot();
    let mut builds: Vec<Build> = (0..1000_u32)
        .map(|number| {
            let commit = format!("{number:040x}").parse().unwrap();
            let source =
                BuildOrder::commit_source("https://src.example/hello.git", &commit).unwrap();
            let order = BuildOrder { commit, source, ..order() };
            let mut build = Build::new(order, "f44-candidate".parse().unwrap(), None);
            let task = yard.server.hub().carol_builds("x").to_string().parse().unwrap();
            build.stage =
                lockkeeper::build::Stage::Following { task, by: lockkeeper::build::By::Us };
            bot.take(build, yard.now()).unwrap()
        })
        .collect();
    bot.round(&mut builds, &yard.clock()).await.unwrap();
    yard.server.hub().calls.clear();
    let started = Instant::now();
    bot.round(&mut builds, &yard.clock()).await.unwrap();
    let taken = started.elapsed();
    assert_eq!(yard.server.hub().calls, ["multiCall"]);
    println!("1,000 builds followed: {taken:?} a poll, the fake hub's share included");
    // A poll each 45 s: one per cent of a core is 450 ms. The fake hub works in the same process.
    assert!(taken < Duration::from_secs(5), "{taken:?}");
}

#[tokio::test]
async fn a_landed_commit_is_a_task_soon() {
    let yard = Yard::new();
    let started = Instant::now();
    yard.begin(order()).await;
    let taken = started.elapsed();
    println!("from order to task: {taken:?}");
    yard.bring(yard.only_task(), Step::Done);
    assert!(taken < Duration::from_secs(2), "{taken:?}");
}
