//! Forgejo's and Gitea's rules: of a context's statuses the newest counts; commits have no comments.

use serde_json::{Value, json};

use super::{Answer, Kept, Note, Request};

pub fn answer(kept: &mut Kept, request: &Request<'_>) -> Answer {
    let [first, owner, name, rest @ ..] = request.path.as_slice() else {
        return match (request.method, request.path.as_slice()) {
            ("GET", ["user"]) => (200, json!({ "login": request.who })),
            _ => missing(),
        };
    };
    if let ("GET", ["orgs" | "users", owner, "repos"]) = (request.method, request.path.as_slice()) {
        let tilde = if *first == "users" { "~" } else { "" };
        let found = kept.repositories(&format!("{tilde}{owner}"));
        return found.map_or_else(missing, |all| (200, request.page(all, "limit")));
    }
    if *first != "repos" {
        return missing();
    }
    let project = &format!("{owner}/{name}");
    match (request.method, rest) {
        ("POST", ["statuses", commit]) => {
            if !kept.commits.contains(&format!("{project} {commit}")) {
                return missing();
            }
            if !["pending", "success", "error", "failure", "warning"]
                .contains(&request.text("state"))
            {
                return (422, json!({ "message": "unknown state" }));
            }
            let mut status = request.body.clone();
            (status["commit"], status["project"]) = (json!(commit), json!(project));
            kept.statuses.push(status.clone());
            (201, status)
        }
        ("GET", ["commits", commit, "pull"]) => {
            match kept.pulls.get(&format!("{project} {commit}")) {
                Some(number) => (200, json!({ "number": number })),
                None => missing(),
            }
        }
        ("GET", ["issues", number, "comments"]) => {
            let place = format!("issue:{number}");
            (200, Value::from_iter(kept.notes_at(project, &place).iter().map(shown)))
        }
        ("POST", ["issues", number, "comments"]) => {
            let place = format!("issue:{number}");
            (201, shown(&kept.add_note(project, place, request.who, request.text("body"))))
        }
        ("PATCH", ["issues", "comments", id]) => {
            match kept.edit_note(project, id, request.who, request.text("body")) {
                Some(note) => (200, shown(&note)),
                None => missing(),
            }
        }
        ("GET", ["issues"]) => {
            let by = request.asked("created_by");
            let theirs =
                kept.issues.iter().filter(|issue| issue.project == *project && issue.author == by);
            let all = theirs.map(issue).collect();
            (200, request.page(all, "limit"))
        }
        ("POST", ["issues"]) => {
            let (title, body) = (request.text("title"), request.text("body"));
            (201, issue(&kept.open_issue(project, request.who, title, body)))
        }
        ("GET", ["issues", number]) => {
            kept.issue(project, number).map_or_else(missing, |found| (200, issue(found)))
        }
        ("PATCH", ["issues", number]) => {
            let Some(found) = kept.issue(project, number) else { return missing() };
            found.title = request.text("title").to_owned();
            found.body = request.text("body").to_owned();
            match request.text("state") {
                "open" => found.open = true,
                "closed" => found.open = false,
                _ => {}
            }
            (201, issue(found))
        }
        ("GET", ["collaborators", user, "permission"]) => {
            let may = kept.writers.contains(&format!("{project} {user}"));
            (200, json!({ "permission": if may { "write" } else { "read" } }))
        }
        _ => missing(),
    }
}

fn missing() -> Answer {
    (404, json!({ "message": "not found" }))
}

fn shown(note: &Note) -> Value {
    json!({ "id": note.id, "user": { "login": note.author }, "body": note.body })
}

fn issue(issue: &super::Issue) -> Value {
    json!({
        "id": issue.number + 1000, "number": issue.number, "user": { "login": issue.author },
        "title": issue.title, "body": issue.body, "state": if issue.open { "open" } else { "closed" },
    })
}
