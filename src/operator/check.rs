//! What is written to what may be relied on.
//!
//! Each section is checked whole and gives either its checked form or faults; so every fault of a file is found in
//! one reading. A section's form is missing only where a fault says why, or where secrets were not to be read.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::file::{self, OneOrMore};
use super::layers::Layers;
use super::rules;
use super::secrets::Places;
use super::{
    ApiToken, ForgeAccess, ForgeCredential, Keep, KeyAccess, KeySource, Limits, Mail, Operator,
    PerHost, SmtpServer, WebhookSink,
};
use crate::bot_key::BotKey;
use crate::config::faults::{Collector, Found, KeyPath};
use crate::config::rules::Checked;
use crate::container;
use crate::database::DatabaseAddress;
use crate::names::{ForgeName, HookName, NodeName};
use crate::outcome::printable;
use crate::queue::{BreakerPolicy, Metering};
use crate::secret::Secret;
use crate::trigger::hooks::{ForgeKind, Hook, Proof, SigningKey};

mod instances;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest token that is taken for the API: a guess must be hopeless.
const SHORTEST_TOKEN: usize = 16;

/// What checking needs besides the file.
pub(super) struct Desk<'d> {
    pub(super) layers: &'d Layers,
    pub(super) places: &'d Places,
    pub(super) faults: &'d mut Collector,
}

impl Desk<'_> {
    /// Keeps the fault of a failed check and returns the value of one that passed.
    fn take<T>(&mut self, checked: Checked<T>) -> Option<T> {
        self.faults.take(checked)
    }

    /// Checks a value that may be left out.
    fn optional<T>(
        &mut self,
        written: Option<&str>,
        at: &KeyPath,
        check: impl Fn(&str, &KeyPath) -> Checked<T>,
    ) -> Option<T> {
        let checked = check(written?, at);
        self.take(checked)
    }

    /// Checks each item of a list with its own path.
    fn each<T>(
        &mut self,
        items: &[String],
        at: &KeyPath,
        check: impl Fn(&str, &KeyPath) -> Checked<T>,
    ) -> Vec<T> {
        let checked = items.iter().enumerate().map(|(index, item)| check(item, &at.index(index)));
        let checked: Vec<_> = checked.collect();
        checked.into_iter().filter_map(|checked| self.take(checked)).collect()
    }

    /// Checks a value, or each of a list.
    fn one_or_more<T>(
        &mut self,
        written: &OneOrMore,
        at: &KeyPath,
        check: impl Fn(&str, &KeyPath) -> Checked<T>,
    ) -> Vec<T> {
        match written {
            OneOrMore::One(text) => self.optional(Some(text), at, check).into_iter().collect(),
            OneOrMore::More(texts) => self.each(texts, at, check),
        }
    }

    /// Checks a length of time that may be left out.
    fn time(
        &mut self,
        written: Option<&str>,
        at: &KeyPath,
        default: Duration,
        bounds: std::ops::RangeInclusive<Duration>,
    ) -> Duration {
        let check = |text: &str, at: &KeyPath| rules::time(text, at, bounds.clone());
        self.optional(written, at, check).unwrap_or(default)
    }

    fn path(&mut self, text: &str, at: &KeyPath) -> Option<PathBuf> {
        let path = self.places.path(text, at);
        self.take(path)
    }

    fn secret(&mut self, text: &str, at: &KeyPath) -> Option<Secret> {
        let secret = self.places.secret(text, at);
        self.take(secret).flatten()
    }

    /// Refuses the second of two items of one name.
    fn unique<'n>(&mut self, seen: &mut HashSet<&'n str>, name: Option<&'n String>, at: &KeyPath) {
        if let Some(name) = name
            && !seen.insert(name)
        {
            let words = format!("`{}` stands twice", printable(name, 60));
            self.faults.add(Found::new("operator-duplicate", &at.key("name"), words));
        }
    }

    fn fault(&mut self, code: &'static str, at: &KeyPath, words: &str, hint: &str) {
        self.faults.add_unless_known(Found::new(code, at, words).hint(hint));
    }
}

/// Checks a whole file.
pub(super) fn check(file: file::File, desk: &mut Desk<'_>) -> Option<Operator> {
    let at = |key: &str| desk.layers.path(key);
    let (listen_at, public_at, data_at) = (at("listen"), at("public_url"), at("data"));
    let node_at = at("node");
    let [drain_at, lease_at, reconcile_at, reindex_at, quiet_at] =
        ["drain", "lease", "reconcile", "reindex", "quiet_hook"].map(at);
    let usual = OneOrMore::One("127.0.0.1:8080".to_owned());
    let listen = file.listen.as_ref().unwrap_or(&usual);
    let listen = desk.one_or_more(listen, &listen_at, rules::listen);
    let public_url = desk.optional(file.public_url.as_deref(), &public_at, rules::web);
    let data = desk.path(file.data.as_deref().unwrap_or("/var/lib/lockkeeper"), &data_at);
    let database = database(&file, data.as_deref(), desk);
    let node = file.node.as_deref().unwrap_or("main");
    let node = desk.optional(Some(node), &node_at, rules::name::<NodeName>);
    let key = file.key.as_ref().and_then(|written| key(written, desk));
    let bot_certs = paths(&file.bot_certs, "bot_certs", desk);
    let places = desk.places;
    let keyring = file.keyring.as_ref().map(|written| {
        desk.one_or_more(written, &KeyPath::of("keyring"), |text, at| places.path(text, at))
    });
    let hooks = hooks(&file.hooks, desk);
    let forges = forges(&file.forges, desk);
    let forge_names: Vec<&str> =
        file.forges.iter().filter_map(|forge| forge.name.as_deref()).collect();
    let instances =
        instances::instances(file.instances.as_deref().unwrap_or_default(), &forge_names, desk);
    let hosts = hosts(&file.hosts, desk);
    let population = population(&file.population, desk);
    let api_tokens = api_tokens(&file.api_tokens, desk);
    let mail = file.mail.as_ref().map(|written| mail(written, desk));
    let webhooks = webhooks(&file.webhooks, desk);
    let drain = desk.time(file.drain.as_deref(), &drain_at, 10 * SECOND, SECOND..=HOUR);
    let lease = desk.time(file.lease.as_deref(), &lease_at, 15 * SECOND, 2 * SECOND..=HOUR);
    let reconcile =
        desk.time(file.reconcile.as_deref(), &reconcile_at, 10 * MINUTE, 10 * SECOND..=DAY);
    let reindex = desk.time(file.reindex.as_deref(), &reindex_at, HOUR, 10 * SECOND..=7 * DAY);
    let quiet_hook = desk.time(file.quiet_hook.as_deref(), &quiet_at, DAY, MINUTE..=90 * DAY);
    Some(Operator {
        listen,
        public_url,
        data: data?,
        database: database?,
        node: node?,
        workers: file.workers.unwrap_or(2) as usize,
        drain,
        lease,
        key: key?,
        bot_certs,
        keyring: keyring.unwrap_or_default(),
        hooks,
        forges,
        instances,
        hosts,
        population,
        api_tokens,
        mail: match mail {
            Some(mail) => Some(mail?),
            None => None,
        },
        webhooks,
        metering: metering(&file.metering, desk),
        breaker: breaker(&file.breaker, desk),
        reconcile,
        reindex,
        quiet_hook,
        per_host: per_host(&file.per_host, desk),
        limits: limits(&file.limits, desk),
        keep: keep(&file.keep, desk),
    })
}

fn per_host(written: &file::PerHost, desk: &mut Desk<'_>) -> PerHost {
    let at = KeyPath::of("per_host").key("answer");
    PerHost {
        connections: written.connections.unwrap_or(4) as usize,
        per_second: written.per_second.unwrap_or(10),
        answer: desk.time(written.answer.as_deref(), &at, MINUTE, SECOND..=HOUR),
    }
}

fn paths(written: &[String], key: &str, desk: &mut Desk<'_>) -> Vec<PathBuf> {
    let places = desk.places;
    desk.each(written, &KeyPath::of(key), |text, at| places.path(text, at))
}

fn database(
    file: &file::File,
    data: Option<&Path>,
    desk: &mut Desk<'_>,
) -> Option<DatabaseAddress> {
    let at = desk.layers.path("database");
    let text = file.database.as_deref().unwrap_or("sqlite");
    let address = DatabaseAddress::parse(text, data?).map_err(|refusal| {
        Found::new("operator-bad-address", &at, refusal.message).hint(refusal.hint)
    });
    let address = desk.take(address)?;
    let Some(password_file) = file.database_password_file.as_deref() else { return Some(address) };
    let at = desk.layers.path("database_password_file");
    if let DatabaseAddress::Sqlite(_) = address {
        desk.fault("operator-choice", &at, "means nothing beside SQLite", "leave it out");
        return None;
    }
    let password = desk.secret(password_file, &at)?;
    match password.expose_text() {
        Some(password) => Some(address.with_password(password)),
        None => {
            desk.fault("operator-bad-token", &at, "holds no text", "");
            None
        }
    }
}

fn key(written: &file::Key, desk: &mut Desk<'_>) -> Option<KeyAccess> {
    let at = KeyPath::of("key");
    let name = written.name.as_deref();
    let name = desk.optional(name, &at.key("name"), rules::words);
    let mail = desk.optional(written.mail.as_deref(), &at.key("mail"), rules::mail);
    if written.passphrase_file.is_some() && written.file.is_none() {
        let words = "means nothing without `file`";
        desk.fault("operator-choice", &at.key("passphrase_file"), words, "leave it out");
    }
    let source = match (&written.file, &written.agent, &written.signer) {
        (Some(file), None, None) => {
            key_file(file, written.passphrase_file.as_deref(), &at, desk).map(KeySource::Key)
        }
        (None, Some(line), None) => {
            let line = desk.optional(Some(line), &at.key("agent"), rules::words);
            line.map(KeySource::Agent)
        }
        (None, None, Some(socket)) => desk.path(socket, &at.key("signer")).map(KeySource::Signer),
        _ => {
            let words = "must have exactly one of `file`, `agent` and `signer`";
            desk.fault("operator-choice", &at, words, "");
            None
        }
    };
    Some(KeyAccess { source: source?, name, mail })
}

/// Reads the key and opens it, so that a wrong passphrase is found before anything waits for a signature.
fn key_file(
    file: &str,
    passphrase_file: Option<&str>,
    at: &KeyPath,
    desk: &mut Desk<'_>,
) -> Option<BotKey> {
    let passphrase = passphrase_file.map(|text| desk.secret(text, &at.key("passphrase_file")));
    let key = desk.secret(file, &at.key("file"))?;
    let passphrase = match passphrase {
        Some(passphrase) => Some(passphrase?),
        None => None,
    };
    let passphrase = passphrase.as_ref().and_then(Secret::expose_text);
    let loaded = BotKey::load(key.expose(), passphrase).map_err(|refusal| {
        Found::new("operator-bad-key", &at.key("file"), refusal.message).hint(refusal.hint)
    });
    desk.take(loaded)
}

fn hooks(written: &[file::Hook], desk: &mut Desk<'_>) -> Vec<Hook> {
    let mut seen = HashSet::new();
    let mut hooks = Vec::new();
    for (index, written) in written.iter().enumerate() {
        let at = KeyPath::of("hooks").index(index);
        desk.unique(&mut seen, written.name.as_ref(), &at);
        hooks.extend(hook(written, &at, desk));
    }
    hooks
}

fn hook(written: &file::Hook, at: &KeyPath, desk: &mut Desk<'_>) -> Option<Hook> {
    let name = desk.optional(written.name.as_deref(), &at.key("name"), rules::name::<HookName>);
    let kind = written.forge;
    let proof = match (&written.secret_files, &written.signing_token_files) {
        (Some(files), None) => secrets(files, &at.key("secret_files"), desk).map(Proof::Secrets),
        (None, Some(files)) => {
            let at = at.key("signing_token_files");
            if kind.is_some_and(|kind| kind != ForgeKind::GitLab) {
                let hint = "write secret_files";
                desk.fault("operator-choice", &at, "only GitLab has signing tokens", hint);
            }
            signing_keys(files, &at, desk).map(Proof::SigningKeys)
        }
        (Some(_), Some(_)) => {
            let words = "has both a secret and a signing token; where there is a signing token, a secret proves nothing";
            desk.fault("operator-choice", at, words, "keep signing_token_files");
            None
        }
        (None, None) => {
            let words = "has no secret: anybody could deliver anything";
            let hint = "write secret_files, and set the same secret at the forge";
            desk.fault("operator-choice", at, words, hint);
            None
        }
    };
    Some(Hook {
        name: name?,
        kind: kind?,
        proof: proof?,
        bot_accounts: written.bot_accounts.clone(),
    })
}

/// Reads secrets; `None` where one of them could not be.
fn secrets(files: &[String], at: &KeyPath, desk: &mut Desk<'_>) -> Option<Vec<Secret>> {
    let read: Vec<Option<Secret>> = files
        .iter()
        .enumerate()
        .map(|(index, file)| desk.secret(file, &at.index(index)))
        .collect();
    read.into_iter().collect()
}

fn signing_keys(files: &[String], at: &KeyPath, desk: &mut Desk<'_>) -> Option<Vec<SigningKey>> {
    let tokens = secrets(files, at, desk)?;
    let mut keys = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let key = SigningKey::from_token(token).ok_or_else(|| {
            let words = "holds no signing token: whsec_ and base64";
            Found::new("operator-bad-token", &at.index(index), words)
        });
        keys.extend(desk.take(key));
    }
    (keys.len() == tokens.len()).then_some(keys)
}

fn forges(written: &[file::Forge], desk: &mut Desk<'_>) -> Vec<ForgeAccess> {
    let mut seen = HashSet::new();
    let mut forges = Vec::new();
    for (index, written) in written.iter().enumerate() {
        let at = KeyPath::of("forges").index(index);
        desk.unique(&mut seen, written.name.as_ref(), &at);
        forges.extend(forge(written, &at, desk));
    }
    forges
}

fn forge(written: &file::Forge, at: &KeyPath, desk: &mut Desk<'_>) -> Option<ForgeAccess> {
    let name = desk.optional(written.name.as_deref(), &at.key("name"), rules::name::<ForgeName>);
    let url = desk.optional(written.url.as_deref(), &at.key("url"), rules::web);
    let kind = written.kind;
    if written.url.is_none() && kind.is_some_and(|kind| well_known(kind).is_none()) {
        let words = "there is no well-known place of this kind of forge";
        desk.fault(
            "config-missing-key",
            &at.key("url"),
            words,
            "write its address: `url: https://…`",
        );
    }
    let credential = match (&written.token_file, &written.app) {
        (Some(file), None) => desk.secret(file, &at.key("token_file")).map(ForgeCredential::Token),
        (None, Some(written)) => app(written, kind, &at.key("app"), desk),
        _ => {
            let words = "must have exactly one of `token_file` and `app`";
            desk.fault("operator-choice", at, words, "");
            None
        }
    };
    if written.ca_file.is_some() && written.app.is_some() {
        let hint = "put the CA among those that the machine trusts, or name it in SSL_CERT_FILE";
        desk.fault("operator-choice", &at.key("ca_file"), "does not go with an App", hint);
    }
    let authority = written.ca_file.as_deref().map(|text| desk.path(text, &at.key("ca_file")));
    Some(ForgeAccess {
        name: name?,
        kind: kind?,
        url,
        credential: credential?,
        bot_account: written.bot_account.clone(),
        certificate_authority: match authority {
            Some(authority) => Some(authority?),
            None => None,
        },
    })
}

fn well_known(kind: ForgeKind) -> Option<&'static str> {
    match kind {
        ForgeKind::GitHub => Some("https://github.com"),
        ForgeKind::GitLab => Some("https://gitlab.com"),
        ForgeKind::Pagure | ForgeKind::Forgejo | ForgeKind::Gitea => None,
    }
}

fn app(
    written: &file::App,
    kind: Option<ForgeKind>,
    at: &KeyPath,
    desk: &mut Desk<'_>,
) -> Option<ForgeCredential> {
    if kind.is_some_and(|kind| kind != ForgeKind::GitHub) {
        desk.fault("operator-choice", at, "only GitHub knows Apps", "write token_file");
    }
    let key = desk.secret(written.key_file.as_deref()?, &at.key("key_file"))?;
    Some(ForgeCredential::App { id: written.id?, installation: written.installation, key })
}

fn hosts(written: &BTreeMap<String, String>, desk: &mut Desk<'_>) -> BTreeMap<String, String> {
    let mut hosts = BTreeMap::new();
    for (from, to) in written {
        let at = KeyPath::of("hosts").key(from);
        let from = rules::host(from, &at);
        let to = rules::host(to, &at);
        if let (Some(from), Some(to)) = (desk.take(from), desk.take(to)) {
            hosts.insert(from, to);
        }
    }
    hosts
}

/// Reads the section that belongs to another room, and where that does not take it, asks which of its values are at
/// fault by giving it one at a time.
fn population(written: &Value, desk: &mut Desk<'_>) -> container::Options {
    if written.is_null() {
        return container::Options::default();
    }
    if let Ok(options) = serde_json::from_value(written.clone()) {
        return options;
    }
    let at = KeyPath::of("population");
    for (key, value) in written.as_object().into_iter().flatten() {
        match value.as_object() {
            None => leaf(&json!({ key: value }), &at.key(key), desk),
            Some(below) => {
                for (name, value) in below {
                    leaf(&json!({ key: { name: value } }), &at.key(key).key(name), desk);
                }
            }
        }
    }
    container::Options::default()
}

fn leaf(section: &Value, at: &KeyPath, desk: &mut Desk<'_>) {
    let read: Result<container::Options, _> = serde_json::from_value(section.clone());
    if let Err(error) = read {
        let words = printable(error.to_string(), 200);
        desk.faults.add(Found::new("operator-bad-population", at, words));
    }
}

fn api_tokens(written: &[file::ApiToken], desk: &mut Desk<'_>) -> Vec<ApiToken> {
    let mut seen = HashSet::new();
    let mut tokens = Vec::new();
    for (index, written) in written.iter().enumerate() {
        let at = KeyPath::of("api_tokens").index(index);
        desk.unique(&mut seen, written.name.as_ref(), &at);
        tokens.extend(api_token(written, &at, desk));
    }
    tokens
}

fn api_token(written: &file::ApiToken, at: &KeyPath, desk: &mut Desk<'_>) -> Option<ApiToken> {
    let file_at = at.key("token_file");
    let token = desk.secret(written.token_file.as_deref()?, &file_at)?;
    if token.expose().len() < SHORTEST_TOKEN {
        let words = "holds a token of less than 16 characters, which can be guessed";
        desk.fault(
            "operator-bad-token",
            &file_at,
            words,
            "`openssl rand -hex 32` makes a good one",
        );
    }
    let name = desk.optional(written.name.as_deref(), &at.key("name"), rules::name::<ForgeName>)?;
    let mut may = written.may.clone()?;
    may.sort_unstable();
    may.dedup();
    Some(ApiToken { name: name.to_string(), token, may })
}

fn mail(written: &file::Mail, desk: &mut Desk<'_>) -> Option<Mail> {
    let at = KeyPath::of("mail");
    let server = desk.optional(written.smtp.as_deref(), &at.key("smtp"), rules::smtp);
    let from = desk.optional(written.from.as_deref(), &at.key("from"), rules::mail);
    let to = desk.each(&written.to, &at.key("to"), rules::mail);
    let login = match (&written.user, &written.password_file) {
        (None, None) => None,
        (Some(user), Some(file)) => {
            Some((user.clone(), desk.secret(file, &at.key("password_file"))?))
        }
        _ => {
            let words = "must have both or neither of `user` and `password_file`";
            desk.fault("operator-choice", &at, words, "");
            None
        }
    };
    let (host, port, security) = server?;
    Some(Mail { smtp: SmtpServer { host, port, security, login }, from: from?, to })
}

fn webhooks(written: &[file::Webhook], desk: &mut Desk<'_>) -> Vec<WebhookSink> {
    let mut seen = HashSet::new();
    let mut sinks = Vec::new();
    for (index, written) in written.iter().enumerate() {
        let at = KeyPath::of("webhooks").index(index);
        desk.unique(&mut seen, written.name.as_ref(), &at);
        sinks.extend(webhook(written, &at, desk));
    }
    sinks
}

fn webhook(written: &file::Webhook, at: &KeyPath, desk: &mut Desk<'_>) -> Option<WebhookSink> {
    let name = desk.optional(written.name.as_deref(), &at.key("name"), rules::name::<ForgeName>);
    let url = desk.optional(written.url.as_deref(), &at.key("url"), rules::web);
    let secret = desk.secret(written.secret_file.as_deref()?, &at.key("secret_file"));
    Some(WebhookSink { name: name?.to_string(), url: url?, secret: secret? })
}

fn metering(written: &file::Metering, desk: &mut Desk<'_>) -> Metering {
    let at = KeyPath::of("metering");
    let mut rate = |written: &Option<String>, key: &str| {
        desk.optional(written.as_deref(), &at.key(key), rules::rate)
    };
    Metering {
        per_branch: rate(&written.per_branch, "per_branch"),
        per_package: rate(&written.per_package, "per_package"),
        overall: rate(&written.overall, "overall"),
    }
}

fn breaker(written: &file::Breaker, desk: &mut Desk<'_>) -> BreakerPolicy {
    let at = KeyPath::of("breaker");
    let usual = BreakerPolicy::default();
    let (window, pause) = (written.window.as_deref(), written.pause.as_deref());
    BreakerPolicy {
        window: desk.time(window, &at.key("window"), usual.window, MINUTE..=7 * DAY),
        percent: written.percent.unwrap_or(usual.percent),
        at_least: written.at_least.unwrap_or(usual.at_least),
        pause: desk.time(pause, &at.key("pause"), usual.pause, SECOND..=DAY),
        probes: written.probes.unwrap_or(usual.probes),
    }
}

fn limits(written: &file::Limits, desk: &mut Desk<'_>) -> Limits {
    let at = KeyPath::of("limits");
    let size = |text: &str, at: &KeyPath| rules::size(text, at, 64 << 10..=1 << 30);
    Limits {
        body: desk.optional(written.body.as_deref(), &at.key("body"), size).unwrap_or(25 << 20),
        request_time: desk.time(
            written.request_time.as_deref(),
            &at.key("request_time"),
            30 * SECOND,
            SECOND..=HOUR,
        ),
        connections: written.connections.unwrap_or(1024) as usize,
    }
}

fn keep(written: &file::Keep, desk: &mut Desk<'_>) -> Keep {
    let at = KeyPath::of("keep");
    let deliveries = written.deliveries.as_deref();
    Keep {
        deliveries: desk.time(deliveries, &at.key("deliveries"), 14 * DAY, 7 * DAY..=3650 * DAY),
        runs: desk.time(written.runs.as_deref(), &at.key("runs"), 365 * DAY, DAY..=3650 * DAY),
    }
}
