//! The diff below a message: git's extended headers and unified hunks with three lines of context.
//!
//! Hunks equal those of `git format-patch --no-renames --full-index --binary`, but for the text after the
//! second `@@`, which is left out: what git writes there depends on attributes and configuration.

use bstr::{BStr, BString, ByteSlice};

use super::binary;
use super::quote::{Spaces, needs_quotes, quoted};
use crate::git::{ChangedLines, EntryMode, FileChange, LineDiff, Objects, Side};
use crate::names::ObjectId;
use crate::outcome::{Fault, Refusal, Result, printable};

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// The size from which on git itself no longer treats a file as text.
const LARGEST_FILE: usize = 512 * 1024 * 1024;

/// The diff of one patch, and what was noticed while writing it.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The text.
    pub text: Vec<u8>,
    /// Paths carried as binary patches.
    pub binary: Vec<BString>,
    /// Paths with a carriage return at the end of a line.
    pub has_crlf: Vec<BString>,
}

/// Appends the diff of each change to `written`.
pub(super) fn write(
    objects: &Objects,
    changes: &[FileChange],
    written: &mut Written,
) -> Result<()> {
    for change in changes {
        refuse_submodule(change)?;
        match change.old.zip(change.new).filter(|(old, new)| is_link(old) != is_link(new)) {
            Some((old, new)) => {
                write_file(objects, change.path.as_bstr(), Some(old), None, written)?;
                write_file(objects, change.path.as_bstr(), None, Some(new), written)?;
            }
            None => write_file(objects, change.path.as_bstr(), change.old, change.new, written)?,
        }
    }
    Ok(())
}

fn is_link(side: &Side) -> bool {
    side.mode == EntryMode::Symlink
}

fn refuse_submodule(change: &FileChange) -> Result<()> {
    let sides = [change.old, change.new];
    if !sides.iter().flatten().any(|side| side.mode == EntryMode::Submodule) {
        return Ok(());
    }
    let path = printable(&change.path, 200);
    Err(Refusal::new(
        "patch-submodule",
        format!("the submodule {path} changes, and a patch cannot carry what a submodule holds"),
    )
    .hint("make a release tag that includes the change, or use the `archive` mechanism")
    .into())
}

fn write_file(
    objects: &Objects,
    path: &BStr,
    old: Option<Side>,
    new: Option<Side>,
    written: &mut Written,
) -> Result<()> {
    let same = old.map(|side| side.id) == new.map(|side| side.id);
    if same {
        write_headers(&mut written.text, path, old, new, Names::HereAlone);
        return Ok(());
    }
    let before = content(objects, path, old)?;
    let after = content(objects, path, new)?;
    if binary::is_binary(&before) || binary::is_binary(&after) {
        write_headers(&mut written.text, path, old, new, Names::Repeated);
        binary::write(&mut written.text, &before, &after);
        written.binary.push(path.into());
    } else if before.is_empty() && after.is_empty() {
        write_headers(&mut written.text, path, old, new, Names::HereAlone);
    } else {
        write_headers(&mut written.text, path, old, new, Names::Repeated);
        write_names(&mut written.text, path, old, new);
        if write_hunks(&mut written.text, &before, &after) {
            written.has_crlf.push(path.into());
        }
    }
    Ok(())
}

/// Whether the name in the `diff --git` line is the only one of its diff.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    HereAlone,
    Repeated,
}

fn content(objects: &Objects, path: &BStr, side: Option<Side>) -> Result<Vec<u8>> {
    let Some(side) = side else { return Ok(Vec::new()) };
    let content = objects.blob(&side.id)?;
    match content.len() > LARGEST_FILE {
        true => Err(too_large(path, content.len())),
        false => Ok(content),
    }
}

fn too_large(path: &BStr, size: usize) -> Fault {
    let path = printable(path, 200);
    Refusal::new(
        "patch-too-large",
        format!("{path} has {size} bytes; a patch carries files of at most {LARGEST_FILE}"),
    )
    .hint("make a release tag that includes the change, or use the `archive` mechanism")
    .into()
}

fn write_headers(
    text: &mut Vec<u8>,
    path: &BStr,
    old: Option<Side>,
    new: Option<Side>,
    names: Names,
) {
    // Where the line is all there is, GNU patch must be able to tell the two names apart.
    let spaces = if names == Names::HereAlone { Spaces::Quoted } else { Spaces::Plain };
    text.extend_from_slice(b"diff --git ");
    text.extend_from_slice(&quoted("a/", path, spaces));
    text.push(b' ');
    text.extend_from_slice(&quoted("b/", path, spaces));
    text.push(b'\n');
    let mut line = |words: String| text.extend_from_slice(words.as_bytes());
    let mut tail = String::new();
    match (old, new) {
        (Some(old), Some(new)) if old.mode != new.mode => {
            line(format!("old mode {}\nnew mode {}\n", old.mode.octal(), new.mode.octal()));
        }
        (Some(old), Some(_)) => tail = format!(" {}", old.mode.octal()),
        (Some(old), None) => line(format!("deleted file mode {}\n", old.mode.octal())),
        (None, Some(new)) => line(format!("new file mode {}\n", new.mode.octal())),
        (None, None) => {}
    }
    let (old_id, new_id) = (shown_id(old), shown_id(new));
    if old_id != new_id {
        line(format!("index {old_id}..{new_id}{tail}\n"));
    }
}

fn shown_id(side: Option<Side>) -> String {
    side.map_or_else(|| "0".repeat(40), |side: Side| ObjectId::to_string(&side.id))
}

fn write_names(text: &mut Vec<u8>, path: &BStr, old: Option<Side>, new: Option<Side>) {
    // A tab after a name with a space keeps old tools from reading a date there.
    let tab: &[u8] = if path.contains(&b' ') && !needs_quotes(path) { b"\t" } else { b"" };
    let mut line = |mark: &[u8], prefix: &str, side: Option<Side>| {
        text.extend_from_slice(mark);
        match side {
            Some(_) => [&quoted(prefix, path, Spaces::Plain)[..], tab]
                .iter()
                .for_each(|part| text.extend_from_slice(part)),
            None => text.extend_from_slice(b"/dev/null"),
        }
        text.push(b'\n');
    };
    line(b"--- ", "a/", old);
    line(b"+++ ", "b/", new);
}

/// Appends the hunks and tells whether one of their lines ends in a carriage return.
fn write_hunks(text: &mut Vec<u8>, before: &[u8], after: &[u8]) -> bool {
    let start = text.len();
    if before.is_empty() || after.is_empty() {
        write_whole(text, before, after);
    } else {
        let diff = LineDiff::new(before, after);
        let changes: Vec<ChangedLines> = diff.changes().collect();
        let close = |a: &ChangedLines, b: &ChangedLines| b.old.start - a.old.end <= 2 * CONTEXT;
        changes.chunk_by(close).for_each(|hunk| write_hunk(text, &diff, hunk));
    }
    text[start..].contains_str("\r\n")
}

/// Appends the one hunk of a file that comes or goes as a whole; nothing needs comparing.
fn write_whole(text: &mut Vec<u8>, before: &[u8], after: &[u8]) {
    let count = |content: &[u8]| content.lines_with_terminator().count();
    write_hunk_header(text, 0..count(before), 0..count(after));
    before.lines_with_terminator().for_each(|line| write_line(text, b'-', line));
    after.lines_with_terminator().for_each(|line| write_line(text, b'+', line));
}

fn write_hunk(text: &mut Vec<u8>, diff: &LineDiff<'_>, changes: &[ChangedLines]) {
    let (first, last) = (&changes[0], &changes[changes.len() - 1]);
    let lead = CONTEXT.min(first.old.start);
    let tail = CONTEXT.min(diff.line_counts().0 - last.old.end);
    let old = first.old.start - lead..last.old.end + tail;
    write_hunk_header(text, old.clone(), first.new.start - lead..last.new.end + tail);
    let mut position = old.start;
    for change in changes {
        diff.old_lines(position..change.old.start).for_each(|line| write_line(text, b' ', line));
        diff.old_lines(change.old.clone()).for_each(|line| write_line(text, b'-', line));
        diff.new_lines(change.new.clone()).for_each(|line| write_line(text, b'+', line));
        position = change.old.end;
    }
    diff.old_lines(position..old.end).for_each(|line| write_line(text, b' ', line));
}

fn write_hunk_header(text: &mut Vec<u8>, old: std::ops::Range<usize>, new: std::ops::Range<usize>) {
    let range = |lines: std::ops::Range<usize>| match lines.len() {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        count => format!("{},{count}", lines.start + 1),
    };
    text.extend_from_slice(format!("@@ -{} +{} @@\n", range(old), range(new)).as_bytes());
}

fn write_line(text: &mut Vec<u8>, mark: u8, line: &[u8]) {
    text.push(mark);
    text.extend_from_slice(line);
    if !line.ends_with(b"\n") {
        text.extend_from_slice(b"\n\\ No newline at end of file\n");
    }
}
