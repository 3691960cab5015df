//! Claims: fair, one at a time, and fenced.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lockkeeper::database::{Claimed, Finished, JobState, Next, PushLeave, RunsOf};
use lockkeeper::queue::{BreakerPolicy, BreakerState, Metering, Policy, Scope, Switch, SwitchKind};

use crate::store::{LEASE, Store, at, failed, key, landed, message, message_key, node};

both! {
    packages_take_turns,
    a_dead_workers_job_is_claimed_again_and_the_zombie_is_told_no,
    a_lease_lasts_as_long_as_it_is_renewed,
    a_late_end_counts_while_nobody_else_has_the_job,
    a_node_that_begins_again_frees_what_it_had,
    a_job_that_takes_its_worker_along_comes_back_later_and_later,
    many_workers_on_two_nodes_claim_every_job_once,
    a_paused_branch_waits_and_others_go_on,
    a_pause_of_everything_is_told_to_the_worker,
    a_pause_stops_a_run_before_its_push,
    a_published_branch_waits_for_its_next_place,
    limits_hold_over_packages_and_everything_while_runs_go_on,
    a_throttle_is_kept_and_taken_away,
    the_breaker_opens_and_lets_one_probe_through,
    a_zombies_messages_are_not_sent,
}

async fn packages_take_turns(store: &Store) {
    store.request_all(&["aaa#f1", "aaa#f2", "aaa#f3", "bbb#f1", "bbb#f2", "ccc#f1"], 0).await;
    let mut order = Vec::new();
    while let Some(claim) = store.claim(1).await {
        order.push(format!("{}#{}", claim.key.package, claim.key.branch));
        if order.len() == 3 {
            // A package that was served comes to the end of the line, whenever it asks.
            store.request("ccc#f2", 1).await;
            store.request("ddd#f1", 1).await;
        }
    }
    let expected = ["aaa#f1", "bbb#f1", "ccc#f1", "ddd#f1", "aaa#f2", "bbb#f2", "ccc#f2", "aaa#f3"];
    assert_eq!(order, expected);
}

async fn a_dead_workers_job_is_claimed_again_and_the_zombie_is_told_no(store: &Store) {
    store.request("hello#f44", 0).await;
    let zombie = store.claim(0).await.unwrap();
    assert!(store.db.holds(&zombie, at(9)).await.unwrap());
    assert!(store.claim(9).await.is_none());
    assert!(!store.db.holds(&zombie, at(10)).await.unwrap(), "the lease ends by the clock");
    let heir = store.claim(10).await.expect("the lease has ended");
    assert!(heir.job == zombie.job && heir.run > zombie.run);
    assert!(!store.db.renew(&zombie, at(10)).await.unwrap());
    assert!(!store.db.holds(&zombie, at(5)).await.unwrap());
    assert_eq!(store.db.may_push(&zombie, at(5)).await.unwrap(), PushLeave::LeaseLost);
    let finished = store.db.finish(&zombie, landed(), at(11)).await.unwrap();
    assert_eq!(finished, Finished::LeaseLost);
    assert_eq!(store.db.may_push(&heir, at(11)).await.unwrap(), PushLeave::Granted);
    store.finish(&heir, landed(), 12).await;
    let runs = store.db.runs(&RunsOf::Job(heir.job), None, 9).await.unwrap();
    let outcomes: Vec<_> = runs.iter().map(|run| run.outcome.as_deref()).collect();
    assert_eq!(outcomes, [Some("landed"), Some("lost")]);
}

async fn a_lease_lasts_as_long_as_it_is_renewed(store: &Store) {
    store.request("hello#f44", 0).await;
    let claim = store.claim(0).await.unwrap();
    for second in [5, 14, 20] {
        assert!(store.db.renew(&claim, at(second)).await.unwrap());
        assert!(store.claim(second + 9).await.is_none());
    }
    assert!(!store.db.renew(&claim, at(30)).await.unwrap(), "too late");
}

async fn a_late_end_counts_while_nobody_else_has_the_job(store: &Store) {
    store.request("hello#f44", 0).await;
    let claim = store.claim(0).await.unwrap();
    store.finish(&claim, landed(), 60).await;
    let again = store.db.finish(&claim, landed(), at(61)).await.unwrap();
    assert_eq!(again, Finished::LeaseLost, "a run ends once");
}

async fn a_node_that_begins_again_frees_what_it_had(store: &Store) {
    store.request_all(&["hello#f44", "other#f44"], 0).await;
    let ours = store.claim(0).await.unwrap();
    let policy = Arc::new(Policy::default());
    let theirs = store.db.claim(&node("two"), LEASE, &policy, at(0)).await.unwrap();
    let Claimed::Job(theirs) = theirs else { panic!() };
    assert_eq!(store.db.free_leases_of(&node("one"), at(1)).await.unwrap(), 1);
    assert!(!store.db.holds(&ours, at(1)).await.unwrap());
    assert!(store.db.holds(&theirs, at(1)).await.unwrap());
    assert_eq!(store.claim(1).await.unwrap().job, ours.job);
}

async fn a_job_that_takes_its_worker_along_comes_back_later_and_later(store: &Store) {
    store.request("hello#f44", 0).await;
    let (mut second, mut waits) = (0, Vec::new());
    for _ in 0..4 {
        let began = second;
        while store.claim(second).await.is_none() {
            second += 1;
            assert!(second < 1000, "it never comes back");
        }
        waits.push(second - began);
    }
    assert_eq!(waits, [0, 10, 15, 20], "the lease, and then longer and longer");
}

async fn many_workers_on_two_nodes_claim_every_job_once(store: &Store) {
    for number in 0..120 {
        store.request(&format!("p{}#f{}", number % 40, number / 40), 0).await;
    }
    let nodes = [store.db.clone(), store.another_node().await];
    let mut workers = Vec::new();
    for worker in 0..6 {
        let (db, name) = (nodes[worker % 2].clone(), node(&format!("node-{}", worker % 2)));
        workers.push(tokio::spawn(async move {
            let (policy, mut done) = (Arc::new(Policy::default()), Vec::new());
            loop {
                match db.claim(&name, LEASE, &policy, at(1)).await.unwrap() {
                    Claimed::Job(claim) => {
                        done.push(claim.key.to_string());
                        let finished = db.finish(&claim, landed(), at(1)).await.unwrap();
                        assert_eq!(finished, Finished::Recorded);
                    }
                    Claimed::Nothing { look_again: Some(_), .. } => {}
                    Claimed::Nothing { look_again: None, .. } => return done,
                }
            }
        }));
    }
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for worker in workers {
        for key in worker.await.unwrap() {
            *times.entry(key).or_default() += 1;
        }
    }
    assert_eq!(times.len(), 120);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    assert!(store.jobs().await.is_empty());
}

fn switch(scope: Scope, kind: SwitchKind) -> Switch {
    let (reason, who) = ("mass rebuild".to_owned(), "ops".to_owned());
    Switch { scope, kind, reason, who, since: at(0) }
}

async fn a_paused_branch_waits_and_others_go_on(store: &Store) {
    store.request_all(&["hello#f44", "hello#f43", "other#f44"], 0).await;
    let [_, _, branch] = Scope::around(&key("hello#f44"));
    store.db.set_switch(switch(branch.clone(), SwitchKind::Pause)).await.unwrap();
    let mut claimed = Vec::new();
    while let Some(claim) = store.claim(1).await {
        claimed.push(claim.key.to_string());
    }
    assert_eq!(claimed, ["local/hello#f43", "local/other#f44"]);
    let job = &store.db.jobs_of(&key("hello#f44")).await.unwrap()[0];
    let why = "local/hello#f44 is paused by ops: mass rebuild".to_owned();
    assert_eq!(job.state, JobState::Delayed { until: None, held: Some(why) });
    store.request("hello#f44", 2).await;
    assert!(store.claim(2).await.is_none(), "news do not lift a pause");
    let cleared = store.db.clear_switch(&branch).await.unwrap();
    assert_eq!(cleared.unwrap().who, "ops");
    assert_eq!(store.claim(3).await.unwrap().key, key("hello#f44"));
    assert_eq!(store.db.clear_switch(&branch).await.unwrap(), None);
}

async fn a_pause_of_everything_is_told_to_the_worker(store: &Store) {
    store.request("hello#f44", 0).await;
    store.db.set_switch(switch(Scope::All, SwitchKind::Pause)).await.unwrap();
    let policy = Arc::new(Policy::default());
    let claimed = store.db.claim(&node("one"), LEASE, &policy, at(1)).await.unwrap();
    let Claimed::Nothing { look_again: None, held: Some(held) } = claimed else {
        panic!("{claimed:?}")
    };
    assert_eq!(held, "all is paused by ops: mass rebuild");
    assert_eq!(store.db.switches().await.unwrap().len(), 1);
    store.db.clear_switch(&Scope::All).await.unwrap();
    assert!(store.claim(2).await.is_some());
}

async fn a_pause_stops_a_run_before_its_push(store: &Store) {
    store.request("hello#f44", 0).await;
    let claim = store.claim(0).await.unwrap();
    let throttle = SwitchKind::Throttle("1/h".parse().unwrap());
    store.db.set_switch(switch(Scope::All, throttle)).await.unwrap();
    assert_eq!(store.db.may_push(&claim, at(1)).await.unwrap(), PushLeave::Granted);
    let [_, package, _] = Scope::around(&key("hello#f44"));
    store.db.set_switch(switch(package.clone(), SwitchKind::Pause)).await.unwrap();
    let leave = store.db.may_push(&claim, at(1)).await.unwrap();
    assert!(matches!(leave, PushLeave::Paused(switch) if switch.scope == package));
}

fn limits(per_branch: Option<&str>, per_package: Option<&str>, overall: Option<&str>) -> Policy {
    let rate = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    let metering = Metering {
        per_branch: rate(per_branch),
        per_package: rate(per_package),
        overall: rate(overall),
    };
    Policy { metering, breaker: None }
}

async fn a_published_branch_waits_for_its_next_place(store: &Store) {
    let policy = limits(Some("2/h"), None, None);
    for second in [0, 10] {
        store.request("hello#f44", second).await;
        let claim = store.claim_under(&policy, second).await.unwrap();
        store.finish(&claim, landed(), second).await;
    }
    store.request_all(&["hello#f44", "hello#f43"], 20).await;
    let other = store.claim_under(&policy, 20).await.unwrap();
    assert_eq!(other.key, key("hello#f43"));
    store.finish(&other, failed("unsigned-tip", Next::WaitForEvent), 21).await;
    assert!(store.claim_under(&policy, 3599).await.is_none());
    let job = &store.db.jobs_of(&key("hello#f44")).await.unwrap()[0];
    let JobState::Delayed { until, held: Some(held) } = &job.state else { panic!("{job:?}") };
    assert_eq!(*until, Some(at(3600)));
    assert_eq!(held, "metering for each branch allows 2/h");
    let counts = |text: &'static str| async move {
        let [all, package, branch] = Scope::around(&key(text));
        let mut counts = Vec::new();
        for scope in [all, package, branch] {
            counts.push(store.db.publications(&scope, at(30)).await.unwrap().hour);
        }
        counts
    };
    assert_eq!(counts("hello#f44").await, [2, 2, 2]);
    assert_eq!(counts("hello#f43").await, [2, 2, 0]);
    assert_eq!(counts("other#f43").await, [2, 0, 0]);
    let again = store.claim_under(&policy, 3600).await.expect("the first left the window");
    assert_eq!(again.key, key("hello#f44"));
}

async fn limits_hold_over_packages_and_everything_while_runs_go_on(store: &Store) {
    store.request_all(&["aaa#f1", "aaa#f2", "bbb#f1", "ccc#f1"], 0).await;
    let policy = limits(None, Some("1/h"), Some("2/h"));
    let first = store.claim_under(&policy, 0).await.unwrap();
    let second = store.claim_under(&policy, 0).await.unwrap();
    assert_eq!((first.key, second.key), (key("aaa#f1"), key("bbb#f1")));
    assert!(
        store.claim_under(&policy, 0).await.is_none(),
        "two that run will be two published"
    );
}

async fn a_throttle_is_kept_and_taken_away(store: &Store) {
    store.request("hello#f44", 0).await;
    let claim = store.claim(0).await.unwrap();
    store.finish(&claim, landed(), 0).await;
    let [_, package, _] = Scope::around(&key("hello#f44"));
    let throttle = SwitchKind::Throttle("1/d".parse().unwrap());
    store.db.set_switch(switch(package.clone(), throttle)).await.unwrap();
    store.request_all(&["hello#f43", "other#f44"], 1).await;
    assert_eq!(store.claim(1).await.unwrap().key, key("other#f44"));
    assert!(store.claim(2).await.is_none());
    store.db.clear_switch(&package).await.unwrap();
    assert_eq!(store.claim(3).await.unwrap().key, key("hello#f43"));
}

async fn the_breaker_opens_and_lets_one_probe_through(store: &Store) {
    let measures = BreakerPolicy { at_least: 3, probes: 1, ..BreakerPolicy::default() };
    let policy = Policy { metering: Metering::default(), breaker: Some(measures) };
    store.request_all(&["aaa#f1", "bbb#f1", "ccc#f1", "ddd#f1", "eee#f1"], 0).await;
    for second in 0..3 {
        let claim = store.claim_under(&policy, second).await.unwrap();
        store.finish(&claim, failed("spec-edit-failed", Next::WaitForEvent), second).await;
    }
    let BreakerState::Open { until, .. } = store.db.breaker().await.unwrap().state else {
        panic!()
    };
    assert_eq!(until, at(2 + 600));
    assert!(store.claim_under(&policy, 601).await.is_none());
    let probe = store.claim_under(&policy, 602).await.expect("one may try");
    assert!(store.claim_under(&policy, 602).await.is_none(), "one at a time");
    store.finish(&probe, landed(), 603).await;
    assert_eq!(store.db.breaker().await.unwrap().state, BreakerState::Closed);
    assert!(store.claim_under(&policy, 603).await.is_some());
}

async fn a_zombies_messages_are_not_sent(store: &Store) {
    store.request("hello#f44", 0).await;
    let zombie = store.claim(0).await.unwrap();
    let heir = store.claim(60).await.unwrap();
    let mut end = landed();
    end.messages = vec![message("commit-a", "from the zombie")];
    store.db.finish(&zombie, end.clone(), at(61)).await.unwrap();
    assert!(store.db.message(&message_key("commit-a")).await.unwrap().is_none());
    end.messages = vec![message("commit-a", "from the heir")];
    store.finish(&heir, end, 62).await;
    let due = store.db.due_messages(9, Duration::from_secs(30), at(62)).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].payload["text"], "from the heir");
}
