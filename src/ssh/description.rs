//! What a key file says of itself, without unlocking anything.

use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PrivateKey, PublicKey};

/// What an SSH key file holds.
#[derive(Debug, Clone)]
pub struct Description {
    /// `SHA256:` and the digest, as `ssh-keygen -l` shows it.
    pub fingerprint: String,
    /// What kind of key it is, such as `ssh-ed25519`.
    pub algorithm: String,
    /// The comment; empty where it is locked away with the secret.
    pub comment: String,
    /// Whether a secret key is there: `None` where not, else whether it is locked.
    pub locked: Option<bool>,
    /// The public key's line.
    pub line: String,
}

/// Reads an OpenSSH private key, or a public key's line; `None` where it is neither.
pub fn describe(bytes: &[u8]) -> Option<Description> {
    if let Ok(key) = PrivateKey::from_openssh(bytes) {
        return about(key.public_key(), Some(key.is_encrypted()));
    }
    let line = std::str::from_utf8(bytes).ok()?.lines().find(|line| !line.trim().is_empty())?;
    about(&PublicKey::from_openssh(line.trim()).ok()?, None)
}

fn about(key: &PublicKey, locked: Option<bool>) -> Option<Description> {
    let algorithm = match key.key_data() {
        KeyData::Rsa(rsa) => {
            let bytes = rsa.n.as_positive_bytes().unwrap_or_default();
            format!("RSA of {} bits", bytes.len() * 8)
        }
        other => other.algorithm().to_string(),
    };
    Some(Description {
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        algorithm,
        comment: key.comment().to_owned(),
        locked,
        line: key.to_openssh().ok()?,
    })
}
