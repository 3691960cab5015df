//! Builds at Koji, when all goes well and when it does not.

use lockkeeper::build::koji::{Login, Mode};
use lockkeeper::build::{
    Build, BuildKind, BuildOrder, BuildSystem, By, Cancel, Ending, Observation, Others, Policy,
    Side, Source, Stage,
};

use crate::hub::{Step, Trouble};
use crate::yard::{COMMIT, NVR, Yard, build_mode, order, source};

/// Returns the code of a refusal.
fn refused(build: &Build) -> &str {
    match build.ending() {
        Some(Ending::Refused { refused }) => &refused.code,
        other => panic!("{other:#?}"),
    }
}

#[tokio::test]
async fn a_landed_commit_is_built_once_and_told_once() {
    let yard = Yard::new();
    yard.begin(order()).await;
    let task = yard.only_task();
    assert_eq!(yard.server.hub().tasks[0].request[0], dxr::Value::String(source()));
    yard.bring(task, Step::Started);
    yard.next().await;
    yard.bring(task, Step::Freed);
    yard.next().await;
    yard.bring(task, Step::Done);
    let build = yard.next().await;
    let Some(Ending::Succeeded { build: Some(built), by: By::Us, .. }) = build.ending() else {
        panic!("{build:#?}");
    };
    assert_eq!(built.nvr.as_str(), NVR);
    assert_eq!(built.url.as_deref(), Some("https://koji.example/koji/buildinfo?buildID=5000"));
    assert_eq!(yard.told().len(), 1);
    assert!(yard.bot().wake(yard.now()).unwrap().is_empty());
    // The same order again: it is on record, and nothing is asked of the hub.
    yard.server.hub().calls.clear();
    yard.begin(order()).await;
    assert_eq!(yard.server.hub().calls, [""; 0]);
    assert_eq!(yard.told().len(), 1);
}

#[tokio::test]
async fn a_failure_says_step_architecture_and_the_end_of_the_right_log() {
    let yard = Yard::new();
    yard.begin(order()).await;
    let words = "error building package (arch aarch64), mock exited with status 1; see build.log for more information";
    let log = (1..=2000).map(|line| format!("line {line}\n")).collect::<String>()
        + "error: no such thing\n";
    let failed = Step::Failed("buildArch", "aarch64", 1005, words, ("build.log", log));
    yard.bring(yard.only_task(), failed);
    let build = yard.next().await;
    let Some(Ending::FailedByPackage { failure }) = build.ending() else { panic!("{build:#?}") };
    assert_eq!((&*failure.step, &*failure.arch), ("buildArch", "aarch64"));
    assert_eq!(failure.message, words);
    assert_eq!(failure.url.as_deref(), Some("https://koji.example/koji/taskinfo?taskID=101"));
    let log = failure.log.as_ref().unwrap();
    assert_eq!(log.url.as_deref(), Some("https://pkgs.example/work/tasks/101/101/build.log"));
    assert!(log.text.ends_with("line 2000\nerror: no such thing"), "{}", log.text);
    assert_eq!(log.text.lines().count(), 40);
}

#[tokio::test]
async fn a_log_shorter_than_what_is_asked_for_is_brought_whole() {
    let yard = Yard::new();
    yard.begin(order()).await;
    let failed = Step::Failed(
        "buildSRPMFromSCM",
        "srpm",
        1005,
        "exit status 2",
        ("checkout.log", "short\n".to_owned()),
    );
    yard.bring(yard.only_task(), failed);
    let build = yard.next().await;
    let Some(Ending::FailedByPackage { failure }) = build.ending() else { panic!("{build:#?}") };
    let log = failure.log.as_ref().unwrap();
    assert_eq!((&*log.name, &*log.text), ("checkout.log", "short"));
}

#[tokio::test]
async fn what_the_builders_spoil_is_tried_again_after_a_rest_and_told_at_the_end_once() {
    let yard = Yard::new();
    let mut build = yard.begin(order()).await;
    for spoiled in 0..3 {
        let task = yard.server.hub().build_tasks().last().unwrap().id;
        let step = Step::Failed(
            "buildArch",
            "x86_64",
            1,
            "OSError: disk full",
            ("build.log", String::new()),
        );
        yard.bring(task, step);
        build = yard.next().await;
        assert_eq!(yard.server.hub().build_tasks().len(), spoiled + 1);
        if spoiled < 2 {
            assert!(matches!(build.stage, Stage::Resting { .. }), "{build:#?}");
            assert_eq!(yard.told(), []);
            yard.pass(3600);
            build = yard.next().await;
        }
    }
    let Some(Ending::FailedByInfrastructure { failure }) = build.ending() else {
        panic!("{build:#?}")
    };
    assert_eq!(failure.side, Side::Infrastructure);
    assert_eq!(yard.told().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_built_is_refused_before_anything_is_submitted() {
    type Change = fn(&mut crate::hub::Hub);
    let cases: [(&str, Change); 5] = [
        ("build-target-unknown", |hub| hub.targets.clear()),
        ("build-tag-locked", |hub| {
            hub.tags.insert("f44-updates-candidate".to_owned(), true);
        }),
        ("build-tag-locked", |hub| hub.tags.clear()),
        ("build-not-listed", |hub| hub.listed.clear()),
        ("build-blocked", |hub| {
            hub.listed.values_mut().for_each(|blocked| *blocked = true)
        }),
    ];
    for (code, change) in cases {
        let yard = Yard::new();
        change(&mut yard.server.hub());
        let build = yard.begin(order()).await;
        assert_eq!(refused(&build), code);
        assert_eq!(yard.server.hub().tasks.len(), 0, "{code}");
        assert_eq!(yard.told().len(), 1);
    }
}

#[tokio::test]
async fn somebody_elses_build_of_the_same_commit_is_followed_and_counts() {
    let yard = Yard::new();
    let carols = yard.server.hub().carol_builds(&source());
    yard.bring(carols, Step::Started);
    let build = yard.begin(order()).await;
    assert!(matches!(build.stage, Stage::Following { by: By::Others, .. }), "{build:#?}");
    yard.bring(carols, Step::Done);
    let build = yard.next().await;
    assert!(
        matches!(build.ending(), Some(Ending::Succeeded { by: By::Others, .. })),
        "{build:#?}"
    );
    assert_eq!(yard.only_task(), carols);
}

#[tokio::test]
async fn somebody_elses_build_that_fails_is_followed_by_our_own() {
    let yard = Yard::new();
    let carols = yard.server.hub().carol_builds(&source());
    yard.bring(carols, Step::Started);
    yard.begin(order()).await;
    yard.bring(
        carols,
        Step::Failed("buildArch", "x86_64", 1005, "no", ("build.log", String::new())),
    );
    yard.next().await;
    let tasks: Vec<i64> = yard.server.hub().build_tasks().iter().map(|task| task.id).collect();
    assert_eq!(tasks.len(), 2);
    yard.bring(tasks[1], Step::Done);
    let build = yard.next().await;
    assert!(
        matches!(build.ending(), Some(Ending::Succeeded { by: By::Us, .. })),
        "{build:#?}"
    );
}

#[tokio::test]
async fn somebody_elses_build_that_wins_the_race_is_taken_and_our_failure_not_told() {
    let yard = Yard::new();
    yard.begin(order()).await;
    let ours = yard.only_task();
    let carols = yard.server.hub().carol_builds(&source());
    yard.bring(carols, Step::Started);
    yard.bring(ours, Step::Started);
    let build = yard.next().await;
    assert!(matches!(build.stage, Stage::Following { by: By::Others, .. }), "{build:#?}");
    yard.bring(carols, Step::Done);
    let build = yard.next().await;
    assert!(
        matches!(build.ending(), Some(Ending::Succeeded { by: By::Others, .. })),
        "{build:#?}"
    );
}

#[tokio::test]
async fn an_nvr_that_another_commit_took_is_refused() {
    for finished_before in [true, false] {
        let yard = Yard::new();
        let other = "2".repeat(40);
        yard.server.hub().nvrs.insert(other.clone(), NVR.to_owned());
        let carols = yard.server.hub().carol_builds(&source().replace(COMMIT, &other));
        yard.bring(carols, Step::Started);
        if finished_before {
            yard.bring(carols, Step::Done);
        }
        let mut build = yard.begin(order()).await;
        if !finished_before {
            yard.bring(carols, Step::Done);
            build = yard.next().await;
        }
        assert_eq!(refused(&build), "build-nvr-taken");
        assert_eq!(yard.only_task(), carols);
    }
}

#[tokio::test]
async fn a_lost_answer_gives_one_task() {
    for trouble in [Trouble::LoseAnswer, Trouble::LoseRequest, Trouble::Page(502)] {
        let yard = Yard::new();
        yard.server.hub().trouble("build", [trouble]);
        let mut build = yard.begin(order()).await;
        for _ in 0..4 {
            yard.pass(60);
            build = yard.next().await;
        }
        assert!(
            matches!(build.stage, Stage::Following { by: By::Us, .. }),
            "{trouble:?} {build:#?}"
        );
        yard.only_task();
    }
}

#[tokio::test]
async fn an_expired_session_an_offline_hub_and_broken_connections_are_lived_through() {
    for method in ["getLoggedInUser", "multiCall", "listTasks", "login"] {
        for trouble in [Trouble::Offline, Trouble::LoseAnswer, Trouble::Page(503), Trouble::Expired]
        {
            if method == "login" && trouble == Trouble::Expired {
                continue;
            }
            let yard = Yard::new();
            yard.server.hub().trouble(method, [trouble]);
            yard.begin(order()).await;
            yard.only_task();
            yard.server.hub().expire_sessions();
            yard.bring(yard.only_task(), Step::Done);
            let build = yard.next().await;
            assert!(build.is_settled(), "{method} {trouble:?} {build:#?}");
        }
    }
}

#[tokio::test]
async fn a_session_that_expires_between_two_calls_is_renewed_and_build_is_sent_once() {
    let yard = Yard::new();
    yard.server.hub().trouble("build", [Trouble::Expired, Trouble::Offline]);
    let build = yard.begin(order()).await;
    assert!(matches!(build.stage, Stage::Intended { doubt: None }), "{build:#?}");
    yard.next().await;
    yard.only_task();
}

#[tokio::test]
async fn a_hub_that_is_gone_for_long_changes_nothing_and_is_asked_again() {
    let yard = Yard::new();
    yard.server.hub().trouble("multiCall", [Trouble::Page(503); 9]);
    let before = yard.begin(order()).await;
    for _ in 0..2 {
        yard.pass(600);
        assert_eq!(yard.next().await, before);
    }
    yard.next().await;
    yard.only_task();
}

#[tokio::test]
async fn older_hubs_take_the_session_in_the_query() {
    let yard = Yard::new();
    yard.server.hub().header_auth = false;
    yard.begin(order()).await;
    yard.only_task();
}

#[tokio::test]
async fn a_bot_that_lost_its_record_finds_its_task() {
    let yard = Yard::new();
    yard.begin(order()).await;
    let amnesiac = Yard { record: crate::yard::Record::default(), ..yard };
    let build = amnesiac.begin(order()).await;
    assert!(matches!(build.stage, Stage::Following { .. }), "{build:#?}");
    amnesiac.only_task();
}

#[tokio::test]
async fn a_validated_build_gets_the_wanted_tag_and_only_the_tag_on_it_is_success() {
    let yard = Yard::new();
    let tag = Some("f44".parse().unwrap());
    yard.begin(BuildOrder { validate: true, tag, ..order() }).await;
    yard.bring(yard.only_task(), Step::Done);
    let build = yard.next().await;
    assert!(matches!(build.stage, Stage::Validating { .. }), "{build:#?}");
    *yard.people.verdict.lock().unwrap() = Some(Ok(()));
    let build = yard.next().await;
    assert!(matches!(build.stage, Stage::Tagging { tagger: Some(_), .. }), "{build:#?}");
    assert!(!yard.next().await.told);
    yard.server.hub().run_tag_tasks();
    let build = yard.next().await;
    assert!(matches!(build.ending(), Some(Ending::Succeeded { .. })), "{build:#?}");
    assert_eq!(yard.server.hub().calls.iter().filter(|call| *call == "tagBuild").count(), 1);
}

#[tokio::test]
async fn a_tag_that_a_policy_withholds_is_told() {
    let yard = Yard::new();
    yard.server.hub().tagging_allowed = false;
    yard.begin(BuildOrder { tag: Some("f44".parse().unwrap()), ..order() }).await;
    yard.bring(yard.only_task(), Step::Done);
    yard.next().await;
    yard.server.hub().run_tag_tasks();
    assert_eq!(refused(&yard.next().await), "build-not-tagged");
}

#[tokio::test]
async fn a_build_waits_for_those_that_come_first() {
    let yard = Yard::new();
    *yard.people.others.lock().unwrap() = Others::NotYet;
    yard.begin(BuildOrder { after: vec!["libhello".parse().unwrap()], ..order() }).await;
    yard.next().await;
    assert_eq!(yard.server.hub().calls, [""; 0]);
    *yard.people.others.lock().unwrap() = Others::Built;
    yard.next().await;
    yard.only_task();
}

#[tokio::test]
async fn a_build_is_stopped_on_request_and_tried_again_on_request() {
    let yard = Yard::new();
    let build = yard.begin(order()).await;
    let bot = yard.bot();
    let build = bot.take_in(build, Observation::CancelAsked, yard.now()).unwrap();
    assert_eq!(build.cancel, Cancel::Asked);
    let build = yard.next().await;
    assert!(
        matches!(build.ending(), Some(Ending::Cancelled { asked: true, .. })),
        "{build:#?}"
    );
    assert_eq!(yard.server.hub().tasks[0].state, 3);
    bot.take_in(build, Observation::RetryAsked, yard.now()).unwrap();
    yard.next().await;
    assert_eq!(yard.server.hub().build_tasks().len(), 2);
}

#[tokio::test]
async fn a_scratch_build_uploads_its_source_package_and_leaves_no_build() {
    let yard = Yard::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hello-1.0-2.src.rpm");
    let content: Vec<u8> = (0..2_500_000_u32).map(|number| number as u8).collect();
    std::fs::write(&file, &content).unwrap();
    let scratch =
        BuildOrder { kind: BuildKind::Scratch, source: Source::SourcePackage(file), ..order() };
    let build = yard.begin(scratch).await;
    let task = yard.only_task();
    let uploads = yard.server.hub().uploads.clone();
    let (name, stored) = uploads.first_key_value().unwrap();
    assert_eq!(name, &format!("lockkeeper/{}/hello-1.0-2.src.rpm", build.run_id()));
    assert!(*stored == content);
    yard.bring(task, Step::Done);
    let build = yard.next().await;
    assert!(
        matches!(build.ending(), Some(Ending::Succeeded { build: None, .. })),
        "{build:#?}"
    );
}

#[tokio::test]
async fn a_follower_starts_nothing_and_finds_what_others_start_for_the_commit() {
    let yard = Yard::new();
    let policy = Policy { starts: false, ..Policy::default() };
    let bot = yard.bot_with(Mode::Follow, policy);
    let build = Build::new(order(), "f44-candidate".parse().unwrap(), None);
    let mut builds = [bot.take(build, yard.now()).unwrap()];
    bot.round(&mut builds, &yard.clock()).await.unwrap();
    assert_eq!(yard.server.hub().tasks.len(), 0);
    yard.server.hub().carol_builds(&source().replace(COMMIT, &"2".repeat(40)));
    let carols = yard.server.hub().carol_builds(&source());
    bot.round(&mut builds, &yard.clock()).await.unwrap();
    yard.bring(carols, Step::Done);
    bot.round(&mut builds, &yard.clock()).await.unwrap();
    assert!(
        matches!(builds[0].ending(), Some(Ending::Succeeded { by: By::Others, .. })),
        "{builds:#?}"
    );
}

#[tokio::test]
async fn who_may_not_build_is_told_so() {
    let yard = Yard::new();
    let priority = Some(-5);
    let bot = yard.bot_with(Mode::Build { priority, channel: None }, Policy::default());
    let build = Build::new(order(), "f44-candidate".parse().unwrap(), Some(NVR.parse().unwrap()));
    let mut builds = [bot.take(build, yard.now()).unwrap()];
    bot.round(&mut builds, &yard.clock()).await.unwrap();
    assert_eq!(refused(&builds[0]), "build-not-taken");
    let wrong = Login::Password { user: "bot".to_owned(), password: "wrong".to_owned() };
    let koji = yard.koji_as(build_mode(), wrong);
    let fault = koji.find(&builds[0]).await.unwrap_err();
    assert!(fault.to_string().contains("does not let us in"), "{fault}");
}
