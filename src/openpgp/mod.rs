//! The OpenPGP room: the only one that names sequoia.
//!
//! - [`Certificates`] reads and indexes certificate files;
//! - [`Keyring`] holds the listed ones, merged, and judges signatures: `armour` and `packet` read one,
//!   `policy` says which self-signatures count, `validity` whether a key may sign now, `verify` puts them
//!   in order;
//! - [`SecretKey`] is the bot's own key; [`describe`] tells what a key file holds without unlocking it.

mod armour;
mod certificates;
mod description;
mod packet;
mod policy;
mod secret_key;
mod validity;
mod verify;

pub use certificates::{Certificates, Warning};
pub use description::{Description, describe};
pub use secret_key::SecretKey;
pub use verify::{Good, KeyState, Keyring};

use openpgp::Cert;
use openpgp::packet::UserID;
use sequoia_openpgp as openpgp;

use crate::names::Fingerprint;

/// Returns our name for a fingerprint of sequoia's.
fn fingerprint_of(fingerprint: &openpgp::Fingerprint) -> Fingerprint {
    fingerprint.to_hex().parse().expect("parsed keys are of version 4 or 6")
}

/// Returns the user id that the owner says is the primary one, judged when the newest was made.
fn primary_user_id(cert: &Cert) -> Option<UserID> {
    let policy = policy::SelfSignatures::lenient();
    let self_signatures = cert.userids().flat_map(|user_id| user_id.self_signatures());
    let newest = self_signatures.filter_map(|made| made.signature_creation_time()).max();
    let valid = cert.with_policy(&policy, newest?.max(cert.primary_key().key().creation_time()));
    Some(valid.ok()?.primary_userid().ok()?.userid().clone())
}
