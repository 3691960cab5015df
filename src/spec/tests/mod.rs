//! Tests that see whole specs: a table of cases over `fixtures/specs`, rpm as the judge, hostile text, and
//! properties over specs put together by chance.

mod cases;
mod changelogs;
mod hostile;
mod layouts;
mod properties;
mod refusals;
mod rpm;
mod tool;
mod versions;

use jiff::civil::date;

use super::*;

/// Reads a spec of the corpus.
fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/specs/{name}.spec", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn fedora() -> Context {
    Context::with_dist(".fc44")
}

/// Returns edits that set version and release.
fn to(version: &str, release: &str) -> Edits {
    let release = ReleaseEdit { number: release.parse().unwrap(), minor: None };
    Edits { version: Some(version.parse().unwrap()), release: Some(release), ..Edits::default() }
}

/// Returns an entry by Bob of one February day.
fn entry(evr: &str) -> Entry {
    Entry {
        date: date(2024, 2, 5),
        name: "Bob".into(),
        mail: "bob@example.org".into(),
        evr: Some(evr.parse().unwrap()),
        items: vec!["Fix 100% of it".into(), "Second".into()],
    }
}

fn patches(names: &[&str]) -> Vec<crate::names::FileName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// Returns the lines that went, with `-`, and those that came, with `+`; line ends are part of a line.
fn difference(before: &[u8], after: &[u8]) -> Vec<String> {
    let split = |bytes: &[u8]| -> Vec<Vec<u8>> {
        bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
    };
    let (old, new) = (split(before), split(after));
    let mut common = vec![vec![0usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = match old[i] == new[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let shown = |sign: char, line: &[u8]| {
        let text = String::from_utf8_lossy(line).replace('\r', "\\r");
        format!("{sign}{}", text.strip_suffix('\n').map_or(format!("{text}\\"), str::to_owned))
    };
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(shown('-', &old[i]));
            i += 1;
        } else {
            lines.push(shown('+', &new[j]));
            j += 1;
        }
    }
    lines
}
