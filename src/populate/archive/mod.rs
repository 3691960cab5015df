//! `NAME-VERSION.tar.gz`: a commit's content as an archive that repeats byte for byte.
//!
//! The tar inside is what `git archive --format=tar --prefix=NAME-VERSION/ COMMIT` writes where no
//! configuration, no `info/attributes` and no ref has a say (design, section 5). On the way:
//! 1. [`walk`] goes through the tree in git's order and reads the `.gitattributes` inside it;
//! 2. [`render`] turns entries into tar: [`header`], and content as [`export`] leaves it
//!    ([`convert`], [`encoding`], [`subst`]);
//! 3. [`gzip`] deflates blocks of the stream, cut where only the stream decides;
//! 4. [`crew`] spreads 2 and 3 over workers and keeps the order; [`writer`] writes and hashes;
//! 5. [`prove()`] reads a finished archive back and holds it against the commit's tree.
//!
//! The same commit gives the same bytes on any number of workers, on every run and machine, as long as the
//! deflate library stays: its version is pinned in `Cargo.lock`.

mod convert;
mod crew;
mod date;
mod encoding;
mod export;
mod gzip;
mod header;
mod message;
mod prove;
mod render;
mod subst;
#[cfg(test)]
mod tests;
mod walk;
mod writer;

use std::io::Write;
use std::num::NonZeroUsize;
use std::thread;

use bstr::{BStr, BString, ByteSlice};

use crate::git::{Commit, Store};
use crate::outcome::{Problem, Refusal, Result};
use crew::{Crew, Guard, When};
use header::Headers;
pub use prove::{Identity, prove};
use render::Renderer;

/// Threads that are of any use: beyond, the writer is the slowest.
const MOST_WORKERS: usize = 64;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file's SHA-512, in hex: what `sources` lists.
    pub sha512: String,
    /// The file's length.
    pub size: u64,
    /// The length of the tar stream inside.
    pub tar_size: u64,
    /// Entries below the prefix: files, links, folders, submodules.
    pub entries: u64,
    /// What `export-ignore` hides; folders and submodules end in a slash.
    pub hidden: Vec<BString>,
    /// Files whose bytes differ from the blob: `export-subst`, line ends, `ident`, encoding.
    pub converted: Vec<BString>,
    /// Files with a `$Format` placeholder that git fills from refs, tags among them. They say here what they
    /// say where no ref exists: mostly nothing.
    pub names_refs: Vec<BString>,
}

/// How the stream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    None,
}

/// Writes the commit's content as `.tar.gz` under the folder `prefix` and tells what was written.
///
/// `workers` threads read, convert and compress; 0 means one for each processor. `progress` is told the
/// length of tar that is packed so far.
///
/// # Errors
/// Refuses what git refuses and what has no repeatable answer: `hostile-path`, `tree-too-large`,
/// `export-subst-unsupported`, `encoding-unsupported`, `commit-time-unusable`, and objects that are missing
/// or damaged. Fails (`archive-not-written`) where `out` does.
pub fn write(
    store: &Store,
    commit: &Commit,
    prefix: &str,
    out: &mut dyn Write,
    workers: usize,
    progress: Option<&mut dyn FnMut(u64)>,
) -> Result<Written> {
    pack(store, commit, prefix, out, workers, progress, Packing::Gzip)
}

/// Writes the tar stream alone, as [`write()`] does.
///
/// # Errors
/// As [`write()`].
pub fn write_tar(
    store: &Store,
    commit: &Commit,
    prefix: &str,
    out: &mut dyn Write,
    workers: usize,
) -> Result<Written> {
    pack(store, commit, prefix, out, workers, None, Packing::None)
}

fn pack(
    store: &Store,
    commit: &Commit,
    prefix: &str,
    out: &mut dyn Write,
    workers: usize,
    progress: Option<&mut dyn FnMut(u64)>,
    packing: Packing,
) -> Result<Written> {
    let headers = Headers::new(commit_seconds(commit)?);
    let prefix = header::as_folder(prefix);
    let workers = match NonZeroUsize::new(workers) {
        Some(workers) => workers.get().min(MOST_WORKERS),
        None => thread::available_parallelism().map_or(2, NonZeroUsize::get),
    };
    let crew = Crew::new(workers);
    let writer = writer::Writer::new(&crew, out, packing, progress);
    let (written, hidden) = thread::scope(|scope| {
        let walker = scope.spawn(|| walk_tree(store, commit, &crew));
        for _ in 0..workers {
            let renderer = Renderer::new(store.objects_once(), commit, headers, prefix.as_bstr());
            scope.spawn(|| work(&crew, renderer));
        }
        let head = Renderer::head(commit, headers, prefix.as_bstr());
        let written = writer.run(head);
        (written, walker.join().unwrap_or_default())
    });
    Ok(Written { hidden, ..written? })
}

/// Walks the tree for the workers and returns what is hidden.
fn walk_tree(store: &Store, commit: &Commit, crew: &Crew) -> Vec<BString> {
    let _guard = Guard::new(crew, When::Panicking);
    let objects = store.objects_once();
    let mut walk = walk::Walk::new(&objects, commit);
    let (mut start, mut run) = (0, crew::Run::new());
    let outcome = walk.run(&mut |entry| {
        run.push_back(entry);
        if run.len() < crew::RUN {
            return std::ops::ControlFlow::Continue(());
        }
        let full = std::mem::take(&mut run);
        let next = start + full.len() as u64;
        let goes_on = crew.add_run(std::mem::replace(&mut start, next), full);
        if goes_on { std::ops::ControlFlow::Continue(()) } else { std::ops::ControlFlow::Break(()) }
    });
    let end = start + run.len() as u64;
    if !run.is_empty() {
        crew.add_run(start, run);
    }
    crew.end_walk(end, outcome);
    walk.hidden
}

/// Renders and deflates until all is done.
fn work(crew: &Crew, mut renderer: Renderer<'_>) {
    let _guard = Guard::new(crew, When::Panicking);
    while let Some(task) = crew.next_task() {
        match task {
            crew::Task::Deflate { number, block } => {
                crew.add_deflated(number, gzip::deflate(&block));
            }
            crew::Task::Render { start, mut run } => {
                let piece = render_piece(&mut renderer, start, &mut run);
                crew.add_piece(start, piece, run);
            }
        }
    }
}

/// Renders entries off the front of the run, until there is a piece.
fn render_piece(
    renderer: &mut Renderer<'_>,
    start: u64,
    run: &mut crew::Run,
) -> Result<crew::Piece> {
    let mut piece = crew::Piece { end: start, tar: Vec::new(), notes: render::Notes::default() };
    while piece.tar.len() < crew::PIECE {
        let Some(entry) = run.pop_front() else { break };
        renderer.entry(&mut piece.tar, &mut piece.notes, &entry)?;
        piece.end += 1;
    }
    Ok(piece)
}

/// Returns the commit time as git reads it for an archive: the digits after the committer's `>`.
fn commit_seconds(commit: &Commit) -> Result<u64> {
    let headers = commit.raw.lines().take_while(|line| !line.is_empty());
    let line = headers.map(BStr::new).find_map(|line| line.strip_prefix(b"committer "));
    let after =
        line.and_then(|line| line.rsplit_once_str(">")).map(|(_, after)| after.trim_start());
    let word = after.and_then(|after| after.fields().next()).unwrap_or_default();
    if word.starts_with(b"-") {
        return Err(unusable_time(commit, word));
    }
    let digits = &word[..word.iter().take_while(|byte| byte.is_ascii_digit()).count()];
    if digits.is_empty() {
        return Ok(0);
    }
    let seconds = digits.to_str().ok().and_then(|digits| digits.parse().ok());
    seconds
        .filter(|seconds| i64::try_from(*seconds).is_ok())
        .ok_or_else(|| unusable_time(commit, word))
}

fn unusable_time(commit: &Commit, word: &[u8]) -> crate::outcome::Fault {
    let shown = crate::outcome::printable(word, 40);
    Refusal::new(
        "commit-time-unusable",
        format!(
            "commit {} has the committer time `{shown}`, which no archive can hold",
            commit.id
        ),
    )
    .hint("make the commit again, with a date in or after 1970")
    .into()
}

fn not_written(error: std::io::Error) -> crate::outcome::Fault {
    Problem::permanent("archive-not-written", format!("cannot write the archive: {error}"))
        .hint("see that there is room where it is written")
        .because(error)
        .into()
}
