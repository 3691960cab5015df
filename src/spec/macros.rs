//! A small, safe macro expander: what a spec's plain macros say, and nothing that runs.
//!
//! It knows `%global`, `%define`, `%undefine`, `%{x}`, `%x`, `%{?x}`, `%{?x:…}`, `%{!?x:…}`, `%%`, `%nil`, `%dnl`,
//! `%bcond*`, `%{with x}`, `%{defined x}` and their opposites. `%(…)`, `%{lua:…}`, `%{expand:…}`, `%{load:…}` and
//! macros with parameters are never run; they, and macros that the spec does not define, make a value
//! *unexpandable*, and the reason is kept for the person who reads the refusal.

use std::collections::HashMap;

use super::expression;
use super::syntax::{Flags, body_of, enclosed, first_characters, leading_name, logical_line};

/// How deep macros may nest.
const DEPTH: usize = 40;
/// How much text one spec may expand to, all in all: against macros that double themselves.
const BUDGET: usize = 8 << 20;

/// Marks, inside expanded text, where the dist tag begins and ends and where something is unknown. They are
/// private-use characters; [`readable`] keeps them out of what comes from a file.
const DIST_OPEN: char = '\u{e000}';
const DIST_CLOSE: char = '\u{e001}';
const UNKNOWN: char = '\u{e002}';

/// Returns a file's bytes as text: invalid bytes and the expander's own marks are replaced.
pub(super) fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .map(|c| if ('\u{e000}'..='\u{e002}').contains(&c) { '\u{fffd}' } else { c })
        .collect()
}

/// Text after expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expanded {
    text: String,
    why: Option<String>,
}

impl Expanded {
    /// Returns the text with the dist tag, or why it is not known.
    pub fn with_dist(&self) -> Result<String, &str> {
        self.known(|text| text.replace([DIST_OPEN, DIST_CLOSE], ""))
    }

    /// Returns the text without the dist tag, or why it is not known.
    pub fn without_dist(&self) -> Result<String, &str> {
        self.known(|text| {
            let mut outside = true;
            let keep = |c: char| {
                outside = (outside && c != DIST_OPEN) || c == DIST_CLOSE;
                (outside && c != DIST_CLOSE).then_some(c)
            };
            text.chars().filter_map(keep).collect()
        })
    }

    /// Returns the text before the dist tag and the text after it; `None` where it has none.
    pub fn around_dist(&self) -> Option<(&str, &str)> {
        let (before, rest) = self.text.split_once(DIST_OPEN)?;
        let (_, after) = rest.split_once(DIST_CLOSE)?;
        (self.why.is_none() && !after.contains(DIST_OPEN)).then_some((before, after))
    }

    fn known(&self, text: impl FnOnce(&str) -> String) -> Result<String, &str> {
        match &self.why {
            None => Ok(text(&self.text)),
            Some(why) => Err(why),
        }
    }
}

/// An answer that may not be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    Unknown,
}

/// What a macro stands for.
#[derive(Debug, Clone)]
enum Value {
    /// This text, to be expanded at each use.
    Body(String),
    /// It takes parameters: never run.
    Parametric,
    /// Its definition lies in a conditional that cannot be decided.
    Doubtful,
    /// It is certainly not defined.
    Undefined,
}

/// The macros that are defined at one point of a spec.
#[derive(Debug, Clone)]
pub(super) struct Macros {
    table: HashMap<String, Value>,
    /// The definition line that a macro's value comes from, by its index in the walk.
    origins: HashMap<String, usize>,
    /// Something that is not run may have defined anything.
    foreign: bool,
    /// The text being expanded lies in a conditional that cannot be decided.
    pub doubtful: bool,
    spent: usize,
}

/// Macros that tell one distribution from another: known from the dist tag, or not at all.
const DISTRIBUTIONS: [&str; 9] =
    ["fedora", "rhel", "centos", "eln", "suse_version", "mageia", "epel", "amzn", "openEuler"];

impl Macros {
    /// Returns the macros that a spec begins with.
    pub fn new(dist: Option<&str>, given: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut macros = Macros {
            table: HashMap::new(),
            origins: HashMap::new(),
            foreign: false,
            doubtful: false,
            spent: 0,
        };
        macros.know_distribution(dist.unwrap_or_default());
        macros.set("nil", String::new());
        macros.table.insert("autorelease".to_owned(), Value::Doubtful);
        for (name, value) in given {
            macros.set(&name, value);
        }
        macros
    }

    /// Derives `%fedora` and `%rhel` from `.fc44` and `.el9`, as the distributions define them.
    fn know_distribution(&mut self, dist: &str) {
        self.set("dist", dist.to_owned());
        let families = [("fedora", ".fc"), ("rhel", ".el")];
        let known = families
            .into_iter()
            .find_map(|(family, prefix)| Some((family, release_number(dist, prefix)?)));
        let family = known.map(|(family, _)| family);
        for name in DISTRIBUTIONS {
            let is_relative = family == Some("rhel") && matches!(name, "centos" | "epel");
            let is_known = family.is_some() && !is_relative;
            let value = if is_known { Value::Undefined } else { Value::Doubtful };
            self.table.insert(name.to_owned(), value);
        }
        if let Some((family, number)) = known {
            self.set(family, number.to_owned());
            self.set(
                &format!("{}{number}", if family == "rhel" { "el" } else { "fc" }),
                "1".to_owned(),
            );
        }
    }

    /// Defines a macro, as a tag does for its name.
    pub fn set(&mut self, name: &str, value: String) {
        let value = match name {
            "dist" => format!("{DIST_OPEN}{value}{DIST_CLOSE}"),
            _ => value,
        };
        self.put(name, Value::Body(value));
    }

    /// Defines a macro with a value that was expanded before.
    pub fn set_expanded(&mut self, name: &str, value: Expanded) {
        self.put(name, Value::Body(value.text));
    }

    fn put(&mut self, name: &str, value: Value) {
        self.origins.remove(name);
        let value = if self.doubtful { Value::Doubtful } else { value };
        self.table.insert(name.to_owned(), value);
    }

    /// Records which definition line the macro's present value comes from.
    pub fn set_origin(&mut self, name: &str, definition: usize) {
        if matches!(self.table.get(name), Some(Value::Body(_))) {
            self.origins.insert(name.to_owned(), definition);
        }
    }

    /// Returns the definition line that the macro's present value comes from.
    pub fn origin(&self, name: &str) -> Option<usize> {
        self.origins.get(name).copied()
    }

    /// Notes that something which is never run may have defined any macro from here on.
    pub fn may_be_foreign(&mut self) {
        self.foreign = true;
    }

    /// Tells whether a macro is defined.
    ///
    /// Names that begin with an underscore belong to the system; what a spec does not define itself is
    /// else taken as not defined, as in a clean build root.
    pub fn defined(&self, name: &str) -> Answer {
        let from_command_line = name.starts_with("_with_") || name.starts_with("_without_");
        match self.table.get(name) {
            Some(Value::Body(_) | Value::Parametric) => Answer::Yes,
            Some(Value::Doubtful) => Answer::Unknown,
            Some(Value::Undefined) => Answer::No,
            None if from_command_line => Answer::No,
            None if self.foreign || name.starts_with('_') => Answer::Unknown,
            None => Answer::No,
        }
    }

    /// Expands a text; definitions in it take effect.
    pub fn expand(&mut self, text: &str) -> Expanded {
        if !text.contains('%') {
            return Expanded { text: text.to_owned(), why: None };
        }
        let mut expansion = Expansion { macros: self, out: String::new(), why: None };
        expansion.text(text, 0);
        let Expansion { out: text, why, .. } = expansion;
        let why = why.or_else(|| {
            text.contains(UNKNOWN).then(|| "a macro in it has a value that is not known".to_owned())
        });
        Expanded { text, why }
    }

    /// Tells what the condition of an `%if` says.
    pub fn condition(&mut self, text: &str) -> Answer {
        let expanded = self.expand(text);
        let truth = expanded.with_dist().ok().and_then(|text| expression::evaluate(&text));
        match truth {
            Some(value) if value.is_true() => Answer::Yes,
            Some(_) => Answer::No,
            None => Answer::Unknown,
        }
    }
}

/// Returns the number after the prefix of a dist tag: 44 of `.fc44`.
fn release_number<'d>(dist: &'d str, prefix: &str) -> Option<&'d str> {
    let digits = dist.strip_prefix(prefix)?.split('.').next()?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// One expansion on its way.
struct Expansion<'a> {
    macros: &'a mut Macros,
    out: String,
    why: Option<String>,
}

impl Expansion<'_> {
    fn unknown(&mut self, why: impl Into<String>) {
        self.out.push(UNKNOWN);
        self.why.get_or_insert_with(|| why.into());
    }

    /// Expands `text` to its end.
    fn text(&mut self, text: &str, depth: usize) {
        self.macros.spent += text.len() + 1;
        if depth > DEPTH || self.macros.spent > BUDGET {
            return self.unknown("its macros expand to too much");
        }
        if depth > 0 && self.why.is_some() {
            return;
        }
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            self.out.push_str(&rest[..at]);
            rest = self.percent(&rest[at + 1..], depth);
        }
        self.out.push_str(rest);
    }

    /// Expands what follows a percent sign and returns what is left after it.
    fn percent<'t>(&mut self, rest: &'t str, depth: usize) -> &'t str {
        match rest.as_bytes().first() {
            Some(b'%') => {
                self.out.push('%');
                &rest[1..]
            }
            Some(open @ (b'{' | b'(' | b'[')) => match enclosed(rest) {
                Some((inner, left)) => {
                    self.enclosed(*open, inner, depth);
                    left
                }
                None => {
                    self.unknown("a macro in it is not closed");
                    ""
                }
            },
            _ => self.bare(rest, depth),
        }
    }

    fn enclosed(&mut self, open: u8, inner: &str, depth: usize) {
        match open {
            b'{' => self.braced(inner, depth),
            b'(' => self.shell(inner, depth),
            _ => self.expression(inner, depth),
        }
    }

    /// Expands `%name`, `%?name` and the definitions, which take the rest of the line.
    fn bare<'t>(&mut self, rest: &'t str, depth: usize) -> &'t str {
        let flags = Flags::read(rest);
        let name = leading_name(&rest[flags.length..]);
        if name.is_empty() {
            self.out.push('%');
            return rest;
        }
        let left = &rest[flags.length + name.len()..];
        let (line, after_line) = logical_line(left);
        match name {
            "global" | "define" => self.definition(name == "global", line, depth),
            "undefine" => self.macros.put(line.trim(), Value::Undefined),
            "bcond_with" | "bcond_without" | "bcond" => self.bcond(name, line, depth),
            "dnl" => {}
            _ => {
                self.reference(name, flags, None, depth);
                return left;
            }
        }
        after_line
    }

    /// Expands the inside of `%{…}`.
    fn braced(&mut self, inner: &str, depth: usize) {
        let flags = Flags::read(inner);
        let name = leading_name(&inner[flags.length..]);
        let rest = &inner[flags.length + name.len()..];
        match (name, rest.chars().next()) {
            ("", _) => self.unknown(format!("%{{{inner}}} is not expanded")),
            (_, None) => self.reference(name, flags, None, depth),
            (_, Some(':')) if flags.asks => self.reference(name, flags, Some(&rest[1..]), depth),
            ("with" | "without" | "defined" | "undefined", Some(' ' | '\t')) => {
                self.question(name, rest.trim())
            }
            _ => {
                let defines = ["global", "define", "load"].iter().any(|word| inner.contains(word));
                self.macros.foreign |= defines;
                self.unknown(format!("%{{{name}…}} is never run here"));
            }
        }
    }

    /// Expands `%{x}`, `%{?x}`, `%{?x:alternative}` and `%{!?x:alternative}`.
    fn reference(&mut self, name: &str, flags: Flags, alternative: Option<&str>, depth: usize) {
        let defined = self.macros.defined(name);
        match (flags.asks, defined) {
            (true, Answer::Unknown) => {
                self.unknown(format!("whether %{name} is defined is not known"))
            }
            (true, _) if (defined == Answer::Yes) == flags.negated => {}
            (true, _) if alternative.is_some() => {
                self.text(alternative.unwrap_or_default(), depth + 1)
            }
            (true, Answer::No) => {}
            _ => self.value(name, depth),
        }
    }

    fn value(&mut self, name: &str, depth: usize) {
        match self.macros.table.get(name).cloned() {
            Some(Value::Body(body)) => self.text(&body, depth + 1),
            Some(Value::Parametric) => {
                self.unknown(format!("%{name} takes parameters and is never run here"))
            }
            Some(Value::Doubtful) => {
                self.unknown(format!("what %{name} is depends on what is not known here"))
            }
            _ => self.unknown(format!("%{name} is not defined in the spec")),
        }
    }

    /// Answers `%{with x}` and its like with 1 or 0.
    fn question(&mut self, question: &str, name: &str) {
        let asked = match question {
            "with" | "without" => format!("with_{name}"),
            _ => name.to_owned(),
        };
        let positive = matches!(question, "with" | "defined");
        match self.macros.defined(&asked) {
            Answer::Unknown => self.unknown(format!("%{{{question} {name}}} is not known")),
            answer => self.out.push(if (answer == Answer::Yes) == positive { '1' } else { '0' }),
        }
    }

    /// Takes `NAME BODY` or `NAME(OPTIONS) BODY`.
    fn definition(&mut self, at_once: bool, line: &str, depth: usize) {
        let line = line.trim_start();
        let name = leading_name(line);
        let rest = &line[name.len()..];
        if name.is_empty() {
            return;
        }
        if rest.starts_with('(') {
            return self.macros.put(name, Value::Parametric);
        }
        let body = body_of(rest);
        let value = match at_once {
            true => self.aside(&body, depth),
            false => body,
        };
        self.macros.set(name, value);
    }

    /// Expands a text apart from the output.
    fn aside(&mut self, text: &str, depth: usize) -> String {
        let before = (std::mem::take(&mut self.out), self.why.take());
        self.text(text, depth + 1);
        let value = std::mem::replace(&mut self.out, before.0);
        self.why = before.1;
        value
    }

    /// Defines `with_NAME` as `%bcond_with`, `%bcond_without` and `%bcond` do without command-line options.
    fn bcond(&mut self, kind: &str, line: &str, depth: usize) {
        let (name, default) = line.trim().split_once([' ', '\t']).unwrap_or((line.trim(), ""));
        let default = match kind {
            "bcond_with" => Answer::No,
            "bcond_without" => Answer::Yes,
            _ => {
                let text = self.aside(default.trim(), depth);
                self.macros.condition(&text.replace('%', "%%"))
            }
        };
        let value = match default {
            Answer::Yes => Value::Body("1".to_owned()),
            Answer::No => return,
            Answer::Unknown => Value::Doubtful,
        };
        self.macros.put(&format!("with_{name}"), value);
    }

    /// Reads the shell idioms that snapshot specs have, such as `%(c=%{commit}; echo ${c:0:7})`; runs nothing.
    fn shell(&mut self, inner: &str, depth: usize) {
        let prefix = self.aside(inner, depth);
        match first_characters(&prefix) {
            Some(text) => self.out.push_str(text),
            None => self.unknown("%(…) is never run here"),
        }
    }

    fn expression(&mut self, inner: &str, depth: usize) {
        let text = self.aside(inner, depth);
        let known = (!text.contains(UNKNOWN)).then(|| text.replace([DIST_OPEN, DIST_CLOSE], ""));
        match known.and_then(|text| expression::evaluate(&text)) {
            Some(value) => self.out.push_str(&value.to_string()),
            None => self.unknown("%[…] in it is not known"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fedora() -> Macros {
        Macros::new(Some(".fc44"), [])
    }

    #[test]
    fn plain_macros_expand_as_rpm_expands_them() {
        let table = [
            ("%global a 1\n%a-%{a}", "\n1-1"),
            ("%define v 1.%{x}\n%global x 2\n%v", "\n\n1.2"),
            ("%{?a:yes}%{!?a:no}%{?a}", "no"),
            ("%global a x\n%{?a:yes}%{!?a:no}%{?a}%?a", "\nyesxx"),
            ("100%% %", "100% %"),
            ("%{!?rebuild: %define rebuild 1}%{rebuild}", " 1"),
            ("%bcond_with a\n%bcond_without b\n%{with a}%{with b}%{without b}", "\n\n010"),
            ("%bcond c 0%{?fedora} >= 40\n%{with c}", "\n1"),
            ("%global a 1\n%undefine a\n%{defined a}%{undefined a}", "\n\n01"),
            ("0%{?fedora}", "044"),
            ("a%dnl rest\nb", "a\nb"),
            ("%global c 0123456789abcdef\n%(c=%{c}; echo ${c:0:7})", "\n0123456"),
            (
                "%(echo 0123456789abcdef | cut -c1-7)-%(echo 0123456 | cut -c -3)",
                "0123456-012",
            ),
            ("%[2 * 3]", "6"),
            ("%define b {x y}\n%b", "\nx y"),
        ];
        for (text, expected) in table {
            assert_eq!(fedora().expand(text).with_dist().as_deref(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_would_run_or_is_not_there_is_unexpandable() {
        let table = [
            "%(echo 1)",
            "%{lua:print(1)}",
            "%{expand:1}",
            "%{load:x}",
            "%nothing",
            "%{nothing}",
            "%{?_system}",
            "%define f() 1\n%f",
            "%define a %a%a\n%a",
            "%{",
            "%{open",
            "%define a %{b}%{b}\n%define b %{c}%{c}\n%define c %{d}%{d}\n%define d %{a}\n%a",
        ];
        for text in table {
            assert!(fedora().expand(text).with_dist().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_dist_tag_can_be_taken_out_again() {
        let mut macros = fedora();
        let release = macros.expand("%global rel 1%{?dist}\n%{rel}.2");
        assert_eq!(release.with_dist().as_deref(), Ok("\n1.fc44.2"));
        assert_eq!(release.without_dist().as_deref(), Ok("\n1.2"));
        assert_eq!(release.around_dist(), Some(("\n1", ".2")));
    }
}
