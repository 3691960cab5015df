//! Which self-signatures count: hash algorithms, critical subpackets, key strength.

use openpgp::cert::amalgamation::key::ValidErasedKeyAmalgamation;
use openpgp::crypto::mpi::PublicKey;
use openpgp::packet::key::{KeyParts, KeyRole, PublicParts};
use openpgp::packet::signature::subpacket::SubpacketTag;
use openpgp::packet::{Key, Signature};
use openpgp::policy::{HashAlgoSecurity, Policy};
use openpgp::types::{Curve, HashAlgorithm};
use sequoia_openpgp as openpgp;

/// The policy by which a certificate's own signatures are read.
///
/// Sequoia's standard policy asks when a signature was made, which whoever made it picks; this one
/// has no dates. It is not asked about revocations: of those every one that verifies counts, an old one
/// made with SHA-1 too.
#[derive(Debug, Clone, Copy)]
pub(super) struct SelfSignatures {
    accept: Accept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accept {
    Strong,
    AnyHash,
    All,
}

impl SelfSignatures {
    /// Strong hashes only: what a verdict rests on.
    pub(super) fn strict() -> Self {
        SelfSignatures { accept: Accept::Strong }
    }

    /// Any hash: tells "signed with SHA-1" from "not signed at all".
    pub(super) fn any_hash() -> Self {
        SelfSignatures { accept: Accept::AnyHash }
    }

    /// Whatever verifies: finds user ids and designated revokers, who may only take away.
    pub(super) fn lenient() -> Self {
        SelfSignatures { accept: Accept::All }
    }
}

impl Policy for SelfSignatures {
    fn signature(&self, signature: &Signature, _: HashAlgoSecurity) -> openpgp::Result<()> {
        if self.accept == Accept::All {
            return Ok(());
        }
        if self.accept == Accept::Strong && !is_strong(signature.hash_algo()) {
            let words = format!("made with {}", signature.hash_algo());
            return Err(openpgp::Error::PolicyViolation(words, None).into());
        }
        match unknown_critical(signature) {
            Some(what) => Err(openpgp::Error::PolicyViolation(what, None).into()),
            None => Ok(()),
        }
    }

    fn key(&self, key: &ValidErasedKeyAmalgamation<PublicParts>) -> openpgp::Result<()> {
        match unfit(key.key()) {
            Some(Unfit::Weak(kind) | Unfit::Unsupported(kind)) => {
                Err(openpgp::Error::PolicyViolation(kind, None).into())
            }
            None => Ok(()),
        }
    }
}

/// Tells whether nobody can make two texts with one digest.
pub(super) fn is_strong(hash: HashAlgorithm) -> bool {
    use HashAlgorithm::*;
    matches!(hash, SHA224 | SHA256 | SHA384 | SHA512 | SHA3_256 | SHA3_512)
}

/// Returns the first critical subpacket or notation whose meaning we do not know.
///
/// Its maker says that whoever does not know it must not trust the signature (RFC 9580, 5.2.3.7).
pub(super) fn unknown_critical(signature: &Signature) -> Option<String> {
    let critical = signature.hashed_area().iter().filter(|subpacket| subpacket.critical());
    critical.map(|subpacket| subpacket.tag()).find_map(|tag| match tag {
        SubpacketTag::NotationData => Some("a critical notation".to_owned()),
        tag if is_understood(tag) => None,
        tag => Some(format!("the critical subpacket {}", u8::from(tag))),
    })
}

fn is_understood(tag: SubpacketTag) -> bool {
    use SubpacketTag::*;
    matches!(
        tag,
        SignatureCreationTime
            | SignatureExpirationTime
            | ExportableCertification
            | Revocable
            | KeyExpirationTime
            | PreferredSymmetricAlgorithms
            | PreferredHashAlgorithms
            | PreferredCompressionAlgorithms
            | PreferredAEADCiphersuites
            | RevocationKey
            | Issuer
            | IssuerFingerprint
            | KeyServerPreferences
            | PreferredKeyServer
            | PrimaryUserID
            | PolicyURI
            | KeyFlags
            | SignersUserID
            | ReasonForRevocation
            | Features
            | EmbeddedSignature
            | IntendedRecipient
    )
}

/// Why a key cannot be relied on.
#[derive(Debug)]
pub(super) enum Unfit {
    /// Others can sign in its place; what it is.
    Weak(String),
    /// Its signatures cannot be checked here; what it is.
    Unsupported(String),
}

/// Says why a key cannot be relied on, if anything speaks against it.
pub(super) fn unfit<P: KeyParts, R: KeyRole>(key: &Key<P, R>) -> Option<Unfit> {
    match key.mpis() {
        PublicKey::RSA { n, .. } => match n.bits() {
            bits @ 0..2048 => Some(Unfit::Weak(format!("RSA of {bits} bits"))),
            2048..=4096 => None,
            bits => Some(Unfit::Unsupported(format!("RSA of {bits} bits, more than 4096"))),
        },
        PublicKey::DSA { .. } => Some(Unfit::Weak("DSA".to_owned())),
        PublicKey::ECDSA { curve, .. } | PublicKey::EdDSA { curve, .. } => match curve {
            Curve::Unknown(_) => Some(Unfit::Unsupported("of an unknown curve".to_owned())),
            _ => None,
        },
        // Encryption subkeys play no part in a signature.
        PublicKey::ECDH { .. } | PublicKey::X25519 { .. } | PublicKey::X448 { .. } => None,
        PublicKey::Ed25519 { .. } | PublicKey::Ed448 { .. } | PublicKey::ElGamal { .. } => None,
        _ => Some(Unfit::Unsupported(format!("of the algorithm {}", key.pk_algo()))),
    }
}
