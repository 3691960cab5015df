//! The gate against `git verify-commit`, commit by commit: `cargo bench --bench verify`.
//!
//! Every commit is distinct and judged once a round, so nothing is remembered between verdicts. git gets all
//! commits of a round in one call, which spares it the start of a process for each; it starts gpg or ssh-keygen for
//! each all the same. Rounds of both are interleaved and the medians shown, as CPU time with children and by the
//! clock. Then: a range of 5,000 commits as `require: every-commit` judges it, and one keyring of 1,000 certificates.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark compares with the real tools, by the clock"
)]

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use lockkeeper::bot_key::BotKey;
use lockkeeper::config::ListedKey;
use lockkeeper::demo::{Kind, Person};
use lockkeeper::gate::every_commit::Sweep;
use lockkeeper::gate::{Policy, Verdict, judge_commit};
use lockkeeper::git::{self, Objects, Store, Trust};
use lockkeeper::names::ObjectId;
use lockkeeper::openpgp::Certificates;
use lockkeeper::ssh::AllowedSigner;

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 9;
const COMMITS: usize = 60;
const RANGE: usize = 5000;
const CERTIFICATES: usize = 1000;

/// CPU and clock.
#[derive(Clone, Copy)]
struct Cost {
    cpu: Duration,
    wall: Duration,
}

fn main() -> Outcome<()> {
    let now = SystemTime::now();
    let folder = tempfile::tempdir()?;
    let bare = folder.path().join("commits.git");
    let store = Store::init_bare(&bare)?;
    println!("{:44}{:>12}{:>12}{:>10}{:>10}", "a commit", "CPU us", "wall us", "CPU", "wall");
    for (kind, name) in [(Kind::OpenPgp, "OpenPGP"), (Kind::Ssh, "SSH")] {
        let person = Person::new("Alice", kind, now - Duration::from_secs(86_400 * 30))?;
        trust(&person, folder.path(), &bare)?;
        let policy = policy(&person, now, &[])?;
        let (mut ours, mut gits) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let commits = commits(&store.objects(), &person, now, round * COMMITS, COMMITS)?;
            let git = measure(|| verify_by_git(&bare, folder.path(), &commits))?;
            let own = measure(|| judge_all(&store, &policy, &commits))?;
            if round > 0 {
                gits.push(git);
                ours.push(own);
            }
        }
        let (git, own) = (median(gits), median(ours));
        show(&format!("{name}: git verify-commit"), git, git);
        show(&format!("{name}: the gate, read and re-hashed"), own, git);
    }
    range(&store, now)?;
    keyring(now)
}

/// Prints the cost of one commit out of a round, and how many times cheaper than git it is.
fn show(words: &str, cost: Cost, git: Cost) {
    let one = |whole: Duration| whole.as_secs_f64() * 1e6 / COMMITS as f64;
    let times = |git: Duration, own: Duration| git.as_secs_f64() / own.as_secs_f64();
    let (cpu, wall) = (times(git.cpu, cost.cpu), times(git.wall, cost.wall));
    println!("{words:44}{:12.1}{:12.1}{cpu:9.1}x{wall:9.1}x", one(cost.cpu), one(cost.wall));
}

/// Judges 5,000 commits as a sync with `require: every-commit` does: walked, read, hashed, verified.
fn range(store: &Store, now: SystemTime) -> Outcome<()> {
    println!(
        "\n{:44}{:>12}{:>12}",
        format!("{RANGE} commits, every-commit"),
        "CPU ms",
        "wall ms"
    );
    for (kind, name) in [(Kind::OpenPgp, "OpenPGP"), (Kind::Ssh, "SSH")] {
        let person = Person::new("Bob", kind, now - Duration::from_secs(86_400 * 30))?;
        let tip = *commits(&store.objects(), &person, now, 0, RANGE)?.last().ok_or("no commit")?;
        let policy = policy(&person, now, &[])?;
        let cost = measure(|| {
            let objects = Store::open(&store.git_dir(), Trust::InPlace)?.objects();
            let mut sweep = Sweep::new(&policy);
            for id in objects.range(&tip, &[])? {
                sweep.judge(&id, &objects.read_kind(&id, git::Kind::Commit)?);
            }
            assert_eq!(sweep.finish()?, RANGE);
            Ok(())
        })?;
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        println!("{name:44}{:12.1}{:12.1}", milliseconds(cost.cpu), milliseconds(cost.wall));
    }
    Ok(())
}

/// Loads a keyring of 1,000 certificates, and verifies with it.
fn keyring(now: SystemTime) -> Outcome<()> {
    let created = now - Duration::from_secs(86_400 * 30);
    let others = (0..CERTIFICATES - 1)
        .map(|number| Person::new(&format!("Person {number}"), Kind::OpenPgp, created));
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let person = Person::new("Carol", Kind::OpenPgp, created)?;
    let folder = tempfile::tempdir()?;
    let store = Store::init_bare(folder.path())?;
    let commits = commits(&store.objects(), &person, now, 0, 200)?;
    let files: Vec<String> = others.iter().map(|other| other.key().public()).collect();
    let mut policies = Vec::new();
    let indexed = measure(|| {
        policies.push(policy(&person, now, &files)?);
        Ok(())
    })?;
    let judged = measure(|| judge_all(&store, &policies[0], &commits))?;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "\n{:44}{:>12}{:>12}",
        format!("keyring of {CERTIFICATES} certificates"),
        "CPU ms",
        "wall ms"
    );
    println!(
        "{:44}{:12.1}{:12.1}",
        "read and indexed, once",
        milliseconds(indexed.cpu),
        milliseconds(indexed.wall)
    );
    let one = |time: Duration| milliseconds(time) / commits.len() as f64;
    println!("{:44}{:12.3}{:12.3}", "one verification", one(judged.cpu), one(judged.wall));
    Ok(())
}

/// Makes the certificate known to git: gpg's keyring, or an allowed-signers file.
fn trust(person: &Person, home: &Path, bare: &Path) -> Outcome<()> {
    let public = home.join("public");
    std::fs::write(&public, person.key().public())?;
    if let BotKey::OpenPgp(_) = person.key() {
        let status =
            tool("gpg", home).args(["--batch", "--quiet", "--import"]).arg(&public).status()?;
        assert!(status.success(), "gpg imports a certificate");
        return Ok(());
    }
    let signers = home.join("allowed_signers");
    std::fs::write(&signers, format!("* {}", person.key().public()))?;
    let file = signers.to_str().ok_or("a temporary folder has a plain name")?;
    let status = tool("git", home)
        .arg("-C")
        .arg(bare)
        .args(["config", "gpg.ssh.allowedSignersFile", file])
        .status()?;
    assert!(status.success(), "git takes a setting");
    Ok(())
}

fn tool(name: &str, home: &Path) -> Command {
    let mut command = Command::new(name);
    command
        .env("HOME", home)
        .env("GNUPGHOME", home.join("gnupg"))
        .env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").stdout(Stdio::null()).stderr(Stdio::null());
    std::fs::create_dir_all(home.join("gnupg")).expect("a temporary folder can be written");
    let only_ours = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(home.join("gnupg"), only_ours).expect("the folder is ours");
    command
}

fn policy(person: &Person, now: SystemTime, others: &[String]) -> Outcome<Policy> {
    let public = person.key().public();
    let listed = match person.key() {
        BotKey::OpenPgp(key) => {
            ListedKey::OpenPgp { fingerprint: key.fingerprint(), certificate: None }
        }
        BotKey::Ssh(_) | BotKey::SshAgent(_) => {
            ListedKey::Ssh(AllowedSigner::parse(public.trim(), &[])?)
        }
    };
    let files = others.iter().map(String::as_str).chain(match person.key() {
        BotKey::OpenPgp(_) => Some(public.as_str()),
        BotKey::Ssh(_) | BotKey::SshAgent(_) => None,
    });
    let (certificates, _) = Certificates::load(files.map(|file| ("keys", file)));
    Ok(Policy::new(&[listed], certificates, now))
}

/// Writes a line of signed commits and returns their ids, oldest first.
fn commits(
    objects: &Objects,
    person: &Person,
    now: SystemTime,
    first: usize,
    count: usize,
) -> Outcome<Vec<ObjectId>> {
    let tree = objects.write_tree(Vec::new())?;
    let mut ids: Vec<ObjectId> = Vec::new();
    for number in first..first + count {
        let parent = ids.last().map(|id| format!("parent {id}\n")).unwrap_or_default();
        let who = format!("{} <{}> {} +0000", person.name(), person.mail(), 1_700_000_000 + number);
        let text =
            format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\nCommit {number}\n");
        let signed = person.sign(text.as_bytes(), now)?;
        ids.push(objects.write(git::Kind::Commit, &signed)?);
    }
    Ok(ids)
}

fn verify_by_git(bare: &Path, home: &Path, commits: &[ObjectId]) -> Outcome<()> {
    let ids = commits.iter().map(ToString::to_string);
    let status = tool("git", home).arg("-C").arg(bare).arg("verify-commit").args(ids).status()?;
    assert!(status.success(), "git accepts the commits too");
    Ok(())
}

fn judge_all(store: &Store, policy: &Policy, commits: &[ObjectId]) -> Outcome<()> {
    let objects = Store::open(&store.git_dir(), Trust::InPlace)?.objects();
    for id in commits {
        let raw = objects.read_kind(id, git::Kind::Commit)?;
        let verdict = judge_commit(id, &raw, policy);
        assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
    }
    Ok(())
}

fn measure(work: impl FnOnce() -> Outcome<()>) -> Outcome<Cost> {
    let (cpu, started) = (cpu_time()?, Instant::now());
    work()?;
    Ok(Cost { cpu: cpu_time()? - cpu, wall: started.elapsed() })
}

/// Returns the CPU time of this thread, which the kernel counts in nanoseconds, and that of ended children, in
/// hundredths of a second.
fn cpu_time() -> Outcome<Duration> {
    let own = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let own = own.split(' ').next().ok_or("no time in schedstat")?.parse()?;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: u64 = fields[13].parse::<u64>()? + fields[14].parse::<u64>()?;
    Ok(Duration::from_nanos(own) + Duration::from_millis(10 * ticks))
}

fn median(mut costs: Vec<Cost>) -> Cost {
    let middle = costs.len() / 2;
    costs.sort_by_key(|cost| cost.wall);
    let wall = costs[middle].wall;
    costs.sort_by_key(|cost| cost.cpu);
    Cost { cpu: costs[middle].cpu, wall }
}
