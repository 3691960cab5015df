//! A listed SSH key: one line of an allowed-signers file after its principals.

use std::time::SystemTime;

use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PublicKey};

use super::options::{Options, split_unquoted};

/// A listed SSH key with its options, or a certificate authority with the principals it may name.
#[derive(Debug, Clone, PartialEq)]
pub struct AllowedSigner {
    line: String,
    pub(super) key: Box<PublicKey>,
    pub(super) options: Options,
    pub(super) principals: Vec<String>,
}

impl AllowedSigner {
    /// Parses options, key type, key and comment; `principals` are those written beside it.
    ///
    /// # Errors
    /// Says what of the line cannot be honoured; no option is ever ignored. Keys too weak to be worth
    /// listing (DSA, RSA below 2048 bits) are refused here too.
    pub fn parse(line: &str, principals: &[String]) -> Result<AllowedSigner, String> {
        let line = line.trim();
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err("has a line break or another control character".to_owned());
        }
        let (options, key) = match begins_with_key(line) {
            true => (Options::default(), line),
            false => split_options(line)?,
        };
        let key = PublicKey::from_openssh(key).map_err(|error| key_unreadable(key, &error))?;
        if let Some(Unfit::Weak(kind) | Unfit::Unsupported(kind)) = unfit(key.key_data()) {
            return Err(format!("the key is {kind}; list an Ed25519 key instead"));
        }
        let signer = AllowedSigner {
            line: line.to_owned(),
            key: Box::new(key),
            options,
            principals: principals.to_vec(),
        };
        signer.check()
    }

    fn check(self) -> Result<AllowedSigner, String> {
        let is_security_key = matches!(self.kind(), KeyKind::Security);
        let options = &self.options;
        match (options.cert_authority, self.principals.is_empty()) {
            (true, true) => return Err("cert-authority needs `principals` beside the key".into()),
            (false, false) => return Err("`principals` count with cert-authority only".into()),
            _ => {}
        }
        let touches = options.no_touch_required || options.verify_required;
        if touches && !is_security_key && !options.cert_authority {
            return Err("no-touch-required and verify-required count with sk- keys only".into());
        }
        if self.principals.iter().any(|pattern| pattern.is_empty() || pattern == "!") {
            return Err("`principals` has an empty pattern".into());
        }
        Ok(self)
    }

    fn kind(&self) -> KeyKind {
        match self.key.key_data() {
            KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => KeyKind::Security,
            _ => KeyKind::Plain,
        }
    }

    /// Returns the line as it was written.
    pub fn as_str(&self) -> &str {
        &self.line
    }

    /// Returns `SHA256:` and the digest of the key, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Returns the comment behind the key: usually whose it is.
    pub fn comment(&self) -> &str {
        self.key.comment()
    }

    /// Returns the first moment at which the key counts, where the line names one.
    pub fn valid_after(&self) -> Option<SystemTime> {
        self.options.valid_after
    }

    /// Returns the moment from which on the key no longer counts, where the line names one.
    pub fn valid_before(&self) -> Option<SystemTime> {
        self.options.valid_before
    }

    /// Returns the principals that a certificate authority may name.
    pub fn principals(&self) -> &[String] {
        &self.principals
    }

    /// Tells whether it is a certificate authority.
    pub fn is_authority(&self) -> bool {
        self.options.cert_authority
    }
}

enum KeyKind {
    Plain,
    Security,
}

fn begins_with_key(line: &str) -> bool {
    let first = line.split([' ', '\t']).next().unwrap_or_default();
    ["ssh-", "ecdsa-sha2-", "sk-"].iter().any(|prefix| first.starts_with(prefix))
}

/// Splits at the first space outside of quotation marks.
fn split_options(line: &str) -> Result<(Options, &str), String> {
    let options = split_unquoted(line, ' ')?[0];
    let key = line[options.len()..].trim_start();
    match begins_with_key(key) {
        true => Ok((Options::parse(options)?, key)),
        false => Err("holds no key: options, type, key and comment are expected".to_owned()),
    }
}

fn key_unreadable(key: &str, error: &ssh_key::Error) -> String {
    let kind = key.split([' ', '\t']).next().unwrap_or_default();
    match kind {
        "ssh-dss" => "the key is DSA; list an Ed25519 key instead".to_owned(),
        kind if kind.contains("-cert-v01") => {
            "it is a certificate; list its authority's key with cert-authority".to_owned()
        }
        kind => format!("the {kind:?} key cannot be read: {error}"),
    }
}

/// Why a key cannot be relied on.
#[derive(Debug)]
pub(super) enum Unfit {
    /// Others can sign in its place; what it is.
    Weak(String),
    /// Its signatures cannot be checked here; what it is.
    Unsupported(String),
}

/// Says why a key cannot be relied on, if anything speaks against it.
pub(super) fn unfit(key: &KeyData) -> Option<Unfit> {
    match key {
        KeyData::Rsa(rsa) => match bits(rsa.n.as_positive_bytes().unwrap_or_default()) {
            bits @ 0..2048 => Some(Unfit::Weak(format!("RSA of {bits} bits"))),
            2048..=4096 => None,
            bits => Some(Unfit::Unsupported(format!("RSA of {bits} bits, more than 4096"))),
        },
        KeyData::Dsa(_) => Some(Unfit::Weak("DSA".to_owned())),
        KeyData::Ed25519(_) | KeyData::SkEd25519(_) => None,
        KeyData::Ecdsa(_) | KeyData::SkEcdsaSha2NistP256(_) => None,
        _ => Some(Unfit::Unsupported("of a type that is not known".to_owned())),
    }
}

fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = &number[zeros..];
    digits.len() * 8 - digits.first().map_or(0, |first| first.leading_zeros() as usize)
}
