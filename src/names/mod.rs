//! Names of things: parse or refuse, then trust.
//!
//! Each type here can only hold a value that keeps its rule, and the rule's source stands in the
//! type's documentation. None of them talks to git, a file or the network.

mod repository;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use repository::RepositoryAddress;
pub use service::{DeliveryId, ForgeName, HookName, InstanceName, NodeName};

/// Says that a text is not a legal name of its kind, and why.
///
/// The text itself is quoted with its control characters escaped, because it may come from a
/// stranger and end on a terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} {why}")]
pub struct NameError {
    /// What the text was meant to be, such as `package name`.
    pub kind: &'static str,
    /// The text, cut to 200 characters.
    pub text: String,
    /// The rule that it breaks, as the rest of a sentence.
    pub why: String,
}

impl NameError {
    /// Returns an error for `text`, which was meant to be a `kind` and breaks the rule `why`.
    pub fn new(kind: &'static str, text: &str, why: impl Into<String>) -> Self {
        NameError { kind, text: text.chars().take(200).collect(), why: why.into() }
    }
}

/// Gives a checked string type its plain traits; the rule itself is the type's `FromStr`.
macro_rules! checked_string {
    ($name:ident) => {
        impl $name {
            /// Returns the checked text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

// Below the macro that it uses.
mod service;

/// A package of the distribution, such as `hello`.
///
/// Rule: `[A-Za-z0-9][A-Za-z0-9._+-]*`, at most 128 bytes, no `.git` or `.lock` at the end. This is what
/// rpm takes as a Name, narrowed by what is one safe path component in a lookaside address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(String);
checked_string!(PackageName);

impl FromStr for PackageName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why: &str| Err(NameError::new("package name", text, why));
        if text.is_empty() {
            return refuse("is empty");
        }
        if text.len() > 128 {
            return refuse("is longer than 128 bytes");
        }
        if !text.as_bytes()[0].is_ascii_alphanumeric() {
            return refuse("does not begin with a letter or digit");
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b)) {
            return refuse("has a character other than letters, digits and . _ + -");
        }
        if text.ends_with(".git") || text.ends_with(".lock") || text.contains("..") {
            return refuse("ends in .git or .lock, or has two dots in a row");
        }
        Ok(PackageName(text.to_owned()))
    }
}

/// A file in the lookaside cache and in `sources`, such as `hello-1.2.tar.gz`.
///
/// Rule: one path component without slash, backslash, space, parenthesis or control character, and
/// without a leading dot or dash. The BSD form of `sources` cannot carry the others, and a name
/// such as `.git` or `..` there has been a way to run code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);
checked_string!(FileName);

impl FromStr for FileName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why: &str| Err(NameError::new("file name", text, why));
        if text.is_empty() || text.len() > 255 {
            return refuse("is empty or longer than 255 bytes");
        }
        if text.starts_with(['.', '-']) {
            return refuse("begins with a dot or a dash");
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || "/\\()".contains(c)) {
            return refuse("has a slash, backslash, space, parenthesis or control character");
        }
        Ok(FileName(text.to_owned()))
    }
}

/// Returns why `text` is not a legal git reference name below `refs/heads/` or `refs/tags/`.
///
/// Rules of `git check-ref-format`, and no leading dash, which `git` would read as an option.
fn reference_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("is empty");
    }
    if text.len() > 1000 {
        return Some("is longer than 1000 bytes");
    }
    if text.starts_with('-') {
        return Some("begins with a dash");
    }
    if text.bytes().any(|b| b < 0x20 || b == 0x7f || b" ~^:?*[\\".contains(&b)) {
        return Some("has a space, a control character or one of ~ ^ : ? * [ \\");
    }
    if text.contains("..") || text.contains("@{") || text == "@" {
        return Some("has `..` or `@{`, or is `@`");
    }
    let component_is_bad =
        |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    if text.ends_with('.') || text.split('/').any(component_is_bad) {
        return Some("has a component that is empty, begins with a dot or ends in .lock");
    }
    None
}

/// A branch, without `refs/heads/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(String);
checked_string!(BranchName);

impl FromStr for BranchName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match reference_fault(text) {
            Some(why) => Err(NameError::new("branch name", text, why)),
            None => Ok(BranchName(text.to_owned())),
        }
    }
}

impl BranchName {
    /// Returns the full reference name, `refs/heads/NAME`.
    pub fn reference(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

/// A tag, without `refs/tags/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TagName(String);
checked_string!(TagName);

impl FromStr for TagName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match reference_fault(text) {
            Some(why) => Err(NameError::new("tag name", text, why)),
            None => Ok(TagName(text.to_owned())),
        }
    }
}

/// A git object id: 40 hex digits (SHA-1) or 64 (SHA-256).
///
/// It says nothing about what the object is; fields are named for that, `source_commit_id` and so on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    bytes: [u8; 32],
    length: u8,
}

impl ObjectId {
    /// Returns the id with these raw bytes: 20 for SHA-1, 32 for SHA-256, otherwise `None`.
    pub fn from_bytes(raw: &[u8]) -> Option<Self> {
        if raw.len() != 20 && raw.len() != 32 {
            return None;
        }
        let mut bytes = [0; 32];
        bytes[..raw.len()].copy_from_slice(raw);
        Some(ObjectId { bytes, length: raw.len() as u8 })
    }

    /// Returns the raw bytes, 20 or 32 of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Tells whether every digit is zero: how git writes "no object".
    pub fn is_zero(&self) -> bool {
        self.as_bytes().iter().all(|b| *b == 0)
    }

    /// Returns the first 12 hex digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl FromStr for ObjectId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = || NameError::new("object id", text, "is not 40 or 64 lower-case hex digits");
        let digit = |b: u8| match b {
            b'0'..=b'9' => Ok(b - b'0'),
            b'a'..=b'f' => Ok(b - b'a' + 10),
            _ => Err(refuse()),
        };
        let mut raw = Vec::with_capacity(32);
        if text.len() != 40 && text.len() != 64 {
            return Err(refuse());
        }
        for pair in text.as_bytes().chunks(2) {
            raw.push(digit(pair[0])? << 4 | digit(pair[1])?);
        }
        ObjectId::from_bytes(&raw).ok_or_else(refuse)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ObjectId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Returns why `text` cannot be an rpm Version or Release.
///
/// rpm 4.18 takes letters, digits and `. _ + ~ ^`, refuses `..`, and needs at least one character.
fn version_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("is empty");
    }
    if text.len() > 256 {
        return Some("is longer than 256 bytes");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+~^".contains(&b)) {
        return Some("has a character other than letters, digits and . _ + ~ ^");
    }
    if text.contains("..") {
        return Some("has two dots in a row");
    }
    if !text.bytes().any(|b| b.is_ascii_alphanumeric()) {
        return Some("has neither a letter nor a digit");
    }
    None
}

/// Compares two versions, or two releases, as `rpmvercmp` does.
fn rpm_cmp(left: &str, right: &str) -> Ordering {
    rpm_version::Evr::new("", left, "").cmp(&rpm_version::Evr::new("", right, ""))
}

/// An rpm Version, such as `1.0~rc1`.
///
/// Equality is that of the text; compare versions with [`Version::rpm_cmp`], for which `2024.01`
/// and `2024.1` are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);
checked_string!(Version);

impl FromStr for Version {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match version_fault(text) {
            Some(why) => Err(NameError::new("version", text, why)),
            None => Ok(Version(text.to_owned())),
        }
    }
}

impl Version {
    /// Compares as `rpmvercmp` does.
    pub fn rpm_cmp(&self, other: &Version) -> Ordering {
        rpm_cmp(&self.0, &other.0)
    }
}

/// An rpm Release without the dist tag, such as `4` or `2.1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Release(String);
checked_string!(Release);

impl FromStr for Release {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match version_fault(text) {
            Some(why) => Err(NameError::new("release", text, why)),
            None => Ok(Release(text.to_owned())),
        }
    }
}

impl Release {
    /// Compares as `rpmvercmp` does.
    pub fn rpm_cmp(&self, other: &Release) -> Ordering {
        rpm_cmp(&self.0, &other.0)
    }
}

/// Epoch, version and release, without the dist tag: what "newer" means to rpm.
///
/// Written `0:1.2.0-4`, always with the epoch, in the `Published-EVR` trailer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Evr {
    /// The epoch; 0 where a spec has none.
    pub epoch: u32,
    /// The version.
    pub version: Version,
    /// The release, dist tag left out.
    pub release: Release,
}

impl Evr {
    /// Compares as rpm compares packages: epoch, then version, then release.
    pub fn rpm_cmp(&self, other: &Evr) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| self.version.rpm_cmp(&other.version))
            .then_with(|| self.release.rpm_cmp(&other.release))
    }

    /// Returns `[E:]V-R`, the form of changelog headers and subjects: no epoch where it is 0.
    pub fn short(&self) -> String {
        match self.epoch {
            0 => format!("{}-{}", self.version, self.release),
            epoch => format!("{epoch}:{}-{}", self.version, self.release),
        }
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}-{}", self.epoch, self.version, self.release)
    }
}

impl FromStr for Evr {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why: &str| NameError::new("EVR", text, why);
        let (epoch, rest) = text.split_once(':').ok_or_else(|| refuse("has no epoch"))?;
        let (version, release) = rest.rsplit_once('-').ok_or_else(|| refuse("has no release"))?;
        Ok(Evr {
            epoch: epoch.parse().map_err(|_| refuse("has an epoch that is no number"))?,
            version: version.parse()?,
            release: release.parse()?,
        })
    }
}

impl Serialize for Evr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A path inside a git tree, such as `.distro/hello.spec`.
///
/// Rule: relative, UTF-8, `/` between components, no empty, `.` or `..` component, none that a
/// checkout could read as `.git` (any case), no control character and no backslash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreePath(String);
checked_string!(TreePath);

impl FromStr for TreePath {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why: &str| Err(NameError::new("path", text, why));
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.is_empty() || text.len() > 4096 {
            return refuse("is empty or longer than 4096 bytes");
        }
        if text.starts_with('/') {
            return refuse("is absolute; it must be relative to the root of the repository");
        }
        if text.chars().any(|c| c.is_control() || c == '\\') {
            return refuse("has a control character or a backslash");
        }
        for component in text.split('/') {
            if component.is_empty() || component == "." || component == ".." {
                return refuse("has an empty, `.` or `..` component");
            }
            if component.eq_ignore_ascii_case(".git") {
                return refuse("has a `.git` component");
            }
        }
        Ok(TreePath(text.to_owned()))
    }
}

impl TreePath {
    /// Returns the last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Tells whether `path` is this path or lies below it.
    pub fn covers(&self, path: &[u8]) -> bool {
        path.strip_prefix(self.0.as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

/// A full OpenPGP fingerprint: 40 hex digits (v4) or 64 (v6), kept in upper case.
///
/// Spaces, lower case and a leading `0x` are forgiven. Key ids of 8 or 16 digits are refused: others can
/// make a key with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);
checked_string!(Fingerprint);

impl FromStr for Fingerprint {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why: &str| Err(NameError::new("OpenPGP fingerprint", text, why));
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let digits = digits.strip_prefix("0x").or(digits.strip_prefix("0X")).unwrap_or(&digits);
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return refuse("has a character that is no hex digit");
        }
        match digits.len() {
            40 | 64 => Ok(Fingerprint(digits.to_ascii_uppercase())),
            8 | 16 => refuse("is a key id, which others can forge; give the full fingerprint"),
            count => refuse(&format!("has {count} hex digits; a full fingerprint has 40 or 64")),
        }
    }
}
