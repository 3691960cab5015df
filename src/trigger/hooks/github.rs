//! What GitHub's deliveries say.

use super::notice::{
    Comment, Label, Notice, Notices, PullRequest, PullRequestChange, RepositoryHint, Rerequested,
};
use super::payload::{Payload, reference, typed_reference};

/// The keys under which a repository's addresses stand.
const URLS: [&str; 5] = ["clone_url", "ssh_url", "git_url", "html_url", "svn_url"];

const UNREADABLE: &str = "it lacks what its event should hold";

/// Reads a delivery.
pub(super) fn notices(event: &str, payload: &Payload) -> Notices {
    let notices = match event {
        "push" => push(payload),
        "create" | "delete" => reference_event(event, payload),
        "release" => release(payload),
        "pull_request" | "pull_request_target" => pull_request(payload),
        "issue_comment" => comment(payload),
        "check_run" => check_run(payload),
        "check_suite" => check_suite(payload),
        "ping" => Notices::ignored("it is a ping"),
        other => Notices::ignored(format!("the event `{other}` is not listened to")),
    };
    notices.by(payload.text("sender.login"))
}

fn repository(payload: &Payload) -> RepositoryHint {
    payload.repository("repository", &URLS)
}

/// A push of a branch or a tag; its new id is of zeros where the reference is gone.
pub(super) fn push(payload: &Payload) -> Notices {
    let Some(reference) = payload.text("ref").and_then(reference) else {
        return Notices::ignored("its ref is neither a branch nor a tag");
    };
    let repository = repository(payload);
    let new = payload.id("after");
    let gone = payload.says("deleted") || (new.is_none() && payload.text("after").is_some());
    Notices::of(match gone {
        true => Notice::Deleted { repository, reference },
        false => Notice::Moved { repository, reference, new },
    })
}

/// A reference that is new or gone, by its short name; Forgejo tells the id, GitHub does not.
pub(super) fn reference_event(event: &str, payload: &Payload) -> Notices {
    let name = payload.text("ref").zip(payload.text("ref_type"));
    let reference = name.and_then(|(name, kind)| {
        let name = name.strip_prefix("refs/heads/").unwrap_or(name);
        typed_reference(name.strip_prefix("refs/tags/").unwrap_or(name), kind)
    });
    let repository = repository(payload);
    let notice = reference.map(|reference| match event {
        "delete" => Notice::Deleted { repository, reference },
        _ => Notice::Moved { repository, reference, new: payload.id("sha") },
    });
    Notices::of_option(notice, "its ref is neither a branch nor a tag")
}

/// A release says that a tag is there.
pub(super) fn release(payload: &Payload) -> Notices {
    let action = payload.text("action").unwrap_or_default();
    if !matches!(action, "published" | "released" | "prereleased" | "edited" | "updated") {
        return Notices::ignored(format!("a release that was {action} moves nothing"));
    }
    let tag = payload.text("release.tag_name").and_then(|name| typed_reference(name, "tag"));
    let repository = repository(payload);
    let notice = tag.map(|reference| Notice::Moved { repository, reference, new: None });
    Notices::of_option(notice, UNREADABLE)
}

fn pull_request(payload: &Payload) -> Notices {
    let action = payload.text("action").unwrap_or_default();
    let change = match action {
        "opened" => PullRequestChange::Opened,
        "synchronize" => PullRequestChange::Updated,
        "reopened" => PullRequestChange::Reopened,
        "closed" if payload.says("pull_request.merged") => PullRequestChange::Merged,
        "closed" => PullRequestChange::Closed,
        "labeled" => return label(payload, payload.text("label.name")),
        "unlabeled" => return label(payload, None),
        other => return Notices::ignored(format!("`{other}` changes nothing in a pull request")),
    };
    changed(payload, change)
}

/// A pull request as GitHub and Forgejo describe it.
pub(super) fn changed(payload: &Payload, change: PullRequestChange) -> Notices {
    let number = payload.number("pull_request.number").or_else(|| payload.number("number"));
    let notice = number.map(|number| {
        Notice::PullRequest(PullRequest {
            repository: repository(payload),
            number,
            change,
            base: payload.branch("pull_request.base.ref"),
            head: payload.id("pull_request.head.sha"),
            from: payload.repository("pull_request.head.repo", &URLS),
            author: payload.text("pull_request.user.login").map(str::to_owned),
        })
    });
    Notices::of_option(notice, UNREADABLE)
}

/// Labels as GitHub and Forgejo describe them.
pub(super) fn label(payload: &Payload, added: Option<&str>) -> Notices {
    let number = payload.number("pull_request.number").or_else(|| payload.number("number"));
    let notice = number.map(|number| {
        Notice::Label(Label {
            repository: repository(payload),
            number,
            added: added.map(str::to_owned).into_iter().collect(),
            present: payload.names("pull_request.labels", "name"),
            head: payload.id("pull_request.head.sha"),
        })
    });
    Notices::of_option(notice, UNREADABLE)
}

/// A comment as GitHub and Forgejo describe it.
pub(super) fn comment(payload: &Payload) -> Notices {
    if payload.text("action") != Some("created") {
        return Notices::ignored("only a new comment is read");
    }
    let on_pull_request = payload.says("is_pull") || payload.at("issue.pull_request").is_object();
    let said = payload.number("issue.number").zip(payload.comment("comment.body"));
    let notice = said.map(|(number, body)| {
        Notice::Comment(Comment {
            repository: repository(payload),
            number,
            on_pull_request,
            id: payload.number("comment.id"),
            author: payload.text("comment.user.login").map(str::to_owned),
            body,
        })
    });
    Notices::of_option(notice, UNREADABLE)
}

fn check_run(payload: &Payload) -> Notices {
    match payload.text("action") {
        Some("rerequested" | "requested_action") => {}
        _ => return Notices::ignored("it reports a check and asks for none"),
    }
    Notices::of(Notice::Rerequested(Rerequested {
        repository: repository(payload),
        commit: payload.id("check_run.head_sha"),
        check: payload.text("check_run.name").map(str::to_owned),
        external_id: payload.text("check_run.external_id").map(str::to_owned),
        branch: payload.branch("check_run.check_suite.head_branch"),
    }))
}

fn check_suite(payload: &Payload) -> Notices {
    if payload.text("action") != Some("rerequested") {
        return Notices::ignored("it reports checks and asks for none");
    }
    Notices::of(Notice::Rerequested(Rerequested {
        repository: repository(payload),
        commit: payload.id("check_suite.head_sha"),
        check: None,
        external_id: None,
        branch: payload.branch("check_suite.head_branch"),
    }))
}
