//! A bot that dies anywhere, any number of times, at a hub that loses answers: never two tasks of one try, never two
//! builds of one NVR, never a build forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lockkeeper::build::koji::Koji;
use lockkeeper::build::{
    Build, BuildLog, BuildSystem, Built, Check, Driver, Ending, Failure, Policy, Seen, Submission,
    TagLabel, TagSeen, TaskId,
};
use lockkeeper::outcome::{Problem, Result};
use proptest::prelude::*;

use crate::hub::{Step, Trouble};
use crate::yard::{NVR, Record, Yard, build_mode, order, source};

/// Burns down with every effect; when it is out, the bot is dead and has no effect any more.
#[derive(Clone)]
struct Fuse(Arc<AtomicI64>);

impl Fuse {
    fn new(length: i64) -> Fuse {
        Fuse(Arc::new(AtomicI64::new(length)))
    }

    fn burn(&self) -> Result<()> {
        match self.0.fetch_sub(1, Ordering::Relaxed) > 0 {
            true => Ok(()),
            false => Err(Problem::temporary("dead", "the bot is dead").into()),
        }
    }
}

/// A record or a hub, as a mortal bot uses it: it may die before an effect and after it.
struct Mortal<T> {
    inner: T,
    fuse: Fuse,
}

impl BuildLog for Mortal<Record> {
    fn put(&self, build: &Build) -> Result<()> {
        self.fuse.burn()?;
        self.inner.put(build)?;
        self.fuse.burn()
    }

    fn get(&self, key: &str) -> Result<Option<Build>> {
        self.inner.get(key)
    }

    fn unsettled(&self) -> Result<Vec<Build>> {
        self.inner.unsettled()
    }
}

impl BuildSystem for Mortal<Koji> {
    async fn check(&self, build: &Build) -> Result<Check> {
        self.fuse.burn()?;
        self.inner.check(build).await
    }

    async fn find(&self, build: &Build) -> Result<Option<TaskId>> {
        self.fuse.burn()?;
        self.inner.find(build).await
    }

    async fn submit(&self, build: &Build) -> Submission {
        if self.fuse.burn().is_err() {
            return Submission::Doubtful;
        }
        let submission = self.inner.submit(build).await;
        match self.fuse.burn() {
            Ok(()) => submission,
            Err(_) => Submission::Doubtful,
        }
    }

    async fn poll(&self, builds: &[(&Build, TaskId)]) -> Result<Vec<Seen>> {
        self.fuse.burn()?;
        self.inner.poll(builds).await
    }

    async fn cancel(&self, task: &TaskId) -> Result<()> {
        self.inner.cancel(task).await
    }

    async fn logs(&self, task: &TaskId) -> Result<Failure> {
        self.inner.logs(task).await
    }

    async fn tag(&self, build: &Built, tag: &TagLabel, tagger: Option<&TaskId>) -> Result<TagSeen> {
        self.fuse.burn()?;
        let seen = self.inner.tag(build, tag, tagger).await?;
        self.fuse.burn()?;
        Ok(seen)
    }
}

/// One life of a bot: it takes the order up and goes some rounds, or dies before.
async fn live(yard: &Yard, fuse: i64, rounds: usize) {
    let fuse = Fuse::new(fuse);
    let system = Mortal { inner: yard.koji(build_mode()), fuse: fuse.clone() };
    let log = Mortal { inner: yard.record.clone(), fuse };
    let bot = Driver::new(system, log, yard.people.clone(), Policy::default());
    let tag = Some("f44".parse().unwrap());
    let ordered = lockkeeper::build::BuildOrder { tag, ..order() };
    let build = Build::new(ordered, "f44-candidate".parse().unwrap(), Some(NVR.parse().unwrap()));
    let Ok(build) = bot.take(build, yard.now()) else { return };
    let mut builds = [build];
    for _ in 0..rounds {
        yard.pass(100);
        if bot.round(&mut builds, &yard.clock()).await.is_err() {
            return;
        }
        yard.server.hub().run_tag_tasks();
    }
}

/// A last bot lives long, and the builders work: it must come to one build with its tag, and people must know.
async fn comes_to_one_build(yard: &Yard) {
    for _ in 0..8 {
        live(yard, i64::MAX, 2).await;
        let tasks: Vec<i64> = yard.server.hub().build_tasks().iter().map(|task| task.id).collect();
        tasks.into_iter().for_each(|task| yard.bring(task, Step::Done));
    }
    let told = yard.told();
    assert!(!told.is_empty());
    assert!(
        told.iter().all(|ending| matches!(ending, Ending::Succeeded { .. })),
        "{told:#?}"
    );
    let hub = yard.server.hub();
    let built: Vec<_> = hub.builds.iter().filter(|build| build.nvr == NVR).collect();
    assert_eq!(built.len(), 1);
    assert!(built[0].state == 1 && built[0].tags.contains("f44"), "{built:#?}");
}

fn our_tasks(yard: &Yard) -> usize {
    yard.server.hub().build_tasks().iter().filter(|task| task.owner == 1).count()
}

#[tokio::test]
async fn a_bot_that_dies_once_at_any_point_comes_to_one_task() {
    let mut longest = 0;
    for fuse in 0.. {
        let yard = Yard::new();
        live(&yard, fuse, 3).await;
        let settled = yard.told().len();
        comes_to_one_build(&yard).await;
        assert_eq!(our_tasks(&yard), 1, "died after {fuse} effects");
        longest = fuse;
        if settled == 0 && fuse > 20 {
            break;
        }
    }
    assert!(longest > 20, "the fuse reaches past the submission");
}

#[derive(Debug, Clone)]
struct Life {
    fuse: i64,
    rounds: usize,
    lost: Option<bool>,
    built: bool,
}

fn lives() -> impl Strategy<Value = Vec<Life>> {
    let one = (0_i64..25, 1_usize..4, proptest::option::of(any::<bool>()), any::<bool>());
    let life = one.prop_map(|(fuse, rounds, lost, built)| Life { fuse, rounds, lost, built });
    proptest::collection::vec(life, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bots_that_die_again_and_again_come_to_one_build(lives in lives(), carol in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let yard = Yard::new();
            for (count, life) in lives.iter().enumerate() {
                let trouble = life.lost.map(|after| if after { Trouble::LoseAnswer } else { Trouble::LoseRequest });
                yard.server.hub().trouble("build", trouble);
                live(&yard, life.fuse, life.rounds).await;
                if carol && count == 0 {
                    let carols = yard.server.hub().carol_builds(&source());
                    yard.bring(carols, Step::Started);
                }
                if life.built {
                    let tasks: Vec<i64> = yard.server.hub().build_tasks().iter().map(|task| task.id).collect();
                    tasks.into_iter().for_each(|task| yard.bring(task, Step::Done));
                }
            }
            comes_to_one_build(&yard).await;
            assert!(our_tasks(&yard) <= 1, "{:#?}", yard.server.hub().build_tasks());
        });
    }
}
