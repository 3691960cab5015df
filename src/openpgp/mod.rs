//! The OpenPGP room: the only one that names sequoia.
//!
//! - [`SecretKey`] is the bot's own key;
//! - `policy` says which self-signatures and keys are strong enough.

mod policy;
mod secret_key;

pub use secret_key::SecretKey;

use openpgp::Cert;
use openpgp::packet::UserID;
use sequoia_openpgp as openpgp;

use crate::names::Fingerprint;

/// Returns our name for a fingerprint of sequoia's.
fn fingerprint_of(fingerprint: &openpgp::Fingerprint) -> Fingerprint {
    fingerprint.to_hex().parse().expect("keys that were parsed have 40 or 64 hex digits")
}

/// Returns the user id that the owner says is the primary one, judged when the newest was made.
fn primary_user_id(cert: &Cert) -> Option<UserID> {
    let policy = policy::SelfSignatures::lenient();
    let self_signatures = cert.userids().flat_map(|user_id| user_id.self_signatures());
    let newest = self_signatures.filter_map(|s| s.signature_creation_time()).max();
    let valid = cert.with_policy(&policy, newest?.max(cert.primary_key().key().creation_time()));
    Some(valid.ok()?.primary_userid().ok()?.userid().clone())
}
