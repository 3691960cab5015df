//! A case, and the small world in which all cases are judged: one repository, one GnuPG home.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use lockkeeper::config::ListedKey;
use lockkeeper::gate::{Policy, Verdict, judge_commit, judge_tag};
use lockkeeper::git::{Kind, Objects};
use lockkeeper::names::ObjectId;
use lockkeeper::openpgp::Certificates;

/// When the tests run: one time for all, so that "in five minutes" means the same everywhere.
pub static NOW: LazyLock<SystemTime> = LazyLock::new(|| {
    let seconds = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
});

pub const DAY: Duration = Duration::from_secs(86_400);

pub fn days_ago(days: u32) -> SystemTime {
    *NOW - DAY * days
}

/// What git itself says of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Git {
    Accepts,
    Refuses,
    /// It cannot be asked: it knows nothing of what the case is about, or cannot read it.
    NotAsked,
}

/// What the gate must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Accepted,
    /// With a warning whose words hold this.
    Warned(&'static str),
    Refused(&'static str),
}

#[derive(Debug, Clone)]
pub struct Case {
    pub name: &'static str,
    pub kind: Kind,
    pub raw: Vec<u8>,
    /// The id it is judged under; `None`: its own.
    pub id: Option<ObjectId>,
    pub keys: Vec<ListedKey>,
    pub certificates: Vec<Vec<u8>>,
    pub wanted: Wanted,
    pub git: Git,
    /// Lines of an allowed-signers file for git.
    pub allowed: Vec<String>,
    /// Whether git's GnuPG gets the certificates.
    pub known_to_gpg: bool,
}

impl Case {
    pub fn commit(name: &'static str, raw: impl Into<Vec<u8>>) -> Case {
        Case {
            name,
            kind: Kind::Commit,
            raw: raw.into(),
            id: None,
            keys: Vec::new(),
            certificates: Vec::new(),
            wanted: Wanted::Accepted,
            git: Git::NotAsked,
            allowed: Vec::new(),
            known_to_gpg: true,
        }
    }

    pub fn tag(name: &'static str, raw: impl Into<Vec<u8>>) -> Case {
        Case { kind: Kind::Tag, ..Case::commit(name, raw) }
    }

    pub fn lists(mut self, key: ListedKey) -> Case {
        if let ListedKey::Ssh(signer) = &key {
            self.allowed.push(signer.as_str().to_owned());
        }
        self.keys.push(key);
        self
    }

    pub fn certificate(mut self, bytes: Vec<u8>) -> Case {
        self.certificates.push(bytes);
        self
    }

    pub fn unknown_to_gpg(self) -> Case {
        Case { known_to_gpg: false, ..self }
    }

    pub fn accepted(self, git: Git) -> Case {
        Case { wanted: Wanted::Accepted, git, ..self }
    }

    pub fn warned(self, words: &'static str, git: Git) -> Case {
        Case { wanted: Wanted::Warned(words), git, ..self }
    }

    pub fn refused(self, code: &'static str, git: Git) -> Case {
        Case { wanted: Wanted::Refused(code), git, ..self }
    }

    fn own_id(&self) -> ObjectId {
        Objects::hash(self.kind, &self.raw).expect("no collision")
    }

    pub fn judge(&self) -> Verdict {
        let files = self.certificates.iter().map(|bytes| ("case", bytes));
        let (certificates, _) = Certificates::load(files);
        let policy = Policy::new(&self.keys, certificates, *NOW);
        let id = self.id.unwrap_or_else(|| self.own_id());
        match self.kind {
            Kind::Tag => judge_tag(&id, &self.raw, &policy),
            _ => judge_commit(&id, &self.raw, &policy),
        }
    }
}

/// A bare repository with every object of the corpus, and a GnuPG home with every certificate.
pub struct World {
    home: tempfile::TempDir,
}

impl World {
    pub fn with(cases: &[Case]) -> World {
        let home = tempfile::tempdir().expect("a folder");
        let world = World { home };
        fs::create_dir(world.path("gnupg")).expect("a folder");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(world.path("gnupg"), private).expect("a mode");
        assert!(world.run(world.git().args(["init", "-q", "--bare", "repository.git"]), b"").0);
        let known = cases.iter().filter(|case| case.known_to_gpg);
        let mut all: Vec<&Vec<u8>> = known.flat_map(|case| &case.certificates).collect();
        // A revocation by itself is of use to gpg only when its key is there already.
        all.sort_by_key(|bytes| (bytes.starts_with(b"-----"), *bytes));
        all.dedup();
        for certificates in all {
            let mut gpg = world.tool("gpg");
            // Some certificates here are bad on purpose, and gpg says so.
            let _ = world.run(gpg.args(["--batch", "--quiet", "--import"]), certificates);
        }
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn tool(&self, program: &str) -> Command {
        hermetic(program, self.home.path())
    }

    pub fn git(&self) -> Command {
        self.tool("git")
    }

    pub fn run(&self, command: &mut Command, input: &[u8]) -> (bool, String) {
        run(command, input)
    }

    /// Says what is wrong with each case that is; four threads, since most of the time git is waited for.
    pub fn complaints(&self, cases: &[Case]) -> Vec<String> {
        let judge = |part: &[Case]| part.iter().filter_map(|case| self.complaint(case)).collect();
        std::thread::scope(|scope| {
            let parts = cases.chunks(cases.len().div_ceil(4));
            let running: Vec<_> =
                parts.map(|part| scope.spawn(move || -> Vec<String> { judge(part) })).collect();
            running.into_iter().flat_map(|part| part.join().expect("no panic")).collect()
        })
    }

    /// Says what is wrong with a case, if anything is.
    fn complaint(&self, case: &Case) -> Option<String> {
        let verdict = case.judge();
        let fits = match (&verdict, &case.wanted) {
            (Verdict::Accepted(accepted), Wanted::Accepted) => accepted.warnings().is_empty(),
            (Verdict::Accepted(accepted), Wanted::Warned(words)) => {
                accepted.warnings().iter().any(|warning| warning.to_string().contains(words))
            }
            (Verdict::Refused(refusal), Wanted::Refused(code)) => {
                refusal.code.0 == *code && !refusal.hint.is_empty()
            }
            _ => false,
        };
        if !fits {
            return Some(format!("  {}: wanted {:?}, got {verdict:?}", case.name, case.wanted));
        }
        let asked = case.git != Git::NotAsked;
        let (says, words) = if asked { self.ask(case) } else { return None };
        (says != case.git).then(|| format!("  {}: git {says:?}: {words}", case.name))
    }

    fn ask(&self, case: &Case) -> (Git, String) {
        let write = ["hash-object", "-t", case.kind.as_str(), "-w", "--literally", "--stdin"];
        let (written, id) =
            self.run(self.git().args(["-C", "repository.git"]).args(write), &case.raw);
        assert!(written, "{}: {id}", case.name);
        let allowed = self.path(&format!("allowed-{}", id.trim()));
        fs::write(
            &allowed,
            case.allowed.iter().map(|line| format!("dev@example.org {line}\n")).collect::<String>(),
        )
        .expect("writable");
        let option = format!("gpg.ssh.allowedSignersFile={}", allowed.display());
        let verb = format!("verify-{}", case.kind.as_str());
        let mut git = self.git();
        git.args(["-C", "repository.git", "-c", &option, &verb, id.trim()]);
        let (good, words) = self.run(&mut git, b"");
        (if good { Git::Accepts } else { Git::Refuses }, words)
    }
}

pub fn hermetic(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(home)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("a PATH"));
    command.env("HOME", home).env("GNUPGHOME", home.join("gnupg")).env("TZ", "UTC");
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

pub fn run(command: &mut Command, input: &[u8]) -> (bool, String) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the tool is installed");
    // A tool that refuses early closes its end; what it says counts then.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let output = child.wait_with_output().expect("the tool ends");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// The text of all that can refuse: the gate and the two rooms below it.
pub fn sources() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut text = String::new();
    for room in ["gate", "openpgp", "ssh"] {
        for file in fs::read_dir(root.join(room)).expect("the room is there") {
            let path = file.expect("readable").path();
            if !path.ends_with("codes.rs") {
                text.push_str(&fs::read_to_string(path).expect("readable"));
            }
        }
    }
    text
}

/// The plain commit of the corpus.
pub fn plain() -> String {
    message("Fix the overflow\n\nIt was too small.\n")
}

/// A commit with this message.
pub fn message(message: &str) -> String {
    dated(message, days_ago(1))
}

/// A commit with this message, committed then.
pub fn dated(message: &str, time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    format!(
        "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
         author Alice <alice@example.org> {seconds} +0100\n\
         committer Alice <alice@example.org> {seconds} +0100\n\
         \n\
         {message}"
    )
}

/// Puts a signature into a commit, as its last header.
pub fn with_signature(bare: &[u8], armour: &str) -> Vec<u8> {
    with_header(bare, "gpgsig", armour.strip_suffix('\n').unwrap_or(armour))
}

/// Adds a header of one or many lines as the last one.
pub fn with_header(bare: &[u8], name: &str, value: &str) -> Vec<u8> {
    let end = bare.windows(2).position(|pair| pair == b"\n\n").expect("a header's end") + 1;
    let header = format!("{name} {}\n", value.replace('\n', "\n "));
    [&bare[..end], header.as_bytes(), &bare[end..]].concat()
}
