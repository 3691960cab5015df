//! Tests of the operator config: what is taken, what is refused and how it is told, and what is shipped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::bot_key::BotKey;
use crate::config::ConfigFaults;
use crate::queue::BreakerPolicy;

/// A folder with every secret that the examples name.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        let key = BotKey::generate_ssh("bot").unwrap();
        desk.secret("bot.key", key.export(None).unwrap().expose());
        for name in ["src.secret", "src-old.secret", "forge.token", "sink.secret", "mail.password"]
        {
            desk.secret(name, "a secret of some length\n");
        }
        desk.secret("gitlab.token", "whsec_plJ3nmyCDGBKInavdOK15jsl\n");
        desk
    }

    fn secret(&self, name: &str, content: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn places(&self) -> Places {
        let folder = self.folder.path().to_owned();
        Places { folder: folder.clone(), credentials: Some(folder), read_secrets: true }
    }

    fn parse_with(&self, text: &str, layers: &Layers) -> Result<Operator, ConfigFaults> {
        Operator::parse(text.as_bytes(), layers, &self.places())
    }

    fn parse(&self, text: &str) -> Result<Operator, ConfigFaults> {
        self.parse_with(text, &Layers::default())
    }

    fn valid(&self, text: &str) -> Operator {
        self.parse(text).unwrap_or_else(|faults| panic!("refused:\n{faults}\nin:\n{text}"))
    }

    /// Returns codes and paths of what is at fault.
    fn faults(&self, text: &str) -> Vec<(String, String)> {
        let faults = self.parse(text).expect_err(text);
        let told = faults.faults().iter();
        told.map(|fault| (fault.code.to_string(), fault.path.clone())).collect()
    }
}

const MINIMAL: &str = "\
key: {file: bot.key, name: Bot, mail: bot@example.org}
instances:
  - name: local
    git: file:///srv/dist-git/rpms/{name}.git
    lookaside: {upload: /srv/lookaside}
    packages: {directory: /srv/dist-git/rpms}
";

#[test]
fn a_small_file_has_sensible_defaults() {
    let operator = Desk::new().valid(MINIMAL);
    assert_eq!(operator.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(operator.data, Path::new("/var/lib/lockkeeper"));
    let database = PathBuf::from("/var/lib/lockkeeper/lockkeeper.sqlite");
    assert_eq!(operator.database, DatabaseAddress::Sqlite(database));
    assert_eq!((operator.workers, operator.node.as_str()), (2, "main"));
    assert_eq!(operator.reconcile, Duration::from_secs(600));
    assert_eq!(operator.limits.body, 25 << 20);
    assert_eq!(operator.breaker, BreakerPolicy::default());
    assert!(operator.metering.is_empty());
    let instance = &operator.instances[0];
    assert!(!instance.allow_file_sources && instance.looks_at(&"f44".parse().unwrap()));
    let target = instance.target(&"hello".parse().unwrap(), &"f44".parse().unwrap()).unwrap();
    assert_eq!(target.dist_git.to_string(), "file:///srv/dist-git/rpms/hello.git");
}

#[test]
fn the_environment_wins_over_the_file_and_flags_over_both() {
    let desk = Desk::new();
    let text = format!("listen: 127.0.0.1:1\nworkers: 3\nnode: file\n{MINIMAL}");
    let variables = |name: &str| match name {
        "LOCKKEEPER_LISTEN" => Some("127.0.0.1:2".to_owned()),
        "LOCKKEEPER_WORKERS" => Some("4".to_owned()),
        "LOCKKEEPER_NODE" => Some(String::new()),
        _ => None,
    };
    let layers = Layers::from_environment(variables);
    let layers = layers.flag("--listen", "listen", Some("127.0.0.1:3".to_owned()));
    let operator = desk.parse_with(&text, &layers).unwrap();
    assert_eq!(operator.listen, ["127.0.0.1:3".parse().unwrap()]);
    assert_eq!((operator.workers, operator.node.as_str()), (4, "file"));
}

#[test]
fn a_fault_in_the_environment_is_told_under_the_variables_name() {
    let layers = Layers::from_environment(|name| match name {
        "LOCKKEEPER_LISTEN" => Some("here".to_owned()),
        "LOCKKEEPER_WORKERS" => Some("many".to_owned()),
        _ => None,
    });
    let faults = Desk::new().parse_with(MINIMAL, &layers).unwrap_err().to_string();
    assert!(faults.contains("LOCKKEEPER_LISTEN: `here` is no address"), "{faults}");
    assert!(faults.contains("LOCKKEEPER_WORKERS: must be a whole number"), "{faults}");
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let text = format!(
        "lisen: x\nreconcile: 5\nhooks:\n  - {{name: A, forge: githib}}\n  - {{name: a, forge: pagure}}\n{MINIMAL}"
    );
    let faults = Desk::new().parse(&text).unwrap_err();
    let shown = faults.to_string();
    assert!(shown.contains("lockkeeper.yaml:1:1: lisen"), "{shown}");
    assert!(shown.contains("did you mean `listen`?"), "{shown}");
    assert!(shown.contains("did you mean `github`?"), "{shown}");
    assert!(shown.contains("lockkeeper.yaml:2:12: reconcile"), "{shown}");
    assert!(shown.contains("hooks[1]: has no secret"), "{shown}");
    assert!(faults.faults().iter().all(|fault| fault.position.is_some()), "{shown}");
}

/// A change of the small file, and what is at fault then.
#[test]
fn what_breaks_a_rule_is_refused() {
    let desk = Desk::new();
    desk.secret("short.token", "short");
    desk.secret("empty", "\n");
    desk.secret("no-key", "hello");
    let table = [
        ("listen: 8080x", "operator-bad-address", "listen"),
        ("public_url: http://forge.example", "operator-bad-address", "public_url"),
        ("public_url: https://a:b@forge.example", "operator-bad-address", "public_url"),
        ("database: mysql://x/y", "operator-bad-address", "database"),
        ("database: postgres://a:b@h/x", "operator-bad-address", "database"),
        ("database: sqlite:here", "operator-bad-address", "database"),
        (
            "database_password_file: src.secret",
            "operator-choice",
            "database_password_file",
        ),
        ("node: Node", "operator-bad-name", "node"),
        ("workers: 0", "config-out-of-range", "workers"),
        ("lease: 1s", "operator-bad-time", "lease"),
        ("reconcile: 10 minutes", "operator-bad-time", "reconcile"),
        ("limits: {body: 1B}", "operator-bad-size", "limits.body"),
        ("keep: {deliveries: 1d}", "operator-bad-time", "keep.deliveries"),
        ("hosts: {'https://a': b}", "operator-bad-name", "hosts.https://a"),
        (
            "hooks: [{name: a, forge: github, signing_token_files: [gitlab.token]}]",
            "operator-choice",
            "hooks[0].signing_token_files",
        ),
        (
            "hooks: [{name: a, forge: gitlab, signing_token_files: [src.secret]}]",
            "operator-bad-token",
            "hooks[0].signing_token_files[0]",
        ),
        (
            "hooks: [{name: a, forge: github, secret_files: [nowhere]}]",
            "operator-secret-unreadable",
            "hooks[0].secret_files[0]",
        ),
        (
            "hooks: [{name: a, forge: github, secret_files: [empty]}]",
            "operator-secret-empty",
            "hooks[0].secret_files[0]",
        ),
        (
            "hooks: [{name: a, forge: github, secret_files: ['$CREDENTIALS_DIRECTORY/a/b']}]",
            "operator-bad-path",
            "hooks[0].secret_files[0]",
        ),
        (
            "hooks: [{name: a, forge: github, secret_files: [src.secret]}, {name: a, forge: gitea, secret_files: [src.secret]}]",
            "operator-duplicate",
            "hooks[1].name",
        ),
        ("forges: [{name: f, kind: github}]", "operator-choice", "forges[0]"),
        (
            "forges: [{name: f, kind: forgejo, token_file: forge.token}]",
            "config-missing-key",
            "forges[0].url",
        ),
        (
            "forges: [{name: f, kind: gitlab, app: {id: 1, key_file: forge.token}}]",
            "operator-choice",
            "forges[0].app",
        ),
        (
            "forges: [{name: f, kind: github, app: {id: 1, key_file: forge.token}, ca_file: ca.pem}]",
            "operator-choice",
            "forges[0].ca_file",
        ),
        ("per_host: {answer: 2h}", "operator-bad-time", "per_host.answer"),
        (
            "api_tokens: [{name: ops, token_file: short.token, may: [sync]}]",
            "operator-bad-token",
            "api_tokens[0].token_file",
        ),
        (
            "api_tokens: [{name: ops, token_file: forge.token, may: [all]}]",
            "config-unknown-value",
            "api_tokens[0].may[0]",
        ),
        ("mail: {smtp: 'http://x', from: a@b}", "operator-bad-address", "mail.smtp"),
        ("mail: {smtp: 'smtps://x', from: nobody}", "operator-bad-mail", "mail.from"),
        ("mail: {smtp: 'smtps://x', from: a@b, user: u}", "operator-choice", "mail"),
        (
            "webhooks: [{name: w, url: 'ftp://x', secret_file: sink.secret}]",
            "operator-bad-address",
            "webhooks[0].url",
        ),
        ("metering: {per_branch: 6}", "config-wrong-type", "metering.per_branch"),
        ("metering: {per_branch: 6/m}", "operator-bad-rate", "metering.per_branch"),
        ("breaker: {percent: 101}", "config-out-of-range", "breaker.percent"),
    ];
    for (line, code, path) in table {
        let faults = desk.faults(&format!("{MINIMAL}{line}\n"));
        assert_eq!(faults, [(code.to_owned(), path.to_owned())], "{line}");
    }
}

#[test]
fn what_breaks_a_rule_of_keys_and_instances_is_refused() {
    let desk = Desk::new();
    desk.secret("no-key", "hello");
    let table = [
        (
            "file: bot.key",
            "agent: ssh-ed25519 AAAA, file: bot.key",
            "operator-choice",
            "key",
        ),
        ("file: bot.key", "file: no-key", "operator-bad-key", "key.file"),
        (
            "file: bot.key",
            "signer: s, passphrase_file: src.secret",
            "operator-choice",
            "key.passphrase_file",
        ),
        ("bot@example.org", "bot", "operator-bad-mail", "key.mail"),
        ("rpms/{name}.git", "rpms/hello.git", "operator-bad-address", "instances[0].git"),
        (
            "file:///srv/dist-git",
            "https://u:p@h",
            "operator-bad-address",
            "instances[0].git",
        ),
        ("file:///srv/dist-git", "http://h", "operator-bad-address", "instances[0].git"),
        (
            "upload: /srv/lookaside",
            "upload: http://h/x",
            "operator-bad-address",
            "instances[0].lookaside.upload",
        ),
        (
            "{directory: /srv/dist-git/rpms}",
            "{}",
            "operator-choice",
            "instances[0].packages",
        ),
        (
            "{directory: /srv/dist-git/rpms}",
            "{list: [-x]}",
            "config-bad-name",
            "instances[0].packages.list[0]",
        ),
        (
            "{directory: /srv/dist-git/rpms}",
            "{list: [x], match: [a]}",
            "operator-choice",
            "instances[0].packages.match",
        ),
        (
            "{directory: /srv/dist-git/rpms}",
            "{forge: f, namespace: rpms}",
            "operator-unknown-forge",
            "instances[0].packages.forge",
        ),
        (
            "name: local",
            "name: local\n    dist_tags: {f44: fc44}",
            "operator-bad-name",
            "instances[0].dist_tags.f44",
        ),
        (
            "name: local",
            "name: local\n    branches: ['[']",
            "config-bad-glob",
            "instances[0].branches[0]",
        ),
    ];
    for (from, to, code, path) in table {
        let faults = desk.faults(&MINIMAL.replacen(from, to, 1));
        assert_eq!(faults, [(code.to_owned(), path.to_owned())], "{to}");
    }
    let missing = desk.faults("data: /x\n");
    let missing: Vec<&str> = missing.iter().map(|(_, path)| path.as_str()).collect();
    assert_eq!(missing.len(), 2, "{missing:?}");
}

#[test]
fn secrets_are_not_read_where_nobody_asks_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let places =
        Places { folder: folder.path().to_owned(), credentials: None, read_secrets: false };
    let check =
        |text: &str| Operator::check_without_secrets(text.as_bytes(), &Layers::default(), &places);
    check(MINIMAL).unwrap();
    check(&shipped_example()).unwrap();
    assert!(check(&format!("{MINIMAL}node: Node\n")).is_err());
}

fn path(below: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn read(below: &str) -> String {
    std::fs::read_to_string(path(below)).unwrap_or_else(|error| panic!("{below}: {error}"))
}

fn shipped_example() -> String {
    read("bot-config/lockkeeper.yaml")
}

#[test]
fn the_shipped_schema_is_the_one_that_files_are_checked_against() {
    let file = path("bot-config/operator.schema.json");
    let printed = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("REWRITE_SCHEMA").is_some() {
        std::fs::write(&file, &printed).unwrap();
    }
    let rewrite = "REWRITE_SCHEMA=1 cargo test --lib operator::tests";
    let shipped = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        shipped == printed,
        "bot-config/operator.schema.json is old; rewrite it: {rewrite}"
    );
}

/// Returns every key of the schema by its dotted path, those of list items without an index.
fn keys(schema: &serde_json::Value, above: &str, found: &mut Vec<String>) {
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        found.push(path.clone());
        keys(below, &path, found);
        keys(&below["items"], &path, found);
    }
}

#[test]
fn the_shipped_example_is_taken_and_names_every_key() {
    let desk = Desk::new();
    let text = shipped_example();
    let local = text.replace("$CREDENTIALS_DIRECTORY/", "").replace("/etc/lockkeeper/", "");
    let operator = desk.valid(&local);
    assert!(operator.instances.len() > 1 && operator.hooks.len() >= 5);
    let mut known = Vec::new();
    keys(&schema(), "", &mut known);
    for key in known {
        let last = key.rsplit('.').next().unwrap();
        let written = text.lines().any(|line| {
            let line = line.trim_start().trim_start_matches(['#', '-', ' ']);
            line.starts_with(&format!("{last}:"))
                || line.contains(&format!("{{{last}:"))
                || line.contains(&format!(", {last}:"))
        });
        assert!(written, "bot-config/lockkeeper.yaml does not name {key}");
    }
}

#[test]
fn the_reference_names_every_key_variable_and_code() {
    let reference = read("docs/operator-config.md");
    let mut known = Vec::new();
    keys(&schema(), "", &mut known);
    for key in known {
        assert!(reference.contains(&format!("`{key}`")), "docs/operator-config.md lacks `{key}`");
    }
    for (variable, _) in VARIABLES {
        assert!(
            reference.contains(&format!("`{variable}`")),
            "docs/operator-config.md: {variable}"
        );
    }
}

#[test]
fn the_two_kinds_of_config_are_told_apart() {
    assert!(Operator::is_meant(MINIMAL.as_bytes()));
    assert!(Operator::is_meant(shipped_example().as_bytes()));
    for name in ["minimal.yaml", "full.yaml", "container.yaml"] {
        assert!(!Operator::is_meant(read(&format!("bot-config/examples/{name}")).as_bytes()));
    }
}

#[test]
fn no_secret_is_shown() {
    let operator = Desk::new().valid(&format!(
        "{MINIMAL}hooks: [{{name: a, forge: gitlab, signing_token_files: [gitlab.token]}}]\nforges: [{{name: f, kind: github, token_file: forge.token}}]\n"
    ));
    let shown = format!("{operator:?}");
    assert!(
        !shown.contains("some length") && !shown.contains("plJ3") && !shown.contains("PRIVATE")
    );
}
