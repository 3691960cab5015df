//! The doors: what answers at which address. They hold no key, and do nothing but store what came.
//!
//! | address | answers |
//! |---|---|
//! | `POST /hooks/NAME` | 202 once the delivery is durable, whatever it says; 401, 413, 404, 503 |
//! | `POST /api/sync` | 202 once the request is durable; 401, 403, 422, 503 |
//! | `GET /healthz` | 200 where requests can be taken, else 503 |
//! | `GET /bot-key.asc` | the bot's public key |
//!
//! Content never makes a 5xx: only a store that cannot take it does, and then with a word when to come again.

mod api;
mod health;
pub use health::Health;
mod hooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::body::{BodyGate, BodyLimit, NoBody};
use crate::database::Database;
use crate::operator::Operator;

/// What the doors lead to.
pub struct Doors {
    /// What the operator wants.
    pub operator: Arc<Operator>,
    /// Where everything goes that came.
    pub database: Database,
    /// Rung where something came.
    pub bell: Arc<Notify>,
    /// Rung where a job was asked for.
    pub jobs_bell: Arc<Notify>,
    /// The bot's public key.
    pub public_key: String,
    /// The clock.
    pub now: fn() -> Timestamp,
    /// How much is read at once.
    pub gate: BodyGate,
    /// What was last seen of the database's health.
    pub health: health::Health,
}

/// How long the store may take; the most impatient forge waits for five seconds.
const STORE_WITHIN: Duration = Duration::from_secs(4);

/// When to come again where the store does not take it.
const COME_AGAIN_SECONDS: u32 = 30;

/// Returns the routes.
pub fn router(doors: Arc<Doors>) -> Router {
    Router::new()
        .route("/hooks/{name}", post(hooks::deliver))
        .route("/api/sync", post(api::sync))
        .route("/healthz", get(health::healthz))
        .route("/bot-key.asc", get(bot_key))
        .fallback(async || said(StatusCode::NOT_FOUND, "there is nothing here"))
        .with_state(doors)
}

async fn bot_key(state: axum::extract::State<Arc<Doors>>) -> Response {
    let kind = [(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))];
    (kind, state.public_key.clone()).into_response()
}

impl Doors {
    /// How much a client may send.
    fn body_limit(&self) -> BodyLimit {
        let limits = &self.operator.limits;
        let bytes = usize::try_from(limits.body).unwrap_or(usize::MAX);
        BodyLimit { bytes, within: limits.request_time }
    }

    /// Waits for the store, but not for ever: whoever asked has gone by then.
    async fn stored<T>(
        &self,
        storing: impl Future<Output = crate::database::Answer<T>>,
    ) -> Result<T, Response> {
        match tokio::time::timeout(STORE_WITHIN, storing).await {
            Ok(Ok(stored)) => Ok(stored),
            Ok(Err(problem)) => {
                tracing::error!(code = %problem.code, "could not be stored: {}", problem.message);
                Err(come_again())
            }
            Err(_) => {
                tracing::error!("could not be stored: the database takes too long");
                Err(come_again())
            }
        }
    }
}

/// Answers with a sentence.
fn said(status: StatusCode, words: &str) -> Response {
    (status, format!("{words}\n")).into_response()
}

fn come_again() -> Response {
    let after = [(RETRY_AFTER, HeaderValue::from(COME_AGAIN_SECONDS))];
    let words = "the store does not take it; come again\n";
    (StatusCode::SERVICE_UNAVAILABLE, after, words).into_response()
}

fn no_body(why: NoBody) -> Response {
    match why {
        NoBody::TooLarge => said(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
        NoBody::TooSlow => said(StatusCode::REQUEST_TIMEOUT, "the body took too long"),
        NoBody::Broken => said(StatusCode::BAD_REQUEST, "the body broke off"),
    }
}
