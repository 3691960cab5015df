//! What a container prints: line by line into a log with a cap, harmless on a terminal.
//!
//! The last line of stdout is kept for a refusal, the last lines of both for a failure, stdout itself where
//! it is the product. A container may print for as long as its time lasts; no more is kept than the caps say.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;

use super::ran::RunLog;
use super::run::RunSpec;
use crate::outcome::{Problem, Result, printable};
use crate::process::{Listener, Stream};

/// How much of one line is kept, in bytes.
const LINE: usize = 4096;

/// How much of a line is told to people, in characters.
const TOLD: usize = 500;

/// How many of the last lines are kept for a failure.
const TAIL: usize = 20;

/// Hears one run.
pub(super) struct Hearing {
    label: String,
    file: File,
    log: RunLog,
    room: u64,
    lines_cut: u64,
    tail: VecDeque<String>,
    out: Lines,
    err: Lines,
    last_line: String,
    last_error: String,
    stdout: Vec<u8>,
    stdout_room: Option<usize>,
    stdout_is_cut: bool,
    fault: Option<std::io::Error>,
}

/// What was heard of a run that has ended.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) log: RunLog,
    /// The last line on stdout that was not empty.
    pub(super) last_line: String,
    /// The last line on stderr that was not empty.
    pub(super) last_error: String,
    pub(super) stdout: Vec<u8>,
    pub(super) stdout_is_cut: bool,
}

impl Hearing {
    /// Begins a log.
    pub(super) fn begin(spec: &RunSpec<'_>) -> Result<Hearing> {
        let path = spec.log.to_owned();
        let file = File::create(&path).map_err(|error| not_written(&path, error))?;
        Ok(Hearing {
            label: spec.label.clone(),
            file,
            log: RunLog { path, printed: 0, is_cut: false, tail: Vec::new() },
            room: spec.limits.log.0,
            lines_cut: 0,
            tail: VecDeque::new(),
            out: Lines::default(),
            err: Lines::default(),
            last_line: String::new(),
            last_error: String::new(),
            stdout: Vec::new(),
            stdout_room: spec.keep_stdout.map(|cap| usize::try_from(cap.0).unwrap_or(usize::MAX)),
            stdout_is_cut: false,
            fault: None,
        })
    }

    /// Ends the log; where it was cut, its last line says so.
    pub(super) fn end(mut self) -> Result<Heard> {
        for stream in [Stream::Out, Stream::Err] {
            if let Some(line) = self.lines(stream).rest() {
                self.line(stream, &line);
            }
        }
        if self.log.is_cut {
            let words = format!(
                "[cut here: {} more lines; {} bytes were printed in all]\n",
                self.lines_cut, self.log.printed
            );
            self.write(&words);
        }
        match self.fault {
            Some(error) => Err(not_written(&self.log.path, error).into()),
            None => Ok(Heard {
                log: RunLog { tail: self.tail.into(), ..self.log },
                last_line: self.last_line,
                last_error: self.last_error,
                stdout: self.stdout,
                stdout_is_cut: self.stdout_is_cut,
            }),
        }
    }

    fn lines(&mut self, stream: Stream) -> &mut Lines {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    fn line(&mut self, stream: Stream, line: &[u8]) {
        let shown = printable(line, LINE);
        if !shown.trim().is_empty() {
            let told = printable(String::from_utf8_lossy(line).trim(), TOLD);
            self.remember(stream, told);
        }
        let length = shown.len() as u64 + 1;
        if self.log.is_cut || length > self.room {
            self.log.is_cut = true;
            self.lines_cut += 1;
            return;
        }
        self.room -= length;
        tracing::info!(run = self.label, "{shown}");
        self.write(&(shown + "\n"));
    }

    fn remember(&mut self, stream: Stream, told: String) {
        match stream {
            Stream::Out => self.last_line.clone_from(&told),
            // Docker's pointer to its manual stands behind what went wrong.
            Stream::Err if told.starts_with("Run 'docker ") || told.starts_with("See 'docker ") => {
            }
            Stream::Err => self.last_error.clone_from(&told),
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(told);
    }

    fn write(&mut self, text: &str) {
        if let Err(error) = self.file.write_all(text.as_bytes()) {
            self.fault.get_or_insert(error);
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        let Some(cap) = self.stdout_room else { return };
        let room = cap - self.stdout.len();
        self.stdout_is_cut |= piece.len() > room;
        self.stdout.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

impl Listener for Hearing {
    fn hear(&mut self, stream: Stream, piece: &[u8]) {
        self.log.printed += piece.len() as u64;
        if stream == Stream::Out {
            self.keep(piece);
        }
        for line in self.lines(stream).take(piece) {
            self.line(stream, &line);
        }
    }
}

/// Puts pieces together to lines; of a line that is too long the beginning is kept.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
    is_open: bool,
}

impl Lines {
    /// Takes a piece and returns the lines that it ends, without their line breaks.
    fn take(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        let mut ended = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_ended) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            let room = LINE - self.begun.len();
            self.begun.extend_from_slice(&text[..text.len().min(room)]);
            self.is_open = !is_ended;
            if is_ended {
                let line = std::mem::take(&mut self.begun);
                ended.push(line.strip_suffix(b"\r").map(<[u8]>::to_vec).unwrap_or(line));
            }
        }
        ended
    }

    /// Returns a last line that has no line break.
    fn rest(&mut self) -> Option<Vec<u8>> {
        let begun = std::mem::take(&mut self.begun);
        self.is_open.then_some(begun)
    }
}

fn not_written(path: &std::path::Path, error: std::io::Error) -> Problem {
    let words = format!("cannot write the log of a run, {}: {error}", path.display());
    Problem::permanent("run-log-not-written", words).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::measure::Bytes;
    use crate::container::options::Limits;

    /// Hears these pieces with so much room, and returns what was heard with the log's text.
    fn heard(pieces: &[(Stream, &[u8])], room: u64, keep: Option<u64>) -> (Heard, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.log");
        let limits = Limits { log: Bytes(room), ..Limits::default() };
        let spec = RunSpec {
            label: "hello#f44".to_owned(),
            mounts: Vec::new(),
            env: Vec::new(),
            command: None,
            folder: None,
            network: false,
            limits: &limits,
            log: &path,
            keep_stdout: keep.map(Bytes),
        };
        let mut hearing = Hearing::begin(&spec).unwrap();
        pieces.iter().for_each(|(stream, piece)| hearing.hear(*stream, piece));
        let heard = hearing.end().unwrap();
        (heard, std::fs::read_to_string(&path).unwrap())
    }

    #[test]
    fn lines_are_put_together_and_the_last_of_stdout_is_known() {
        let pieces: [(Stream, &[u8]); 5] = [
            (Stream::Out, b"one\ntw"),
            (Stream::Err, b"oops\r\n"),
            (Stream::Out, b"o\n"),
            (Stream::Out, b"\n \n"),
            (Stream::Err, b"no line break"),
        ];
        let (heard, text) = heard(&pieces, 1000, None);
        assert_eq!(text, "one\noops\ntwo\n\n \nno line break\n");
        assert_eq!((heard.last_line.as_str(), heard.last_error.as_str()), ("two", "no line break"));
        assert_eq!(heard.log.tail, ["one", "oops", "two", "no line break"]);
        assert!(!heard.log.is_cut && heard.stdout.is_empty());
    }

    #[test]
    fn a_flood_is_counted_and_not_kept() {
        let flood = b"0123456789\n".repeat(10_000);
        let (heard, text) = heard(&[(Stream::Out, &flood), (Stream::Out, b"end")], 100, None);
        assert_eq!(text.lines().count(), 10);
        assert!(text.ends_with("[cut here: 9992 more lines; 110003 bytes were printed in all]\n"));
        assert!(heard.log.is_cut);
        assert_eq!((heard.last_line.as_str(), heard.log.tail.len()), ("end", TAIL));
    }

    #[test]
    fn a_line_without_end_is_kept_in_part() {
        let long = vec![b'x'; 1 << 20];
        let (heard, text) = heard(&[(Stream::Err, &long), (Stream::Err, &long)], 1 << 20, None);
        assert_eq!(text.len(), LINE + 1);
        assert_eq!((heard.log.printed, heard.log.tail[0].chars().count()), (2 << 20, TOLD + 1));
    }

    #[test]
    fn what_would_harm_a_terminal_is_escaped() {
        let (heard, text) = heard(&[(Stream::Out, b"\x1b]0;x\x07 \xff\n")], 1000, None);
        assert_eq!(text, "\\u{1b}]0;x\\u{7} \u{fffd}\n");
        assert_eq!(heard.last_line, "\\u{1b}]0;x\\u{7} \u{fffd}");
    }

    #[test]
    fn stdout_is_kept_to_the_byte_where_it_is_the_product() {
        let pieces: [(Stream, &[u8]); 3] =
            [(Stream::Out, b"a\r\n"), (Stream::Err, b"x"), (Stream::Out, b"\xffb")];
        let (all, _) = heard(&pieces, 1000, Some(5));
        assert_eq!((all.stdout.as_slice(), all.stdout_is_cut), (&b"a\r\n\xffb"[..], false));
        let (part, _) = heard(&pieces, 1000, Some(4));
        assert_eq!((part.stdout.as_slice(), part.stdout_is_cut), (&b"a\r\n\xff"[..], true));
    }
}
