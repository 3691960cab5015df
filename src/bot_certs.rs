//! The bot's own public keys, current and earlier: which dist-git commits are its own.

use std::time::{Duration, SystemTime};

use crate::bot_key::BotKey;
use crate::gate::{CommitObject, Signed};
use crate::openpgp::{Certificates, Keyring, Warning};
use crate::signer_id::Signer;
use crate::ssh::{self, AllowedSigner};

/// The keys whose commits count as the bot's own.
///
/// After a rotation the earlier key still vouches for what it signed before it expired or was retired;
/// one that was revoked as compromised vouches for nothing. All else is as strict as the gate.
#[derive(Debug)]
pub struct BotCerts {
    openpgp: Keyring,
    ssh: Vec<AllowedSigner>,
}

impl BotCerts {
    /// Reads certificate files and SSH public key files, by name and content.
    pub fn load<N, B>(files: impl IntoIterator<Item = (N, B)>) -> (BotCerts, Vec<Warning>)
    where
        N: AsRef<str>,
        B: AsRef<[u8]>,
    {
        let (mut openpgp, mut ssh, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for (name, bytes) in files {
            if !holds_ssh_keys(bytes.as_ref()) {
                openpgp.push((name, bytes));
                continue;
            }
            let text = String::from_utf8_lossy(bytes.as_ref());
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                match AllowedSigner::parse(line, &[]) {
                    Ok(signer) => ssh.push(signer),
                    Err(words) => warnings.push(Warning { file: name.as_ref().into(), words }),
                }
            }
        }
        let (certificates, more) = Certificates::load(openpgp);
        warnings.extend(more);
        let all: Vec<_> = certificates.fingerprints().into_iter().cloned().collect();
        (BotCerts { openpgp: Keyring::new(all, certificates), ssh }, warnings)
    }

    /// Returns no certificates: then no commit is the bot's own.
    pub fn none() -> BotCerts {
        BotCerts { openpgp: Keyring::new(Vec::new(), Certificates::default()), ssh: Vec::new() }
    }

    /// Returns the public half of one key: the default where no certificates are given.
    pub fn of(key: &BotKey) -> BotCerts {
        BotCerts::load([("the bot's key", key.public())]).0
    }

    /// Returns which of these keys made the good signature on a commit, if one did.
    pub fn signed(&self, raw_commit: &[u8]) -> Option<Signer> {
        let commit = CommitObject::parse(raw_commit).ok()?;
        let Signed { signature, payload } = commit.signed()?;
        if let Ok(good) = self.openpgp.verify_when_signed(signature, payload) {
            return Some(good.signer);
        }
        let seconds = u64::try_from(commit.committer_seconds()).ok()?;
        let dated = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
        let good = ssh::verify(&self.ssh, signature, payload, dated, Some(dated));
        good.ok().map(|good| good.signer)
    }
}

fn holds_ssh_keys(bytes: &[u8]) -> bool {
    let kinds: [&[u8]; 3] = [b"ssh-", b"ecdsa-sha2-", b"sk-"];
    kinds.iter().any(|kind| bytes.trim_ascii_start().starts_with(kind))
}
