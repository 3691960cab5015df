//! What an engine says when a pull fails, sorted by whose move is next.
//!
//! Engines have no codes for it, only words, their own and the registry's.

use super::engine::last_words;
use super::image::ImageReference;
use crate::outcome::{Fault, Problem, Refusal};

/// What kept an image away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Mismatch,
    Denied,
    Missing,
    Unreachable,
    Unknown,
}

/// Words by which a cause is known, in lower case; the first row that fits counts.
///
/// Registries that are asked for an image that is not there often ask who wants to know, so denial comes first; a
/// digest that does not fit is worse than all others.
const SIGNS: [(Cause, &[&str]); 4] = [
    (
        Cause::Mismatch,
        &[
            "did not match",
            "does not match",
            "doesn't match",
            "digest mismatch",
            "unexpected digest",
            "digest verification failed",
            "failed verification",
            "failed precondition",
            "digest invalid",
        ],
    ),
    (
        Cause::Denied,
        &[
            "unauthorized",
            "authentication required",
            "access denied",
            "access to the resource is denied",
            "no basic auth credentials",
            "invalid username/password",
            "status 403",
            "status: 403",
            "403 (forbidden)",
            "403 forbidden",
            "denied:",
        ],
    ),
    (
        Cause::Missing,
        &[
            "manifest unknown",
            "name unknown",
            "repository name not known",
            "repository not known",
            "no such image",
            "not found",
            "status 404",
            "no image found in",
        ],
    ),
    (
        Cause::Unreachable,
        &[
            "connection refused",
            "connection reset",
            "no such host",
            "server misbehaving",
            "name resolution",
            "network is unreachable",
            "no route to host",
            "timeout",
            "timed out",
            "deadline exceeded",
            "unexpected eof",
            ": eof",
            "toomanyrequests",
            "too many requests",
            "status 429",
            "status 500",
            "status 502",
            "status 503",
            "status 504",
            "internal server error",
            "bad gateway",
            "service unavailable",
            "received unexpected http status: 5",
        ],
    ),
];

fn cause(stderr: &str) -> Cause {
    let words = stderr.to_lowercase();
    let fits = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    SIGNS.iter().find(|(_, signs)| fits(signs)).map_or(Cause::Unknown, |(cause, _)| *cause)
}

/// Returns why a pull failed.
pub(super) fn fault(image: &ImageReference, stderr: &[u8]) -> Fault {
    let said = last_words(stderr);
    let words = |what: &str| format!("{image} {what}: {said}");
    match cause(&String::from_utf8_lossy(stderr)) {
        Cause::Mismatch => {
            Refusal::new("digest-mismatch", words("came with another content than its digest names"))
                .hint("see who changed the image at its registry; then name the digest that was meant")
                .into()
        }
        Cause::Denied => Refusal::new("pull-denied", words("is not given to us by its registry"))
            .hint("see that the name is right, and that the bot's user may pull it: `podman login` or `docker login`")
            .into(),
        Cause::Missing => Refusal::new("image-missing", words("is not at its registry"))
            .hint("push it, or correct population.container")
            .into(),
        Cause::Unreachable => {
            Problem::temporary("registry-unreachable", words("cannot be had from its registry now")).into()
        }
        Cause::Unknown => Problem::permanent("pull-failed", words("could not be pulled")).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_engines_are_understood() {
        for (stderr, cause_of_it) in [
            (
                "Error: initializing source docker://r/a:1: reading manifest 1 in r/a: manifest unknown: manifest unknown",
                Cause::Missing,
            ),
            (
                "Error response from daemon: manifest for r/a:1 not found: manifest unknown",
                Cause::Missing,
            ),
            (
                "Error: initializing source docker://r/a:1: reading manifest 1 in r/a: unauthorized: authentication required",
                Cause::Denied,
            ),
            (
                "Error response from daemon: pull access denied for r/a, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
                Cause::Denied,
            ),
            (
                "Error response from daemon: Get \"https://r/v2/\": no basic auth credentials",
                Cause::Denied,
            ),
            (
                "Error: pinging container registry 127.0.0.1:5: Get \"http://127.0.0.1:5/v2/\": dial tcp 127.0.0.1:5: connect: connection refused",
                Cause::Unreachable,
            ),
            (
                "Error: dial tcp: lookup r.example on 1.1.1.1:53: no such host",
                Cause::Unreachable,
            ),
            (
                "Error: reading manifest: received unexpected HTTP status: 503 Service Unavailable",
                Cause::Unreachable,
            ),
            ("toomanyrequests: You have reached your pull rate limit", Cause::Unreachable),
            (
                "Error: copying: Digest did not match, expected sha256:a, got sha256:b",
                Cause::Mismatch,
            ),
            (
                "failed commit on ref \"x\": unexpected commit digest sha256:a, expected sha256:b: failed precondition",
                Cause::Mismatch,
            ),
            ("Error: something new", Cause::Unknown),
            ("", Cause::Unknown),
        ] {
            assert_eq!(cause(stderr), cause_of_it, "{stderr}");
        }
    }

    #[test]
    fn the_engines_words_are_harmless() {
        let image: ImageReference = "r.example/a:1".parse().unwrap();
        let Fault::Failed(problem) = fault(&image, b"first\nError: \x1b[31mx\n\n") else {
            panic!("no problem")
        };
        assert_eq!(problem.code.0, "pull-failed");
        assert!(problem.message.ends_with("Error: \\u{1b}[31mx"), "{}", problem.message);
    }
}
