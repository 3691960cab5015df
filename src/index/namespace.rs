//! The repositories of a forge's namespace, as its API lists them, page by page.

use serde_json::Value;
use url::Url;

use crate::http::{Codes, Timeouts, client_builder, request_failed};
use crate::names::PackageName;
use crate::operator::{ForgeAccess, ForgeCredential};
use crate::outcome::{Problem, Refusal, Result, printable};
use crate::trigger::hooks::ForgeKind;

/// How many pages are read; with a hundred a page, more repositories than any distribution has.
const MOST_PAGES: u32 = 2000;

/// The largest page.
const LARGEST_PAGE: usize = 32 << 20;

const CODES: Codes = Codes {
    unreachable: "packages-unreadable",
    too_slow: "packages-unreadable",
    redirects: "packages-unreadable",
    unauthorized: "packages-forbidden",
    certificate: "packages-unreadable",
    too_large: "packages-unreadable",
    not_written: "packages-unreadable",
};

/// Lists the names of a namespace's repositories; those that are no package names are left out.
pub(super) async fn repositories(forge: &ForgeAccess, namespace: &str) -> Result<Vec<PackageName>> {
    let mut names = Vec::new();
    let mut listing = Listing::of(forge, namespace)?;
    for page in 1..=MOST_PAGES {
        let answer = match listing.page(page).await? {
            Page::Answer(answer) => answer,
            // At GitHub an organisation and a person are asked for at different addresses.
            Page::Missing if page == 1 && listing.turn_to_person() => {
                match listing.page(1).await? {
                    Page::Answer(answer) => answer,
                    Page::Missing => return Err(missing(forge, namespace).into()),
                }
            }
            Page::Missing => return Err(missing(forge, namespace).into()),
        };
        let (found, count) = listed(forge.kind, &answer);
        names.extend(found);
        if count == 0 {
            return Ok(names);
        }
    }
    Ok(names)
}

/// Returns the names on a page, and how many repositories it has.
fn listed(kind: ForgeKind, answer: &Value) -> (Vec<PackageName>, usize) {
    let (items, key) = match kind {
        ForgeKind::Pagure => (&answer["projects"], "name"),
        ForgeKind::GitLab => (answer, "path"),
        ForgeKind::GitHub | ForgeKind::Forgejo | ForgeKind::Gitea => (answer, "name"),
    };
    let items = items.as_array().map_or(&[][..], Vec::as_slice);
    let names = items.iter().filter(|item| item["archived"] != true);
    let names = names.filter_map(|item| item[key].as_str()?.parse().ok());
    (names.collect(), items.len())
}

/// One listing: where it is asked for, and how.
struct Listing<'f> {
    forge: &'f ForgeAccess,
    client: reqwest::Client,
    address: Url,
    person: Option<Url>,
}

enum Page {
    Answer(Value),
    Missing,
}

impl<'f> Listing<'f> {
    fn of(forge: &'f ForgeAccess, namespace: &str) -> Result<Listing<'f>> {
        let client = client_builder(&Timeouts::default())
            .timeout(Timeouts::default().answer)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| request_failed(&CODES, "preparing to list packages", error))?;
        let base = base(forge);
        let encoded = namespace.replace('/', "%2F");
        let (address, person) = match forge.kind {
            ForgeKind::GitHub => (
                format!("{base}/orgs/{encoded}/repos?per_page=100"),
                Some(format!("{base}/users/{encoded}/repos?per_page=100")),
            ),
            ForgeKind::GitLab => (
                format!(
                    "{base}/api/v4/groups/{encoded}/projects?per_page=100&simple=true&order_by=id&with_shared=false"
                ),
                None,
            ),
            ForgeKind::Pagure => (
                format!(
                    "{base}/api/0/projects?namespace={encoded}&fork=false&short=true&per_page=100"
                ),
                None,
            ),
            ForgeKind::Forgejo | ForgeKind::Gitea => (
                format!("{base}/api/v1/orgs/{encoded}/repos?limit=50"),
                Some(format!("{base}/api/v1/users/{encoded}/repos?limit=50")),
            ),
        };
        let parse = |text: String| {
            Url::parse(&text).map_err(|error| {
                Refusal::config("packages-unreadable", format!("{text} is no address: {error}"))
            })
        };
        Ok(Listing {
            forge,
            client,
            address: parse(address)?,
            person: person.map(parse).transpose()?,
        })
    }

    fn turn_to_person(&mut self) -> bool {
        match self.person.take() {
            Some(person) => {
                self.address = person;
                true
            }
            None => false,
        }
    }

    async fn page(&self, number: u32) -> Result<Page> {
        let mut address = self.address.clone();
        address.query_pairs_mut().append_pair("page", &number.to_string());
        let doing = format!("listing packages at {}", self.forge.name);
        let mut request = self.client.get(address).header("accept", "application/json");
        if let ForgeCredential::Token(token) = &self.forge.credential
            && let Some(token) = token.expose_text()
        {
            request = match self.forge.kind {
                ForgeKind::GitLab => request.header("private-token", token),
                ForgeKind::GitHub => request.bearer_auth(token),
                _ => request.header("authorization", format!("token {token}")),
            };
        }
        let failed = |error| request_failed(&CODES, &doing, error);
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        match status {
            200 => {
                let body = body(answer, &doing).await?;
                let read = serde_json::from_slice(&body).map_err(|error| {
                    let words = format!("{doing}: the answer is no JSON: {error}");
                    Problem::temporary("packages-unreadable", words)
                })?;
                Ok(Page::Answer(read))
            }
            404 => Ok(Page::Missing),
            401 | 403 => {
                let words = format!("{doing}: the forge answered {status}");
                let hint = "give the token of this forge the right to read repositories";
                Err(Problem::temporary("packages-forbidden", words).hint(hint).into())
            }
            _ => {
                let words = format!("{doing}: the forge answered {status}");
                Err(Problem::temporary("packages-unreadable", words).into())
            }
        }
    }
}

/// Reads a page, up to a cap.
async fn body(mut answer: reqwest::Response, doing: &str) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    let failed = |error| request_failed(&CODES, doing, error);
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_PAGE {
            let words = format!("{doing}: the answer is larger than 32 MiB");
            return Err(Problem::permanent("packages-unreadable", words).into());
        }
    }
    Ok(body)
}

/// Returns where the API begins, without a slash at its end.
fn base(forge: &ForgeAccess) -> String {
    let web = forge.url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
    match (forge.kind, web) {
        (ForgeKind::GitHub, None) => "https://api.github.com".to_owned(),
        (ForgeKind::GitHub, Some(web)) if web == "https://github.com" => {
            "https://api.github.com".to_owned()
        }
        (ForgeKind::GitHub, Some(web)) => format!("{web}/api/v3"),
        (ForgeKind::GitLab, None) => "https://gitlab.com".to_owned(),
        (_, Some(web)) => web,
        // The operator config asks for an address here.
        (_, None) => String::new(),
    }
}

fn missing(forge: &ForgeAccess, namespace: &str) -> Refusal {
    let words = format!("{} has no namespace `{}`", forge.name, printable(namespace, 100));
    Refusal::config("packages-unreadable", words)
        .hint("correct the namespace, or let the forge's token see it")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_forge_lists_in_its_own_form() {
        let flat = json!([{"name": "hello", "path": "hello-path"}, {"name": "old", "path": "old", "archived": true}, {"name": "-x", "path": "-x"}]);
        let pagure = json!({"projects": [{"name": "hello"}]});
        let names = |kind, answer: &Value| {
            let (names, count) = listed(kind, answer);
            (names.iter().map(ToString::to_string).collect::<Vec<_>>(), count)
        };
        assert_eq!(names(ForgeKind::GitHub, &flat), (vec!["hello".to_owned()], 3));
        assert_eq!(names(ForgeKind::Forgejo, &flat), (vec!["hello".to_owned()], 3));
        assert_eq!(names(ForgeKind::GitLab, &flat), (vec!["hello-path".to_owned()], 3));
        assert_eq!(names(ForgeKind::Pagure, &pagure), (vec!["hello".to_owned()], 1));
        assert_eq!(names(ForgeKind::Pagure, &json!({"projects": 3})), (vec![], 0));
    }
}
