//! What GitLab's deliveries say. The body names its own event, which is signed where the header is not.

use super::notice::{
    Comment, Label, Notice, Notices, PullRequest, PullRequestChange, RepositoryHint,
};
use super::payload::{Payload, id, reference, text, typed_reference};

/// The keys under which a project's addresses stand; those beside them are deprecated spellings.
const URLS: [&str; 3] = ["git_http_url", "git_ssh_url", "web_url"];

const UNREADABLE: &str = "it lacks what its event should hold";

/// Reads a delivery.
pub(super) fn notices(payload: &Payload) -> Notices {
    let kind = payload.text("object_kind").or_else(|| payload.text("event_name"));
    let notices = match kind.unwrap_or_default() {
        "push" | "tag_push" => push(payload),
        "repository_update" => repository_update(payload),
        "release" => release(payload),
        "merge_request" => merge_request(payload),
        "note" => note(payload),
        other => Notices::ignored(format!("the event `{other}` is not listened to")),
    };
    notices.by(payload.text("user_username").or_else(|| payload.text("user.username")))
}

fn repository(payload: &Payload) -> RepositoryHint {
    payload.repository("project", &URLS)
}

/// Says what became of a reference; a new id of zeros means that it is gone.
fn moved(repository: RepositoryHint, full: &str, after: Option<&str>) -> Option<Notice> {
    let reference = reference(full)?;
    let after = after?;
    Some(match id(after) {
        Some(new) => Notice::Moved { repository, reference, new: Some(new) },
        None if after.bytes().all(|b| b == b'0') => Notice::Deleted { repository, reference },
        None => Notice::Moved { repository, reference, new: None },
    })
}

fn push(payload: &Payload) -> Notices {
    let full = payload.text("ref").unwrap_or_default();
    let notice = moved(repository(payload), full, payload.text("after"));
    Notices::of_option(notice, "its ref is neither a branch nor a tag")
}

/// A system hook's summary of one push: every reference in it.
fn repository_update(payload: &Payload) -> Notices {
    let changes = payload.items("changes").iter().take(1000);
    let notices = changes.filter_map(|change| {
        moved(repository(payload), text(change, "ref")?, text(change, "after"))
    });
    let notices = Notices { notices: notices.collect(), ..Notices::default() };
    match notices.notices.is_empty() {
        true => Notices::ignored("it names neither a branch nor a tag"),
        false => notices,
    }
}

fn release(payload: &Payload) -> Notices {
    if payload.text("action") == Some("delete") {
        return Notices::ignored("a release that was deleted moves nothing");
    }
    let tag = payload.text("tag").and_then(|name| typed_reference(name, "tag"));
    let repository = repository(payload);
    let notice = tag.map(|reference| Notice::Moved { repository, reference, new: None });
    Notices::of_option(notice, UNREADABLE)
}

fn merge_request(payload: &Payload) -> Notices {
    let change = match payload.text("object_attributes.action").unwrap_or_default() {
        "open" => PullRequestChange::Opened,
        "reopen" => PullRequestChange::Reopened,
        "close" => PullRequestChange::Closed,
        "merge" => PullRequestChange::Merged,
        "update" if payload.text("object_attributes.oldrev").is_some() => {
            PullRequestChange::Updated
        }
        "update" if payload.at("changes.labels").is_object() => return label(payload),
        other => return Notices::ignored(format!("`{other}` changes nothing in a merge request")),
    };
    let notice = payload.number("object_attributes.iid").map(|number| {
        Notice::PullRequest(PullRequest {
            repository: repository(payload),
            number,
            change,
            base: payload.branch("object_attributes.target_branch"),
            head: payload.id("object_attributes.last_commit.id"),
            from: payload.repository("object_attributes.source", &URLS),
            // The payload names whoever acted; who opened it is a number only.
            author: match change {
                PullRequestChange::Opened => payload.text("user.username").map(str::to_owned),
                _ => None,
            },
        })
    });
    Notices::of_option(notice, UNREADABLE)
}

fn label(payload: &Payload) -> Notices {
    let before = payload.names("changes.labels.previous", "title");
    let present = payload.names("changes.labels.current", "title");
    let added = present.iter().filter(|name| !before.contains(name)).cloned().collect();
    let notice = payload.number("object_attributes.iid").map(|number| {
        Notice::Label(Label {
            repository: repository(payload),
            number,
            added,
            present,
            head: payload.id("object_attributes.last_commit.id"),
        })
    });
    Notices::of_option(notice, UNREADABLE)
}

fn note(payload: &Payload) -> Notices {
    let about = payload.text("object_attributes.noteable_type").unwrap_or_default();
    let number = match about {
        "MergeRequest" => payload.number("merge_request.iid"),
        "Issue" => payload.number("issue.iid"),
        _ => return Notices::ignored("it is a comment on neither an issue nor a merge request"),
    };
    // Absent before GitLab 16; then every note was a new one.
    if payload.text("object_attributes.action").is_some_and(|action| action != "create") {
        return Notices::ignored("only a new comment is read");
    }
    if payload.says("object_attributes.system") {
        return Notices::ignored("it is a note of GitLab's own");
    }
    let said = number.zip(payload.comment("object_attributes.note"));
    let notice = said.map(|(number, body)| {
        Notice::Comment(Comment {
            repository: repository(payload),
            number,
            on_pull_request: about == "MergeRequest",
            id: payload.number("object_attributes.id"),
            author: payload.text("user.username").map(str::to_owned),
            body,
        })
    });
    Notices::of_option(notice, UNREADABLE)
}
