//! Paths as they stand in patches: quoted or plain, with a component before them to be stripped.

use bstr::{BString, ByteSlice};

/// Reads the name at the start of `text` and returns it with what follows it.
///
/// A quoted name ends at its closing quote, a plain one where `ends` says.
pub(super) fn take(text: &[u8], ends: impl Fn(u8) -> bool) -> Option<(BString, &[u8])> {
    if let Some(rest) = text.strip_prefix(b"\"") {
        return take_quoted(rest);
    }
    let end = text.iter().position(|byte| ends(*byte)).unwrap_or(text.len());
    Some((text[..end].into(), &text[end..]))
}

fn take_quoted(mut text: &[u8]) -> Option<(BString, &[u8])> {
    let mut name = BString::default();
    loop {
        match text {
            [b'"', rest @ ..] => return Some((name, rest)),
            [b'\\', rest @ ..] => {
                let (byte, after) = take_escape(rest)?;
                name.push(byte);
                text = after;
            }
            [byte, rest @ ..] => {
                name.push(*byte);
                text = rest;
            }
            [] => return None,
        }
    }
}

fn take_escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (first, rest) = text.split_first()?;
    let byte = match first {
        b'a' => 7,
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 11,
        b'f' => 12,
        b'r' => b'\r',
        b'"' | b'\\' => *first,
        b'0'..=b'3' => return take_octal(text),
        _ => return None,
    };
    Some((byte, rest))
}

fn take_octal(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = text.split_at_checked(3)?;
    let byte = u8::from_str_radix(digits.to_str().ok()?, 8).ok()?;
    Some((byte, rest))
}

/// Strips the first component, as `-p1` does; `None` where there is nothing left.
pub(super) fn strip_one(name: &[u8]) -> Option<BString> {
    let slash = name.find_byte(b'/')?;
    let rest = name[slash..].trim_start_with(|c| c == '/');
    (!rest.is_empty()).then(|| rest.into())
}

/// Reads the two names after `diff --git `, which must be one path below different first components.
pub(super) fn of_git_line(text: &[u8]) -> Option<BString> {
    let text = text.trim_end_with(|c| c == '\n' || c == '\r');
    if text.starts_with(b"\"") || text.ends_with(b"\"") {
        return of_quoted_line(text);
    }
    // A plain name may hold spaces, so each space may be the border: it is where both halves agree.
    let borders = text.find_iter(b" ").map(|at| (&text[..at], &text[at + 1..]));
    let stripped = borders.filter_map(|(old, new)| Some((strip_one(old)?, strip_one(new)?)));
    stripped.filter(|(old, new)| old == new).map(|(old, _)| old).next()
}

fn of_quoted_line(text: &[u8]) -> Option<BString> {
    let (old, rest) = match text.strip_prefix(b"\"") {
        Some(quoted) => take_quoted(quoted)?,
        None => text.find(b" \"").map(|at| (text[..at].into(), &text[at..]))?,
    };
    let (new, _) = take(rest.strip_prefix(b" ")?, |_| false)?;
    strip_one(&old).filter(|path| Some(path) == strip_one(&new).as_ref())
}

/// Tells whether a path stays inside the tree and out of `.git`.
pub(super) fn is_safe(path: &[u8]) -> bool {
    let is_bad = |part: &[u8]| {
        part.is_empty() || part == b"." || part == b".." || part.eq_ignore_ascii_case(b".git")
    };
    !path.contains(&0) && !path.split_str("/").any(is_bad)
}
