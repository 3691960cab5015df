//! The repositories of a namespace, page by page.
//!
//! Who keeps an index forgets what is not listed. So a list of which a part may be missing is none: a page that
//! fails, or is no list, fails the whole.

use serde_json::Value;

use super::answer::unreadable;
use super::dialect::escape;
use super::wire::{Call, Wire};
use super::{Answer, Kind};
use crate::outcome::{Problem, printable};

/// How many pages are read; with fifty a page, more repositories than any distribution has.
const MOST_PAGES: u32 = 4000;

/// Lists the names of a namespace's repositories without those that are archived. `None` where there is no such
/// namespace, or this account cannot see it.
pub(super) async fn repositories(wire: &Wire, namespace: &str) -> Answer<Option<Vec<String>>> {
    let forge = &wire.account().name;
    let doing = format!("listing the repositories of `{}` at {forge}", printable(namespace, 100));
    for list in lists(wire.account().kind, &escape(namespace)) {
        if let Some(names) = pages(wire, &list, &doing).await? {
            return Ok(Some(names));
        }
    }
    Ok(None)
}

/// Returns where the list may be; at GitHub and Forgejo an organisation and a person have different addresses.
///
/// What is made while pages are read comes at the end, so that it moves nothing from a page that was not read to one
/// that was.
fn lists(kind: Kind, namespace: &str) -> Vec<String> {
    match kind {
        Kind::GitHub => ["orgs", "users"]
            .map(|whose| {
                format!("/{whose}/{namespace}/repos?per_page=100&sort=created&direction=asc")
            })
            .to_vec(),
        Kind::GitLab => vec![format!(
            "/groups/{namespace}/projects?per_page=100&simple=true&archived=false&with_shared=false&order_by=id&sort=asc"
        )],
        Kind::Pagure => {
            vec![format!("/projects?namespace={namespace}&fork=false&short=true&per_page=100")]
        }
        Kind::Forgejo | Kind::Gitea => {
            ["orgs", "users"].map(|whose| format!("/{whose}/{namespace}/repos?limit=50")).to_vec()
        }
    }
}

async fn pages(wire: &Wire, list: &str, doing: &str) -> Answer<Option<Vec<String>>> {
    let kind = wire.account().kind;
    let mut names = Vec::new();
    for page in 1..=MOST_PAGES {
        let call = Call::get(format!("{list}&page={page}"));
        let Some(reply) = wire.find(&call, doing).await? else {
            return if page == 1 { Ok(None) } else { unreadable(kind, doing) };
        };
        let Some(found) = read(kind, &reply.json()) else { return unreadable(kind, doing) };
        // Pagure lists nothing, and is content, where there is no such namespace.
        if kind == Kind::Pagure && page == 1 && found.count == 0 {
            return Ok(None);
        }
        names.extend(found.names);
        if found.is_last {
            return Ok(Some(names));
        }
    }
    let words = format!("{doing}: it has more than {MOST_PAGES} pages");
    Err(Problem::permanent("forge-answer-unreadable", words).into())
}

/// One page.
struct Page {
    names: Vec<String>,
    count: usize,
    is_last: bool,
}

/// Reads a page; `None` where it is no list.
fn read(kind: Kind, answer: &Value) -> Option<Page> {
    let (items, key) = match kind {
        Kind::Pagure => (&answer["projects"], "name"),
        Kind::GitLab => (answer, "path"),
        Kind::GitHub | Kind::Forgejo | Kind::Gitea => (answer, "name"),
    };
    let items = items.as_array()?;
    let pagination = &answer["pagination"];
    let says_last = pagination.is_object() && pagination["next"].is_null();
    let active = items.iter().filter(|item| item["archived"] != true);
    Some(Page {
        names: active.filter_map(|item| Some(item[key].as_str()?.to_owned())).collect(),
        count: items.len(),
        is_last: items.is_empty() || says_last,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_forge_lists_in_its_own_form() {
        let flat = json!([
            { "name": "hello", "path": "hello-path" },
            { "name": "old", "path": "old", "archived": true }
        ]);
        let page = |kind, answer: &Value| {
            read(kind, answer).map(|page| (page.names, page.count, page.is_last))
        };
        let hello = |name: &str, count, last| Some((vec![name.to_owned()], count, last));
        assert_eq!(page(Kind::GitHub, &flat), hello("hello", 2, false));
        assert_eq!(page(Kind::Forgejo, &flat), hello("hello", 2, false));
        assert_eq!(page(Kind::GitLab, &flat), hello("hello-path", 2, false));
        let more = json!({ "projects": [{ "name": "hello" }], "pagination": { "next": "x" } });
        assert_eq!(page(Kind::Pagure, &more), hello("hello", 1, false));
        let last = json!({ "projects": [{ "name": "hello" }], "pagination": { "next": null } });
        assert_eq!(page(Kind::Pagure, &last), hello("hello", 1, true));
    }

    #[test]
    fn what_is_no_list_is_not_an_empty_one() {
        for kind in Kind::ALL {
            for answer in [json!({}), json!("x"), Value::Null, json!({ "projects": 3 })] {
                assert!(read(kind, &answer).is_none(), "{kind:?} {answer}");
            }
        }
        assert!(read(Kind::GitHub, &json!([])).unwrap().is_last);
    }
}
