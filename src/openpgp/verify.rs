//! The verdict on one OpenPGP signature (the design, section 7).
//!
//! In this order: one packet, type, hash, notations, the signature's own times; the key it names
//! among the listed ones; that key now; and only then the numbers.

use std::io::Read;
use std::time::{Duration, SystemTime};

use openpgp::crypto::hash;
use openpgp::packet::Signature;
use openpgp::types::SignatureType;
use openpgp::{Cert, KeyHandle};
use sequoia_openpgp as openpgp;

use super::certificates::Certificates;
use super::policy::{is_strong, unknown_critical};
use super::validity::{Judged, Moment};
use super::{armour, fingerprint_of, packet, primary_user_id};
use crate::names::Fingerprint;
use crate::outcome::{Refusal, printable};
use crate::signer_id::Signer;
use crate::words::date;

/// The listed fingerprints with their certificates, merged once and used for many signatures.
#[derive(Debug)]
pub struct Keyring {
    entries: Vec<Entry>,
    missing: Vec<Fingerprint>,
    certificates: Certificates,
}

#[derive(Debug)]
struct Entry {
    listed: Fingerprint,
    judged: Judged,
    is_forge: bool,
}

/// A good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Good {
    /// Who signed.
    pub signer: Signer,
    /// The certificate's primary user id, made harmless for one line.
    pub user_id: Option<String>,
    /// The signature's own time.
    pub signed_at: SystemTime,
    /// When the key or its certificate expires.
    pub expires: Option<SystemTime>,
    /// Whether the key is a forge's own.
    pub is_forge: bool,
}

/// A listed OpenPGP key as it is today: what `lockkeeper keys` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyState {
    /// The fingerprint that the config lists.
    pub listed: Fingerprint,
    /// The key that would sign.
    pub key: Fingerprint,
    /// The certificate's primary user id, made harmless for one line.
    pub user_id: Option<String>,
    /// When it expires, or why it may not sign.
    pub state: Result<Option<SystemTime>, Refusal>,
}

impl Keyring {
    /// Picks the listed certificates.
    pub fn new(listed: impl IntoIterator<Item = Fingerprint>, certificates: Certificates) -> Self {
        let mut keyring = Keyring { entries: Vec::new(), missing: Vec::new(), certificates };
        for listed in listed {
            let certs = keyring.certificates.with_key(listed.as_str());
            if certs.is_empty() {
                keyring.missing.push(listed.clone());
            }
            for cert in certs {
                keyring.entries.push(Entry::new(listed.clone(), cert, &keyring.certificates));
            }
        }
        keyring
    }

    /// Returns the listed fingerprints without a certificate.
    pub fn missing(&self) -> &[Fingerprint] {
        &self.missing
    }

    /// Judges a signature in its armour over `payload`, with `tolerance` for clocks that differ.
    ///
    /// # Errors
    /// Says in words what is wrong and what would make it pass; the codes are in `docs/verdicts.md`.
    pub fn verify(
        &self,
        armour: &[u8],
        payload: &[u8],
        now: SystemTime,
        tolerance: Duration,
    ) -> Result<Good, Refusal> {
        let signature = read(armour)?;
        let signed_at = check_form(&signature)?;
        check_times(&signature, signed_at, now, tolerance)?;
        self.verify_at(&signature, Payload::Bytes(payload), signed_at, Moment::Now(now))
    }

    /// Judges a signature by a key that must have been good when it signed: the bot's own, which may
    /// have been rotated out since.
    ///
    /// # Errors
    /// As [`Keyring::verify`].
    pub fn verify_when_signed(&self, armour: &[u8], payload: &[u8]) -> Result<Good, Refusal> {
        let signature = read(armour)?;
        let signed_at = check_form(&signature)?;
        self.verify_at(
            &signature,
            Payload::Bytes(payload),
            signed_at,
            Moment::WhenSigned(signed_at),
        )
    }

    /// Judges a detached signature, armoured or binary, over what `content` gives: a released tarball, which is
    /// too large to be held in memory.
    ///
    /// # Errors
    /// As [`Keyring::verify`]; `content-unreadable` where the content ends in an error.
    pub fn verify_detached(
        &self,
        signature: &[u8],
        content: impl Read,
        now: SystemTime,
        tolerance: Duration,
    ) -> Result<Good, Refusal> {
        let signature = match signature.first() {
            Some(first) if first & 0x80 != 0 => packet::read(signature)?,
            _ => read(signature)?,
        };
        let signed_at = check_form(&signature)?;
        check_times(&signature, signed_at, now, tolerance)?;
        let hashed = digest_of(&signature, content)?;
        self.verify_at(&signature, Payload::Hashed(&hashed), signed_at, Moment::Now(now))
    }

    fn verify_at(
        &self,
        signature: &Signature,
        payload: Payload<'_>,
        signed_at: SystemTime,
        moment: Moment,
    ) -> Result<Good, Refusal> {
        let issuers = signature.get_issuers();
        if issuers.is_empty() {
            return Err(packet::malformed("does not say which key made it"));
        }
        let mut refusal = None;
        for entry in &self.entries {
            match entry.verify(signature, &issuers, payload, signed_at, moment) {
                Some(Ok(good)) => return Ok(good),
                Some(Err(why)) => refusal = refusal.or(Some(why)),
                None => {}
            }
        }
        Err(refusal.unwrap_or_else(|| self.nobody(&issuers)))
    }

    /// Says why no listed key can have made a signature by `issuers`.
    fn nobody(&self, issuers: &[KeyHandle]) -> Refusal {
        let issuer = issuers.iter().max_by_key(|issuer| issuer.to_hex().len());
        let handle = issuer.expect("a signature without issuer was refused");
        let known = self.certificates.with_handle(handle);
        let owner = known.first().and_then(shown_user_id).map(|user_id| format!(" ({user_id})"));
        let signer = format!("{}{}", handle.to_hex(), owner.unwrap_or_default());
        let lacks = !self.missing.is_empty() && known.is_empty();
        if lacks { certificate_missing(&signer, &self.missing) } else { not_listed(&signer) }
    }

    /// Returns every listed key that could sign, and how it stands at `now`; [`Keyring::missing`] are
    /// those of which nothing is known.
    pub fn states(&self, now: SystemTime) -> Vec<KeyState> {
        self.entries.iter().flat_map(|entry| entry.states(now)).collect()
    }
}

impl Entry {
    fn new(listed: Fingerprint, cert: Cert, certificates: &Certificates) -> Entry {
        Entry { is_forge: is_forge(&cert), judged: Judged::new(cert, certificates), listed }
    }

    /// Tells whether the listing covers this key: a listed primary covers its subkeys, a listed subkey
    /// covers itself alone.
    fn covers(&self, key: &Fingerprint) -> bool {
        self.listed == *key || self.listed == self.primary()
    }

    fn primary(&self) -> Fingerprint {
        fingerprint_of(&self.judged.cert.fingerprint())
    }

    /// Judges the signature if one of this entry's keys is the one it names.
    fn verify(
        &self,
        signature: &Signature,
        issuers: &[KeyHandle],
        payload: Payload<'_>,
        signed_at: SystemTime,
        moment: Moment,
    ) -> Option<Result<Good, Refusal>> {
        let covered =
            |fingerprint: &openpgp::Fingerprint| self.covers(&fingerprint_of(fingerprint));
        let mut keys = self.judged.keys_named(issuers);
        let key = keys.find(|key| covered(&key.key().fingerprint()))?;
        let fingerprint = key.key().fingerprint();
        if signed_at < key.key().creation_time() {
            return Some(Err(before_key(
                &self.judged.shown(&key),
                signed_at,
                key.key().creation_time(),
            )));
        }
        let judged = self.judged.check(&key, moment).and_then(|expires| {
            let verified = match payload {
                Payload::Bytes(bytes) => signature.verify_message(key.key(), bytes),
                Payload::Hashed(hashed) => signature.verify_hash(key.key(), hashed.clone()),
            };
            verified.map_err(|_| bad(&self.judged.shown(&key))).map(|()| expires)
        });
        Some(judged.map(|expires| self.good(&fingerprint, signed_at, expires)))
    }

    fn good(
        &self,
        key: &openpgp::Fingerprint,
        signed_at: SystemTime,
        expires: Option<SystemTime>,
    ) -> Good {
        let signer = Signer::OpenPgp {
            listed: self.listed.clone(),
            primary: self.primary(),
            key: fingerprint_of(key),
        };
        let (user_id, is_forge) = (self.judged.user_id.clone(), self.is_forge);
        Good { signer, user_id, signed_at, expires, is_forge }
    }

    fn states(&self, now: SystemTime) -> Vec<KeyState> {
        let signing = self.judged.cert.keys().filter(|key| key.key().pk_algo().for_signing());
        let covered = signing.filter(|key| self.covers(&fingerprint_of(&key.key().fingerprint())));
        let states = covered.map(|key| KeyState {
            listed: self.listed.clone(),
            key: fingerprint_of(&key.key().fingerprint()),
            user_id: self.judged.user_id.clone(),
            state: self.judged.check(&key, Moment::Now(now)),
        });
        states.collect()
    }
}

/// What is said to be signed.
#[derive(Clone, Copy)]
enum Payload<'a> {
    /// As it is.
    Bytes(&'a [u8]),
    /// Read already, into the signature's own kind of digest.
    Hashed(&'a hash::Context),
}

/// Reads the content into a digest of the signature's kind; its strength was checked before.
fn digest_of(signature: &Signature, mut content: impl Read) -> Result<hash::Context, Refusal> {
    let builder = signature.hash_algo().context().map_err(|_| weak_hash(signature))?;
    let mut hashed = builder.for_signature(signature.version());
    if let Some(salt) = signature.salt() {
        hashed.update(salt);
    }
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(hashed),
            Ok(count) => hashed.update(&buffer[..count]),
            Err(error) => return Err(content_unreadable(&error)),
        }
    }
}

fn content_unreadable(error: &std::io::Error) -> Refusal {
    let words = printable(error.to_string(), 200);
    Refusal::new("content-unreadable", format!("what is signed cannot be read: {words}"))
}

fn read(armour: &[u8]) -> Result<Signature, Refusal> {
    let bytes = armour::decode(armour).map_err(|why| packet::malformed(&why))?;
    packet::read(&bytes)
}

/// Checks what can be said of a signature without its key; returns its time.
fn check_form(signature: &Signature) -> Result<SystemTime, Refusal> {
    if signature.typ() != SignatureType::Binary {
        return Err(wrong_type(signature.typ()));
    }
    if !is_strong(signature.hash_algo()) {
        return Err(weak_hash(signature));
    }
    if let Some(what) = unknown_critical(signature) {
        return Err(critical(&what));
    }
    let signed_at = signature.signature_creation_time();
    signed_at.ok_or_else(|| packet::malformed("does not say when it was made"))
}

fn check_times(
    signature: &Signature,
    signed_at: SystemTime,
    now: SystemTime,
    tolerance: Duration,
) -> Result<(), Refusal> {
    if signed_at > now + tolerance {
        return Err(in_future(signed_at, tolerance));
    }
    match signature.signature_expiration_time().filter(|expiry| *expiry <= now) {
        Some(expiry) => Err(expired(expiry)),
        None => Ok(()),
    }
}

fn shown_user_id(cert: &Cert) -> Option<String> {
    primary_user_id(cert).map(|user_id| printable(user_id.value(), 100))
}

/// Tells whether a certificate is that of GitHub's web pages, which sign every merge made there.
fn is_forge(cert: &Cert) -> bool {
    const WEB_FLOW: [&str; 2] =
        ["5DE3E0509C47EA3CF04A42D34AEE18F83AFDEB23", "968479A1AFF927E37D1A566BB5690EEEBB952194"];
    let says_so = |user_id: &[u8]| {
        let user_id = String::from_utf8_lossy(user_id).to_ascii_lowercase();
        user_id.contains("<noreply@github.com>") || user_id.contains("(web-flow commit signing)")
    };
    WEB_FLOW.contains(&cert.fingerprint().to_hex().as_str())
        || cert.userids().any(|user_id| says_so(user_id.userid().value()))
}

fn wrong_type(found: SignatureType) -> Refusal {
    let words = format!("the OpenPGP signature is a {found} signature; git makes binary ones");
    Refusal::new("signature-type", words).hint("sign it again with git itself: git commit -S")
}

fn weak_hash(signature: &Signature) -> Refusal {
    let words = format!("the OpenPGP signature uses {}, which is broken", signature.hash_algo());
    Refusal::new("weak-hash", words).hint(
        "take digest-algo and personal-digest-preferences with SHA1 or MD5 out of gpg.conf \
         and sign it again",
    )
}

fn critical(what: &str) -> Refusal {
    let words = format!("the OpenPGP signature carries {what} that is not known here");
    Refusal::new("signature-critical", words).hint("sign it again without sig-notation in gpg.conf")
}

fn in_future(signed_at: SystemTime, tolerance: Duration) -> Refusal {
    let minutes = tolerance.as_secs() / 60;
    let words = format!("the signature's time, {}, lies in the future", date(signed_at));
    Refusal::new("signature-in-future", format!("{words} by more than {minutes} minutes"))
        .hint("set the clock of the signing machine and sign it again")
}

fn expired(expiry: SystemTime) -> Refusal {
    Refusal::new("signature-expired", format!("the signature itself expired on {}", date(expiry)))
        .hint("sign it again, without default-sig-expire in gpg.conf")
}

fn before_key(who: &str, signed: SystemTime, made: SystemTime) -> Refusal {
    let words = format!("the signature's time, {}, lies before its key was made", date(signed));
    Refusal::new("signature-before-key", format!("{words}: {who}, {}", date(made)))
        .hint("set the clock of the signing machine and sign it again")
}

fn bad(who: &str) -> Refusal {
    let words = format!("the signature by {who} does not fit what it is said to sign");
    Refusal::new("bad-signature", words).hint(
        "the object was changed after it was signed, or the signature is another's; sign it again",
    )
}

fn not_listed(signer: &str) -> Refusal {
    Refusal::new(
        "key-not-listed",
        format!("signed by the OpenPGP key {signer}, which is not listed"),
    )
    .hint("have a listed key sign it, or list this key in source-git.yaml")
}

fn certificate_missing(signer: &str, missing: &[Fingerprint]) -> Refusal {
    let shown = missing.iter().take(5).map(Fingerprint::as_str).collect::<Vec<_>>().join(", ");
    let words = format!("signed by the OpenPGP key {signer}, which no certificate at hand holds");
    Refusal::new(
        "certificate-missing",
        format!("{words}; of these listed keys none is there: {shown}"),
    )
    .hint("add the missing certificate to keys/ in dist-git or to the operator's keyring")
}
