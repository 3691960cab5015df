//! What came of it, sorted by whose move is next.
//!
//! A [`Refusal`] is the packager's move and is told in words. A [`Problem`] is time's move
//! (temporary, try again) or ours (permanent, a fault in the machine or in us). "Not for us" and
//! "held" are no errors; they are answers of [`crate::decide`].

use std::fmt;

use serde::Serialize;

/// A stable name for a reason, such as `unsigned-tip`: what other programs may match on.
///
/// Lower-case words joined by dashes; each is documented in `docs/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Code(pub &'static str);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The way is barred until a person acts: exit code 3, or 2 where a config file is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{message}")]
pub struct Refusal {
    /// The stable name of the reason.
    pub code: Code,
    /// What was looked at and what was found; may be several lines.
    pub message: String,
    /// What would make it pass; empty where the message says it all.
    pub hint: String,
    /// Where the fault lies: what decides between exit codes 3 and 2.
    pub fault_of: FaultOf,
}

/// Which kind of input a refusal found at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultOf {
    /// The content or state of source-git or dist-git: exit code 3.
    Content,
    /// A config file or an argument: exit code 2.
    Config,
}

impl Refusal {
    /// Returns a refusal for content; add the next move with [`Refusal::hint`].
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Refusal {
            code: Code(code),
            message: message.into(),
            hint: String::new(),
            fault_of: FaultOf::Content,
        }
    }

    /// Returns a refusal that lies in a config file or an argument.
    pub fn config(code: &'static str, message: impl Into<String>) -> Self {
        Refusal { fault_of: FaultOf::Config, ..Refusal::new(code, message) }
    }

    /// Adds what would make it pass.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Refusal { hint: hint.into(), ..self }
    }
}

/// Something outside failed us, or we failed: exit code 75 where trying again may help, else 1.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The stable name of the reason.
    pub code: Code,
    /// What was attempted, on what, and what was found.
    pub message: String,
    /// What a person may do; empty where nothing but waiting helps.
    pub hint: String,
    /// Whether time may mend it.
    pub lasting: Lasting,
    /// The error underneath, for the log.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Whether a problem may go away by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lasting {
    /// A server was down, a lock was held, an answer was late: try again.
    Temporary,
    /// Trying again gives the same.
    Permanent,
}

impl Problem {
    /// Returns a problem that trying again will not mend.
    pub fn permanent(code: &'static str, message: impl Into<String>) -> Self {
        Problem {
            code: Code(code),
            message: message.into(),
            hint: String::new(),
            lasting: Lasting::Permanent,
            source: None,
        }
    }

    /// Returns a problem that time may mend.
    pub fn temporary(code: &'static str, message: impl Into<String>) -> Self {
        Problem { lasting: Lasting::Temporary, ..Problem::permanent(code, message) }
    }

    /// Adds what a person may do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Problem { hint: hint.into(), ..self }
    }

    /// Keeps the error underneath.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Problem { source: Some(source.into()), ..self }
    }
}

/// Why a step did not give its product.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A person must act.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] Problem),
}

/// The result of a step.
pub type Result<T, E = Fault> = std::result::Result<T, E>;

/// Escapes text from outside so that it is harmless on a terminal and in a one-line message.
///
/// Control characters (line breaks among them), bidirectional overrides and invalid bytes become
/// visible escapes; the rest stays as it is. At most `limit` characters are kept.
pub fn printable(text: impl AsRef<[u8]>, limit: usize) -> String {
    let text = String::from_utf8_lossy(text.as_ref());
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == limit {
            shown.push('…');
            break;
        }
        let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match c.is_control() || reorders {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}
