//! A service: the program's `serve`, as a process of its own, and forges that deliver to it over a socket.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::forges::{Forge, TOKEN};
use super::{Run, World};

/// The secret of every hook.
pub const SECRET: &str = "It's a secret to everybody here";

/// The token that may ask for syncs.
pub const API_TOKEN: &str = "a-token-for-the-operators";

/// How long a story waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "this did not come about: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running service; dropping it kills it.
pub struct Service {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    log: PathBuf,
}

impl World {
    /// Writes `lockkeeper.yaml`, with these lines below.
    pub fn configure(&self, more: &str) {
        let folder = self.path("lockkeeper.yaml").parent().expect("it is below").to_owned();
        for (name, secret) in
            [("hook.secret", SECRET), ("api.token", API_TOKEN), ("forge.token", TOKEN)]
        {
            write_secret(&folder.join(name), secret);
        }
        let mut config = format!(
            "listen: 127.0.0.1:0\ndata: node\nlease: 2s\n\
             key: {{file: bot.key, name: Lockkeeper, mail: lockkeeper@example.org}}\n\
             api_tokens: [{{name: ops, token_file: api.token, may: [sync]}}]\n\
             instances:\n  - name: local\n    git: \"file://{}/dist-git/{{name}}.git\"\n    \
             lookaside: {{upload: \"{}\"}}\n    packages: {{directory: \"{}/dist-git\"}}\n    \
             dist_tags: {{f44: .fc44}}\n    allow_file_sources: true\n    tags: any\nhooks:\n",
            folder.display(),
            self.lookaside(),
            folder.display(),
        );
        for kind in ["github", "gitlab", "pagure", "forgejo", "gitea"] {
            let line = format!(
                "  - {{name: {kind}, forge: {kind}, secret_files: [hook.secret], bot_accounts: [lockkeeper-bot]}}\n"
            );
            config.push_str(&line);
        }
        config.push_str(more);
        std::fs::write(folder.join("lockkeeper.yaml"), config).expect("a file can be written");
    }

    /// Has the service report to this forge, and git find source-git behind ssh://git@127.0.0.1/pkg/hello.git.
    pub fn reports_to(&self, forge: &Forge, kind: &str) -> String {
        let rewrite = format!(
            "[url \"file://{}/\"]\n\tinsteadOf = ssh://git@127.0.0.1/pkg/\n",
            self.path("source").display(),
        );
        std::fs::write(self.path("gitconfig"), rewrite).expect("a file can be written");
        format!(
            "forges: [{{name: fake, kind: {kind}, url: \"{}\", token_file: forge.token, bot_account: lockkeeper-bot}}]\n",
            forge.url()
        )
    }

    /// Starts the service and waits until it listens.
    pub fn serve(&self) -> Service {
        self.serve_as("node", &[])
    }

    /// Starts a node with this name and folder, and with these variables.
    pub fn serve_as(&self, node: &str, variables: &[(&str, &str)]) -> Service {
        let log = self.path(&format!("{node}.log"));
        // The signal of a file that may not grow is not heard, as with a full disk; see `limit_files`.
        let serve = "trap '' XFSZ; exec \"$0\" serve --config lockkeeper.yaml --node \"$1\"";
        let mut command = self.in_world("sh", &["-c", serve, &super::run::the_program(), node]);
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        command
            .env("LOCKKEEPER_DATA", self.path(node))
            .env("LOCKKEEPER_LOG", "lockkeeper=debug,warn");
        command.env("NO_COLOR", "1").stdout(Stdio::piped()).stderr(file);
        if self.path("gitconfig").exists() {
            command.env("GIT_CONFIG_GLOBAL", self.path("gitconfig"));
        }
        command.envs(variables.iter().copied());
        let mut child = command.spawn().expect("the program can be started");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let address = line.trim().rsplit_once("http://").map(|(_, address)| address.to_owned());
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let address = address.unwrap_or_else(|| panic!("{line:?}, {}", said()));
        let address = address.parse().expect("an address");
        Service { child, address, log }
    }

    /// Runs a command that reads the operator config of a node.
    pub fn ops(&self, node: &str, arguments: &[&str]) -> Run {
        let data = self.path(node).display().to_string();
        let config = self.path("lockkeeper.yaml").display().to_string();
        let environment = [("LOCKKEEPER_DATA", &*data), ("LOCKKEEPER_CONFIG", &*config)];
        self.run_in(arguments, &environment)
    }

    /// Returns what the service of a node says of itself.
    pub fn status(&self, node: &str) -> Value {
        self.ops(node, &["status"]).report
    }

    /// Asks a node's SQLite something.
    pub fn sql(&self, node: &str, question: &str) -> String {
        let file = self.path(node).join("lockkeeper.sqlite");
        let mut command = std::process::Command::new("sqlite3");
        command.args(["-cmd", ".timeout 5000"]).arg(file).arg(question);
        String::from_utf8_lossy(&super::succeed(&mut command)).into_owned()
    }

    /// Returns the source commits that the bot's commits on `f44` name, newest first.
    pub fn published_sources(&self) -> Vec<String> {
        self.published_on("hello", "f44")
    }

    /// As [`World::published_sources`], of any package and branch.
    pub fn published_on(&self, package: &str, branch: &str) -> Vec<String> {
        let format = "--format=%(trailers:key=From-source-git-commit,valueonly,separator=%x2C)";
        let folder = self.path(&format!("dist-git/{package}.git"));
        let log = super::git(&folder, &["log", format, branch]);
        log.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Returns what Forgejo says when `main` of source-git moved.
    pub fn push_payload(&self, after: &str) -> Value {
        let url = format!("file://{}", self.source.folder().display());
        json!({
            "ref": "refs/heads/main", "before": "0".repeat(40), "after": after, "commits": [],
            "repository": {"full_name": "pkg/hello", "clone_url": url, "html_url": url, "ssh_url": url},
            "pusher": {"login": "alice"}, "sender": {"login": "alice"},
        })
    }
}

fn write_secret(path: &Path, secret: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(secret.as_bytes()))
        .expect("a file can be written");
}

/// Signs as most forges do.
pub fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length will do");
    mac.update(body);
    mac.finalize().into_bytes().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a request was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The status; 0 where the connection broke.
    pub status: u16,
    /// Headers and body, as they came.
    pub text: String,
}

/// Sends a request over a connection of its own.
pub fn ask(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answered {
    let broken = |error: std::io::Error| Answered { status: 0, text: error.to_string() };
    try_ask(address, line, headers, body).unwrap_or_else(broken)
}

fn try_ask(
    address: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answered> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut head = format!("{line} HTTP/1.1\r\nHost: lockkeeper\r\nConnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    // Who is refused early may find nobody listening any more; the answer is there all the same.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    match (status, read) {
        (Some(status), _) => Ok(Answered { status, text }),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Ok(Answered { status: 0, text }),
    }
}

impl Service {
    /// Delivers a payload as a forge of this kind, with this id, and returns the status of the answer.
    pub fn deliver(&self, kind: &str, event: &str, id: &str, payload: &Value) -> u16 {
        deliver_to(self.address, kind, event, id, payload).status
    }

    /// Delivers that `main` of source-git moved; each call is a delivery of its own.
    pub fn deliver_push(&self, world: &World, after: &str) -> u16 {
        let id = format!("{after}-{}", unique());
        self.deliver("forgejo", "push", &id, &world.push_payload(after))
    }

    /// Asks for a look at `f44` with this token.
    pub fn ask_sync(&self, token: &str, body: &str) -> Answered {
        let bearer = format!("Bearer {token}");
        ask(self.address, "POST /api/sync", &[("Authorization", &bearer)], body.as_bytes())
    }

    /// Sends a signal, such as `TERM` or `STOP`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        super::succeed(std::process::Command::new("kill").args([&format!("-{name}"), "--", &*id]));
    }

    /// Waits for its end and returns the exit code; `None` where it was killed.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("a child can be waited for").code()
    }

    /// Tells it to stop, and waits for its end.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    /// Kills it without a warning.
    pub fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
        self.wait();
    }

    /// Sets how large a file may become that it writes: `0` is a full disk.
    pub fn limit_files(&self, bytes: &str) {
        let mut prlimit = std::process::Command::new("prlimit");
        prlimit
            .arg(format!("--pid={}", self.child.id()))
            .arg(format!("--fsize={bytes}:unlimited"));
        super::succeed(&mut prlimit);
    }

    /// Returns what it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns how much memory it takes, in KiB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.expect("it has memory").trim().trim_end_matches(" kB");
        number.parse().expect("a number")
    }
}

/// Returns a number that no other call returns.
pub fn unique() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Delivers to wherever something may listen.
pub fn deliver_to(
    address: SocketAddr,
    kind: &str,
    event: &str,
    id: &str,
    payload: &Value,
) -> Answered {
    let body = payload.to_string();
    let signature = signature(body.as_bytes());
    let prefixed = format!("sha256={signature}");
    let headers: Vec<(&str, &str)> = match kind {
        "github" => vec![
            ("X-GitHub-Event", event),
            ("X-GitHub-Delivery", id),
            ("X-Hub-Signature-256", &prefixed),
        ],
        "gitlab" => {
            vec![("X-Gitlab-Event", event), ("Idempotency-Key", id), ("X-Gitlab-Token", SECRET)]
        }
        "pagure" => vec![("X-Pagure-Topic", event), ("X-Pagure-Signature-256", &signature)],
        "forgejo" => vec![
            ("X-Forgejo-Event", event),
            ("X-Forgejo-Delivery", id),
            ("X-Forgejo-Signature", &signature),
        ],
        _ => vec![
            ("X-Gitea-Event", event),
            ("X-Gitea-Delivery", id),
            ("X-Gitea-Signature", &signature),
        ],
    };
    let headers = [&headers[..], &[("Content-Type", "application/json")]].concat();
    ask(address, &format!("POST /hooks/{kind}"), &headers, body.as_bytes())
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may be stopped by a signal: then only this one reaches it.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("== {}\n{}", self.log.display(), self.log());
        }
    }
}
