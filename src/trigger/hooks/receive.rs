//! A delivery at the door: proved, taken out of its envelope, and given an id.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::ForgeKind;
use super::proof::Proof;
use crate::names::{DeliveryId, HookName};
use crate::outcome::printable;

/// A door: an entry of `hooks` in the operator config, served at `/hooks/NAME`.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Its name.
    pub name: HookName,
    /// What stands on the other side.
    pub kind: ForgeKind,
    /// What a delivery must prove.
    pub proof: Proof,
    /// The bot's own accounts there, whose acts come back as echoes.
    pub bot_accounts: Vec<String>,
}

/// Headers of a request, names in lower case.
#[derive(Debug, Clone, Default)]
pub struct Headers(BTreeMap<String, Vec<u8>>);

impl Headers {
    /// Returns the value of a header, where it is there and plain text; `name` in lower case.
    pub fn text(&self, name: &str) -> Option<&str> {
        let value = std::str::from_utf8(self.0.get(name)?).ok()?.trim();
        (!value.is_empty()).then_some(value)
    }
}

/// Of a header that stands twice the first counts.
impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let mut map = BTreeMap::new();
        for (name, value) in headers {
            let name = name.as_ref().to_ascii_lowercase();
            map.entry(name).or_insert_with(|| value.as_ref().to_vec());
        }
        Headers(map)
    }
}

/// A request as it came.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Its headers.
    pub headers: &'a Headers,
    /// Its body, byte for byte.
    pub body: &'a [u8],
}

/// A delivery that was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The door it came through.
    pub hook: HookName,
    /// The forge's id of it, or one of ours; the same on each attempt where the forge gives one.
    pub id: DeliveryId,
    /// The kind of forge.
    pub kind: ForgeKind,
    /// What the forge calls the event; made harmless.
    pub event: String,
    /// The payload: JSON, out of its form where it was in one.
    pub body: Vec<u8>,
}

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It carries no proof that this kind of forge gives.
    #[error("there is no signature or token on it")]
    NoProof,
    /// Its proof is not of any of our secrets over these bytes.
    #[error("the signature or token does not fit")]
    BadSignature,
    /// It was signed too long ago, or in the future.
    #[error("it was signed more than five minutes before or after now")]
    Stale,
    /// It is a form without a field `payload`.
    #[error("it is a form without a payload")]
    NotDecodable,
}

impl Rejected {
    /// Returns the HTTP status that answers it: never one that blames the server.
    pub fn status(self) -> u16 {
        match self {
            Rejected::NoProof | Rejected::BadSignature | Rejected::Stale => 401,
            Rejected::NotDecodable => 400,
        }
    }
}

impl Hook {
    /// Proves a request and takes the payload out of it.
    ///
    /// # Errors
    /// Rejects what is not proved, and forms without a payload. Whatever else the content is, it is taken: what
    /// it means is [`super::parse`]'s question.
    pub fn receive(&self, incoming: Incoming<'_>, now: Timestamp) -> Result<Delivery, Rejected> {
        let form = is_form(incoming.headers);
        let payload = match (form, self.signs_payload()) {
            // The payload itself is signed: it must come out of its form first.
            (true, true) => {
                let payload = form_payload(incoming.body)?;
                self.proof.check(self.kind, incoming.headers, &payload, now)?;
                payload
            }
            (true, false) => {
                self.proof.check(self.kind, incoming.headers, incoming.body, now)?;
                form_payload(incoming.body)?
            }
            (false, _) => {
                self.proof.check(self.kind, incoming.headers, incoming.body, now)?;
                incoming.body.to_vec()
            }
        };
        Ok(Delivery {
            hook: self.name.clone(),
            id: self.delivery_id(incoming.headers, &payload, now),
            kind: self.kind,
            event: self.event(incoming.headers, &payload),
            body: payload,
        })
    }

    /// Tells whether the forge signs the payload rather than the body that carries it.
    fn signs_payload(&self) -> bool {
        match self.kind {
            ForgeKind::Forgejo | ForgeKind::Gitea => true,
            ForgeKind::GitHub | ForgeKind::GitLab | ForgeKind::Pagure => false,
        }
    }

    /// Returns the forge's id of the delivery; where there is none, one that no other delivery has, since doing
    /// a thing twice is harmless and losing it is not.
    fn delivery_id(&self, headers: &Headers, payload: &[u8], now: Timestamp) -> DeliveryId {
        let given = match self.kind {
            ForgeKind::GitHub => named(headers, &["x-github-delivery"]),
            ForgeKind::GitLab => {
                named(headers, &["idempotency-key", "webhook-id", "x-gitlab-event-uuid"])
            }
            ForgeKind::Pagure => {
                PagureEnvelope::read(payload).msg_id.and_then(|id| id.parse().ok())
            }
            ForgeKind::Forgejo => named(headers, &["x-forgejo-delivery", "x-gitea-delivery"]),
            ForgeKind::Gitea => named(headers, &["x-gitea-delivery"]),
        };
        given.unwrap_or_else(|| {
            let hash: String =
                Sha256::digest(payload)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            let id = format!("unnamed-{hash}-{}", now.as_microsecond());
            id.parse().expect("short, and letters, digits and dashes only")
        })
    }

    fn event(&self, headers: &Headers, payload: &[u8]) -> String {
        let in_header =
            |names: &[&str]| names.iter().find_map(|name| headers.text(name)).map(str::to_owned);
        let event = match self.kind {
            ForgeKind::GitHub => in_header(&["x-github-event"]),
            ForgeKind::GitLab => in_header(&["x-gitlab-event"]),
            ForgeKind::Pagure => {
                let signed = PagureEnvelope::read(payload).topic;
                signed.or_else(|| in_header(&["x-pagure-topic"]))
            }
            ForgeKind::Forgejo => in_header(&["x-forgejo-event", "x-gitea-event"]),
            ForgeKind::Gitea => in_header(&["x-gitea-event"]),
        };
        printable(event.unwrap_or_default(), 100)
    }
}

/// Returns the first of these headers that is there and a legal id.
fn named(headers: &Headers, names: &[&str]) -> Option<DeliveryId> {
    names.iter().find_map(|name| headers.text(name)?.parse().ok())
}

fn is_form(headers: &Headers) -> bool {
    let content_type = headers.text("content-type").unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Takes the field `payload` out of a form.
fn form_payload(body: &[u8]) -> Result<Vec<u8>, Rejected> {
    let mut fields = url::form_urlencoded::parse(body);
    let payload = fields.find(|(name, _)| name == "payload");
    payload.map(|(_, value)| value.into_owned().into_bytes()).ok_or(Rejected::NotDecodable)
}

/// What of a Pagure delivery is needed at the door: it has no header for its id.
#[derive(Default, Deserialize)]
struct PagureEnvelope {
    msg_id: Option<String>,
    topic: Option<String>,
}

impl PagureEnvelope {
    fn read(payload: &[u8]) -> PagureEnvelope {
        serde_json::from_slice(payload).unwrap_or_default()
    }
}
