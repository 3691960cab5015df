//! A lookaside server: dist-git's `upload.cgi` for writing, plain static files for reading.
//!
//! What is sent is what pyrpkg sends: a *check* has the fields `name`, `sha512sum` and `filename`; an *upload*
//! has `name`, `sha512sum`, `file` and last `mtime`, over HTTP/1.1. The answers are read in
//! `answer.rs`; everything a server says is hostile text.
//!
//! There is no `Expect: 100-continue`: the client library cannot hold a body back until the interim answer
//! comes. What that header is for, a refusal before the body is sent, the check gives: the same server has
//! answered the same certificate about the same package just before. `send_upload` is where it would go.

use std::io::Seek;
use std::path::Path;

use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder, Response};
use tokio::sync::OnceCell;
use url::Url;

use super::answer::{self, Answer};
use super::directory::{beside, put_in_place};
use super::{Archive, Presence, Stored, differs, not_there};
use crate::digest::{Digest, Sha512};
use crate::http::{self, Backoff, Codes, LowSpeed, Saving, Timeouts};
use crate::names::{FileName, PackageName};
use crate::outcome::{Fault, Problem, Refusal, Result};

const CODES: Codes = Codes {
    unreachable: "lookaside-unreachable",
    too_slow: "lookaside-too-slow",
    redirects: "lookaside-redirects",
    unauthorized: "lookaside-unauthorized",
    certificate: "lookaside-certificate-invalid",
    too_large: "lookaside-file-too-large",
    not_written: "download-not-written",
};

/// The most bytes that are read of an answer; the longest honest one has a few hundred.
const ANSWER_CAP: usize = 16 * 1024;

/// How to reach a lookaside server.
#[derive(Clone)]
pub struct HttpOptions {
    /// The base of download addresses, where it is not that of uploads.
    pub download: Option<String>,
    /// What stands before the package's name, without slashes at its ends; `rpms` at every distribution.
    pub namespace: String,
    /// The client certificate and its key in one PEM, as pyrpkg takes it.
    pub client_certificate: Option<Vec<u8>>,
    /// The certificates of an own CA: alone trusted for uploads, and trusted too for downloads.
    pub certificate_authority: Option<Vec<u8>>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How often to try again.
    pub backoff: Backoff,
    /// The most bytes that a download may have.
    pub download_cap: u64,
}

impl Default for HttpOptions {
    fn default() -> Self {
        HttpOptions {
            download: None,
            namespace: "rpms".to_owned(),
            client_certificate: None,
            certificate_authority: None,
            timeouts: Timeouts::default(),
            backoff: Backoff::default(),
            download_cap: 16 * 1024 * 1024 * 1024,
        }
    }
}

impl std::fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpOptions")
            .field("download", &self.download)
            .field("namespace", &self.namespace)
            .field("client_certificate", &self.client_certificate.as_ref().map(|_| "(secret)"))
            .finish_non_exhaustive()
    }
}

/// A lookaside server.
pub struct Http {
    upload: Url,
    download: Url,
    options: HttpOptions,
    // Made at the first request: reading the machine's CA certificates costs more than a sync that has
    // nothing to do.
    clients: OnceCell<Clients>,
}

/// Uploads follow no redirect, since the body is sent once; downloads do.
struct Clients {
    upload: Client,
    download: Client,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Http({} {})", self.upload, self.download)
    }
}

impl std::fmt::Display for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the lookaside at {}", self.upload)
    }
}

impl Http {
    /// Takes the base of a lookaside's addresses: uploads go to `BASE/upload.cgi`.
    ///
    /// # Errors
    /// Refuses credentials and queries in addresses, and certificates that cannot be read.
    pub fn new(base: &Url, options: HttpOptions) -> Result<Http, Refusal> {
        let base = plain(base.clone())?;
        let download = match &options.download {
            None => base.clone(),
            Some(text) => {
                let parsed =
                    Url::parse(text).map_err(|error| super::not_an_address(text, error))?;
                plain(parsed)?
            }
        };
        options.client_certificate.as_deref().map(http::client_certificate).transpose()?;
        options.certificate_authority.as_deref().map(http::certificate_authority).transpose()?;
        let upload = below(&base, ["upload.cgi"]);
        Ok(Http { upload, download, options, clients: OnceCell::new() })
    }

    /// Returns where a file is to be downloaded.
    pub fn download_url(&self, package: &PackageName, file: &FileName, digest: &Digest) -> Url {
        let namespace = self.options.namespace.split('/').filter(|part| !part.is_empty());
        let file_folder = [package.as_str(), file.as_str(), digest.hash_type().as_str()];
        let rest = file_folder.into_iter().chain([digest.hex(), file.as_str()]);
        below(&self.download, namespace.chain(rest))
    }

    /// Asks the server whether it has the file.
    ///
    /// # Errors
    /// Refusals where the server does not let us or knows no such package; problems for the rest.
    pub async fn check(
        &self,
        package: &PackageName,
        file: &FileName,
        sha512: &Sha512,
    ) -> Result<Presence> {
        let mut attempts = self.options.backoff.attempts();
        loop {
            let answer = self.check_once(package, file, sha512).await;
            if !attempts.again(&answer).await {
                return answer;
            }
        }
    }

    async fn check_once(
        &self,
        package: &PackageName,
        file: &FileName,
        sha512: &Sha512,
    ) -> Result<Presence> {
        let doing = format!("asking {self} for {file}");
        let form = self.form(package, sha512).text("filename", file.to_string());
        let request = self.clients().await?.upload.post(self.upload.clone()).multipart(form);
        let response = request.timeout(self.options.timeouts.answer).send().await;
        let response = response.map_err(|error| http::request_failed(&CODES, &doing, error))?;
        answer::presence(&self.read(&doing, response).await?, &doing)
    }

    /// Sends the archive.
    ///
    /// # Errors
    /// As [`Http::check`]; a permanent problem where the server received another content.
    pub async fn upload(&self, package: &PackageName, archive: &Archive<'_>) -> Result<Stored> {
        let mut attempts = self.options.backoff.attempts();
        loop {
            let answer = self.upload_once(package, archive).await;
            if !attempts.again(&answer).await {
                return answer;
            }
        }
    }

    async fn upload_once(&self, package: &PackageName, archive: &Archive<'_>) -> Result<Stored> {
        let doing = format!("uploading {} to {self}", archive.name);
        let (file, size) = open(archive)?;
        let watched = file.try_clone().map_err(|error| unreadable(archive.path, error))?;
        let body = tokio::fs::File::from_std(file);
        let part = Part::stream_with_length(body, size).file_name(archive.name.to_string());
        let part = part.mime_str("application/octet-stream").expect("is a media type");
        let form = self.form(package, archive.sha512).part("file", part);
        let form = form.text("mtime", archive.mtime.to_string());
        let request = self.clients().await?.upload.post(self.upload.clone()).multipart(form);
        let response = self.send_upload(&doing, request, watched, size).await?;
        answer::stored(&self.read(&doing, response).await?, &doing, archive.sha512)
    }

    /// Sends a large request and gives up when it crawls.
    async fn send_upload(
        &self,
        doing: &str,
        request: RequestBuilder,
        watched: std::fs::File,
        size: u64,
    ) -> Result<Response> {
        let timeouts = &self.options.timeouts;
        tokio::select! {
            response = request.timeout(timeouts.total).send() => {
                Ok(response.map_err(|error| http::request_failed(&CODES, doing, error))?)
            }
            problem = crawls(doing, watched, size, timeouts) => Err(problem.into()),
        }
    }

    /// Asks for the head of the file at its download address, as dist-git's push check does.
    ///
    /// # Errors
    /// A temporary problem where it is not there (yet); a permanent one where its size is another.
    pub async fn verify_download(
        &self,
        package: &PackageName,
        file: &FileName,
        sha512: &Sha512,
        size: Option<u64>,
    ) -> Result<()> {
        let url = self.download_url(package, file, &sha512.into());
        let mut attempts = self.options.backoff.attempts();
        loop {
            let answer = self.head_once(&url, size).await;
            if !attempts.again(&answer).await {
                return answer;
            }
        }
    }

    async fn head_once(&self, url: &Url, size: Option<u64>) -> Result<()> {
        let doing = format!("looking for {url}");
        let request = self.clients().await?.download.head(url.clone());
        let response =
            identity_encoding(request).timeout(self.options.timeouts.answer).send().await;
        let response = response.map_err(|error| http::request_failed(&CODES, &doing, error))?;
        if response.status() == 404 {
            let message = format!("{doing}: the server has stored the file but does not serve it");
            return Err(Problem::temporary("lookaside-not-downloadable", message)
                .hint("see whether the download address is right")
                .into());
        }
        if response.status() != 200 {
            return Err(answer::unexpected(&self.read(&doing, response).await?, &doing));
        }
        compare_size(&doing, &response, size)
    }

    /// Downloads a file to `destination`.
    ///
    /// # Errors
    /// A refusal where the server has no such file; a permanent problem where what came is something else.
    pub async fn download(
        &self,
        package: &PackageName,
        file: &FileName,
        digest: &Digest,
        destination: &Path,
    ) -> Result<u64> {
        let url = self.download_url(package, file, digest);
        let fetch = Fetch { http: self, url, file, digest, destination };
        let mut attempts = self.options.backoff.attempts();
        loop {
            let answer = fetch.once().await;
            if !attempts.again(&answer).await {
                return answer;
            }
        }
    }

    /// The fields that checks and uploads share.
    fn form(&self, package: &PackageName, sha512: &Sha512) -> Form {
        let name = match self.options.namespace.as_str() {
            "" => package.to_string(),
            namespace => format!("{namespace}/{package}"),
        };
        Form::new().text("name", name).text("sha512sum", sha512.to_string())
    }

    async fn read(&self, doing: &str, response: Response) -> Result<Answer> {
        let status = response.status().as_u16();
        let body = http::read_short(&CODES, doing, response, ANSWER_CAP);
        let Ok(body) = tokio::time::timeout(self.options.timeouts.answer, body).await else {
            return Err(http::no_answer(&CODES, doing, self.options.timeouts.answer).into());
        };
        Ok(Answer { status, body: body? })
    }

    async fn clients(&self) -> Result<&Clients> {
        self.clients.get_or_try_init(|| std::future::ready(self.make_clients())).await
    }

    fn make_clients(&self) -> Result<Clients> {
        let (mut upload, mut download) = (self.client_builder()?, self.client_builder()?);
        if let Some(pem) = &self.options.certificate_authority {
            let certificates = http::certificate_authority(pem)?;
            upload = upload.tls_certs_only(certificates.clone());
            download = download.tls_certs_merge(certificates);
        }
        let upload = upload.redirect(reqwest::redirect::Policy::none()).build();
        let download = download.redirect(stay_encrypted()).build();
        Ok(Clients { upload: upload.map_err(no_client)?, download: download.map_err(no_client)? })
    }

    fn client_builder(&self) -> Result<reqwest::ClientBuilder, Refusal> {
        let builder = http::client_builder(&self.options.timeouts).http1_only();
        match &self.options.client_certificate {
            Some(pem) => Ok(builder.identity(http::client_certificate(pem)?)),
            None => Ok(builder),
        }
    }
}

fn no_client(error: reqwest::Error) -> Fault {
    http::request_failed(&CODES, "preparing encrypted connections", error)
}

/// At most five redirects, and none from https to http.
fn stay_encrypted() -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(|attempt| {
        let was_encrypted = attempt.previous().iter().any(|url| url.scheme() == "https");
        if was_encrypted && attempt.url().scheme() != "https" {
            return attempt.error("the server redirects from https to another scheme");
        }
        match attempt.previous().len() > 5 {
            true => attempt.error("the server redirects more than five times"),
            false => attempt.follow(),
        }
    })
}

/// Refuses what would end in logs or breaks when a path is added; forgives `upload.cgi` at the end.
fn plain(mut url: Url) -> Result<Url, Refusal> {
    if !url.username().is_empty() || url.password().is_some() {
        let _ = url.set_password(None).and_then(|()| url.set_username(""));
        return Err(super::not_an_address(url.as_str(), "it holds credentials"));
    }
    if !matches!(url.scheme(), "http" | "https") || url.query().or(url.fragment()).is_some() {
        return Err(super::not_an_address(url.as_str(), "it is not http(s), or has a query"));
    }
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/upload.cgi").unwrap_or(path).to_owned();
    url.set_path(&path);
    Ok(url)
}

fn below<'a>(base: &Url, parts: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(parts);
    }
    url
}

/// Servers that see `.gz` and say `Content-Encoding: gzip` have broken digests; nothing here decodes.
fn identity_encoding(request: RequestBuilder) -> RequestBuilder {
    request.header(reqwest::header::ACCEPT_ENCODING, "identity")
}

/// The size stands in a header, since the client library knows no body's length for HEAD.
fn compare_size(doing: &str, response: &Response, wanted: Option<u64>) -> Result<()> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let found = header(reqwest::header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    let encoded = header(reqwest::header::CONTENT_ENCODING).is_some_and(|word| word != "identity");
    match (found, wanted) {
        (Some(found), Some(wanted)) if !encoded && found != wanted => {
            let message = format!("{doing}: it has {found} bytes there, not {wanted}");
            let problem = Problem::permanent("lookaside-size-differs", message);
            Err(problem.hint("the cache holds a damaged file: tell those who run it").into())
        }
        _ => Ok(()),
    }
}

fn open(archive: &Archive<'_>) -> Result<(std::fs::File, u64)> {
    let file = std::fs::File::open(archive.path);
    let file = file.map_err(|error| unreadable(archive.path, error))?;
    let size = file.metadata().map_err(|error| unreadable(archive.path, error))?.len();
    if size != archive.size {
        let message = format!("{} has {size} bytes, not {}", archive.path.display(), archive.size);
        return Err(Problem::permanent("archive-changed", message).into());
    }
    Ok((file, size))
}

fn unreadable(path: &Path, error: std::io::Error) -> Problem {
    let message = format!("cannot read {}: {error}", path.display());
    Problem::permanent("archive-unreadable", message).because(error)
}

/// Returns when an upload crawls, or when no answer follows it.
///
/// The two handles share one position: how far the body has been read is how much was sent, but for what
/// the socket holds.
async fn crawls(
    doing: &str,
    mut watched: std::fs::File,
    size: u64,
    timeouts: &Timeouts,
) -> Problem {
    let LowSpeed { bytes, window } = timeouts.low_speed;
    let mut last = 0;
    loop {
        tokio::time::sleep(window).await;
        let sent = watched.stream_position().unwrap_or(size);
        if sent >= size {
            tokio::time::sleep(timeouts.answer).await;
            return http::no_answer(&CODES, doing, timeouts.answer);
        }
        if sent.saturating_sub(last) < bytes {
            return http::too_slow(&CODES, doing, &timeouts.low_speed);
        }
        last = sent;
    }
}

/// One file on its way from the server.
struct Fetch<'a> {
    http: &'a Http,
    url: Url,
    file: &'a FileName,
    digest: &'a Digest,
    destination: &'a Path,
}

impl Fetch<'_> {
    async fn once(&self) -> Result<u64> {
        let doing = format!("downloading {}", self.url);
        let options = &self.http.options;
        let response = self.ask(&doing).await?;
        let mut temporary = beside(self.destination)?;
        let saving = Saving {
            hash_type: self.digest.hash_type(),
            cap: options.download_cap,
            low_speed: options.timeouts.low_speed,
        };
        let saved = http::save(&CODES, &doing, response, temporary.as_file_mut(), saving).await?;
        if saved.digest != *self.digest {
            return Err(differs(self.url.to_string(), &saved.digest, self.digest).into());
        }
        put_in_place(temporary, self.destination)?;
        Ok(saved.size)
    }

    async fn ask(&self, doing: &str) -> Result<Response> {
        let timeouts = &self.http.options.timeouts;
        let request = identity_encoding(self.http.clients().await?.download.get(self.url.clone()));
        let asked = tokio::time::timeout(timeouts.answer, request.timeout(timeouts.total).send());
        let Ok(response) = asked.await else {
            return Err(http::no_answer(&CODES, doing, timeouts.answer).into());
        };
        let response = response.map_err(|error| http::request_failed(&CODES, doing, error))?;
        match response.status().as_u16() {
            200 => Ok(response),
            404 => Err(not_there(&self.http.download, self.file, self.digest).into()),
            _ => Err(answer::unexpected(&self.http.read(doing, response).await?, doing)),
        }
    }
}
