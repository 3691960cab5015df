//! People and their keys.

use std::time::SystemTime;

use crate::bot_key::BotKey;
use crate::git::commit::with_signature;
use crate::outcome::Result;

/// Which sort of key somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// OpenPGP, v4 Ed25519.
    OpenPgp,
    /// SSH, Ed25519.
    Ssh,
}

/// Somebody with a name, a mail address and a key.
pub struct Person {
    name: String,
    key: BotKey,
}

impl Person {
    /// Makes a person and a new key; `created` must lie before anything that they sign.
    ///
    /// # Errors
    /// Fails where no key can be made.
    pub fn new(name: &str, kind: Kind, created: SystemTime) -> Result<Person> {
        let key = match kind {
            Kind::OpenPgp => {
                BotKey::generate_openpgp(&format!("{name} <{}>", mail_of(name)), created)?
            }
            Kind::Ssh => BotKey::generate_ssh(&mail_of(name))?,
        };
        Ok(Person { name: name.to_owned(), key })
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the mail address, at example.org.
    pub fn mail(&self) -> String {
        mail_of(&self.name)
    }

    /// Returns the key.
    pub fn key(&self) -> &BotKey {
        &self.key
    }

    /// Returns the entry of `signing.keys` that lists this person, in YAML's flow form.
    pub fn listed(&self) -> String {
        match &self.key {
            BotKey::OpenPgp(key) => format!("{{openpgp: {}}}", key.fingerprint()),
            BotKey::Ssh(_) | BotKey::SshAgent(_) => {
                format!("{{ssh: \"{}\"}}", self.key.public().trim())
            }
        }
    }

    /// Returns the commit object with this person's signature in it.
    ///
    /// # Errors
    /// Fails where the key cannot sign.
    pub fn sign(&self, unsigned: &[u8], now: SystemTime) -> Result<Vec<u8>> {
        Ok(with_signature(unsigned, &self.key.sign(unsigned, now)?))
    }
}

fn mail_of(name: &str) -> String {
    format!("{}@example.org", name.to_lowercase().replace(' ', "."))
}
