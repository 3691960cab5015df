//! The bot's own OpenPGP key: made, loaded, and signing.

use std::fmt;
use std::time::SystemTime;

use openpgp::armor::{Kind, Writer};
use openpgp::cert::amalgamation::key::PrimaryKey;
use openpgp::cert::{CertBuilder, CipherSuite};
use openpgp::crypto::Password;
use openpgp::packet::Key;
use openpgp::packet::key::{SecretKeyMaterial, SecretParts, UnspecifiedRole};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::parse::Parse;
use openpgp::serialize::{Serialize, SerializeInto};
use openpgp::types::{Curve, HashAlgorithm, PublicKeyAlgorithm, SignatureType};
use openpgp::{Cert, KeyHandle, Packet, Profile};
use sequoia_openpgp as openpgp;

use super::certificates::Certificates;
use super::fingerprint_of;
use super::validity::{Judged, Moment};
use crate::names::Fingerprint;
use crate::outcome::{Problem, Refusal};

/// An OpenPGP secret key that can sign; unlocked once, when it was loaded.
///
/// Version 4 and Ed25519 only (the design, section 7): GnuPG 2.2 cannot read version 6, and RSA's
/// private operation leaks through timing in the pure Rust backend.
#[derive(Clone)]
pub struct SecretKey {
    cert: Box<Cert>,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "openpgp::SecretKey({})", self.cert.fingerprint())
    }
}

impl SecretKey {
    /// Makes a new key: a primary that certifies and one signing subkey.
    ///
    /// # Errors
    /// Fails where the cryptographic backend does.
    pub fn generate(user_id: &str, created: SystemTime) -> Result<SecretKey, Problem> {
        let made = CertBuilder::new()
            .set_profile(Profile::RFC4880)
            .map(|builder| builder.set_cipher_suite(CipherSuite::Cv25519))
            .map(|builder| builder.add_userid(user_id).add_signing_subkey())
            .and_then(|builder| builder.set_creation_time(created).generate());
        let (cert, _) = made.map_err(|error| backend_failed("make a key", &error))?;
        Ok(SecretKey { cert: Box::new(cert) })
    }

    /// Loads an armoured or binary secret key, unlocking it with `passphrase` where it is locked.
    ///
    /// # Errors
    /// Refuses what is no secret key of the supported kind, and a passphrase that does not fit.
    pub fn load(bytes: &[u8], passphrase: Option<&str>) -> Result<SecretKey, Refusal> {
        let cert = Cert::from_bytes(bytes).map_err(|error| {
            Refusal::config("bot-key-unreadable", format!("the bot's key cannot be read: {error}"))
                .hint("give one OpenPGP secret key (gpg --export-secret-keys) or an OpenSSH key")
        })?;
        let cert = unlock(cert, passphrase)?;
        if cert.keys().unencrypted_secret().next().is_none() {
            return Err(no_secret(&cert));
        }
        check_kind(&cert)?;
        Ok(SecretKey { cert: Box::new(cert) })
    }

    /// Signs `payload` as a detached, armoured, binary signature made at `now`.
    ///
    /// # Errors
    /// A key that is expired, revoked or not for signing at `now` is `bot-key-unusable`.
    pub fn sign(&self, payload: &[u8], now: SystemTime) -> Result<String, Problem> {
        let key = self.signing_key(now)?;
        let fail = |error: openpgp::anyhow::Error| backend_failed("sign", &error);
        let mut pair = key.into_keypair().map_err(fail)?;
        let signature = SignatureBuilder::new(SignatureType::Binary)
            .set_hash_algo(HashAlgorithm::SHA512)
            .set_signature_creation_time(now)
            .and_then(|builder| builder.sign_message(&mut pair, payload))
            .map_err(fail)?;
        armoured(Packet::from(signature)).map_err(fail)
    }

    /// Picks a key that may sign now by the gate's own rules: what it would refuse is not signed.
    fn signing_key(&self, now: SystemTime) -> Result<Key<SecretParts, UnspecifiedRole>, Problem> {
        let judged = Judged::new(Cert::clone(&self.cert), &Certificates::default());
        let mut refusal = None;
        for secret in self.cert.keys().unencrypted_secret() {
            let handles = [KeyHandle::from(secret.key().fingerprint())];
            let Some(key) = judged.keys_named(&handles).next() else { continue };
            match judged.check(&key, Moment::Now(now)) {
                Ok(_) => return Ok(secret.key().clone()),
                Err(why) => refusal = Some(why),
            }
        }
        Err(unusable(refusal.map_or_else(String::new, |why| why.message)))
    }

    /// Returns the public certificate, armoured.
    pub fn certificate(&self) -> String {
        let bare = Cert::clone(&self.cert).strip_secret_key_material();
        let armour = bare.armored().to_vec().expect("writing to memory does not fail");
        String::from_utf8(armour).expect("armour is ASCII")
    }

    /// Returns the secret key, armoured, locked with `passphrase` where one is given.
    ///
    /// # Errors
    /// Fails where the cryptographic backend does.
    pub fn export(&self, passphrase: Option<&str>) -> Result<String, Problem> {
        let fail = |error: openpgp::anyhow::Error| backend_failed("export the key", &error);
        let cert = match passphrase {
            Some(passphrase) => lock(Cert::clone(&self.cert), passphrase).map_err(fail)?,
            None => Cert::clone(&self.cert),
        };
        let armour = cert.as_tsk().armored().to_vec().map_err(fail)?;
        String::from_utf8(armour).map_err(|error| fail(error.into()))
    }

    /// Returns name and mail address of the primary user id, where it has both.
    pub fn identity(&self) -> Option<(String, String)> {
        let user_id = super::primary_user_id(&self.cert)?;
        let name = user_id.name().ok()??.trim().to_owned();
        Some((name, user_id.email().ok()??.to_owned()))
    }

    /// Returns the primary key's fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint_of(&self.cert.fingerprint())
    }
}

fn unusable(why: String) -> Problem {
    Problem::permanent("bot-key-unusable", format!("the bot's key cannot sign: {why}"))
        .hint("extend its expiry or put a new key in its place")
}

fn armoured(signature: Packet) -> openpgp::Result<String> {
    let mut writer = Writer::new(Vec::new(), Kind::Signature)?;
    signature.serialize(&mut writer)?;
    Ok(String::from_utf8(writer.finalize()?)?)
}

fn backend_failed(attempt: &str, error: &openpgp::anyhow::Error) -> Problem {
    Problem::permanent("openpgp-backend", format!("cannot {attempt}: {error}"))
}

fn no_secret(cert: &Cert) -> Refusal {
    let words = "holds no secret key: it is a certificate, or its secrets are on a card";
    Refusal::config("bot-key-unreadable", format!("the bot's key {} {words}", cert.fingerprint()))
        .hint("export the secret key itself: gpg --export-secret-keys FINGERPRINT")
}

/// Unlocks every secret that is locked; one that stays locked is a refusal.
fn unlock(cert: Cert, passphrase: Option<&str>) -> Result<Cert, Refusal> {
    let mut unlocked: Vec<Packet> = Vec::new();
    for amalgamation in cert.keys().secret() {
        let key = amalgamation.key().clone();
        // A stub that says "on a card" cannot be unlocked and is left as it is.
        if key.has_unencrypted_secret() || is_stub(key.secret()) {
            continue;
        }
        let passphrase: Password = passphrase.ok_or_else(locked)?.into();
        let key = key.decrypt_secret(&passphrase).map_err(|_| passphrase_wrong())?;
        unlocked.push(match amalgamation.primary() {
            true => key.role_into_primary().into(),
            false => key.role_into_subordinate().into(),
        });
    }
    let inserted = cert.insert_packets(unlocked);
    inserted.map(|(cert, _)| cert).map_err(|_| passphrase_wrong())
}

fn is_stub(secret: &SecretKeyMaterial) -> bool {
    matches!(secret, SecretKeyMaterial::Encrypted(locked) if !locked.s2k().is_supported())
}

fn lock(cert: Cert, passphrase: &str) -> openpgp::Result<Cert> {
    let passphrase: Password = passphrase.into();
    let mut locked: Vec<Packet> = Vec::new();
    for amalgamation in cert.keys().unencrypted_secret() {
        let key = amalgamation.key().clone().parts_into_secret()?.encrypt_secret(&passphrase)?;
        locked.push(match amalgamation.primary() {
            true => key.role_into_primary().into(),
            false => key.role_into_subordinate().into(),
        });
    }
    Ok(cert.insert_packets(locked)?.0)
}

fn locked() -> Refusal {
    Refusal::config("bot-key-locked", "the bot's key is locked and no passphrase was given")
        .hint("give its passphrase in a file")
}

fn passphrase_wrong() -> Refusal {
    Refusal::config("bot-key-locked", "the passphrase does not unlock the bot's key")
        .hint("give the key's own passphrase; a line break at its end does not belong to it")
}

/// Refuses other versions and algorithms among the keys that could sign.
fn check_kind(cert: &Cert) -> Result<(), Refusal> {
    let kind = |key: &Key<SecretParts, UnspecifiedRole>| {
        use openpgp::crypto::mpi::PublicKey;
        let legacy = matches!(key.mpis(), PublicKey::EdDSA { curve: Curve::Ed25519, .. });
        key.version() == 4 && (legacy || key.pk_algo() == PublicKeyAlgorithm::Ed25519)
    };
    let mut signing = cert.keys().unencrypted_secret().filter(|k| k.key().pk_algo().for_signing());
    match signing.all(|amalgamation| kind(amalgamation.key())) {
        true => Ok(()),
        false => Err(Refusal::config(
            "bot-key-unsupported",
            format!("the bot's key {} is not a version 4 Ed25519 key", cert.fingerprint()),
        )
        .hint("make one with `lockkeeper key generate`")),
    }
}
