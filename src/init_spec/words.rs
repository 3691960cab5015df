//! A stranger's text, made harmless for a spec.
//!
//! rpm expands `%` wherever it stands and joins lines that end in a backslash, and a line of a description
//! that begins with a directive acts even with its percent sign doubled. So both characters go.

/// How wide a description's lines are.
const WIDTH: usize = 76;

/// Returns the text as one line of at most `limit` characters without anything that rpm acts on.
pub(super) fn line(text: &str, limit: usize) -> String {
    let is_break = |c: char| c.is_whitespace() || c.is_control();
    let words = text.split(is_break).map(harmless);
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let line = line.trim_start_matches(|c: char| !c.is_alphanumeric());
    match line.char_indices().nth(limit) {
        None => line.to_owned(),
        Some((end, _)) => {
            let whole_words = line[..end].rsplit_once(' ').map_or(&line[..end], |(head, _)| head);
            whole_words.trim_end_matches([',', ';', ':', '-', ' ']).to_owned()
        }
    }
}

/// Returns a word without what rpm acts on; a percentage keeps its meaning.
fn harmless(word: &str) -> String {
    let number =
        word.strip_suffix('%').filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    number.map_or_else(|| word.replace(acts, ""), |number| format!("{number} percent"))
}

/// Characters that rpm acts on, and those that hide or reorder others.
fn acts(c: char) -> bool {
    matches!(c, '%' | '\\' | '`' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Returns a summary: one short line, a capital first, no full stop at its end.
pub(super) fn summary(text: &str) -> Option<String> {
    let line = line(text, 70);
    let line = line.trim_end_matches(['.', ' ']);
    let mut letters = line.chars();
    let first = letters.next()?;
    Some(first.to_uppercase().chain(letters).collect())
}

/// Returns the paragraph in lines of which none begins with a character that means something.
pub(super) fn paragraph(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in line(text, 1200).split(' ') {
        let first = word.trim_start_matches(['#', '*']);
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= WIDTH => {
                last.push(' ');
                last.push_str(word);
            }
            _ if first.is_empty() => {}
            _ => lines.push(first.to_owned()),
        }
    }
    lines.join("\n")
}

/// Returns an http or https address that can stand in a spec as it is.
pub(super) fn address(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!&'()+,;=".contains(c);
    let url = url::Url::parse(text.trim()).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    let no_secret = url.username().is_empty() && url.password().is_none();
    (is_web && no_secret && text.trim().len() <= 300 && text.trim().chars().all(plain))
        .then(|| text.trim().to_owned())
}

/// Returns an SPDX expression as it was written, where it has the form of one: ids with operators between.
///
/// A slash between ids is how crates once wrote OR.
pub(super) fn licence_expression(text: &str) -> Option<String> {
    let words: Vec<String> =
        text.replace('/', " OR ").split_whitespace().map(str::to_owned).collect();
    let is_operator = |word: &str| ["AND", "OR", "WITH"].contains(&word);
    let is_id = |word: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.+()".contains(c);
        !is_operator(word)
            && word.chars().all(plain)
            && word.contains(|c: char| c.is_ascii_alphabetic())
    };
    let fits = |(place, word): (usize, &String)| match place % 2 {
        0 => is_id(word),
        _ => is_operator(word),
    };
    let is_expression = words.len() % 2 == 1 && words.iter().enumerate().all(fits);
    let text = words.join(" ");
    (is_expression && text.len() <= 200).then_some(text)
}

/// Returns a path whose characters mean nothing to rpm, the shell or a glob.
pub(super) fn plain_path(path: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(path).ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-/".contains(c);
    (text.len() <= 200 && !text.starts_with('-') && text.chars().all(plain)).then_some(text)
}
