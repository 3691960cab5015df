//! The workshop: everything that a sync needs besides its branch, set up once and shared by all workers.
//!
//! Mirrors lie below `data`: two nodes may share nothing but the database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;

use super::logs::RunLogs;
use crate::bot_certs::BotCerts;
use crate::bot_key::BotKey;
use crate::decide::Rules;
use crate::git::{Mirrors, Transport};
use crate::land::{Door, Harbour, Permit, Signer, SignerClient, committer};
use crate::ledger::Trusted;
use crate::lookaside::Lookaside;
use crate::names::InstanceName;
use crate::observe::Lookout;
use crate::operator::{Instance, KeySource, Operator};
use crate::outcome::{Fault, Problem, Refusal, Result};
use crate::populate::contained::Containers;
use crate::populate::identity::Method;
use crate::populate::upstream::download;
use crate::populate::upstream::network::Reach;
use crate::populate::upstream::obtain::Releases;
use crate::progress::Progress;
use crate::queue::JobKey;
use crate::report::{Outcome, Report};
use crate::ssh::AgentKey;
use crate::sync::{World, sync};

/// What the begin of a run's folder is called; the rest is chance.
const RUN_PREFIX: &str = "run-";

/// What all workers share.
pub struct Workshop {
    mirrors: Mirrors,
    transport: Transport,
    bot_certs: Arc<BotCerts>,
    keyring: Vec<PathBuf>,
    door: Box<dyn Door>,
    committer: (String, String),
    counters: BTreeMap<InstanceName, Counter>,
    work: PathBuf,
    containers: Containers,
    logs: RunLogs,
    public_key: String,
}

/// One dist-git and its cache.
struct Counter {
    instance: Instance,
    lookaside: Lookaside,
}

impl Workshop {
    /// Sets it up, or says everything that is wrong.
    ///
    /// `agent` is the socket of the SSH agent, where there is one.
    ///
    /// # Errors
    /// All faults at once: a key that cannot be read or is locked, folders that cannot be written, certificates and
    /// caches that cannot be used.
    pub fn open(operator: &Operator, agent: Option<&Path>) -> Result<Workshop, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut keep = |fault: Fault| faults.push(fault);
        let hand = Hand::load(&operator.key.source, agent).map_err(&mut keep).ok();
        let mirrors = Mirrors::at(operator.data.join("mirrors")).map_err(&mut keep).ok();
        let transport = Transport::new().map_err(&mut keep).ok();
        let work = work_folder(&operator.data).map_err(&mut keep).ok();
        let certs = hand.as_ref().map(|hand| bot_certs(&operator.bot_certs, &hand.public));
        let certs = certs.and_then(|certs| certs.map_err(&mut keep).ok());
        let mut counters = BTreeMap::new();
        for instance in &operator.instances {
            if let Ok(lookaside) = instance.lookaside.open().map_err(&mut keep) {
                let instance = instance.clone();
                counters.insert(instance.name.clone(), Counter { instance, lookaside });
            }
        }
        let (Some(hand), Some(mirrors), Some(transport), Some(work), Some(certs)) =
            (hand, mirrors, transport, work, certs)
        else {
            return Err(faults);
        };
        let public_key = hand.public.first().cloned().unwrap_or_default();
        let bot_certs = Arc::new(certs);
        let door = hand.door(Arc::clone(&bot_certs), operator.keyring.clone());
        let (name, mail) = (operator.key.name.as_deref(), operator.key.mail.as_deref());
        let committer = match committer(name, mail, &*door) {
            Ok(committer) if faults.is_empty() => committer,
            Ok(_) => return Err(faults),
            Err(fault) => {
                faults.push(fault);
                return Err(faults);
            }
        };
        let keyring = operator.keyring.clone();
        Ok(Workshop {
            mirrors,
            transport,
            bot_certs,
            keyring,
            door,
            committer,
            counters,
            work,
            containers: Containers::new(operator.population.clone()),
            logs: RunLogs::below(&operator.data),
            public_key,
        })
    }

    /// Returns the bot's public key, as `/bot-key.asc` shows it.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Returns the way to repositories.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Returns our copies of repositories.
    pub fn mirrors(&self) -> &Mirrors {
        &self.mirrors
    }

    /// Removes what runs of an earlier process left, killed before they could; returns how many there were.
    pub fn sweep(&self) -> usize {
        let entries = std::fs::read_dir(&self.work).into_iter().flatten().flatten();
        let left =
            entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(RUN_PREFIX));
        left.filter(|entry| std::fs::remove_dir_all(entry.path()).is_ok()).count()
    }

    /// Brings one branch up to its source; the same [`sync`] that the command calls. The run's log is named by `began`.
    pub async fn sync(&self, key: &JobKey, permit: &dyn Permit, began: Timestamp) -> Report {
        match self.try_sync(key, permit, began).await {
            Ok(report) => report,
            Err(fault) => Report {
                package: Some(key.package.clone()),
                branch: Some(key.branch.clone()),
                ..Report::new(None, Outcome::Failed).fault(&fault)
            },
        }
    }

    async fn try_sync(
        &self,
        key: &JobKey,
        permit: &dyn Permit,
        began: Timestamp,
    ) -> Result<Report> {
        let JobKey { instance, package, branch } = key;
        let counter = self.counters.get(instance).ok_or_else(|| unknown(instance))?;
        let target = counter.instance.target(package, branch)?;
        let work = tempfile::Builder::new().prefix(RUN_PREFIX).tempdir_in(&self.work);
        let work = work.map_err(|error| not_writable(&self.work, error))?;
        let container_log = self.logs.begin(key, began);
        let container_log = container_log.map_err(|error| not_writable(&self.work, error))?;
        let now = SystemTime::from(began);
        let dist = counter.instance.dist_tags.of(branch);
        let world = World {
            lookout: Lookout {
                mirrors: &self.mirrors,
                transport: &self.transport,
                trusted: Trusted { bot_certs: &self.bot_certs, keyring: &self.keyring, dist },
                tag_trust: counter.instance.tag_trust,
                local_sources: counter.instance.allow_file_sources,
                now,
            },
            rules: Rules { accept_rewrite: false, dist: dist.map(str::to_owned) },
            work: work.path(),
            releases: Releases {
                folder: None,
                downloads: download::Rules::new(Reach::public()),
                lookaside: Some(&counter.lookaside),
                keyring: &self.keyring,
                now,
            },
            containers: &self.containers,
            container_log,
            method: Method::Git,
            progress: Progress::SILENT,
        };
        let harbour = Harbour {
            lookaside: &counter.lookaside,
            transport: &self.transport,
            signer: &*self.door,
            committer: self.committer.clone(),
            now,
            permit,
        };
        Ok(sync(&target, &world, &harbour).await)
    }
}

/// What signs, and the public halves that count as the bot's for it.
struct Hand {
    key: Kept,
    public: Vec<String>,
}

/// Where the bot's key is kept.
enum Kept {
    Here(BotKey),
    There(SignerClient),
}

impl Hand {
    fn load(source: &KeySource, agent: Option<&Path>) -> Result<Hand> {
        let here = |key: BotKey| Hand { public: vec![key.public()], key: Kept::Here(key) };
        match source {
            KeySource::Key(key) => Ok(here(key.clone())),
            KeySource::Agent(line) => {
                let socket = agent.ok_or_else(|| {
                    Refusal::config("no-ssh-agent", "SSH_AUTH_SOCK is not set")
                        .hint("start an agent and add the key with ssh-add, or name a key file")
                })?;
                Ok(here(BotKey::SshAgent(AgentKey::new(socket, line)?)))
            }
            KeySource::Signer(socket) => {
                let client = SignerClient::connect(socket)?;
                Ok(Hand { public: client.certificates().to_vec(), key: Kept::There(client) })
            }
        }
    }

    fn door(self, certs: Arc<BotCerts>, keyring: Vec<PathBuf>) -> Box<dyn Door> {
        match self.key {
            Kept::Here(key) => Box::new(Signer::new(key, certs, keyring)),
            Kept::There(client) => Box::new(client),
        }
    }
}

/// Reads the public halves that count as the bot's: those of its key, and of its earlier ones.
fn bot_certs(files: &[PathBuf], own: &[String]) -> Result<BotCerts> {
    let own = own.iter().map(|public| ("the bot's key".to_owned(), public.clone().into_bytes()));
    let mut all: Vec<(String, Vec<u8>)> = own.collect();
    for path in files {
        all.push((path.display().to_string(), read(path)?));
    }
    let (certs, warnings) = BotCerts::load(all);
    match warnings.first() {
        None => Ok(certs),
        Some(warning) => Err(Refusal::config("bot-cert-unreadable", warning.to_string())
            .hint("give the public half: an armoured certificate, or an SSH public key line")
            .into()),
    }
}

fn work_folder(data: &Path) -> Result<PathBuf> {
    let folder = data.join("work");
    match std::fs::create_dir_all(&folder) {
        Ok(()) => Ok(folder),
        Err(error) => Err(not_writable(&folder, error).into()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        Refusal::config("file-unreadable", format!("cannot read {}: {error}", path.display()))
            .into()
    })
}

fn not_writable(path: &Path, error: std::io::Error) -> Problem {
    Problem::temporary("work-not-writable", format!("cannot write {}: {error}", path.display()))
        .hint("see that there is room and that the folder below `data` belongs to this user")
        .because(error)
}

fn unknown(instance: &InstanceName) -> Refusal {
    let words = format!("the operator config has no instance `{instance}` any more");
    Refusal::config("instance-unknown", words).hint("put it back, or cancel what waits for it")
}
