//! `POST /api/sync`: a person or a program asks for a look at a branch. Like every trigger it says where to look, never
//! what to do.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::body::BodyLimit;
use super::{Doors, no_body, said};
use crate::database::{JobRequest, Requested};
use crate::names::{BranchName, InstanceName, PackageName};
use crate::operator::{ApiToken, Permission};
use crate::queue::{Cause, JobKey};

/// How much a request may hold: three names, and room.
const LARGEST: usize = 16 * 1024;

/// Which branch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// May be left out where there is one instance only.
    instance: Option<InstanceName>,
    package: PackageName,
    branch: BranchName,
}

/// Asks for a look at a branch.
pub(super) async fn sync(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let who = match bearer(&doors.operator.api_tokens, &parts.headers) {
        Some(token) if token.may.contains(&Permission::Sync) => token.name.clone(),
        Some(_) => return said(StatusCode::FORBIDDEN, "this token may not do that"),
        None => return unknown(),
    };
    let limit = BodyLimit { bytes: LARGEST, ..doors.body_limit() };
    let body = match doors.gate.read(&parts.headers, body, limit).await {
        Ok(body) => body,
        Err(why) => return no_body(why),
    };
    match wanted(&doors, &body) {
        Ok(key) => ask(&doors, key, who).await,
        Err(words) => said(StatusCode::UNPROCESSABLE_ENTITY, &words),
    }
}

/// Returns the token that a request presents; all are compared, so that time tells nothing.
fn bearer<'a>(tokens: &'a [ApiToken], headers: &HeaderMap) -> Option<&'a ApiToken> {
    let presented = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, presented) = presented.split_at_checked(7)?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return None;
    }
    let presented = presented.trim_ascii();
    tokens.iter().fold(None, |found, known| match known.token.is(presented) {
        true => Some(known),
        false => found,
    })
}

fn unknown() -> Response {
    let scheme = [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
    (StatusCode::UNAUTHORIZED, scheme, "no token of ours\n").into_response()
}

/// Reads which branch is meant.
fn wanted(doors: &Doors, body: &[u8]) -> Result<JobKey, String> {
    let wanted: Wanted = serde_json::from_slice(body).map_err(|error| {
        let error = crate::outcome::printable(error.to_string(), 300);
        format!("this is not {{\"instance\", \"package\", \"branch\"}}: {error}")
    })?;
    let instances = &doors.operator.instances;
    let instance = match (&wanted.instance, &instances[..]) {
        (Some(name), _) => doors.operator.instance(name),
        (None, [only]) => Some(only),
        (None, _) => return Err("there are several instances: name one".to_owned()),
    };
    let instance = instance.ok_or("there is no such instance")?;
    let Wanted { package, branch, .. } = wanted;
    match instance.looks_at(&branch) {
        true => Ok(JobKey { instance: instance.name.clone(), package, branch }),
        false => Err(format!("{branch} is no branch that this instance looks at")),
    }
}

async fn ask(doors: &Doors, key: JobKey, who: String) -> Response {
    let now = (doors.now)();
    let name = key.to_string();
    let cause = Cause::Person { who: format!("token {who}") };
    let request = JobRequest { key, cause, not_before: now };
    match doors.stored(doors.database.request(request, now)).await {
        Ok(requested) => {
            doors.jobs_bell.notify_one();
            tracing::info!(branch = %name, token = %who, "a look was asked for");
            let became = match requested {
                Requested::New => "new",
                Requested::Absorbed => "absorbed",
            };
            let json = axum::Json(serde_json::json!({ "branch": name, "requested": became }));
            (StatusCode::ACCEPTED, json).into_response()
        }
        Err(answer) => answer,
    }
}
