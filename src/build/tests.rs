//! The pure half: from each state, what each observation leads to.

use std::time::Duration;

use jiff::Timestamp;

use super::*;

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

fn later(seconds: u64) -> Timestamp {
    now().checked_add(Duration::from_secs(seconds)).unwrap()
}

fn order() -> BuildOrder {
    let commit = "1".repeat(40).parse().unwrap();
    BuildOrder {
        package: "hello".parse().unwrap(),
        branch: "f44".parse().unwrap(),
        commit,
        source: BuildOrder::commit_source("https://src.example/hello.git", &commit).unwrap(),
        landed_at: now(),
        kind: BuildKind::Real,
        after: Vec::new(),
        validate: false,
        tag: None,
    }
}

fn at(stage: Stage) -> Build {
    let nvr = Some("hello-1.0-2.fc44".parse().unwrap());
    Build { stage, ..Build::new(order(), "f44-candidate".parse().unwrap(), nvr) }
}

fn task() -> TaskId {
    "7".parse().unwrap()
}

fn next(build: Build, seen: Observation, at: Timestamp) -> Build {
    step(build, seen, &Policy::default(), at).0
}

#[test]
fn whoever_wakes_up_while_submitting_searches_until_the_request_must_have_arrived() {
    let woken = next(at(Stage::Submitting { at: now() }), Observation::Woken, later(1));
    assert_eq!(woken.stage, Stage::Intended { doubt: Some(now()) });
    assert_eq!(wanted(&woken, later(1)), [Action::Find]);
    let still = next(woken.clone(), Observation::Found(None), later(179));
    assert_eq!(still, woken);
    let found = next(woken.clone(), Observation::Found(Some(task())), later(2));
    assert_eq!(found.stage, Stage::Following { task: task(), by: By::Us });
    let again = next(woken, Observation::Found(None), later(180));
    assert_eq!(again.stage, Stage::Submitting { at: later(180) });
}

#[test]
fn a_submission_leaves_only_after_a_search_that_found_nothing() {
    let clear =
        next(at(Stage::Checking { failed: None }), Observation::Checked(Check::Clear), now());
    assert_eq!(wanted(&clear, now()), [Action::Find]);
    let submitting = next(clear, Observation::Found(None), now());
    assert_eq!(wanted(&submitting, now()), [Action::Submit]);
    // What does not fit the state changes nothing.
    for odd in [Observation::Found(None), Observation::Tick, Observation::Checked(Check::Clear)] {
        assert_eq!(next(submitting.clone(), odd, now()), submitting);
    }
}

#[test]
fn every_state_but_a_told_ending_wants_something() {
    let built = Built { id: "1".to_owned(), nvr: "a-1-1".parse().unwrap(), url: None };
    let (task, by) = (task(), By::Us);
    let failure = Failure::default();
    let stages = [
        Stage::Awaiting,
        Stage::Checking { failed: None },
        Stage::Intended { doubt: Some(now()) },
        Stage::Submitting { at: now() },
        Stage::Following { task: task.clone(), by },
        Stage::Validating { build: built.clone(), task: Some(task.clone()), by },
        Stage::Tagging {
            build: built,
            task: Some(task),
            by,
            tag: "f44".parse().unwrap(),
            tagger: None,
        },
        Stage::Resting { until: later(9), failure },
        Stage::Ended { ending: Ending::Cancelled { task: None, asked: true } },
    ];
    for stage in stages {
        let build = at(stage);
        assert!(!wanted(&build, now()).is_empty(), "{build:?}");
        let json = serde_json::to_string(&build).unwrap();
        assert_eq!(serde_json::from_str::<Build>(&json).unwrap(), build);
    }
    let told = next(
        at(Stage::Ended { ending: Ending::Cancelled { task: None, asked: true } }),
        Observation::Told,
        now(),
    );
    assert!(told.is_settled() && wanted(&told, now()).is_empty());
}

#[test]
fn a_rest_ends_in_another_try_with_another_run_id() {
    let resting = at(Stage::Resting { until: later(600), failure: Failure::default() });
    assert_eq!(next(resting.clone(), Observation::Tick, later(599)), resting);
    let again = next(resting.clone(), Observation::Tick, later(600));
    assert_eq!((again.attempt, &again.stage), (2, &Stage::Checking { failed: None }));
    assert_ne!(again.run_id(), resting.run_id());
    assert_eq!(again.key(), resting.key());
}

#[test]
fn a_request_to_stop_ends_what_has_no_task_and_finds_what_may_have_one() {
    let stop = |stage| next(at(stage), Observation::CancelAsked, now());
    let over =
        |build: &Build| matches!(build.ending(), Some(Ending::Cancelled { asked: true, .. }));
    assert!(over(&stop(Stage::Awaiting)));
    assert!(over(&stop(Stage::Intended { doubt: None })));
    assert!(over(&stop(Stage::Following { task: task(), by: By::Others })));
    let doubtful = stop(Stage::Intended { doubt: Some(now()) });
    assert!(!over(&doubtful));
    assert!(over(&next(doubtful.clone(), Observation::Found(None), later(200))));
    let found = next(doubtful, Observation::Found(Some(task())), later(1));
    assert_eq!(wanted(&found, now()), [Action::Cancel(task()), Action::Poll(task())]);
}

#[test]
fn a_follower_never_submits() {
    let policy = Policy { starts: false, ..Policy::default() };
    let build = at(Stage::Intended { doubt: None });
    let (after, actions) = step(build.clone(), Observation::Found(None), &policy, now());
    assert_eq!((after, actions), (build, vec![Action::Find]));
}

#[test]
fn the_record_in_a_folder_keeps_what_is_not_settled_and_lets_one_process_in() {
    let folder = tempfile::tempdir().unwrap();
    let log = FolderLog::open(folder.path()).unwrap();
    let build = at(Stage::Submitting { at: now() });
    log.put(&build).unwrap();
    assert_eq!(log.get(&build.key()).unwrap(), Some(build.clone()));
    assert_eq!(log.unsettled().unwrap(), std::slice::from_ref(&build));
    assert!(FolderLog::open(folder.path()).unwrap_err().to_string().contains("another process"));
    let ending = Ending::Cancelled { task: None, asked: false };
    log.put(&Build { told: true, stage: Stage::Ended { ending }, ..build.clone() }).unwrap();
    assert_eq!(log.unsettled().unwrap(), []);
    drop(log);
    let log = FolderLog::open(folder.path()).unwrap();
    assert_eq!(log.get("nothing").unwrap(), None);
    std::fs::write(folder.path().join(format!("{}.json", build.key())), "{").unwrap();
    assert!(log.get(&build.key()).unwrap_err().to_string().contains("no record of a build"));
}
