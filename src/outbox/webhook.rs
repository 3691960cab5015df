//! The webhook sink: owners' programs get a signed POST for each run that is news.
//!
//! Signed as Standard Webhooks has it: HMAC-SHA256 over `ID.TIME.BODY`, in `webhook-signature: v1,BASE64`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use tokio::sync::OnceCell;

use super::message::Event;
use crate::forge::{Answer, Setback};
use crate::http::{self, Codes, Timeouts};
use crate::operator::WebhookSink;
use crate::outcome::{Fault, Problem, Refusal};

const CODES: Codes = Codes {
    unreachable: "webhook-unreachable",
    too_slow: "webhook-too-slow",
    redirects: "webhook-not-taken",
    unauthorized: "webhook-not-taken",
    certificate: "webhook-certificate-invalid",
    too_large: "webhook-not-taken",
    not_written: "webhook-not-taken",
};

/// How long a program may take to answer.
const ANSWER: Duration = Duration::from_secs(20);

/// One owner's program.
pub struct Sink {
    sink: WebhookSink,
    key: Vec<u8>,
    client: OnceCell<reqwest::Client>,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sink").field(&self.sink).finish()
    }
}

impl Sink {
    /// Takes an entry of the operator config; its secret is `whsec_` and base64, or any text.
    ///
    /// # Errors
    /// Refuses a secret that begins with `whsec_` and is no base64.
    pub fn new(sink: WebhookSink) -> Result<Sink, Refusal> {
        let key = match sink.secret.expose().strip_prefix(b"whsec_") {
            None => sink.secret.expose().to_vec(),
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| {
                let words = format!(
                    "the secret of the webhook `{}` is no base64 after `whsec_`",
                    sink.name
                );
                Refusal::config("webhook-secret-unusable", words)
                    .hint("write `whsec_` and the key in base64, or a text without that beginning")
            })?,
        };
        Ok(Sink { sink, key, client: OnceCell::new() })
    }

    /// Posts an event.
    ///
    /// # Errors
    /// A setback: temporary unless the program says that it is gone (410).
    pub async fn post(&self, event: &Event, now: Timestamp) -> Answer<()> {
        let doing = format!("posting an event to the webhook `{}`", self.sink.name);
        let body = event.payload.to_string();
        let time = now.as_second();
        let request = self.client().await?.post(self.sink.url.clone());
        let request = request
            .header("content-type", "application/json")
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", time)
            .header("webhook-signature", signature(&self.key, &event.id, time, &body))
            .body(body)
            .timeout(ANSWER);
        let response = request.send().await.map_err(|error| broken(&doing, error))?;
        let retry_after =
            response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        match response.status().as_u16() {
            200..300 => Ok(()),
            410 => {
                Err(Problem::permanent("webhook-not-taken", format!("{doing}: it is gone (410)"))
                    .into())
            }
            status => {
                let words = format!("{doing}: it answered {status}");
                let setback = Setback::from(Problem::temporary("webhook-not-taken", words));
                let seconds = retry_after.and_then(|text| text.parse().ok());
                Err(Setback {
                    hold: seconds.map(|s: u64| Duration::from_secs(s.min(3600))),
                    ..setback
                })
            }
        }
    }

    async fn client(&self) -> Answer<&reqwest::Client> {
        let made = self.client.get_or_try_init(|| async {
            let builder = http::client_builder(&Timeouts::default());
            builder.redirect(reqwest::redirect::Policy::none()).build()
        });
        made.await.map_err(|error| broken("making a client", error).into())
    }
}

/// Signs an event.
fn signature(key: &[u8], id: &str, time: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{time}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn broken(doing: &str, error: reqwest::Error) -> Problem {
    match http::request_failed(&CODES, doing, error) {
        Fault::Failed(problem) => problem,
        Fault::Refused(refusal) => Problem::permanent("webhook-not-taken", refusal.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let key = STANDARD.decode("plJ3nmyCDGBKInavdOK15jsl").unwrap();
        let body = r#"{"event_type":"ping","data":{"success":true}}"#;
        let signed = signature(&key, "msg_loFOjxBNrRLzqYUf", 1_731_705_121, body);
        assert_eq!(signed, "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=");
    }
}
