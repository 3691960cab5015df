//! One object in, one verdict out.

use std::time::{Duration, SystemTime};

use crate::config::ListedKey;
use crate::git::{Kind, Objects};
use crate::names::{ObjectId, TagName};
use crate::openpgp::{Certificates, KeyState, Keyring};
use crate::outcome::Refusal;
use crate::signer_id::Signer;
use crate::ssh::{self, AllowedSigner};

use super::object::{CommitObject, Signed, TagObject};
use super::verdict::{Accepted, Verdict, Warning};

/// How far a signature's time may lie ahead of our clock.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// How long before its end a key is warned about.
const EXPIRES_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Who may sign, and what time it is: built once for a branch, used for many objects.
///
/// The certificates are those at hand when it is built; nothing is fetched while judging.
#[derive(Debug)]
pub struct Policy {
    openpgp: Keyring,
    ssh: Vec<AllowedSigner>,
    listed: Vec<String>,
    now: SystemTime,
    tolerance: Duration,
}

impl Policy {
    /// Takes the branch config's keys, the certificates from `keys/` and the keyring, and the time.
    pub fn new(keys: &[ListedKey], certificates: Certificates, now: SystemTime) -> Policy {
        let listed = keys.iter().map(shown).collect();
        let (mut fingerprints, mut ssh) = (Vec::new(), Vec::new());
        for key in keys {
            match key {
                ListedKey::OpenPgp { fingerprint, .. } => fingerprints.push(fingerprint.clone()),
                ListedKey::Ssh(signer) => ssh.push(signer.clone()),
            }
        }
        let openpgp = Keyring::new(fingerprints, certificates);
        Policy { openpgp, ssh, listed, now, tolerance: TOLERANCE }
    }

    /// Changes how far a signature's time may lie ahead of our clock; it begins as five minutes.
    #[must_use]
    pub fn tolerance(self, tolerance: Duration) -> Policy {
        Policy { tolerance, ..self }
    }

    /// Returns the listed OpenPGP keys and subkeys as they stand now.
    pub fn openpgp_states(&self) -> Vec<KeyState> {
        self.openpgp.states(self.now)
    }

    /// Returns the listed OpenPGP fingerprints of which no certificate is at hand.
    pub fn missing_certificates(&self) -> &[crate::names::Fingerprint] {
        self.openpgp.missing()
    }

    /// Returns the listed SSH keys and when each counts from and until.
    pub fn ssh_keys(&self) -> &[AllowedSigner] {
        &self.ssh
    }

    /// Adds to a refusal whom the config lists, where that is what the reader must compare.
    fn explain(&self, refusal: Refusal) -> Refusal {
        if !["key-not-listed", "certificate-missing"].contains(&refusal.code.0) {
            return refusal;
        }
        let mut shown = self.listed.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        if shown.is_empty() {
            shown = "no key".to_owned();
        }
        if self.listed.len() > 5 {
            shown.push_str(&format!(" and {} more", self.listed.len() - 5));
        }
        Refusal { message: format!("{}; the config lists {shown}", refusal.message), ..refusal }
    }
}

fn shown(key: &ListedKey) -> String {
    match key {
        ListedKey::OpenPgp { fingerprint, .. } => format!("openpgp:{fingerprint}"),
        ListedKey::Ssh(signer) => format!("ssh:{}", signer.fingerprint()),
    }
}

/// Judges a commit: `raw` is the object's content as it lies in the repository.
pub fn judge_commit(id: &ObjectId, raw: &[u8], policy: &Policy) -> Verdict {
    let judged = check_name(Kind::Commit, id, raw).and_then(|()| {
        let commit = CommitObject::parse(raw)?;
        let dated = at(commit.committer_seconds());
        let signed = commit.signed().ok_or_else(unsigned_tip)?;
        judge_signed(*id, signed, dated, policy)
    });
    judged.map_err(|refusal| about(Kind::Commit, id, policy.explain(refusal))).into()
}

/// Judges an annotated tag by itself; for a release tag see [`judge_release_tag`].
pub fn judge_tag(id: &ObjectId, raw: &[u8], policy: &Policy) -> Verdict {
    let judged = check_name(Kind::Tag, id, raw).and_then(|()| {
        let tag = TagObject::parse(raw)?;
        let dated = at(tag.tagger_seconds());
        let signed = tag.signed().ok_or_else(unsigned_tag)?;
        judge_signed(*id, signed, dated, policy)
    });
    judged.map_err(|refusal| about(Kind::Tag, id, policy.explain(refusal))).into()
}

/// Judges the annotated tag that the reference `name` points to and that stands for `commit`.
///
/// Whoever can push may point `refs/tags/v2` at the signed tag `v1`: the name inside must agree, and so
/// must the commit.
pub fn judge_release_tag(
    id: &ObjectId,
    raw: &[u8],
    name: &TagName,
    commit: &ObjectId,
    policy: &Policy,
) -> Verdict {
    let judged = judge_tag(id, raw, policy).into_result().and_then(|accepted| {
        let tag = TagObject::parse(raw)?;
        match tag.name() == name && tag.target() == *commit && tag.target_kind() == "commit" {
            true => Ok(accepted),
            false => Err(about(Kind::Tag, id, tag_mismatch(&tag, name, commit))),
        }
    });
    judged.into()
}

/// Hashes the object again: a file under the wrong name is believed by git and its libraries.
fn check_name(kind: Kind, id: &ObjectId, raw: &[u8]) -> Result<(), Refusal> {
    if id.as_bytes().len() != 20 {
        return Err(format_unsupported());
    }
    let hashed = Objects::hash(kind, raw).map_err(|error| collision(&error.to_string()))?;
    if hashed == *id { Ok(()) } else { Err(hash_mismatch(&hashed)) }
}

fn at(seconds: i64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// The formats that git can carry, told by the armour's first line.
fn judge_signed(
    object_id: ObjectId,
    signed: &Signed,
    dated: Option<SystemTime>,
    policy: &Policy,
) -> Result<Accepted, Refusal> {
    let Signed { signature, payload } = signed;
    let begins = |kind: &str| signature.starts_with(format!("-----BEGIN {kind}-----").as_bytes());
    if begins("PGP SIGNATURE") {
        let Policy { now, tolerance, .. } = policy;
        let good = policy.openpgp.verify(signature, payload, *now, *tolerance)?;
        let mut accepted = accept(object_id, good.signer, good.expires, policy);
        if good.is_forge {
            accepted.warnings.push(Warning::ForgeKey { signer: accepted.signer.clone() });
        }
        return Ok(Accepted { user_id: good.user_id, signed_at: Some(good.signed_at), ..accepted });
    }
    if begins("SSH SIGNATURE") {
        let good = ssh::verify(&policy.ssh, signature, payload, policy.now, dated)?;
        let accepted = accept(object_id, good.signer, good.expires, policy);
        return Ok(Accepted { user_id: good.comment, ..accepted });
    }
    Err(other_format(signature))
}

fn accept(
    object_id: ObjectId,
    signer: Signer,
    expires: Option<SystemTime>,
    policy: &Policy,
) -> Accepted {
    let soon = expires.filter(|at| *at <= policy.now + EXPIRES_SOON);
    let warning = soon.map(|at| Warning::ExpiresSoon { signer: signer.clone(), at });
    let warnings = warning.into_iter().collect();
    Accepted { object_id, signer, user_id: None, signed_at: None, warnings }
}

fn other_format(signature: &[u8]) -> Refusal {
    let text = String::from_utf8_lossy(signature);
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("-----BEGIN SIGNED MESSAGE") {
        let words = "the signature is an X.509 one (gpgsm or gitsign), which is not supported";
        return Refusal::new("signature-format-unsupported", words)
            .hint("sign with an OpenPGP or SSH key");
    }
    let is_inside = text.contains("-----BEGIN PGP ") || text.contains("-----BEGIN SSH ");
    if is_inside {
        let words = "the signature is no detached one, or text stands before its armour";
        return Refusal::new("malformed-signature", words)
            .hint("sign it with git itself: git commit -S");
    }
    match first.is_empty() {
        true => Refusal::new("malformed-signature", "the signature is empty")
            .hint("sign it again: git commit --amend -S"),
        false => Refusal::new("signature-format-unsupported", "the signature's format is unknown")
            .hint("sign with an OpenPGP or SSH key"),
    }
}

/// Puts before the words what they are about.
fn about(kind: Kind, id: &ObjectId, refusal: Refusal) -> Refusal {
    let message = format!("{} {}: {}", kind.as_str(), id.short(), refusal.message);
    Refusal { message, ..refusal }
}

fn unsigned_tip() -> Refusal {
    Refusal::new("unsigned-tip", "the commit carries no signature")
        .hint("sign the tip and push it: git commit --amend -S, or a new signed commit on top")
}

fn unsigned_tag() -> Refusal {
    Refusal::new("unsigned-tag", "the tag carries no signature").hint(
        "make it again with git tag -s, or name the tag in a Release-tag trailer on the signed tip",
    )
}

fn format_unsupported() -> Refusal {
    Refusal::new("object-format-unsupported", "SHA-256 object ids are not supported yet")
        .hint("track a repository in git's SHA-1 object format")
}

fn hash_mismatch(hashed: &ObjectId) -> Refusal {
    Refusal::new("object-hash-mismatch", format!("the content hashes to {hashed} instead"))
        .hint("the repository is damaged or was tampered with; `git fsck` there shows more")
}

fn collision(words: &str) -> Refusal {
    Refusal::new("hash-collision", format!("the content is part of a SHA-1 collision: {words}"))
        .hint("somebody made this object on purpose; ask who pushed it")
}

fn tag_mismatch(tag: &TagObject, name: &TagName, commit: &ObjectId) -> Refusal {
    let says =
        format!("signed as {} of {} {}", tag.name(), tag.target_kind(), tag.target().short());
    Refusal::new(
        "tag-mismatch",
        format!("{says}, but used as {name} of commit {}", commit.short()),
    )
    .hint("make the tag again under its own name with git tag -s")
}
