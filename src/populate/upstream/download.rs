//! Downloads a released tarball, by rules that neither its address nor its server can bend.
//!
//! For the address and again after each redirect: [`Reach`] judges the address, its host is resolved once, every
//! address it has is judged, and the connection goes to exactly those. A name that gives another
//! address the second time ("rebinding") gains nothing. No proxy is used: it would resolve by itself.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use reqwest::Response;
use url::{Host, Url};

use super::network::{Reach, forbidden};
use crate::digest::{HashType, Sha512};
use crate::http::{self, Backoff, Codes, Saving, Timeouts};
use crate::outcome::{Fault, Problem, Refusal, Result, printable};

const CODES: Codes = Codes {
    unreachable: "upstream-unreachable",
    too_slow: "upstream-too-slow",
    redirects: "upstream-redirects",
    unauthorized: "upstream-file-refused",
    certificate: "upstream-certificate-invalid",
    too_large: "upstream-file-too-large",
    not_written: "download-not-written",
};

/// The code of a release asset that is not published yet.
pub const NOT_THERE_YET: &str = "upstream-not-there-yet";

/// The most redirects that are followed.
const MOST_REDIRECTS: usize = 5;

/// What turns a host name and a port into addresses; may block.
pub type Lookup = Arc<dyn Fn(&str, u16) -> std::io::Result<Vec<SocketAddr>> + Send + Sync>;

/// What holds for every download.
#[derive(Clone)]
pub struct Rules {
    /// Where it may go.
    pub reach: Reach,
    /// The most bytes of a file.
    pub cap: u64,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How often to try again where a server fails; one that has no such file is not asked again.
    pub backoff: Backoff,
    /// How names are resolved.
    pub lookup: Lookup,
}

impl Rules {
    /// Public https only, by the machine's resolver, at most 4 GiB.
    pub fn new(reach: Reach) -> Rules {
        Rules {
            reach,
            cap: 4 * 1024 * 1024 * 1024,
            timeouts: Timeouts::default(),
            backoff: Backoff::default(),
            lookup: Arc::new(|host, port| Ok((host, port).to_socket_addrs()?.collect())),
        }
    }
}

/// A file that was downloaded; nothing is known yet of its worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Its digest.
    pub sha512: Sha512,
    /// Its size.
    pub size: u64,
    /// Where it came from in the end.
    pub url: Url,
}

/// Downloads `address` to `destination`, which exists only if all of it came.
///
/// # Errors
/// Refuses what the rules forbid; a file that is not there is a temporary problem ([`NOT_THERE_YET`]).
pub async fn download(rules: &Rules, address: &str, destination: &Path) -> Result<Downloaded> {
    let mut url = Url::parse(address).map_err(|error| {
        let message = format!("{:?} is no address: {error}", printable(address, 300));
        Refusal::new("upstream-address-forbidden", message).hint("give an https address")
    })?;
    // Specs write `#/name` after an address to give the file another name.
    url.set_fragment(None);
    rules.reach.check_url(&url)?;
    let mut attempts = rules.backoff.attempts();
    loop {
        let answer = in_time(rules, &url, destination).await;
        if is_not_there(&answer) || !attempts.again(&answer).await {
            return answer;
        }
    }
}

fn is_not_there(answer: &Result<Downloaded>) -> bool {
    matches!(answer, Err(Fault::Failed(problem)) if problem.code.0 == NOT_THERE_YET)
}

async fn in_time(rules: &Rules, url: &Url, destination: &Path) -> Result<Downloaded> {
    let total = rules.timeouts.total;
    match tokio::time::timeout(total, attempt(rules, url, destination)).await {
        Ok(answer) => answer,
        Err(_) => {
            let message = format!("downloading {url}: not done after {} s", total.as_secs());
            Err(Problem::temporary(CODES.too_slow, message).into())
        }
    }
}

async fn attempt(rules: &Rules, url: &Url, destination: &Path) -> Result<Downloaded> {
    let mut url = url.clone();
    for _ in 0..=MOST_REDIRECTS {
        match hop(rules, &url).await? {
            Hop::Elsewhere(next) => url = next,
            Hop::Here(response) => return save(rules, url, response, destination).await,
        }
    }
    let message = format!("{url} is the sixth redirect of a download");
    Err(Refusal::new("upstream-redirects", message)
        .hint("give the address where the file lies")
        .into())
}

/// What one server answered.
enum Hop {
    Here(Response),
    Elsewhere(Url),
}

async fn hop(rules: &Rules, url: &Url) -> Result<Hop> {
    rules.reach.check_url(url)?;
    let addresses = resolve(rules, url).await?;
    rules.reach.check_addresses(url, &addresses)?;
    let response = ask(rules, url, &addresses).await?;
    let was_checked = |address: &SocketAddr| addresses.contains(address);
    if !response.remote_addr().as_ref().is_some_and(was_checked) {
        return Err(forbidden(url, "the connection went to an address that was not checked").into());
    }
    match response.status().as_u16() {
        200 => Ok(Hop::Here(response)),
        301 | 302 | 303 | 307 | 308 => Ok(Hop::Elsewhere(next(url, &response)?)),
        status => Err(refused(url, status)),
    }
}

/// Returns every address of the host; a literal one is its own.
async fn resolve(rules: &Rules, url: &Url) -> Result<Vec<SocketAddr>> {
    let port = url.port_or_known_default().unwrap_or(443);
    let host = match url.host() {
        Some(Host::Ipv4(ip)) => return Ok(vec![(ip, port).into()]),
        Some(Host::Ipv6(ip)) => return Ok(vec![(ip, port).into()]),
        Some(Host::Domain(host)) => host.to_owned(),
        None => return Err(forbidden(url, "it has no host").into()),
    };
    let (lookup, name) = (rules.lookup.clone(), host.clone());
    let looked_up = tokio::task::spawn_blocking(move || lookup(&name, port));
    let failed =
        |why: String| Problem::temporary(CODES.unreachable, format!("resolving {host}: {why}"));
    match tokio::time::timeout(rules.timeouts.connect, looked_up).await {
        Err(_) => Err(failed("no answer in time".to_owned()).into()),
        Ok(Err(error)) => Err(failed(error.to_string()).into()),
        Ok(Ok(Err(error))) => Err(failed(error.to_string()).because(error).into()),
        Ok(Ok(Ok(addresses))) if addresses.is_empty() => {
            Err(failed("no address".to_owned()).into())
        }
        Ok(Ok(Ok(addresses))) => Ok(addresses),
    }
}

/// Asks exactly these addresses.
async fn ask(rules: &Rules, url: &Url, addresses: &[SocketAddr]) -> Result<Response> {
    let doing = format!("downloading {url}");
    let client = http::client_builder(&rules.timeouts)
        .redirect(reqwest::redirect::Policy::none())
        .resolve_to_addrs(url.host_str().unwrap_or_default(), addresses)
        .build()
        .map_err(|error| http::request_failed(&CODES, &doing, error))?;
    let request = client.get(url.clone()).header(reqwest::header::ACCEPT_ENCODING, "identity");
    match tokio::time::timeout(rules.timeouts.answer, request.send()).await {
        Ok(response) => Ok(response.map_err(|error| http::request_failed(&CODES, &doing, error))?),
        Err(_) => Err(http::no_answer(&CODES, &doing, rules.timeouts.answer).into()),
    }
}

fn next(url: &Url, response: &Response) -> Result<Url> {
    let location = response.headers().get(reqwest::header::LOCATION);
    let text = location.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Ok(next) = url.join(text) else {
        let message = format!("{url} redirects to {:?}, which is no address", printable(text, 200));
        return Err(Problem::permanent("upstream-answer-unknown", message).into());
    };
    Ok(next)
}

fn refused(url: &Url, status: u16) -> Fault {
    let words = format!("downloading {url}: status {status}");
    match status {
        404 => Problem::temporary(NOT_THERE_YET, words)
            .hint("the release may not be published yet; else correct the address")
            .into(),
        401 | 403 | 410 | 451 => Refusal::new("upstream-file-refused", words)
            .hint("give an address that everybody may download from")
            .into(),
        408 | 425 | 429 | 500..=599 => Problem::temporary("upstream-unavailable", words).into(),
        _ => Problem::permanent("upstream-answer-unknown", words).into(),
    }
}

async fn save(
    rules: &Rules,
    url: Url,
    response: Response,
    destination: &Path,
) -> Result<Downloaded> {
    let doing = format!("downloading {url}");
    let failed = |error: std::io::Error| {
        let message = format!("{doing}: cannot write {}: {error}", destination.display());
        Problem::permanent(CODES.not_written, message).because(error)
    };
    let parent = destination.parent().filter(|parent| !parent.as_os_str().is_empty());
    let temporary = tempfile::Builder::new()
        .prefix(".download-")
        .tempfile_in(parent.unwrap_or(Path::new(".")));
    let mut temporary = temporary.map_err(failed)?;
    let (cap, low_speed) = (rules.cap, rules.timeouts.low_speed);
    let saving = Saving { hash_type: HashType::Sha512, cap, low_speed };
    let saved = http::save(&CODES, &doing, response, temporary.as_file_mut(), saving).await?;
    temporary.persist(destination).map_err(|error| failed(error.error))?;
    let sha512 = saved.digest.hex().parse().expect("a digest of the type that was asked for");
    Ok(Downloaded { sha512, size: saved.size, url })
}

#[cfg(test)]
mod tests;
