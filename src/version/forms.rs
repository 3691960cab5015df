//! The shapes that release tags have where a branch config gives no expression of its own.
//!
//! A tag is read in three steps: a *prefix* (the package's name, `v`, `release-`), the *numbers*, and a
//! *suffix* (a letter, a patch level, a prerelease). What is not surely a release is passed over, because
//! a wrong high version is published once and stays: lowering it takes an epoch.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::tags::PassedOver;

/// A tag taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// The version without its prerelease part, dots between its numbers.
    pub version: String,
    /// The prerelease part, such as `rc1`.
    pub prerelease: Option<String>,
}

/// What may stand between the package's name and the numbers, or before them where the name is absent.
static LEAD: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"(?ix) \A (?: (?:releases?|rel|version|ver) [-_./]? )? (?: v [-_.]? )? \z")
});

/// The numbers and what may follow them.
///
/// Numbers are joined by dots or by underscores, never by both: in Perl's `1.23_01` the underscore marks
/// a trial release. `a`, `b`, `c` and `m` are prereleases only with a number, otherwise a letter belongs
/// to the version, as in `1.1.1w`.
static BODY: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?ix) \A
        (?P<numbers> [0-9]+ (?: (?:\.[0-9]+)* | (?:_[0-9]+)+ ) )
        (?: [-._]? (?P<prerelease>
            (?: alpha | beta | rc | cr | pre | preview | milestone ) (?: [-._]? [0-9]+ (?:\.[0-9]+)* )?
          | [abcm] [-._]? [0-9]+ )
          | (?P<letter> z?[a-z] )
          | _? (?P<patch> p[0-9]+ )
          | [-._]? (?P<post> post[0-9]+ )
        )?
        (?: [-._] (?: final | ga | release | stable ) )?
        (?P<packaging> - [0-9]+ (?:\.[0-9]+)* )?
        \z",
    )
});

/// Words that mark a snapshot, a test or a moving tag.
static SNAPSHOT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?ix) (?: \A | [^a-z] )
        (?: nightly | snapshot | dev | devel | daily | weekly | latest | tip | trial | test | wip | eol
          | continuous | git | svn | [0-9]+-g[0-9a-f]{6,40} \z )
        (?: [^a-z] | \z )",
    )
});

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant expression, compiled by the tests")
}

/// Reads a tag of `package`.
pub(super) fn read(tag: &str, package: &str) -> Result<Shape, PassedOver> {
    let readings = readings(tag, package);
    let shape = readings.iter().find_map(|reading| reading.shape());
    match shape {
        Some(Ok(shape)) => Ok(shape),
        Some(Err(passed_over)) => Err(passed_over),
        None => Err(why_not(tag, package)),
    }
}

/// One way to cut a tag: whether the package's name leads it, and the rest from the first number on.
struct Reading<'t> {
    named: Named<'t>,
    body: &'t str,
}

/// How the package's name stands in a tag.
#[derive(Clone, Copy)]
enum Named<'t> {
    /// Not at all.
    No,
    /// As it is.
    Full,
    /// Without its last digits, which must then begin the version: `udisks-2.11.0` for `udisks2`.
    WithoutMajor(&'t str),
}

/// Returns the ways to cut a tag, the most telling first.
fn readings<'t>(tag: &'t str, package: &'t str) -> Vec<Reading<'t>> {
    let stem = package.trim_end_matches(|c: char| c.is_ascii_digit());
    let major = &package[stem.len()..];
    let full = after_name(tag, package, major.is_empty()).map(|rest| (Named::Full, rest));
    let short = match stem.len() {
        0 => None,
        _ if major.is_empty() => None,
        _ => after_name(tag, stem, false).map(|rest| (Named::WithoutMajor(major), rest)),
    };
    let all = [full, short, Some((Named::No, tag))].into_iter().flatten();
    all.filter_map(|(named, rest)| Some(Reading { named, body: body(rest)? })).collect()
}

/// Returns what follows the name and its separator; a digit may follow at once where `touching`.
fn after_name<'t>(tag: &'t str, name: &str, touching: bool) -> Option<&'t str> {
    let head = tag.get(..name.len())?;
    let rest = &tag[name.len()..];
    if !head.eq_ignore_ascii_case(name) {
        return None;
    }
    let digit_follows = rest.starts_with(|c: char| c.is_ascii_digit());
    match rest.strip_prefix(['-', '_', '/', '@']) {
        Some(rest) => Some(rest),
        None if touching && digit_follows => Some(rest),
        None => None,
    }
}

/// Returns the tag from its first digit on, where only known words stand before it.
fn body(text: &str) -> Option<&str> {
    let digit = text.find(|c: char| c.is_ascii_digit())?;
    LEAD.is_match(&text[..digit]).then(|| &text[digit..])
}

impl Reading<'_> {
    /// Returns the shape, or why it is none; `None` where another cut may fit.
    fn shape(&self) -> Option<Result<Shape, PassedOver>> {
        let parts = BODY.captures(self.body)?;
        let numbers = parts["numbers"].replace('_', ".");
        if let Named::WithoutMajor(major) = self.named
            && numbers.split('.').next() != Some(major)
        {
            return None;
        }
        Some(self.refusal(&parts, &numbers).map_or_else(|| Ok(shape(&parts, numbers)), Err))
    }

    fn refusal(&self, parts: &Captures<'_>, numbers: &str) -> Option<PassedOver> {
        if is_date(numbers) || (parts["numbers"].contains('_') && has_date(numbers)) {
            return Some(PassedOver::new(
                "begins with what looks like a date or a build number; \
                 tags.match can say that it is a version",
            ));
        }
        let packaging = parts.name("packaging")?;
        matches!(self.named, Named::No).then(|| {
            PassedOver::new(format!(
                "has {:?} after the version; tags.match can say what it means",
                packaging.as_str()
            ))
        })
    }
}

fn shape(parts: &Captures<'_>, numbers: String) -> Shape {
    let text = |name: &str| parts.name(name).map(|found| found.as_str().to_ascii_lowercase());
    let letter = parts.name("letter").map_or("", |found| found.as_str());
    let patch = text("patch").unwrap_or_default();
    let post = text("post").map(|post| format!(".{post}")).unwrap_or_default();
    Shape { version: format!("{numbers}{letter}{patch}{post}"), prerelease: text("prerelease") }
}

/// Tells whether numbers that were joined by underscores hold a date: `6_4_20231016`, `2024_01_31`.
fn has_date(numbers: &str) -> bool {
    let is_year = |number: &str| number.len() == 4 && number.starts_with(['1', '2']);
    numbers.split('.').any(is_date) || numbers.split('.').next().is_some_and(is_year)
}

/// Tells whether the first number is a date (`20240131`, `202401`) or too long for a version.
fn is_date(numbers: &str) -> bool {
    let first = numbers.split('.').next().unwrap_or_default();
    let number = |range: std::ops::Range<usize>| first.get(range)?.parse::<u32>().ok();
    let year_and_month =
        matches!(number(0..4), Some(1970..=2199)) && matches!(number(4..6), Some(1..=12));
    first.len() >= 8 || (first.len() == 6 && year_and_month)
}

fn why_not(tag: &str, package: &str) -> PassedOver {
    if SNAPSHOT.is_match(tag) {
        return PassedOver::new("looks like a snapshot, a test or a moving tag");
    }
    if tag.contains('+') {
        return PassedOver::new("has a part after `+`, which rpm would take for a newer version");
    }
    match other_name(tag) {
        Some(other) => PassedOver::new(format!("begins with {other:?}, not with {package:?}")),
        None => PassedOver::new("has none of the known forms (v1.2, 1.2, NAME-1.2, 1_2, 1.2-rc1)"),
    }
}

/// Returns the name of another package that a tag seems to begin with.
fn other_name(tag: &str) -> Option<&str> {
    let digit = tag.find(|c: char| c.is_ascii_digit())?;
    let name = tag[..digit].trim_end_matches(['v', 'V']).trim_end_matches(['-', '_', '/', '@']);
    (!name.is_empty() && !LEAD.is_match(&tag[..digit])).then_some(name)
}
