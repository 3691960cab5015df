//! OpenPGP keys, certificates and signatures, honest ones and forgeries.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use lockkeeper::config::ListedKey;
use openpgp::armor::{Kind, Writer};
use openpgp::cert::{CertBuilder, CipherSuite};
use openpgp::crypto::KeyPair;
use openpgp::packet::key::{Key4, PrimaryRole, SecretParts};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::{Key, Signature, UserID};
use openpgp::serialize::{Serialize, SerializeInto};
use openpgp::types::{Curve, HashAlgorithm, KeyFlags, SignatureType};
use openpgp::{Cert, Packet, Profile};
use sequoia_openpgp as openpgp;

use crate::case::{Case, days_ago, plain, with_signature};

pub fn builder(name: &str) -> CertBuilder<'static> {
    CertBuilder::new()
        .set_profile(Profile::RFC4880)
        .expect("a profile")
        .set_cipher_suite(CipherSuite::Cv25519)
        .set_creation_time(days_ago(400))
        .add_userid(format!("{name} <{}@example.org>", name.to_lowercase()))
}

/// A person with a certifying primary and a signing subkey, 400 days old.
pub fn person(name: &str) -> Cert {
    generate(builder(name).add_signing_subkey())
}

pub fn generate(builder: CertBuilder<'_>) -> Cert {
    builder.generate().expect("a certificate").0
}

/// Alice, listed in most cases.
pub static ALICE: LazyLock<Cert> = LazyLock::new(|| person("Alice"));
/// Mallory, whose key is good and listed nowhere.
pub static MALLORY: LazyLock<Cert> = LazyLock::new(|| person("Mallory"));

pub fn primary(cert: &Cert) -> KeyPair {
    let key = cert.primary_key().key().clone().parts_into_secret().expect("a secret");
    key.into_keypair().expect("not locked")
}

/// The first subkey that can make signatures at all, whatever its flags.
pub fn subkey(cert: &Cert) -> KeyPair {
    nth_subkey(cert, 0)
}

pub fn nth_subkey(cert: &Cert, index: usize) -> KeyPair {
    let mut keys = cert.keys().subkeys().filter(|key| key.key().pk_algo().for_signing());
    let key = keys.nth(index).expect("a subkey").key().clone();
    key.parts_into_secret().expect("a secret").into_keypair().expect("not locked")
}

pub fn binary() -> SignatureBuilder {
    at(days_ago(1))
}

pub fn at(time: SystemTime) -> SignatureBuilder {
    of_type(SignatureType::Binary).set_signature_creation_time(time).expect("a time")
}

pub fn of_type(kind: SignatureType) -> SignatureBuilder {
    let builder = SignatureBuilder::new(kind).set_hash_algo(HashAlgorithm::SHA256);
    builder.set_signature_creation_time(days_ago(1)).expect("a time")
}

/// Signs whatever the type, over the payload as it is.
pub fn sign_with(builder: SignatureBuilder, key: &mut KeyPair, payload: &[u8]) -> Signature {
    let version = if key.public().version() == 6 { 6 } else { 4 };
    let mut hash = builder.hash_algo().context().expect("a hash").for_signature(version);
    if version == 6 {
        return builder.sign_message(key, payload).expect("signs");
    }
    match builder.typ() {
        SignatureType::Text => hash.update(&with_cr_lf(payload)),
        _ => hash.update(payload),
    }
    builder.sign_hash(key, hash).expect("signs")
}

fn with_cr_lf(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text).replace('\n', "\r\n").into_bytes()
}

pub fn packet(signature: Signature) -> Vec<u8> {
    Packet::from(signature).to_vec().expect("serialises")
}

pub fn armour(bytes: &[u8]) -> String {
    armour_as(Kind::Signature, bytes)
}

pub fn armour_as(kind: Kind, bytes: &[u8]) -> String {
    let mut writer = Writer::new(Vec::new(), kind).expect("a writer");
    std::io::Write::write_all(&mut writer, bytes).expect("writes");
    String::from_utf8(writer.finalize().expect("ends")).expect("ASCII")
}

/// An honest signature by the subkey.
pub fn sign(cert: &Cert, payload: &[u8]) -> String {
    armour(&packet(sign_with(binary(), &mut subkey(cert), payload)))
}

pub fn public(cert: &Cert) -> Vec<u8> {
    let mut bytes = Vec::new();
    cert.clone().strip_secret_key_material().serialize(&mut bytes).expect("serialises");
    bytes
}

pub fn list(cert: &Cert) -> ListedKey {
    list_text(&cert.fingerprint().to_hex())
}

pub fn list_subkey(cert: &Cert, index: usize) -> ListedKey {
    list_text(&nth_subkey(cert, index).public().fingerprint().to_hex())
}

pub fn list_text(fingerprint: &str) -> ListedKey {
    let fingerprint = fingerprint.parse().expect("a fingerprint");
    ListedKey::OpenPgp { fingerprint, certificate: None }
}

/// The plain commit signed by the subkey; the signer is listed and at hand.
pub fn honest(name: &'static str, cert: &Cert) -> Case {
    let raw = with_signature(plain().as_bytes(), &sign(cert, plain().as_bytes()));
    listed(name, raw, cert)
}

/// This object, with `cert` listed and at hand.
pub fn listed(name: &'static str, raw: impl Into<Vec<u8>>, cert: &Cert) -> Case {
    Case::commit(name, raw).lists(list(cert)).certificate(public(cert))
}

/// The plain commit with this signature, with `cert` listed and at hand.
pub fn signed_as(name: &'static str, cert: &Cert, armour: &str) -> Case {
    listed(name, with_signature(plain().as_bytes(), armour), cert)
}

/// The plain commit with a signature of this form by Alice's subkey.
pub fn built(name: &'static str, builder: SignatureBuilder) -> Case {
    built_by(name, builder, &ALICE, &mut subkey(&ALICE))
}

pub fn built_by(
    name: &'static str,
    builder: SignatureBuilder,
    cert: &Cert,
    key: &mut KeyPair,
) -> Case {
    let signature = sign_with(builder, key, plain().as_bytes());
    signed_as(name, cert, &armour(&packet(signature)))
}

/// A primary key made outside of a builder: any algorithm, 400 days old.
pub fn aged(key: Key4<SecretParts, PrimaryRole>) -> Key<SecretParts, PrimaryRole> {
    let mut key = Key::from(key);
    key.set_creation_time(days_ago(400)).expect("a time");
    key
}

pub fn ed25519() -> Key<SecretParts, PrimaryRole> {
    aged(Key4::generate_ecc(true, Curve::Ed25519).expect("a key"))
}

pub fn rsa(bits: usize) -> Key<SecretParts, PrimaryRole> {
    aged(Key4::generate_rsa(bits).expect("a key"))
}

/// A certificate of one key that certifies and signs, its self-signature made as told.
pub fn handmade(
    name: &str,
    key: Key<SecretParts, PrimaryRole>,
    self_signature: impl FnOnce(SignatureBuilder) -> SignatureBuilder,
) -> Cert {
    let mut signer = key.clone().into_keypair().expect("not locked");
    let user_id = UserID::from(format!("{name} <{}@example.org>", name.to_lowercase()));
    let builder = of_type(SignatureType::PositiveCertification)
        .set_signature_creation_time(days_ago(400))
        .and_then(|b| b.set_key_flags(KeyFlags::empty().set_certification().set_signing()))
        .expect("a builder");
    let bound = self_signature(builder).sign_userid_binding(&mut signer, None, &user_id);
    let packets = vec![Packet::from(key), user_id.into(), bound.expect("signs").into()];
    Cert::from_packets(packets.into_iter()).expect("a certificate")
}

pub fn add(cert: &Cert, packet: impl Into<Packet>) -> Cert {
    cert.clone().insert_packets(vec![packet.into()]).expect("fits").0
}

pub fn in_years(years: u64) -> Duration {
    Duration::from_secs(years * 365 * 86_400)
}
