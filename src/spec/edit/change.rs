//! Replacing bytes, and nothing else.

use std::ops::Range;

use crate::spec::SpecFile;
use crate::spec::walk::Place;

/// Bytes to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Where they stand; empty for an insertion.
    pub at: Range<usize>,
    /// What stands there afterwards.
    pub text: Vec<u8>,
}

impl Change {
    /// Returns a change that writes `text` over the range.
    pub fn new(at: Range<usize>, text: impl Into<Vec<u8>>) -> Self {
        Change { at, text: text.into() }
    }

    /// Returns a change that inserts `text`.
    pub fn insert(at: usize, text: impl Into<Vec<u8>>) -> Self {
        Change::new(at..at, text)
    }
}

impl SpecFile {
    /// Returns the spec with the changes made, read again; `None` where two of them overlap.
    pub(super) fn changed(&self, mut changes: Vec<Change>) -> Option<SpecFile> {
        changes.sort_by_key(|change| (change.at.start, change.at.end));
        changes.dedup();
        let mut bytes = Vec::with_capacity(self.bytes.len() + 256);
        let mut from = 0;
        for change in changes {
            bytes.extend_from_slice(self.bytes.get(from..change.at.start)?);
            bytes.extend_from_slice(&change.text);
            from = change.at.end;
        }
        bytes.extend_from_slice(self.bytes.get(from..)?);
        Some(SpecFile::parse(bytes, &self.context))
    }

    /// Returns the line end of the file.
    pub(super) fn line_end(&self) -> &'static [u8] {
        crate::spec::lines::line_end(&self.bytes, &self.walk.lines)
    }

    /// Returns an insertion of whole lines before the line `line`, counted from 0.
    pub(super) fn insert_lines(&self, line: usize, lines: &[String]) -> Change {
        let end = self.line_end();
        let at = self.walk.lines.get(line).map_or(self.bytes.len(), |line| line.start);
        let mut text = Vec::new();
        if at == self.bytes.len() && !self.bytes.is_empty() && !self.bytes.ends_with(b"\n") {
            text.extend_from_slice(end);
        }
        for line in lines {
            text.extend_from_slice(line.as_bytes());
            text.extend_from_slice(end);
        }
        Change::insert(at, text)
    }

    /// Returns the first line after a place that no conditional around the place takes in, where that is before
    /// line `limit`; else the line after the place.
    pub(super) fn line_after(&self, place: &Place, limit: usize) -> usize {
        let own = self.unit_end(place.line);
        match place.branches.first() {
            Some((outermost, _)) if self.walk.conditions[*outermost].last < limit => {
                self.walk.conditions[*outermost].last + 1
            }
            _ => own,
        }
    }

    /// Returns the line after the unit that begins at a line.
    pub(super) fn unit_end(&self, line: usize) -> usize {
        use crate::spec::lines::{Unit, unit};
        match unit(&self.bytes, &self.walk.lines, line) {
            Unit::Macro { end } | Unit::Continued { end } => end,
            Unit::Single | Unit::Unclosed => line + 1,
        }
    }
}
