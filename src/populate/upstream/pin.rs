//! What pins a released tarball; pure.
//!
//! The tip's signature says nothing of a tarball that is not in git. What makes one trustworthy is a digest that
//! somebody trusted has written down, or a signature by a listed key (the design, section 5). Everything that
//! speaks of the tarball must agree; with nothing, `sync` refuses it.

use crate::digest::{HashType, Sha512};
use crate::names::{FileName, Fingerprint};
use crate::outcome::{Refusal, Result, printable};
use crate::sources::SourcesFile;

/// Something that pins a tarball.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// `population.upstream.sha512` in the branch config.
    Config,
    /// A detached signature by a key that the branch config lists for it.
    Signature {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// An `Upstream-sha512:` trailer on the signed tip.
    Trailer,
    /// The entry in dist-git's own `sources`.
    Sources,
}

impl std::fmt::Display for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pin::Config => f.write_str("`upstream.sha512` in the branch config"),
            Pin::Signature { fingerprint } => write!(f, "a signature by {fingerprint}"),
            Pin::Trailer => f.write_str("the trailer `Upstream-sha512:` on the signed tip"),
            Pin::Sources => f.write_str("dist-git's own `sources`"),
        }
    }
}

/// Verifies the detached signature over the tarball at hand; returns the listed key that made it.
///
/// # Errors
/// A refusal for a signature that is bad, or by a key that is not listed.
pub type VerifySignature<'a> = &'a dyn Fn() -> Result<Fingerprint>;

/// What was written down about a tarball before it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    digests: Vec<(Pin, Sha512)>,
}

impl Claims {
    /// Collects them: the config's digest, the values of the signed tip's `Upstream-sha512:` trailers, and
    /// the entry for `tarball` in dist-git's `sources`.
    ///
    /// An entry of an older hash type pins nothing: files can be made to fit it.
    ///
    /// # Errors
    /// Refuses a trailer that is no digest (`upstream-pin-malformed`), and claims that contradict each other
    /// (`upstream-hash-mismatch`).
    pub fn collect(
        tarball: &FileName,
        config: Option<&Sha512>,
        trailers: &[String],
        sources: Option<&SourcesFile>,
    ) -> Result<Claims, Refusal> {
        let mut digests: Vec<_> =
            config.map(|digest| (Pin::Config, digest.clone())).into_iter().collect();
        for text in trailers {
            let digest = text.trim().parse().map_err(|_| malformed(text))?;
            digests.push((Pin::Trailer, digest));
        }
        let listed = sources.and_then(|sources| sources.digest_of(tarball));
        let listed = listed.filter(|digest| digest.hash_type() == HashType::Sha512);
        digests.extend(listed.and_then(|digest| Some((Pin::Sources, digest.hex().parse().ok()?))));
        digests.dedup();
        let claims = Claims { digests };
        claims.must_agree(tarball)?;
        Ok(claims)
    }

    /// Returns the digest that the tarball must have, where one is known before it comes.
    pub fn digest(&self) -> Option<&Sha512> {
        self.digests.first().map(|(_, digest)| digest)
    }

    /// Tells whether dist-git's `sources` lists the tarball already.
    pub fn are_listed(&self) -> bool {
        self.digests.iter().any(|(pin, _)| *pin == Pin::Sources)
    }

    fn must_agree(&self, tarball: &FileName) -> Result<(), Refusal> {
        let Some((first, wanted)) = self.digests.first() else { return Ok(()) };
        match self.digests.iter().find(|(_, digest)| digest != wanted) {
            None => Ok(()),
            Some((other, digest)) => {
                let message = format!(
                    "two things pin {tarball} to different contents: {first} says {wanted}, {other} says {digest}"
                );
                Err(mismatch(message))
            }
        }
    }

    /// Compares the tarball that came with all that is known of it.
    ///
    /// # Errors
    /// Refuses another digest than claimed (`upstream-hash-mismatch`), and what `signature` refuses.
    pub fn judge(
        &self,
        tarball: &FileName,
        found: &Sha512,
        signature: Option<VerifySignature<'_>>,
    ) -> Result<Pinning> {
        if let Some((pin, wanted)) = self.digests.iter().find(|(_, wanted)| wanted != found) {
            let message = format!("{tarball} has the SHA-512 {found}, but {pin} says {wanted}");
            return Err(mismatch(message).into());
        }
        let mut by: Vec<_> = self.digests.iter().map(|(pin, _)| pin.clone()).collect();
        if let Some(verify) = signature {
            by.push(Pin::Signature { fingerprint: verify()? });
        }
        match by.is_empty() {
            true => Ok(Pinning::Unpinned),
            false => Ok(Pinning::Pinned { by }),
        }
    }
}

fn malformed(text: &str) -> Refusal {
    let shown = printable(text, 200);
    let message = format!("the tip's trailer `Upstream-sha512: {shown}` is not 128 hex digits");
    Refusal::new("upstream-pin-malformed", message)
        .hint("correct the trailer in a new signed commit")
}

fn mismatch(message: String) -> Refusal {
    Refusal::new("upstream-hash-mismatch", message).hint(
        "find out whether upstream made the release again or somebody exchanged it; \
         then correct what is wrong, or use a new version",
    )
}

/// Whether a tarball is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pinning {
    /// It is, and all of these agree.
    Pinned {
        /// What pins it; at least one.
        by: Vec<Pin>,
    },
    /// Nothing speaks for it: `preview` warns, `sync` refuses.
    Unpinned,
}

impl Pinning {
    /// Returns what pins the tarball.
    ///
    /// # Errors
    /// Refuses one that nothing pins (`upstream-unpinned`), with the line that would pin it.
    pub fn required(self, tarball: &FileName, found: &Sha512) -> Result<Vec<Pin>, Refusal> {
        match self {
            Pinning::Pinned { by } => Ok(by),
            Pinning::Unpinned => Err(Refusal::new(
                "upstream-unpinned",
                format!("nothing that is signed or listed says what {tarball} must be; what came has the SHA-512 {found}"),
            )
            .hint(format!(
                "check the file, then put `upstream: {{sha512: {found}}}` under `population` in source-git.yaml, or \
                 `Upstream-sha512: {found}` as a trailer on a signed commit"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Fault;

    fn name() -> FileName {
        "hello-1.0.tar.gz".parse().unwrap()
    }

    fn sources(line: String) -> SourcesFile {
        SourcesFile::parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn every_pin_holds_alone_and_together() {
        let (good, key) = (Sha512::of(b"good"), "A".repeat(40).parse::<Fingerprint>().unwrap());
        let listed = sources(format!("SHA512 (hello-1.0.tar.gz) = {good}"));
        let other = sources(format!("SHA512 (other.tar.gz) = {good}"));
        let old = sources(format!("{}  hello-1.0.tar.gz", "d".repeat(32)));
        let trailer = vec![format!(" {} ", good.as_str().to_uppercase())];
        let signature = Pin::Signature { fingerprint: key.clone() };
        let verify = || Ok(key.clone());
        let by = |by: &[Pin]| Pinning::Pinned { by: by.to_vec() };
        let table = [
            (None, &[][..], None, false, Pinning::Unpinned),
            (Some(&good), &[], None, false, by(&[Pin::Config])),
            (None, &trailer[..], None, false, by(&[Pin::Trailer])),
            (None, &[], Some(&listed), false, by(&[Pin::Sources])),
            (None, &[], Some(&other), false, Pinning::Unpinned),
            (None, &[], Some(&old), false, Pinning::Unpinned),
            (None, &[], None, true, by(std::slice::from_ref(&signature))),
            (
                Some(&good),
                &trailer,
                Some(&listed),
                true,
                by(&[Pin::Config, Pin::Trailer, Pin::Sources, signature.clone()]),
            ),
        ];
        for (config, trailers, sources, signed, wanted) in table {
            let claims = Claims::collect(&name(), config, trailers, sources).unwrap();
            let verify: Option<VerifySignature> = if signed { Some(&verify) } else { None };
            assert_eq!(claims.judge(&name(), &good, verify).unwrap(), wanted);
        }
    }

    #[test]
    fn a_tarball_that_is_not_the_pinned_one_is_refused_whoever_else_agrees() {
        let (good, bad) = (Sha512::of(b"good"), Sha512::of(b"bad"));
        let verify = || Ok("A".repeat(40).parse().unwrap());
        let claims = Claims::collect(&name(), Some(&good), &[], None).unwrap();
        assert_eq!(claims.digest(), Some(&good));
        let Err(Fault::Refused(refusal)) = claims.judge(&name(), &bad, Some(&verify)) else {
            panic!("it must be refused");
        };
        assert_eq!(refusal.code.0, "upstream-hash-mismatch");
        assert!(refusal.message.contains("`upstream.sha512` in the branch config"));
    }

    #[test]
    fn pins_that_contradict_each_other_are_refused_before_anything_is_downloaded() {
        let (one, two) = (Sha512::of(b"1"), Sha512::of(b"2"));
        let listed = sources(format!("SHA512 (hello-1.0.tar.gz) = {two}"));
        let trailers = [one.to_string(), two.to_string()];
        let table = [
            Claims::collect(&name(), Some(&one), &[], Some(&listed)),
            Claims::collect(&name(), Some(&one), &trailers[1..], None),
            Claims::collect(&name(), None, &trailers[..1], Some(&listed)),
            Claims::collect(&name(), None, &trailers, None),
        ];
        for answer in table {
            assert_eq!(answer.unwrap_err().code.0, "upstream-hash-mismatch");
        }
        let malformed =
            Claims::collect(&name(), None, &["abc\u{1b}".to_owned()], None).unwrap_err();
        assert_eq!(malformed.code.0, "upstream-pin-malformed");
        assert!(!malformed.message.contains('\u{1b}'));
    }

    #[test]
    fn a_bad_signature_is_no_missing_one() {
        let good = Sha512::of(b"good");
        let claims = Claims::collect(&name(), Some(&good), &[], None).unwrap();
        let verify = || Err(Refusal::new("upstream-signature-bad", "it does not fit").into());
        let Err(Fault::Refused(refusal)) = claims.judge(&name(), &good, Some(&verify)) else {
            panic!("it must be refused");
        };
        assert_eq!(refusal.code.0, "upstream-signature-bad");
    }

    #[test]
    fn what_nothing_pins_is_refused_with_the_line_that_would_pin_it() {
        let found = Sha512::of(b"good");
        let refusal = Pinning::Unpinned.required(&name(), &found).unwrap_err();
        assert_eq!(refusal.code.0, "upstream-unpinned");
        assert!(refusal.hint.contains(&format!("Upstream-sha512: {found}")));
        let pinned = Pinning::Pinned { by: vec![Pin::Trailer] };
        assert_eq!(pinned.required(&name(), &found).unwrap(), [Pin::Trailer]);
    }
}
