//! A secret from a file: it can be compared and used, and it never shows itself.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Bytes that nobody but their user may see: a token, a password, the key of a webhook.
///
/// `Debug` prints a placeholder, and there is neither `Display` nor serialisation, so that no log line, error
/// or report can carry one by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Returns the secret that a file holds; white space around it does not belong to it. `None` where nothing
    /// is left: an empty secret would be one that everybody knows.
    pub fn from_file(content: &[u8]) -> Option<Secret> {
        let content = content.trim_ascii();
        (!content.is_empty()).then(|| Secret(content.to_vec()))
    }

    /// Returns the bytes, for the one place that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns the secret as text, where it is UTF-8.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Tells whether somebody presented this secret.
    ///
    /// Hashes are compared in constant time, so that neither content nor length can be found out by timing.
    pub fn is(&self, presented: &[u8]) -> bool {
        Sha256::digest(&self.0).ct_eq(&Sha256::digest(presented)).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_compared_and_never_shown() {
        let secret = Secret::from_file(b"  open sesame\n").unwrap();
        assert!(secret.is(b"open sesame") && !secret.is(b"open") && !secret.is(b""));
        assert_eq!(secret.expose_text(), Some("open sesame"));
        assert!(!format!("{secret:?}").contains("sesame"));
    }

    #[test]
    fn nothing_is_no_secret() {
        assert_eq!(Secret::from_file(b" \r\n"), None);
    }
}
