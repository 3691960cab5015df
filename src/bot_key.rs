//! The key that the bot signs dist-git commits with, OpenPGP or SSH.

mod description;

use std::fmt;
use std::time::SystemTime;

pub use description::{Description, Secret, describe};

use crate::outcome::{Problem, Refusal};
use crate::signer_id::Signer;
use crate::{openpgp, ssh};

/// The bot's own secret key. What it prints of itself is the public fingerprint.
#[derive(Debug, Clone)]
pub enum BotKey {
    /// An OpenPGP v4 Ed25519 key.
    OpenPgp(openpgp::SecretKey),
    /// An SSH key.
    Ssh(ssh::SecretKey),
    /// An SSH key that an agent holds.
    SshAgent(ssh::AgentKey),
}

/// Text that must not be shown: a secret key on its way to a file.
#[derive(Clone)]
pub struct SecretText(String);

impl SecretText {
    /// Returns the text itself, for the one file that may hold it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl BotKey {
    /// Loads a key file: OpenPGP (armoured or binary) or OpenSSH's private key format.
    ///
    /// # Errors
    /// Refuses what it cannot read, unlock or sign with (`bot-key-…`); the fault lies in the config.
    pub fn load(bytes: &[u8], passphrase: Option<&str>) -> Result<BotKey, Refusal> {
        const OPENSSH: &[u8] = b"-----BEGIN OPENSSH PRIVATE KEY-----";
        match bytes.trim_ascii_start().starts_with(OPENSSH) {
            true => ssh::SecretKey::load(bytes, passphrase).map(BotKey::Ssh),
            false => openpgp::SecretKey::load(bytes, passphrase).map(BotKey::OpenPgp),
        }
    }

    /// Makes an OpenPGP v4 Ed25519 key for `user_id`, written `Name <mail>`.
    ///
    /// # Errors
    /// Fails where the cryptographic backend does.
    pub fn generate_openpgp(user_id: &str, created: SystemTime) -> Result<BotKey, Problem> {
        openpgp::SecretKey::generate(user_id, created).map(BotKey::OpenPgp)
    }

    /// Makes an SSH Ed25519 key.
    ///
    /// # Errors
    /// Fails where the random source does.
    pub fn generate_ssh(comment: &str) -> Result<BotKey, Problem> {
        ssh::SecretKey::generate(comment).map(BotKey::Ssh)
    }

    /// Returns the user id `Name <mail>`, where both can stand in one.
    ///
    /// # Errors
    /// Refuses (exit code 2) names and addresses with brackets or control characters, and what is no address.
    pub fn user_id(name: &str, mail: &str) -> Result<String, Refusal> {
        let (name, mail) = (name.trim(), mail.trim());
        let odd = |text: &str| text.chars().any(|c| c.is_control() || "<>".contains(c));
        let is_address = mail.split_once('@').is_some_and(|(who, place)| {
            !who.is_empty() && !place.is_empty() && !place.contains('@')
        });
        match name.is_empty() || odd(name) || odd(mail) || mail.contains(' ') || !is_address {
            false => Ok(format!("{name} <{mail}>")),
            true => Err(Refusal::config(
                "bad-argument",
                format!("{name:?} and {mail:?} make no user id"),
            )
            .hint("give a name without < and >, and an address such as bot@example.org")),
        }
    }

    /// Signs the bytes of a commit that has no signature yet; returns the armour for its `gpgsig`.
    ///
    /// # Errors
    /// Fails where the key cannot sign at `now`.
    pub fn sign(&self, payload: &[u8], now: SystemTime) -> Result<String, Problem> {
        match self {
            BotKey::OpenPgp(key) => key.sign(payload, now),
            BotKey::Ssh(key) => key.sign(payload),
            BotKey::SshAgent(key) => key.sign(payload),
        }
    }

    /// Returns the public half: an armoured certificate, or an SSH public key line.
    pub fn public(&self) -> String {
        match self {
            BotKey::OpenPgp(key) => key.certificate(),
            BotKey::Ssh(key) => key.public_line(),
            BotKey::SshAgent(key) => key.public_line(),
        }
    }

    /// Returns the secret key as it goes into a file, locked where a passphrase is given.
    ///
    /// # Errors
    /// Fails where the cryptographic backend does, and for a key in an agent.
    pub fn export(&self, passphrase: Option<&str>) -> Result<SecretText, Problem> {
        match self {
            BotKey::OpenPgp(key) => key.export(passphrase),
            BotKey::Ssh(key) => key.export(passphrase),
            BotKey::SshAgent(_) => Err(Problem::permanent(
                "bot-key-in-agent",
                "the bot's key is in an SSH agent, which gives no secret away",
            )),
        }
        .map(SecretText)
    }

    /// Returns name and mail address of an OpenPGP key's primary user id; an SSH key has none.
    pub fn identity(&self) -> Option<(String, String)> {
        match self {
            BotKey::OpenPgp(key) => key.identity(),
            BotKey::Ssh(_) | BotKey::SshAgent(_) => None,
        }
    }

    /// Returns the key's name for people and trailers.
    pub fn signer_id(&self) -> Signer {
        match self {
            BotKey::OpenPgp(key) => {
                let primary = key.fingerprint();
                Signer::OpenPgp { listed: primary.clone(), key: primary.clone(), primary }
            }
            BotKey::Ssh(key) => Signer::Ssh { fingerprint: key.fingerprint(), authority: None },
            BotKey::SshAgent(key) => {
                Signer::Ssh { fingerprint: key.fingerprint(), authority: None }
            }
        }
    }
}

#[cfg(test)]
mod tests;
