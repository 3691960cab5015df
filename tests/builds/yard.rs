//! The yard: a hub, a bot that was just started, a record that outlives it, and a clock that the test turns.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use lockkeeper::build::koji::{HubAddress, Koji, Login, Mode, Pages};
use lockkeeper::build::{
    Around, Build, BuildKind, BuildLog, BuildOrder, Built, Driver, Ending, Others, Policy, Refused,
};
use lockkeeper::http::{Backoff, Timeouts};
use lockkeeper::names::PackageName;
use lockkeeper::outcome::Result;

use crate::hub::{HubServer, Step};

/// The commit that is built, and what its spec says it is.
pub const COMMIT: &str = "1111111111111111111111111111111111111111";
pub const NVR: &str = "hello-1.0-2.fc44";

/// A record in memory, which outlives the bots of a test. It keeps text, as a file would.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<BTreeMap<String, String>>>);

impl BuildLog for Record {
    fn put(&self, build: &Build) -> Result<()> {
        let json = serde_json::to_string(build).unwrap();
        self.0.lock().unwrap().insert(build.key(), json);
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<Build>> {
        Ok(self.0.lock().unwrap().get(key).map(|json| serde_json::from_str(json).unwrap()))
    }

    fn unsettled(&self) -> Result<Vec<Build>> {
        let all = self.0.lock().unwrap();
        let builds = all.values().map(|json| serde_json::from_str::<Build>(json).unwrap());
        Ok(builds.filter(|build| !build.is_settled()).collect())
    }
}

/// Those around the driver; what they say, the test chooses.
#[derive(Clone)]
pub struct People {
    pub others: Arc<Mutex<Others>>,
    pub verdict: Arc<Mutex<Option<Result<(), Refused>>>>,
    pub told: Arc<Mutex<Vec<Ending>>>,
}

impl Around for People {
    fn others(&self, _: &[PackageName]) -> Others {
        self.others.lock().unwrap().clone()
    }

    fn validated(&self, _: &Build, _: &Built) -> Option<std::result::Result<(), Refused>> {
        match &*self.verdict.lock().unwrap() {
            Some(Ok(())) => Some(Ok(())),
            Some(Err(_)) => Some(Err(Refused::new("build-not-valid", "no", ""))),
            None => None,
        }
    }

    fn tell(&self, build: &Build) -> bool {
        self.told.lock().unwrap().push(build.ending().unwrap().clone());
        true
    }
}

pub struct Yard {
    pub server: HubServer,
    pub record: Record,
    pub people: People,
    pub time: Arc<Mutex<Timestamp>>,
}

impl Yard {
    /// Starts a hub that knows the commit; nothing is built.
    pub fn new() -> Yard {
        let server = HubServer::start();
        server.hub().nvrs.insert(COMMIT.to_owned(), NVR.to_owned());
        let time = Arc::new(Mutex::new(landed()));
        let people = People {
            others: Arc::new(Mutex::new(Others::Built)),
            verdict: Arc::default(),
            told: Arc::default(),
        };
        Yard { server, record: Record::default(), people, time }
    }

    /// Returns a client that does not wait long.
    pub fn koji(&self, mode: Mode) -> Koji {
        self.koji_as(
            mode,
            Login::Password { user: "bot".to_owned(), password: "secret".to_owned() },
        )
    }

    pub fn koji_as(&self, mode: Mode, login: Login) -> Koji {
        let first = Duration::from_millis(1);
        let backoff = Backoff { attempts: 3, first, longest: first };
        let answer = Duration::from_secs(20);
        let timeouts = Timeouts { answer, ..Timeouts::default() };
        let hub = self.server.url().parse().unwrap();
        let pages = Pages {
            web: Some("https://koji.example/koji/".to_owned()),
            files: Some("https://pkgs.example".to_owned()),
        };
        Koji::new(HubAddress { hub, login, ca: None, timeouts, backoff }, pages, mode).unwrap()
    }

    /// Returns a bot that was just started.
    pub fn bot(&self) -> Driver<Koji, Record, People> {
        self.bot_with(build_mode(), Policy::default())
    }

    pub fn bot_with(&self, mode: Mode, policy: Policy) -> Driver<Koji, Record, People> {
        Driver::new(self.koji(mode), self.record.clone(), self.people.clone(), policy)
    }

    pub fn now(&self) -> Timestamp {
        *self.time.lock().unwrap()
    }

    pub fn pass(&self, seconds: u64) {
        let mut time = self.time.lock().unwrap();
        *time = time.checked_add(Duration::from_secs(seconds)).unwrap();
    }

    pub fn clock(&self) -> impl Fn() -> Timestamp + Send + Sync + use<> {
        let time = self.time.clone();
        move || *time.lock().unwrap()
    }

    /// Takes an order up, and brings it as far as it goes without waiting.
    pub async fn begin(&self, order: BuildOrder) -> Build {
        let bot = self.bot();
        let build = Build::new(order, "f44-candidate".parse().unwrap(), Some(NVR.parse().unwrap()));
        let mut builds = [bot.take(build, self.now()).unwrap()];
        bot.round(&mut builds, &self.clock()).await.unwrap();
        builds[0].clone()
    }

    /// A bot that was just started goes one round with what is on record.
    pub async fn next(&self) -> Build {
        let bot = self.bot();
        let mut builds = bot.wake(self.now()).unwrap();
        bot.round(&mut builds, &self.clock()).await.unwrap();
        builds.pop().expect("a build is on record that is not settled")
    }

    pub fn told(&self) -> Vec<Ending> {
        self.people.told.lock().unwrap().clone()
    }

    /// The builders bring a task to here.
    pub fn bring(&self, task: i64, to: Step) {
        self.server.hub().bring(task, to);
    }

    /// Returns the one build task that the hub has.
    pub fn only_task(&self) -> i64 {
        let hub = self.server.hub();
        let tasks = hub.build_tasks();
        assert_eq!(tasks.len(), 1, "{tasks:#?}");
        tasks[0].id
    }
}

pub fn landed() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

pub fn build_mode() -> Mode {
    Mode::Build { priority: None, channel: None }
}

pub fn source() -> String {
    format!("git+https://src.example/rpms/hello.git#{COMMIT}")
}

/// Returns the order to build the commit.
pub fn order() -> BuildOrder {
    let commit = COMMIT.parse().unwrap();
    BuildOrder {
        package: "hello".parse().unwrap(),
        branch: "f44".parse().unwrap(),
        commit,
        source: BuildOrder::commit_source("https://src.example/rpms/hello.git", &commit).unwrap(),
        landed_at: landed(),
        kind: BuildKind::Real,
        after: Vec::new(),
        validate: false,
        tag: None,
    }
}
