//! Pagure's rules: a flag has an address that looks real and an id of at most 32 characters, is taken for any commit,
//! and is written over by whoever names the same id. Comments are for ever.

use serde_json::{Value, json};

use super::{Answer, Kept, Note, Request};

pub fn answer(kept: &mut Kept, request: &Request<'_>) -> Answer {
    if request.path == ["-", "whoami"] {
        return match request.method {
            "POST" => (200, json!({ "username": request.who })),
            _ => (405, json!({ "error": "Method Not Allowed" })),
        };
    }
    match (request.method, request.path.as_slice()) {
        ("GET", ["projects"]) => return projects(kept, request),
        ("GET", ["group", group]) => {
            let of = |member: &String| Some(member.strip_prefix(&format!("{group} "))?.to_owned());
            let members: Vec<String> = kept.members.iter().filter_map(of).collect();
            return (200, json!({ "name": group, "members": members }));
        }
        _ => {}
    }
    // A project's path has one to four parts; what follows it begins with one of these words.
    let words = ["c", "pull-request", "issue", "issues", "new_issue"];
    let end =
        request.path.iter().position(|part| words.contains(part)).unwrap_or(request.path.len());
    let (project, rest) = request.path.split_at(end);
    let project = &project.join("/");
    match (request.method, rest) {
        ("GET", []) => {
            let writers = kept
                .writers
                .iter()
                .filter_map(|writer| writer.strip_prefix(&format!("{project} ")));
            let groups = kept
                .writing_groups
                .iter()
                .filter_map(|group| group.strip_prefix(&format!("{project} ")));
            (
                200,
                json!({
                    "access_users": { "owner": [], "admin": [], "commit": Value::from_iter(writers) },
                    "access_groups": { "admin": [], "commit": Value::from_iter(groups), "ticket": ["idlers"] },
                }),
            )
        }
        ("GET", ["c", commit, "info"]) => {
            match kept.commits.contains(&format!("{project} {commit}")) {
                true => (200, json!({ "hash": commit })),
                false => (404, json!({ "error": "Commit not found", "error_code": "ENOCOMMIT" })),
            }
        }
        ("POST", ["c", commit, "flag"]) => flag(kept, request, project, commit),
        ("GET", ["pull-request", number]) => {
            let comments = comments(kept, project, &format!("pull:{number}"));
            (200, json!({ "id": number.parse::<u64>().unwrap(), "comments": comments }))
        }
        ("POST", ["pull-request", number, "comment"]) => {
            kept.add_note(project, format!("pull:{number}"), request.who, request.text("comment"));
            (200, json!({ "message": "Comment added" }))
        }
        ("GET", ["issues"]) => {
            let by = request.asked("author");
            let theirs =
                kept.issues.iter().filter(|issue| issue.project == *project && issue.author == by);
            let all = theirs.map(issue).collect();
            (200, json!({ "issues": request.page(all, "per_page") }))
        }
        ("POST", ["new_issue"]) => {
            let (title, body) = (request.text("title"), request.text("issue_content"));
            let opened = kept.open_issue(project, request.who, title, body);
            (200, json!({ "message": "Issue created", "issue": issue(&opened) }))
        }
        ("GET", ["issue", number]) => {
            kept.issue(project, number).map_or_else(missing, |found| (200, issue(found)))
        }
        ("POST", ["issue", number]) => match kept.issue(project, number) {
            Some(found) => {
                found.title = request.text("title").to_owned();
                found.body = request.text("issue_content").to_owned();
                (200, json!({ "message": "Edited", "issue": issue(found) }))
            }
            None => missing(),
        },
        ("POST", ["issue", number, "status"]) => match kept.issue(project, number) {
            Some(found) => {
                found.open = request.text("status") == "Open";
                (200, json!({ "message": "Successfully edited issue" }))
            }
            None => missing(),
        },
        _ => missing(),
    }
}

/// Lists a namespace; one that is not there holds nothing. Archives are not known here.
fn projects(kept: &Kept, request: &Request<'_>) -> Answer {
    let all = kept.repositories(request.asked("namespace")).unwrap_or_default();
    let number = |key: &str| request.asked(key).parse::<usize>().unwrap_or(1);
    let is_last = number("page") * number("per_page") >= all.len();
    let next = if is_last { Value::Null } else { json!("the next page's address") };
    (
        200,
        json!({
            "total_projects": all.len(), "pagination": { "page": number("page"), "next": next },
            "projects": request.page(all, "per_page"),
        }),
    )
}

fn missing() -> Answer {
    (404, json!({ "error": "Not found", "error_code": "ENOTFOUND" }))
}

fn flag(kept: &mut Kept, request: &Request<'_>, project: &str, commit: &str) -> Answer {
    let url = request.text("url");
    let host =
        url.split("://").nth(1).unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    let looks_real = host.contains('.') || host == "localhost";
    let uid = request.text("uid");
    let state = request.text("status");
    let states = ["pending", "success", "error", "failure", "canceled"];
    if !looks_real || uid.is_empty() || uid.len() > 32 || !states.contains(&state) {
        let errors = json!({ "url": [url], "uid": [uid], "status": [state] });
        return (
            400,
            json!({ "error": "Invalid or incomplete input", "error_code": "EINVALIDREQ", "errors": errors }),
        );
    }
    let mut flag = request.body.clone();
    (flag["commit"], flag["project"], flag["state"]) =
        (json!(commit), json!(project), json!(state));
    flag["context"] = flag["username"].clone();
    kept.statuses.retain(|kept| kept["commit"] != commit || kept["uid"] != uid);
    kept.statuses.push(flag.clone());
    (200, json!({ "flag": flag, "message": "Flag added", "uid": uid }))
}

fn comments(kept: &Kept, project: &str, place: &str) -> Value {
    let shown = |note: &Note| json!({ "id": note.id, "user": { "name": note.author }, "comment": note.body });
    Value::from_iter(kept.notes_at(project, place).iter().map(shown))
}

fn issue(issue: &super::Issue) -> Value {
    json!({
        "id": issue.number, "user": { "name": issue.author }, "title": issue.title, "content": issue.body,
        "status": if issue.open { "Open" } else { "Closed" }, "comments": [],
    })
}
