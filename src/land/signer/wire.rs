//! What goes over the signer's socket: frames of a length and JSON, with hard caps.
//!
//! A frame is four bytes of length (big endian) and as many bytes of JSON, bytes in base64. One connection carries one
//! request and one answer. Unknown fields and kinds are refused: both ends are of one version or do not talk.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::gate::CODES;
use crate::git::{Kind, Object};
use crate::outcome::{Code, Fault, FaultOf, Lasting, Problem, Refusal, Result, printable};

/// No request may be larger than this: a few certificates and some thousand commits.
pub(super) const REQUEST_LIMIT: usize = 64 << 20;

/// No answer may be larger than this: a signature, or the bot's certificates.
pub(super) const ANSWER_LIMIT: usize = 8 << 20;

/// The version of what is said here.
pub(super) const PROTOCOL: u32 = 1;

/// Codes that the signer gives besides the gate's.
pub(super) const SIGNER_CODES: &[&str] = &[
    "signer-refused",
    "signer-evidence-missing",
    "signer-parent-stale",
    "signer-dist-git-slow",
    "signer-request-malformed",
    "signer-request-too-large",
    "signer-request-slow",
    "signer-peer-refused",
    "signer-limit",
    "bot-key-unusable",
    "ssh-agent",
    "target-mismatch",
    "target-repeated",
    "target-missing",
    "object-corrupt",
    "certificate-file-missing",
    "keyring-unreadable",
];

/// Bytes, in base64 where they are written as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Bytes).map_err(serde::de::Error::custom)
    }
}

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Request {
    /// [`PROTOCOL`].
    pub(super) version: u32,
    /// The question.
    pub(super) ask: Question,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Question {
    /// Whose key is it, and which earlier ones count as the bot's?
    Who,
    /// Sign this.
    Sign(Box<ToSign>),
}

/// A commit to be signed and the evidence for it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ToSign {
    pub(super) package: String,
    pub(super) branch: String,
    pub(super) unsigned_commit: Bytes,
    pub(super) source_commit: Bytes,
    pub(super) objects: Vec<Carried>,
}

/// One object on its way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Carried {
    kind: CarriedKind,
    data: Bytes,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum CarriedKind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl From<Object> for Carried {
    fn from(object: Object) -> Carried {
        let kind = match object.kind {
            Kind::Commit => CarriedKind::Commit,
            Kind::Tree => CarriedKind::Tree,
            Kind::Blob => CarriedKind::Blob,
            Kind::Tag => CarriedKind::Tag,
        };
        Carried { kind, data: Bytes(object.data) }
    }
}

impl From<Carried> for Object {
    fn from(carried: Carried) -> Object {
        let kind = match carried.kind {
            CarriedKind::Commit => Kind::Commit,
            CarriedKind::Tree => Kind::Tree,
            CarriedKind::Blob => Kind::Blob,
            CarriedKind::Tag => Kind::Tag,
        };
        Object { kind, data: carried.data.0 }
    }
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Answer {
    /// Whose key it is.
    Who(Who),
    /// The armour for the commit's `gpgsig`.
    Signed(String),
    /// It is not signed.
    NotSigned(NotSigned),
}

/// The public side of a signer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Who {
    /// Public halves of the bot's keys, its own first.
    pub(super) certificates: Vec<String>,
    /// Name and mail address that the key carries.
    pub(super) identity: Option<(String, String)>,
}

/// Why something was not signed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct NotSigned {
    code: String,
    message: String,
    hint: String,
    because: Cause,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Cause {
    Content,
    Config,
    Temporary,
    Permanent,
}

impl From<&Fault> for NotSigned {
    fn from(fault: &Fault) -> NotSigned {
        let (code, message, hint, because) = match fault {
            Fault::Refused(refusal) => {
                let because = match refusal.fault_of {
                    FaultOf::Content => Cause::Content,
                    FaultOf::Config => Cause::Config,
                };
                (refusal.code, &refusal.message, &refusal.hint, because)
            }
            Fault::Failed(problem) => {
                let because = match problem.lasting {
                    Lasting::Temporary => Cause::Temporary,
                    Lasting::Permanent => Cause::Permanent,
                };
                (problem.code, &problem.message, &problem.hint, because)
            }
        };
        NotSigned { code: code.0.to_owned(), message: message.clone(), hint: hint.clone(), because }
    }
}

impl From<NotSigned> for Fault {
    fn from(answer: NotSigned) -> Fault {
        let (code, message) = match known(&answer.code) {
            Some(code) => (code, answer.message),
            None => {
                let words = format!("{} [{}]", answer.message, printable(&answer.code, 40));
                (Code("signer-refused"), words)
            }
        };
        let hint = answer.hint;
        match answer.because {
            Cause::Content => Refusal::new(code.0, message).hint(hint).into(),
            Cause::Config => Refusal::config(code.0, message).hint(hint).into(),
            Cause::Temporary => Problem::temporary(code.0, message).hint(hint).into(),
            Cause::Permanent => Problem::permanent(code.0, message).hint(hint).into(),
        }
    }
}

/// Returns the code of this name that the signer may give.
fn known(name: &str) -> Option<Code> {
    let gates = CODES.iter().map(|(code, _)| *code);
    gates.chain(SIGNER_CODES.iter().copied()).find(|code| *code == name).map(Code)
}

/// Puts a message into a frame.
pub(super) fn frame(message: &impl Serialize) -> Vec<u8> {
    let body = serde_json::to_vec(message).expect("messages hold text and numbers only");
    // A body that does not fit is cut off by the limit of whoever reads it.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &body].concat()
}

/// Reads a frame's length, which must be within `limit`.
///
/// # Errors
/// `signer-request-too-large`.
pub(super) fn length(header: [u8; 4], limit: usize) -> Result<usize, Refusal> {
    let length = u32::from_be_bytes(header) as usize;
    match length <= limit {
        true => Ok(length),
        false => Err(Refusal::new(
            "signer-request-too-large",
            format!("a message of {length} bytes is announced; at most {limit} are read"),
        )
        .hint(
            "publish the branch once without --signer, so that the bot's own commit ends the walk",
        )),
    }
}

/// Reads a message.
///
/// # Errors
/// `signer-request-malformed`.
pub(super) fn parse<'de, M: Deserialize<'de>>(body: &'de [u8]) -> Result<M, Refusal> {
    serde_json::from_slice(body).map_err(|error| malformed(&error.to_string()))
}

/// Refuses what is no message of this protocol.
pub(super) fn malformed(words: &str) -> Refusal {
    let words = printable(words, 200);
    Refusal::new("signer-request-malformed", format!("the message cannot be read: {words}"))
        .hint("let client and signer be of the same version")
}
