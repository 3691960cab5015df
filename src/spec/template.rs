//! Where the text of a tag comes from: the literal pieces that its macros put together.

use std::ops::Range;

use super::macros::{Answer, Macros, readable};
use super::syntax::{Flags, enclosed, leading_name};
use super::walk::Walk;

/// How deep the macros behind a tag are followed.
const DEPTH: usize = 20;

/// A piece of a tag's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Literal text, and where in the file it stands.
    Text {
        /// The text.
        text: String,
        /// Its bytes in the file.
        at: Range<usize>,
    },
    /// The dist tag, and the reference to it.
    Dist {
        /// The reference's bytes in the file.
        at: Range<usize>,
    },
}

/// Takes a template apart into its pieces; `None` where it has anything that is not plain.
///
/// `macros` are those at the tag's line. The pieces, joined, are what the template expands to.
pub(super) fn pieces(
    bytes: &[u8],
    walk: &Walk,
    macros: &Macros,
    at: Range<usize>,
) -> Option<Vec<Piece>> {
    let mut reader = Reader { bytes, walk, macros, pieces: Vec::new() };
    reader.template(at, 0)?;
    Some(reader.pieces)
}

struct Reader<'a> {
    bytes: &'a [u8],
    walk: &'a Walk,
    macros: &'a Macros,
    pieces: Vec<Piece>,
}

impl Reader<'_> {
    fn template(&mut self, at: Range<usize>, depth: usize) -> Option<()> {
        let text = std::str::from_utf8(&self.bytes[at.clone()]).ok()?;
        let is_plain = !text.contains(['\n', '\\']) && readable(text.as_bytes()) == text;
        if depth > DEPTH || self.pieces.len() > 200 || !is_plain {
            return None;
        }
        let mut from = 0;
        while let Some(found) = text[from..].find('%') {
            let percent = from + found;
            self.literal(text, from..percent, at.start);
            from = self.reference(text, percent, at.start, depth)?;
        }
        self.literal(text, from..text.len(), at.start);
        Some(())
    }

    fn literal(&mut self, text: &str, range: Range<usize>, start: usize) {
        if !range.is_empty() {
            let at = start + range.start..start + range.end;
            self.pieces.push(Piece::Text { text: text[range].to_owned(), at });
        }
    }

    /// Follows the reference that begins at `percent` and returns where it ends.
    fn reference(
        &mut self,
        text: &str,
        percent: usize,
        start: usize,
        depth: usize,
    ) -> Option<usize> {
        let rest = &text[percent + 1..];
        let (inner, inner_at, end) = match rest.starts_with('{') {
            true => {
                let (inner, _) = enclosed(rest)?;
                (inner, percent + 2, percent + 3 + inner.len())
            }
            false => {
                let flags = Flags::read(rest);
                let length = flags.length + leading_name(&rest[flags.length..]).len();
                (&rest[..length], percent + 1, percent + 1 + length)
            }
        };
        let flags = Flags::read(inner);
        let name = leading_name(&inner[flags.length..]);
        let after = flags.length + name.len();
        let whole = start + percent..start + end;
        match &inner[after..] {
            "" => self.value(name, flags, whole, depth)?,
            alternative if flags.asks && alternative.starts_with(':') => {
                let range = start + inner_at + after + 1..start + inner_at + inner.len();
                self.alternative(name, flags, range, whole, depth)?;
            }
            _ => return None,
        }
        Some(end)
    }

    fn value(&mut self, name: &str, flags: Flags, whole: Range<usize>, depth: usize) -> Option<()> {
        match (flags.asks, self.macros.defined(name)) {
            (_, Answer::Unknown) => None,
            (true, answer) if (answer == Answer::Yes) == flags.negated || answer == Answer::No => {
                Some(())
            }
            _ if name == "dist" => {
                self.pieces.push(Piece::Dist { at: whole });
                Some(())
            }
            _ => {
                let definition = self.macros.origin(name)?;
                self.template(self.walk.definitions[definition].body.clone(), depth + 1)
            }
        }
    }

    fn alternative(
        &mut self,
        name: &str,
        flags: Flags,
        range: Range<usize>,
        whole: Range<usize>,
        depth: usize,
    ) -> Option<()> {
        match self.macros.defined(name) {
            Answer::Unknown => None,
            answer if (answer == Answer::Yes) == flags.negated => Some(()),
            _ => {
                let before = self.pieces.len();
                self.template(range, depth + 1)?;
                for piece in &mut self.pieces[before..] {
                    if let Piece::Dist { at } = piece {
                        *at = whole.clone();
                    }
                }
                Some(())
            }
        }
    }
}

/// Returns the pieces' text, without the dist tag.
pub(super) fn joined(pieces: &[Piece]) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Text { text, .. } => text.clone(),
        Piece::Dist { .. } => String::new(),
    };
    pieces.iter().map(text).collect()
}
