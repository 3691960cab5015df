//! The shape of a document against the schema: keys, types, choices and counts.
//!
//! This is the part of JSON Schema that our own schema uses, told in words for the person who wrote the
//! file. What does not fit is taken out of the document, so that the rest can still be checked: an
//! entry of a mapping alone, a text of a list together with its list.

use serde_json::{Map, Value};

use super::document::Document;
use super::faults::{Collector, Found, KeyPath};
use crate::outcome::printable;

/// Checks a document against `schema`; returns it without what does not fit.
pub(crate) fn check_shape(
    schema: &Value,
    document: &Document<'_>,
    faults: &mut Collector,
) -> Value {
    let mut root = document.root.clone();
    let root_path = KeyPath::default();
    if root.is_null() {
        let fault = Found::new("config-missing-key", &root_path, "is empty");
        let required = schema["required"].as_array().into_iter().flatten();
        let required: Vec<&str> = required.filter_map(Value::as_str).collect();
        faults.add(fault.hint(format!("write at least {}", required.join(", "))));
        return Value::Object(Map::new());
    }
    let mut walk = Walk { document, faults, looks_left: MOST_LOOKS };
    let fits = walk.node(schema, &mut root, &root_path);
    if fits { root } else { Value::Object(Map::new()) }
}

/// How often the walk looks up how a value was written, which costs a reading of the file each time. It is
/// for better words only: where there are more such values, the words do without.
const MOST_LOOKS: usize = 100;

struct Walk<'w, 't> {
    document: &'w Document<'t>,
    faults: &'w mut Collector,
    looks_left: usize,
}

impl Walk<'_, '_> {
    /// Checks a node, and tells whether it may stay.
    fn node(&mut self, schema: &Value, node: &mut Value, path: &KeyPath) -> bool {
        self.take_fingerprint_as_text(schema, node, path);
        if !types_of(schema).contains(&type_of(node)) {
            let fault = self.wrong_type(schema, node, path);
            self.faults.add(fault);
            return false;
        }
        match node {
            Value::Object(entries) => self.mapping(schema, entries, path),
            Value::Array(items) => self.list(schema, items, path),
            Value::String(text) => self.text(schema, text, path),
            Value::Number(_) | Value::Bool(_) => self.plain(schema, node, path),
            Value::Null => false,
        }
    }

    /// Reads a fingerprint of digits alone as the text it was written as, not as a number.
    fn take_fingerprint_as_text(&self, schema: &Value, node: &mut Value, path: &KeyPath) {
        if schema["format"] == "openpgp-fingerprint" && node.is_number() {
            *node = Value::from(self.document.written(path).unwrap_or_default());
        }
    }

    /// Checks the entries of a mapping; those that do not fit are taken out, the mapping itself stays.
    fn mapping(
        &mut self,
        schema: &Value,
        entries: &mut Map<String, Value>,
        path: &KeyPath,
    ) -> bool {
        let known = schema["properties"].as_object();
        entries.retain(|key, value| {
            let path = path.key(key);
            match known.and_then(|known| known.get(key)) {
                Some(schema) => self.node(schema, value, &path),
                None if schema["additionalProperties"].is_object() => {
                    self.node(&schema["additionalProperties"], value, &path)
                }
                None => {
                    self.faults.add(unknown_key(key, &path, known));
                    false
                }
            }
        });
        self.missing_keys(schema, entries, path);
        true
    }

    /// Adds a fault for each required key that was not written at all.
    fn missing_keys(&mut self, schema: &Value, entries: &Map<String, Value>, path: &KeyPath) {
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !entries.contains_key(key) {
                self.faults.add_unless_known(missing_key(schema, key, path));
            }
        }
    }

    /// Checks the items of a list, and tells whether it may stay; a mapping in it that does not fit stays as an
    /// empty one, so that the others keep their places.
    fn list(&mut self, schema: &Value, items: &mut [Value], path: &KeyPath) -> bool {
        let count = items.len() as u64;
        if let Some(fault) = count_fault(schema, count, path) {
            self.faults.add(fault);
            return false;
        }
        let holds_mappings = schema["items"]["type"] == "object";
        let mut may_stay = true;
        for (index, item) in items.iter_mut().enumerate() {
            match self.node(&schema["items"], item, &path.index(index)) {
                true => {}
                false if holds_mappings => *item = Value::Object(Map::new()),
                false => may_stay = false,
            }
        }
        may_stay
    }

    fn text(&mut self, schema: &Value, text: &str, path: &KeyPath) -> bool {
        let choices = choices_of(schema);
        if !choices.is_empty() && !choices.contains(&text) {
            self.faults.add(unknown_choice(text, &choices, path));
            return false;
        }
        let is_free = choices.is_empty() && schema["format"] != "openpgp-fingerprint";
        if is_free && reads_otherwise_elsewhere(text) && self.is_plain(path) {
            let words = format!("`{text}` without quotes is no text to many YAML readers");
            let fault = Found::new("config-wrong-type", path, words);
            self.faults.add(fault.hint(format!("put it in quotes: \"{text}\"")));
            return false;
        }
        true
    }

    fn is_plain(&mut self, path: &KeyPath) -> bool {
        let written = self.written(path);
        !written.is_empty() && !written.starts_with(['"', '\'', '|', '>'])
    }

    /// Returns how a value was written; nothing where that was looked up too often.
    fn written(&mut self, path: &KeyPath) -> String {
        self.looks_left = self.looks_left.saturating_sub(1);
        match self.looks_left {
            0 => String::new(),
            _ => self.document.written(path).unwrap_or_default(),
        }
    }

    /// Checks a number or a truth value: the one allowed value, or a range.
    fn plain(&mut self, schema: &Value, node: &Value, path: &KeyPath) -> bool {
        let fault = match (&schema["const"], node.as_f64()) {
            (Value::Null, Some(number)) => range_fault(schema, number, path),
            (Value::Null, None) => None,
            (only, _) if only == node => None,
            (only, _) => Some(Found::new("config-out-of-range", path, format!("must be {only}"))),
        };
        let fits = fault.is_none();
        fault.into_iter().for_each(|fault| self.faults.add(fault));
        fits
    }

    /// Says which type was wanted and which was found, and how the value would be written.
    fn wrong_type(&mut self, schema: &Value, node: &Value, path: &KeyPath) -> Found {
        let wanted = types_of(schema);
        let written = self.written(path);
        let names: Vec<&str> = wanted.iter().map(|name| type_words(name)).collect();
        let found = match node {
            Value::Null => "nothing".to_owned(),
            Value::Number(_) | Value::Bool(_) if !written.is_empty() => {
                format!("{} (`{}`)", type_words(type_of(node)), printable(&written, 60))
            }
            _ => type_words(type_of(node)).to_owned(),
        };
        let words = format!("must be {}, and is {found}", names.join(" or "));
        let fault = Found::new("config-wrong-type", path, words);
        fault.hint(type_hint(&wanted, node, &printable(&written, 60)))
    }
}

/// Returns how a value of the wrong type would be written; empty where that cannot be known.
fn type_hint(wanted: &[&str], node: &Value, written: &str) -> String {
    match (wanted, node) {
        (_, Value::Null) => "write a value, or leave the key out".to_owned(),
        (["boolean"], Value::String(_)) => "write true or false, without quotes".to_owned(),
        (["integer"], Value::String(_)) => "write the number without quotes".to_owned(),
        (["array"], Value::String(_) | Value::Number(_) | Value::Bool(_)) => {
            "write [a, b], or one `- item` a line".to_owned()
        }
        (["object"], _) => "write `key: value` lines below it".to_owned(),
        (_, Value::Number(_) | Value::Bool(_)) if wanted.contains(&"string") => {
            match written.is_empty() {
                true => "put it in quotes".to_owned(),
                false => format!("put it in quotes: \"{written}\""),
            }
        }
        _ => String::new(),
    }
}

/// Returns the type names that a schema takes; choices without a type are text.
fn types_of(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => vec!["string"],
    }
}

fn type_of(node: &Value) -> &'static str {
    match node {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn type_words(name: &str) -> &'static str {
    match name {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        "array" => "a list",
        "object" => "a mapping of keys to values",
        _ => "nothing",
    }
}

/// Returns the texts that a schema of choices takes; none: any text.
fn choices_of(schema: &Value) -> Vec<&str> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let described = schema["oneOf"].as_array().into_iter().flatten();
    let described = described.flat_map(|choice| match &choice["enum"] {
        Value::Array(several) => several.iter().collect(),
        _ => vec![&choice["const"]],
    });
    listed.chain(described).filter_map(Value::as_str).collect()
}

/// Tells whether YAML 1.1 readers take this text for a truth value or a number.
fn reads_otherwise_elsewhere(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let is_truth = matches!(lower.as_str(), "y" | "n" | "yes" | "no" | "on" | "off");
    is_truth || (text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit() || b == b'_'))
}

/// Returns the fault of a key that the schema does not know, with the nearest one that it does.
fn unknown_key(key: &str, path: &KeyPath, known: Option<&Map<String, Value>>) -> Found {
    let fault = Found::new("config-unknown-key", path, "is no key that is known here").at_key();
    let known: Vec<&str> = known.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    match nearest(key, &known) {
        _ if key == "<<" => fault.hint("merge keys are not used here: write the keys out"),
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault.hint(format!("known here: {}", known.join(", "))),
    }
}

fn unknown_choice(text: &str, choices: &[&str], path: &KeyPath) -> Found {
    let words = format!("must be one of {}, and is `{}`", choices.join(", "), printable(text, 60));
    let fault = Found::new("config-unknown-value", path, words);
    match nearest(text, choices) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault,
    }
}

/// Returns the candidate that was most likely meant, where one is near enough.
fn nearest<'c>(text: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let text: String = text.chars().take(60).collect::<String>().to_lowercase().replace('_', "-");
    let near = |candidate: &&str| strsim::damerau_levenshtein(&text, &candidate.replace('_', "-"));
    let best = candidates.iter().copied().min_by_key(near)?;
    let allowed = (text.chars().count().max(best.len()) / 3).max(1);
    (near(&best) <= allowed).then_some(best)
}

fn missing_key(schema: &Value, key: &str, path: &KeyPath) -> Found {
    let fault = Found::new("config-missing-key", &path.key(key), "is required and is not there");
    let what = schema["properties"][key]["description"].as_str().unwrap_or_default();
    match key {
        "keys" => Found { code: "config-no-keys", ..fault }.hint(LIST_A_KEY),
        _ => fault.hint(format!("`{key}`: {what}")),
    }
}

const LIST_A_KEY: &str = "list the keys of those who may sign, such as `- openpgp: FINGERPRINT`; \
                          with none, nothing could ever be published";

/// Returns the fault of a list that has too few or too many items.
fn count_fault(schema: &Value, count: u64, path: &KeyPath) -> Option<Found> {
    let least = schema["minItems"].as_u64().unwrap_or(0);
    let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
    let keys = path.to_string().ends_with("keys");
    let code = |for_keys| if keys { for_keys } else { "config-out-of-range" };
    if count < least {
        let fault = Found::new(code("config-no-keys"), path, "has no item and needs at least one");
        return Some(if keys { fault.hint(LIST_A_KEY) } else { fault });
    }
    let words = format!("has {count} items; at most {most} are taken");
    (count > most).then(|| Found::new(code("config-too-many-keys"), path, words))
}

fn range_fault(schema: &Value, number: f64, path: &KeyPath) -> Option<Found> {
    let least = schema["minimum"].as_f64().unwrap_or(f64::MIN);
    let most = schema["maximum"].as_f64().unwrap_or(f64::from(u32::MAX));
    let words = format!("is {number} and must be from {least} to {most}");
    (!(least..=most).contains(&number)).then(|| Found::new("config-out-of-range", path, words))
}
