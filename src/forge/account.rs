//! Accounts: which forge, where, and as whom.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::names::{ForgeName, NameError, RepositoryAddress};
use crate::operator::{ForgeAccess, ForgeCredential};
use crate::outcome::Refusal;
use crate::secret::Secret;
use crate::trigger::hooks::ForgeKind as Kind;

/// What lets us in.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A token of a bot account, a project or a person.
    Token(Secret),
    /// A GitHub App: it writes check runs instead of statuses.
    App {
        /// The App's id, a number.
        id: u64,
        /// Its installation; `None`: asked for each repository.
        installation: Option<u64>,
        /// Its private key, PEM.
        key: Secret,
    },
}

/// One entry of `forges` in the operator config, checked.
#[derive(Debug, Clone)]
pub struct Account {
    /// What the operator calls it.
    pub name: ForgeName,
    /// Which program runs there.
    pub kind: Kind,
    /// Where people go: `https://github.com`, `https://src.fedoraproject.org`. The API's address follows from it.
    pub web: Url,
    /// What lets us in.
    pub credential: Credential,
    /// What the bot is called there; `None`: the forge is asked.
    pub login: Option<String>,
    /// The certificates of an own CA, PEM: alone trusted there. `None`: those of the machine.
    pub certificate_authority: Option<Vec<u8>>,
}

impl Account {
    /// Takes an entry of the operator config.
    ///
    /// # Errors
    /// As [`Account::new`] and [`Account::trusting`].
    pub fn of(access: &ForgeAccess) -> Result<Account, Refusal> {
        let credential = match &access.credential {
            ForgeCredential::Token(token) => Credential::Token(token.clone()),
            ForgeCredential::App { id, installation, key } => {
                Credential::App { id: *id, installation: *installation, key: key.clone() }
            }
        };
        let web = access.url.as_ref().map(Url::as_str);
        let login = access.bot_account.clone();
        let account = Account::new(access.name.clone(), access.kind, web, credential, login)?;
        match &access.certificate_authority {
            None => Ok(account),
            Some(path) => {
                let pem = std::fs::read(path).map_err(|error| {
                    let words = format!("the CA file {} cannot be read: {error}", path.display());
                    Refusal::config("ca-unreadable", words)
                        .hint("correct `ca_file`, or let the user of lockkeeper read it")
                })?;
                account.trusting(pem)
            }
        }
    }

    /// Trusts this CA alone, PEM.
    ///
    /// # Errors
    /// Refuses what holds no certificate, and an own CA for an App: octocrab takes none.
    pub fn trusting(self, pem: Vec<u8>) -> Result<Account, Refusal> {
        if matches!(self.credential, Credential::App { .. }) {
            let words = format!("the forge `{}`: an App cannot have a CA of its own", self.name);
            return Err(Refusal::config("forge-account-unusable", words).hint(
                "put the CA among those that the machine trusts, or name it in SSL_CERT_FILE",
            ));
        }
        crate::http::certificate_authority(&pem)?;
        Ok(Account { certificate_authority: Some(pem), ..self })
    }

    /// Takes what the operator wrote; without an address it is the well-known one of its kind.
    ///
    /// # Errors
    /// Refuses an address that is not plain https (http on this machine), a kind without an address where none is
    /// well known, and an App anywhere but at GitHub.
    pub fn new(
        name: ForgeName,
        kind: Kind,
        web: Option<&str>,
        credential: Credential,
        login: Option<String>,
    ) -> Result<Account, Refusal> {
        let refuse = |why: String| {
            Refusal::config("forge-account-unusable", format!("the forge `{name}`: {why}"))
        };
        if matches!(credential, Credential::App { .. }) && kind != Kind::GitHub {
            let why = format!("only GitHub knows Apps, and this is {}", called(kind));
            return Err(refuse(why).hint("give token_file instead of app"));
        }
        let Some(text) = web.or(well_known(kind)) else {
            return Err(
                refuse(format!("there is no well-known {}", called(kind))).hint("give its address")
            );
        };
        let web = plain_address(text).map_err(refuse)?;
        Ok(Account { name, kind, web, credential, login, certificate_authority: None })
    }

    /// Returns which project of this forge an address of a repository names; `None` where it is not there.
    ///
    /// An https address must begin as the forge's own does; of an ssh address the host must be the forge's.
    pub fn project_of(&self, repository: &RepositoryAddress) -> Option<Project> {
        let url = Url::parse(&repository.to_string()).ok()?;
        let is_here = match url.scheme() {
            "ssh" => url.host_str() == self.web.host_str(),
            _ => url.origin() == self.web.origin(),
        };
        let below = match url.scheme() {
            "ssh" => url.path(),
            _ => url.path().strip_prefix(self.web.path().trim_end_matches('/'))?,
        };
        let path = below.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let path = match (self.kind, path.strip_prefix("forks/")) {
            // Pagure's git addresses say `forks`, its pages and its API `fork`.
            (Kind::Pagure, Some(rest)) => format!("fork/{rest}"),
            _ => path.to_owned(),
        };
        if is_here { path.parse().ok() } else { None }
    }

    /// Returns the base of the API's addresses, without a slash at its end.
    pub(super) fn api(&self) -> String {
        let web = self.web.as_str().trim_end_matches('/');
        match self.kind {
            Kind::GitHub if self.web.host_str() == Some("github.com") => {
                "https://api.github.com".to_owned()
            }
            Kind::GitHub => format!("{web}/api/v3"),
            Kind::GitLab => format!("{web}/api/v4"),
            Kind::Pagure => format!("{web}/api/0"),
            Kind::Forgejo | Kind::Gitea => format!("{web}/api/v1"),
        }
    }
}

/// Returns what people call a kind of forge.
pub(super) fn called(kind: Kind) -> &'static str {
    match kind {
        Kind::GitHub => "GitHub",
        Kind::GitLab => "GitLab",
        Kind::Pagure => "Pagure",
        Kind::Forgejo => "Forgejo",
        Kind::Gitea => "Gitea",
    }
}

fn well_known(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::GitHub => Some("https://github.com"),
        Kind::GitLab => Some("https://gitlab.com"),
        Kind::Pagure => Some("https://src.fedoraproject.org"),
        Kind::Forgejo | Kind::Gitea => None,
    }
}

/// Reads an address that tokens are sent to.
fn plain_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is no address: {error}"))?;
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if is_here => {}
        _ => return Err(format!("`{text}` is not https, and a token would be sent there")),
    }
    let has_more = url.query().is_some() || url.fragment().is_some();
    if !url.username().is_empty() || url.password().is_some() || has_more {
        return Err("its address holds a user, a password, a query or a fragment".to_owned());
    }
    Ok(url)
}

/// A project on a forge by its path: `owner/name`, `group/sub/name`, Pagure's `rpms/hello` or `fork/ada/rpms/hello`.
///
/// Rule: one to ten parts of letters, digits and `. _ + -`, none of them `.` or `..`, none beginning with a dash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Project(String);

impl Project {
    /// Returns the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Project {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_part = |part: &str| {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._+~-".contains(&b);
            !matches!(part, "" | "." | "..") && !part.starts_with('-') && part.bytes().all(is_plain)
        };
        let parts = text.split('/').count();
        match text.len() <= 300 && parts <= 10 && text.split('/').all(is_part) {
            true => Ok(Project(text.to_owned())),
            false => Err(NameError::new("project", text, "is no path of a project on a forge")),
        }
    }
}

impl TryFrom<String> for Project {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Project> for String {
    fn from(project: Project) -> String {
        project.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(kind: Kind, web: &str) -> Account {
        let token = Credential::Token(Secret::from_file(b"t0ken\n").unwrap());
        Account::new("f".parse().unwrap(), kind, Some(web), token, None).unwrap()
    }

    #[test]
    fn repositories_are_found_at_their_forge() {
        let (hub, pagure) = ("https://github.com", "https://src.fedoraproject.org");
        let table = [
            (Kind::GitHub, hub, "https://github.com/ada/hello.git", "ada/hello"),
            (Kind::GitHub, hub, "https://ada:pw@GitHub.com/ada/hello/", "ada/hello"),
            (Kind::GitHub, hub, "git@github.com:ada/hello.git", "ada/hello"),
            (Kind::GitHub, hub, "https://github.com.evil.example/ada/hello", ""),
            (Kind::GitHub, hub, "https://evil.example/github.com/ada/hello", ""),
            (Kind::GitHub, hub, "/srv/github.com/ada/hello", ""),
            (
                Kind::GitLab,
                "https://x.example/lab",
                "https://x.example/lab/a/b/c.git",
                "a/b/c",
            ),
            (Kind::GitLab, "https://x.example/lab", "https://x.example/a/b", ""),
            (Kind::Forgejo, "http://127.0.0.1:3000", "http://127.0.0.1:3000/a/b", "a/b"),
            (Kind::Forgejo, "http://127.0.0.1:3000", "http://127.0.0.1:3001/a/b", ""),
            (
                Kind::Pagure,
                pagure,
                "https://src.fedoraproject.org/forks/ada/rpms/x.git",
                "fork/ada/rpms/x",
            ),
        ];
        for (kind, web, repository, project) in table {
            let found = account(kind, web).project_of(&repository.parse().unwrap());
            assert_eq!(found.map(String::from).unwrap_or_default(), project, "{repository}");
        }
    }

    #[test]
    fn a_token_is_sent_nowhere_unsafe() {
        let try_it = |kind, web| {
            let token = Credential::Token(Secret::from_file(b"x").unwrap());
            Account::new("f".parse().unwrap(), kind, web, token, None).map(|account| account.api())
        };
        let table = [
            (Kind::GitHub, None, Ok("https://api.github.com")),
            (Kind::GitHub, Some("https://hub.example/"), Ok("https://hub.example/api/v3")),
            (Kind::GitLab, None, Ok("https://gitlab.com/api/v4")),
            (Kind::Pagure, None, Ok("https://src.fedoraproject.org/api/0")),
            (Kind::Gitea, Some("https://x.example/git"), Ok("https://x.example/git/api/v1")),
            (Kind::Forgejo, Some("http://localhost:3000"), Ok("http://localhost:3000/api/v1")),
            (Kind::Forgejo, None, Err("no well-known")),
            (Kind::Forgejo, Some("http://x.example"), Err("not https")),
            (Kind::Forgejo, Some("https://me:pw@x.example"), Err("a password")),
            (Kind::Forgejo, Some("x.example"), Err("no address")),
        ];
        for (kind, web, expected) in table {
            match (try_it(kind, web), expected) {
                (Ok(api), Ok(expected)) => assert_eq!(api, expected),
                (Err(refusal), Err(words)) => assert!(refusal.message.contains(words), "{refusal}"),
                (found, _) => panic!("{web:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn secrets_print_themselves_redacted() {
        let account = account(Kind::Gitea, "https://x.example");
        assert!(!format!("{account:?}").contains("t0ken"));
    }

    #[test]
    fn projects_are_paths_and_nothing_else() {
        for good in ["ada/hello", "a/b/c", "hello", "fork/ada/rpms/x+y", "~ada/x"] {
            assert!(good.parse::<Project>().is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "../x", "a/..", "a b", "a?b", "a#b", "-x/y", "a/%2e"] {
            assert!(bad.parse::<Project>().is_err(), "{bad}");
        }
    }
}
