//! The verdict: one type with a name for each answer.

use std::fmt;
use std::time::SystemTime;

use crate::names::ObjectId;
use crate::outcome::Refusal;
use crate::signer_id::Signer;

/// May this commit, or this tag, go through?
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Yes.
    Accepted(Accepted),
    /// No; the code is one of [`super::CODES`].
    Refused(Refusal),
}

impl Verdict {
    /// Returns the evidence, or why not, for use with `?`.
    ///
    /// # Errors
    /// Gives the refusal of [`Verdict::Refused`].
    pub fn into_result(self) -> Result<Accepted, Refusal> {
        match self {
            Verdict::Accepted(accepted) => Ok(accepted),
            Verdict::Refused(refusal) => Err(refusal),
        }
    }
}

impl From<Result<Accepted, Refusal>> for Verdict {
    fn from(result: Result<Accepted, Refusal>) -> Verdict {
        match result {
            Ok(accepted) => Verdict::Accepted(accepted),
            Err(refusal) => Verdict::Refused(refusal),
        }
    }
}

/// Evidence that a listed key signed this very object. Only the gate can make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub(super) object_id: ObjectId,
    pub(super) signer: Signer,
    pub(super) user_id: Option<String>,
    pub(super) signed_at: Option<SystemTime>,
    pub(super) warnings: Vec<Warning>,
}

impl Accepted {
    /// Returns the id of the commit or tag that was judged; it was hashed, not believed.
    pub fn object_id(&self) -> ObjectId {
        self.object_id
    }

    /// Returns the key that signed.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Returns the primary user id of an OpenPGP certificate or the comment of an SSH key, made
    /// harmless for one line. It is what the owner calls himself; no rule rests on it.
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// Returns the signature's own time; SSH signatures have none.
    pub fn signed_at(&self) -> Option<SystemTime> {
        self.signed_at
    }

    /// Returns what people should know although it passed.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// Something that people should know although the signature passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A forge's own key signed: whoever may press "merge" there has signed.
    ForgeKey {
        /// The key.
        signer: Signer,
    },
    /// The key, or the certificate it belongs to, expires within 30 days.
    ExpiresSoon {
        /// The key.
        signer: Signer,
        /// When.
        at: SystemTime,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::ForgeKey { signer } => write!(
                f,
                "{signer} is a forge's own key: whoever may merge on its web pages signs with it"
            ),
            Warning::ExpiresSoon { signer, at } => {
                let until = crate::words::date(*at);
                write!(f, "{signer} expires on {until}; extend it and publish the certificate")
            }
        }
    }
}
