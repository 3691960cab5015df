//! Stories of the signer: the same rules in this process and behind a socket, and what an attacker gets.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::process::{Doorway, SignerSocket, SocketMode};
use super::*;
use crate::demo::{Kind as KeyKind, NewCommit, Person, Project};
use crate::git::{Kind, Store, Trust};
use crate::land::message::{Item, compose};
use crate::outcome::Fault;
use crate::publication::GENERATOR;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// A dist-git branch that alice may sign for, and a source tip that she signed.
struct World {
    folder: tempfile::TempDir,
    alice: Person,
    mallory: Person,
    bot: Person,
    dist_git: Project,
    store: Store,
    parent: ObjectId,
    source: Project,
    tip: Vec<u8>,
    tip_id: ObjectId,
}

/// A claim that is as it should be, for tests to bend.
#[derive(Clone)]
struct Claim {
    parents: Vec<ObjectId>,
    publication: Publication,
    source_commit: Vec<u8>,
    target: DistGitTarget,
    extra_header: String,
}

const REPOSITORY: &str = "https://forge.example/hello.git";

fn config(listed: &str, more: &str) -> String {
    format!(
        "version: 1\nsource: {{repository: {REPOSITORY}, branch: main}}\n\
         signing: {{keys: [{listed}]{more}}}\n"
    )
}

impl World {
    fn new(kind: KeyKind) -> World {
        World::with(kind, "")
    }

    fn with(kind: KeyKind, signing: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let clock = now() - Duration::from_secs(86_400);
        let person = |name, kind| Person::new(name, kind, clock).unwrap();
        let (alice, mallory) = (person("Alice", kind), person("Mallory", kind));
        let mut source = Project::new(&folder.path().join("source.git"), "main", clock).unwrap();
        let tip_id = source
            .commit(NewCommit::new("Fix overflow").put("hello", "x").signed_by(&alice))
            .unwrap();
        let tip = source.objects().unwrap().read_kind(&tip_id, Kind::Commit).unwrap();
        let path = folder.path().join("dist-git/hello.git");
        let mut dist_git = Project::new(&path, "f44", clock).unwrap();
        dist_git.commit(NewCommit::new("Begin").put("README", "hello")).unwrap();
        let mut opt_in = NewCommit::new("Track source-git")
            .put("source-git.yaml", config(&alice.listed(), signing));
        if alice.key().public().starts_with("-----BEGIN PGP") {
            opt_in = opt_in.put("keys/alice.asc", alice.key().public());
        }
        let parent = dist_git.commit(opt_in).unwrap();
        let store = Store::open(&path, Trust::InPlace).unwrap();
        let bot = person("Bot", KeyKind::Ssh);
        World { folder, alice, mallory, bot, dist_git, store, parent, source, tip, tip_id }
    }

    fn signer(&self) -> Signer {
        let certs = Arc::new(BotCerts::of(self.bot.key()));
        Signer::new(self.bot.key().clone(), certs, Vec::new())
    }

    fn claim(&self) -> Claim {
        let target =
            DistGitTarget { package: "hello".parse().unwrap(), branch: "f44".parse().unwrap() };
        let publication = Publication {
            source_commit: self.tip_id,
            repository: REPOSITORY.to_owned(),
            branch: "main".parse().unwrap(),
            signer: self.alice.key().signer_id().to_string(),
            target: target.clone(),
            release_tag: ("v1.0".parse().unwrap(), self.tip_id),
            evr: Some("0:1.0-1".parse().unwrap()),
            population: "archive".to_owned(),
            generated_by: GENERATOR.to_owned(),
        };
        let source_commit = self.tip.clone();
        let parents = vec![self.parent];
        Claim { parents, publication, source_commit, target, extra_header: String::new() }
    }

    fn process(&self, doorway: Doorway) -> SignerProcess {
        let public = vec![self.bot.key().public()];
        SignerProcess::new(self.signer(), public, doorway, now).unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("signer.socket")
    }

    fn start(&self) -> Running {
        Running::start(self.process(Doorway::default()), &self.socket())
    }

    /// Asks one door, and returns the commit or the code of the refusal.
    fn ask(&self, door: &dyn Door, claim: &Claim) -> Result<Vec<u8>, &'static str> {
        let unsigned = claim.unsigned(&self.store);
        let objects = self.store.objects();
        let request = SigningRequest {
            target: &claim.target,
            dist_git: &objects,
            unsigned_commit: &unsigned,
            source_commit: &claim.source_commit,
            now: now(),
        };
        door.sign(&request).map_err(|fault| match fault {
            Fault::Refused(refusal) => refusal.code.0,
            Fault::Failed(problem) => problem.code.0,
        })
    }

    /// Writes a commit that a door signed into dist-git, as the push would.
    fn land(&mut self, commit: &[u8]) {
        self.parent = self.store.objects().write(Kind::Commit, commit).unwrap();
        self.dist_git.move_to(&self.parent).unwrap();
    }
}

impl Claim {
    fn unsigned(&self, store: &Store) -> Vec<u8> {
        let tree = store.objects().write(Kind::Tree, b"").unwrap();
        let parents: String = self.parents.iter().map(|id| format!("parent {id}\n")).collect();
        let who = "Bot <bot@example.org> 1790000000 +0000";
        let message =
            compose(&self.publication, &[Item { text: "Fix overflow".to_owned(), signed: true }]);
        let headers = format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n");
        format!("{headers}{}\n{message}", self.extra_header).into_bytes()
    }
}

/// A signer that listens, in a thread of its own.
struct Running {
    socket: PathBuf,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(process: SignerProcess, path: &Path) -> Running {
        let socket = SignerSocket::bind(path, SocketMode::Owner).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let stopped = async { drop(stopped.await) };
            runtime.block_on(Arc::new(process).serve(socket, stopped)).unwrap();
        });
        Running { socket: path.to_owned(), stop: Some(stop), thread: Some(thread) }
    }

    fn client(&self) -> SignerClient {
        SignerClient::connect(&self.socket).unwrap()
    }

    /// Sends bytes as they are and returns all that comes back.
    fn say(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
        assert!(!self.socket.exists(), "the socket's file is left behind");
    }
}

#[test]
fn the_same_commit_comes_from_this_process_and_from_another() {
    for kind in [KeyKind::OpenPgp, KeyKind::Ssh] {
        let mut world = World::new(kind);
        let running = world.start();
        let client = running.client();
        let here = world.ask(&world.signer(), &world.claim()).unwrap();
        let there = world.ask(&client, &world.claim()).unwrap();
        assert_eq!(here, there);
        assert!(client.bot_certs().signed(&there).is_some());
        // The next one needs the bot's own commit below it, and an EVR above.
        world.land(&there);
        assert_eq!(world.ask(&client, &world.claim()), Err("signer-refused"));
    }
}

#[test]
fn an_evr_must_be_above_the_last_one_and_may_not_be_left_out() {
    let mut world = World::new(KeyKind::Ssh);
    let tree_with_config = world.store.objects().commit(&world.parent).unwrap().tree;
    let running = world.start();
    let client = running.client();
    let first = world.ask(&client, &world.claim()).unwrap();
    // What the bot publishes keeps the config; the claims of these tests have an empty tree otherwise.
    let unsigned = String::from_utf8(world.claim().unsigned(&world.store)).unwrap();
    assert!(String::from_utf8_lossy(&first).starts_with(&unsigned[..45]));
    let kept = unsigned.replacen(&unsigned[5..45], &tree_with_config.to_string(), 1);
    let signed = world.bot.sign(kept.as_bytes(), now()).unwrap();
    world.land(&signed);
    let evr = |text: Option<&str>| {
        let mut claim = world.claim();
        claim.publication.evr = text.map(|text| text.parse().unwrap());
        claim
    };
    for (text, wanted) in [
        (Some("0:1.0-1"), Err("signer-refused")),
        (Some("0:0.9-7"), Err("signer-refused")),
        (Some("0:1.0~rc1-7"), Err("signer-refused")),
        (None, Err("signer-refused")),
        (Some("0:1.0-2"), Ok(())),
        (Some("1:0.1-1"), Ok(())),
    ] {
        let claim = evr(text);
        assert_eq!(world.ask(&client, &claim).map(drop), wanted, "{text:?}");
        assert_eq!(world.ask(&world.signer(), &claim).map(drop), wanted, "{text:?}");
    }
}

#[test]
fn what_the_evidence_does_not_bear_out_is_refused_at_both_doors() {
    let mut world = World::new(KeyKind::OpenPgp);
    let by_mallory = NewCommit::new("Add a back door").put("hello", "y").signed_by(&world.mallory);
    let stranger = world.source.commit_onto(Some(world.tip_id), by_mallory).unwrap();
    let unsigned = NewCommit::new("Add a back door").put("hello", "z");
    let unsigned = world.source.commit_onto(Some(world.tip_id), unsigned).unwrap();
    let raw = |id: &ObjectId| world.source.objects().unwrap().read_kind(id, Kind::Commit).unwrap();
    let (stranger_raw, unsigned_raw) = (raw(&stranger), raw(&unsigned));
    let not_opted_in = world.store.objects().commit(&world.parent).unwrap().parents[0];
    type Bend = Box<dyn Fn(&mut Claim)>;
    let table: Vec<(&str, &str, Bend)> = vec![
        ("key-not-listed", "a key that is not listed", {
            let raw = stranger_raw.clone();
            Box::new(move |claim| {
                claim.publication.source_commit = stranger;
                claim.source_commit = raw.clone();
            })
        }),
        ("unsigned-tip", "an unsigned tip", {
            let raw = unsigned_raw.clone();
            Box::new(move |claim| {
                claim.publication.source_commit = unsigned;
                claim.source_commit = raw.clone();
            })
        }),
        ("object-hash-mismatch", "another commit's id", {
            Box::new(move |claim| claim.publication.source_commit = stranger)
        }),
        ("object-hash-mismatch", "another commit's content", {
            Box::new(move |claim| claim.source_commit = stranger_raw.clone())
        }),
        ("signer-refused", "another branch in the trailer", {
            Box::new(|claim| claim.publication.target.branch = "f43".parse().unwrap())
        }),
        ("signer-refused", "another branch in the request", {
            Box::new(|claim| claim.target.branch = "f43".parse().unwrap())
        }),
        ("signer-refused", "another package in the request", {
            Box::new(|claim| claim.target.package = "goodbye".parse().unwrap())
        }),
        ("signer-refused", "another repository", {
            Box::new(|claim| claim.publication.repository = "https://evil.example/x.git".into())
        }),
        ("signer-refused", "another source branch", {
            Box::new(|claim| claim.publication.branch = "next".parse().unwrap())
        }),
        ("signer-refused", "another signer", {
            Box::new(|claim| claim.publication.signer = "openpgp:ABCD".into())
        }),
        ("signer-refused", "a message in which the trailers are not whole", {
            Box::new(|claim| claim.publication.population = "x\n\nnot a trailer".into())
        }),
        ("signer-refused", "a trailer twice", {
            Box::new(|claim| claim.publication.population = "x\nPublished-EVR: 0:9-9".into())
        }),
        ("signer-refused", "two parents", {
            Box::new(|claim| claim.parents.push(claim.parents[0]))
        }),
        ("signer-refused", "no parent", Box::new(|claim| claim.parents.clear())),
        ("signer-refused", "a parent that is not opted in", {
            Box::new(move |claim| claim.parents = vec![not_opted_in])
        }),
        ("malformed-commit", "a second tree", {
            Box::new(|claim| claim.extra_header = format!("tree {}\n", claim.parents[0]))
        }),
        ("signer-refused", "a signature that is there already", {
            Box::new(|claim| claim.extra_header = "gpgsig x\n y\n".into())
        }),
    ];
    let running = world.start();
    let client = running.client();
    for (code, what, bend) in table {
        let mut claim = world.claim();
        bend(&mut claim);
        assert_eq!(world.ask(&world.signer(), &claim), Err(code), "here: {what}");
        assert_eq!(world.ask(&client, &claim), Err(code), "there: {what}");
    }
    assert!(world.ask(&client, &world.claim()).is_ok());
}

#[test]
fn a_commit_meant_for_another_branch_is_refused_where_the_config_binds() {
    let world = World::with(KeyKind::Ssh, ", bind: true");
    assert_eq!(world.ask(&world.signer(), &world.claim()), Err("target-missing"));
}

#[test]
fn an_object_can_be_left_out_of_the_evidence_but_not_replaced() {
    let world = World::new(KeyKind::OpenPgp);
    let running = world.start();
    let unsigned = world.claim().unsigned(&world.store);
    let objects = world.store.objects();
    let target = world.claim().target;
    let request = SigningRequest {
        target: &target,
        dist_git: &objects,
        unsigned_commit: &unsigned,
        source_commit: &world.tip,
        now: now(),
    };
    let gathered = evidence::gather(&request, &BotCerts::none()).unwrap();
    let ask = |objects: Vec<crate::git::Object>| {
        let question = wire::Question::Sign(Box::new(wire::ToSign {
            package: "hello".into(),
            branch: "f44".into(),
            unsigned_commit: wire::Bytes(unsigned.clone()),
            source_commit: wire::Bytes(world.tip.clone()),
            objects: objects.into_iter().map(Into::into).collect(),
        }));
        running.say(&wire::frame(&wire::Request { version: wire::PROTOCOL, ask: question }))
    };
    assert!(ask(gathered.clone()).contains("BEGIN SSH SIGNATURE"));
    for left_out in 0..gathered.len() {
        let mut fewer = gathered.clone();
        fewer.remove(left_out);
        let answer = ask(fewer);
        assert!(answer.contains("signer-evidence-missing"), "{left_out}: {answer}");
    }
    for bent in 0..gathered.len() {
        let mut forged = gathered.clone();
        forged[bent].data.push(b' ');
        let answer = ask(forged);
        assert!(answer.contains("signer-evidence-missing"), "{bent}: {answer}");
    }
}

#[test]
fn frames_that_are_no_requests_are_refused_by_name() {
    let world = World::new(KeyKind::Ssh);
    let running = world.start();
    let framed = |body: &str| [&(body.len() as u32).to_be_bytes()[..], body.as_bytes()].concat();
    let table: [(Vec<u8>, &str); 7] = [
        (framed("garbage"), "signer-request-malformed"),
        (framed("{}"), "signer-request-malformed"),
        (framed("{\"version\":2,\"ask\":\"who\"}"), "signer-request-malformed"),
        (framed("{\"version\":1,\"ask\":\"who\",\"more\":1}"), "signer-request-malformed"),
        (framed("{\"version\":1,\"ask\":\"key\"}"), "signer-request-malformed"),
        (framed(&"[".repeat(100_000)), "signer-request-malformed"),
        (vec![0xff; 64], "signer-request-too-large"),
    ];
    for (bytes, code) in table {
        let answer = running.say(&bytes);
        assert!(answer.contains(code), "{code}: {answer:?}");
    }
    assert!(running.say(&framed("{\"version\":1,\"ask\":\"who\"}")).contains("ssh-ed25519"));
}

#[test]
fn a_client_that_dawdles_is_let_go_and_keeps_nobody_waiting() {
    let world = World::new(KeyKind::Ssh);
    let doorway = Doorway { patience: Duration::from_millis(200), ..Doorway::default() };
    let running = Running::start(world.process(doorway), &world.socket());
    let mut slow = UnixStream::connect(&running.socket).unwrap();
    slow.write_all(&[0, 0, 1]).unwrap();
    assert!(world.ask(&running.client(), &world.claim()).is_ok());
    let started = Instant::now();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.contains("signer-request-slow"), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn only_users_that_are_named_may_ask() {
    let world = World::new(KeyKind::Ssh);
    let doorway = Doorway { users: vec![4_000_000_000], ..Doorway::default() };
    let running = Running::start(world.process(doorway), &world.socket());
    let error = SignerClient::connect(&running.socket).unwrap_err();
    assert!(matches!(error, Fault::Refused(refusal) if refusal.code.0 == "signer-peer-refused"));
}

#[test]
fn the_key_stays_where_it_is() {
    let world = World::new(KeyKind::Ssh);
    let running = world.start();
    let client = running.client();
    let secret = world.bot.key().export(None).unwrap();
    let lines: Vec<&str> = secret.expose().lines().filter(|line| !line.starts_with('-')).collect();
    let told = format!("{client:?} {:?}", client.certificates());
    assert!(lines.len() > 2 && !told.contains("PRIVATE"));
    // The first line of the file holds the public half too; the later ones hold the seed.
    assert!(lines[2..].iter().all(|line| !told.contains(line)), "{told}");
}

#[test]
fn no_more_than_the_limit_is_signed() {
    let world = World::new(KeyKind::Ssh);
    let signer = world.signer().limit(2);
    for wanted in [Ok(()), Ok(()), Err("signer-limit")] {
        assert_eq!(world.ask(&signer, &world.claim()).map(drop), wanted);
    }
}

#[test]
fn a_parent_that_dist_git_does_not_have_at_its_tip_is_refused_where_it_can_be_asked() {
    let mut world = World::new(KeyKind::Ssh);
    let address = "dist-git/{name}.git";
    let process = world.process(Doorway::default()).asking(address, world.folder.path()).unwrap();
    let running = Running::start(process, &world.socket());
    let client = running.client();
    assert!(world.ask(&client, &world.claim()).is_ok());
    // Mallory makes up a parent that lists her own key; without being pushed it opens nothing.
    let opt_in = NewCommit::new("Mine")
        .put("source-git.yaml", config(&world.mallory.listed(), ""))
        .by(&world.mallory);
    let made_up = world.dist_git.commit_onto(Some(world.parent), opt_in).unwrap();
    let by_mallory = NewCommit::new("Mine").put("hello", "y").signed_by(&world.mallory);
    let tip = world.source.commit_onto(None, by_mallory).unwrap();
    let mut claim = world.claim();
    claim.parents = vec![made_up];
    claim.source_commit = world.source.objects().unwrap().read_kind(&tip, Kind::Commit).unwrap();
    claim.publication.source_commit = tip;
    claim.publication.signer = world.mallory.key().signer_id().to_string();
    assert_eq!(world.ask(&client, &claim), Err("signer-parent-stale"));
    assert!(world.ask(&world.signer(), &claim).is_ok(), "nobody else can tell");
    let refused =
        world.process(Doorway::default()).asking("https://dist-git.example/x.git", Path::new("/"));
    assert!(refused.is_err());
}

#[test]
fn a_socket_takes_only_a_place_that_is_free_and_safe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let bind = |mode| SignerSocket::bind(&path, mode);
    let code = |result: Result<SignerSocket>| match result.unwrap_err() {
        Fault::Refused(refusal) => refusal.code.0,
        Fault::Failed(problem) => problem.code.0,
    };
    for (mode, bits) in [(SocketMode::Owner, 0o600), (SocketMode::Group, 0o660)] {
        let socket = bind(mode).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, bits);
        assert_eq!(code(bind(mode)), "signer-socket-taken");
        drop(socket);
        assert!(!path.exists());
    }
    // A stale socket, as a killed signer leaves it, is cleared away; a file is not.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    drop(bind(SocketMode::Owner).unwrap());
    std::fs::write(&path, "mine").unwrap();
    assert_eq!(code(bind(SocketMode::Owner)), "signer-socket-taken");
    std::fs::remove_file(&path).unwrap();
    // Somebody else's socket in our place is not removed when ours goes.
    let socket = bind(SocketMode::Owner).unwrap();
    std::fs::remove_file(&path).unwrap();
    let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(socket);
    assert!(path.exists());
    drop(other);
    std::fs::remove_file(&path).unwrap();
    for (mode, safe) in [(0o777, false), (0o1777, true), (0o755, true), (0o702, false)] {
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        match safe {
            true => drop(bind(SocketMode::Owner).unwrap()),
            false => assert_eq!(code(bind(SocketMode::Owner)), "signer-socket-unsafe", "{mode:o}"),
        }
    }
}
