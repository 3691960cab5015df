//! File names of patches: from the subject, without a number, safe wherever they end up.

use std::collections::HashSet;

use crate::names::FileName;
use crate::outcome::{Refusal, Result, printable};

/// The most bytes that a subject gives to a name; with suffix and `.patch` it stays short in a spec.
const STEM: usize = 52;

/// The name of a patch whose subject has no letter or digit that a name can hold.
const NAMELESS: &str = "change";

/// The names of a series in the making: each given once.
#[derive(Debug, Default)]
pub struct Names {
    // In lower case: a checkout on a file system that folds case must not lose a patch.
    taken: HashSet<String>,
}

impl Names {
    /// Starts with the names that other files have.
    pub fn new(taken: &[FileName]) -> Names {
        Names { taken: taken.iter().map(|name| name.as_str().to_lowercase()).collect() }
    }

    /// Takes a name that a `Patch-name` trailer asks for; the answer is whether it was free.
    pub fn reserve(&mut self, name: &FileName) -> bool {
        self.taken.insert(name.as_str().to_lowercase())
    }

    /// Returns a free name for this subject: `fix-overflow.patch`, then `fix-overflow-2.patch`.
    pub fn for_subject(&mut self, subject: &str) -> FileName {
        let stem = stem(subject);
        let numbered = (2..).map(|number: u32| format!("{stem}-{number}.patch"));
        let mut names = std::iter::once(format!("{stem}.patch")).chain(numbered);
        let free = names.find(|name| self.taken.insert(name.to_lowercase()));
        let free = free.expect("more numbers than names are taken");
        free.parse()
            .expect("letters, digits, inner dots, underscores and dashes make a file name")
    }
}

/// Returns the subject as git makes it a file name: runs of other characters become one dash.
fn stem(subject: &str) -> String {
    let mut stem = String::new();
    for c in subject.chars() {
        match c {
            '.' if stem.ends_with('.') => {}
            'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '_' => stem.push(c),
            _ if stem.ends_with('-') => {}
            _ => stem.push('-'),
        }
    }
    stem.truncate(stem.len().min(STEM));
    match stem.trim_matches(['-', '.']) {
        "" => NAMELESS.to_owned(),
        stem => stem.to_owned(),
    }
}

/// Checks a name that a `Patch-name` trailer asks for.
///
/// The file lands beside the spec, `sources` and `source-git.yaml`, and its name in the spec, where rpm
/// expands it. So it ends in `.patch` or `.diff` and has only letters, digits and `. _ + -`.
///
/// # Errors
/// Refuses any other name (`patch-name-unsafe`).
pub fn asked_for(name: &str, commit: &str) -> Result<FileName> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let has_ending = [".patch", ".diff"].iter().any(|ending| name.ends_with(ending));
    let safe = name.chars().all(is_plain) && has_ending;
    match name.parse::<FileName>() {
        Ok(file_name) if safe => Ok(file_name),
        _ => Err(Refusal::new(
            "patch-name-unsafe",
            format!(
                "commit {commit} asks for the patch name `{}`, which is not safe",
                printable(name, 200)
            ),
        )
        .hint(
            "a patch name is one path component of letters, digits and . _ + - that begins with \
             none of . and - and ends in .patch or .diff",
        )
        .into()),
    }
}
