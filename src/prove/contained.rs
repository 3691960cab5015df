//! rpm in the operator's prover image, held to what every container is held to.
//!
//! The image must have a shell, `rpmspec` and `rpmbuild`; `containers/prover` makes one of a distribution. What it was
//! made for is not run: each program is started by itself, so that both ways of asking rpm ask the same.

use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use super::Said;
use super::sandbox::INSIDE;
use crate::container::{
    Access, Bytes, Engine, ExitKind, Limits, Mount, PinnedImage, RunSpec, Time,
};
use crate::decide::Order;
use crate::outcome::{Problem, Refusal, Result};
use crate::populate::contained::Room;

/// The macros and archives: rpm cannot change what it was given.
const SOURCES: &str = "/build/SOURCES";

/// What rpm says on stderr, kept apart from what an engine says there.
const WORDS: &str = "words";

/// How much is kept of what rpm says.
const KEPT: u64 = 1024 * 1024;

/// Runs a command with its stderr in a file.
const APART: &str = "exec \"$@\" 2>/build/words";

/// The operator's image, and the engine that runs it.
pub(super) struct Prover<'a> {
    engine: &'a Engine,
    image: PinnedImage,
    limits: &'a Limits,
    label: String,
}

impl<'a> Prover<'a> {
    /// Finds engine and image where the operator names one.
    pub(super) async fn find(order: &Order, room: &Room<'a>) -> Result<Option<Prover<'a>>> {
        let Some((engine, image)) = room.containers.prover().await? else { return Ok(None) };
        tracing::info!(%image, "asks rpm in a container");
        let limits = &room.containers.options().limits;
        Ok(Some(Prover { engine, image, limits, label: order.target.name().to_string() }))
    }

    /// Runs a command with `folder` at [`INSIDE`].
    pub(super) async fn run(
        &self,
        folder: &Path,
        command: &[String],
        limit: Duration,
    ) -> Result<Said> {
        let limits = Limits { time: Time(limit.min(self.limits.time.0)), ..self.limits.clone() };
        let shell = ["/bin/sh", "-c", APART, "rpm"].map(str::to_owned);
        let run = RunSpec {
            label: self.label.clone(),
            mounts: vec![
                Mount { host: folder.to_owned(), inside: INSIDE, access: Access::ReadWrite },
                Mount { host: folder.join("SOURCES"), inside: SOURCES, access: Access::ReadOnly },
            ],
            env: [("HOME", "/build/home"), ("LC_ALL", "C.UTF-8"), ("TMPDIR", "/tmp")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            command: Some(shell.into_iter().chain(command.iter().cloned()).collect()),
            folder: Some(INSIDE),
            network: false,
            limits: &limits,
            log: &folder.with_file_name("rpm.log"),
            keep_stdout: Some(Bytes(KEPT)),
        };
        let ran = self.engine.run(&self.image, &run).await?;
        let succeeded = match ran.exit {
            ExitKind::Done => true,
            // A shell's words for a program that is not there; rpm itself never ends so.
            ExitKind::Failed { code: 126 | 127 } => return Err(self.without(&command[0]).into()),
            ExitKind::Failed { .. } | ExitKind::Refused { .. } => false,
            _ => return Err(ran.done().expect_err("it did not end by itself")),
        };
        Ok(Said { succeeded, stdout: ran.stdout, stderr: words(folder)? })
    }

    fn without(&self, program: &str) -> Refusal {
        let words =
            format!("rpm cannot be asked: {} has no {program} that can be started", self.image);
        Refusal::new("rpm-proof-impossible", words).hint(
            "build the image with containers/build prover, or name another with --prover-image",
        )
    }
}

/// Reads what rpm said. Whoever ran inside could put anything in its place: no link is followed, and nothing waited for.
fn words(folder: &Path) -> Result<Vec<u8>> {
    use rustix::fs::OFlags;
    let path = folder.join(WORDS);
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut words = Vec::new();
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(&path);
    let read = opened.and_then(|file| match file.metadata()?.is_file() {
        true => file.take(KEPT).read_to_end(&mut words),
        false => Err(std::io::Error::other("it is no file")),
    });
    read.map_err(|error| {
        let text = format!("cannot read what rpm said in its container: {error}");
        Problem::permanent("rpm-proof-failed", text).because(error)
    })?;
    Ok(words)
}
