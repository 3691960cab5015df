//! GitHub: commit statuses with a token, check runs as an App; comments on pull requests, issues and commits.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::cut::cut;
use super::dialect::{CommentId, Dialect, Found, Place, entries, escape, text};
use super::wire::{Call, Wire};
use super::{Answer, Credential, Issue, Project, RemoteId, State, Status};
use crate::names::ObjectId;

/// GitHub's way of speaking.
pub(super) struct GitHub;

/// The most characters of a status's description.
const DESCRIPTION: usize = 140;
/// The most characters of a check run's summary.
const SUMMARY: usize = 65_535;

/// Writes a status, or as an App a check run.
pub(super) async fn set_status(
    wire: &Wire,
    status: &Status,
    known: Option<&RemoteId>,
    doing: &str,
) -> Answer<Option<RemoteId>> {
    match &wire.account().credential {
        Credential::Token(_) => wire.call(&status_call(status), doing).await.map(|_| None),
        Credential::App { id, .. } => set_check_run(wire, status, known, *id, doing).await,
    }
}

/// Returns the request for a commit status.
pub(super) fn status_call(status: &Status) -> Call {
    let mut body = json!({
        "state": match status.state {
            State::Queued | State::Running => "pending",
            State::Passed | State::NothingToDo => "success",
            State::MustAct => "failure",
            State::Broken => "error",
        },
        "description": cut(&status.description, DESCRIPTION),
        "context": status.context,
    });
    if let Some(link) = &status.link {
        body["target_url"] = json!(link);
    }
    Call::post(format!("/repos/{}/statuses/{}", status.project, status.commit), body)
}

/// Edits the check run that is known, or found; makes one only where there is none, since GitHub keeps each.
async fn set_check_run(
    wire: &Wire,
    status: &Status,
    known: Option<&RemoteId>,
    app: u64,
    doing: &str,
) -> Answer<Option<RemoteId>> {
    let known = match known.and_then(|known| known.0.parse::<u64>().ok()) {
        Some(id) => Some(id),
        None => find_check_run(wire, status, app, doing).await?,
    };
    if let Some(id) = known {
        let body = check_run(status, false);
        let path = format!("/repos/{}/check-runs/{id}", status.project);
        if wire.find(&Call::patch(path, body), doing).await?.is_some() {
            return Ok(Some(RemoteId(id.to_string())));
        }
    }
    let reply = wire.call(&check_run_call(status), doing).await?;
    Ok(reply.json()["id"].as_u64().map(|id| RemoteId(id.to_string())))
}

/// Looks for our check run: by our own id for it, not by its name, which others may use.
async fn find_check_run(
    wire: &Wire,
    status: &Status,
    app: u64,
    doing: &str,
) -> Answer<Option<u64>> {
    let (project, commit, name) = (&status.project, &status.commit, escape(&status.context));
    let path = format!(
        "/repos/{project}/commits/{commit}/check-runs?check_name={name}&app_id={app}&per_page=100"
    );
    let Some(reply) = wire.find(&Call::get(path), doing).await? else { return Ok(None) };
    let ours = external_id(status);
    let answer = reply.json();
    let found =
        entries(&answer["check_runs"]).iter().find(|run| run["external_id"] == ours.as_str());
    Ok(found.and_then(|run| run["id"].as_u64()))
}

/// Returns the request for a new check run.
pub(super) fn check_run_call(status: &Status) -> Call {
    Call::post(format!("/repos/{}/check-runs", status.project), check_run(status, true))
}

/// Returns what a check run is to say; the commit only where it is new.
pub(super) fn check_run(status: &Status, is_new: bool) -> Value {
    let (standing, conclusion) = match status.state {
        State::Queued => ("queued", None),
        State::Running => ("in_progress", None),
        State::Passed => ("completed", Some("success")),
        State::NothingToDo => ("completed", Some("skipped")),
        State::MustAct => ("completed", Some("action_required")),
        State::Broken => ("completed", Some("failure")),
    };
    let title = match status.state {
        State::Broken => format!("Infrastructure fault: {}", status.description),
        _ => status.description.clone(),
    };
    let mut body = json!({
        "name": status.context,
        "status": standing,
        "external_id": external_id(status),
        "output": { "title": cut(&title, 255), "summary": cut(&status.summary, SUMMARY) },
    });
    if let Some(conclusion) = conclusion {
        body["conclusion"] = json!(conclusion);
    }
    if let Some(link) = &status.link {
        body["details_url"] = json!(link);
    }
    if is_new {
        body["head_sha"] = json!(status.commit);
    }
    body
}

/// Our own id for a check run: of what it is about, so that a run that was made and not noted is found.
fn external_id(status: &Status) -> String {
    let text = format!("{}\n{}\n{}", status.project, status.commit, status.context);
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl Dialect for GitHub {
    fn who_am_i(&self) -> Call {
        Call::get("/user")
    }

    fn login(&self, answer: &Value) -> Option<String> {
        let app = answer["slug"].as_str().map(|slug| format!("{slug}[bot]"));
        app.or_else(|| Some(answer["login"].as_str()?.to_owned()))
    }

    fn pull_request_of(&self, project: &Project, commit: &ObjectId) -> Option<Call> {
        Some(Call::get(format!("/repos/{project}/commits/{commit}/pulls?per_page=100")))
    }

    fn pull_request(&self, answer: &Value) -> Option<u64> {
        let merged = entries(answer).iter().find(|found| !found["merged_at"].is_null())?;
        merged["number"].as_u64()
    }

    fn comments(&self, project: &Project, place: &Place, page: u32) -> Option<Call> {
        let list = comments_path(project, place);
        Some(Call::get(format!("{list}?per_page=100&page={page}")))
    }

    fn read_comments(&self, answer: &Value) -> Vec<Found> {
        entries(answer).iter().filter_map(found).collect()
    }

    fn write_comment(&self, project: &Project, place: &Place, body: &str) -> Option<Call> {
        Some(Call::post(comments_path(project, place), json!({ "body": body })))
    }

    fn written(&self, answer: &Value) -> Option<Found> {
        found(answer)
    }

    fn edit_comment(&self, project: &Project, comment: &CommentId, body: &str) -> Option<Call> {
        let path = match comment.place {
            Place::Commit(_) => format!("/repos/{project}/comments/{}", comment.id),
            Place::PullRequest(_) | Place::Issue(_) => {
                format!("/repos/{project}/issues/comments/{}", comment.id)
            }
        };
        Some(Call::patch(path, json!({ "body": body })))
    }

    fn issues(&self, project: &Project, login: &str, page: u32) -> Call {
        let creator = escape(login);
        Call::get(format!(
            "/repos/{project}/issues?state=all&creator={creator}&per_page=100&page={page}"
        ))
    }

    fn issue(&self, project: &Project, number: u64) -> Call {
        Call::get(format!("/repos/{project}/issues/{number}"))
    }

    fn read_issues(&self, answer: &Value) -> Vec<Found> {
        entries(answer).iter().filter_map(|issue| self.read_issue(issue)).collect()
    }

    fn read_issue(&self, answer: &Value) -> Option<Found> {
        let id = answer["number"].as_u64()?;
        Some(Found { id, open: answer["state"] == "open", ..found(answer)? })
    }

    fn open_issue(&self, issue: &Issue) -> Call {
        let body = json!({ "title": cut(&issue.title, 250), "body": issue.body });
        Call::post(format!("/repos/{}/issues", issue.project), body)
    }

    fn edit_issue(&self, issue: &Issue, number: u64, was_open: bool) -> Vec<Call> {
        let mut body = json!({ "title": cut(&issue.title, 250), "body": issue.body });
        if issue.open != was_open {
            body["state"] = json!(if issue.open { "open" } else { "closed" });
            body["state_reason"] = json!(if issue.open { "reopened" } else { "completed" });
        }
        vec![Call::patch(format!("/repos/{}/issues/{number}", issue.project), body)]
    }
}

/// Returns where the comments of a place are; a pull request is an issue here.
fn comments_path(project: &Project, place: &Place) -> String {
    match place {
        Place::Commit(commit) => format!("/repos/{project}/commits/{commit}/comments"),
        Place::PullRequest(number) | Place::Issue(number) => {
            format!("/repos/{project}/issues/{number}/comments")
        }
    }
}

fn found(comment: &Value) -> Option<Found> {
    Some(Found {
        id: comment["id"].as_u64()?,
        discussion: None,
        author: text(&comment["user"]["login"]),
        body: text(&comment["body"]),
        open: true,
    })
}
