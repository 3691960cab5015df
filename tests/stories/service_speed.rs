//! Figures, not promises: run by `just service-speed`, which says so and uses the optimised program.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::world::postgres::Postgres;
use crate::world::service::{Service, signature, until};
use crate::world::{NewCommit, World, git, succeed};

/// How often each thing is measured.
const ROUNDS: usize = 9;

/// Returns a world whose source tree has about the size of a small package: 1,000 files, 8 MB.
fn small_package() -> World {
    let mut world = World::empty();
    world.opt_in("");
    let mut first = NewCommit::new("Say hello").put(".distro/hello.spec", crate::world::SPEC);
    for number in 0..1000_u32 {
        let line = |row: u32| {
            format!(
                "{:08x} is what stands in row {row} of file {number}\n",
                row.wrapping_mul(2_654_435_761) ^ number
            )
        };
        first = first.put(&format!("src/file-{number}.c"), (0..160).map(line).collect::<String>());
    }
    let id = world.source.commit(first.signed_by(&world.alice)).unwrap();
    world.source.tag("v1.0", &id, Some(&world.alice)).unwrap();
    world
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
#[ignore = "measures"]
fn from_a_webhook_to_the_pushed_commit() {
    let mut world = small_package();
    world.configure("");
    let service = world.serve();
    until("1.0 is published", || world.published_sources().len() == 1);
    let (mut served, mut by_hand, mut stock) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let tip = world.commit("Go on", "README", &format!("Served {round}.\n")).to_string();
        let began = Instant::now();
        assert_eq!(service.deliver_push(&world, &tip), 202);
        while world.source_of_tip() != tip {
            std::thread::sleep(Duration::from_millis(2));
        }
        served.push(began.elapsed());
    }
    assert_eq!(service.stop(), Some(0));
    for round in 0..ROUNDS {
        world.commit("Go on", "README", &format!("By hand {round}.\n"));
        let began = Instant::now();
        assert_eq!(world.sync().exit, Some(0));
        by_hand.push(began.elapsed());
    }
    let chain = Chain::new(&world);
    for round in 0..ROUNDS {
        world.commit("Go on", "README", &format!("Stock {round}.\n"));
        let began = Instant::now();
        chain.run();
        stock.push(began.elapsed());
    }
    println!("webhook to pushed commit, idle service: {:?}", median(served));
    println!("`lockkeeper sync` of the same, a process each: {:?}", median(by_hand));
    println!("the stock chain of the same: {:?}", median(stock));
}

impl World {
    /// Returns the source commit that the tip of `f44` names.
    fn source_of_tip(&self) -> String {
        let format = "--format=%(trailers:key=From-source-git-commit,valueonly)";
        git(self.package.dist_git.folder(), &["log", "-1", format, "f44"]).trim().to_owned()
    }
}

/// What people script where there is no bot: fetch, verify, archive, upload, commit, sign, push.
struct Chain {
    script: String,
    folder: std::path::PathBuf,
}

impl Chain {
    fn new(world: &World) -> Chain {
        let folder = world.path("chain");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("alice.asc"), world.alice.key().public()).unwrap();
        let source = world.source.folder().display();
        let dist_git = world.package.dist_git.folder().display();
        let prepare = format!(
            "mkdir -m 700 gnupg; export GNUPGHOME=$PWD/gnupg
             gpg --batch -q --import alice.asc ../bot.key
             git init -q --bare mirror.git; git -C mirror.git fetch -q {source} '+refs/*:refs/*'
             git clone -q -b f44 {dist_git} work; mkdir lookaside"
        );
        run(&prepare, &folder);
        let script = format!(
            "export GNUPGHOME=$PWD/gnupg
             git -C mirror.git fetch -q {source} '+refs/*:refs/*'
             git -C mirror.git verify-commit main 2>/dev/null
             version=1.0.$(git -C mirror.git rev-list --count main)
             git -C mirror.git archive --prefix=hello-$version/ main | gzip -n >lookaside/hello-$version.tar.gz
             cd work; git fetch -q; git reset -q --hard origin/f44
             sha512sum --tag ../lookaside/hello-$version.tar.gz >sources
             sed -i \"s/^Version:.*/Version: $version/\" hello.spec
             key=$(gpg --batch --list-secret-keys --with-colons | sed -n 's/^fpr:*//p' | head -1 | tr -d :)
             git -c user.name=Bot -c user.email=bot@example.org -c user.signingkey=$key commit -q -S -a -m \"Update to $version\"
             git push -q origin f44"
        );
        Chain { script, folder }
    }

    fn run(&self) {
        run(&self.script, &self.folder);
    }
}

fn run(script: &str, folder: &std::path::Path) {
    let mut shell = Command::new("bash");
    shell.args(["-euc", script]).current_dir(folder);
    succeed(crate::world::hermetic(&mut shell));
}

#[test]
#[ignore = "measures"]
fn deliveries_for_each_second() {
    let world = World::released("archive");
    world.configure("");
    let service = world.serve_as("node", &[("LOCKKEEPER_LOG", "error")]);
    let mut payload = world.push_payload(&"a".repeat(40));
    payload["padding"] = "x".repeat(5500).into();
    let body = payload.to_string();
    let script = format!(
        "local thread = 0\nfunction setup(t) thread = thread + 1; t:set('id', thread) end\n\
         function init() count = 0; math.randomseed(os.time() + id) run = math.random(1000000000) end\n\
         local body = [=[{body}]=]\n\
         function request()\n count = count + 1\n return wrk.format('POST', '/hooks/forgejo', \
         {{['Content-Type'] = 'application/json', ['X-Forgejo-Event'] = 'push', \
         ['X-Forgejo-Signature'] = '{}', ['X-Forgejo-Delivery'] = run .. '-' .. id .. '-' .. count}}, body)\nend\n",
        signature(body.as_bytes()),
    );
    let file = world.path("load.lua");
    std::fs::write(&file, script).unwrap();
    for connections in ["64", "8"] {
        let mut wrk = Command::new("wrk");
        wrk.args(["-t2", "-d8s", "--latency", "-c", connections, "-s"]).arg(&file);
        wrk.arg(format!("http://{}/", service.address));
        println!("{connections} connections\n{}", String::from_utf8_lossy(&succeed(&mut wrk)));
    }
    println!("memory after that: {} KiB", service.memory());
}

#[test]
#[ignore = "measures"]
fn memory_with_a_hundred_thousand_branches() {
    let world = World::released("archive");
    world.configure("");
    world.serve().stop();
    world.sql(
        "node",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
         INSERT INTO branches (instance, package, branch, tip, config, source, source_branch, looked_at) \
         SELECT 'other', 'package-' || i, 'f44', printf('%040x', i), 'x', 'forge.example/pkg/package-' || i, 'main', 0 FROM n",
    );
    let service = world.serve_as("node", &[("LOCKKEEPER_LOG", "error")]);
    std::thread::sleep(Duration::from_secs(10));
    println!("memory with 100,000 tracked branches: {} KiB", service.memory());
    let mut payload = world.push_payload(&"a".repeat(40));
    payload["repository"]["clone_url"] = "https://forge.example/pkg/package-77777.git".into();
    let began = Instant::now();
    assert_eq!(service.deliver("forgejo", "push", "one", &payload), 202);
    println!("a delivery for one of them, stored and answered: {:?}", began.elapsed());
}

#[test]
#[ignore = "measures"]
fn two_nodes_beside_one() {
    let postgres = Postgres::shared();
    for nodes in [1, 2] {
        let mut world = World::released("archive");
        let branches: Vec<String> = (0..12).map(|number| format!("b{number}")).collect();
        for branch in &branches {
            git(world.package.dist_git.folder(), &["branch", branch, "f44"]);
        }
        world.configure(&format!("database: {}\nworkers: 1\n", postgres.database()));
        let names: Vec<String> = (0..nodes).map(|number| format!("node{number}")).collect();
        let services: Vec<Service> = names.iter().map(|name| world.serve_as(name, &[])).collect();
        let done = |world: &World, tip: &str| {
            branches.iter().all(|branch| {
                world.published_on("hello", branch).first().is_some_and(|id| id == tip)
            })
        };
        let first = world.source.tip().unwrap().unwrap().to_string();
        until("all are published", || done(&world, &first));
        let began = Instant::now();
        let mut tip = String::new();
        for round in 0..4 {
            tip = world.commit("Go on", "README", &format!("Round {round}.\n")).to_string();
            services[0].deliver_push(&world, &tip);
            until("all are published", || done(&world, &tip));
        }
        assert!(!tip.is_empty());
        let each = began.elapsed().as_secs_f64() / (4.0 * 13.0);
        println!("{nodes} nodes of one worker each: {:.1} syncs/s", 1.0 / each);
    }
}
