//! Lines of a spec, by position: nothing here changes or forgets a byte.

use std::ops::Range;

/// How many lines one macro may span; what is longer is an unclosed brace, not a macro.
const LONGEST_UNIT: usize = 2000;

/// One physical line: where it begins, where its text ends, and where the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    /// The first byte.
    pub start: usize,
    /// The end of the text, before `\n` or `\r\n`.
    pub end: usize,
    /// The first byte of the next line.
    pub next: usize,
}

impl Line {
    /// Returns where the text is.
    pub fn text(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// Splits a file into its lines; the last one may lack its line end.
pub(super) fn split(bytes: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let newline = bytes[start..].iter().position(|b| *b == b'\n');
        let next = newline.map_or(bytes.len(), |at| start + at + 1);
        let end = next - usize::from(newline.is_some());
        let end = if bytes[start..end].ends_with(b"\r") { end - 1 } else { end };
        lines.push(Line { start, end, next });
        start = next;
    }
    lines
}

/// Returns the line end that most lines of the file have.
pub(super) fn line_end(bytes: &[u8], lines: &[Line]) -> &'static [u8] {
    let carriage_returns = lines.iter().filter(|line| bytes[line.end..].starts_with(b"\r\n"));
    match carriage_returns.count() * 2 > lines.len() {
        true => b"\r\n",
        false => b"\n",
    }
}

/// What rpm counts before it expands a line: open `%{`, `%(`, `%[`, and a backslash at the end.
#[derive(Debug, Default)]
struct Openings {
    braces: usize,
    parentheses: usize,
    brackets: usize,
    backslash: bool,
}

impl Openings {
    /// Reads one more line.
    fn read(&mut self, text: &[u8]) {
        self.backslash = false;
        let mut at = 0;
        while at < text.len() {
            at += self.step(&text[at..]);
        }
    }

    /// Reads what `text` begins with and returns how many bytes that took.
    fn step(&mut self, text: &[u8]) -> usize {
        match (text[0], text.get(1)) {
            (b'\\', None) => self.backslash = true,
            (b'\\', Some(_)) | (b'%', Some(b'%')) => return 2,
            (b'%', Some(b'{')) => {
                self.braces += 1;
                return 2;
            }
            (b'%', Some(b'(')) => {
                self.parentheses += 1;
                return 2;
            }
            (b'%', Some(b'[')) => {
                self.brackets += 1;
                return 2;
            }
            (byte, _) => self.nest(byte),
        }
        1
    }

    /// Counts a bare bracket, which matters only inside a macro of its kind.
    fn nest(&mut self, byte: u8) {
        let (count, opens) = match byte {
            b'{' | b'}' => (&mut self.braces, byte == b'{'),
            b'(' | b')' => (&mut self.parentheses, byte == b'('),
            b'[' | b']' => (&mut self.brackets, byte == b'['),
            _ => return,
        };
        if *count > 0 {
            *count = if opens { *count + 1 } else { *count - 1 };
        }
    }

    fn inside_macro(&self) -> bool {
        self.braces + self.parentheses + self.brackets > 0
    }
}

/// Several physical lines that rpm reads as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// The line stands alone.
    Single,
    /// A macro goes on to just before line `end`: the lines between are no directives.
    Macro {
        /// The line after the last one of the macro.
        end: usize,
    },
    /// A backslash goes on to just before line `end`, with no macro open at any line's end.
    Continued {
        /// The line after the last one.
        end: usize,
    },
    /// A macro that is opened here is never closed: rpm fails on it.
    Unclosed,
}

/// Tells how far the unit that begins at line `first` reaches, as rpm counts it: for rpm a backslash before CRLF
/// continues nothing.
pub(super) fn unit(bytes: &[u8], lines: &[Line], first: usize) -> Unit {
    let mut openings = Openings::default();
    let mut spans_macro = false;
    for (count, line) in lines[first..].iter().take(LONGEST_UNIT).enumerate() {
        openings.read(&bytes[line.text()]);
        let end = first + count + 1;
        let open = openings.inside_macro();
        let before_newline = bytes.get(line.end) == Some(&b'\n');
        let goes_on = open || (openings.backslash && before_newline && end < lines.len());
        if !goes_on {
            return match (count, spans_macro) {
                (0, _) => Unit::Single,
                (_, true) => Unit::Macro { end },
                (_, false) => Unit::Continued { end },
            };
        }
        spans_macro |= open;
    }
    match openings.inside_macro() {
        true => Unit::Unclosed,
        false => Unit::Continued { end: (first + LONGEST_UNIT).min(lines.len()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_cover_every_byte_once() {
        for text in ["", "a", "a\n", "a\r\nb", "\n\n", "\r\n\r", "a\rb\n"] {
            let lines = split(text.as_bytes());
            let joined: Vec<u8> =
                lines.iter().flat_map(|l| text.as_bytes()[l.start..l.next].to_vec()).collect();
            assert_eq!(joined, text.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn units_end_where_rpm_ends_them() {
        let table = [
            ("a\nb\n", Unit::Single),
            ("%define a %{expand:\nx\n}\nb\n", Unit::Macro { end: 3 }),
            ("%global a 1 \\\n2\nb\n", Unit::Continued { end: 2 }),
            ("%global a 1 \\\r\n2\r\n", Unit::Single),
            ("# an open %{brace\nb\n", Unit::Unclosed),
            ("%%{not open\nb\n", Unit::Single),
            ("a %(echo (x)\n)\n", Unit::Macro { end: 2 }),
            ("at the end \\", Unit::Single),
        ];
        for (text, expected) in table {
            let lines = split(text.as_bytes());
            assert_eq!(unit(text.as_bytes(), &lines, 0), expected, "{text:?}");
        }
    }
}
