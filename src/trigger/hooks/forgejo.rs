//! What the deliveries of Forgejo and Gitea say: GitHub's forms, with words of their own.

use super::github;
use super::notice::{Notices, PullRequestChange};
use super::payload::Payload;

/// Reads a delivery. `event` is the coarse name, or the finer one of older versions.
pub(super) fn notices(event: &str, payload: &Payload) -> Notices {
    let notices = match event {
        "push" => github::push(payload),
        "create" | "delete" => github::reference_event(event, payload),
        "release" => github::release(payload),
        "pull_request" | "pull_request_sync" | "pull_request_label" => pull_request(payload),
        "issue_comment" | "pull_request_comment" => github::comment(payload),
        other => Notices::ignored(format!("the event `{other}` is not listened to")),
    };
    let sender = ["sender.login", "sender.username", "pusher.login", "pusher.username"];
    notices.by(sender.into_iter().find_map(|path| payload.text(path)))
}

fn pull_request(payload: &Payload) -> Notices {
    let change = match payload.text("action").unwrap_or_default() {
        "opened" => PullRequestChange::Opened,
        "synchronized" | "synchronize" => PullRequestChange::Updated,
        "reopened" => PullRequestChange::Reopened,
        "closed" if payload.says("pull_request.merged") => PullRequestChange::Merged,
        "closed" => PullRequestChange::Closed,
        // Older versions do not say which label it was: then only those that are there now are known.
        "label_updated" => return github::label(payload, payload.text("label.name")),
        "label_cleared" => return github::label(payload, None),
        other => return Notices::ignored(format!("`{other}` changes nothing in a pull request")),
    };
    github::changed(payload, change)
}
