//! How `%prep` unpacks the sources and applies the patches.

use std::ops::Range;

use super::SpecFile;
use super::directive::SectionKind;
use super::query::mentions;
use super::walk::{Activity, Step};

/// What applies the patches that the spec lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applier {
    /// `%autosetup`, which applies all of them.
    Autosetup {
        /// Its `-p`.
        level: PatchLevel,
        /// Its `-S`: `git`, `git_am`, …; `None` for `patch`.
        scm: Option<String>,
        /// The line, counted from 1.
        line: usize,
    },
    /// `%forgeautosetup`, which applies all of them.
    ForgeAutosetup {
        /// Its `-p`.
        level: PatchLevel,
        /// The line, counted from 1.
        line: usize,
    },
    /// `%autopatch`, which applies all of them or a range.
    Autopatch {
        /// Its `-p`, of the first one.
        level: PatchLevel,
        /// The lines, counted from 1.
        lines: Vec<usize>,
    },
    /// `%setup` (or `%autosetup -N`) with one `%patch` line for each.
    PatchLines {
        /// The lines, counted from 1; empty where there is no patch yet.
        lines: Vec<usize>,
    },
    /// Something else: the project's own script, or nothing.
    Unknown,
}

/// How many leading folders a patch's paths lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchLevel {
    /// `-pN`.
    Given(u32),
    /// No `-p`, or one that is not known: our patches need `-p1`.
    NotGiven,
}

/// An option of a macro such as `%autosetup`, with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MacroOption {
    /// The letter; `None` for a word that belongs to no option.
    pub letter: Option<char>,
    /// The word, or the option's value, as it stands.
    pub value: String,
    /// Where the value stands.
    pub at: Range<usize>,
    /// Where the option with its value stands.
    pub whole: Range<usize>,
}

/// Returns which of a macro's options take a value.
fn options_with_value(name: &str) -> &'static str {
    match name {
        "autopatch" => "pmM",
        "setup" | "autosetup" | "forgesetup" | "forgeautosetup" => "abnSpz",
        _ => "pPzFdo",
    }
}

/// Splits arguments into words; spaces inside `%{…}` and `%(…)` belong to the word, and the backslash that joins
/// two lines is none.
fn words(bytes: &[u8], range: Range<usize>) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let (mut start, mut depth) = (None, 0usize);
    for at in range.clone() {
        match bytes[at] {
            b'{' | b'(' => depth += 1,
            b'}' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = bytes[at].is_ascii_whitespace() && depth == 0;
        match (ends, start) {
            (true, Some(first)) => {
                words.push(first..at);
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    words.extend(start.map(|first| first..range.end));
    words.retain(|word| &bytes[word.clone()] != b"\\");
    words
}

impl SpecFile {
    /// Reads a step's options.
    pub(super) fn options(&self, step: &Step) -> Vec<MacroOption> {
        let takes_value = options_with_value(&step.name);
        let text = |range: &Range<usize>| super::macros::readable(&self.bytes[range.clone()]);
        let mut options = Vec::new();
        let mut words = words(&self.bytes, step.arguments.clone()).into_iter();
        while let Some(word) = words.next() {
            if !self.bytes[word.clone()].starts_with(b"-") || word.len() < 2 {
                let (value, whole) = (text(&word), word.clone());
                options.push(MacroOption { letter: None, value, at: word, whole });
                continue;
            }
            self.letters(word, takes_value, &mut words, &mut options);
        }
        options
    }

    /// Reads one word of letters, such as `-q`, `-qn` and `-p1`; a value may be the next word.
    fn letters(
        &self,
        word: Range<usize>,
        takes_value: &str,
        words: &mut impl Iterator<Item = Range<usize>>,
        options: &mut Vec<MacroOption>,
    ) {
        for at in word.start + 1..word.end {
            let letter = Some(char::from(self.bytes[at]));
            if !letter.is_some_and(|letter| takes_value.contains(letter)) {
                options.push(MacroOption {
                    letter,
                    value: String::new(),
                    at: at + 1..at + 1,
                    whole: word.clone(),
                });
                continue;
            }
            let rest = at + 1..word.end;
            let value = if rest.is_empty() { words.next().unwrap_or(rest) } else { rest };
            let text = super::macros::readable(&self.bytes[value.clone()]);
            let whole = word.start..value.end;
            options.push(MacroOption { letter, value: text, at: value, whole });
            return;
        }
    }

    /// Returns the steps of `%prep` that rpm may take.
    pub(super) fn readable_steps(&self) -> impl Iterator<Item = &Step> {
        self.walk.steps.iter().filter(|step| step.place.activity != Activity::Inactive)
    }

    /// Returns an option's value, expanded.
    pub(super) fn option_value(&self, option: &MacroOption) -> Option<String> {
        self.walk.macros.clone().expand(&option.value).with_dist().ok()
    }

    /// Returns a step's `-p`.
    pub(super) fn level(&self, step: &Step) -> PatchLevel {
        let options = self.options(step);
        let given = options.iter().find(|option| option.letter == Some('p'));
        let value = given.and_then(|option| self.option_value(option)?.parse().ok());
        value.map_or(PatchLevel::NotGiven, PatchLevel::Given)
    }

    /// Tells whether a step has an option.
    pub(super) fn has_option(&self, step: &Step, letter: char) -> bool {
        self.options(step).iter().any(|option| option.letter == Some(letter))
    }

    /// Tells whether a step applies every patch by itself: `%autosetup` without `-N`.
    pub(super) fn applies_all(&self, step: &Step) -> bool {
        matches!(step.name.as_str(), "autosetup" | "forgeautosetup") && !self.has_option(step, 'N')
    }

    /// Returns how the spec applies its patches.
    pub fn applier(&self) -> Applier {
        let steps: Vec<&Step> = self.readable_steps().collect();
        if self.hands_patches_to_a_script() || steps.is_empty() {
            return Applier::Unknown;
        }
        if let Some(step) = steps.iter().find(|step| self.applies_all(step)) {
            return self.applier_of_all(step);
        }
        let lines_of = |wanted: &dyn Fn(&str) -> bool| -> Vec<usize> {
            let steps = steps.iter().filter(|step| wanted(&step.name));
            steps.map(|step| step.place.line + 1).collect()
        };
        match steps.iter().find(|step| step.name == "autopatch") {
            Some(first) => {
                let lines = lines_of(&|name| name == "autopatch");
                Applier::Autopatch { level: self.level(first), lines }
            }
            None => Applier::PatchLines { lines: lines_of(&|name| name.starts_with("patch")) },
        }
    }

    fn applier_of_all(&self, step: &Step) -> Applier {
        let (level, line) = (self.level(step), step.place.line + 1);
        if step.name == "forgeautosetup" {
            return Applier::ForgeAutosetup { level, line };
        }
        let options = self.options(step);
        let scm = options.iter().find(|option| option.letter == Some('S'));
        let scm = scm.map(|option| option.value.clone()).filter(|scm| scm != "patch");
        Applier::Autosetup { level, scm, line }
    }

    /// Tells whether `%prep` hands the list of patches to a command of its own.
    pub(super) fn hands_patches_to_a_script(&self) -> bool {
        let sections =
            self.walk.sections.iter().filter(|section| section.kind == SectionKind::Prep);
        let mut lines = sections.flat_map(|section| section.place.line..section.end);
        lines.any(|line| {
            let text = self.line_text(line);
            !text.trim_start().starts_with('#')
                && (mentions(&text, "patches") || mentions(&text, "PATCHES"))
        })
    }
}
