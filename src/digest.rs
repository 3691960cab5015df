//! Digests of files: the hash types that `sources` and the lookaside cache know.
//!
//! New entries are SHA-512, always. The older types are here so that what a branch lists already can be
//! read, downloaded and checked; nothing of ours is ever pinned by them.

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;

use crate::names::NameError;

/// A hash type of the lookaside cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashType {
    /// 32 hex digits; the first years of every lookaside.
    Md5,
    /// 40 hex digits; `.NAME.metadata` files.
    Sha1,
    /// 64 hex digits.
    Sha256,
    /// 128 hex digits; the only one that is written.
    Sha512,
}

impl HashType {
    /// Every type, weakest first.
    pub const ALL: [HashType; 4] =
        [HashType::Md5, HashType::Sha1, HashType::Sha256, HashType::Sha512];

    /// Returns the word in lookaside addresses, such as `sha512`.
    pub fn as_str(self) -> &'static str {
        match self {
            HashType::Md5 => "md5",
            HashType::Sha1 => "sha1",
            HashType::Sha256 => "sha256",
            HashType::Sha512 => "sha512",
        }
    }

    /// Returns how many hex digits a digest of this type has.
    pub fn hex_length(self) -> usize {
        match self {
            HashType::Md5 => 32,
            HashType::Sha1 => 40,
            HashType::Sha256 => 64,
            HashType::Sha512 => 128,
        }
    }

    /// Returns the type whose word this is, in any case.
    pub fn from_word(word: &str) -> Option<HashType> {
        HashType::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(word))
    }

    /// Returns the type whose digests have this many hex digits.
    pub fn from_hex_length(length: usize) -> Option<HashType> {
        HashType::ALL.into_iter().find(|known| known.hex_length() == length)
    }
}

impl fmt::Display for HashType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A file's digest of a known type, in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    hash_type: HashType,
    hex: String,
}

impl Digest {
    /// Checks that `hex` is a digest of this type; upper case is forgiven.
    ///
    /// # Errors
    /// Refuses another length and other characters.
    pub fn new(hash_type: HashType, hex: &str) -> Result<Digest, NameError> {
        let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || hex.len() != hash_type.hex_length() {
            let why = format!("is not {} hex digits", hash_type.hex_length());
            return Err(NameError::new("digest", hex, why));
        }
        Ok(Digest { hash_type, hex: hex.to_ascii_lowercase() })
    }

    /// Returns the type.
    pub fn hash_type(&self) -> HashType {
        self.hash_type
    }

    /// Returns the digits, in lower case.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.hash_type, self.hex)
    }
}

/// A SHA-512 digest in lower-case hex: what archives are stored, listed and pinned by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct Sha512(String);

impl Sha512 {
    /// Returns the digest with these raw bytes.
    pub fn from_bytes(raw: &[u8; 64]) -> Sha512 {
        Sha512(hex(raw))
    }

    /// Returns the digest of `content`.
    pub fn of(content: &[u8]) -> Sha512 {
        Sha512(hex(&sha2::Sha512::digest(content)))
    }

    /// Returns the 128 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sha512 {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Digest::new(HashType::Sha512, text).map(|digest| Sha512(digest.hex))
    }
}

impl fmt::Display for Sha512 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Sha512> for Digest {
    fn from(sha512: Sha512) -> Digest {
        Digest { hash_type: HashType::Sha512, hex: sha512.0 }
    }
}

impl From<&Sha512> for Digest {
    fn from(sha512: &Sha512) -> Digest {
        sha512.clone().into()
    }
}

/// Computes a digest piece by piece, so that no file is read twice.
pub struct Hasher {
    state: State,
}

enum State {
    Md5(md5::Md5),
    // Detects collision attacks: of a forged pair it gives a digest that neither file has.
    Sha1(Box<sha1collisiondetection::Sha1CD>),
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// Starts a digest of this type.
    pub fn new(hash_type: HashType) -> Hasher {
        let state = match hash_type {
            HashType::Md5 => State::Md5(md5::Md5::new()),
            HashType::Sha1 => State::Sha1(Box::default()),
            HashType::Sha256 => State::Sha256(sha2::Sha256::new()),
            HashType::Sha512 => State::Sha512(sha2::Sha512::new()),
        };
        Hasher { state }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Md5(state) => state.update(bytes),
            State::Sha1(state) => state.update(bytes),
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// Returns the digest of all bytes added.
    pub fn finish(self) -> Digest {
        let (hash_type, hex) = match self.state {
            State::Md5(state) => (HashType::Md5, hex(&state.finalize())),
            State::Sha1(state) => (HashType::Sha1, hex(&sha2::Digest::finalize(*state))),
            State::Sha256(state) => (HashType::Sha256, hex(&state.finalize())),
            State::Sha512(state) => (HashType::Sha512, hex(&state.finalize())),
        };
        Digest { hash_type, hex }
    }
}

fn hex(raw: &[u8]) -> String {
    raw.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_usual_tools() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        for content in [Vec::new(), b"abc".to_vec(), (0..100_000u32).map(|n| n as u8).collect()] {
            std::fs::write(&path, &content).unwrap();
            for hash_type in HashType::ALL {
                let mut hasher = Hasher::new(hash_type);
                content.chunks(977).for_each(|piece| hasher.update(piece));
                let tool =
                    std::process::Command::new(format!("{hash_type}sum")).arg(&path).output();
                let printed =
                    String::from_utf8(tool.expect("coreutils are installed").stdout).unwrap();
                let wanted = Digest::new(hash_type, printed.split(' ').next().unwrap()).unwrap();
                assert_eq!(hasher.finish(), wanted, "{hash_type}");
            }
            let sha512 = Sha512::of(&content);
            let mut hasher = Hasher::new(HashType::Sha512);
            hasher.update(&content);
            assert_eq!(hasher.finish(), Digest::from(&sha512));
        }
    }

    #[test]
    fn digests_are_hex_of_their_types_length() {
        for hash_type in HashType::ALL {
            let length = hash_type.hex_length();
            assert_eq!(HashType::from_hex_length(length), Some(hash_type));
            assert_eq!(HashType::from_word(&hash_type.as_str().to_uppercase()), Some(hash_type));
            let digest = Digest::new(hash_type, &"A".repeat(length)).unwrap();
            assert_eq!(digest.hex(), "a".repeat(length));
            for bad in ["a".repeat(length - 1), "a".repeat(length + 1), "g".repeat(length)] {
                assert!(Digest::new(hash_type, &bad).is_err());
            }
            assert!(Digest::new(hash_type, &"é".repeat(length / 2)).is_err());
        }
        assert_eq!(Sha512::from_bytes(&[0xab; 64]).as_str(), "ab".repeat(64));
        assert!("ab".parse::<Sha512>().is_err());
    }
}
