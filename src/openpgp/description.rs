//! What a key file says of itself, without unlocking anything.

use std::time::SystemTime;

use openpgp::crypto::mpi::PublicKey;
use openpgp::packet::Key;
use openpgp::packet::key::{PublicParts, UnspecifiedRole};
use openpgp::parse::Parse;
use openpgp::serialize::SerializeInto;
use openpgp::types::Curve;
use openpgp::{Cert, types::PublicKeyAlgorithm};
use sequoia_openpgp as openpgp;

use super::{fingerprint_of, primary_user_id};
use crate::names::Fingerprint;
use crate::outcome::printable;

/// What an OpenPGP key file holds.
#[derive(Debug, Clone)]
pub struct Description {
    /// The primary key's fingerprint.
    pub fingerprint: Fingerprint,
    /// What kind of key the primary is, such as `Ed25519`.
    pub algorithm: String,
    /// The primary user id, made harmless for one line.
    pub user_id: Option<String>,
    /// When the primary key was made.
    pub created: SystemTime,
    /// Whether a secret key is there: `None` where not, else whether any is locked.
    pub locked: Option<bool>,
    /// The armoured certificate.
    pub certificate: String,
}

/// Reads a key or certificate, armoured or binary; `None` where it is none.
pub fn describe(bytes: &[u8]) -> Option<Description> {
    let cert = Cert::from_bytes(bytes).ok()?;
    let primary = cert.primary_key();
    let is_locked = |key: &Key<_, UnspecifiedRole>| !key.has_unencrypted_secret();
    let locked = cert.is_tsk().then(|| cert.keys().secret().any(|key| is_locked(key.key())));
    let user_id = primary_user_id(&cert).map(|user_id| printable(user_id.value(), 200));
    Some(Description {
        fingerprint: fingerprint_of(&cert.fingerprint()),
        algorithm: algorithm(primary.key().role_as_unspecified()),
        user_id,
        created: primary.key().creation_time(),
        locked,
        certificate: String::from_utf8(cert.strip_secret_key_material().armored().to_vec().ok()?)
            .ok()?,
    })
}

fn algorithm(key: &Key<PublicParts, UnspecifiedRole>) -> String {
    match key.mpis() {
        PublicKey::EdDSA { curve: Curve::Ed25519, .. } => "Ed25519".to_owned(),
        PublicKey::RSA { .. } => format!("RSA of {} bits", key.mpis().bits().unwrap_or_default()),
        _ if key.pk_algo() == PublicKeyAlgorithm::Ed25519 => "Ed25519".to_owned(),
        _ => key.pk_algo().to_string(),
    }
}
