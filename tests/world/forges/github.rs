//! GitHub's rules: what a status and a check run may say, and how an App comes to a token.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Answer, Kept, Note, Request};

/// An App: it may write check runs, which tokens of people may not.
#[derive(Debug)]
pub struct App {
    pub id: u64,
    pub slug: &'static str,
    pub installation: u64,
    /// The projects that it is installed in.
    pub projects: Vec<String>,
    /// A folder that holds `key.pem` and `public.pem`.
    pub folder: PathBuf,
    /// How many tokens it was given.
    pub tokens_given: u64,
}

impl App {
    /// Makes a key and an App that has it.
    pub fn new(folder: &Path, project: &str) -> App {
        let openssl = |arguments: &[&str]| {
            let output = Command::new("openssl").args(arguments).current_dir(folder).output();
            let output = output.expect("openssl is installed (tests/run does it)");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        openssl(&["genrsa", "-traditional", "-out", "key.pem", "2048"]);
        openssl(&["rsa", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
        let (slug, projects) = ("lockkeeper", vec![project.to_owned()]);
        App {
            id: 4711,
            slug,
            installation: 815,
            projects,
            folder: folder.to_owned(),
            tokens_given: 0,
        }
    }

    /// Tells whether a JWT is one that GitHub would take: signed by the App, for at most ten minutes.
    fn signed(&self, jwt: &str) -> bool {
        let Some((signed, signature)) = jwt.rsplit_once('.') else { return false };
        let Some((header, claims)) = signed.split_once('.') else { return false };
        let read = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        let json = |part: &str| serde_json::from_slice::<Value>(&read(part)).unwrap_or_default();
        let (issued, ends) = (json(claims)["iat"].as_i64(), json(claims)["exp"].as_i64());
        let (Some(issued), Some(ends)) = (issued, ends) else { return false };
        let now = jiff::Timestamp::now().as_second();
        let in_time = issued <= now && now < ends && ends - now <= 600;
        let by_us = json(claims)["iss"].to_string().trim_matches('"') == self.id.to_string();
        std::fs::write(self.folder.join("signed"), signed).unwrap();
        std::fs::write(self.folder.join("signature"), read(signature)).unwrap();
        let verify =
            ["dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "signed"];
        let verified = Command::new("openssl").args(verify).current_dir(&self.folder).output();
        let verified = verified.expect("openssl is installed").status.success();
        in_time && by_us && json(header)["alg"] == "RS256" && verified
    }
}

/// What an App asks as itself; `None` for everything else.
pub fn app_door(kept: &mut Kept, request: &Request<'_>, proof: &str) -> Option<Answer> {
    let app = kept.app.as_mut()?;
    let asks_as_app = matches!(
        request.path.as_slice(),
        ["app"]
            | ["app", "installations", _, "access_tokens"]
            | ["repos", _, _, "installation"]
            | ["orgs" | "users", _, "installation"]
    );
    if !asks_as_app {
        return None;
    }
    if !app.signed(proof) {
        return Some((401, json!({ "message": "A JSON web token could not be decoded" })));
    }
    Some(match (request.method, request.path.as_slice()) {
        ("GET", ["app"]) => (200, json!({ "id": app.id, "slug": app.slug })),
        ("GET", ["repos", owner, name, "installation"]) => {
            match app.projects.contains(&format!("{owner}/{name}")) {
                true => (200, json!({ "id": app.installation })),
                false => (404, json!({ "message": "Not Found" })),
            }
        }
        ("GET", [whose, owner, "installation"]) => {
            let is_below = |project: &String| project.starts_with(&format!("{owner}/"));
            match *whose == "orgs" && app.projects.iter().any(is_below) {
                true => (200, json!({ "id": app.installation })),
                false => (404, json!({ "message": "Not Found" })),
            }
        }
        ("POST", ["app", "installations", id, _]) if *id == app.installation.to_string() => {
            app.tokens_given += 1;
            // As long and as dotted as GitHub's are since April 2026.
            let token = format!("ghs_{}_{}.{}", app.id, "e30".repeat(90), app.tokens_given);
            let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
            let who = format!("{}[bot]", app.slug);
            kept.tokens.insert(token.clone(), who);
            (201, json!({ "token": token, "expires_at": ends, "permissions": {} }))
        }
        _ => (404, json!({ "message": "Not Found" })),
    })
}

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
        return found.map_or_else(missing, |all| (200, request.page(all, "per_page")));
    }
    if *first != "repos" {
        return missing();
    }
    let project = &format!("{owner}/{name}");
    match (request.method, rest) {
        ("POST", ["statuses", commit]) => status(kept, request, project, commit),
        ("POST", ["check-runs"]) => check_run(kept, request, project, None),
        ("PATCH", ["check-runs", id]) => check_run(kept, request, project, Some(id)),
        ("GET", ["commits", commit, "check-runs"]) => {
            let name = request.asked("check_name");
            let is_it = |run: &&Value| {
                run["head_sha"] == *commit && run["context"] == name && run["project"] == *project
            };
            let runs: Vec<Value> = kept.statuses.iter().filter(is_it).cloned().collect();
            (200, json!({ "total_count": runs.len(), "check_runs": runs }))
        }
        ("GET", ["commits", commit, "pulls"]) => {
            let found = kept.pulls.get(&format!("{project} {commit}"));
            let found = found
                .map(|number| json!({ "number": number, "merged_at": "2026-11-20T00:00:00Z" }));
            (200, Value::from_iter(found))
        }
        (_, ["commits", commit, "comments"]) => {
            notes(kept, request, project, format!("commit:{commit}"))
        }
        ("PATCH", ["comments", id] | ["issues", "comments", id]) => {
            match kept.edit_note(project, id, request.who, request.text("body")) {
                Some(note) => (200, shown(&note)),
                None => missing(),
            }
        }
        (_, ["issues", number, "comments"]) => {
            notes(kept, request, project, format!("issue:{number}"))
        }
        ("GET", ["issues"]) => {
            let by = request.asked("creator");
            let theirs =
                kept.issues.iter().filter(|issue| issue.project == *project && issue.author == by);
            let all = theirs.map(issue).collect();
            (200, request.page(all, "per_page"))
        }
        ("POST", ["issues"]) => {
            let opened =
                kept.open_issue(project, request.who, request.text("title"), request.text("body"));
            (201, issue(&opened))
        }
        ("GET", ["issues", number]) => {
            kept.issue(project, number).map_or_else(missing, |found| (200, issue(found)))
        }
        ("PATCH", ["issues", number]) => change_issue(kept, request, project, number),
        ("GET", ["collaborators", user, "permission"]) => {
            let may = kept.writers.contains(&format!("{project} {user}"));
            (200, json!({ "permission": if may { "write" } else { "read" } }))
        }
        _ => missing(),
    }
}

fn missing() -> Answer {
    (404, json!({ "message": "Not Found" }))
}

fn invalid(why: &str) -> Answer {
    (422, json!({ "message": "Validation Failed", "errors": [why] }))
}

fn status(kept: &mut Kept, request: &Request<'_>, project: &str, commit: &str) -> Answer {
    if !kept.commits.contains(&format!("{project} {commit}")) {
        return (422, json!({ "message": format!("No commit found for SHA: {commit}") }));
    }
    if !["pending", "success", "failure", "error"].contains(&request.text("state")) {
        return invalid("state is not included in the list");
    }
    if request.text("description").chars().count() > 140 {
        return invalid("description is too long (maximum is 140 characters)");
    }
    let same = |status: &&Value| {
        status["commit"] == commit && status["context"] == request.body["context"]
    };
    if kept.statuses.iter().filter(same).count() >= 1000 {
        return invalid("This SHA and context has reached the maximum number of statuses");
    }
    let mut status = request.body.clone();
    (status["commit"], status["project"]) = (json!(commit), json!(project));
    kept.statuses.push(status.clone());
    (201, status)
}

fn check_run(kept: &mut Kept, request: &Request<'_>, project: &str, id: Option<&str>) -> Answer {
    if !request.who.ends_with("[bot]") {
        return (403, json!({ "message": "You must authenticate via a GitHub App." }));
    }
    if request.body["status"] == "completed" && request.body["conclusion"].is_null() {
        return invalid("conclusion is required when status is completed");
    }
    let known = id
        .and_then(|id| kept.statuses.iter().position(|run| run["id"].as_u64() == id.parse().ok()));
    let mut run = match (id, known) {
        (Some(_), None) => return missing(),
        (Some(_), Some(at)) => kept.statuses.remove(at),
        (None, _) => json!({ "id": kept.number(), "project": project }),
    };
    for (key, value) in request.body.as_object().into_iter().flatten() {
        run[key] = value.clone();
    }
    if request.body["status"] != "completed" {
        run["conclusion"] = Value::Null;
    }
    run["context"] = run["name"].clone();
    run["state"] = run["conclusion"].as_str().map_or(run["status"].clone(), |said| json!(said));
    kept.statuses.push(run.clone());
    (if id.is_some() { 200 } else { 201 }, run)
}

fn notes(kept: &mut Kept, request: &Request<'_>, project: &str, place: String) -> Answer {
    if request.method == "GET" {
        let all = kept.notes_at(project, &place).iter().map(shown).collect();
        return (200, request.page(all, "per_page"));
    }
    match request.text("body").chars().count() {
        0 => invalid("body can't be blank"),
        1..=65_536 => {
            (201, shown(&kept.add_note(project, place, request.who, request.text("body"))))
        }
        _ => invalid("body is too long (maximum is 65536 characters)"),
    }
}

fn change_issue(kept: &mut Kept, request: &Request<'_>, project: &str, number: &str) -> Answer {
    let Some(found) = kept.issue(project, number) else { return missing() };
    found.title = request.text("title").to_owned();
    found.body = request.text("body").to_owned();
    match request.text("state") {
        "open" => found.open = true,
        "closed" => found.open = false,
        _ => {}
    }
    (200, issue(found))
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
