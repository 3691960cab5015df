//! GitLab's rules: a status knows its states and how it comes from one to the next.

use serde_json::{Value, json};

use super::{Answer, Kept, Note, Request};

pub fn answer(kept: &mut Kept, request: &Request<'_>) -> Answer {
    let [first, project, rest @ ..] = request.path.as_slice() else {
        return match (request.method, request.path.as_slice()) {
            ("GET", ["user"]) => (200, json!({ "username": request.who })),
            ("GET", ["users"]) => {
                let name = request.asked("username");
                let is_known =
                    kept.writers.iter().any(|writer| writer.ends_with(&format!(" {name}")));
                (
                    200,
                    Value::from_iter(
                        is_known.then(|| json!({ "id": name.len(), "username": name })),
                    ),
                )
            }
            _ => missing(),
        };
    };
    if let ("GET", ["groups", group, "projects"]) = (request.method, request.path.as_slice()) {
        let Some(mut all) = kept.repositories(group) else { return missing() };
        // The short form does not say which are archived.
        all.retain(|found| found["archived"] != true || request.asked("archived") != "false");
        all.iter_mut().for_each(|found| found["archived"] = Value::Null);
        return (200, request.page(all, "per_page"));
    }
    if *first != "projects" {
        return missing();
    }
    match (request.method, rest) {
        ("POST", ["statuses", commit]) => status(kept, request, project, commit),
        ("GET", ["repository", "commits", commit, "statuses"]) => {
            let name = request.asked("name");
            let is_it = |status: &&Value| status["commit"] == *commit && status["context"] == name;
            (200, Value::from_iter(kept.statuses.iter().filter(is_it).cloned()))
        }
        ("GET", ["repository", "commits", commit, "merge_requests"]) => {
            let found = kept.pulls.get(&format!("{project} {commit}"));
            (
                200,
                Value::from_iter(found.map(|number| json!({ "iid": number, "state": "merged" }))),
            )
        }
        (_, ["repository", "commits", commit, "discussions"]) => {
            notes(kept, request, project, format!("commit:{commit}"), true)
        }
        (_, ["merge_requests", number, "notes"]) => {
            notes(kept, request, project, format!("pull:{number}"), false)
        }
        ("PUT", ["merge_requests", _, "notes", id])
        | ("PUT", ["repository", "commits", _, "discussions", _, "notes", id]) => {
            match kept.edit_note(project, id, request.who, request.text("body")) {
                Some(note) => (200, shown(&note)),
                None => missing(),
            }
        }
        ("GET", ["issues"]) => {
            let by = request.asked("author_username");
            let theirs =
                kept.issues.iter().filter(|issue| issue.project == *project && issue.author == by);
            let all = theirs.map(issue).collect();
            (200, request.page(all, "per_page"))
        }
        ("POST", ["issues"]) => {
            let (title, body) = (request.text("title"), request.text("description"));
            (201, issue(&kept.open_issue(project, request.who, title, body)))
        }
        ("GET", ["issues", number]) => {
            kept.issue(project, number).map_or_else(missing, |found| (200, issue(found)))
        }
        ("PUT", ["issues", number]) => change_issue(kept, request, project, number),
        ("GET", ["members", "all", id] | ["members", id, ..]) => {
            let writers = &kept.writers;
            let of = |writer: &&String| {
                writer
                    .strip_prefix(&format!("{project} "))
                    .is_some_and(|name| name.len().to_string() == *id)
            };
            match writers.iter().find(of) {
                Some(_) => (200, json!({ "access_level": 30, "state": "active" })),
                None => missing(),
            }
        }
        _ => missing(),
    }
}

fn missing() -> Answer {
    (404, json!({ "message": "404 Not Found" }))
}

/// Which states a status takes: never the same, never one before it. After an end it is a new status, and takes any.
fn may_follow(before: &str, after: &str) -> bool {
    match before {
        "pending" => after != "pending",
        "running" => !["pending", "running"].contains(&after),
        _ => true,
    }
}

fn status(kept: &mut Kept, request: &Request<'_>, project: &str, commit: &str) -> Answer {
    if !kept.commits.contains(&format!("{project} {commit}")) {
        return (404, json!({ "message": "404 Commit Not Found" }));
    }
    let (state, name) = (request.text("state"), request.text("name"));
    if !["pending", "running", "success", "failed", "canceled", "skipped"].contains(&state) {
        return (400, json!({ "error": "state does not have a valid value" }));
    }
    let is_it = |status: &&Value| {
        status["commit"] == commit
            && status["context"] == name
            && status["ref"] == request.body["ref"]
    };
    let before = kept.statuses.iter().rev().find(is_it);
    let before =
        before.map_or(String::new(), |status| status["state"].as_str().unwrap().to_owned());
    if !may_follow(&before, state) {
        let words = format!("Cannot transition status via :{state} from :{before}");
        return (400, json!({ "message": words }));
    }
    let mut status = request.body.clone();
    (status["commit"], status["context"], status["status"]) =
        (json!(commit), json!(name), json!(state));
    status["id"] = json!(kept.number());
    kept.statuses.push(status.clone());
    (201, status)
}

fn notes(
    kept: &mut Kept,
    request: &Request<'_>,
    project: &str,
    place: String,
    threads: bool,
) -> Answer {
    let as_told = |note: &Note| match threads {
        true => json!({ "id": format!("thread{}", note.id), "notes": [shown(note)] }),
        false => shown(note),
    };
    if request.method == "GET" {
        let all = kept.notes_at(project, &place).iter().map(as_told).collect();
        return (200, request.page(all, "per_page"));
    }
    let body = request.text("body");
    // Outside code, a line like this is an order: GitLab would close, merge or assign.
    assert!(!body.lines().any(|line| line.starts_with('/')), "a quick action: {body}");
    (201, as_told(&kept.add_note(project, place, request.who, body)))
}

fn change_issue(kept: &mut Kept, request: &Request<'_>, project: &str, number: &str) -> Answer {
    let Some(found) = kept.issue(project, number) else { return missing() };
    match (request.text("state_event"), found.open) {
        ("close", true) => found.open = false,
        ("reopen", false) => found.open = true,
        ("", _) => {}
        _ => return (400, json!({ "message": "state_event does not fit" })),
    }
    found.title = request.text("title").to_owned();
    found.body = request.text("description").to_owned();
    (200, issue(found))
}

fn shown(note: &Note) -> Value {
    json!({ "id": note.id, "author": { "username": note.author }, "body": note.body })
}

fn issue(issue: &super::Issue) -> Value {
    json!({
        "id": issue.number + 1000, "iid": issue.number, "author": { "username": issue.author },
        "title": issue.title, "description": issue.body,
        "state": if issue.open { "opened" } else { "closed" },
    })
}
