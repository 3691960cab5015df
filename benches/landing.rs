//! What landing costs besides uploads and the push: `cargo bench --bench landing`.
//!
//! One publication after the other on one dist-git branch: the tree is written, the commit put together, the signer
//! looks for itself (config, certificates, the source commit's signature, the last publication), signs, and the
//! signed commit is written. Beside it `git commit-tree -S` with the same kind of key makes a commit without any of
//! the looking. Rounds are interleaved; medians, by the clock and in CPU time.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark compares with the real tools, by the clock"
)]

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lockkeeper::bot_certs::BotCerts;
use lockkeeper::bot_key::BotKey;
use lockkeeper::demo::{Kind, NewCommit, Package, Person, Project};
use lockkeeper::git::{self, EntryMode, Objects, TreeEntry};
use lockkeeper::land::{Signer, SigningRequest};
use lockkeeper::names::ObjectId;
use lockkeeper::publication::{GENERATOR, Publication};
use lockkeeper::trigger::Target;

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 40;
/// How many files the dist-git tree has besides the config.
const FILES: usize = 60;

fn main() -> Outcome<()> {
    println!("{:32}{:>12}{:>12}", "one commit", "CPU ms", "wall ms");
    for (kind, name) in [(Kind::OpenPgp, "OpenPGP"), (Kind::Ssh, "SSH")] {
        let world = World::new(kind)?;
        let objects = world.package.dist_git.objects()?;
        let mut tip = world.tip;
        let (mut ours, mut gits) = (Vec::new(), Vec::new());
        for round in 1..=ROUNDS {
            ours.push(measure(|| {
                tip = world.land(&objects, &tip, round)?;
                Ok(())
            })?);
            gits.push(measure(|| world.commit_by_git(&tip))?);
        }
        show(&format!("{name}: landing"), ours);
        show(&format!("{name}: git commit-tree -S"), gits);
    }
    Ok(())
}

struct World {
    folder: tempfile::TempDir,
    package: Package,
    target: Target,
    signer: Signer,
    bot: BotKey,
    source: Vec<u8>,
    source_id: ObjectId,
    signer_words: String,
    repository: String,
    tip: ObjectId,
    now: SystemTime,
}

impl World {
    fn new(kind: Kind) -> Outcome<World> {
        let now = SystemTime::now();
        let clock = now - Duration::from_secs(86_400);
        let created = clock - Duration::from_secs(86_400);
        let folder = tempfile::tempdir()?;
        let alice = Person::new("Alice", kind, created)?;
        let bot = Person::new("Lockkeeper Bot", kind, created)?;
        let key = bot.key().clone();
        let source = folder.path().join("source.git");
        let mut project = Project::new(&source, "main", clock)?;
        let commit = NewCommit::new("Begin").put("README", "hello\n").by(&alice).signed_by(&alice);
        let source_id = project.commit(commit)?;
        let mut package = Package::new(folder.path(), "hello", "f44", bot, clock)?;
        let config = format!(
            "version: 1\nsource: {{repository: \"file://{}\", branch: main}}\nsigning: {{keys: [{}]}}\n",
            source.display(),
            alice.listed(),
        );
        let tip = package.opt_in(&config, &[&alice])?;
        let signer_words = alice.key().signer_id().to_string();
        let place = package.dist_git.folder().to_string_lossy().into_owned();
        let config = lockkeeper::config::BranchConfig::parse(config.as_bytes())?;
        Ok(World {
            target: Target::from_arguments(&place, "f44", None, folder.path())?,
            signer: Signer::new(key.clone(), Arc::new(BotCerts::of(&key)), Vec::new()),
            source: project.objects()?.read_kind(&source_id, git::Kind::Commit)?,
            repository: config.source.repository.to_string(),
            bot: key,
            folder,
            package,
            source_id,
            signer_words,
            tip,
            now,
        })
    }

    fn land(&self, objects: &Objects, tip: &ObjectId, round: usize) -> Outcome<ObjectId> {
        let tree = self.tree(objects, tip, round)?;
        let publication = Publication {
            source_commit: self.source_id,
            repository: self.repository.clone(),
            branch: "main".parse()?,
            signer: self.signer_words.clone(),
            target: self.target.name(),
            release_tag: ("v1.0".parse()?, self.source_id),
            evr: Some(format!("0:1.0-{round}").parse()?),
            population: "archive".to_owned(),
            generated_by: GENERATOR.to_owned(),
        };
        let who = "1700000000 +0000";
        let unsigned = format!(
            "tree {tree}\nparent {tip}\nauthor Alice <alice@example.org> {who}\ncommitter Bot <bot@example.org> {who}\n\n\
             Update to 1.0-{round} from main\n\n- Begin\n\n{}",
            publication.to_paragraph(),
        );
        let signed = self.signer.sign(&SigningRequest {
            target: &self.target.name(),
            dist_git: objects,
            unsigned_commit: unsigned.as_bytes(),
            source_commit: &self.source,
            now: self.now,
        })?;
        Ok(objects.write(git::Kind::Commit, &signed)?)
    }

    /// Writes what a publication changes: three files of many.
    fn tree(&self, objects: &Objects, tip: &ObjectId, round: usize) -> Outcome<ObjectId> {
        let root = objects.commit(tip)?.tree;
        let mut entries = objects.tree(&root)?;
        let files = if round == 1 { FILES } else { 3 };
        for file in 0..files {
            let name = format!("file{file}");
            let id =
                objects.write(git::Kind::Blob, format!("{file} of round {round}\n").as_bytes())?;
            entries.retain(|entry| entry.name != name);
            entries.push(TreeEntry { mode: EntryMode::File, name: name.into(), id });
        }
        Ok(objects.write_tree(entries)?)
    }

    fn commit_by_git(&self, tip: &ObjectId) -> Outcome<()> {
        let home = self.folder.path();
        let tree = self.package.dist_git.objects()?.commit(tip)?.tree;
        let (format, key) = self.key_for_git(home)?;
        let status = tool("git", home)
            .arg("-C")
            .arg(self.package.dist_git.folder())
            .args(["-c", &format!("gpg.format={format}"), "commit-tree", &format!("-S{key}")])
            .args(["-p", &tip.to_string(), "-m", "Update", &tree.to_string()])
            .status()?;
        assert!(status.success(), "git makes a signed commit");
        Ok(())
    }

    /// Leaves the bot's key where git finds it; returns the format and what git calls the key.
    fn key_for_git(&self, home: &Path) -> Outcome<(&'static str, String)> {
        let file = home.join("bot.key");
        let there = file.exists();
        match &self.bot {
            BotKey::OpenPgp(key) => {
                if !there {
                    std::fs::write(&file, key.export(None)?)?;
                    let import =
                        tool("gpg", home).args(["--batch", "--import"]).arg(&file).status()?;
                    assert!(import.success(), "gpg imports a key");
                }
                Ok(("openpgp", key.fingerprint().to_string()))
            }
            BotKey::Ssh(key) => {
                if !there {
                    std::fs::write(&file, key.export(None)?)?;
                    let only_ours = std::os::unix::fs::PermissionsExt::from_mode(0o600);
                    std::fs::set_permissions(&file, only_ours)?;
                }
                Ok(("ssh", file.display().to_string()))
            }
            BotKey::SshAgent(_) => Err("the bench makes its keys itself".into()),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = tool("gpgconf", self.folder.path()).args(["--kill", "gpg-agent"]).status();
    }
}

fn tool(name: &str, home: &Path) -> Command {
    let gnupg = home.join("gnupg");
    std::fs::create_dir_all(&gnupg).expect("a temporary folder can be written");
    let only_ours = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&gnupg, only_ours).expect("the folder is ours");
    let mut command = Command::new(name);
    command.env("HOME", home).env("GNUPGHOME", gnupg).env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Bot")
            .env(format!("GIT_{who}_EMAIL"), "bot@example.org");
    }
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn measure(work: impl FnOnce() -> Outcome<()>) -> Outcome<(Duration, Duration)> {
    let (cpu, started) = (cpu_time()?, Instant::now());
    work()?;
    Ok((cpu_time()? - cpu, started.elapsed()))
}

/// Returns the CPU time of this thread in nanoseconds, and that of ended children in hundredths of a second.
fn cpu_time() -> Outcome<Duration> {
    let own = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let own = own.split(' ').next().ok_or("no time in schedstat")?.parse()?;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: u64 = fields[13].parse::<u64>()? + fields[14].parse::<u64>()?;
    Ok(Duration::from_nanos(own) + Duration::from_millis(10 * ticks))
}

/// Prints the mean CPU time, since that of children comes in coarse ticks, and the median by the clock.
fn show(words: &str, costs: Vec<(Duration, Duration)>) {
    let mean = costs.iter().map(|(cpu, _)| cpu.as_secs_f64()).sum::<f64>() / costs.len() as f64;
    let mut walls: Vec<Duration> = costs.iter().map(|(_, wall)| *wall).collect();
    walls.sort_unstable();
    let wall = walls[walls.len() / 2].as_secs_f64();
    println!("{words:32}{:12.2}{:12.2}", mean * 1000.0, wall * 1000.0);
}
