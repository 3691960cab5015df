//! Path names as git writes them in patches.

/// What to do about a name whose only oddity is a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spaces {
    /// As git does: no quotes.
    Plain,
    /// Quotes, which git and GNU patch both read.
    Quoted,
}

/// Returns `path` with `prefix` before it, in double quotes and with escapes where git uses them.
///
/// Quoted are control characters, `"`, backslash and every byte from 0x80 on, which is what git does
/// unless it is configured otherwise; octal escapes need three digits.
pub fn quoted(prefix: &str, path: &[u8], spaces: Spaces) -> Vec<u8> {
    let has_space = spaces == Spaces::Quoted && path.contains(&b' ');
    if !has_space && !needs_quotes(path) {
        return [prefix.as_bytes(), path].concat();
    }
    let mut text = format!("\"{prefix}").into_bytes();
    path.iter().for_each(|byte| escape(*byte, &mut text));
    text.push(b'"');
    text
}

/// Tells whether this path is put in quotes wherever it stands.
///
/// One that ends in a space is, unlike git does it: GNU patch would lose the space.
pub fn needs_quotes(path: &[u8]) -> bool {
    path.ends_with(b" ") || path.iter().any(|byte| matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f..))
}

fn escape(byte: u8, text: &mut Vec<u8>) {
    let letter = match byte {
        7 => b'a',
        8 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        11 => b'v',
        12 => b'f',
        b'\r' => b'r',
        b'"' | b'\\' => byte,
        0..=0x1f | 0x7f.. => {
            text.extend_from_slice(format!("\\{byte:03o}").as_bytes());
            return;
        }
        _ => {
            text.push(byte);
            return;
        }
    };
    text.extend_from_slice(&[b'\\', letter]);
}
