//! Jobs: what is asked anew is absorbed, and failures wait.

use lockkeeper::database::{CAUSES, Finished, JobRequest, JobState, Next, Requested, RunsOf};
use lockkeeper::queue::Cause;

use crate::store::{Store, at, failed, key, landed};

both! {
    newer_requests_are_absorbed,
    a_request_for_later_waits_and_one_for_now_brings_it_forward,
    a_job_remembers_some_of_its_causes,
    a_failed_job_waits_under_its_own_number,
    a_request_during_a_run_does_the_work_of_its_retry,
    a_person_makes_failures_forgotten,
    a_waiting_job_can_be_cancelled_and_a_running_one_cannot,
    a_finished_run_is_history,
    the_history_is_pruned_but_the_latest_run_stays,
}

fn person() -> Cause {
    Cause::Person { who: "alice".to_owned() }
}

async fn newer_requests_are_absorbed(store: &Store) {
    assert_eq!(store.request("hello#f44", 0).await, Requested::New);
    assert_eq!(store.request("hello#f44", 5).await, Requested::Absorbed);
    assert_eq!(store.request("hello#f43", 5).await, Requested::New);
    let jobs = store.db.jobs_of(&key("hello#f44")).await.unwrap();
    assert_eq!(jobs.len(), 1);
    assert_eq!((jobs[0].absorbed, jobs[0].requested_at, jobs[0].updated_at), (1, at(0), at(5)));
    assert_eq!(store.db.job(jobs[0].id).await.unwrap().as_ref(), Some(&jobs[0]));
}

async fn a_request_for_later_waits_and_one_for_now_brings_it_forward(store: &Store) {
    let later = JobRequest { key: key("hello#f44"), cause: Cause::Index, not_before: at(100) };
    store.db.request(later, at(0)).await.unwrap();
    assert!(store.claim(99).await.is_none());
    store.request("hello#f44", 50).await;
    let claim = store.claim(50).await.expect("it was brought forward");
    assert_eq!(claim.causes, [Cause::Index, Cause::Reconcile]);
}

async fn a_job_remembers_some_of_its_causes(store: &Store) {
    for number in 0..50 {
        let id = format!("id-{number}").parse().unwrap();
        let cause = Cause::Delivery { hook: "src".parse().unwrap(), id };
        let wanted = JobRequest { key: key("hello#f44"), cause, not_before: at(0) };
        store.db.request(wanted, at(number)).await.unwrap();
    }
    let causes = store.claim(100).await.unwrap().causes;
    assert_eq!(causes.len(), CAUSES);
    let named = |number: usize| serde_json::to_string(&causes[number]).unwrap();
    assert!(named(0).contains("id-0\"") && named(CAUSES - 1).contains("id-49"), "{causes:?}");
}

async fn a_failed_job_waits_under_its_own_number(store: &Store) {
    store.request("hello#f44", 0).await;
    let claim = store.claim(1).await.unwrap();
    let next = Next::RetryAt { at: at(60), attempts: 1 };
    store.finish(&claim, failed("unreachable", next), 2).await;
    let job = store.db.job(claim.job).await.unwrap().unwrap();
    assert_eq!(job.state, JobState::Delayed { until: Some(at(60)), held: None });
    assert!(store.claim(59).await.is_none());
    let again = store.claim(60).await.unwrap();
    assert_eq!((again.job, again.attempts), (claim.job, 1));
    assert!(again.run > claim.run, "fences only go up");
}

async fn a_request_during_a_run_does_the_work_of_its_retry(store: &Store) {
    store.request("hello#f44", 0).await;
    let claim = store.claim(1).await.unwrap();
    assert_eq!(store.request("hello#f44", 2).await, Requested::New);
    assert!(store.claim(2).await.is_none(), "one job of a branch runs at a time");
    let next = Next::RetryAt { at: at(60), attempts: 1 };
    store.finish(&claim, failed("unreachable", next), 3).await;
    assert_eq!(store.jobs().await, ["local/hello#f44"]);
    let newer = store.claim(4).await.expect("the newer one waits for nothing");
    assert_ne!(newer.job, claim.job);
}

async fn a_person_makes_failures_forgotten(store: &Store) {
    store.request("hello#f44", 0).await;
    let claim = store.claim(1).await.unwrap();
    let next = Next::RetryAt { at: at(600), attempts: 5 };
    store.finish(&claim, failed("unreachable", next), 2).await;
    store.request("hello#f44", 3).await;
    assert_eq!(store.db.job(claim.job).await.unwrap().unwrap().attempts, 5);
    let wanted = JobRequest { key: key("hello#f44"), cause: person(), not_before: at(4) };
    assert_eq!(store.db.request(wanted, at(4)).await.unwrap(), Requested::Absorbed);
    assert_eq!(store.claim(4).await.unwrap().attempts, 0);
}

async fn a_waiting_job_can_be_cancelled_and_a_running_one_cannot(store: &Store) {
    store.request_all(&["hello#f44", "other#f44"], 0).await;
    let claim = store.claim(1).await.unwrap();
    let other = store.db.jobs_of(&key("other#f44")).await.unwrap()[0].id;
    assert!(store.db.cancel(other).await.unwrap());
    assert!(!store.db.cancel(other).await.unwrap());
    assert!(!store.db.cancel(claim.job).await.unwrap());
    assert_eq!(store.jobs().await, ["local/hello#f44"]);
}

async fn a_finished_run_is_history(store: &Store) {
    let id = "0123456789012345678901234567890123456789".parse().unwrap();
    for second in 0..3 {
        store.request("hello#f44", second).await;
        let claim = store.claim(second).await.unwrap();
        let mut end = landed();
        (end.source_commit, end.evr) = (Some(id), Some("0:1.0-1".to_owned()));
        store.finish(&claim, end, second).await;
    }
    assert!(store.jobs().await.is_empty());
    let of = RunsOf::Branch(key("hello#f44"));
    let first = store.db.runs(&of, None, 2).await.unwrap();
    let second = store.db.runs(&of, Some(first[1].id), 2).await.unwrap();
    assert_eq!((first.len(), second.len()), (2, 1));
    assert_eq!(first[0].finished_at, Some(at(2)));
    let run = store.db.run(first[0].id).await.unwrap().unwrap();
    assert_eq!(run.report, Some(serde_json::json!({"outcome": "some"})));
    assert_eq!((run.source_commit, run.evr.as_deref()), (Some(id), Some("0:1.0-1")));
    assert_eq!((run.outcome.as_deref(), run.next.as_deref()), (Some("landed"), Some("done")));
    let of_job = store.db.runs(&RunsOf::Job(run.job), None, 9).await.unwrap();
    assert_eq!((of_job.len(), of_job[0].id), (1, run.id));
    assert!(store.db.runs(&RunsOf::Branch(key("other#f44")), None, 9).await.unwrap().is_empty());
    assert_eq!(store.db.runs(&RunsOf::All, None, 9).await.unwrap().len(), 3);
}

async fn the_history_is_pruned_but_the_latest_run_stays(store: &Store) {
    for second in 0..3 {
        store.request("hello#f44", second).await;
        let claim = store.claim(second).await.unwrap();
        let finished = store.db.finish(&claim, landed(), at(second)).await.unwrap();
        assert_eq!(finished, Finished::Recorded);
    }
    assert_eq!(store.db.prune_runs(at(100)).await.unwrap(), 2 + 3);
    assert_eq!(store.db.runs(&RunsOf::All, None, 9).await.unwrap().len(), 1);
}
