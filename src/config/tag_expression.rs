//! The expression that says which tags are releases, and the template that makes a version of it.

use regex::{Regex, RegexBuilder};

use super::faults::{Found, KeyPath};
use super::rules::Checked;
use crate::outcome::printable;

/// How large a compiled expression may be: a tag is short, and so is what matches it.
const LARGEST_EXPRESSION: usize = 1 << 20;

/// Compiles an expression so that it matches a whole tag or not at all.
///
/// The anchors that the user wrote make no difference: `v(?P<version>.*)` does not match `rev1`, and of
/// `a|ab` the second alternative is tried where the first leaves text over.
///
/// # Errors
/// The expression does not compile, is too large, or ends in a comment that hides what follows.
pub fn whole_tag(expression: &str) -> Result<Regex, regex::Error> {
    compile(expression)?;
    compile(&format!(r"\A(?:{expression})\z"))
}

fn compile(expression: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(expression).size_limit(LARGEST_EXPRESSION).build()
}

/// Returns the names of the groups that a template uses.
///
/// # Errors
/// Says what of the template is not understood.
pub fn template_groups(template: &str) -> Result<Vec<&str>, String> {
    let mut groups = Vec::new();
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once('{') {
        check_literal(literal)?;
        let Some((group, after)) = after.split_once('}') else {
            return Err("has a `{` without its `}`".to_owned());
        };
        groups.push(group);
        rest = after;
    }
    check_literal(rest)?;
    match groups.is_empty() {
        true => Err("uses no group: every tag would give the same version".to_owned()),
        false => Ok(groups),
    }
}

/// Takes what may stand in an rpm version.
fn check_literal(text: &str) -> Result<(), String> {
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !"._+~^".contains(*c)) {
        None => Ok(()),
        Some(c) => {
            let shown = printable(c.to_string(), 10);
            Err(format!(
                "has `{shown}`, which no version may hold (letters, digits and . _ + ~ ^)"
            ))
        }
    }
}

/// Checks `tags.match`.
pub(super) fn expression(text: &str, path: &KeyPath) -> Checked<Regex> {
    if text.len() > 2000 {
        return Err(Found::new("config-bad-regex", path, "is longer than 2000 bytes"));
    }
    whole_tag(text).map_err(|error| {
        let why = match &error {
            regex::Error::CompiledTooBig(_) => "becomes too large once compiled".to_owned(),
            error => format!("is no regular expression: {}", one_line(&error.to_string())),
        };
        let fault = Found::new("config-bad-regex", path, why);
        fault.hint("the syntax has no look-around and no back-references; groups are (?P<name>…)")
    })
}

/// Keeps of an error of several lines the one that says what is wrong.
fn one_line(said: &str) -> String {
    let last = said.lines().last().unwrap_or(said);
    printable(last.trim_start_matches("error: "), 200)
}

/// Checks `tags.version` against the groups of the expression; without one, against those of the built-in
/// forms.
pub(super) fn template(text: &str, expression: Option<&Regex>, path: &KeyPath) -> Checked<()> {
    let refuse = |words: String| Found::new("config-bad-template", path, words);
    let used = template_groups(text).map_err(refuse)?;
    let there: Vec<&str> = match expression {
        Some(expression) => expression.capture_names().flatten().collect(),
        None => vec!["version", "prerelease"],
    };
    match used.iter().find(|group| !there.contains(group)) {
        None => Ok(()),
        Some(group) => {
            let words = format!(
                "uses the group `{}`, and `tags.match` {}",
                printable(group, 60),
                groups_words(&there, expression.is_some())
            );
            Err(refuse(words).hint("name the group in `tags.match`, such as (?P<version>[0-9.]+)"))
        }
    }
}

fn groups_words(there: &[&str], is_written: bool) -> String {
    match (is_written, there.is_empty()) {
        (false, _) => {
            "is not written; the built-in forms have `version` and `prerelease`".to_owned()
        }
        (true, true) => "names no group".to_owned(),
        (true, false) => format!("has {}", there.join(", ")),
    }
}
