//! Macros that move together with the version: prereleases and snapshots.

use super::change::Change;
use super::{Editor, Snapshot};
use crate::names::Version;
use crate::spec::SpecFile;
use crate::spec::directive::SectionKind;
use crate::spec::query::mentions;
use crate::spec::walk::{Activity, Definition};

/// Names that packagers give to the macro of a prerelease.
const PRERELEASE_NAMES: [&str; 16] = [
    "pre",
    "prerel",
    "prerelease",
    "pre_release",
    "prever",
    "preversion",
    "prerelver",
    "prereltag",
    "rc",
    "rcver",
    "rcversion",
    "beta",
    "betaver",
    "alpha",
    "alphaver",
    "alphatag",
];

/// Words that a prerelease begins with.
const PRERELEASE_WORDS: [&str; 9] = ["alpha", "beta", "pre", "rc", "dev", "a", "b", "c", "m"];

/// How many digits an abbreviated commit has at least.
const SHORTEST_COMMIT: usize = 6;

/// How many definitions are looked at for a prerelease, from the last one up.
const MOST_DEFINITIONS: usize = 500;

/// Parts of names that packagers give to the macro of a commit.
const COMMIT_NAMES: [&str; 6] = ["commit", "gitrev", "githash", "git_rev", "git_hash", "gitsha"];

impl Editor<'_> {
    /// Sets the prerelease macro to what the version says, or comments it out, and returns its name where it is
    /// set: else Source0 would go on naming the prerelease.
    pub(super) fn move_prerelease(&mut self, version: &Version) -> Option<String> {
        let after_tilde = version.as_str().split_once('~').map(|(_, prerelease)| prerelease);
        let wanted = self.edits.prerelease.as_deref().or(after_tilde);
        let definition = self.spec.prerelease_macro()?;
        let name = definition.name.clone();
        let changed = self.spec.changed(self.spec.prerelease_changes(definition, wanted))?;
        if changed.walk.unknowns() > self.spec.walk.unknowns() {
            self.note(format!(
                "%{name} keeps its value, because lines use it without asking whether it is defined"
            ));
            return None;
        }
        self.spec = changed;
        wanted.map(|_| name)
    }

    /// Sets the macros of commit, short commit and date, all three together.
    pub(super) fn move_snapshot(&mut self) {
        let (Some(snapshot), Some(old)) = (&self.edits.snapshot, self.spec.snapshot_commit())
        else {
            return;
        };
        let definitions = self.spec.active_definitions().filter(|definition| !definition.commented);
        let change = |definition: &Definition| {
            let body =
                snapshot_body(&definition.name, &self.spec.body(definition), &old, snapshot)?;
            Some(Change::new(definition.body.clone(), body))
        };
        if let Some(spec) = self.spec.changed(definitions.filter_map(change).collect()) {
            self.spec = spec;
        }
    }
}

/// Returns the new text of a snapshot macro; `None` for a macro that is none.
fn snapshot_body(name: &str, body: &str, old: &str, snapshot: &Snapshot) -> Option<String> {
    let commit = snapshot.commit.to_string();
    let names_date = name.to_ascii_lowercase().contains("date");
    if names_date && body.len() == 8 && body.bytes().all(|b| b.is_ascii_digit()) {
        return Some(snapshot.date.strftime("%Y%m%d").to_string());
    }
    let is_commit = body.len() >= SHORTEST_COMMIT && old.starts_with(body);
    is_commit.then(|| match body.len() == old.len() {
        true => commit.clone(),
        false => commit[..body.len().min(commit.len())].to_owned(),
    })
}

impl SpecFile {
    fn body(&self, definition: &Definition) -> String {
        crate::spec::macros::readable(&self.bytes[definition.body.clone()])
    }

    fn active_definitions(&self) -> impl DoubleEndedIterator<Item = &Definition> {
        self.walk.definitions.iter().filter(|d| d.place.activity == Activity::Active)
    }

    /// Returns the changes that set, bring back, or comment out the prerelease macro.
    fn prerelease_changes(&self, definition: &Definition, wanted: Option<&str>) -> Vec<Change> {
        let lead = |text| Change::new(definition.lead.clone(), text);
        match (wanted, definition.commented) {
            (None, true) => Vec::new(),
            (None, false) => vec![lead("#")],
            (Some(prerelease), commented) => {
                let body = like(&self.body(definition), &definition.name, prerelease);
                let set = Change::new(definition.body.clone(), body);
                if commented { vec![lead("%"), set] } else { vec![set] }
            }
        }
    }

    /// Returns the definition of the prerelease macro: the one that counts, else one that is commented out.
    fn prerelease_macro(&self) -> Option<&Definition> {
        let is_one = |definition: &&Definition| {
            let name = definition.name.to_ascii_lowercase();
            PRERELEASE_NAMES.contains(&name.as_str())
                && is_prerelease(&self.body(definition), &name)
                && self.uses_elsewhere(definition)
        };
        let mut found = self.active_definitions().rev().take(MOST_DEFINITIONS).filter(is_one);
        let mut commented = None;
        found
            .find(|definition| {
                if definition.commented {
                    commented.get_or_insert(*definition);
                }
                !definition.commented
            })
            .or(commented)
    }

    /// Tells whether a line other than the definition uses the macro.
    fn uses_elsewhere(&self, definition: &Definition) -> bool {
        let preamble = self.walk.sections.iter().filter(|section| {
            matches!(
                section.kind,
                SectionKind::Preamble | SectionKind::Prep | SectionKind::SourceList
            )
        });
        let mut lines = preamble.flat_map(|section| section.place.line..section.end);
        lines.any(|line| {
            let text = self.line_text(line);
            line != definition.place.line
                && !text.trim_start().starts_with('#')
                && mentions(&text, &definition.name)
        })
    }

    /// Returns the commit that the snapshot macros name: the only one, or that of `commit` or `commit0`.
    fn snapshot_commit(&self) -> Option<String> {
        let mut commits: Vec<(String, String)> = Vec::new();
        for definition in self.active_definitions().filter(|definition| !definition.commented) {
            let (name, body) = (definition.name.to_ascii_lowercase(), self.body(definition));
            let is_named = COMMIT_NAMES.iter().any(|part| name.contains(part));
            let is_full =
                matches!(body.len(), 40 | 64) && body.bytes().all(|b| b.is_ascii_hexdigit());
            if is_named && is_full {
                commits.push((name, body));
            }
        }
        let main = commits.iter().find(|(name, _)| name == "commit" || name == "commit0");
        let all_same =
            commits.iter().all(|(_, body)| Some(body) == commits.first().map(|(_, body)| body));
        main.or(commits.first().filter(|_| all_same)).map(|(_, body)| body.clone())
    }
}

/// Tells whether a macro's text is a prerelease: `rc1`, `-beta.2`, or a bare number where the name says the word.
fn is_prerelease(body: &str, name: &str) -> bool {
    let text = body.trim_start_matches(['-', '.', '~', '_']).to_ascii_lowercase();
    let word: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
    let rest_is_number =
        text[word.len()..].chars().all(|c| c.is_ascii_digit() || ".-_".contains(c));
    let named_number = word.is_empty() && !text.is_empty() && word_of(name).is_some();
    rest_is_number && (PRERELEASE_WORDS.contains(&word.as_str()) || named_number)
}

/// Returns the word of a prerelease that a macro's name begins with: `rc` of `rcver`.
fn word_of(name: &str) -> Option<&'static str> {
    ["alpha", "beta", "rc"].into_iter().find(|word| name.starts_with(word))
}

/// Returns a prerelease as the macro's old text had it: with its punctuation, or as a bare number.
fn like(body: &str, name: &str, prerelease: &str) -> String {
    let bare = body.trim_start_matches(['-', '.', '~', '_']);
    let punctuation = &body[..body.len() - bare.len()];
    let is_number = bare.bytes().all(|b| b.is_ascii_digit());
    let number = word_of(&name.to_ascii_lowercase()).and_then(|word| prerelease.strip_prefix(word));
    match number.filter(|_| is_number) {
        Some(number) => format!("{punctuation}{}", number.trim_start_matches(['.', '-'])),
        None => format!("{punctuation}{}", prerelease.trim_start_matches(['-', '.', '~', '_'])),
    }
}
