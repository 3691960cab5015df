//! The moment before the push: whose work is it, and may it still be done?

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lockkeeper::database::{Claim, Claimed, Database, DatabaseAddress, JobRequest};
use lockkeeper::land::Permit;
use lockkeeper::land::permit::Asked;
use lockkeeper::queue::{Cause, JobKey, Policy, Scope, Switch, SwitchKind};
use lockkeeper::report::{Exit, Outcome, Report};
use lockkeeper::service::worker::lease::Fence;

use crate::world::World;

const LEASE: Duration = Duration::from_secs(10);

/// The clock of those who come after the lease has ended.
fn later() -> Timestamp {
    Timestamp::now() + 6 * LEASE
}

/// A fence that is asked after something has happened: its run stood still meanwhile.
struct After<F> {
    happens: F,
    fence: Fence,
}

impl<F: Fn() + Send + Sync> Permit for After<F> {
    fn leave(&self) -> Asked<'_> {
        (self.happens)();
        self.fence.leave()
    }
}

fn hello() -> JobKey {
    JobKey {
        instance: "local".parse().unwrap(),
        package: "hello".parse().unwrap(),
        branch: "f44".parse().unwrap(),
    }
}

/// Opens a database in which a look at `f44` was asked for.
async fn asked(world: &World) -> Database {
    let address = DatabaseAddress::parse("sqlite", &world.path("")).unwrap();
    let database = Database::open(&address).await.unwrap();
    let now = Timestamp::now();
    let request = JobRequest { key: hello(), cause: Cause::Reconcile, not_before: now };
    database.request(request, now).await.unwrap();
    database
}

async fn claim(database: &Database, node: &str, now: Timestamp) -> Claim {
    let policy = Arc::new(Policy::default());
    match database.claim(&node.parse().unwrap(), LEASE, &policy, now).await.unwrap() {
        Claimed::Job(claim) => *claim,
        nothing => panic!("{nothing:?}"),
    }
}

/// Waits for a future where nobody else can.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

fn code(report: &Report) -> String {
    report.reason.as_ref().map_or_else(String::new, |reason| reason.code.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_stood_still_before_its_push_says_that_its_lease_is_lost() {
    let mut world = World::published("archive");
    let tip = world.commit("Go on", "README", "A long story.\n").to_string();
    let database = asked(&world).await;
    let zombie = Arc::new(claim(&database, "zombie", Timestamp::now()).await);
    // Just before its push it is stopped. Another node is given the job, and lands; then the first one wakes up.
    let happens = || {
        wait(claim(&database, "other", later()));
        world.sync().landed("1.0-2");
    };
    let fence = Fence::new(database.clone(), zombie, later);
    let report =
        world.package.sync_with(&After { happens, fence }, SystemTime::now()).await.unwrap();
    assert_eq!((report.outcome, &*code(&report)), (Outcome::Failed, "lease-lost"), "{report:?}");
    assert_eq!(report.exit, Exit::TryAgain);
    assert_eq!(report.dist_git_commit, None);
    assert_eq!((world.published_sources().len(), &world.published_sources()[0]), (2, &tip));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_lease_ended_does_not_push_even_where_nobody_else_works() {
    let mut world = World::published("archive");
    world.commit("Go on", "README", "A long story.\n");
    let database = asked(&world).await;
    let zombie = Arc::new(claim(&database, "zombie", Timestamp::now()).await);
    let fence = Fence::new(database.clone(), zombie, later);
    let before = world.commits();
    let report = world.package.sync_with(&fence, SystemTime::now()).await.unwrap();
    assert_eq!((report.outcome, &*code(&report)), (Outcome::Failed, "lease-lost"), "{report:?}");
    assert_eq!(world.commits(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_paused_right_before_its_push_is_held() {
    let mut world = World::published("archive");
    world.commit("Go on", "README", "A long story.\n");
    let database = asked(&world).await;
    let claimed = Arc::new(claim(&database, "node", Timestamp::now()).await);
    let pause = || Switch {
        scope: Scope::All,
        kind: SwitchKind::Pause,
        reason: "mass rebuild".to_owned(),
        who: "ops".to_owned(),
        since: Timestamp::now(),
    };
    let happens = || wait(database.set_switch(pause())).unwrap();
    let fence = Fence::new(database.clone(), claimed, Timestamp::now);
    let before = world.commits();
    let report =
        world.package.sync_with(&After { happens, fence }, SystemTime::now()).await.unwrap();
    assert_eq!((report.outcome, report.exit), (Outcome::Held, Exit::TryAgain), "{report:?}");
    assert!(format!("{report:?}").contains("mass rebuild"), "{report:?}");
    assert_eq!(world.commits(), before);
}
