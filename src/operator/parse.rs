//! Bytes to a checked operator config: document, shape, layers, rules.

use std::sync::LazyLock;

use serde_json::Value;

use super::check::{Desk, check};
use super::layers::Layers;
use super::secrets::Places;
use super::{Operator, file};
use crate::config::ConfigFaults;
use crate::config::document::Document;
use crate::config::faults::{Collector, Found, KeyPath};
use crate::config::parse::finish;
use crate::config::schema::schema_of;
use crate::config::shape::check_shape;
use crate::outcome::printable;

/// The usual name of the file.
pub const FILE_NAME: &str = "lockkeeper.yaml";

/// The schema, made once.
static SCHEMA: LazyLock<Value> = LazyLock::new(schema_of::<file::File>);

/// Returns the JSON Schema (2020-12) of the operator config.
pub fn schema() -> Value {
    SCHEMA.clone()
}

impl Operator {
    /// Parses and checks the bytes of a `lockkeeper.yaml`, with what stands in the environment and the flags, and
    /// reads the secrets that it names.
    ///
    /// # Errors
    /// Every fault that was found, each with its place.
    pub fn parse(bytes: &[u8], layers: &Layers, places: &Places) -> Result<Operator, ConfigFaults> {
        let places = Places { read_secrets: true, ..places.clone() };
        let (document, faults, operator) = read(bytes, layers, &places)?;
        finish(&document, faults, operator).map_err(named)
    }

    /// Checks all but the secrets, for a machine that has none of them.
    ///
    /// # Errors
    /// As [`Operator::parse`].
    pub fn check_without_secrets(
        bytes: &[u8],
        layers: &Layers,
        places: &Places,
    ) -> Result<(), ConfigFaults> {
        let places = Places { read_secrets: false, ..places.clone() };
        let (document, faults, _) = read(bytes, layers, &places)?;
        finish(&document, faults, Some(())).map_err(named)
    }

    /// Tells whether a file is meant as an operator config rather than as a branch config: by a key that only the
    /// one has.
    pub fn is_meant(bytes: &[u8]) -> bool {
        let Ok(document) = Document::read(bytes) else { return false };
        let has = |key: &str| document.root.get(key).is_some();
        !has("source") && !has("signing") && (has("instances") || has("hooks") || has("key"))
    }
}

fn named(faults: ConfigFaults) -> ConfigFaults {
    faults.of_file(FILE_NAME)
}

fn read<'t>(
    bytes: &'t [u8],
    layers: &Layers,
    places: &Places,
) -> Result<(Document<'t>, Collector, Option<Operator>), ConfigFaults> {
    let document = Document::read(bytes).map_err(named)?;
    let mut faults = Collector::default();
    let mut fitting = check_shape(&SCHEMA, &document, &mut faults);
    if let Value::Object(root) = &mut fitting {
        layers.apply(root, &mut faults);
    }
    let operator = match serde_json::from_value::<file::File>(fitting) {
        Ok(file) => check(file, &mut Desk { layers, places, faults: &mut faults }),
        Err(error) => {
            let words = printable(error.to_string(), 300);
            faults.add(Found::new("config-wrong-type", &KeyPath::default(), words));
            None
        }
    };
    Ok((document, faults, operator))
}
