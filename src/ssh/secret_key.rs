//! The bot's own SSH key: made, loaded, and signing.

use std::fmt;

use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey};

use super::NAMESPACE;
use crate::outcome::{Problem, Refusal};

/// An SSH secret key that can sign; unlocked once, when it was loaded.
#[derive(Clone)]
pub struct SecretKey {
    key: Box<PrivateKey>,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ssh::SecretKey({})", self.fingerprint())
    }
}

impl SecretKey {
    /// Makes a new Ed25519 key.
    ///
    /// # Errors
    /// Fails where the random source does.
    pub fn generate(comment: &str) -> Result<SecretKey, Problem> {
        let made = PrivateKey::random(&mut OsRng, Algorithm::Ed25519);
        let mut key = made.map_err(|error| failed("make a key", &error))?;
        key.set_comment(comment);
        Ok(SecretKey { key: Box::new(key) })
    }

    /// Loads an OpenSSH private key, unlocking it with `passphrase` where it is locked.
    ///
    /// # Errors
    /// Refuses other formats, RSA, DSA and security keys, and a passphrase that does not fit.
    pub fn load(bytes: &[u8], passphrase: Option<&str>) -> Result<SecretKey, Refusal> {
        let key = PrivateKey::from_openssh(bytes).map_err(|error| {
            Refusal::config("bot-key-unreadable", format!("the bot's key cannot be read: {error}"))
                .hint("give an OpenSSH private key as ssh-keygen writes it")
        })?;
        let key = match (key.is_encrypted(), passphrase) {
            (false, _) => key,
            (true, Some(passphrase)) => key.decrypt(passphrase).map_err(|_| passphrase_wrong())?,
            (true, None) => return Err(locked()),
        };
        match key.algorithm() {
            Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => Ok(SecretKey { key: Box::new(key) }),
            other => Err(unsupported(&other)),
        }
    }

    /// Signs `payload` in git's namespace.
    ///
    /// # Errors
    /// Fails where the cryptographic backend does.
    pub fn sign(&self, payload: &[u8]) -> Result<String, Problem> {
        let signature = self.key.sign(NAMESPACE, HashAlg::Sha512, payload);
        let armour = signature.and_then(|signature| signature.to_pem(LineEnding::LF));
        armour.map_err(|error| failed("sign", &error))
    }

    /// Returns the public key's line: type, key and comment.
    pub fn public_line(&self) -> String {
        let line = self.key.public_key().to_openssh();
        line.expect("a key that was loaded can be written")
    }

    /// Returns the secret key in OpenSSH's format, locked with `passphrase` where one is given.
    ///
    /// # Errors
    /// Fails where the cryptographic backend does.
    pub fn export(&self, passphrase: Option<&str>) -> Result<String, Problem> {
        let locked = match passphrase {
            Some(passphrase) => self.key.encrypt(&mut OsRng, passphrase),
            None => Ok(PrivateKey::clone(&self.key)),
        };
        let text = locked.and_then(|key| key.to_openssh(LineEnding::LF));
        text.map(|text| text.to_string()).map_err(|error| failed("export the key", &error))
    }

    /// Returns `SHA256:` and the digest, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }
}

fn failed(attempt: &str, error: &ssh_key::Error) -> Problem {
    Problem::permanent("ssh-backend", format!("cannot {attempt}: {error}"))
}

fn locked() -> Refusal {
    Refusal::config("bot-key-locked", "the bot's key is locked and no passphrase was given")
        .hint("give its passphrase in a file")
}

fn passphrase_wrong() -> Refusal {
    Refusal::config("bot-key-locked", "the passphrase does not unlock the bot's key")
        .hint("give the key's own passphrase; a line break at its end does not belong to it")
}

pub(super) fn unsupported(algorithm: &Algorithm) -> Refusal {
    let words = format!("the bot's key is of type {algorithm}, which it cannot sign with");
    Refusal::config("bot-key-unsupported", words)
        .hint("make an Ed25519 key: ssh-keygen -t ed25519, or `lockkeeper key generate`")
}
