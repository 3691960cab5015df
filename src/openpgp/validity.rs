//! Whether a key of a certificate may sign: strength, revocation, binding, flags, expiry.
//!
//! The order is that of the words a person can best act on: a revoked key is called revoked even
//! where it is expired too.

use std::time::SystemTime;

use openpgp::cert::amalgamation::key::{
    ErasedKeyAmalgamation, PrimaryKey, ValidErasedKeyAmalgamation,
};
use openpgp::cert::amalgamation::{ValidAmalgamation, ValidateAmalgamation};
use openpgp::packet::key::{PrimaryRole, PublicParts};
use openpgp::packet::{Key, Signature};
use openpgp::types::{ReasonForRevocation, RevocationType};
use openpgp::{Cert, KeyHandle};
use sequoia_openpgp as openpgp;

use super::certificates::Certificates;
use super::policy::{SelfSignatures, Unfit, is_strong, unfit};
use super::primary_user_id;
use crate::outcome::{Refusal, printable};
use crate::words::date;

/// When a key must have been fit to sign.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// Now, whatever the signature says of its own time, which its maker picks; every revocation counts.
    Now(SystemTime),
    /// When it signed. For the bot's own earlier keys: an expired or retired one made what it made; a
    /// revocation because of compromise takes everything back.
    WhenSigned(SystemTime),
}

/// A certificate with what is known of those who may revoke it.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) cert: Cert,
    /// Primary keys of designated revokers, as far as their certificates are at hand.
    revokers: Vec<Key<PublicParts, PrimaryRole>>,
    /// All designated revokers.
    named: Vec<KeyHandle>,
    /// The primary user id, made harmless for one line.
    pub(super) user_id: Option<String>,
}

type AnyKey<'a> = ErasedKeyAmalgamation<'a, PublicParts>;

impl Judged {
    /// Looks up the designated revokers of `cert`.
    pub(super) fn new(cert: Cert, certificates: &Certificates) -> Judged {
        let policy = SelfSignatures::lenient();
        let revokers = cert.revocation_keys(&policy).map(|revoker| revoker.revoker().1.clone());
        let named: Vec<KeyHandle> = revokers.map(KeyHandle::from).collect();
        let found = named.iter().flat_map(|handle| {
            let at_hand = certificates.with_handle(handle).into_iter();
            at_hand.filter(|cert| cert.key_handle() == *handle)
        });
        let revokers = found.map(|cert| cert.primary_key().key().clone()).collect();
        let user_id = primary_user_id(&cert).map(|user_id| printable(user_id.value(), 100));
        Judged { cert, revokers, named, user_id }
    }

    /// Returns the keys that every one of `issuers` can mean.
    pub(super) fn keys_named<'a>(
        &'a self,
        issuers: &'a [KeyHandle],
    ) -> impl Iterator<Item = AnyKey<'a>> {
        self.cert.keys().filter(move |key| {
            let handle = KeyHandle::from(key.key().fingerprint());
            issuers.iter().all(|issuer| issuer.aliases(&handle))
        })
    }

    /// Judges whether `key` may sign; returns when it or its primary expires, the earlier of the two.
    pub(super) fn check(
        &self,
        key: &AnyKey<'_>,
        moment: Moment,
    ) -> Result<Option<SystemTime>, Refusal> {
        self.check_strength(key)?;
        self.check_revocations(key, moment)?;
        let reference = match moment {
            Moment::Now(now) => now,
            Moment::WhenSigned(at) => self.newest_self_signature().max(at),
        };
        let expires = self.check_binding(key, reference)?;
        let (Moment::Now(at) | Moment::WhenSigned(at)) = moment;
        match expires.filter(|expiry| *expiry <= at) {
            Some(expiry) => Err(expired(&self.shown(key), expiry)),
            None => Ok(expires),
        }
    }

    /// Names a key and its owner for people.
    pub(super) fn shown(&self, key: &AnyKey<'_>) -> String {
        let owner = self.user_id.as_ref().map(|user_id| format!(" ({user_id})"));
        let fingerprint = key.key().fingerprint();
        format!("the OpenPGP key {fingerprint}{}", owner.unwrap_or_default())
    }

    fn check_strength(&self, key: &AnyKey<'_>) -> Result<(), Refusal> {
        match unfit(key.key()).or(unfit(self.cert.primary_key().key())) {
            Some(Unfit::Weak(kind)) => Err(weak(&self.shown(key), &kind)),
            Some(Unfit::Unsupported(kind)) => Err(unsupported(&self.shown(key), &kind)),
            None => Ok(()),
        }
    }

    fn newest_self_signature(&self) -> SystemTime {
        let keys = self.cert.keys().flat_map(|key| key.self_signatures());
        let user_ids = self.cert.userids().flat_map(|user_id| user_id.self_signatures());
        let times = keys.chain(user_ids).filter_map(|made| made.signature_creation_time());
        times.max().unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Checks that the owner binds `key` to the certificate for signing, with strong hashes.
    fn check_binding(
        &self,
        key: &AnyKey<'_>,
        reference: SystemTime,
    ) -> Result<Option<SystemTime>, Refusal> {
        let (strict, any_hash) = (SelfSignatures::strict(), SelfSignatures::any_hash());
        let newest = key.clone().with_policy(&any_hash, reference);
        let valid = match (key.clone().with_policy(&strict, reference), &newest) {
            (Ok(valid), _) => valid,
            (Err(_), Ok(_)) => return Err(weak_self_signature(&self.shown(key))),
            (Err(error), Err(_)) => return Err(not_bound(&self.shown(key), &error)),
        };
        // A newer self-signature with a weak hash opens nothing, but what it takes away is gone.
        let both = || [Some(&valid), newest.as_ref().ok()].into_iter().flatten();
        if !both().all(|valid| valid.for_signing()) {
            return Err(not_for_signing(&self.shown(key)));
        }
        let back_signature = valid.primary_key_binding_signature();
        if !key.primary() && !back_signature.is_some_and(|made| is_strong(made.hash_algo())) {
            return Err(weak_self_signature(&self.shown(key)));
        }
        Ok(both().filter_map(expiry_of).min())
    }

    fn check_revocations(&self, key: &AnyKey<'_>, moment: Moment) -> Result<(), Refusal> {
        let primary = self.cert.primary_key();
        let own = primary.self_revocations().chain(key.self_revocations());
        for revocation in own {
            if counts(revocation, moment) {
                return Err(revoked(&self.shown(key), revocation));
            }
        }
        for revocation in primary.other_revocations().chain(key.other_revocations()) {
            self.check_foreign(key, revocation, moment)?;
        }
        Ok(())
    }

    /// Honours a revocation by a designated revoker and ignores one by a stranger.
    ///
    /// Where the revoker's certificate is missing nobody can tell a real one from a forged one, so it
    /// counts: a key that somebody says is lost opens nothing.
    fn check_foreign(
        &self,
        key: &AnyKey<'_>,
        revocation: &Signature,
        moment: Moment,
    ) -> Result<(), Refusal> {
        let issuers = revocation.get_issuers();
        let names = |handle: &KeyHandle| issuers.iter().any(|issuer| issuer.aliases(handle));
        if !self.named.iter().any(names) || !counts(revocation, moment) {
            return Ok(());
        }
        let by = |revoker: &&Key<PublicParts, PrimaryRole>| {
            names(&KeyHandle::from(revoker.fingerprint()))
        };
        let mut known = self.revokers.iter().filter(by).peekable();
        if known.peek().is_none() {
            return Err(revoker_missing(&self.shown(key), &issuers));
        }
        match known.any(|revoker| self.is_by(revoker, key, revocation)) {
            true => Err(revoked(&self.shown(key), revocation)),
            false => Ok(()),
        }
    }

    fn is_by(
        &self,
        revoker: &Key<PublicParts, PrimaryRole>,
        key: &AnyKey<'_>,
        revocation: &Signature,
    ) -> bool {
        let primary = self.cert.primary_key().key();
        let subkey = key.key().role_as_subordinate();
        let takes_all = revocation.verify_primary_key_revocation(revoker, primary).is_ok();
        takes_all || revocation.verify_subkey_revocation(revoker, primary, subkey).is_ok()
    }
}

/// Returns when the key or its primary expires, the earlier of the two.
fn expiry_of(valid: &ValidErasedKeyAmalgamation<'_, PublicParts>) -> Option<SystemTime> {
    let primary = valid.valid_cert().primary_key().key_expiration_time();
    [valid.key_expiration_time(), primary].into_iter().flatten().min()
}

/// Tells whether a revocation takes back what the key does at `moment`.
fn counts(revocation: &Signature, moment: Moment) -> bool {
    let Moment::WhenSigned(at) = moment else { return true };
    let is_hard = match revocation.reason_for_revocation() {
        Some((reason, _)) => reason.revocation_type() == RevocationType::Hard,
        None => true,
    };
    is_hard || revocation.signature_creation_time().is_none_or(|time| time <= at)
}

fn weak(who: &str, weakness: &str) -> Refusal {
    let words = format!("{} or its primary key is {weakness}, which is too weak", who);
    Refusal::new("weak-key", words)
        .hint("sign with an Ed25519 key, or RSA of at least 2048 bits, and list that")
}

fn unsupported(who: &str, kind: &str) -> Refusal {
    let words = format!("{} or its primary key is {kind}, which cannot be checked here", who);
    Refusal::new("key-unsupported", words).hint("sign with an Ed25519 key, and list that")
}

fn weak_self_signature(who: &str) -> Refusal {
    let words = "is bound to its owner by signatures with a weak hash (SHA-1 or older) only";
    Refusal::new("weak-hash", format!("{} {words}", who)).hint(
        "the owner sets the expiry anew, which renews these signatures \
         (gpg --quick-set-expire FINGERPRINT 2y, and again with '*'), and publishes the certificate",
    )
}

fn not_bound(who: &str, error: &openpgp::anyhow::Error) -> Refusal {
    let reason = printable(error.to_string(), 200);
    let words = format!("{} has no valid binding to its certificate now: {reason}", who);
    Refusal::new("key-not-bound", words)
        .hint("publish a current copy of the certificate (gpg --export) in keys/ or the keyring")
}

fn not_for_signing(who: &str) -> Refusal {
    let words = "is not meant for signing: its owner did not give it that flag";
    Refusal::new("key-not-for-signing", format!("{} {words}", who))
        .hint("sign with the certificate's signing subkey, or add one and publish the certificate")
}

fn expired(who: &str, expiry: SystemTime) -> Refusal {
    Refusal::new("key-expired", format!("{} expired on {}", who, date(expiry))).hint(
        "extend the expiry and publish the certificate in keys/ or the keyring; \
         the commit need not be signed again",
    )
}

fn revoked(who: &str, revocation: &Signature) -> Refusal {
    let reason = match revocation.reason_for_revocation() {
        Some((ReasonForRevocation::Unspecified, _)) | None => "without a reason".to_owned(),
        Some((reason, text)) => format!("({reason}: {})", printable(text, 100)),
    };
    let when = revocation.signature_creation_time().map(date).unwrap_or_default();
    Refusal::new("key-revoked", format!("{} was revoked {when} {reason}", who))
        .hint("sign with a key that is not revoked, and list that one")
}

fn revoker_missing(who: &str, issuers: &[KeyHandle]) -> Refusal {
    let by = issuers.iter().map(KeyHandle::to_hex).collect::<Vec<_>>().join(", ");
    let words = format!("{} carries a revocation by its designated revoker {by}", who);
    Refusal::new("key-revoked", format!("{words}, whose certificate is not at hand")).hint(
        "add the revoker's certificate to keys/ or the keyring to have the revocation checked",
    )
}
