//! Hunks of a unified diff: read, and laid onto a file's lines.

use bstr::ByteSlice;

use super::parse::Lines;
use super::{ApplyFault, Cause, Stopped, malformed};

/// One hunk: the lines it expects and the lines it leaves, line feeds included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hunk<'p> {
    /// The first old line, from 1; 0 where it has none.
    pub old_start: usize,
    /// The first new line, from 1; 0 where it has none.
    pub new_start: usize,
    /// Context and what goes.
    pub old: Vec<&'p [u8]>,
    /// Context and what comes.
    pub new: Vec<&'p [u8]>,
    /// Whether the last line is context: if not, the hunk reaches the end of the file.
    pub ends_in_context: bool,
}

/// Reads hunks until a line is none.
pub(super) fn read<'p>(lines: &mut Lines<'p>) -> Result<Vec<Hunk<'p>>, Cause> {
    let mut hunks = Vec::new();
    while let Some(line) = lines.peek().filter(|line| line.starts_with(b"@@ -")) {
        lines.next();
        hunks.push(read_hunk(line, lines)?);
    }
    Ok(hunks)
}

fn read_hunk<'p>(header: &[u8], lines: &mut Lines<'p>) -> Result<Hunk<'p>, Cause> {
    let ranges = read_ranges(header).ok_or_else(|| malformed("a hunk header", header))?;
    let ((old_start, old_count), (new_start, new_count)) = ranges;
    let mut hunk = Hunk { old_start, new_start, ..Hunk::default() };
    while hunk.old.len() < old_count || hunk.new.len() < new_count {
        let Some(line) = lines.next() else {
            return Err(malformed("the patch ends within the hunk", header));
        };
        hunk.push(line)?;
        hunk.drop_line_feed(line, lines);
    }
    match hunk.old.len() == old_count && hunk.new.len() == new_count {
        true => Ok(hunk),
        false => Err(malformed("a hunk with more lines than it says", header)),
    }
}

type Range = (usize, usize);

/// Reads `@@ -START,COUNT +START,COUNT @@`.
fn read_ranges(header: &[u8]) -> Option<(Range, Range)> {
    let mut fields = header.to_str_lossy().split(' ').map(str::to_owned).collect::<Vec<_>>();
    fields.truncate(4);
    let [_, old, new, end] = &fields[..] else { return None };
    end.starts_with("@@").then_some(())?;
    Some((read_range(old.strip_prefix('-')?)?, read_range(new.strip_prefix('+')?)?))
}

fn read_range(text: &str) -> Option<Range> {
    match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    }
}

impl<'p> Hunk<'p> {
    fn push(&mut self, line: &'p [u8]) -> Result<(), Cause> {
        let (old, new, text) = match line {
            [b' ', text @ ..] => (true, true, text),
            [b'-', text @ ..] => (true, false, text),
            [b'+', text @ ..] => (false, true, text),
            // Mailers strip the blank of an empty context line.
            b"\n" => (true, true, line),
            _ => return Err(malformed("a line in a hunk", line)),
        };
        if old {
            self.old.push(text);
        }
        if new {
            self.new.push(text);
        }
        self.ends_in_context = old && new;
        Ok(())
    }

    /// Takes `\ No newline at end of file` where it follows, and the line feed off the line it is about.
    fn drop_line_feed(&mut self, line: &[u8], lines: &mut Lines<'p>) {
        if !lines.peek().is_some_and(|next| next.starts_with(b"\\ ")) {
            return;
        }
        lines.next();
        let strip = |lines: &mut Vec<&'p [u8]>| {
            if let Some(last) = lines.last_mut() {
                *last = last.strip_suffix(b"\n").unwrap_or(last);
            }
        };
        if !line.starts_with(b"+") {
            strip(&mut self.old);
        }
        if !line.starts_with(b"-") {
            strip(&mut self.new);
        }
    }

    fn fits(&self, lines: &[&[u8]], at: usize) -> bool {
        lines.get(at..at + self.old.len()).is_some_and(|found| found == self.old)
    }

    /// Finds where the old lines stand in `lines`, from `first` on and as near to `expected` as can be.
    ///
    /// A hunk that says it is at the top stands there, and one without context after it at the end.
    fn find(&self, lines: &[&[u8]], first: usize, expected: usize) -> Option<usize> {
        let last = lines.len().checked_sub(self.old.len())?;
        let at_top = self.old_start <= 1;
        let at_end = !self.ends_in_context;
        let allowed = |at: &usize| {
            (first..=last).contains(at) && (!at_top || *at == 0) && (!at_end || *at == last)
        };
        let start = if at_end { last } else { expected.clamp(first, last.max(first)) };
        let distances = (0..=lines.len()).flat_map(|distance| {
            [Some(start + distance), start.checked_sub(distance)].into_iter().flatten()
        });
        distances.filter(allowed).find(|at| self.fits(lines, *at))
    }
}

/// Returns `content` with the hunks laid on.
///
/// # Errors
/// Names the first hunk whose lines are not there.
pub(super) fn apply(hunks: &[Hunk<'_>], content: &[u8]) -> Result<Vec<u8>, Stopped> {
    let lines: Vec<&[u8]> = content.lines_with_terminator().collect();
    let mut result = Vec::with_capacity(content.len());
    let (mut next, mut grown) = (0_usize, 0_isize);
    for (number, hunk) in hunks.iter().enumerate() {
        let expected = (hunk.new_start.max(1) - 1).saturating_add_signed(-grown);
        let at = hunk.find(&lines, next, expected).ok_or_else(|| not_found(number + 1))?;
        lines[next..at].iter().for_each(|line| result.extend_from_slice(line));
        hunk.new.iter().for_each(|line| result.extend_from_slice(line));
        next = at + hunk.old.len();
        grown += hunk.new.len() as isize - hunk.old.len() as isize;
    }
    lines[next..].iter().for_each(|line| result.extend_from_slice(line));
    Ok(result)
}

fn not_found(hunk: usize) -> Stopped {
    let fault = ApplyFault {
        patch: 0,
        file: Default::default(),
        hunk: Some(hunk),
        cause: Cause::LinesNotFound,
    };
    Stopped::Patch(fault)
}
