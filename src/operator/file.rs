//! What the file may say, as it is written.
//!
//! The documentation of these types becomes the descriptions of the JSON Schema, and the schema is what a file is
//! checked against. Whether a text keeps the rule of its kind is [`super::check`]'s question.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use super::Permission;
use crate::config::TagTrust;
use crate::trigger::hooks::ForgeKind;

/// A short label.
const LABEL: &str = r"^[a-z0-9][a-z0-9._-]*$";

/// A length of time with its unit.
const TIME: &str = r"^[0-9]+ ?(ms|s|min|h|d)$";

/// A number of publications in an hour or a day.
const RATE: &str = r"^[0-9]+/(h|d)$";

/// The operator config of Lockkeeper, `lockkeeper.yaml`. Every secret is a file, or a credential of systemd written `$CREDENTIALS_DIRECTORY/NAME`; relative paths begin at the folder of this file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Lockkeeper operator config")]
pub(super) struct File {
    /// Where HTTP is served: an address and port, or a list of them. Default: 127.0.0.1:8080.
    #[serde(default)]
    #[schemars(schema_with = "one_or_more", example = &"127.0.0.1:8080")]
    pub(super) listen: Option<OneOrMore>,
    /// What the service is called from outside, for links in reports. Default: no links.
    #[schemars(regex(pattern = "^https?://"), example = &"https://lockkeeper.example")]
    pub(super) public_url: Option<String>,
    /// The folder for mirrors, runs and SQLite. Default: /var/lib/lockkeeper.
    #[schemars(example = &"/var/lib/lockkeeper")]
    pub(super) data: Option<String>,
    /// The database: `sqlite` (a file in `data`), or `postgres://USER@HOST/NAME`. Default: sqlite.
    #[schemars(regex(pattern = "^(sqlite|postgres(ql)?://.*)$"), example = &"postgres://lockkeeper@db.example/lockkeeper")]
    pub(super) database: Option<String>,
    /// A file with the password for PostgreSQL.
    #[schemars(example = &"$CREDENTIALS_DIRECTORY/database-password")]
    pub(super) database_password_file: Option<String>,
    /// The name of this process among several on one database. Default: main.
    #[schemars(regex(pattern = LABEL), example = &"node-1")]
    pub(super) node: Option<String>,
    /// How many syncs run at once on this node. Default: 2.
    #[schemars(range(min = 1, max = 256))]
    pub(super) workers: Option<u32>,
    /// How long running work may take to end after SIGTERM. Default: 10s.
    #[schemars(regex(pattern = TIME), example = &"10s")]
    pub(super) drain: Option<String>,
    /// How long a job belongs to a node that says nothing. Default: 15s.
    #[schemars(regex(pattern = TIME), example = &"15s")]
    pub(super) lease: Option<String>,
    /// The bot's own key.
    #[schemars(required)]
    pub(super) key: Option<Key>,
    /// Public halves of the bot's earlier keys, whose commits in dist-git are its own.
    #[schemars(length(max = 100), example = ["/etc/lockkeeper/bot-2025.asc"])]
    #[serde(default)]
    pub(super) bot_certs: Vec<String>,
    /// A folder of certificates that are authentic, or a list of them.
    #[serde(default)]
    #[schemars(schema_with = "one_or_more", example = &"/etc/lockkeeper/keyring.d")]
    pub(super) keyring: Option<OneOrMore>,
    /// The doors for webhooks: POST /hooks/NAME.
    #[schemars(length(max = 1000))]
    #[serde(default)]
    pub(super) hooks: Vec<Hook>,
    /// Where reports go.
    #[schemars(length(max = 100))]
    #[serde(default)]
    pub(super) forges: Vec<Forge>,
    /// The dist-gits that are served.
    #[schemars(required, length(min = 1, max = 100))]
    pub(super) instances: Option<Vec<Instance>>,
    /// Hosts by other names than their own: the name that is written, and the one that counts. Ports may stand in both.
    #[schemars(example = BTreeMap::from([("old.example", "forge.example")]))]
    #[serde(default)]
    pub(super) hosts: BTreeMap<String, String>,
    /// How containers are run.
    #[schemars(with = "crate::container::Options")]
    #[serde(default)]
    pub(super) population: Value,
    /// Who may use the API, by a bearer token.
    #[schemars(length(max = 100))]
    #[serde(default)]
    pub(super) api_tokens: Vec<ApiToken>,
    /// How mail is sent. Default: none is.
    pub(super) mail: Option<Mail>,
    /// Who gets reports by a webhook of ours.
    #[schemars(length(max = 100))]
    #[serde(default)]
    pub(super) webhooks: Vec<Webhook>,
    /// How often is published at most. What is left out is not limited.
    #[serde(default)]
    pub(super) metering: Metering,
    /// When publishing stops because many branches fail alike.
    #[serde(default)]
    pub(super) breaker: Breaker,
    /// How often every tracked source is looked at, besides deliveries. Default: 10min.
    #[schemars(regex(pattern = TIME), example = &"10min")]
    pub(super) reconcile: Option<String>,
    /// How often every package is looked at for branches that opt in or out. Default: 1h.
    #[schemars(regex(pattern = TIME), example = &"1h")]
    pub(super) reindex: Option<String>,
    /// After how long without a delivery a hook whose source moves counts as dead. Default: 1d.
    #[schemars(regex(pattern = TIME), example = &"1d")]
    pub(super) quiet_hook: Option<String>,
    /// How politely hosts are asked on timers.
    #[serde(default)]
    pub(super) per_host: PerHost,
    /// What a delivery and its connection may take.
    #[serde(default)]
    pub(super) limits: Limits,
    /// How long things are kept.
    #[serde(default)]
    pub(super) keep: Keep,
}

/// A text, or a list of texts.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    /// One.
    One(String),
    /// A list.
    More(Vec<String>),
}

fn one_or_more(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "array"], "items": {"type": "string"}, "minItems": 1, "maxItems": 100})
}

/// The bot's own key: exactly one of `file`, `agent` and `signer`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Key {
    /// The file of the secret key: OpenPGP, or OpenSSH's private key format.
    #[schemars(example = &"/etc/lockkeeper/bot.key")]
    pub(super) file: Option<String>,
    /// A file with the key's passphrase.
    #[schemars(example = &"$CREDENTIALS_DIRECTORY/bot-passphrase")]
    pub(super) passphrase_file: Option<String>,
    /// The public line of an SSH key that the agent at $SSH_AUTH_SOCK holds.
    pub(super) agent: Option<String>,
    /// The socket of a `lockkeeper signer` that holds the key.
    #[schemars(example = &"/run/lockkeeper-signer/socket")]
    pub(super) signer: Option<String>,
    /// The bot's name as committer. Default: that of an OpenPGP key.
    #[schemars(example = &"Lockkeeper")]
    pub(super) name: Option<String>,
    /// The bot's mail address as committer. Default: that of an OpenPGP key.
    #[schemars(example = &"lockkeeper@example.org")]
    pub(super) mail: Option<String>,
}

/// A door for webhooks.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Hook {
    /// Its name: deliveries come to /hooks/NAME.
    #[schemars(required, regex(pattern = LABEL), example = &"src")]
    pub(super) name: Option<String>,
    /// What stands on the other side.
    #[schemars(required)]
    pub(super) forge: Option<ForgeKind>,
    /// Files with the secret; two while it is being rotated.
    #[schemars(length(min = 1, max = 10), example = ["/etc/lockkeeper/src.secret"])]
    pub(super) secret_files: Option<Vec<String>>,
    /// GitLab only: files with a signing token, `whsec_…`. Where one is set, the plain token is not asked for.
    #[schemars(length(min = 1, max = 10), example = ["/etc/lockkeeper/gitlab.token"])]
    pub(super) signing_token_files: Option<Vec<String>>,
    /// The bot's own accounts there, whose acts come back as echoes and are ignored.
    #[schemars(length(max = 100), example = ["lockkeeper-bot"])]
    #[serde(default)]
    pub(super) bot_accounts: Vec<String>,
}

/// A forge that reports go to: either `token_file` or `app`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Forge {
    /// What it is called here.
    #[schemars(required, regex(pattern = LABEL), example = &"github")]
    pub(super) name: Option<String>,
    /// What it runs.
    #[schemars(required)]
    pub(super) kind: Option<ForgeKind>,
    /// Where people go. Default: the well-known place of its kind, where there is one.
    #[schemars(regex(pattern = "^https?://"), example = &"https://forge.example")]
    pub(super) url: Option<String>,
    /// A file with the bot's token.
    #[schemars(example = &"/etc/lockkeeper/forge.token")]
    pub(super) token_file: Option<String>,
    /// GitHub only: the bot is an App.
    pub(super) app: Option<App>,
    /// What the bot is called there.
    #[schemars(example = &"lockkeeper-bot")]
    pub(super) bot_account: Option<String>,
    /// A file with the certificates of an own CA, PEM, which alone is trusted there; not for an App.
    #[schemars(example = &"/etc/lockkeeper/forge-ca.pem")]
    pub(super) ca_file: Option<String>,
}

/// A GitHub App.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct App {
    /// Its id.
    #[schemars(required, range(min = 1, max = 4_294_967_295_u32))]
    pub(super) id: Option<u64>,
    /// A file with its private key, PEM.
    #[schemars(required, example = &"/etc/lockkeeper/github-app.pem")]
    pub(super) key_file: Option<String>,
    /// Its installation. Default: asked for each repository.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub(super) installation: Option<u64>,
}

/// A dist-git.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Instance {
    /// What it is called here.
    #[schemars(required, regex(pattern = LABEL), example = &"fedora")]
    pub(super) name: Option<String>,
    /// Where a package's repository is, with {name} for the package.
    #[schemars(required, regex(pattern = r"\{name\}"), example = &"ssh://bot@dist-git.example/rpms/{name}.git")]
    pub(super) git: Option<String>,
    /// Its lookaside cache.
    #[schemars(required)]
    pub(super) lookaside: Option<Lookaside>,
    /// Which packages are looked at.
    #[schemars(required)]
    pub(super) packages: Option<Packages>,
    /// Globs of the branches that are looked at. Default: all.
    #[schemars(length(max = 100), example = ["rawhide", "f*"])]
    #[serde(default)]
    pub(super) branches: Vec<String>,
    /// The dist tag of each branch.
    #[schemars(example = BTreeMap::from([("f44", ".fc44")]))]
    #[serde(default)]
    pub(super) dist_tags: BTreeMap<String, String>,
    /// Whether a branch config may name a repository of this machine as its source.
    #[serde(default)]
    pub(super) allow_file_sources: bool,
    /// Whether release tags must be signed where a branch does not say. Default: signed.
    pub(super) tags: Option<TagTrust>,
}

/// A lookaside cache.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lookaside {
    /// Where archives are uploaded: a folder, or an address (ADDRESS/upload.cgi is posted to).
    #[schemars(required, example = &"https://dist-git.example/repo/pkgs")]
    pub(super) upload: Option<String>,
    /// The base of download addresses, where it is not that of uploads.
    #[schemars(regex(pattern = "^https?://"), example = &"https://dist-git.example/repo/pkgs")]
    pub(super) download: Option<String>,
    /// A file with a client certificate and its key, PEM.
    #[schemars(example = &"$CREDENTIALS_DIRECTORY/lookaside.pem")]
    pub(super) certificate_file: Option<String>,
    /// A file with the certificate authority of the server, PEM.
    #[schemars(example = &"/etc/lockkeeper/lookaside-ca.pem")]
    pub(super) ca: Option<String>,
    /// How long an answer may take. Default: 2min.
    #[schemars(regex(pattern = TIME), example = &"2min")]
    pub(super) timeout: Option<String>,
    /// How often a server that fails for a while is asked in all. Default: 4.
    #[schemars(range(min = 1, max = 100))]
    pub(super) attempts: Option<u32>,
}

/// Which packages are looked at: exactly one of `directory`, `list`, `file` and `forge`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Packages {
    /// The repositories in a folder of this machine.
    #[schemars(example = &"/srv/dist-git/rpms")]
    pub(super) directory: Option<String>,
    /// These.
    #[schemars(length(min = 1, max = 2000), example = ["hello"])]
    pub(super) list: Option<Vec<String>>,
    /// Those whose names stand in a file, one a line; what follows a # is a remark.
    #[schemars(example = &"/etc/lockkeeper/packages")]
    pub(super) file: Option<String>,
    /// Those that this forge, an entry of `forges`, lists in `namespace`.
    #[schemars(regex(pattern = LABEL), example = &"src")]
    pub(super) forge: Option<String>,
    /// The namespace, group or organisation at the forge.
    #[schemars(example = &"rpms")]
    pub(super) namespace: Option<String>,
    /// Globs of the names that are looked at, beside `directory` or `forge`. Default: all.
    #[serde(rename = "match")]
    #[schemars(length(max = 100), example = ["python-*"])]
    pub(super) matching: Vec<String>,
}

/// A token for the API.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiToken {
    /// Whose it is: what the log and the history say.
    #[schemars(required, regex(pattern = LABEL), example = &"ops")]
    pub(super) name: Option<String>,
    /// A file with the token: 16 characters or more.
    #[schemars(required, example = &"/etc/lockkeeper/ops.token")]
    pub(super) token_file: Option<String>,
    /// What its bearer may do.
    #[schemars(required, length(min = 1, max = 10))]
    pub(super) may: Option<Vec<Permission>>,
}

/// How mail is sent.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mail {
    /// The server: `smtps://HOST[:PORT]`, or `smtp://HOST[:PORT]` with STARTTLS; without on this machine only.
    #[schemars(required, regex(pattern = "^smtps?://"), example = &"smtps://mail.example")]
    pub(super) smtp: Option<String>,
    /// The user at the server.
    pub(super) user: Option<String>,
    /// A file with the user's password.
    #[schemars(example = &"$CREDENTIALS_DIRECTORY/mail-password")]
    pub(super) password_file: Option<String>,
    /// The sender.
    #[schemars(required, example = &"lockkeeper@example.org")]
    pub(super) from: Option<String>,
    /// Who gets every report that a person must act on.
    #[schemars(length(max = 100), example = ["packagers@example.org"])]
    #[serde(default)]
    pub(super) to: Vec<String>,
}

/// Somebody who gets reports by a webhook of ours.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    /// What it is called here.
    #[schemars(required, regex(pattern = LABEL), example = &"dashboard")]
    pub(super) name: Option<String>,
    /// Where to, https; http on this machine only.
    #[schemars(required, regex(pattern = "^https?://"), example = &"https://dashboard.example/hook")]
    pub(super) url: Option<String>,
    /// A file with what the deliveries are signed with.
    #[schemars(required, example = &"/etc/lockkeeper/dashboard.secret")]
    pub(super) secret_file: Option<String>,
}

/// How politely hosts are asked on timers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PerHost {
    /// How many questions one host gets at once. Default: 4.
    #[schemars(range(min = 1, max = 100))]
    pub(super) connections: Option<u32>,
    /// How many questions to one host begin in a second. Default: 10.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) per_second: Option<u32>,
    /// How long a repository may take to name its branches; ten times as long to hand over their tips. Default: 1min.
    #[schemars(regex(pattern = TIME), example = &"1min")]
    pub(super) answer: Option<String>,
}

/// What a delivery and its connection may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    /// The largest body. Default: 25MiB, the most that GitHub and GitLab send.
    #[schemars(regex(pattern = r"^[0-9]+ ?(B|kB|KiB|MB|MiB|GB|GiB)$"), example = &"25MiB")]
    pub(super) body: Option<String>,
    /// How long a request may take to arrive. Default: 30s.
    #[schemars(regex(pattern = TIME), example = &"30s")]
    pub(super) request_time: Option<String>,
    /// How many connections at once. Default: 1024.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) connections: Option<u32>,
}

/// How long things are kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Keep {
    /// Deliveries; a week at least, since forges deliver again for days. Default: 14d.
    #[schemars(regex(pattern = TIME), example = &"14d")]
    pub(super) deliveries: Option<String>,
    /// The history of runs. Default: 365d.
    #[schemars(regex(pattern = TIME), example = &"365d")]
    pub(super) runs: Option<String>,
}

/// How often is published at most.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Metering {
    /// For each branch.
    #[schemars(regex(pattern = RATE), example = &"6/h")]
    pub(super) per_branch: Option<String>,
    /// For each package, all its branches together.
    #[schemars(regex(pattern = RATE), example = &"12/h")]
    pub(super) per_package: Option<String>,
    /// For everything.
    #[schemars(regex(pattern = RATE), example = &"200/h")]
    pub(super) overall: Option<String>,
}

/// When publishing stops because many branches fail alike.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Breaker {
    /// How far it looks back. Default: 30min.
    #[schemars(regex(pattern = TIME), example = &"30min")]
    pub(super) window: Option<String>,
    /// The share of branches, in percent, that must have failed alike. Default: 50.
    #[schemars(range(min = 1, max = 100))]
    pub(super) percent: Option<u32>,
    /// With fewer branches than this failing alike nothing stops. Default: 10.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) at_least: Option<u32>,
    /// How long it stops at first; twice as long each time that a probe fails. Default: 10min.
    #[schemars(regex(pattern = TIME), example = &"10min")]
    pub(super) pause: Option<String>,
    /// How many probes must go well before everything goes on. Default: 3.
    #[schemars(range(min = 1, max = 100))]
    pub(super) probes: Option<u32>,
}
