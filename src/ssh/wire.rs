//! The bytes of an SSH signature block, version 1 (OpenSSH's PROTOCOL.sshsig), strictly.
//!
//! Read here and not by ssh-key, which cannot read certificates in a signature, skips the security
//! key's flags and gives one error for everything.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::outcome::{Refusal, printable};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";

/// An SSH signature block, taken apart; nothing of it is verified yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The public key or certificate, in SSH's wire form.
    pub(super) public_key: Vec<u8>,
    pub(super) namespace: Vec<u8>,
    pub(super) hash: Vec<u8>,
    /// The signature's algorithm.
    pub(super) algorithm: Vec<u8>,
    /// The signature's bytes; behind those of a security key its flags and counter.
    pub(super) signature: Vec<u8>,
}

impl Block {
    /// Reads the armour.
    ///
    /// # Errors
    /// `malformed-signature`, or `signature-version` for versions other than 1.
    pub(super) fn read(armour: &[u8]) -> Result<Block, Refusal> {
        let bytes = decode(armour).map_err(malformed)?;
        let mut reader = Reader { rest: &bytes };
        if reader.take(MAGIC.len()).map_err(malformed)? != MAGIC {
            return Err(malformed("is no SSHSIG block"));
        }
        match reader.number().map_err(malformed)? {
            1 => Block::fields(reader).map_err(malformed),
            version => Err(version_refused(version)),
        }
    }

    fn fields(mut reader: Reader<'_>) -> Result<Block, &'static str> {
        let public_key = reader.string()?.to_vec();
        let namespace = reader.string()?.to_vec();
        if !reader.string()?.is_empty() {
            return Err("uses the field that is reserved for later versions");
        }
        let hash = reader.string()?.to_vec();
        let mut inner = Reader { rest: reader.string()? };
        reader.end()?;
        let algorithm = inner.string()?.to_vec();
        let mut signature = inner.string()?.to_vec();
        if algorithm.starts_with(b"sk-") {
            signature.extend(inner.take(5)?);
        }
        inner.end()?;
        Ok(Block { public_key, namespace, hash, algorithm, signature })
    }

    /// Returns the name of the public key's type.
    pub(super) fn key_type(&self) -> String {
        let name = Reader { rest: &self.public_key }.string();
        printable(name.unwrap_or_default(), 60)
    }
}

/// Reads SSH's wire form from the front; each error is the rest of a sentence about it.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("is cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn number(&mut self) -> Result<u32, &'static str> {
        let digits = self.take(4)?.try_into().expect("four bytes were taken");
        Ok(u32::from_be_bytes(digits))
    }

    pub(super) fn long_number(&mut self) -> Result<u64, &'static str> {
        Ok(u64::from(self.number()?) << 32 | u64::from(self.number()?))
    }

    pub(super) fn string(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.number()?;
        self.take(length as usize)
    }

    pub(super) fn end(&self) -> Result<(), &'static str> {
        if self.rest.is_empty() { Ok(()) } else { Err("has bytes behind its end") }
    }
}

/// Returns the bytes inside the armour: one block, nothing around it, CR LF forgiven.
fn decode(armour: &[u8]) -> Result<Vec<u8>, &'static str> {
    let text = std::str::from_utf8(armour).map_err(|_| "is not text")?;
    let text = text.trim_end_matches(['\r', '\n']);
    let lines: Vec<&str> =
        text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let [BEGIN, body @ .., END] = lines.as_slice() else {
        return Err("has text around its armour, or no end");
    };
    STANDARD.decode(body.concat()).map_err(|_| "holds text that is no base64")
}

/// Returns the refusal of a signature that `why` (the rest of "the SSH signature …").
pub(super) fn malformed(why: &str) -> Refusal {
    Refusal::new("malformed-signature", format!("the SSH signature {why}"))
        .hint("sign it again: git commit --amend -S, or git tag -f -s")
}

fn version_refused(version: u32) -> Refusal {
    let words = format!("the SSH signature is of version {version}; version 1 is read");
    Refusal::new("signature-version", words).hint("sign it again with a current OpenSSH")
}
