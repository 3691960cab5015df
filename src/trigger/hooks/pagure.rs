//! What Pagure's deliveries say.
//!
//! Its traps: no clone address stands in a body, so one is built from the instance and the project's path; a pushed
//! tag may be called a branch; and nothing at all is sent when a branch is rewound.

use super::notice::{
    Comment, Label, Notice, Notices, PullRequest, PullRequestChange, Reference, RepositoryHint,
};
use super::payload::{Payload, typed_reference};
use crate::names::ObjectId;

const UNREADABLE: &str = "it lacks what its event should hold";

/// Reads a delivery.
pub(super) fn notices(topic: &str, payload: &Payload) -> Notices {
    // On a message bus the topic has the instance's prefix.
    let topic = topic.rsplit_once("pagure.").map_or(topic, |(_, topic)| topic);
    let notices = match topic {
        "git.receive" => receive(payload),
        "git.branch.creation" => created(payload, "branch"),
        "git.tag.creation" => created(payload, "tag"),
        "git.branch.deletion" => deleted(payload, "branch"),
        "git.tag.deletion" => deleted(payload, "tag"),
        "pull-request.comment.added" => comment(payload, "pullrequest"),
        "issue.comment.added" => comment(payload, "issue"),
        "pull-request.tag.added" => label(payload),
        "pull-request.new" => changed(payload, PullRequestChange::Opened),
        "pull-request.updated" | "pull-request.rebased" => {
            changed(payload, PullRequestChange::Updated)
        }
        "pull-request.reopened" => changed(payload, PullRequestChange::Reopened),
        "pull-request.closed" if is_merged(payload) => changed(payload, PullRequestChange::Merged),
        "pull-request.closed" => changed(payload, PullRequestChange::Closed),
        other => Notices::ignored(format!("the topic `{other}` is not listened to")),
    };
    let agent = payload.text("msg.agent").filter(|agent| *agent != "pagure");
    notices.by(agent)
}

/// Builds the addresses of the project at `path`.
fn project(payload: &Payload, path: &str) -> RepositoryHint {
    let at = |key: &str| payload.text(&format!("{path}.{key}"));
    let instance = payload.text("msg.pagure_instance").map(|url| url.trim_end_matches('/'));
    let place = at("url_path").or_else(|| at("fullname"));
    let place = place.or_else(|| payload.text("msg.project_fullname"));
    let built = instance.zip(place).map(|(instance, place)| format!("{instance}/{place}"));
    let full = at("full_url").map(str::to_owned);
    RepositoryHint { urls: built.into_iter().chain(full).collect() }
}

fn repository(payload: &Payload) -> RepositoryHint {
    project(payload, "msg.repo")
}

/// New commits on a branch, or on a tag that is called one.
fn receive(payload: &Payload) -> Notices {
    let name = payload.text("msg.branch").unwrap_or_default();
    let name = name.strip_prefix("refs/heads/").unwrap_or(name);
    let notice = name.parse().ok().map(|branch| Notice::Moved {
        repository: repository(payload),
        reference: Reference::BranchOrTag(branch),
        new: newest(payload),
    });
    Notices::of_option(notice, "its branch is no branch name")
}

fn newest(payload: &Payload) -> Option<ObjectId> {
    payload.id("msg.end_commit").or_else(|| payload.id("msg.rev"))
}

fn reference(payload: &Payload, kind: &str) -> Option<Reference> {
    let name = payload.text(&format!("msg.{kind}"))?;
    let name = name.strip_prefix("refs/heads/").unwrap_or(name);
    typed_reference(name.strip_prefix("refs/tags/").unwrap_or(name), kind)
}

fn created(payload: &Payload, kind: &str) -> Notices {
    let new = newest(payload);
    let repository = repository(payload);
    let notice =
        reference(payload, kind).map(|reference| Notice::Moved { repository, reference, new });
    Notices::of_option(notice, UNREADABLE)
}

fn deleted(payload: &Payload, kind: &str) -> Notices {
    let repository = repository(payload);
    let notice =
        reference(payload, kind).map(|reference| Notice::Deleted { repository, reference });
    Notices::of_option(notice, UNREADABLE)
}

fn is_merged(payload: &Payload) -> bool {
    payload.says("msg.merged") || payload.text("msg.pullrequest.status") == Some("Merged")
}

fn changed(payload: &Payload, change: PullRequestChange) -> Notices {
    let notice = payload.number("msg.pullrequest.id").map(|number| {
        Notice::PullRequest(PullRequest {
            repository: project(payload, "msg.pullrequest.project"),
            number,
            change,
            base: payload.branch("msg.pullrequest.branch"),
            head: payload.id("msg.pullrequest.commit_stop"),
            from: project(payload, "msg.pullrequest.repo_from"),
            author: payload.text("msg.pullrequest.user.name").map(str::to_owned),
        })
    });
    Notices::of_option(notice, UNREADABLE)
}

/// The newest comment stands last in the list of all.
fn comment(payload: &Payload, about: &str) -> Notices {
    let place = format!("msg.{about}");
    let comments = payload.items(&format!("{place}.comments"));
    let Some(last) = comments.len().checked_sub(1) else {
        return Notices::ignored(UNREADABLE);
    };
    let newest = Payload::of(&comments[last]);
    if newest.says("notification") {
        return Notices::ignored("it is a notice of Pagure's own");
    }
    let said = payload.number(&format!("{place}.id")).zip(newest.comment("comment"));
    let project_path =
        if about == "issue" { "msg.project".to_owned() } else { format!("{place}.project") };
    let notice = said.map(|(number, body)| {
        Notice::Comment(Comment {
            repository: project(payload, &project_path),
            number,
            on_pull_request: about == "pullrequest",
            id: newest.number("id"),
            author: newest.text("user.name").map(str::to_owned),
            body,
        })
    });
    Notices::of_option(notice, UNREADABLE)
}

fn label(payload: &Payload) -> Notices {
    let texts = |path: &str| -> Vec<String> {
        let items = payload.items(path).iter();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let notice = payload.number("msg.pull_request.id").or(payload.number("msg.pullrequest.id"));
    let place =
        if payload.at("msg.pull_request").is_object() { "pull_request" } else { "pullrequest" };
    let notice = notice.map(|number| {
        Notice::Label(Label {
            repository: project(payload, &format!("msg.{place}.project")),
            number,
            added: texts("msg.tags"),
            present: texts(&format!("msg.{place}.tags")),
            head: payload.id(&format!("msg.{place}.commit_stop")),
        })
    });
    Notices::of_option(notice, UNREADABLE)
}
