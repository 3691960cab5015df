//! What is wrong with a branch config: every fault at once, each with its place.

use std::fmt;

use serde::Serialize;

use super::FILE_NAME;
use crate::outcome::{Code, Refusal, printable};

/// How many faults are told; a file with more is told to be read again after these.
pub(crate) const MOST_FAULTS: usize = 50;

/// A step from a node of the document to one below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The value of this key.
    Key(String),
    /// The item at this place, from 0.
    Index(usize),
}

/// The way from the root to a node, shown as `signing.keys[0].openpgp`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyPath(pub(crate) Vec<Step>);

impl KeyPath {
    /// Parses a path of this program's own making, such as `source.branch`.
    pub(crate) fn of(dotted: &str) -> Self {
        KeyPath(dotted.split('.').map(|key| Step::Key(key.to_owned())).collect())
    }

    /// Returns the path of the value of `key` below this one.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    /// Returns the path of the item `index` below this one.
    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        KeyPath(steps)
    }

    /// Tells whether `other` is this node or lies below it.
    fn covers(&self, other: &KeyPath) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if place == 0 => write!(f, "{}", printable(key, 60))?,
                Step::Key(key) => write!(f, ".{}", printable(key, 60))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Which part of a key and its value a fault points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// The key itself.
    Key,
    /// What stands behind it.
    Value,
}

/// A fault whose place in the text is still to be found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) code: &'static str,
    pub(crate) path: KeyPath,
    pub(crate) aim: Aim,
    pub(crate) words: String,
    pub(crate) hint: String,
}

impl Found {
    /// Returns a fault of the value at `path`.
    pub(crate) fn new(code: &'static str, path: &KeyPath, words: impl Into<String>) -> Self {
        let path = path.clone();
        Found { code, path, aim: Aim::Value, words: words.into(), hint: String::new() }
    }

    /// Adds what would make it pass.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Found { hint: hint.into(), ..self }
    }

    /// Points at the key instead of its value.
    #[must_use]
    pub(crate) fn at_key(self) -> Self {
        Found { aim: Aim::Key, ..self }
    }
}

/// Collects faults while a config is read.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    pub(crate) found: Vec<Found>,
}

impl Collector {
    /// Keeps a fault.
    pub(crate) fn add(&mut self, fault: Found) {
        self.found.push(fault);
    }

    /// Keeps the fault of a failed check and returns the value of one that passed.
    pub(crate) fn take<T>(&mut self, checked: Result<T, Found>) -> Option<T> {
        checked.map_err(|fault| self.add(fault)).ok()
    }

    /// Keeps a fault, unless something at or below its path was found at fault before: what is missing
    /// only because it was wrong is told once.
    pub(crate) fn add_unless_known(&mut self, fault: Found) {
        if !self.found.iter().any(|known| fault.path.covers(&known.path)) {
            self.add(fault);
        }
    }
}

/// A place in the file, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One thing that is wrong with a config file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigFault {
    /// The stable name of the fault, such as `config-unknown-key`.
    pub code: Code,
    /// The key it concerns, such as `signing.keys[0].openpgp`; empty: the file as a whole.
    pub path: String,
    /// Where it stands, where that is known.
    pub position: Option<Position>,
    /// What was found and which rule it breaks.
    pub words: String,
    /// What would make it pass; may be empty.
    pub hint: String,
}

/// Shows place, key and words, without the file's name.
impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.words)
    }
}

/// Everything that is wrong with a config file, in the order of the file; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigFaults {
    file: String,
    faults: Vec<ConfigFault>,
    untold: usize,
}

impl ConfigFaults {
    /// Returns faults in the order of the file, the first ones where there are very many.
    pub(crate) fn new(first: ConfigFault, rest: Vec<ConfigFault>, untold: usize) -> Self {
        let mut faults = vec![first];
        faults.extend(rest);
        faults.sort_by_key(|fault| fault.position);
        ConfigFaults { file: FILE_NAME.to_owned(), faults, untold }
    }

    /// Returns the one fault that kept the file from being read further.
    pub(crate) fn single(
        code: &'static str,
        position: Option<Position>,
        words: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (words, hint) = (words.into(), hint.into());
        let fault = ConfigFault { code: Code(code), path: String::new(), position, words, hint };
        ConfigFaults { file: FILE_NAME.to_owned(), faults: vec![fault], untold: 0 }
    }

    /// Calls the file by another name than `source-git.yaml`: that under which a person gave it.
    #[must_use]
    pub fn of_file(self, name: &str) -> Self {
        ConfigFaults { file: printable(name, 300), ..self }
    }

    /// Returns the faults.
    pub fn faults(&self) -> &[ConfigFault] {
        &self.faults
    }
}

/// Shows each fault on a line with file and place; of several, each with its hint below it.
impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, fault) in self.faults.iter().enumerate() {
            let newline = if place == 0 { "" } else { "\n" };
            let gap = if fault.position.is_some() { "" } else { " " };
            write!(f, "{newline}{}:{gap}{fault}", self.file)?;
            if self.faults.len() > 1 && !fault.hint.is_empty() {
                write!(f, "\n  {}", fault.hint)?;
            }
        }
        match self.untold {
            0 => Ok(()),
            untold => write!(f, "\n{}: and {untold} more", self.file),
        }
    }
}

impl std::error::Error for ConfigFaults {}

/// A refusal under the first fault's code that tells all of them.
impl From<ConfigFaults> for Refusal {
    fn from(faults: ConfigFaults) -> Refusal {
        let code = faults.faults.first().map_or("config-syntax", |fault| fault.code.0);
        let refusal = Refusal::config(code, faults.to_string());
        match faults.faults.as_slice() {
            [only] => refusal.hint(&only.hint),
            _ => refusal,
        }
    }
}
