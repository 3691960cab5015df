//! The service and containers: a branch that names an image, from the delivery to the commit, and what was printed.

use crate::world::World;
use crate::world::container::variables;
use crate::world::images::{self, CUSTOM, scripted};
use crate::world::service::until;

#[test]
fn a_branch_that_names_a_container_is_served_and_its_log_is_kept() {
    images::build();
    let mut world = World::empty();
    world.opt_in(&format!("population:\n  container: {CUSTOM}\n  env: {{GREETING: all}}\n"));
    world.release();
    world.configure("population: {engine: podman}\n");
    let variables = variables();
    let shown: Vec<(&str, String)> =
        variables.iter().map(|(name, value)| (*name, value.display().to_string())).collect();
    let shown: Vec<(&str, &str)> =
        shown.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let service = world.serve_as("node", &shown);
    until("1.0 is published", || world.published_sources().len() == 1);
    assert!(world.file("MADE-BY").contains("greeting all"));
    world.opt_in(&scripted("echo loud and clear\n/bin/sh /populate", ""));
    let tip = world.commit("Go on", "README", "More.\n").to_string();
    assert_eq!(service.deliver_push(&world, &tip), 202);
    until("the next is published", || world.published_sources().first() == Some(&tip));
    // Another look may have followed, which had nothing to do.
    let landed = || {
        let shown = world.ops("node", &["jobs", "show", "hello", "f44"]).report;
        let runs = shown["runs"].as_array()?;
        let landed = |run: &&serde_json::Value| run["outcome"] == "landed";
        runs.iter().filter(landed).find(|run| run["source_commit"] == *tip).cloned()
    };
    until("the run has ended", || landed().is_some());
    let run = landed().unwrap();
    let log = run["log"].as_str().expect("it has a log");
    assert!(log.contains("/node/logs/local/hello/f44/"), "{log}");
    let kept = std::fs::read_to_string(log).unwrap();
    assert!(kept.contains("loud and clear"), "{kept}");
    let printed = world.ops("node", &["jobs", "logs", &run["id"].to_string()]).report;
    assert_eq!(printed["text"], kept.as_str());
    let none = world.ops("node", &["jobs", "logs", "1000000"]);
    assert_eq!(none.exit, Some(2), "{none:?}");
    assert_eq!(service.stop(), Some(0));
}
