//! The process room: the only one that starts other programs.
//!
//! Each child gets its own process group, a cleared environment with named additions, a time limit and a
//! cap on what it may print. Whatever goes wrong, the whole group is gone afterwards; so it is where the
//! waiting for a child is given up, because the future was dropped.
//!
//! [`Invocation::run`] keeps what a program prints, [`Invocation::stream`] hands it on while it runs, and
//! [`Invocation::leave`] starts one that nobody waits for.

#![allow(
    clippy::disallowed_methods,
    reason = "this is the one door to other programs, and it says what of the environment they see"
)]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Variables that every child may see: where programs, homes and proxies are, and nothing secret.
const PASSED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// How much of each of stdout and stderr is kept, in bytes; the rest is read and dropped.
const OUTPUT_CAP: usize = 16 * 1024 * 1024;

/// A program to run, with everything it may see.
#[derive(Debug, Clone)]
pub struct Invocation {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    limit: Duration,
}

/// What a finished program left.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to stdout, capped.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr, capped.
    pub stderr: Vec<u8>,
}

/// Which of its two streams a program printed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// What it wrote to stdout.
    Out,
    /// What it wrote to stderr.
    Err,
}

/// Hears what a program prints, while it runs.
///
/// Pieces come as the pipe gives them, without regard to lines. Whoever listens keeps a cap: the program
/// may print for as long as its time lasts.
pub trait Listener: Send {
    /// Takes the next piece of a stream.
    fn hear(&mut self, stream: Stream, piece: &[u8]);
}

/// Why a program gave no [`Output`].
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot start {program}: {source}")]
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ran longer than it may; its process group was killed.
    #[error("{program} did not finish within {seconds} s and was stopped")]
    TimedOut {
        /// The program.
        program: String,
        /// The limit.
        seconds: u64,
    },
    /// Its output could not be read.
    #[error("cannot read what {program} printed: {source}")]
    Unreadable {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Invocation {
    /// Returns an invocation of `program`, found on the `PATH`, with a limit of 15 minutes.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let passed =
            PASSED_ON.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
        Invocation {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: passed.collect(),
            folder: None,
            limit: Duration::from_secs(15 * 60),
        }
    }

    /// Returns an invocation that sees nothing of our environment but the `PATH`.
    ///
    /// For programs that work for strangers: what they are to see is named one by one.
    pub fn bare(program: impl AsRef<OsStr>) -> Self {
        let mut invocation = Invocation::new(program);
        invocation.environment.retain(|(name, _)| name == "PATH");
        invocation
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Sets variables.
    #[must_use]
    pub fn envs(mut self, variables: &[(String, OsString)]) -> Self {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.clone()));
        self.environment.extend(variables);
        self
    }

    /// Hands on a variable of our own environment, where it is set.
    #[must_use]
    pub fn pass_env(mut self, name: &str) -> Self {
        self.environment.extend(std::env::var_os(name).map(|value| (name.into(), value)));
        self
    }

    /// Sets the working folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Sets the time limit.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    /// See [`ProcessError`]. A program that ran and failed is no error here.
    pub async fn run(self) -> Result<Output, ProcessError> {
        let program = self.program.to_string_lossy().into_owned();
        let mut child = self
            .command()
            .spawn()
            .map_err(|source| ProcessError::NotStarted { program: program.clone(), source })?;
        let group = Group::of(&child);
        let stdout = read_capped(child.stdout.take());
        let stderr = read_capped(child.stderr.take());
        let finished = async { tokio::try_join!(child.wait(), stdout, stderr) };
        let outcome = tokio::time::timeout(self.limit, finished).await;
        drop(group);
        match outcome {
            Ok(Ok((status, stdout, stderr))) => Ok(Output { status, stdout, stderr }),
            Ok(Err(source)) => Err(ProcessError::Unreadable { program, source }),
            Err(_) => Err(ProcessError::TimedOut { program, seconds: self.limit.as_secs() }),
        }
    }

    /// Runs the program to its end and hands on what it prints as it comes.
    ///
    /// # Errors
    /// See [`ProcessError`]. A program that ran and failed is no error here.
    pub async fn stream(self, listener: &mut dyn Listener) -> Result<ExitStatus, ProcessError> {
        let program = self.program.to_string_lossy().into_owned();
        let mut child = self
            .command()
            .spawn()
            .map_err(|source| ProcessError::NotStarted { program: program.clone(), source })?;
        let group = Group::of(&child);
        let pipes = (child.stdout.take(), child.stderr.take());
        let finished = async {
            hear_both(pipes.0, pipes.1, listener).await?;
            child.wait().await
        };
        let outcome = tokio::time::timeout(self.limit, finished).await;
        drop(group);
        match outcome {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(source)) => Err(ProcessError::Unreadable { program, source }),
            Err(_) => Err(ProcessError::TimedOut { program, seconds: self.limit.as_secs() }),
        }
    }

    /// Starts the program and leaves it to itself: it outlives whoever started it, and nobody hears it.
    ///
    /// For the last wish of something that is being dropped and cannot wait.
    pub fn leave(self) {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(false);
        // A runtime reaps the child; without one, we are about to end, and somebody else will. Either way there is
        // nobody left to tell that it could not be started.
        match tokio::runtime::Handle::try_current() {
            Ok(_) => drop(command.spawn()),
            Err(_) => drop(command.as_std_mut().spawn()),
        }
    }

    fn command(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }
}

/// Kills what is left of a child's process group when it goes out of scope: after a time-out, after a
/// cancelled run, and for helpers that outlive the program they served.
struct Group(Option<rustix::process::Pid>);

impl Group {
    fn of(child: &tokio::process::Child) -> Group {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Group(id.and_then(rustix::process::Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // An error means that nobody is left in the group.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

/// Hands on both streams until both have ended.
async fn hear_both(
    mut out: Option<impl AsyncRead + Unpin>,
    mut err: Option<impl AsyncRead + Unpin>,
    listener: &mut dyn Listener,
) -> std::io::Result<()> {
    let (mut out_buffer, mut err_buffer) = (vec![0; 32 * 1024], vec![0; 32 * 1024]);
    while out.is_some() || err.is_some() {
        let (stream, count) = tokio::select! {
            count = read_some(&mut out, &mut out_buffer) => (Stream::Out, count?),
            count = read_some(&mut err, &mut err_buffer) => (Stream::Err, count?),
        };
        match (stream, count) {
            (Stream::Out, 0) => out = None,
            (Stream::Err, 0) => err = None,
            (Stream::Out, count) => listener.hear(stream, &out_buffer[..count]),
            (Stream::Err, count) => listener.hear(stream, &err_buffer[..count]),
        }
    }
    Ok(())
}

/// Reads from a pipe; one that has ended never gives anything again.
async fn read_some(
    pipe: &mut Option<impl AsyncRead + Unpin>,
    buffer: &mut [u8],
) -> std::io::Result<usize> {
    match pipe {
        Some(pipe) => pipe.read(buffer).await,
        None => std::future::pending().await,
    }
}

async fn read_capped(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut pipe) = pipe else { return Ok(kept) };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = pipe.read(&mut buffer).await?;
        if count == 0 {
            return Ok(kept);
        }
        let room = OUTPUT_CAP - kept.len();
        kept.extend_from_slice(&buffer[..count.min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps all that it hears.
    #[derive(Default)]
    struct All {
        out: Vec<u8>,
        err: Vec<u8>,
    }

    impl Listener for All {
        fn hear(&mut self, stream: Stream, piece: &[u8]) {
            match stream {
                Stream::Out => self.out.extend_from_slice(piece),
                Stream::Err => self.err.extend_from_slice(piece),
            }
        }
    }

    fn shell(script: &str) -> Invocation {
        Invocation::new("sh").args(["-c", script])
    }

    /// Waits until no process has this marker among its arguments.
    async fn until_gone(marker: &str) {
        let end = std::time::Instant::now() + Duration::from_secs(20);
        let seen = || {
            let processes = std::fs::read_dir("/proc").unwrap().flatten();
            let mut lines =
                processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
            lines.any(|line| line.ends_with(format!("sleep\0{marker}\0").as_bytes()))
        };
        while seen() {
            assert!(std::time::Instant::now() < end, "{marker} is still there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_program_is_heard_on_both_streams_to_the_end() {
        let mut all = All::default();
        let script = "echo one; echo two >&2; head -c 300000 /dev/zero; exit 7";
        let status = shell(script).stream(&mut all).await.unwrap();
        assert_eq!(status.code(), Some(7));
        assert_eq!((all.out.len(), all.err.as_slice()), (300_004, &b"two\n"[..]));
    }

    #[tokio::test]
    async fn a_program_is_heard_while_it_runs() {
        let (folder, mut all) = (tempfile::tempdir().unwrap(), All::default());
        let file = folder.path().join("go");
        let script = format!("echo ready; while [ ! -e {} ]; do sleep 0.02; done", file.display());
        struct Go<'a>(&'a mut All, PathBuf);
        impl Listener for Go<'_> {
            fn hear(&mut self, stream: Stream, piece: &[u8]) {
                self.0.hear(stream, piece);
                std::fs::write(&self.1, "").unwrap();
            }
        }
        shell(&script).stream(&mut Go(&mut all, file)).await.unwrap();
        assert_eq!(all.out, b"ready\n");
    }

    #[tokio::test]
    async fn the_whole_group_ends_when_its_time_is_over_or_nobody_waits() {
        let run = |marker: &str| shell(&format!("sleep {marker} & sleep {marker}"));
        let mut all = All::default();
        let late = run("3361").limit(Duration::from_millis(200)).stream(&mut all).await;
        assert!(matches!(late, Err(ProcessError::TimedOut { .. })), "{late:?}");
        until_gone("3361").await;
        let waited = tokio::time::timeout(Duration::from_millis(200), run("3362").stream(&mut all));
        assert!(waited.await.is_err());
        until_gone("3362").await;
    }

    #[tokio::test]
    async fn what_is_left_to_itself_runs_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("made");
        shell(&format!("sleep 0.1; echo x >{}", file.display())).leave();
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !file.exists() {
            assert!(std::time::Instant::now() < end, "it did nothing");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_bare_program_sees_the_path_and_what_is_named() {
        let invocation = Invocation::bare("env").env("ONE", "1");
        let output = invocation.envs(&[("TWO".to_owned(), "2".into())]).run().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut names: Vec<_> = text.lines().filter_map(|line| line.split('=').next()).collect();
        names.sort_unstable();
        assert_eq!(names, ["ONE", "PATH", "TWO"]);
    }
}
