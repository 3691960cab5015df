//! The verdict on one SSH signature (the design, section 7).
//!
//! The commit's own date is the only time there is, and whoever signs picks it. So windows are tested
//! against now; and against that date too, since one outside of the window was not meant.

use std::time::SystemTime;

use ssh_key::public::KeyData;
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PublicKey, Signature, SshSig};

use super::NAMESPACE;
use super::allowed_signer::{AllowedSigner, Unfit, unfit};
use super::certificate::Certificate;
use super::options::matches_list;
use super::wire::{Block, malformed};
use crate::outcome::{Refusal, printable};
use crate::signer_id::Signer;
use crate::words::date;

/// The flag by which a security key says that somebody touched it.
const USER_PRESENT: u8 = 0x01;
/// The flag by which a security key says that it knew its owner.
const USER_VERIFIED: u8 = 0x04;

/// A good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Good {
    /// Who signed.
    pub signer: Signer,
    /// The listed line's comment, or the certificate's key id, made harmless for one line.
    pub comment: Option<String>,
    /// When the listed key or the certificate expires.
    pub expires: Option<SystemTime>,
}

/// The key inside a signature.
enum Presented {
    Key(KeyData),
    Certificate(Box<Certificate>),
}

/// Judges a signature in its armour over `payload`; `dated` is the time that the object claims.
///
/// # Errors
/// Says in words what is wrong and what would make it pass; the codes are in `docs/verdicts.md`.
pub fn verify(
    listed: &[AllowedSigner],
    armour: &[u8],
    payload: &[u8],
    now: SystemTime,
    dated: Option<SystemTime>,
) -> Result<Good, Refusal> {
    let block = Block::read(armour)?;
    check_namespace(&block)?;
    let presented = Presented::read(&block)?;
    let signature = signature(&block)?;
    if !presented.makes(&signature.algorithm()) {
        return Err(presented.bad());
    }
    let mut refusal = None;
    for signer in listed.iter().filter(|signer| presented.may_be(signer)) {
        let checked = presented.check(signer, now, dated).and_then(|expires| {
            presented.check_flags(&block, signer)?;
            Ok(presented.good(signer, expires))
        });
        match checked {
            Ok(good) => return presented.verify(&block, signature, payload).map(|()| good),
            Err(why) => refusal = refusal.or(Some(why)),
        }
    }
    Err(refusal.unwrap_or_else(|| presented.not_listed()))
}

impl Presented {
    fn read(block: &Block) -> Result<Presented, Refusal> {
        let kind = block.key_type();
        let unreadable = |error: ssh_key::Error| match kind.as_str() {
            "ssh-dss" | "ssh-dss-cert-v01@openssh.com" => weak("DSA"),
            _ => {
                let reason = printable(error.to_string(), 200);
                malformed(&format!("has a {kind:?} key that cannot be read: {reason}"))
            }
        };
        let presented = match Certificate::is_type(&kind) && !kind.starts_with("ssh-dss") {
            true => Certificate::read(&block.public_key)
                .map(|certificate| Presented::Certificate(Box::new(certificate)))
                .map_err(|why| malformed(&format!("has a certificate that {why}")))?,
            false => {
                let key = PublicKey::from_bytes(&block.public_key).map_err(unreadable)?;
                Presented::Key(key.key_data().clone())
            }
        };
        match unfit(presented.key()) {
            Some(Unfit::Weak(kind)) => Err(weak(&kind)),
            Some(Unfit::Unsupported(kind)) => Err(unsupported(&kind)),
            None => Ok(presented),
        }
    }

    fn key(&self) -> &KeyData {
        match self {
            Presented::Key(key) => key,
            Presented::Certificate(certificate) => &certificate.key,
        }
    }

    /// Tells whether a key of this type makes such signatures; what is no security key's has no flags.
    fn makes(&self, algorithm: &Algorithm) -> bool {
        match (self.key(), algorithm) {
            (KeyData::Rsa(_), Algorithm::Rsa { .. }) => true,
            (key, algorithm) => key.algorithm() == *algorithm,
        }
    }

    fn fingerprint(&self) -> String {
        self.key().fingerprint(HashAlg::Sha256).to_string()
    }

    /// Tells whether the line lists this key, or this certificate's authority.
    fn may_be(&self, signer: &AllowedSigner) -> bool {
        match self {
            Presented::Key(key) => !signer.is_authority() && signer.key.key_data() == key,
            Presented::Certificate(certificate) => {
                signer.is_authority() && *signer.key.key_data() == certificate.authority
            }
        }
    }

    /// Checks windows, and for a certificate all that its authority says; returns the expiry.
    fn check(
        &self,
        signer: &AllowedSigner,
        now: SystemTime,
        dated: Option<SystemTime>,
    ) -> Result<Option<SystemTime>, Refusal> {
        let own = Window {
            from: signer.options.valid_after,
            until: signer.options.valid_before,
            whose: format!("the SSH key {}", signer.fingerprint()),
        };
        own.check(now, dated)?;
        let Presented::Certificate(certificate) = self else { return Ok(own.until) };
        check_certificate(certificate, signer)?;
        let window = Window::of(certificate);
        window.check(now, dated)?;
        Ok([own.until, window.until].into_iter().flatten().min())
    }

    /// Checks what a security key says of the moment it signed.
    fn check_flags(&self, block: &Block, signer: &AllowedSigner) -> Result<(), Refusal> {
        if !is_security_key(self.key()) {
            return Ok(());
        }
        let flags = flags(&block.signature);
        if flags & USER_PRESENT == 0 && !signer.options.no_touch_required {
            return Err(touch_missing(self));
        }
        if flags & USER_VERIFIED == 0 && signer.options.verify_required {
            return Err(verification_missing(self));
        }
        Ok(())
    }

    fn good(&self, signer: &AllowedSigner, expires: Option<SystemTime>) -> Good {
        let (comment, authority) = match self {
            Presented::Key(_) => (signer.comment(), None),
            Presented::Certificate(certificate) => {
                (certificate.id.as_str(), Some(signer.fingerprint()))
            }
        };
        Good {
            signer: Signer::Ssh { fingerprint: self.fingerprint(), authority },
            comment: Some(printable(comment, 100)).filter(|comment| !comment.is_empty()),
            expires,
        }
    }

    fn verify(&self, block: &Block, signature: Signature, payload: &[u8]) -> Result<(), Refusal> {
        let hash = match block.hash.as_slice() {
            b"sha256" => HashAlg::Sha256,
            b"sha512" => HashAlg::Sha512,
            other => return Err(weak_digest(other)),
        };
        let key = PublicKey::from(self.key().clone());
        let signed = SshSig::new(self.key().clone(), NAMESPACE, hash, signature);
        let verified = signed.and_then(|signed| key.verify(NAMESPACE, payload, &signed));
        verified.map_err(|_| self.bad())
    }

    fn bad(&self) -> Refusal {
        let who = self.fingerprint();
        let words =
            format!("the signature by the SSH key {who} does not fit what it is said to sign");
        Refusal::new("bad-signature", words).hint(
            "the object was changed after it was signed, or the signature is another's; sign it again",
        )
    }

    fn not_listed(&self) -> Refusal {
        let who = self.fingerprint();
        let words = match self {
            Presented::Key(_) => format!("signed by the SSH key {who}, which is not listed"),
            Presented::Certificate(certificate) => {
                let authority = certificate.authority.fingerprint(HashAlg::Sha256);
                format!(
                    "signed by the SSH key {who} with a certificate of the authority {authority}, \
                     which is not listed as cert-authority"
                )
            }
        };
        Refusal::new("key-not-listed", words)
            .hint("have a listed key sign it, or list this key in source-git.yaml")
    }
}

/// A time in which a key or certificate counts.
struct Window {
    from: Option<SystemTime>,
    until: Option<SystemTime>,
    whose: String,
}

impl Window {
    fn of(certificate: &Certificate) -> Window {
        Window {
            from: Some(certificate.from),
            until: certificate.until,
            whose: format!("the SSH certificate {:?}", printable(&certificate.id, 100)),
        }
    }

    fn check(&self, now: SystemTime, dated: Option<SystemTime>) -> Result<(), Refusal> {
        let Window { from, until, whose } = self;
        if let Some(from) = from.filter(|from| now < *from) {
            return Err(not_yet_valid(whose, from));
        }
        if let Some(until) = until.filter(|until| now >= *until) {
            return Err(expired(whose, until));
        }
        let outside = |dated: &SystemTime| {
            from.is_some_and(|from| *dated < from) || until.is_some_and(|until| *dated >= until)
        };
        match dated.filter(outside) {
            Some(dated) => Err(outside_window(whose, dated)),
            None => Ok(()),
        }
    }
}

fn check_namespace(block: &Block) -> Result<(), Refusal> {
    if block.namespace == NAMESPACE.as_bytes() {
        return Ok(());
    }
    let found = printable(&block.namespace, 60);
    let words = format!("the SSH signature was made for {found:?}, not for `{NAMESPACE}`");
    Err(Refusal::new("ssh-namespace", words).hint("sign it with git itself: git commit -S"))
}

fn signature(block: &Block) -> Result<Signature, Refusal> {
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    let rsa = |hash| Algorithm::Rsa { hash: Some(hash) };
    let algorithm = match block.algorithm.as_slice() {
        b"ssh-ed25519" => Algorithm::Ed25519,
        b"ecdsa-sha2-nistp256" => ecdsa(EcdsaCurve::NistP256),
        b"ecdsa-sha2-nistp384" => ecdsa(EcdsaCurve::NistP384),
        b"ecdsa-sha2-nistp521" => ecdsa(EcdsaCurve::NistP521),
        b"rsa-sha2-256" => rsa(HashAlg::Sha256),
        b"rsa-sha2-512" => rsa(HashAlg::Sha512),
        b"sk-ssh-ed25519@openssh.com" => Algorithm::SkEd25519,
        b"sk-ecdsa-sha2-nistp256@openssh.com" => Algorithm::SkEcdsaSha2NistP256,
        b"ssh-rsa" => return Err(weak_digest(b"SHA-1")),
        other => return Err(algorithm_unknown(other)),
    };
    Signature::new(algorithm, block.signature.clone())
        .map_err(|error| malformed(&format!("is malformed: {error}")))
}

fn is_security_key(key: &KeyData) -> bool {
    matches!(key, KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_))
}

/// Returns the flags, which stand before the four bytes of the counter.
fn flags(signature: &[u8]) -> u8 {
    signature.len().checked_sub(5).map_or(0, |at| signature[at])
}

fn check_certificate(certificate: &Certificate, signer: &AllowedSigner) -> Result<(), Refusal> {
    let refuse = |words: &str| {
        let name = printable(&certificate.id, 100);
        Refusal::new("ssh-certificate", format!("the SSH certificate {name:?} {words}"))
            .hint("have the authority issue a user certificate for this signer")
    };
    if !certificate.is_user {
        return Err(refuse("is a host's"));
    }
    if let Some(option) = &certificate.critical_option {
        let option = printable(option, 60);
        return Err(refuse(&format!(
            "has the critical option {option:?}, which git cannot honour"
        )));
    }
    if !certificate.is_by_authority() {
        return Err(refuse("is not signed by its authority"));
    }
    let touched =
        certificate.signature().is_some_and(|made| flags(made.as_bytes()) & USER_PRESENT != 0);
    if is_security_key(&certificate.authority) && !touched {
        return Err(refuse("was issued by a security key that nobody touched"));
    }
    let principals = &certificate.principals;
    match principals.iter().any(|principal| matches_list(&signer.principals, principal)) {
        true => Ok(()),
        false => Err(principal_refused(principals, signer)),
    }
}

fn principal_refused(principals: &[String], signer: &AllowedSigner) -> Refusal {
    let shown = match principals {
        [] => "nobody".to_owned(),
        some => printable(some.join(", "), 200),
    };
    let wanted = printable(signer.principals.join(", "), 200);
    let words = format!("the SSH certificate is for {shown}; the config lists {wanted}");
    Refusal::new("ssh-principal", words)
        .hint("have the authority issue one for a listed principal, or list this one")
}

fn weak(weakness: &str) -> Refusal {
    Refusal::new("weak-key", format!("the SSH key that signed is {weakness}, which is too weak"))
        .hint("sign with an Ed25519 key, or RSA of at least 2048 bits, and list that")
}

fn unsupported(kind: &str) -> Refusal {
    let words = format!("the SSH key that signed is {kind}, which cannot be checked here");
    Refusal::new("key-unsupported", words).hint("sign with an Ed25519 key, and list that")
}

fn weak_digest(digest: &[u8]) -> Refusal {
    let digest = printable(digest, 40);
    let words = format!("the SSH signature uses {digest}; SHA-256 and SHA-512 are accepted");
    Refusal::new("weak-hash", words).hint("sign it again with a current OpenSSH")
}

fn algorithm_unknown(algorithm: &[u8]) -> Refusal {
    let algorithm = printable(algorithm, 60);
    let words =
        format!("the SSH signature uses the algorithm {algorithm:?}, which is not known here");
    Refusal::new("signature-format-unsupported", words).hint("sign with an Ed25519 key")
}

fn touch_missing(signer: &Presented) -> Refusal {
    let words = "signed without a touch, so that anybody at its owner's machine could have signed";
    Refusal::new(
        "ssh-touch-missing",
        format!("the security key {} {words}", signer.fingerprint()),
    )
    .hint("sign again and touch the key, or list it with the option no-touch-required")
}

fn verification_missing(signer: &Presented) -> Refusal {
    let words = "signed without asking for its PIN or finger, which verify-required demands";
    let who = signer.fingerprint();
    Refusal::new("ssh-verification-missing", format!("the security key {who} {words}"))
        .hint("sign again with a key made with -O verify-required")
}

fn not_yet_valid(whose: &str, from: SystemTime) -> Refusal {
    Refusal::new("key-not-yet-valid", format!("{whose} counts from {} on", date(from)))
        .hint("wait until then, or have another listed key sign it")
}

fn expired(whose: &str, until: SystemTime) -> Refusal {
    Refusal::new("key-expired", format!("{whose} counted until {}", date(until)))
        .hint("have a listed key that is valid today sign it, or renew this one")
}

fn outside_window(whose: &str, dated: SystemTime) -> Refusal {
    let words = format!("the object's date, {}, lies outside of the time in which", date(dated));
    Refusal::new("signature-outside-window", format!("{words} {whose} counts"))
        .hint("commit and sign again now: git commit --amend --date=now -S")
}
