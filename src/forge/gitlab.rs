//! GitLab: commit statuses that know states and transitions; notes on merge requests and issues, discussions on
//! commits.

use serde_json::{Value, json};

use super::cut::cut;
use super::dialect::{CommentId, Dialect, Found, Place, entries, escape, text};
use super::wire::{Call, Wire};
use super::{Answer, Issue, Project, State, Status};
use crate::names::ObjectId;

/// GitLab's way of speaking.
pub(super) struct GitLab;

/// The most characters of a status's description and name, and of a title.
const SHORT: usize = 255;

/// Writes a status.
///
/// GitLab moves the status that has not ended, refuses the same state again and steps back (400 "Cannot transition
/// status via …": the newest state stands already, so that is done), and makes a new status where the newest has
/// ended. So the newest is read first: an end is followed by another end only, and none is written twice.
pub(super) async fn set_status(wire: &Wire, status: &Status, doing: &str) -> Answer<()> {
    let call = status_call(status);
    if stands(wire, status, &call, doing).await? {
        return Ok(());
    }
    let reply = wire.ask(&call, doing).await?;
    if reply.is_taken() {
        return Ok(());
    }
    if reply.status == 400 && reply.complaint().contains("Cannot transition status") {
        tracing::debug!(context = status.context, "GitLab has this state already, or one after it");
        return Ok(());
    }
    wire.taken(reply, doing).map(|_| ())
}

/// Tells whether the newest status has ended so that ours would be a step back, or the same again.
async fn stands(wire: &Wire, status: &Status, call: &Call, doing: &str) -> Answer<bool> {
    let Some(reply) = wire.find(&read_status_call(status), doing).await? else { return Ok(false) };
    let answer = reply.json();
    let newest = entries(&answer).iter().max_by_key(|found| found["id"].as_u64());
    let Some(newest) = newest else { return Ok(false) };
    let ours = call.body.as_ref().expect("a status has a body");
    let is_same = newest["status"] == ours["state"] && newest["description"] == ours["description"];
    let state = newest["status"].as_str().unwrap_or_default();
    let has_ended = matches!(state, "success" | "failed" | "canceled" | "skipped");
    Ok(has_ended && (is_same || !status.state.is_final()))
}

/// Returns the request that reads the statuses of our context.
fn read_status_call(status: &Status) -> Call {
    let (project, commit) = (id(&status.project), &status.commit);
    let (name, branch) = (escape(&status.context), escape(status.branch.as_str()));
    Call::get(format!(
        "/projects/{project}/repository/commits/{commit}/statuses?name={name}&ref={branch}&per_page=100"
    ))
}

/// Returns the request for a commit status.
pub(super) fn status_call(status: &Status) -> Call {
    let mut body = json!({
        "state": match status.state {
            State::Queued => "pending",
            State::Running => "running",
            State::Passed | State::NothingToDo => "success",
            State::MustAct | State::Broken => "failed",
        },
        "name": cut(&status.context, SHORT),
        "description": cut(&status.description, SHORT),
        "ref": status.branch,
    });
    if let Some(link) = &status.link {
        body["target_url"] = json!(link);
    }
    Call::post(format!("/projects/{}/statuses/{}", id(&status.project), status.commit), body)
}

impl Dialect for GitLab {
    fn who_am_i(&self) -> Call {
        Call::get("/user")
    }

    fn login(&self, answer: &Value) -> Option<String> {
        Some(answer["username"].as_str()?.to_owned())
    }

    fn pull_request_of(&self, project: &Project, commit: &ObjectId) -> Option<Call> {
        let project = id(project);
        Some(Call::get(format!(
            "/projects/{project}/repository/commits/{commit}/merge_requests"
        )))
    }

    fn pull_request(&self, answer: &Value) -> Option<u64> {
        entries(answer).iter().find(|found| found["state"] == "merged")?["iid"].as_u64()
    }

    fn comments(&self, project: &Project, place: &Place, page: u32) -> Option<Call> {
        let list = comments_path(project, place);
        Some(Call::get(format!("{list}?per_page=100&page={page}")))
    }

    fn read_comments(&self, answer: &Value) -> Vec<Found> {
        entries(answer).iter().flat_map(read).collect()
    }

    fn write_comment(&self, project: &Project, place: &Place, body: &str) -> Option<Call> {
        Some(Call::post(comments_path(project, place), json!({ "body": body })))
    }

    fn written(&self, answer: &Value) -> Option<Found> {
        read(answer).into_iter().next()
    }

    fn edit_comment(&self, project: &Project, comment: &CommentId, body: &str) -> Option<Call> {
        let list = comments_path(project, &comment.place);
        let path = match &comment.discussion {
            Some(discussion) => format!("{list}/{}/notes/{}", escape(discussion), comment.id),
            None => format!("{list}/{}", comment.id),
        };
        Some(Call::put(path, json!({ "body": body })))
    }

    fn issues(&self, project: &Project, login: &str, page: u32) -> Call {
        let (project, author) = (id(project), escape(login));
        Call::get(format!(
            "/projects/{project}/issues?scope=all&author_username={author}&per_page=100&page={page}"
        ))
    }

    fn issue(&self, project: &Project, number: u64) -> Call {
        Call::get(format!("/projects/{}/issues/{number}", id(project)))
    }

    fn read_issues(&self, answer: &Value) -> Vec<Found> {
        entries(answer).iter().filter_map(|issue| self.read_issue(issue)).collect()
    }

    fn read_issue(&self, answer: &Value) -> Option<Found> {
        Some(Found {
            id: answer["iid"].as_u64()?,
            discussion: None,
            author: text(&answer["author"]["username"]),
            body: text(&answer["description"]),
            open: answer["state"] == "opened",
        })
    }

    fn open_issue(&self, issue: &Issue) -> Call {
        let body = json!({ "title": cut(&issue.title, SHORT), "description": issue.body });
        Call::post(format!("/projects/{}/issues", id(&issue.project)), body)
    }

    fn edit_issue(&self, issue: &Issue, number: u64, was_open: bool) -> Vec<Call> {
        let mut body = json!({ "title": cut(&issue.title, SHORT), "description": issue.body });
        if issue.open != was_open {
            body["state_event"] = json!(if issue.open { "reopen" } else { "close" });
        }
        vec![Call::put(format!("/projects/{}/issues/{number}", id(&issue.project)), body)]
    }
}

/// Returns a project as an address names it: its path, slashes escaped.
fn id(project: &Project) -> String {
    escape(project.as_str())
}

fn comments_path(project: &Project, place: &Place) -> String {
    let project = id(project);
    match place {
        Place::Commit(commit) => {
            format!("/projects/{project}/repository/commits/{commit}/discussions")
        }
        Place::PullRequest(number) => format!("/projects/{project}/merge_requests/{number}/notes"),
        Place::Issue(number) => format!("/projects/{project}/issues/{number}/notes"),
    }
}

/// Reads a note, or the notes of a discussion.
fn read(entry: &Value) -> Vec<Found> {
    let Some(notes) = entry["notes"].as_array() else {
        return note(entry, None).into_iter().collect();
    };
    let discussion = entry["id"].as_str();
    notes.iter().filter_map(|found| note(found, discussion)).collect()
}

fn note(entry: &Value, discussion: Option<&str>) -> Option<Found> {
    Some(Found {
        id: entry["id"].as_u64()?,
        discussion: discussion.map(str::to_owned),
        author: text(&entry["author"]["username"]),
        body: text(&entry["body"]),
        open: true,
    })
}
