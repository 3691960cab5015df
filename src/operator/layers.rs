//! What the environment and the flags put in place of the file's values: file < environment < flags.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::config::faults::{Collector, Found, KeyPath};

/// The variables, and the key that each stands for.
///
/// Secrets are not among them: other processes of the machine can read a variable; one may name a secret's file.
pub const VARIABLES: [(&str, &str); 11] = [
    ("LOCKKEEPER_LISTEN", "listen"),
    ("LOCKKEEPER_PUBLIC_URL", "public_url"),
    ("LOCKKEEPER_DATA", "data"),
    ("LOCKKEEPER_DATABASE", "database"),
    ("LOCKKEEPER_DATABASE_PASSWORD_FILE", "database_password_file"),
    ("LOCKKEEPER_NODE", "node"),
    ("LOCKKEEPER_WORKERS", "workers"),
    ("LOCKKEEPER_DRAIN", "drain"),
    ("LOCKKEEPER_LEASE", "lease"),
    ("LOCKKEEPER_RECONCILE", "reconcile"),
    ("LOCKKEEPER_REINDEX", "reindex"),
];

/// Values that win over the file's.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// For each key: what it is given by, and the value. The last one counts.
    values: BTreeMap<&'static str, (&'static str, String)>,
}

impl Layers {
    /// Reads the variables by `look_up`; one that is empty counts as not set.
    pub fn from_environment(look_up: impl Fn(&str) -> Option<String>) -> Layers {
        let set = VARIABLES.into_iter().filter_map(|(variable, key)| {
            let value = look_up(variable).filter(|value| !value.is_empty())?;
            Some((key, (variable, value)))
        });
        Layers { values: set.collect() }
    }

    /// Adds what a flag says, where it was given; `key` is the config's name of it.
    #[must_use]
    pub fn flag(mut self, flag: &'static str, key: &'static str, value: Option<String>) -> Layers {
        if let Some(value) = value {
            self.values.insert(key, (flag, value));
        }
        self
    }

    /// Puts the values into a document that has its shape already.
    pub(super) fn apply(&self, root: &mut Map<String, Value>, faults: &mut Collector) {
        for (key, (_, text)) in &self.values {
            let value = match *key {
                "workers" => self.number(key, text, faults),
                _ => Some(Value::from(text.as_str())),
            };
            value.map(|value| root.insert((*key).to_owned(), value));
        }
    }

    fn number(&self, key: &str, text: &str, faults: &mut Collector) -> Option<Value> {
        let number = text.parse::<u32>().ok().filter(|number| (1..=256).contains(number));
        if number.is_none() {
            let words = "must be a whole number from 1 to 256";
            faults.add(Found::new("config-out-of-range", &self.path(key), words));
        }
        number.map(Value::from)
    }

    /// Returns how a fault names a key: by the variable or flag that gave it, else by its place in the file.
    pub(super) fn path(&self, key: &str) -> KeyPath {
        match self.values.get(key) {
            Some((origin, _)) => KeyPath::default().key(origin),
            None => KeyPath::of(key),
        }
    }
}
