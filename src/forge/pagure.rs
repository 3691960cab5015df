//! Pagure: flags on commits, comments on pull requests and issues. Nothing but issues can be edited, and commits
//! have no comments.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::cut::cut;
use super::dialect::{CommentId, Dialect, Found, Place, entries, escape, text};
use super::wire::{Call, Wire};
use super::{Answer, Issue, Project, State, Status};
use crate::names::ObjectId;
use crate::outcome::Problem;

/// Pagure's way of speaking.
pub(super) struct Pagure;

/// The most characters of a flag's comment and a title.
const SHORT: usize = 255;

/// Raises a flag on a commit.
///
/// Pagure takes a flag for any id, known or not, shortened or not: so it is asked for the commit first.
pub(super) async fn set_status(
    wire: &Wire,
    status: &Status,
    login: &str,
    doing: &str,
) -> Answer<()> {
    let (project, commit) = (&status.project, &status.commit);
    let info = wire.call(&Call::get(format!("/{project}/c/{commit}/info")), doing).await?;
    if info.json()["hash"] != commit.to_string().as_str() {
        let words = format!("{doing}: Pagure does not know this commit");
        return Err(Problem::permanent("forge-not-found", words).into());
    }
    wire.call(&status_call(status, login, &wire.account().web), doing).await.map(|_| ())
}

/// Returns the request for a flag. Its address is mandatory: without one of ours it is the commit's own.
pub(super) fn status_call(status: &Status, login: &str, web: &Url) -> Call {
    let (project, commit) = (&status.project, &status.commit);
    let own_page = format!("{}/{project}/c/{commit}", web.as_str().trim_end_matches('/'));
    let link = status.link.as_ref().map_or(own_page, Url::to_string);
    let body = json!({
        "username": cut(&status.context, SHORT),
        "comment": cut(&status.description, SHORT),
        "url": link,
        "status": match status.state {
            State::Queued | State::Running => "pending",
            State::Passed | State::NothingToDo => "success",
            State::MustAct => "failure",
            State::Broken => "error",
        },
        "uid": flag_id(login, status),
    });
    Call::post(format!("/{project}/c/{commit}/flag"), body)
}

/// Our own id for a flag: any token may write over another's, so it is a hash that nobody else comes to by chance.
/// The column holds 32 characters.
fn flag_id(login: &str, status: &Status) -> String {
    let text = format!("{login}\n{}\n{}\n{}", status.project, status.commit, status.context);
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl Dialect for Pagure {
    fn who_am_i(&self) -> Call {
        Call::post("/-/whoami", json!({}))
    }

    fn login(&self, answer: &Value) -> Option<String> {
        Some(answer["username"].as_str()?.to_owned())
    }

    fn pull_request_of(&self, _: &Project, _: &ObjectId) -> Option<Call> {
        None
    }

    fn pull_request(&self, _: &Value) -> Option<u64> {
        None
    }

    fn comments(&self, project: &Project, place: &Place, page: u32) -> Option<Call> {
        // They come with the pull request or issue, all at once.
        let path = match place {
            Place::Commit(_) => return None,
            Place::PullRequest(number) => format!("/{project}/pull-request/{number}"),
            Place::Issue(number) => format!("/{project}/issue/{number}"),
        };
        (page == 1).then(|| Call::get(path))
    }

    fn read_comments(&self, answer: &Value) -> Vec<Found> {
        let comment = |found: &Value| {
            Some(Found {
                id: found["id"].as_u64()?,
                discussion: None,
                author: text(&found["user"]["name"]),
                body: text(&found["comment"]),
                open: true,
            })
        };
        // The newest first: of those with our marker it is the one that counts.
        entries(&answer["comments"]).iter().rev().filter_map(comment).collect()
    }

    fn write_comment(&self, project: &Project, place: &Place, body: &str) -> Option<Call> {
        let path = match place {
            Place::Commit(_) => return None,
            Place::PullRequest(number) => format!("/{project}/pull-request/{number}/comment"),
            Place::Issue(number) => format!("/{project}/issue/{number}/comment"),
        };
        Some(Call::post(path, json!({ "comment": body })))
    }

    fn written(&self, _: &Value) -> Option<Found> {
        // The answer to a new comment does not number it.
        None
    }

    fn edit_comment(&self, _: &Project, _: &CommentId, _: &str) -> Option<Call> {
        None
    }

    fn issues(&self, project: &Project, login: &str, page: u32) -> Call {
        let author = escape(login);
        Call::get(format!("/{project}/issues?status=all&author={author}&per_page=100&page={page}"))
    }

    fn issue(&self, project: &Project, number: u64) -> Call {
        Call::get(format!("/{project}/issue/{number}"))
    }

    fn read_issues(&self, answer: &Value) -> Vec<Found> {
        entries(&answer["issues"]).iter().filter_map(|issue| self.read_issue(issue)).collect()
    }

    fn read_issue(&self, answer: &Value) -> Option<Found> {
        let issue = if answer["issue"].is_object() { &answer["issue"] } else { answer };
        Some(Found {
            id: issue["id"].as_u64()?,
            discussion: None,
            author: text(&issue["user"]["name"]),
            body: text(&issue["content"]),
            open: issue["status"] == "Open",
        })
    }

    fn open_issue(&self, issue: &Issue) -> Call {
        let body = json!({ "title": cut(&issue.title, SHORT), "issue_content": issue.body });
        Call::post(format!("/{}/new_issue", issue.project), body)
    }

    fn edit_issue(&self, issue: &Issue, number: u64, was_open: bool) -> Vec<Call> {
        let path = format!("/{}/issue/{number}", issue.project);
        let text = json!({ "title": cut(&issue.title, SHORT), "issue_content": issue.body });
        let mut calls = vec![Call::post(path.clone(), text)];
        if issue.open != was_open {
            let status = match issue.open {
                true => json!({ "status": "Open" }),
                false => json!({ "status": "Closed", "close_status": "Fixed" }),
            };
            calls.push(Call::post(format!("{path}/status"), status));
        }
        calls
    }
}
