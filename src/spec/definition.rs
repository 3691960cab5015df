//! The line of a `%global` or `%define`, active or commented out.

use std::ops::Range;

/// A definition's parts, as positions in its own text.
pub(super) struct DefinitionLine {
    /// The macro's name.
    pub name: String,
    /// The text before the word `global` or `define`.
    pub lead: Range<usize>,
    /// The body, trimmed.
    pub body: Range<usize>,
    /// It is commented out.
    pub commented: bool,
}

/// Reads `%global NAME BODY`, `%define …`, and the ways to comment one out: `#global` and `%dnl %global`.
///
/// `#%global` comments nothing out: rpm expands macros in comments too.
pub(super) fn read(text: &[u8]) -> Option<DefinitionLine> {
    let mut at = skip_spaces(text, 0);
    let comment = [&b"%dnl"[..], b"#"].into_iter().find(|comment| text[at..].starts_with(comment));
    at = skip_spaces(text, at + comment.map_or(0, <[u8]>::len));
    let has_percent = text.get(at) == Some(&b'%');
    at += usize::from(has_percent);
    let commented = match comment {
        Some(comment) => comment == b"%dnl" || !has_percent,
        None => false,
    };
    let lead = 0..at;
    let marked = commented || has_percent;
    let word = [&b"global"[..], b"define"].into_iter().find(|word| text[at..].starts_with(word));
    let word_end = at + word.filter(|_| marked)?.len();
    let name_start = skip_spaces(text, word_end);
    let length =
        text[name_start..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    let body_start = skip_spaces(text, name_start + length);
    let parametric = text.get(name_start + length) == Some(&b'(');
    if length == 0 || name_start == word_end || parametric {
        return None;
    }
    let name = String::from_utf8_lossy(&text[name_start..name_start + length]).into_owned();
    let body = body_start..body_start + text[body_start..].trim_ascii_end().len();
    Some(DefinitionLine { name, lead, body, commented })
}

fn skip_spaces(text: &[u8], from: usize) -> usize {
    from + text[from..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_read_with_the_ways_to_comment_them_out() {
        let table = [
            ("%global a 1 ", Some(("a", "%", "1", false))),
            ("  %define a b c", Some(("a", "  %", "b c", false))),
            ("#global a 1", Some(("a", "#", "1", true))),
            ("# %global a 1", Some(("a", "# %", "1", false))),
            ("#%global a 1", Some(("a", "#%", "1", false))),
            ("%dnl %global a 1", Some(("a", "%dnl %", "1", true))),
            ("%global a() 1", None),
            ("global a 1", None),
            ("%globala 1", None),
            ("%define", None),
        ];
        for (text, expected) in table {
            let found = read(text.as_bytes());
            let found = found.as_ref().map(|d| {
                (d.name.as_str(), &text[d.lead.clone()], &text[d.body.clone()], d.commented)
            });
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
