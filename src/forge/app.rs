//! GitHub's way in, by octocrab: a token, or an App with its installations.
//!
//! octocrab signs the App's JWT, asks for installation tokens, renews them before they end and once more when one
//! is refused. What a token looks like or how long it is matters to nobody here.

use std::collections::HashMap;
use std::error::Error as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::{Body, Bytes};
use octocrab::Octocrab;
use octocrab::auth::EncodingKey;
use octocrab::models::{AppId, InstallationId};
use tokio::sync::Mutex;

use super::answer::Reply;
use super::wire::{ANSWER_CAP, Call, Method, signs};
use super::{Account, Answer, Credential, Kind, Setback};
use crate::outcome::{Problem, printable};

/// The way to GitHub with one account.
pub(super) struct Hub {
    /// Speaks as the token's owner, or as the App itself.
    root: Octocrab,
    entry: Entry,
}

enum Entry {
    Token,
    App {
        installation: Option<u64>,
        open: Mutex<HashMap<u64, Arc<Octocrab>>>,
        known: Mutex<HashMap<String, u64>>,
    },
}

impl Hub {
    /// Makes the client. Must be called inside a runtime, which it then belongs to.
    pub fn new(account: &Account) -> Answer<Hub> {
        // The same cryptography provider as everywhere else.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Octocrab::builder().base_uri(account.api());
        let builder = builder.map_err(|error| unusable(account, &error))?;
        let (builder, entry) = match &account.credential {
            Credential::Token(token) => {
                let token = token.expose_text().ok_or_else(|| {
                    let words = format!("the token of the forge `{}` is no text", account.name);
                    Problem::permanent("forge-secret-unusable", words)
                })?;
                (builder.personal_token(token), Entry::Token)
            }
            Credential::App { id, installation, key } => {
                let key = EncodingKey::from_rsa_pem(key.expose()).map_err(|_| {
                    let words =
                        format!("the key of the App at `{}` is no RSA key in PEM", account.name);
                    Problem::permanent("forge-secret-unusable", words)
                        .hint("give the .pem file that GitHub made for the App")
                })?;
                let (open, known) = (Mutex::default(), Mutex::default());
                (
                    builder.app(AppId(*id), key),
                    Entry::App { installation: *installation, open, known },
                )
            }
        };
        let root = builder.build().map_err(|error| unusable(account, &error))?;
        Ok(Hub { root, entry })
    }

    /// Sends a request as whoever must say it: of an App, `/app` and installations are asked as the App itself.
    pub async fn send(&self, call: &Call, doing: &str) -> Answer<Reply> {
        match &self.entry {
            Entry::Token => raw(&self.root, call, doing).await,
            Entry::App { .. } if call.path == "/app" => raw(&self.root, call, doing).await,
            Entry::App { installation, open, known } => {
                let id = match installation {
                    Some(id) => *id,
                    None => match self.installation_of(&call.path, known, doing).await? {
                        Ok(id) => id,
                        Err(not_installed) => return Ok(not_installed),
                    },
                };
                let client = self.installed(id, open, doing).await?;
                raw(&client, call, doing).await
            }
        }
    }

    /// Asks which installation a repository, or a namespace, belongs to; the answer as it came where there is none.
    async fn installation_of(
        &self,
        path: &str,
        known: &Mutex<HashMap<String, u64>>,
        doing: &str,
    ) -> Answer<Result<u64, Reply>> {
        let owned = owned(path);
        let mut known = known.lock().await;
        if let Some(id) = known.get(&owned) {
            return Ok(Ok(*id));
        }
        let reply = raw(&self.root, &Call::get(format!("{owned}/installation")), doing).await?;
        match reply.json()["id"].as_u64() {
            Some(id) => {
                known.insert(owned, id);
                Ok(Ok(id))
            }
            None => Ok(Err(reply)),
        }
    }

    async fn installed(
        &self,
        id: u64,
        open: &Mutex<HashMap<u64, Arc<Octocrab>>>,
        doing: &str,
    ) -> Answer<Arc<Octocrab>> {
        let mut open = open.lock().await;
        if let Some(client) = open.get(&id) {
            return Ok(client.clone());
        }
        let client = self.root.installation(InstallationId(id));
        let client = Arc::new(client.map_err(|error| failed(doing, &error))?);
        open.insert(id, client.clone());
        Ok(client)
    }
}

/// Returns what an installation is asked for by: `/repos/OWNER/NAME`, `/orgs/NAME` or `/users/NAME`.
fn owned(path: &str) -> String {
    let parts = if path.starts_with("/repos/") { 4 } else { 3 };
    path.split(['/', '?']).take(parts).collect::<Vec<_>>().join("/")
}

/// Sends a request and reads the whole answer, whatever its status.
async fn raw(client: &Octocrab, call: &Call, doing: &str) -> Answer<Reply> {
    let path = call.path.as_str();
    let response = match call.method {
        Method::Get => client._get(path).await,
        Method::Post => client._post(path, call.body.as_ref()).await,
        Method::Put => client._put(path, call.body.as_ref()).await,
        Method::Patch => client._patch(path, call.body.as_ref()).await,
    };
    let response = response.map_err(|error| failed(doing, &error))?;
    let (status, signs) = (response.status().as_u16(), signs(response.headers()));
    let body = read(response.into_body(), doing).await?;
    Ok(Reply { status, signs, body })
}

/// Reads an answer; what is past the cap is left unread. octocrab itself would read for ever.
async fn read(
    mut body: impl Body<Data = Bytes, Error = octocrab::Error> + Unpin,
    doing: &str,
) -> Answer<Vec<u8>> {
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| failed(doing, &error))?;
        let Some(data) = frame.data_ref() else { continue };
        read.extend_from_slice(&data[..data.len().min(ANSWER_CAP - read.len())]);
        if read.len() == ANSWER_CAP {
            break;
        }
    }
    Ok(read)
}

/// Sorts an error of octocrab's: what GitHub answered when it was asked for an installation token is sorted as any
/// answer is; the rest is the connection, or a key that does not sign.
fn failed(doing: &str, error: &octocrab::Error) -> Setback {
    match error {
        octocrab::Error::GitHub { source, .. } => {
            let status = source.status_code.as_u16();
            let body = serde_json::json!({ "message": source.message }).to_string().into_bytes();
            let doing = format!("{doing}: asking for an installation's token");
            Reply { status, body, ..Reply::default() }.setback(Kind::GitHub, &doing, 0, 0)
        }
        octocrab::Error::JWT { source, .. } => {
            let words = format!(
                "{doing}: the App's key does not sign: {}",
                printable(source.to_string(), 200)
            );
            Problem::permanent("forge-secret-unusable", words).into()
        }
        _ => Problem::temporary("forge-unreachable", format!("{doing}: {}", cause(error))).into(),
    }
}

/// Returns an error's innermost words; octocrab's own end in a trace of calls.
fn cause(error: &octocrab::Error) -> String {
    let mut below = error.source();
    let mut words = String::new();
    while let Some(inner) = below {
        words = inner.to_string();
        below = inner.source();
    }
    printable(words, 300)
}

fn unusable(account: &Account, error: &octocrab::Error) -> Setback {
    let words = format!("no client for the forge `{}` can be made: {}", account.name, cause(error));
    Problem::permanent("forge-account-unusable", words).into()
}
