//! `POST /hooks/NAME`: proved over its raw bytes, stored, answered. What it means is asked later.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::{Doors, no_body, said};
use crate::database::{NewDelivery, Stored};
use crate::names::HookName;
use crate::trigger::hooks::{Delivery, Headers, Hook, Incoming, Rejected};

/// Takes a delivery.
pub(super) async fn deliver(
    State(doors): State<Arc<Doors>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let name: Option<HookName> = name.parse().ok();
    let Some(hook) = name.and_then(|name| doors.operator.hook(&name)) else {
        return said(StatusCode::NOT_FOUND, "there is no such hook");
    };
    let (parts, body) = request.into_parts();
    let body = match doors.gate.read(&parts.headers, body, doors.body_limit()).await {
        Ok(body) => body,
        Err(why) => return no_body(why),
    };
    let headers = headers(&parts.headers);
    match hook.receive(Incoming { headers: &headers, body: &body }, (doors.now)()) {
        Ok(delivery) => store(&doors, delivery).await,
        Err(rejected) => refuse(hook, rejected),
    }
}

fn headers(headers: &HeaderMap) -> Headers {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

async fn store(doors: &Doors, delivery: Delivery) -> Response {
    let Delivery { hook, id, kind, event, body } = delivery;
    let kind = kind.to_string();
    let new = NewDelivery { hook, id, kind, event, body, received_at: (doors.now)() };
    match doors.stored(doors.database.store_delivery(new)).await {
        Ok(Stored::New) => {
            doors.bell.notify_one();
            said(StatusCode::ACCEPTED, "stored")
        }
        Ok(Stored::Duplicate) => said(StatusCode::ACCEPTED, "stored before"),
        Err(answer) => answer,
    }
}

fn refuse(hook: &Hook, rejected: Rejected) -> Response {
    tracing::warn!(hook = %hook.name, "a delivery was not taken: {rejected}");
    let status = StatusCode::from_u16(rejected.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    said(status, &rejected.to_string())
}
