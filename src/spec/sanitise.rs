//! The last safety net for text from outside that ends up in a spec.
//!
//! rpm expands macros in changelogs, and looks for directives and section names *after* that, so doubling the
//! percent sign is not enough: no line may begin with one (DESIGN section 4). Names of authors are no safer than
//! subjects: `%(command)` as a name would run when the spec is parsed.

/// How wide lines of an item are, where words allow.
const WIDTH: usize = 76;
/// What stands for text of which nothing is left.
const NO_TEXT: &str = "(no description)";
/// How many characters a person's name or mail may have.
const LONGEST_NAME: usize = 200;

/// Makes one item's text safe: one line of words, percent signs doubled, no bullet of its own, no backslash at
/// its end; never empty. A leading `%` or `#` may stay, because `- ` stands before it.
///
/// ```
/// use lockkeeper::spec::sanitise_item;
/// assert_eq!(sanitise_item("- fix %(touch x)\\"), "fix %%(touch x)");
/// ```
pub fn sanitise_item(text: &str) -> String {
    let words = plain_words(text);
    let text = words.trim_start_matches(['-', '*', ' ']);
    let text = text.trim_end_matches(['\\', ' ']);
    match text.is_empty() {
        true => NO_TEXT.to_owned(),
        false => text.replace('%', "%%"),
    }
}

/// Makes a person's name, or mail address, safe for the header of an entry; never empty.
///
/// Angle brackets go too, because they mark the mail address there.
pub fn sanitise_person(text: &str) -> String {
    let words = plain_words(&text.replace(['<', '>'], " "));
    let name: String = words.chars().take(LONGEST_NAME).collect();
    let name = name.trim_start_matches(['-', '*', '#', ' ']).trim_end_matches(['\\', ' ', '-']);
    match name.is_empty() {
        true => "unknown".to_owned(),
        false => name.replace('%', "%%"),
    }
}

/// Makes a mail address safe: as [`sanitise_person`], without spaces; empty where nothing is left.
pub fn sanitise_mail(text: &str) -> String {
    match plain_words(&text.replace(['<', '>'], " ")).is_empty() {
        true => String::new(),
        false => sanitise_person(text).replace(' ', ""),
    }
}

/// Returns a text's words with single spaces between them, control and invisible characters left out.
fn plain_words(text: &str) -> String {
    let visible: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|c| !is_invisible(*c))
        .collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Characters that change the order of others, or show nothing: a reader cannot see what they do.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Wraps a sanitised item into lines: the first begins `- `, the others are indented by two spaces.
///
/// Words are never broken. A word that could begin a directive, a header or a comment stays on the line of the
/// word before it, and so does a word after one that ends in a backslash.
pub(super) fn wrap(item: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::from("-");
    for word in item.split(' ').filter(|word| !word.is_empty()) {
        let fits = line.chars().count() + 1 + word.chars().count() <= WIDTH;
        let is_first = line == "-";
        if fits || is_first || must_follow(&line, word) {
            line.push(' ');
        } else {
            lines.push(std::mem::replace(&mut line, String::from("  ")));
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// Tells whether a line break between `line` and `word` could change what rpm reads.
fn must_follow(line: &str, word: &str) -> bool {
    word.starts_with(['%', '*', '#']) || line.ends_with('\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn items_are_made_harmless() {
        let table = [
            ("fix %(touch /tmp/x)", "fix %%(touch /tmp/x)"),
            ("%include /etc/passwd", "%%include /etc/passwd"),
            ("#12: fix", "#12: fix"),
            ("* Mon Jan 01 2024 x", "Mon Jan 01 2024 x"),
            ("- - item", "item"),
            ("ends in \\ \\\\", "ends in"),
            ("two\nlines\r\nand\ttab", "two lines and tab"),
            ("nul\0byte \u{1b}[31mred\u{202e}", "nul byte [31mred"),
            ("line\u{2028}separator", "line separator"),
            ("", "(no description)"),
            ("\\", "(no description)"),
            ("-*-", "(no description)"),
            ("100%", "100%%"),
        ];
        for (text, expected) in table {
            assert_eq!(sanitise_item(text), expected, "{text:?}");
        }
    }

    #[test]
    fn people_are_made_harmless() {
        let table = [
            ("Alice Dvořák", "Alice Dvořák"),
            ("%{lua:os.execute('x')}", "%%{lua:os.execute('x')}"),
            ("Eve <e@x> - 9:9-9\n* Mon", "Eve e@x - 9:9-9 * Mon"),
            ("%(cmd)\\", "%%(cmd)"),
            (" \0", "unknown"),
        ];
        for (text, expected) in table {
            assert_eq!(sanitise_person(text), expected, "{text:?}");
        }
        assert_eq!(sanitise_mail("a b<@>%x"), "ab@%%x");
        assert_eq!(sanitise_mail("<>"), "");
    }

    #[test]
    fn long_words_are_never_broken() {
        let long = "x".repeat(10_000);
        let lines = wrap(&format!("see {long} there"));
        assert_eq!(lines, ["- see".to_owned(), format!("  {long}"), "  there".to_owned()]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn no_line_begins_or_ends_in_something_that_rpm_acts_on(text in any::<String>(), marks in "[%*#\\\\{}a \n]{0,300}") {
            for text in [text, marks] {
                let item = sanitise_item(&text);
                let lines = wrap(&item);
                for line in &lines {
                    prop_assert!(!line.trim_start().starts_with(['%', '*', '#']), "{lines:?}");
                    prop_assert!(!line.ends_with('\\'), "{lines:?}");
                    prop_assert!(!line.chars().any(char::is_control), "{lines:?}");
                    prop_assert!(!line.replace("%%", "").contains('%'), "{lines:?}");
                }
                let joined: Vec<&str> = lines.iter().flat_map(|line| line.split(' ')).filter(|w| !w.is_empty()).collect();
                prop_assert_eq!(joined.join(" "), format!("- {item}"));
            }
        }
    }
}
