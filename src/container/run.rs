//! One run of an image: started, heard, watched, stopped where it takes too much, and gone afterwards.

use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::confine::Confinement;
use super::end::{self, End, Seen};
use super::engine::{ANSWER, Engine, Kind, last_words};
use super::image::PinnedImage;
use super::log::{Heard, Hearing};
use super::measure::Bytes;
use super::options::Limits;
use super::ran::{ExitKind, Ran};
use super::watch;
use crate::outcome::{Problem, Refusal, Result};
use crate::process::ProcessError;

/// A folder or file of ours that a container sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is on this machine: an absolute path without a colon.
    pub host: PathBuf,
    /// Where it is inside.
    pub inside: &'static str,
    /// What may be done with it.
    pub access: Access,
}

/// What a container may do with a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read it. Who runs inside is somebody else: files must be readable by all.
    ReadOnly,
    /// Read and write it. It is handed over to the user inside, and its size is watched.
    ReadWrite,
}

/// What is to run, and with what.
#[derive(Debug, Clone)]
pub struct RunSpec<'a> {
    /// Words for people by which the container is found in the engine's lists, such as `hello#f44`.
    pub label: String,
    /// What it sees.
    pub mounts: Vec<Mount>,
    /// Variables it gets beside the image's own.
    pub env: Vec<(String, String)>,
    /// A program to run instead of the image's own, with its arguments.
    pub command: Option<Vec<String>>,
    /// The working folder inside, instead of the image's own.
    pub folder: Option<&'static str>,
    /// Whether the branch asks for the network; it is given only where the operator allows it.
    pub network: bool,
    /// What it may use.
    pub limits: &'a Limits,
    /// The file to keep what it prints in; made anew.
    pub log: &'a Path,
    /// How much of stdout is kept for [`Ran::stdout`]; more is `output-too-large`. None: only the log is kept.
    pub keep_stdout: Option<Bytes>,
}

/// How long a stopped container may take to be gone before it is asked again.
const GOING: Duration = Duration::from_secs(10);

impl Engine {
    /// Runs an image to its end and takes everything that it started away.
    ///
    /// Whoever drops the future stops the run: the container is removed by a process that outlives us.
    ///
    /// # Errors
    /// `network-not-allowed` where the branch asks for the network and the operator does not allow it;
    /// `engine-failed` where the engine could not run it; problems with the log and the mounts. A container that
    /// ran and failed is no error here: see [`Ran::done`].
    pub async fn run(&self, image: &PinnedImage, spec: &RunSpec<'_>) -> Result<Ran> {
        self.may_run(spec)?;
        spec.mounts.iter().try_for_each(|mount| self.hand_over(mount))?;
        let mut hearing = Hearing::begin(spec)?;
        let begun = Instant::now();
        let name = self.owner.next_name();
        let followed = self.follow(&name, image, spec, &mut hearing).await?;
        let heard = hearing.end()?;
        let took = begun.elapsed();
        let exit = match followed {
            Followed::Stopped(exit) => exit,
            Followed::Ended(status) => match watch::look(&watched(spec), spec.limits).await {
                Some(what) => ExitKind::OutputTooLarge { what },
                None => self.ended_by_itself(status, &heard, took >= spec.limits.cpu_time.0)?,
            },
        };
        Ok(Ran { image: image.clone(), exit, stdout: heard.stdout, log: heard.log, took })
    }

    fn may_run(&self, spec: &RunSpec<'_>) -> Result<()> {
        if spec.network && !self.options.allow_network {
            let words = format!("{} asks for the network in its container", spec.label);
            return Err(Refusal::new("network-not-allowed", words)
                .hint("set population.network to false, or ask the operator for population.allow_network")
                .into());
        }
        Ok(())
    }

    /// Checks a mount, and gives a folder that is written to the user inside.
    fn hand_over(&self, mount: &Mount) -> Result<()> {
        let path = &mount.host;
        let fault = |why: &str| {
            Problem::permanent(
                "mount-not-usable",
                format!("cannot mount {}: {why}", path.display()),
            )
        };
        if !path.is_absolute() || path.as_os_str().as_bytes().contains(&b':') {
            return Err(
                fault("the path is relative or holds a colon; engines cannot read that").into()
            );
        }
        if !path.exists() {
            return Err(fault("it is not there").into());
        }
        if mount.access == Access::ReadOnly {
            return Ok(());
        }
        let handed_over = match (self.host.users.outside(), rustix::process::geteuid().is_root()) {
            (Some((uid, gid)), true) => std::os::unix::fs::chown(path, Some(uid), Some(gid)),
            (Some(_), false) => Ok(()),
            (None, _) => writable_by_all(path),
        };
        Ok(handed_over.map_err(|error| fault(&error.to_string()).because(error))?)
    }

    /// Starts the container and waits for its end, or for a reason to stop it.
    async fn follow(
        &self,
        name: &str,
        image: &PinnedImage,
        spec: &RunSpec<'_>,
        hearing: &mut Hearing,
    ) -> Result<Followed> {
        let leash = Leash { engine: self, name, is_held: true };
        let invocation = self
            .invocation()
            .args(self.confinement(name, image, spec).arguments())
            .limit(spec.limits.time.0 + ANSWER);
        let output = watched(spec);
        let mut running = Box::pin(invocation.stream(hearing));
        let exit = tokio::select! {
            ended = &mut running => return self.ended(ended, leash),
            () = tokio::time::sleep(spec.limits.time.0) => ExitKind::TimedOut,
            what = watch::until_too_large(&output, spec.limits) => ExitKind::OutputTooLarge { what },
        };
        self.stop(name, running).await?;
        leash.let_go();
        Ok(Followed::Stopped(exit))
    }

    fn ended(&self, ended: Result<ExitStatus, ProcessError>, leash: Leash<'_>) -> Result<Followed> {
        let status = ended.map_err(|error| self.trouble(error))?;
        // An engine that was killed leaves its container behind.
        if status.code().is_some() {
            leash.let_go();
        }
        Ok(Followed::Ended(status))
    }

    fn confinement<'a>(
        &'a self,
        name: &'a str,
        image: &'a PinnedImage,
        spec: &'a RunSpec<'a>,
    ) -> Confinement<'a> {
        Confinement {
            kind: self.kind,
            host: &self.host,
            runtime: self.options.runtime.as_ref().map(ToString::to_string),
            ulimits: &self.options.ulimits,
            owner: &self.owner,
            name,
            image,
            spec,
        }
    }

    /// Removes a container, and waits until the engine's own process has ended.
    ///
    /// The container may not be there yet where the time was very short: then the engine is stopped first.
    async fn stop(
        &self,
        name: &str,
        running: impl Future<Output = Result<ExitStatus, ProcessError>>,
    ) -> Result<()> {
        self.remove(name).await?;
        if tokio::time::timeout(GOING, running).await.is_err() {
            // The future was dropped, and with it the engine's process group was killed.
            self.remove(name).await?;
        }
        Ok(())
    }

    /// Removes a container whatever it is doing; one that is not there is no fault.
    pub(super) async fn remove(&self, name: &str) -> Result<()> {
        let output = self.ask(self.removal(name).as_slice()).await?;
        let words = last_words(&output.stderr);
        match output.status.success() || words.to_lowercase().contains("no such container") {
            true => Ok(()),
            false => Err(self.failed("remove a container", &output.stderr).into()),
        }
    }

    fn removal<'n>(&self, name: &'n str) -> Vec<&'n str> {
        match self.kind {
            Kind::Podman => vec!["rm", "--force", "--time=0", "--ignore", name],
            Kind::Docker => vec!["rm", "--force", name],
        }
    }

    /// Says how a container ended that nobody stopped.
    fn ended_by_itself(
        &self,
        status: ExitStatus,
        heard: &Heard,
        cpu_time_is_over: bool,
    ) -> Result<ExitKind> {
        let seen = Seen {
            code: status.code(),
            kind: self.kind,
            limits_memory: self.host.limits_memory,
            cpu_time_is_over,
            last_line: &heard.last_line,
            last_error: &heard.last_error,
        };
        match end::sort(seen) {
            End::OfContainer(ExitKind::Done) if heard.stdout_is_cut => {
                let what = "more to stdout than is taken".to_owned();
                Ok(ExitKind::OutputTooLarge { what })
            }
            End::OfContainer(exit) => Ok(exit),
            End::NotBegun => {
                Err(self.failed("run a container", heard.last_error.as_bytes()).into())
            }
            End::EngineKilled => {
                // The machine is going down, or short of memory.
                let words = format!("{} was killed while it ran a container", self.kind.program());
                Err(Problem::temporary("engine-failed", words).into())
            }
        }
    }
}

/// How following a container ended.
enum Followed {
    /// By itself.
    Ended(ExitStatus),
    /// We stopped it.
    Stopped(ExitKind),
}

/// Holds a container: where it goes out of scope with the container still running, because nobody waits for
/// the run any more, the container is removed by a process that outlives us.
struct Leash<'a> {
    engine: &'a Engine,
    name: &'a str,
    is_held: bool,
}

impl Leash<'_> {
    /// The container is no more.
    fn let_go(mut self) {
        self.is_held = false;
    }
}

impl Drop for Leash<'_> {
    fn drop(&mut self) {
        if self.is_held {
            self.engine.invocation().args(self.engine.removal(self.name)).leave();
        }
    }
}

/// Returns the folders that a container writes to.
fn watched(spec: &RunSpec<'_>) -> Vec<PathBuf> {
    let written = spec.mounts.iter().filter(|mount| mount.access == Access::ReadWrite);
    written.map(|mount| mount.host.clone()).collect()
}

fn writable_by_all(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))
}
