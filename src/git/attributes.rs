//! `.gitattributes` files, read as git reads them when it makes an archive.
//!
//! Only files inside the tree count: `info/attributes` and the users' own files are no part of what
//! was signed. The rules are those of gitattributes(5): the deepest folder decides first, within a file
//! the last line, and an attribute once decided stays so; a macro is spelled out where it is set.

use std::borrow::Cow;

use bstr::{BStr, BString, ByteSlice};
use gix::glob::wildmatch;

/// Longest line that git looks at.
const LINE_LIMIT: usize = 2048;
/// Largest file that git looks at.
const FILE_LIMIT: usize = 100 * 1024 * 1024;
const BLANK: &[u8] = b" \t\r\n";
const MACRO: &[u8] = b"[attr]";

/// What a `.gitattributes` line says of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// `attr`
    Set,
    /// `-attr`
    Unset,
    /// `!attr`, or nothing said at all.
    Unspecified,
    /// `attr=value`
    Value(BString),
}

/// Whether a path is asked for as a folder: patterns that end in a slash match only those.
///
/// Submodules count as folders here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// A file or a symbolic link.
    File,
    /// A folder or a submodule.
    Folder,
}

#[derive(Debug)]
struct Assignment {
    name: BString,
    state: State,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    assignments: Vec<Assignment>,
}

#[derive(Debug)]
struct Macro {
    name: BString,
    assignments: Vec<Assignment>,
}

/// One `.gitattributes` file, parsed.
#[derive(Debug)]
pub struct AttributeFile {
    folder: BString,
    rules: Vec<Rule>,
    macros: Vec<Macro>,
}

impl AttributeFile {
    /// Parses the file of `folder` (no slash at its end; empty for the root, where alone macros may be
    /// defined). A line that git would not take is passed over, as git does.
    pub fn parse(folder: &BStr, content: &[u8]) -> AttributeFile {
        let mut file = AttributeFile { folder: folder.into(), rules: vec![], macros: vec![] };
        if content.len() < FILE_LIMIT {
            let end = content.find_byte(0).unwrap_or(content.len());
            content[..end].split(|byte| *byte == b'\n').for_each(|line| file.take_line(line));
        }
        file
    }

    fn take_line(&mut self, line: &[u8]) {
        let text = trim_blank(line);
        if text.is_empty() || text[0] == b'#' || line.len() >= LINE_LIMIT {
            return;
        }
        let (name, rest) = first_word(text);
        let Some(assignments) = parse_assignments(rest) else { return };
        match name.strip_prefix(MACRO).filter(|macro_name| !macro_name.is_empty()) {
            Some(macro_name) if self.folder.is_empty() && is_attribute_name(macro_name) => {
                self.macros.push(Macro { name: macro_name.into(), assignments });
            }
            Some(_) => {}
            None => {
                let rule = Pattern::parse(&name).map(|pattern| Rule { pattern, assignments });
                self.rules.extend(rule);
            }
        }
    }
}

fn trim_blank(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !BLANK.contains(byte)).unwrap_or(text.len());
    &text[start..]
}

/// Splits off the pattern: a C-quoted word, or all up to the next blank.
fn first_word(text: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    if let Some((word, rest)) = unquote(text) {
        return (Cow::Owned(word), rest);
    }
    let end = text.iter().position(|byte| BLANK.contains(byte)).unwrap_or(text.len());
    (Cow::Borrowed(&text[..end]), &text[end..])
}

/// Undoes git's C quoting and returns the word with what follows it; `None` where it is not well quoted.
fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut word = Vec::new();
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match *byte {
            b'"' => return Some((word, rest)),
            b'\\' => {
                let (byte, after) = unescape(rest)?;
                word.push(byte);
                rest = after;
            }
            byte => word.push(byte),
        }
    }
}

fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (byte, rest) = text.split_first()?;
    let plain = match byte {
        b'a' => 7,
        b'b' => 8,
        b't' => 9,
        b'n' => 10,
        b'v' => 11,
        b'f' => 12,
        b'r' => 13,
        b'\\' | b'"' => *byte,
        b'0'..=b'3' => {
            let digits = text.get(..3).filter(|d| d.iter().all(|b| (b'0'..=b'7').contains(b)))?;
            let value = digits.iter().fold(0, |value, digit| value * 8 + (digit - b'0'));
            return Some((value, &text[3..]));
        }
        _ => return None,
    };
    Some((plain, rest))
}

fn parse_assignments(text: &[u8]) -> Option<Vec<Assignment>> {
    let words = text.split(|byte| BLANK.contains(byte)).filter(|word| !word.is_empty());
    words.map(parse_assignment).collect()
}

fn parse_assignment(word: &[u8]) -> Option<Assignment> {
    let (name, value) = match word.split_once_str("=") {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let (name, state) = match name.first() {
        Some(b'-') => (&name[1..], State::Unset),
        Some(b'!') => (&name[1..], State::Unspecified),
        _ => (name, value.map_or(State::Set, |value| State::Value(value.into()))),
    };
    is_attribute_name(name).then(|| Assignment { name: name.into(), state })
}

fn is_attribute_name(name: &[u8]) -> bool {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    !name.is_empty() && name[0] != b'-' && name.iter().all(legal) && !name.starts_with(b"builtin_")
}

/// A pattern, with what need not be worked out again for each path.
#[derive(Debug)]
struct Pattern {
    text: BString,
    folders_only: bool,
    /// No slash inside: it is held against the last component alone.
    base_name_only: bool,
    has_wildcard: bool,
}

impl Pattern {
    /// Returns `None` for a negative pattern, which attributes do not know.
    fn parse(text: &[u8]) -> Option<Pattern> {
        if text.first() == Some(&b'!') {
            return None;
        }
        let (text, folders_only) = match text.strip_suffix(b"/") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        Some(Pattern {
            text: text.into(),
            folders_only,
            base_name_only: !text.contains(&b'/'),
            has_wildcard: text.iter().any(|byte| b"*?[\\".contains(byte)),
        })
    }

    /// Tells whether the pattern of a file in `folder` matches `path`, both counted from the root.
    fn matches(&self, folder: &BStr, path: &BStr, kind: PathKind) -> bool {
        if self.folders_only && kind == PathKind::File {
            return false;
        }
        if self.base_name_only {
            let start = path.rfind_byte(b'/').map_or(0, |slash| slash + 1);
            return self.matches_text(&self.text, &path[start..], wildmatch::Mode::empty());
        }
        let below = match folder.is_empty() {
            true => Some(path.as_bytes()),
            false => path.strip_prefix(folder.as_bytes()).and_then(|p| p.strip_prefix(b"/")),
        };
        let text = self.text.strip_prefix(b"/").unwrap_or(&self.text);
        let mode = wildmatch::Mode::NO_MATCH_SLASH_LITERAL;
        below.is_some_and(|below| self.matches_text(text, below, mode))
    }

    fn matches_text(&self, pattern: &[u8], text: &[u8], mode: wildmatch::Mode) -> bool {
        match self.has_wildcard {
            true => gix::glob::wildmatch(pattern.as_bstr(), text.as_bstr(), mode),
            false => pattern == text,
        }
    }
}

/// The attribute files that hold for a folder, root first.
#[derive(Debug, Default)]
pub struct AttributeStack {
    files: Vec<AttributeFile>,
}

impl AttributeStack {
    /// Adds the file of a deeper folder.
    pub fn push(&mut self, file: AttributeFile) {
        self.files.push(file);
    }

    /// Drops the deepest file.
    pub fn pop(&mut self) {
        self.files.pop();
    }

    /// Tells whether no file holds here, so that every attribute is unspecified.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns what is said of `path` (from the root, no slash at its end).
    pub fn values(&self, path: &BStr, kind: PathKind) -> Values<'_> {
        let mut values = Values::default();
        for file in self.files.iter().rev() {
            for rule in file.rules.iter().rev() {
                if rule.pattern.matches(file.folder.as_bstr(), path, kind) {
                    self.fill(&mut values, &rule.assignments);
                }
            }
        }
        values
    }

    fn fill<'a>(&'a self, values: &mut Values<'a>, assignments: &'a [Assignment]) {
        for assignment in assignments.iter().rev() {
            if values.find(assignment.name.as_bstr()).is_some() {
                continue;
            }
            values.said.push((assignment.name.as_bstr(), &assignment.state));
            if assignment.state == State::Set {
                self.spell_out(values, assignment.name.as_bstr());
            }
        }
    }

    fn spell_out<'a>(&'a self, values: &mut Values<'a>, name: &BStr) {
        let own = self.files.iter().flat_map(|file| file.macros.iter().rev());
        match own.into_iter().find(|candidate| candidate.name == *name) {
            Some(found) => self.fill(values, &found.assignments),
            None if name == "binary" => values.add_binary(),
            None => {}
        }
    }
}

/// What the attribute files say of one path.
#[derive(Debug, Default)]
pub struct Values<'a> {
    said: Vec<(&'a BStr, &'a State)>,
}

impl<'a> Values<'a> {
    fn find(&self, name: &BStr) -> Option<&'a State> {
        self.said.iter().find(|(said, _)| *said == name).map(|(_, state)| *state)
    }

    /// Git's only macro of its own: `binary` is `-diff -merge -text`.
    fn add_binary(&mut self) {
        for name in ["diff", "merge", "text"].map(BStr::new) {
            if self.find(name).is_none() {
                self.said.push((name, &State::Unset));
            }
        }
    }

    /// Returns what is said of the attribute `name`.
    pub fn get(&self, name: &str) -> &'a State {
        self.find(name.into()).unwrap_or(&State::Unspecified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(files: &[(&str, &str)]) -> AttributeStack {
        let mut stack = AttributeStack::default();
        for (folder, content) in files {
            stack.push(AttributeFile::parse((*folder).into(), content.as_bytes()));
        }
        stack
    }

    #[test]
    fn patterns_match_as_git_says() {
        let cases = [
            ("*.c x", "a/b.c", PathKind::File, true),
            ("/*.c x", "a/b.c", PathKind::File, false),
            ("a/*.c x", "a/b.c", PathKind::File, true),
            ("a/ x", "a", PathKind::Folder, true),
            ("a/ x", "a", PathKind::File, false),
            ("a/ x", "a/b", PathKind::File, false),
            ("a/** x", "a/b/c", PathKind::File, true),
            ("**/c x", "a/b/c", PathKind::File, true),
            ("\"sp ace\" x", "sp ace", PathKind::File, true),
            ("\"q\\\"\\101\" x", "q\"A", PathKind::File, true),
            ("!a x", "a", PathKind::File, false),
            ("[ab] x", "b", PathKind::File, true),
            ("\\[ab] x", "[ab]", PathKind::File, true),
            ("a x b$d", "a", PathKind::File, false),
        ];
        for (line, path, kind, expected) in cases {
            let stack = stack(&[("", line)]);
            let found = *stack.values(path.into(), kind).get("x") == State::Set;
            assert_eq!(found, expected, "{line:?} against {path:?}");
        }
    }

    #[test]
    fn the_deepest_file_and_the_last_line_win() {
        let stack = stack(&[("", "* x=1 y\n*.c x=2\n"), ("d", "a.c -y\n*.h !x\n")]);
        let of = |path: &str, name| stack.values(path.into(), PathKind::File).get(name).clone();
        assert_eq!(of("d/a.c", "x"), State::Value("2".into()));
        assert_eq!(of("d/a.c", "y"), State::Unset);
        assert_eq!(of("d/a.h", "x"), State::Unspecified);
        assert_eq!(of("d/b.c", "y"), State::Set);
    }

    #[test]
    fn macros_are_spelled_out_only_where_set_and_only_from_the_root() {
        let root = "[attr]mine text -ident\n[attr]binary export-ignore\n*.m mine\n*.b binary\n";
        let stack = stack(&[("", root), ("d", "[attr]mine other\n*.n mine ident\n")]);
        let of = |path: &str, name| stack.values(path.into(), PathKind::File).get(name).clone();
        assert_eq!(of("a.m", "text"), State::Set);
        assert_eq!(of("a.m", "ident"), State::Unset);
        assert_eq!(of("d/a.n", "ident"), State::Set);
        assert_eq!(of("d/a.n", "other"), State::Unspecified);
        assert_eq!(of("a.b", "text"), State::Unspecified);
        assert_eq!(of("a.b", "export-ignore"), State::Set);
    }
}
