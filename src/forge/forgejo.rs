//! Forgejo and Gitea: commit statuses, of which the newest counts; comments on pull requests and issues. Commits
//! have no comments here.

use serde_json::{Value, json};

use super::cut::cut;
use super::dialect::{CommentId, Dialect, Found, Place, entries, escape, text};
use super::wire::Call;
use super::{Issue, Project, State, Status};
use crate::names::ObjectId;

/// Forgejo's and Gitea's way of speaking.
pub(super) struct Forgejo;

/// The most characters of a description and a title.
const SHORT: usize = 255;

/// Returns the request for a commit status. Gitea of today knows no `skipped`: nothing to do is a success.
pub(super) fn status_call(status: &Status) -> Call {
    let mut body = json!({
        "state": match status.state {
            State::Queued | State::Running => "pending",
            State::Passed | State::NothingToDo => "success",
            State::MustAct => "failure",
            State::Broken => "error",
        },
        "context": status.context,
        "description": cut(&status.description, SHORT),
    });
    if let Some(link) = &status.link {
        body["target_url"] = json!(link);
    }
    Call::post(format!("/repos/{}/statuses/{}", status.project, status.commit), body)
}

impl Dialect for Forgejo {
    fn who_am_i(&self) -> Call {
        Call::get("/user")
    }

    fn login(&self, answer: &Value) -> Option<String> {
        Some(answer["login"].as_str()?.to_owned())
    }

    fn pull_request_of(&self, project: &Project, commit: &ObjectId) -> Option<Call> {
        Some(Call::get(format!("/repos/{project}/commits/{commit}/pull")))
    }

    fn pull_request(&self, answer: &Value) -> Option<u64> {
        answer["number"].as_u64()
    }

    fn comments(&self, project: &Project, place: &Place, page: u32) -> Option<Call> {
        // There are no pages: all come at once.
        let list = comments_path(project, place)?;
        (page == 1).then(|| Call::get(list))
    }

    fn read_comments(&self, answer: &Value) -> Vec<Found> {
        entries(answer).iter().filter_map(found).collect()
    }

    fn write_comment(&self, project: &Project, place: &Place, body: &str) -> Option<Call> {
        Some(Call::post(comments_path(project, place)?, json!({ "body": body })))
    }

    fn written(&self, answer: &Value) -> Option<Found> {
        found(answer)
    }

    fn edit_comment(&self, project: &Project, comment: &CommentId, body: &str) -> Option<Call> {
        let path = format!("/repos/{project}/issues/comments/{}", comment.id);
        Some(Call::patch(path, json!({ "body": body })))
    }

    fn issues(&self, project: &Project, login: &str, page: u32) -> Call {
        let author = escape(login);
        Call::get(format!(
            "/repos/{project}/issues?state=all&type=issues&created_by={author}&limit=50&page={page}"
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
        let body = json!({ "title": cut(&issue.title, SHORT), "body": issue.body });
        Call::post(format!("/repos/{}/issues", issue.project), body)
    }

    fn edit_issue(&self, issue: &Issue, number: u64, was_open: bool) -> Vec<Call> {
        let mut body = json!({ "title": cut(&issue.title, SHORT), "body": issue.body });
        if issue.open != was_open {
            body["state"] = json!(if issue.open { "open" } else { "closed" });
        }
        vec![Call::patch(format!("/repos/{}/issues/{number}", issue.project), body)]
    }

    fn page_size(&self) -> usize {
        50
    }
}

fn comments_path(project: &Project, place: &Place) -> Option<String> {
    match place {
        Place::Commit(_) => None,
        Place::PullRequest(number) | Place::Issue(number) => {
            Some(format!("/repos/{project}/issues/{number}/comments"))
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
