//! How a run ended, and how that is told.

use std::path::PathBuf;
use std::time::Duration;

use super::image::PinnedImage;
use crate::outcome::{Refusal, Result, printable};

/// The exit code by which a container refuses; its last line on stdout is told to the maintainer.
pub(super) const REFUSES: i32 = 64;

/// What a finished run left, beside its mounts.
#[derive(Debug, Clone)]
pub struct Ran {
    /// What ran.
    pub image: PinnedImage,
    /// How it ended.
    pub exit: ExitKind,
    /// What it wrote to stdout, where [`super::RunSpec::keep_stdout`] asked for it.
    pub stdout: Vec<u8>,
    /// What is kept of all it printed.
    pub log: RunLog,
    /// How long it took, the engine's own start and end included.
    pub took: Duration,
}

/// The log of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLog {
    /// Where it is.
    pub path: PathBuf,
    /// How many bytes were printed, kept or not.
    pub printed: u64,
    /// Whether it was cut, because more was printed than is kept.
    pub is_cut: bool,
    /// The last lines, harmless on a terminal.
    pub tail: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitKind {
    /// With exit code 0.
    Done,
    /// With exit code 64.
    Refused {
        /// The last line on stdout that was not empty, harmless on a terminal.
        last_line: String,
    },
    /// With another exit code.
    Failed {
        /// The code; 128 and more: the number of a signal, added to it.
        code: i32,
    },
    /// The image has no such program, or it cannot be started.
    NotStarted {
        /// The engine's words, harmless on a terminal.
        words: String,
    },
    /// It took longer, or more processor time, than it may, and was stopped.
    TimedOut,
    /// It wanted more memory than it may have, and was stopped.
    OutOfMemory,
    /// It wrote more than it may, and was stopped.
    OutputTooLarge {
        /// What was too large, as the rest of "the container wrote …".
        what: String,
    },
}

impl Ran {
    /// Returns itself if the run was done.
    ///
    /// # Errors
    /// Refuses with `container-refused`, `container-failed`, `container-timeout`, `container-out-of-memory` or
    /// `output-too-large`. Each is the move of whoever made the image, or of the operator who set the limits:
    /// trying again gives the same.
    pub fn done(self) -> Result<Ran> {
        match self.refusal() {
            None => Ok(self),
            Some(refusal) => Err(refusal.into()),
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        let (image, seconds) = (&self.image, self.took.as_secs());
        Some(match &self.exit {
            ExitKind::Done => return None,
            ExitKind::Refused { last_line } => {
                let said = match last_line.is_empty() {
                    true => "and does not say why".to_owned(),
                    false => format!("it says: {last_line}"),
                };
                Refusal::new("container-refused", format!("{image} refuses; {said}"))
                    .hint("do what it asks for; the log of the run holds all it printed")
            }
            ExitKind::Failed { code } => {
                let words = format!("{image} ended with exit code {code}{}", self.last_words());
                Refusal::new("container-failed", words)
                    .hint("mend the image, or what it is run on; exit code 0 means done, 64 refused")
            }
            ExitKind::NotStarted { words } => {
                let words = format!("{image} has no program that can be started: {words}");
                Refusal::new("container-failed", words)
                    .hint("give the image an entry point for this machine's architecture")
            }
            ExitKind::TimedOut => {
                let words = format!("{image} was stopped after {seconds} s: its time was over{}", self.last_words());
                Refusal::new("container-timeout", words)
                    .hint("make it faster, or ask the operator to raise population.limits.time or cpu_time")
            }
            ExitKind::OutOfMemory => {
                let words = format!("{image} was killed: it wanted more memory than it may have{}", self.last_words());
                Refusal::new("container-out-of-memory", words)
                    .hint("what is written to /tmp is memory too; or ask the operator to raise population.limits.memory")
            }
            ExitKind::OutputTooLarge { what } => {
                Refusal::new("output-too-large", format!("{image} wrote {what}"))
                    .hint("write less to /output, or ask the operator to raise population.limits.output or output_files")
            }
        })
    }

    /// Returns the end of the log as the end of a message.
    fn last_words(&self) -> String {
        let lines = self.log.tail.iter().map(|line| format!("\n  {}", printable(line, 300)));
        match self.log.tail.is_empty() {
            true => String::new(),
            false => lines.fold("; the last it printed:".to_owned(), |words, line| words + &line),
        }
    }
}
