//! A payload, read leniently: what is not there, or of another type, is not there.

use serde_json::Value;

use super::notice::{Reference, RepositoryHint};
use crate::names::{BranchName, ObjectId};

/// How long a comment is kept; commands are its first words.
const LONGEST_COMMENT: usize = 64 * 1024;

/// How many addresses of a repository are kept.
const MOST_URLS: usize = 8;

/// A JSON object from outside.
#[derive(Debug)]
pub(super) struct Payload(Value);

impl Payload {
    /// Reads a body.
    pub(super) fn read(body: &[u8]) -> Result<Payload, &'static str> {
        match serde_json::from_slice(body) {
            Ok(value @ Value::Object(_)) => Ok(Payload(value)),
            Ok(_) => Err("its payload is no JSON object"),
            Err(_) => Err("its payload is no JSON"),
        }
    }

    /// Takes a part of a payload for one.
    pub(super) fn of(part: &Value) -> Payload {
        Payload(part.clone())
    }

    /// Returns what stands at a dotted path.
    pub(super) fn at(&self, path: &str) -> &Value {
        at(&self.0, path)
    }

    /// Returns text that is not empty.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        text(&self.0, path)
    }

    /// Returns a whole number.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.at(path).as_u64()
    }

    /// Tells whether `true` stands there.
    pub(super) fn says(&self, path: &str) -> bool {
        self.at(path).as_bool().unwrap_or(false)
    }

    /// Returns an object id; none for one of zeros, which means "no object".
    pub(super) fn id(&self, path: &str) -> Option<ObjectId> {
        id(self.text(path)?)
    }

    /// Returns a branch name.
    pub(super) fn branch(&self, path: &str) -> Option<BranchName> {
        self.text(path)?.parse().ok()
    }

    /// Returns the text of a comment, cut where it is very long.
    pub(super) fn comment(&self, path: &str) -> Option<String> {
        let text = self.text(path)?;
        let end = text.floor_char_boundary(LONGEST_COMMENT);
        Some(text[..end].to_owned())
    }

    /// Returns the items of a list; none where there is no list.
    pub(super) fn items(&self, path: &str) -> &[Value] {
        self.at(path).as_array().map_or(&[], Vec::as_slice)
    }

    /// Returns the names of labels, at `key` of each item of a list.
    pub(super) fn names(&self, path: &str, key: &str) -> Vec<String> {
        let items = self.items(path).iter();
        items.filter_map(|item| text(item, key).map(str::to_owned)).collect()
    }

    /// Returns the addresses at these keys below `path`.
    pub(super) fn repository(&self, path: &str, keys: &[&str]) -> RepositoryHint {
        let object = self.at(path);
        let found = keys.iter().filter_map(|key| text(object, key));
        RepositoryHint { urls: found.take(MOST_URLS).map(str::to_owned).collect() }
    }
}

/// Returns what stands at a dotted path below `value`; null where nothing does.
pub(super) fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(value, |value, key| &value[key])
}

/// Returns text that is not empty at a dotted path below `value`.
pub(super) fn text<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    at(value, path).as_str().filter(|text| !text.is_empty())
}

/// Reads an object id, SHA-1 or SHA-256; none for one of zeros, or for what is no id.
pub(super) fn id(text: &str) -> Option<ObjectId> {
    text.parse().ok().filter(|id: &ObjectId| !id.is_zero())
}

/// Reads a full reference name; none for what is neither branch nor tag, such as `refs/pull/1/head`.
pub(super) fn reference(full: &str) -> Option<Reference> {
    if let Some(branch) = full.strip_prefix("refs/heads/") {
        return branch.parse().ok().map(Reference::Branch);
    }
    full.strip_prefix("refs/tags/")?.parse().ok().map(Reference::Tag)
}

/// Reads a short name and the word for what it is.
pub(super) fn typed_reference(name: &str, kind: &str) -> Option<Reference> {
    match kind {
        "branch" => name.parse().ok().map(Reference::Branch),
        "tag" => name.parse().ok().map(Reference::Tag),
        _ => None,
    }
}
