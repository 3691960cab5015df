//! What a key file holds, OpenPGP or SSH, locked or not, secret or public.

use std::time::SystemTime;

use crate::openpgp::{self, Certificates, Keyring};
use crate::outcome::{Refusal, printable};
use crate::ssh;

/// What a key file holds.
#[derive(Debug, Clone)]
pub struct Description {
    /// `openpgp:FINGERPRINT` or `ssh:SHA256:…`: the form that trailers and reports name it by.
    pub id: String,
    /// What kind of key it is, such as `Ed25519`.
    pub algorithm: String,
    /// The primary user id of an OpenPGP key, the comment of an SSH key.
    pub user_id: Option<String>,
    /// When it was made; an SSH key does not say.
    pub created: Option<SystemTime>,
    /// When it expires, or why it may not sign today; an SSH key never expires by itself.
    pub expires: Result<Option<SystemTime>, Refusal>,
    /// Whether the secret half is there.
    pub secret: Secret,
    /// The public half: an armoured certificate, or an SSH public key line.
    pub public: String,
}

/// The secret half in a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// It is not there.
    Absent,
    /// It is there, behind a passphrase.
    Locked,
    /// It is there for whoever can read the file.
    Open,
}

impl Secret {
    fn of(locked: Option<bool>) -> Secret {
        match locked {
            None => Secret::Absent,
            Some(true) => Secret::Locked,
            Some(false) => Secret::Open,
        }
    }
}

/// Describes a key file; nothing is unlocked, no passphrase needed.
///
/// # Errors
/// `bot-key-unreadable` where it holds neither an OpenPGP key nor an SSH key.
pub fn describe(bytes: &[u8], now: SystemTime) -> Result<Description, Refusal> {
    let found = ssh::describe(bytes).map(of_ssh);
    let found = found.or_else(|| openpgp::describe(bytes).map(|found| of_openpgp(found, now)));
    found.ok_or_else(|| {
        Refusal::config(
            "bot-key-unreadable",
            "the file holds neither an OpenPGP key nor an SSH key",
        )
        .hint("give an OpenPGP key or certificate, an OpenSSH private key, or a public key's line")
    })
}

fn of_ssh(found: ssh::Description) -> Description {
    Description {
        id: format!("ssh:{}", found.fingerprint),
        algorithm: found.algorithm,
        user_id: Some(printable(found.comment, 200)).filter(|comment| !comment.is_empty()),
        created: None,
        expires: Ok(None),
        secret: Secret::of(found.locked),
        public: found.line,
    }
}

fn of_openpgp(found: openpgp::Description, now: SystemTime) -> Description {
    let (certificates, _) = Certificates::load([("the key", &found.certificate)]);
    let states = Keyring::new([found.fingerprint.clone()], certificates).states(now);
    Description {
        id: format!("openpgp:{}", found.fingerprint),
        algorithm: found.algorithm,
        user_id: found.user_id,
        created: Some(found.created),
        expires: last_to_expire(states),
        secret: Secret::of(found.locked),
        public: found.certificate,
    }
}

/// Returns when the last of the keys that may sign expires; where none may, why not.
fn last_to_expire(states: Vec<openpgp::KeyState>) -> Result<Option<SystemTime>, Refusal> {
    let mut refused = None;
    let mut latest: Option<Option<SystemTime>> = None;
    for key in states {
        match (key.state, latest) {
            (Err(refusal), _) => refused = Some(refusal),
            (Ok(None), _) | (Ok(_), Some(None)) => latest = Some(None),
            (Ok(Some(expiry)), None) => latest = Some(Some(expiry)),
            (Ok(Some(expiry)), Some(Some(other))) => latest = Some(Some(expiry.max(other))),
        }
    }
    match (latest, refused) {
        (Some(expiry), _) => Ok(expiry),
        (None, Some(refusal)) => Err(refusal),
        (None, None) => Err(Refusal::new("key-not-for-signing", "none of its keys can sign")
            .hint("add a signing subkey")),
    }
}
