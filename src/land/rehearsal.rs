//! A rehearsal: can this key sign now, and would its signature be believed?

use std::time::SystemTime;

use crate::bot_certs::BotCerts;
use crate::bot_key::BotKey;
use crate::config::ListedKey;
use crate::gate::{Accepted, Policy, judge_commit};
use crate::git::commit::with_signature;
use crate::git::{Kind, Objects};
use crate::openpgp::Certificates;
use crate::outcome::{Refusal, Result};
use crate::ssh::AllowedSigner;

/// The tree without anything in it.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// Signs a commit that goes nowhere, and judges it as strictly as the gate and as a later run of the bot's will.
///
/// # Errors
/// Whatever signing fails with or the gate refuses; `bot-key-not-believed` where a later run would not take the
/// commit for the bot's own.
pub fn rehearse(key: &BotKey, now: SystemTime) -> Result<Accepted> {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let who = format!("lockkeeper <lockkeeper@localhost> {seconds} +0000");
    let unsigned = format!("tree {EMPTY_TREE}\nauthor {who}\ncommitter {who}\n\nA rehearsal\n");
    let signed = with_signature(unsigned.as_bytes(), &key.sign(unsigned.as_bytes(), now)?);
    let (certificates, _) = Certificates::load([("the bot's key", key.public())]);
    let policy = Policy::new(&[listed(key)?], certificates, now);
    let id = Objects::hash(Kind::Commit, &signed)?;
    let accepted = judge_commit(&id, &signed, &policy).into_result()?;
    match BotCerts::of(key).signed(&signed) {
        Some(_) => Ok(accepted),
        None => Err(Refusal::config(
            "bot-key-not-believed",
            "a later run would not take what this key signs for the bot's own",
        )
        .hint("make another one with `lockkeeper key generate`")
        .into()),
    }
}

/// Returns the key as a branch config would list it.
fn listed(key: &BotKey) -> Result<ListedKey, Refusal> {
    match key {
        BotKey::OpenPgp(key) => {
            Ok(ListedKey::OpenPgp { fingerprint: key.fingerprint(), certificate: None })
        }
        BotKey::Ssh(_) | BotKey::SshAgent(_) => {
            let signer = AllowedSigner::parse(&key.public(), &[]);
            signer.map(ListedKey::Ssh).map_err(|words| {
                Refusal::config("bot-key-unsupported", format!("the bot's key: {words}"))
            })
        }
    }
}
