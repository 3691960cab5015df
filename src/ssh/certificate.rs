//! An SSH certificate as it comes inside a signature (OpenSSH's PROTOCOL.certkeys).
//!
//! ssh-key's own type refuses the time that OpenSSH writes for "forever", and most certificates have it.

use std::time::{Duration, SystemTime};

use signature::Verifier;
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, PublicKey, Signature};

use super::wire::Reader;

/// The ending of every certificate type's name.
const SUFFIX: &[u8] = b"-cert-v01@openssh.com";

/// A user certificate's type in the field that tells it from a host's.
const USER: u32 = 1;

/// A certificate, taken apart; nothing of it is verified yet.
#[derive(Debug)]
pub(super) struct Certificate {
    /// The key that it is about.
    pub(super) key: KeyData,
    /// Whether it is a user's, not a host's.
    pub(super) is_user: bool,
    /// The authority's name for it.
    pub(super) id: String,
    /// For whom it is.
    pub(super) principals: Vec<String>,
    /// The first moment at which it counts.
    pub(super) from: SystemTime,
    /// The moment from which on it no longer counts; `None`: it counts for ever.
    pub(super) until: Option<SystemTime>,
    /// The name of its first critical option.
    pub(super) critical_option: Option<String>,
    /// The authority's key.
    pub(super) authority: KeyData,
    signature: Vec<u8>,
    signed: Vec<u8>,
}

impl Certificate {
    /// Tells whether a key type's name is that of a certificate.
    pub(super) fn is_type(name: &str) -> bool {
        name.as_bytes().ends_with(SUFFIX)
    }

    /// Takes a certificate apart; the error is the rest of a sentence about it.
    pub(super) fn read(blob: &[u8]) -> Result<Certificate, &'static str> {
        let mut reader = Reader { rest: blob };
        let kind = reader.string()?;
        reader.string()?;
        let key = key(kind, &mut reader)?;
        reader.long_number()?;
        let is_user = reader.number()? == USER;
        let id = text(reader.string()?);
        let principals = strings(reader.string()?)?.into_iter().map(text).collect();
        let (from, until) = (reader.long_number()?, reader.long_number()?);
        let critical_option = strings(reader.string()?)?.first().map(|name| text(name));
        strings(reader.string()?)?;
        reader.string()?;
        let authority = plain_key(reader.string()?)?;
        let signed = blob[..blob.len() - reader.rest.len()].to_vec();
        let signature = reader.string()?.to_vec();
        reader.end()?;
        let from = at(from).ok_or("begins at a time out of range")?;
        let until = at(until);
        Ok(Certificate {
            key,
            is_user,
            id,
            principals,
            from,
            until,
            critical_option,
            authority,
            signature,
            signed,
        })
    }

    /// Returns the authority's signature.
    pub(super) fn signature(&self) -> Option<Signature> {
        let signature = Signature::try_from(self.signature.as_slice()).ok()?;
        match signature.algorithm() {
            Algorithm::Dsa | Algorithm::Rsa { hash: None } | Algorithm::Other(_) => None,
            _ => Some(signature),
        }
    }

    /// Tells whether the authority's key made the signature, with a hash that holds.
    pub(super) fn is_by_authority(&self) -> bool {
        let signature = self.signature();
        signature.is_some_and(|made| self.authority.verify(&self.signed, &made).is_ok())
    }
}

/// Reads the certified key: its fields stand in the certificate as they do in a plain key.
fn key(kind: &[u8], reader: &mut Reader<'_>) -> Result<KeyData, &'static str> {
    let name = kind.strip_suffix(SUFFIX).ok_or("is of an unknown type")?;
    let (fields, plain_name): (usize, Vec<u8>) = match name {
        b"ssh-ed25519" => (1, name.to_vec()),
        b"ssh-rsa" | b"ecdsa-sha2-nistp256" | b"ecdsa-sha2-nistp384" | b"ecdsa-sha2-nistp521" => {
            (2, name.to_vec())
        }
        b"sk-ssh-ed25519" => (2, [name, b"@openssh.com"].concat()),
        b"sk-ecdsa-sha2-nistp256" => (3, [name, b"@openssh.com"].concat()),
        _ => return Err("is of an unknown type"),
    };
    let before = reader.rest;
    for _ in 0..fields {
        reader.string()?;
    }
    let raw = &before[..before.len() - reader.rest.len()];
    let length = u32::try_from(plain_name.len()).expect("names are short").to_be_bytes();
    plain_key(&[&length, plain_name.as_slice(), raw].concat())
}

fn plain_key(blob: &[u8]) -> Result<KeyData, &'static str> {
    let key = PublicKey::from_bytes(blob).map_err(|_| "holds a key that cannot be read")?;
    Ok(key.key_data().clone())
}

/// Takes apart a field that holds strings one behind the other.
fn strings(field: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let mut reader = Reader { rest: field };
    let mut found = Vec::new();
    while !reader.rest.is_empty() {
        found.push(reader.string()?);
    }
    Ok(found)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the moment; OpenSSH writes "for ever" as the largest number.
fn at(seconds: u64) -> Option<SystemTime> {
    let in_range = i64::try_from(seconds).is_ok();
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).filter(|_| in_range)
}
