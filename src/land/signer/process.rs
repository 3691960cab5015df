//! The signer as a process of its own: a Unix socket in front of the same rules.
//!
//! The key is readable by this process's user alone; whoever asks sends a commit and the evidence ([`super::evidence`])
//! and gets a signature or a refusal. Nothing that the asking side says is taken on trust:
//!
//! | what | where it comes from |
//! |---|---|
//! | policy, certificates, the last publication | objects hashed here, reached from the parent commit's id |
//! | the verdict on the source commit | judged here, by this process's clock |
//! | target, repository, branch, signer, EVR | the commit's trailers, compared with all of these |
//!
//! **Whose word is the parent?** The asking side's, unless the operator names the dist-git. A thief in the asking
//! process can make up a parent commit whose `source-git.yaml` lists a key of his own: the signer then signs a commit on
//! top of *that parent*. Such a signature is good for nothing as long as dist-git has another tip, for the commit names
//! its parent and does not fast-forward; but who also holds the bot's right to push could push both. With an address
//! (`--dist-git https://…/{name}.git`) the signer asks the real dist-git for the branch's tip before it signs, and
//! refuses any other parent (`signer-parent-stale`). Only one line of `git ls-remote` is read for that; the content
//! still comes in as carried objects, which cannot lie about what that id stands for.
//!
//! What it never can vouch for: the tree (what the bot made of the source), the history below the source tip, and the
//! release tag. Tree identity, the history rule and replay answer for these.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use super::socket::{SignerSocket, SocketMode};
use super::wire::{self, Answer, PROTOCOL, Question, Request, ToSign, Who};
use super::{Signer, SigningRequest, evidence, only_parent};
use crate::gate::CommitObject;
use crate::git::{Object, Store, Transport};
use crate::names::{ObjectId, RepositoryAddress};
use crate::outcome::{Fault, Problem, Refusal, Result};
use crate::publication::DistGitTarget;

/// How many requests may be on their way in at one time; each holds at most 64 MiB.
const AT_ONCE: usize = 4;

/// How long requests that are being answered are waited for when the process is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long dist-git may take to name a branch's tip.
const DIST_GIT_PATIENCE: Duration = Duration::from_secs(60);

/// A signer behind a socket.
pub struct SignerProcess {
    signer: Signer,
    who: Who,
    doorway: Doorway,
    dist_git: Option<DistGit>,
    clock: fn() -> SystemTime,
    /// An empty repository: carried objects live in memory above it.
    store: Store,
    _folder: tempfile::TempDir,
}

/// Who may ask, and how long a request may take to come in.
#[derive(Debug, Clone)]
pub struct Doorway {
    /// Users that may ask, by their numbers; empty where the socket's rights decide alone.
    pub users: Vec<u32>,
    /// How long a request may take from the connection to its last byte.
    pub patience: Duration,
}

impl Default for Doorway {
    fn default() -> Doorway {
        Doorway { users: Vec::new(), patience: Duration::from_secs(10) }
    }
}

/// Where the signer looks for itself what a branch's tip is.
struct DistGit {
    address: String,
    /// What a relative address begins at.
    base: PathBuf,
    transport: Transport,
}

impl SignerProcess {
    /// Puts a signer behind the door. `certificates` are the public halves of the bot's keys, its own first.
    ///
    /// # Errors
    /// Fails where no temporary folder can be made.
    pub fn new(
        signer: Signer,
        certificates: Vec<String>,
        doorway: Doorway,
        clock: fn() -> SystemTime,
    ) -> Result<SignerProcess> {
        let folder =
            tempfile::Builder::new().prefix("lockkeeper-signer-").tempdir().map_err(|error| {
                Problem::permanent("no-temporary-folder", "cannot make a temporary folder")
                    .because(error)
            })?;
        let store = Store::init_bare(&folder.path().join("empty.git"))?;
        let who = Who { certificates, identity: signer.identity() };
        Ok(SignerProcess { signer, who, doorway, dist_git: None, clock, store, _folder: folder })
    }

    /// Has the signer ask dist-git for the tip of each branch; `{name}` in the address stands for the package, and a
    /// relative path begins at `base`.
    ///
    /// # Errors
    /// Refuses (exit code 2) an address without `{name}`.
    pub fn asking(self, address: &str, base: &Path) -> Result<SignerProcess> {
        if !address.contains("{name}") {
            let words = format!("{address:?} does not say where the package's name stands");
            return Err(Refusal::config("bad-argument", words)
                .hint("write {name} in its place, such as https://dist-git.example/rpms/{name}.git")
                .into());
        }
        let (address, base) = (address.to_owned(), base.to_owned());
        let dist_git = DistGit { address, base, transport: Transport::new()? };
        Ok(SignerProcess { dist_git: Some(dist_git), ..self })
    }

    /// Answers until `stop` comes, then finishes what is under way; the socket's file is removed.
    ///
    /// # Errors
    /// Fails where the socket cannot be listened at.
    pub async fn serve(
        self: Arc<Self>,
        socket: SignerSocket,
        stop: impl Future<Output = ()>,
    ) -> Result<()> {
        let listener = socket.listener().map_err(|error| {
            Problem::permanent("signer-socket-not-made", error.to_string()).because(error)
        })?;
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let mut visits = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&listener, &room) => accepted,
                Some(_) = visits.join_next() => continue,
            };
            match accepted {
                Ok((stream, place)) => {
                    let process = Arc::clone(&self);
                    visits.spawn(async move {
                        process.visit(stream).await;
                        drop(place);
                    });
                }
                Err(error) => tracing::warn!(%error, "a connection was lost before it was taken"),
            }
        }
        drop(socket);
        let _ = tokio::time::timeout(DRAIN, async { while visits.join_next().await.is_some() {} })
            .await;
        Ok(())
    }

    /// Reads one request and answers it.
    async fn visit(&self, mut stream: UnixStream) {
        let answer = match self.hear(&mut stream).await {
            Ok(request) => self.answer(request).await,
            Err(fault) => Err(fault),
        };
        let answer = answer.unwrap_or_else(|fault| {
            tracing::warn!(code = %code_of(&fault), "refused: {fault}");
            Answer::NotSigned((&fault).into())
        });
        let frame = wire::frame(&answer);
        let sent = tokio::time::timeout(self.doorway.patience, async {
            stream.write_all(&frame).await?;
            stream.shutdown().await
        });
        if !matches!(sent.await, Ok(Ok(()))) {
            tracing::warn!("the answer was not taken");
        }
    }

    async fn hear(&self, stream: &mut UnixStream) -> Result<Request> {
        self.check_peer(stream)?;
        let body = tokio::time::timeout(self.doorway.patience, read_frame(stream)).await;
        let body = body.map_err(|_| slow(self.doorway.patience))??;
        let request: Request = wire::parse(&body)?;
        match request.version {
            PROTOCOL => Ok(request),
            other => Err(wire::malformed(&format!("version {other}, not {PROTOCOL}")).into()),
        }
    }

    /// Says who asks, and refuses users that are not named where some are.
    fn check_peer(&self, stream: &UnixStream) -> Result<()> {
        let peer = stream.peer_cred().map_err(|error| {
            Problem::permanent("signer-peer-unknown", format!("cannot tell who asks: {error}"))
        })?;
        let (user, process) = (peer.uid(), peer.pid());
        tracing::info!(user, process, "a request");
        match self.doorway.users.is_empty() || self.doorway.users.contains(&user) {
            true => Ok(()),
            false => Err(Refusal::config(
                "signer-peer-refused",
                format!("user {user} may not ask this signer"),
            )
            .hint("start the signer with --allow-uid and that number")
            .into()),
        }
    }

    async fn answer(&self, request: Request) -> Result<Answer> {
        match request.ask {
            Question::Who => Ok(Answer::Who(self.who.clone())),
            Question::Sign(to_sign) => {
                let target = target(&to_sign)?;
                let parent = only_parent(&CommitObject::parse(&to_sign.unsigned_commit.0)?)?;
                self.check_tip(&target, &parent).await?;
                let armour = self.sign(&target, *to_sign)?;
                tracing::info!(target = %target, "signed a commit on top of {parent}");
                Ok(Answer::Signed(armour))
            }
        }
    }

    /// Refuses a parent that is not the branch's tip, where the signer knows whom to ask.
    async fn check_tip(&self, target: &DistGitTarget, parent: &ObjectId) -> Result<()> {
        let Some(dist_git) = &self.dist_git else { return Ok(()) };
        let address = dist_git.address.replace("{name}", target.package.as_str());
        let address = RepositoryAddress::from_argument(&address, &dist_git.base)
            .map_err(|error| Refusal::config("bad-argument", error.to_string()))?;
        let reference = target.branch.reference();
        let git_dir = self.store.git_dir();
        let asked = dist_git.transport.reference(&git_dir, &address, &reference);
        let tip = tokio::time::timeout(DIST_GIT_PATIENCE, asked).await;
        match tip.map_err(|_| dist_git_slow(&address))?? {
            Some(tip) if tip == *parent => Ok(()),
            Some(tip) => Err(stale(target, parent, &format!("dist-git has {tip}")).into()),
            None => Err(stale(target, parent, "dist-git has no such branch").into()),
        }
    }

    fn sign(&self, target: &DistGitTarget, to_sign: ToSign) -> Result<String> {
        let carried: Vec<Object> = to_sign.objects.into_iter().map(Into::into).collect();
        let objects = evidence::unpack(&self.store, &carried)?;
        let request = SigningRequest {
            target,
            dist_git: &objects,
            unsigned_commit: &to_sign.unsigned_commit.0,
            source_commit: &to_sign.source_commit.0,
            now: (self.clock)(),
        };
        self.signer.signature(&request).map_err(naming_evidence)
    }
}

/// Takes the next connection as soon as there is room for it.
async fn accept(
    listener: &tokio::net::UnixListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let place =
        Arc::clone(room).acquire_owned().await.expect("the semaphore lives as long as the loop");
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// Reads a frame; memory is taken as bytes come in, not as they are announced.
async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
    let lost = |error: std::io::Error| wire::malformed(&error.to_string());
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.map_err(lost)?;
    let length = wire::length(header, wire::REQUEST_LIMIT)?;
    let mut body = Vec::new();
    stream.take(length as u64).read_to_end(&mut body).await.map_err(lost)?;
    match body.len() == length {
        true => Ok(body),
        false => Err(wire::malformed("it ends early").into()),
    }
}

fn target(to_sign: &ToSign) -> Result<DistGitTarget, Refusal> {
    let package = to_sign.package.parse().map_err(|error| malformed_name(&error))?;
    let branch = to_sign.branch.parse().map_err(|error| malformed_name(&error))?;
    Ok(DistGitTarget { package, branch })
}

fn malformed_name(error: &crate::names::NameError) -> Refusal {
    wire::malformed(&error.to_string())
}

fn slow(patience: Duration) -> Problem {
    let words = format!("the request did not come in within {} s", patience.as_secs_f32());
    Problem::temporary("signer-request-slow", words)
}

fn dist_git_slow(address: &RepositoryAddress) -> Problem {
    let seconds = DIST_GIT_PATIENCE.as_secs();
    let words = format!("{address} did not name the branch's tip within {seconds} s");
    Problem::temporary("signer-dist-git-slow", words)
}

fn stale(target: &DistGitTarget, parent: &ObjectId, found: &str) -> Refusal {
    let words = format!("the commit for {target} is made on top of {parent}, but {found}");
    Refusal::new("signer-parent-stale", words)
        .hint("dist-git moved on meanwhile: sync again; where it happens each time, somebody makes parents up")
}

/// Says of an object that is not there that it was not sent.
fn naming_evidence(fault: Fault) -> Fault {
    match fault {
        Fault::Refused(refusal) if refusal.code.0 == "object-missing" => Refusal::new(
            "signer-evidence-missing",
            format!("the request lacks an object that the signer needs: {}", refusal.message),
        )
        .hint("let client and signer be of the same version")
        .into(),
        other => other,
    }
}

fn code_of(fault: &Fault) -> crate::outcome::Code {
    match fault {
        Fault::Refused(refusal) => refusal.code,
        Fault::Failed(problem) => problem.code,
    }
}
