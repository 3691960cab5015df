//! Bytes to a checked branch config: document, shape, rules.

use serde_json::Value;

use super::document::Document;
use super::faults::{Collector, ConfigFault, ConfigFaults, Found, KeyPath, MOST_FAULTS};
use super::schema::SCHEMA;
use super::shape::check_shape;
use super::{BranchConfig, check, file};
use crate::outcome::{Code, printable};

impl BranchConfig {
    /// Parses and checks the bytes of a `source-git.yaml`.
    ///
    /// Nothing of it is silently left out: an unknown key, a value of the wrong type or a text that breaks
    /// the rule of its kind is a fault (design, section 2).
    ///
    /// # Errors
    /// Every fault that was found, each with its place; a file that is no YAML, or of another version
    /// of the format, gives only that one.
    pub fn parse(bytes: &[u8]) -> Result<BranchConfig, ConfigFaults> {
        let document = Document::read(bytes)?;
        let mut faults = Collector::default();
        if let Some(fault) = other_version(&document.root) {
            faults.add(fault);
            return finish(&document, faults, None);
        }
        let fitting = check_shape(&SCHEMA, &document, &mut faults);
        let config = match serde_json::from_value::<file::File>(fitting) {
            Ok(file) => check::check(file, &mut faults),
            Err(error) => {
                let words = printable(error.to_string(), 300);
                faults.add(Found::new("config-wrong-type", &KeyPath::default(), words));
                None
            }
        };
        finish(&document, faults, config)
    }

    /// Tells whether both would publish the same from the same source: only the settings that the tree,
    /// the version, the release or the changelog depend on are compared.
    ///
    /// A rotated key, another target or another mention causes no publication (design, section 3).
    pub fn publication_settings_equal(&self, other: &BranchConfig) -> bool {
        self.population == other.population
            && self.spec == other.spec
            && self.tags == other.tags
            && self.release == other.release
            && self.packaging == other.packaging
            && self.tests == other.tests
            && self.changelog == other.changelog
    }
}

/// Returns the fault of a file of another version: its other keys are another program's to judge.
fn other_version(root: &Value) -> Option<Found> {
    let version = root.get("version")?.as_u64().filter(|version| *version != 1)?;
    let words = format!("is {version}, a format that this program does not know");
    let fault = Found::new("config-unknown-version", &KeyPath::of("version"), words);
    Some(fault.hint("this program reads `version: 1`"))
}

/// Returns the config where nothing was found at fault, else the faults with their places.
pub(crate) fn finish<T>(
    document: &Document<'_>,
    faults: Collector,
    config: Option<T>,
) -> Result<T, ConfigFaults> {
    let untold = faults.found.len().saturating_sub(MOST_FAULTS);
    let mut told = faults.found.into_iter().take(MOST_FAULTS).map(|found| placed(document, found));
    match (told.next(), config) {
        (None, Some(config)) => Ok(config),
        (Some(first), _) => Err(ConfigFaults::new(first, told.collect(), untold)),
        (None, None) => Err(ConfigFaults::single(
            "config-missing-key",
            None,
            "lacks a key that is required",
            "",
        )),
    }
}

/// Finds the place of a fault: its own, or the key of what it is missing in.
fn placed(document: &Document<'_>, found: Found) -> ConfigFault {
    let mut position = document.locate(&found.path, found.aim);
    if let (None, [above @ .., _]) = (position, found.path.0.as_slice()) {
        position = document.locate_above(above);
    }
    ConfigFault {
        code: Code(found.code),
        path: found.path.to_string(),
        position,
        words: found.words,
        hint: found.hint,
    }
}
