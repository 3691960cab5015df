//! Accounts: which forge, where, and as whom.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::names::{ForgeName, NameError};
use crate::outcome::Refusal;

/// Which program a forge runs. It is configured, never guessed: Forgejo and Gitea send GitHub's headers too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// github.com, or GitHub Enterprise Server.
    GitHub,
    /// gitlab.com, or a server of one's own.
    GitLab,
    /// Pagure, such as src.fedoraproject.org.
    Pagure,
    /// Forgejo, such as codeberg.org.
    Forgejo,
    /// Gitea.
    Gitea,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::GitHub => "GitHub",
            Kind::GitLab => "GitLab",
            Kind::Pagure => "Pagure",
            Kind::Forgejo => "Forgejo",
            Kind::Gitea => "Gitea",
        })
    }
}

/// A token or key. It prints itself redacted, so that no log or error can hold it by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes what a secret's file holds; spaces and line breaks around it do not belong to it.
    ///
    /// # Errors
    /// Refuses an empty one.
    pub fn new(text: &str) -> Result<Secret, Refusal> {
        match text.trim() {
            "" => Err(Refusal::config(
                "forge-secret-unusable",
                "the file of a forge's token or key is empty",
            )
            .hint("write the token into it, and nothing else")),
            secret => Ok(Secret(secret.to_owned())),
        }
    }

    /// Returns the secret itself, for the one header that it goes into.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

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
}

impl Account {
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
            let why = format!("only GitHub knows Apps, and this is {kind}");
            return Err(refuse(why).hint("give token_file instead of app"));
        }
        let Some(text) = web.or(well_known(kind)) else {
            return Err(refuse(format!("there is no well-known {kind}")).hint("give its address"));
        };
        let web = plain_address(text).map_err(refuse)?;
        Ok(Account { name, kind, web, credential, login })
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
