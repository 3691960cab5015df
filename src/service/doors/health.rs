//! `GET /healthz`: whether requests can be taken now.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{Doors, said};

/// For how long an answer holds: whoever asks often does not reach the database each time.
const HOLDS: Duration = Duration::from_secs(1);

/// How long the database may take to count as being there.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was last seen, and when.
#[derive(Debug, Default)]
pub struct Health(Mutex<Option<(Instant, bool)>>);

impl Health {
    fn known(&self) -> Option<bool> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.filter(|(at, _)| at.elapsed() < HOLDS).map(|(_, healthy)| healthy)
    }

    fn note(&self, healthy: bool) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some((Instant::now(), healthy));
    }
}

/// Says whether the database takes what comes.
pub(super) async fn healthz(State(doors): State<Arc<Doors>>) -> Response {
    let healthy = match doors.health.known() {
        Some(healthy) => healthy,
        None => {
            let ping = tokio::time::timeout(PATIENCE, doors.database.ping()).await;
            let healthy = matches!(ping, Ok(Ok(())));
            doors.health.note(healthy);
            healthy
        }
    };
    match healthy {
        true => said(StatusCode::OK, "ok"),
        false => said(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer"),
    }
}
