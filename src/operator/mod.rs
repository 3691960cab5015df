//! The operator config, `lockkeeper.yaml`: what a service, and a person who names a package, rely on.
//!
//! [`Operator`] is the checked form. It comes of three layers, the later winning: the file, the environment
//! (`LOCKKEEPER_…`), and flags.
//!
//! The way of a file, each step with a file of its own; document, shape and faults are the branch config's
//! ([`crate::config`]):
//!
//! 1. `file`: what may be written; the [`schema()`] is made from it, and files are checked against that;
//! 2. `layers`: what the environment and the flags put in its place;
//! 3. `check`, with `rules`: written values to checked ones;
//! 4. `secrets`: every secret is a file, or a credential of systemd; its rights are looked at;
//! 5. faults, all of them at once, with line and column.
//!
//! `instance` answers for one dist-git: which repository a package has there, and where its archives go.

mod check;
mod file;
mod instance;
mod layers;
mod parse;
mod rules;
mod secrets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

pub use instance::{DistTags, Instance, LookasideAccess, Packages, RepositoryTemplate};
pub use layers::{Layers, VARIABLES};
pub use parse::{FILE_NAME, schema};
pub use secrets::Places;

use crate::bot_key::BotKey;
use crate::container;
use crate::database::DatabaseAddress;
use crate::names::{ForgeName, HookName, InstanceName, NodeName};
use crate::queue::{BreakerPolicy, Metering};
use crate::secret::Secret;
use crate::trigger::hooks::{ForgeKind, Hook};

/// A whole operator config, checked.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Where HTTP is served.
    pub listen: Vec<SocketAddr>,
    /// What the service is called from outside, for links in reports.
    pub public_url: Option<Url>,
    /// Mirrors, runs and SQLite.
    pub data: PathBuf,
    /// The database.
    pub database: DatabaseAddress,
    /// The name of this process among several on one database.
    pub node: NodeName,
    /// How many syncs run at once on this node.
    pub workers: usize,
    /// How long running work may take to end after SIGTERM.
    pub drain: Duration,
    /// How long a job belongs to a node that says nothing.
    pub lease: Duration,
    /// The bot's own key.
    pub key: KeyAccess,
    /// Public halves of the bot's earlier keys.
    pub bot_certs: Vec<PathBuf>,
    /// Folders of certificates that are authentic.
    pub keyring: Vec<PathBuf>,
    /// The doors for webhooks.
    pub hooks: Vec<Hook>,
    /// Where reports go.
    pub forges: Vec<ForgeAccess>,
    /// The dist-gits.
    pub instances: Vec<Instance>,
    /// Hosts by other names than their own: the name that is written, and the one that counts.
    pub hosts: BTreeMap<String, String>,
    /// How containers are run.
    pub population: container::Options,
    /// Who may use the API.
    pub api_tokens: Vec<ApiToken>,
    /// How mail is sent.
    pub mail: Option<Mail>,
    /// Who gets reports by a webhook of ours.
    pub webhooks: Vec<WebhookSink>,
    /// How often is published at most.
    pub metering: Metering,
    /// When publishing stops because many branches fail alike.
    pub breaker: BreakerPolicy,
    /// How often every tracked source is looked at.
    pub reconcile: Duration,
    /// How often every package is looked at for branches that opt in or out.
    pub reindex: Duration,
    /// After how long without a delivery a hook whose source moves counts as dead.
    pub quiet_hook: Duration,
    /// How politely hosts are asked on timers.
    pub per_host: PerHost,
    /// What a delivery and its connection may take.
    pub limits: Limits,
    /// How long deliveries and run histories are kept.
    pub keep: Keep,
}

/// The bot's own key, and its name as committer.
#[derive(Debug, Clone)]
pub struct KeyAccess {
    /// Where the key is.
    pub source: KeySource,
    /// The bot's name; `None`: that of an OpenPGP key.
    pub name: Option<String>,
    /// The bot's mail address; `None`: that of an OpenPGP key.
    pub mail: Option<String>,
}

/// Where the bot's key is.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// In a file, which this process has read and opened.
    Key(BotKey),
    /// In an SSH agent; the public line of the key.
    Agent(String),
    /// Behind the socket of a `lockkeeper signer`.
    Signer(PathBuf),
}

/// A forge that reports go to.
#[derive(Debug, Clone)]
pub struct ForgeAccess {
    /// What the operator calls it.
    pub name: ForgeName,
    /// What it runs.
    pub kind: ForgeKind,
    /// Where people go; `None`: the well-known place of its kind.
    pub url: Option<Url>,
    /// What lets the bot in.
    pub credential: ForgeCredential,
    /// What the bot is called there.
    pub bot_account: Option<String>,
    /// The file of an own CA, PEM; alone trusted there.
    pub certificate_authority: Option<PathBuf>,
}

/// What lets the bot in at a forge.
#[derive(Debug, Clone)]
pub enum ForgeCredential {
    /// A token.
    Token(Secret),
    /// A GitHub App.
    App {
        /// Its id.
        id: u64,
        /// Its installation; `None`: asked for each repository.
        installation: Option<u64>,
        /// Its private key, PEM.
        key: Secret,
    },
}

/// A token for the API.
#[derive(Debug, Clone)]
pub struct ApiToken {
    /// Whose it is: what the log and the history say.
    pub name: String,
    /// The token.
    pub token: Secret,
    /// What its bearer may do.
    pub may: Vec<Permission>,
}

/// Something that a bearer of a token may do.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Ask for a look at a branch.
    Sync,
    /// Read status, jobs and runs.
    Read,
    /// Pause, throttle and resume.
    Pause,
    /// Retry and cancel jobs.
    Jobs,
}

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The server.
    pub smtp: SmtpServer,
    /// The sender.
    pub from: String,
    /// Who gets every report that a person must act on.
    pub to: Vec<String>,
}

/// A mail server.
#[derive(Debug, Clone)]
pub struct SmtpServer {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub security: SmtpSecurity,
    /// User and password.
    pub login: Option<(String, Secret)>,
}

/// How a connection to a mail server is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte: `smtps://`.
    Tls,
    /// STARTTLS, and nothing without it: `smtp://`.
    StartTls,
    /// None, on this machine only: `smtp://localhost`.
    None,
}

/// Somebody who gets reports by a webhook of ours.
#[derive(Debug, Clone)]
pub struct WebhookSink {
    /// What the operator calls it.
    pub name: String,
    /// Where to.
    pub url: Url,
    /// What the deliveries are signed with.
    pub secret: Secret,
}

/// How politely a host is asked on timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerHost {
    /// How many questions at once.
    pub connections: usize,
    /// How many questions begin in a second.
    pub per_second: u32,
    /// How long an answer may take.
    pub answer: Duration,
}

/// What a delivery and its connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest body in bytes.
    pub body: u64,
    /// How long a request may take to arrive.
    pub request_time: Duration,
    /// How many connections at once.
    pub connections: usize,
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Deliveries; their ids are kept for a week at least, since forges deliver again for days.
    pub deliveries: Duration,
    /// The history of runs.
    pub runs: Duration,
}

impl Operator {
    /// Returns the door of this name.
    pub fn hook(&self, name: &HookName) -> Option<&Hook> {
        self.hooks.iter().find(|hook| hook.name == *name)
    }

    /// Returns the dist-git of this name.
    pub fn instance(&self, name: &InstanceName) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.name == *name)
    }

    /// Returns the forge of this name.
    pub fn forge(&self, name: &ForgeName) -> Option<&ForgeAccess> {
        self.forges.iter().find(|forge| forge.name == *name)
    }
}
