//! Who may write: asked anew each time, since rights are taken away too.

use serde_json::Value;

use super::dialect::{entries, escape};
use super::wire::{Call, Wire};
use super::{Answer, Kind, Project};

/// GitLab's number for the role Developer, the lowest that may push.
const DEVELOPER: u64 = 30;

/// Tells whether a user may push to a project at this moment; somebody unknown may not.
pub(super) async fn may_write(wire: &Wire, project: &Project, user: &str) -> Answer<bool> {
    let doing = format!("asking whether a user may write to {project}");
    match wire.account().kind {
        Kind::GitHub | Kind::Forgejo | Kind::Gitea => {
            let path = format!("/repos/{project}/collaborators/{}/permission", escape(user));
            let reply = wire.find(&Call::get(path), &doing).await?;
            Ok(reply.is_some_and(|reply| is_writer(&reply.json())))
        }
        Kind::GitLab => gitlab(wire, project, user, &doing).await,
        Kind::Pagure => pagure(wire, project, user, &doing).await,
    }
}

/// Reads GitHub's and Forgejo's word for a user's rights.
fn is_writer(answer: &Value) -> bool {
    matches!(answer["permission"].as_str(), Some("admin" | "write" | "owner"))
}

async fn gitlab(wire: &Wire, project: &Project, user: &str, doing: &str) -> Answer<bool> {
    let users = wire.call(&Call::get(format!("/users?username={}", escape(user))), doing).await?;
    let answer = users.json();
    let known = entries(&answer).iter().find(|found| {
        found["username"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(user))
    });
    let Some(id) = known.and_then(|found| found["id"].as_u64()) else { return Ok(false) };
    let path = format!("/projects/{}/members/all/{id}", escape(project.as_str()));
    let reply = wire.find(&Call::get(path), doing).await?;
    Ok(reply.is_some_and(|reply| {
        let member = reply.json();
        let is_active = member["state"].as_str().is_none_or(|state| state == "active");
        is_active && member["access_level"].as_u64().is_some_and(|level| level >= DEVELOPER)
    }))
}

/// The most groups of a project that are asked for their members.
const MOST_GROUPS: usize = 20;

/// Asks Pagure for a project's people, and then for the members of its groups.
async fn pagure(wire: &Wire, project: &Project, user: &str, doing: &str) -> Answer<bool> {
    let Some(reply) = wire.find(&Call::get(format!("/{project}")), doing).await? else {
        return Ok(false);
    };
    let answer = reply.json();
    if is_committer(&answer, user) {
        return Ok(true);
    }
    for group in writing_groups(&answer).into_iter().take(MOST_GROUPS) {
        let call = Call::get(format!("/group/{}", escape(group)));
        let reply = wire.find(&call, doing).await?;
        if reply.is_some_and(|reply| names(&reply.json()["members"], user)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the groups whose members may push to every branch. Collaborators may push to some only, so they do not count.
fn writing_groups(answer: &Value) -> Vec<&str> {
    let of = |role| entries(&answer["access_groups"][role]).iter().filter_map(Value::as_str);
    of("admin").chain(of("commit")).collect()
}

/// Tells whether a list of Pagure's names somebody.
fn names(list: &Value, user: &str) -> bool {
    entries(list).iter().any(|name| name == user)
}

/// Reads Pagure's lists of people. Members of groups are not listed there.
fn is_committer(answer: &Value, user: &str) -> bool {
    ["owner", "admin", "commit"]
        .iter()
        .any(|role| names(&answer["access_users"][*role], user))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_rights_to_push_count() {
        for (permission, may) in
            [("admin", true), ("write", true), ("owner", true), ("read", false), ("none", false)]
        {
            assert_eq!(is_writer(&json!({ "permission": permission })), may, "{permission}");
        }
        assert!(!is_writer(&json!({})));
        let project =
            json!({ "access_users": { "owner": ["ada"], "commit": ["bob"], "ticket": ["eve"] } });
        for (user, may) in [("ada", true), ("bob", true), ("eve", false), ("", false)] {
            assert_eq!(is_committer(&project, user), may, "{user}");
        }
    }
}
