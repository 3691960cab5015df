//! Who signed: the name of a key in words, trailers and reports.

use std::fmt;

use crate::names::Fingerprint;

/// The key that made a good signature.
///
/// Displays as `openpgp:FINGERPRINT` or `ssh:SHA256:…`, the form of the `Source-git-signer` trailer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Signer {
    /// An OpenPGP key.
    OpenPgp {
        /// The fingerprint that the config lists: the primary's, or that of one subkey.
        listed: Fingerprint,
        /// The certificate's primary key.
        primary: Fingerprint,
        /// The key that made the signature: the primary or one of its subkeys.
        key: Fingerprint,
    },
    /// An SSH key.
    Ssh {
        /// `SHA256:` and the unpadded base64 digest of the key that made the signature.
        fingerprint: String,
        /// The certificate authority that vouches for it, where one is listed instead of the key.
        authority: Option<String>,
    },
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signer::OpenPgp { listed, .. } => write!(f, "openpgp:{listed}"),
            Signer::Ssh { fingerprint, .. } => write!(f, "ssh:{fingerprint}"),
        }
    }
}
