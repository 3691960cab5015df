//! How macros are written: names, flags, brackets, bodies.

/// The `?` and `!` before a macro's name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flags {
    /// How many bytes they take.
    pub length: usize,
    /// There is a `?`: an undefined macro is no mistake.
    pub asks: bool,
    /// There is an odd number of `!`.
    pub negated: bool,
}

impl Flags {
    /// Reads the flags that a text begins with.
    pub fn read(text: &str) -> Self {
        let flags = &text[..text.bytes().take_while(|b| matches!(b, b'?' | b'!')).count()];
        Flags {
            length: flags.len(),
            asks: flags.contains('?'),
            negated: flags.bytes().filter(|b| *b == b'!').count() % 2 == 1,
        }
    }
}

/// Returns the macro name that a text begins with; empty where there is none.
pub(super) fn leading_name(text: &str) -> &str {
    let length = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    match text.as_bytes().first() {
        Some(first) if !first.is_ascii_digit() => &text[..length],
        _ => "",
    }
}

/// Splits a text that begins with a bracket into what is inside the pair and what follows it.
pub(super) fn enclosed(text: &str) -> Option<(&str, &str)> {
    let (open, close) = match text.as_bytes().first()? {
        b'{' => (b'{', b'}'),
        b'(' => (b'(', b')'),
        _ => (b'[', b']'),
    };
    let mut depth = 0usize;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        let is_escaped = escaped;
        escaped = byte == b'\\' && !is_escaped;
        match byte {
            _ if is_escaped => {}
            byte if byte == open => depth += 1,
            byte if byte == close => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[1..at], &text[at + 1..]));
        }
    }
    None
}

/// Splits off the rest of a line, with the lines that a backslash or an open brace joins to it.
pub(super) fn logical_line(text: &str) -> (&str, &str) {
    let mut braces = 0usize;
    let mut previous = b' ';
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => braces += 1,
            b'}' => braces = braces.saturating_sub(1),
            b'\n' if braces == 0 && previous != b'\\' => return (&text[..at], &text[at..]),
            _ => {}
        }
        previous = byte;
    }
    (text, "")
}

/// Returns a macro's body as rpm keeps it: trimmed, without the backslashes before line ends, and without
/// the braces where it is one braced block.
pub(super) fn body_of(text: &str) -> String {
    let body = text.trim().replace("\\\r\n", "\n").replace("\\\n", "\n");
    match body.starts_with('{').then(|| enclosed(&body)).flatten() {
        Some((inner, _)) => inner.to_owned(),
        None => body,
    }
}

/// Returns what `c=VALUE; echo ${c:0:N}` or `echo VALUE | cut -c1-N` prints, where the text is exactly that.
pub(super) fn first_characters(script: &str) -> Option<&str> {
    let (value, count) = bash_slice(script).or_else(|| cut_slice(script))?;
    let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric());
    plain.then(|| &value[..count.min(value.len())])
}

fn bash_slice(script: &str) -> Option<(&str, usize)> {
    let (name, rest) = script.trim().split_once('=')?;
    let (value, echo) = rest.split_once(';')?;
    let slice = echo.trim().strip_prefix("echo")?.trim().strip_prefix("${")?.strip_suffix("}")?;
    Some((value, slice.strip_prefix(name)?.strip_prefix(":0:")?.parse().ok()?))
}

fn cut_slice(script: &str) -> Option<(&str, usize)> {
    let (echo, cut) = script.trim().split_once('|')?;
    let value = echo.trim().strip_prefix("echo ")?.trim();
    let range = cut.trim().strip_prefix("cut ")?.trim().strip_prefix("-c")?.trim();
    let count = range.strip_prefix("1-").or(range.strip_prefix('-'))?;
    Some((value, count.parse().ok()?))
}
