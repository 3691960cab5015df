//! Names of images: what a branch may write, and what a run is pinned to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::NameError;

/// A container image as a branch names it: `REGISTRY[:PORT]/PATH[:TAG][@sha256:DIGEST]`.
///
/// Rule: the registry is named, because which one a short name means depends on the machine. It has a dot or a
/// port, or is `localhost`, as engines tell a registry from a path. At most 500 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference {
    name: String,
    tag: Option<String>,
    digest: Option<ImageDigest>,
}

impl ImageReference {
    /// Returns registry and path, without tag and digest.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the digest that it is pinned to.
    pub fn digest(&self) -> Option<&ImageDigest> {
        self.digest.as_ref()
    }

    /// Returns the same image, pinned.
    pub(super) fn with_digest(&self, digest: &ImageDigest) -> ImageReference {
        ImageReference { digest: Some(digest.clone()), ..self.clone() }
    }

    /// Tells whether the image is of this machine alone: `localhost/…`, without a port.
    pub fn is_local(&self) -> bool {
        self.name.starts_with("localhost/")
    }

    /// Returns how an engine is asked for it: by digest where there is one, a tag beside it left out.
    pub(super) fn asked_for(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("{}@{digest}", self.name),
            (None, Some(tag)) => format!("{}:{tag}", self.name),
            (None, None) => format!("{}:latest", self.name),
        }
    }
}

impl FromStr for ImageReference {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why: &str| Err(NameError::new("container image", text, why));
        if text.len() > 500 {
            return refuse("is longer than 500 bytes");
        }
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        let Ok(digest) = digest.map(str::parse).transpose() else {
            return refuse("has a digest that is not sha256: and 64 lower-case hex digits");
        };
        let Some((registry, rest)) = named.split_once('/') else {
            return refuse("does not name its registry");
        };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if !is_registry(registry) {
            return refuse("does not begin with the host of a registry");
        }
        if !path.split('/').all(is_component) {
            let words =
                "has a path that is not lower-case letters, digits and . _ - between slashes";
            return refuse(words);
        }
        match tag.is_none_or(is_tag) {
            true => {
                let (name, tag) = (format!("{registry}/{path}"), tag.map(str::to_owned));
                Ok(ImageReference { name, tag, digest })
            }
            false => refuse("has a tag that is not letters, digits and . _ -"),
        }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

impl TryFrom<String> for ImageReference {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ImageReference> for String {
    fn from(image: ImageReference) -> String {
        image.to_string()
    }
}

/// The digest of an image: `sha256:` and 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageDigest(String);

impl ImageDigest {
    /// Returns the text, with `sha256:` in front.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageDigest {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let hex = text.strip_prefix("sha256:");
        match hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(is_hex)) {
            true => Ok(ImageDigest(text.to_owned())),
            false => Err(NameError::new(
                "image digest",
                text,
                "is not sha256: and 64 lower-case hex digits",
            )),
        }
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ImageDigest {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ImageDigest> for String {
    fn from(digest: ImageDigest) -> String {
        digest.0
    }
}

/// An image that is on this machine under a digest: what runs, and what a publication's trailer records.
///
/// Only [`super::Engine::resolve`] makes one. Written `NAME@sha256:DIGEST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedImage {
    pub(super) name: String,
    pub(super) digest: ImageDigest,
    /// What the engine runs it by: the image's id, a hash of its content too.
    pub(super) runs_by: String,
}

impl PinnedImage {
    /// Returns registry and path, without tag and digest.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the digest.
    pub fn digest(&self) -> &ImageDigest {
        &self.digest
    }
}

impl fmt::Display for PinnedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.digest)
    }
}

/// Tells whether this is a host, with a dot, a port or the name localhost, as container tools tell it
/// from a path.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    host.split('.').all(is_label)
        && port.is_none_or(is_port)
        && (host.contains('.') || port.is_some() || host == "localhost")
}

fn is_component(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().next().is_some_and(is_word)
        && text.bytes().last().is_some_and(is_word)
        && text.bytes().all(|b| is_word(b) || b"._-".contains(&b))
}

fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|b| is_word(b) || b".-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn an_image_is_asked_for_by_digest_where_it_has_one() {
        for (text, asked_for, is_local) in [
            ("r.example/ns/a", "r.example/ns/a:latest".to_owned(), false),
            ("r.example:5000/a:1.2", "r.example:5000/a:1.2".to_owned(), false),
            ("localhost/a:x", "localhost/a:x".to_owned(), true),
            ("localhost:5000/a", "localhost:5000/a:latest".to_owned(), false),
            (&format!("r.example/a@sha256:{HEX}"), format!("r.example/a@sha256:{HEX}"), false),
            (
                &format!("r.example/a:1@sha256:{HEX}"),
                format!("r.example/a@sha256:{HEX}"),
                false,
            ),
        ] {
            let image: ImageReference = text.parse().unwrap();
            assert_eq!((image.asked_for(), image.is_local()), (asked_for, is_local), "{text}");
            assert_eq!(image.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let long = format!("r.example/{}", "a".repeat(500));
        for text in [
            "",
            "fedora",
            "ns/fedora",
            "r.example/UP",
            "r.example/a@sha256:12",
            &format!("r.example/a@sha512:{HEX}"),
            &format!("r.example/a@sha256:{}", HEX.to_uppercase()),
            "r.example/a:-x",
            "r.example/a:1:2",
            "--privileged/a",
            "-r.example/a",
            "r.example/-a",
            "r.example/a b",
            "r.example//a",
            "r.example/../a",
            "r.example:0/a",
            &long,
        ] {
            assert!(text.parse::<ImageReference>().is_err(), "{text}");
        }
    }
}
