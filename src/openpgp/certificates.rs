//! Certificates from many files, indexed raw and merged when one is asked for.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use bstr::ByteSlice;
use openpgp::cert::raw::RawCertParser;
use openpgp::packet::Signature;
use openpgp::parse::Parse;
use openpgp::types::SignatureType;
use openpgp::{Cert, KeyHandle, Packet, PacketPile};
use sequoia_openpgp as openpgp;

use crate::names::Fingerprint;
use crate::outcome::printable;

/// A file of certificates may not be larger than this.
const FILE_LIMIT: usize = 4 << 20;
/// One certificate may not be larger than this; what is larger is flooded with junk certifications.
const CERTIFICATE_LIMIT: usize = 1 << 20;

/// Certificates at hand, found by the computed fingerprint of any of their keys.
///
/// Loading only finds where each certificate begins and which keys it has; one is parsed and its copies
/// are merged when it is asked for. So a keyring of a thousand certificates costs little where two count.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    /// By the primary's fingerprint: the copies, as they came.
    copies: HashMap<Fingerprint, Vec<Arc<[u8]>>>,
    /// From each key's fingerprint and 16-digit key id to the primaries that claim it.
    primaries: HashMap<String, Vec<Fingerprint>>,
    /// Revocations without a certificate, as `gpg --gen-revoke` writes them.
    revocations: Vec<Signature>,
}

/// Something in a certificate file that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file's name.
    pub file: String,
    /// What was found, as a sentence without a full stop.
    pub words: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", printable(&self.file, 200), self.words)
    }
}

impl Certificates {
    /// Reads files of certificates, armoured or binary, any number in each.
    ///
    /// A file's name says nothing: fingerprints are computed. Files above 4 MiB and certificates above
    /// 1 MiB are left out with a warning, as is what cannot be read.
    pub fn load<N, B>(files: impl IntoIterator<Item = (N, B)>) -> (Certificates, Vec<Warning>)
    where
        N: AsRef<str>,
        B: AsRef<[u8]>,
    {
        let mut certificates = Certificates::default();
        let mut warnings = Vec::new();
        for (name, bytes) in files {
            let warn = |words: String| warnings.push(Warning { file: name.as_ref().into(), words });
            certificates.read_file(bytes.as_ref(), warn);
        }
        (certificates, warnings)
    }

    fn read_file(&mut self, bytes: &[u8], mut warn: impl FnMut(String)) {
        if bytes.len() > FILE_LIMIT {
            return warn(format!("larger than {} MiB, not read", FILE_LIMIT >> 20));
        }
        let count: usize = blocks(bytes).map(|block| self.read_block(block, &mut warn)).sum();
        if count == 0 {
            warn("holds no certificate".to_owned());
        }
    }

    /// Reads one armour block or a binary file; returns how many things it held, good or bad.
    fn read_block(&mut self, bytes: &[u8], warn: &mut impl FnMut(String)) -> usize {
        if let Some(revocations) = bare_revocations(bytes) {
            self.revocations.extend(revocations);
            return 1;
        }
        let parser = match RawCertParser::from_bytes(bytes) {
            Ok(parser) => parser,
            Err(error) => return unreadable(&error, warn),
        };
        let mut count = 0;
        for certificate in parser {
            count += 1;
            match certificate {
                Ok(found) if found.as_bytes().len() > CERTIFICATE_LIMIT => {
                    let limit = CERTIFICATE_LIMIT >> 20;
                    warn(format!("{} is larger than {limit} MiB, left out", found.fingerprint()));
                }
                Ok(found) => self.add(found.as_bytes(), found.keys().map(|key| key.fingerprint())),
                Err(error) => _ = unreadable(&error, warn),
            }
        }
        count
    }

    /// Adds one copy; the first of `keys` is the primary.
    fn add(&mut self, raw: &[u8], mut keys: impl Iterator<Item = openpgp::Fingerprint>) {
        let Some(primary_key) = keys.next() else { return };
        // Keys of versions that are long dead have no fingerprint that could be listed.
        let Ok(primary) = primary_key.to_hex().parse::<Fingerprint>() else { return };
        let copies = self.copies.entry(primary.clone()).or_default();
        if copies.iter().any(|copy| **copy == *raw) {
            return;
        }
        copies.push(raw.into());
        for key in std::iter::once(primary_key).chain(keys) {
            for name in [key.to_hex(), openpgp::KeyID::from(&key).to_hex()] {
                let primaries = self.primaries.entry(name).or_default();
                if !primaries.contains(&primary) {
                    primaries.push(primary.clone());
                }
            }
        }
    }

    /// Returns how many different certificates there are.
    pub fn len(&self) -> usize {
        self.copies.len()
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }

    /// Returns the merged certificates that claim a key with this fingerprint, primary or subkey.
    ///
    /// There can be two: somebody may have adopted another's subkey. Which of them holds is a question of
    /// its back signature and is judged later.
    pub(super) fn with_key(&self, fingerprint: &str) -> Vec<Cert> {
        let primaries = self.primaries.get(fingerprint).map(Vec::as_slice).unwrap_or_default();
        primaries.iter().filter_map(|primary| self.merged(primary)).collect()
    }

    /// Merges all copies of a certificate and the loose revocations that name it.
    fn merged(&self, primary: &Fingerprint) -> Option<Cert> {
        let copies = self.copies.get(primary)?.iter();
        let certs = copies.filter_map(|copy| Cert::from_bytes(&copy[..]).ok());
        let merged = certs.reduce(|all, copy| match all.clone().merge_public(copy) {
            Ok(merged) => merged,
            Err(_) => all,
        })?;
        let handle = merged.key_handle();
        let names_it = |signature: &&Signature| {
            signature.get_issuers().iter().any(|issuer| issuer.aliases(&handle))
        };
        let loose: Vec<Packet> =
            self.revocations.iter().filter(names_it).cloned().map(Packet::from).collect();
        match loose.is_empty() {
            true => Some(merged),
            false => merged.insert_packets(loose).map(|(cert, _)| cert).ok(),
        }
    }

    /// Returns the merged certificates that claim the key that `handle` names.
    pub(super) fn with_handle(&self, handle: &KeyHandle) -> Vec<Cert> {
        self.with_key(&handle.to_hex())
    }

    /// Returns the fingerprints of all certificates.
    pub fn fingerprints(&self) -> HashSet<&Fingerprint> {
        self.copies.keys().collect()
    }
}

fn unreadable(error: &openpgp::anyhow::Error, warn: &mut impl FnMut(String)) -> usize {
    let reason = printable(error.to_string(), 200);
    warn(format!("holds something that is no certificate: {reason}"));
    1
}

/// Splits a text file into its armour blocks; a binary file is one block.
fn blocks(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    const BEGIN: &[u8] = b"-----BEGIN PGP ";
    let is_binary = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let starts = bytes.find_iter(BEGIN).filter(|at| *at == 0 || bytes[at - 1] == b'\n');
    let mut starts: Vec<usize> = if is_binary { vec![0] } else { starts.collect() };
    starts.push(bytes.len());
    let ends: Vec<(usize, usize)> = starts.windows(2).map(|pair| (pair[0], pair[1])).collect();
    ends.into_iter().map(move |(start, end)| &bytes[start..end])
}

/// Returns the key revocations in a file that holds nothing else.
fn bare_revocations(bytes: &[u8]) -> Option<Vec<Signature>> {
    let starts_with_signature = RawCertParser::from_bytes(bytes)
        .is_ok_and(|mut parser| parser.next().is_none_or(|first| first.is_err()));
    if !starts_with_signature {
        return None;
    }
    let pile = PacketPile::from_bytes(bytes).ok()?;
    let revocation = |packet: Packet| match packet {
        Packet::Signature(signature) if signature.typ() == SignatureType::KeyRevocation => {
            Some(signature)
        }
        _ => None,
    };
    let found: Option<Vec<Signature>> = pile.into_children().map(revocation).collect();
    found.filter(|found| !found.is_empty())
}
