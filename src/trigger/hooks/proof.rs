//! Did somebody who knows the secret send exactly these bytes?
//!
//! Checked over raw bytes before anything is parsed, in constant time, against every secret that is valid while
//! they are being rotated. A proof that is missing or empty never passes: a Gitea without a secret sends an empty
//! signature. SHA-1 signatures are not looked at.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::ForgeKind;
use super::receive::{Headers, Rejected};
use crate::secret::Secret;

/// How far the time of a signed delivery may be from ours, in seconds.
const TOLERANCE: i64 = 5 * 60;

/// How many signatures of one delivery are looked at.
const MOST_SIGNATURES: usize = 10;

/// What a delivery must prove.
#[derive(Debug, Clone)]
pub enum Proof {
    /// The knowledge of one of these secrets: by HMAC-SHA256, or at GitLab by telling it.
    Secrets(Vec<Secret>),
    /// GitLab's signing tokens. Where one is set there is no way around it: the plain token is not asked for.
    SigningKeys(Vec<SigningKey>),
}

/// The key inside a GitLab signing token, `whsec_` and base64.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Reads a signing token; `None` where it is none.
    pub fn from_token(token: &Secret) -> Option<SigningKey> {
        let encoded = token.expose_text()?.strip_prefix("whsec_")?;
        let key = STANDARD.decode(encoded).ok()?;
        (!key.is_empty()).then_some(SigningKey(key))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl Proof {
    /// Checks the proof that the headers carry over `signed`: the body, or for forms of Forgejo and Gitea their
    /// payload.
    pub(super) fn check(
        &self,
        kind: ForgeKind,
        headers: &Headers,
        signed: &[u8],
        now: Timestamp,
    ) -> Result<(), Rejected> {
        match (self, kind) {
            (Proof::SigningKeys(keys), ForgeKind::GitLab) => {
                standard_webhook(keys, headers, signed, now)
            }
            // The operator config allows signing tokens at GitLab only.
            (Proof::SigningKeys(_), _) => Err(Rejected::NoProof),
            (Proof::Secrets(secrets), ForgeKind::GitLab) => token(secrets, headers),
            (Proof::Secrets(secrets), ForgeKind::GitHub) => {
                let signature = headers.text("x-hub-signature-256").ok_or(Rejected::NoProof)?;
                let hex = signature.strip_prefix("sha256=").ok_or(Rejected::NoProof)?;
                signature_fits(secrets, hex, signed)
            }
            (Proof::Secrets(secrets), ForgeKind::Pagure) => {
                bare(secrets, headers, &["x-pagure-signature-256"], signed)
            }
            (Proof::Secrets(secrets), ForgeKind::Forgejo) => {
                bare(secrets, headers, &["x-forgejo-signature", "x-gitea-signature"], signed)
            }
            (Proof::Secrets(secrets), ForgeKind::Gitea) => {
                bare(secrets, headers, &["x-gitea-signature"], signed)
            }
        }
    }
}

/// Checks a signature that is nothing but hex digits; the first of these headers that is there counts.
fn bare(
    secrets: &[Secret],
    headers: &Headers,
    names: &[&str],
    signed: &[u8],
) -> Result<(), Rejected> {
    let signature = names.iter().find_map(|name| headers.text(name));
    signature_fits(secrets, signature.ok_or(Rejected::NoProof)?, signed)
}

fn signature_fits(secrets: &[Secret], hex: &str, signed: &[u8]) -> Result<(), Rejected> {
    if hex.is_empty() {
        return Err(Rejected::NoProof);
    }
    let mac = digits(hex).ok_or(Rejected::BadSignature)?;
    let fits = secrets.iter().any(|secret| authenticates(secret.expose(), &[signed], &mac));
    fits.then_some(()).ok_or(Rejected::BadSignature)
}

/// Tells, in constant time, whether `mac` is the HMAC-SHA256 of the parts.
fn authenticates(key: &[u8], parts: &[&[u8]], mac: &[u8]) -> bool {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| hmac.update(part));
    hmac.verify_slice(mac).is_ok()
}

/// Reads 64 hex digits.
fn digits(hex: &str) -> Option<[u8; 32]> {
    let mut mac = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in mac.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(mac)
}

/// GitLab's plain token.
fn token(secrets: &[Secret], headers: &Headers) -> Result<(), Rejected> {
    let token = headers.text("x-gitlab-token").ok_or(Rejected::NoProof)?;
    let fits = secrets.iter().fold(false, |fits, secret| fits | secret.is(token.as_bytes()));
    fits.then_some(()).ok_or(Rejected::BadSignature)
}

/// GitLab's signing token, by the rules of Standard Webhooks: id, time and body are signed together.
fn standard_webhook(
    keys: &[SigningKey],
    headers: &Headers,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Rejected> {
    let header = |name: &str| headers.text(name).ok_or(Rejected::NoProof);
    let (id, time) = (header("webhook-id")?, header("webhook-timestamp")?);
    let signatures = header("webhook-signature")?;
    let seconds: i64 = time.parse().map_err(|_| Rejected::NoProof)?;
    let parts: [&[u8]; 5] = [id.as_bytes(), b".", time.as_bytes(), b".", body];
    let versioned = signatures.split_ascii_whitespace().take(MOST_SIGNATURES);
    let mut macs = versioned
        .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
        .filter(|mac| mac.len() == 32);
    let fits = macs.any(|mac| keys.iter().any(|key| authenticates(&key.0, &parts, &mac)));
    match (fits, now.as_second().abs_diff(seconds) <= TOLERANCE.unsigned_abs()) {
        (false, _) => Err(Rejected::BadSignature),
        (true, false) => Err(Rejected::Stale),
        (true, true) => Ok(()),
    }
}
