//! Bytes to a plain document: what YAML alone can get wrong, and where a node stands in the text.
//!
//! The file comes from a branch that many people can push to, so it is small (64 KiB), is text, has
//! one document, no key twice, no tags, and few nodes even after aliases are followed.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};

use super::faults::{Aim, ConfigFaults, KeyPath, Position, Step};
use crate::outcome::printable;

/// The largest file that is read.
pub(crate) const LARGEST_FILE: usize = 64 * 1024;

/// How many values a document may have. The longest sensible file has fewer than a thousand; aliases can
/// multiply them, and finding a value's place costs a reading of the file.
const MOST_VALUES: usize = 3000;

/// A YAML document as plain values, with the text that it was read from.
pub(crate) struct Document<'t> {
    text: &'t str,
    /// The outermost value.
    pub(crate) root: Value,
}

impl<'t> Document<'t> {
    /// Reads the bytes of a file.
    pub(crate) fn read(bytes: &'t [u8]) -> Result<Self, ConfigFaults> {
        let text = text_of(bytes)?;
        let nodes = Cell::new(0);
        let read = Nodes { count: &nodes }.deserialize(serde_yaml::Deserializer::from_str(text));
        match read {
            Ok(root) => Ok(Document { text, root }),
            Err(error) => Err(syntax_fault(&error)),
        }
    }

    /// Returns where a node or its key stands.
    ///
    /// The parser tells a place only with an error: so the document is read again by a reader that
    /// follows `path` and fails there.
    pub(crate) fn locate(&self, path: &KeyPath, aim: Aim) -> Option<Position> {
        let seek = Seek { steps: &path.0, aim };
        let error = seek.deserialize(serde_yaml::Deserializer::from_str(self.text)).err()?;
        position_of(&error)
    }

    /// Returns where the key of the mapping at `steps` stands, or the mapping itself in a list.
    pub(crate) fn locate_above(&self, steps: &[Step]) -> Option<Position> {
        let path = KeyPath(steps.to_vec());
        match steps.last()? {
            Step::Key(_) => self.locate(&path, Aim::Key),
            Step::Index(_) => self.locate(&path, Aim::Value),
        }
    }

    /// Returns the text of a plain scalar without spaces as it was written; quoted ones keep their quote.
    pub(crate) fn written(&self, path: &KeyPath) -> Option<String> {
        let Position { line, column } = self.locate(path, Aim::Value)?;
        let line = self.text.lines().nth(line - 1)?;
        let ends = |c: char| c.is_whitespace() || ",]}".contains(c);
        Some(line.chars().skip(column - 1).take_while(|c| !ends(*c)).collect())
    }
}

/// Returns the bytes as text that YAML and a terminal can show.
fn text_of(bytes: &[u8]) -> Result<&str, ConfigFaults> {
    if bytes.len() > LARGEST_FILE {
        let words = format!("has {} bytes; at most {LARGEST_FILE} are read", bytes.len());
        return Err(ConfigFaults::single("config-too-large", None, words, ""));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let place = place_after(&String::from_utf8_lossy(&bytes[..error.valid_up_to()]));
        not_text(place, "is not UTF-8 here")
    })?;
    match text.find(|c: char| c.is_control() && !"\n\r\t".contains(c)) {
        None => Ok(text),
        Some(at) => Err(not_text(place_after(&text[..at]), "has a control character")),
    }
}

fn not_text(place: Position, words: &str) -> ConfigFaults {
    ConfigFaults::single("config-not-text", Some(place), words, "save the file as plain UTF-8 text")
}

/// Returns the place of the character that follows `before`.
fn place_after(before: &str) -> Position {
    let last_line = before.rsplit('\n').next().unwrap_or_default();
    Position { line: before.matches('\n').count() + 1, column: last_line.chars().count() + 1 }
}

fn position_of(error: &serde_yaml::Error) -> Option<Position> {
    let location = error.location()?;
    Some(Position { line: location.line(), column: location.column() })
}

/// Puts an error of the YAML parser, or of [`Nodes`], into words.
fn syntax_fault(error: &serde_yaml::Error) -> ConfigFaults {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or(&said);
    let (code, words, hint) = match said {
        _ if said.contains(KEY_TWICE) => {
            let words = said.split_once(KEY_TWICE).map_or(said, |(_, words)| words);
            ("config-duplicate-key", words.to_owned(), "keep one of the two")
        }
        _ if said.contains("more than one document") => (
            "config-syntax",
            "has more than one YAML document".to_owned(),
            "remove the second `---`",
        ),
        _ if said.contains("unknown anchor") || said.contains("alphabetic or numeric") => (
            "config-syntax",
            "is no YAML: what begins with `*` or `&` is an alias or its anchor".to_owned(),
            "put a glob that begins with `*` in quotes",
        ),
        _ if said.contains(TOO_MANY_VALUES) || said.contains("repetition limit") => (
            "config-too-large",
            TOO_MANY_VALUES.to_owned(),
            "shorten it, and write values out instead of using aliases",
        ),
        _ => (
            "config-syntax",
            format!("is no YAML that is read here: {}", printable(said, 300)),
            "",
        ),
    };
    ConfigFaults::single(code, position_of(error), words, hint)
}

const KEY_TWICE: &str = "key given twice: ";
const TOO_MANY_VALUES: &str = "has more than 3000 values, those behind aliases counted each time";

/// Reads any node as a plain value, and counts nodes.
#[derive(Clone, Copy)]
struct Nodes<'c> {
    count: &'c Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Nodes<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count.set(self.count.get() + 1);
        match self.count.get() > MOST_VALUES {
            true => Err(D::Error::custom(TOO_MANY_VALUES)),
            false => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Nodes<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, true, false, a list or a mapping, without a tag")
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::from(value as f64))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::from(value as f64))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        let finite = if value.is_finite() { value } else { f64::MAX };
        Ok(Value::from(finite))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Value, A::Error> {
        let mut seen = HashSet::new();
        let mut entries = Map::new();
        while let Some(key) = mapping.next_key_seed(NewKey { seen: &mut seen })? {
            let value = mapping.next_value_seed(self)?;
            entries.insert(key, value);
        }
        Ok(Value::Object(entries))
    }
}

/// Reads a key that is text and was not seen before in its mapping.
struct NewKey<'s> {
    seen: &'s mut HashSet<String>,
}

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NewKey<'_> {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text")
    }
    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<String, E> {
        match self.seen.insert(key.to_owned()) {
            true => Ok(key.to_owned()),
            false => {
                Err(E::custom(format!("{KEY_TWICE}the key `{}` stands twice", printable(key, 60))))
            }
        }
    }
}

/// Follows a path and fails at its end, so that the error carries the place.
struct Seek<'p> {
    steps: &'p [Step],
    aim: Aim,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.steps {
            [] => deserializer.deserialize_any(Nowhere),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the next step of the path")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let [Step::Index(index), below @ ..] = self.steps else { return Ok(()) };
        for _ in 0..*index {
            list.next_element::<IgnoredAny>()?;
        }
        list.next_element_seed(Seek { steps: below, aim: self.aim })?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<(), A::Error> {
        let [Step::Key(key), below @ ..] = self.steps else { return Ok(()) };
        let fail = below.is_empty() && self.aim == Aim::Key;
        while let Some(is_it) = mapping.next_key_seed(SoughtKey { key, fail })? {
            match is_it {
                true => mapping.next_value_seed(Seek { steps: below, aim: self.aim })?,
                false => drop(mapping.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Tells whether a key is the sought one; fails on it where the key itself is the end of the path.
struct SoughtKey<'p> {
    key: &'p str,
    fail: bool,
}

impl<'de> DeserializeSeed<'de> for SoughtKey<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SoughtKey<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text")
    }
    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<bool, E> {
        match key == self.key {
            true if self.fail => Err(E::custom("the sought key")),
            is_it => Ok(is_it),
        }
    }
}

/// Takes no value at all: any node is an error, and the error carries its place.
struct Nowhere;

impl Visitor<'_> for Nowhere {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}
