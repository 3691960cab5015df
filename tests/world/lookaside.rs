//! A lookaside server on loopback that answers as dist-git's `upload.cgi` does, or misbehaves on request.
//!
//! It keeps files in a folder, in the real layout, and runs on a thread of its own until it is dropped, so
//! that a test may talk to it from asynchronous code, from plain code, or from another process.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Multipart, Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use sha2::Digest as _;

/// What the server does; chosen by its name with [`LookasideServer::behave`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    /// As upload.cgi of today.
    Honest,
    /// As upload.cgi before 2019: an error comes with status 200 and the true one in the body.
    OldServer,
    /// Everybody is outside the group `packager`.
    NotInGroup,
    /// As `NotInGroup`, with status 200 and nothing but words.
    NotInGroupSaidWith200,
    /// The web server answers this status and a page before the script runs.
    Page(u16),
    /// As `Page(503)`, the first time only.
    FailOnce,
    /// As `upload.cgi` with a broken message bus: 200, `stored OK`, then the text of an error.
    BrokenBus,
    /// Answers checks, and nothing to uploads.
    HangOnUpload,
    /// Answers nothing to checks.
    HangOnCheck,
    /// Answers nothing to downloads.
    HangOnDownload,
    /// Never reads an upload's body to its end: drops the connection.
    DropUpload,
    /// As `DropUpload`, the first time only.
    DropUploadOnce,
    /// Says `stored OK` and stores nothing.
    StoreNothing,
    /// Says that another content arrived.
    OtherDigest,
    /// Says `stored OK` with another digest.
    StoredOther,
    /// Serves the first half of files.
    HalfFiles,
    /// Serves another content of the right size.
    WrongFiles,
    /// Says `Content-Encoding: gzip` of files as they are, since their name ends in `.gz`.
    SaysGzip,
    /// Answers everything with a greeting.
    Greeting,
    /// Says that it knows the file, in more words than one.
    Talkative,
    /// Answers terminal escapes.
    Escapes,
    /// Sends uploads elsewhere.
    Redirect,
    /// Sends downloads round in a circle.
    CircularDownload,
}

impl Behaviour {
    fn named(name: &str) -> Behaviour {
        match name {
            "honest" => Behaviour::Honest,
            "old-server" => Behaviour::OldServer,
            "not-in-group" => Behaviour::NotInGroup,
            "not-in-group-said-with-200" => Behaviour::NotInGroupSaidWith200,
            "fail-once" => Behaviour::FailOnce,
            "broken-bus" => Behaviour::BrokenBus,
            "hang-on-upload" => Behaviour::HangOnUpload,
            "hang-on-check" => Behaviour::HangOnCheck,
            "hang-on-download" => Behaviour::HangOnDownload,
            "drop-upload" => Behaviour::DropUpload,
            "drop-upload-once" => Behaviour::DropUploadOnce,
            "store-nothing" => Behaviour::StoreNothing,
            "other-digest" => Behaviour::OtherDigest,
            "stored-other" => Behaviour::StoredOther,
            "half-files" => Behaviour::HalfFiles,
            "wrong-files" => Behaviour::WrongFiles,
            "says-gzip" => Behaviour::SaysGzip,
            "greeting" => Behaviour::Greeting,
            "talkative" => Behaviour::Talkative,
            "escapes" => Behaviour::Escapes,
            "redirect" => Behaviour::Redirect,
            "circular-download" => Behaviour::CircularDownload,
            name => match name.strip_prefix("page-").and_then(|status| status.parse().ok()) {
                Some(status) => Behaviour::Page(status),
                None => panic!("the lookaside server knows no behaviour {name}"),
            },
        }
    }
}

struct Shared {
    folder: PathBuf,
    packages: Vec<String>,
    behaviour: Mutex<Behaviour>,
    requests: Mutex<Vec<String>>,
}

/// The server; dropping it stops it.
pub struct LookasideServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LookasideServer {
    /// Starts an honest server that keeps files in `folder` and knows these packages (`rpms/NAME`).
    pub fn start(folder: &Path, packages: &[&str]) -> LookasideServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback can be bound");
        listener.set_nonblocking(true).expect("a socket can be made nonblocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            packages: packages.iter().map(|name| format!("rpms/{name}")).collect(),
            behaviour: Mutex::new(Behaviour::Honest),
            requests: Mutex::default(),
        });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = shared.clone();
        let thread = std::thread::spawn(move || serve(listener, served, stopped));
        LookasideServer { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns what `--lookaside` takes.
    pub fn url(&self) -> String {
        format!("http://{}/repo/pkgs", self.address)
    }

    /// Behaves from now on as the behaviour of this name says.
    pub fn behave(&self, name: &str) {
        *self.shared.behaviour.lock().expect("nobody panics holding it") = Behaviour::named(name);
    }

    /// Takes the requests so far: method or kind, and fields in order or path.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.requests.lock().expect("nobody panics holding it"))
    }
}

impl Drop for LookasideServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves until told to stop; open connections end with the runtime.
fn serve(listener: TcpListener, shared: Arc<Shared>, stopped: tokio::sync::oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("the socket is good");
        let routes = axum::Router::new()
            .route("/repo/pkgs/upload.cgi", post(upload_cgi))
            .route("/repo/pkgs/{*stored}", get(download))
            .layer(DefaultBodyLimit::disable())
            .with_state(shared);
        tokio::select! {
            served = async { axum::serve(listener, routes).await } => served.expect("it serves"),
            _ = stopped => {}
        }
    });
}

impl Shared {
    fn behaviour(&self) -> Behaviour {
        *self.behaviour.lock().expect("nobody panics holding it")
    }

    fn log(&self, line: String) {
        self.requests.lock().expect("nobody panics holding it").push(line);
    }

    /// Returns whether it is the behaviour now, and if so is honest from now on.
    fn once(&self, behaviour: Behaviour) -> bool {
        let mut now = self.behaviour.lock().expect("nobody panics holding it");
        let is_now = *now == behaviour;
        if is_now {
            *now = Behaviour::Honest;
        }
        is_now
    }

    fn path(&self, name: &str, file: &str, kind: &str, hash: &str) -> PathBuf {
        self.folder.join(name).join(file).join(kind).join(hash).join(file)
    }
}

/// What a request said; `None` where a field is missing.
#[derive(Default)]
struct Fields {
    name: Option<String>,
    sha512sum: Option<String>,
    md5sum: Option<String>,
    filename: Option<String>,
    file: Option<(String, Vec<u8>)>,
    mtime: Option<String>,
    order: Vec<String>,
}

async fn upload_cgi(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    form: Multipart,
) -> Response {
    let behaviour = shared.behaviour();
    if !headers.contains_key(header::CONTENT_LENGTH) {
        // A CGI script learns a body's length from this header.
        return page(411);
    }
    if let Behaviour::Page(status) = behaviour {
        shared.log(format!("page {status}"));
        return page(status);
    }
    if behaviour == Behaviour::Redirect {
        return (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]).into_response();
    }
    if shared.once(Behaviour::FailOnce) {
        shared.log("page 503".to_owned());
        return page(503);
    }
    let fields = read_fields(&shared, form).await;
    let kind = if fields.filename.is_some() { "check" } else { "upload" };
    shared.log(format!("{kind} {}", fields.order.join(",")));
    match (behaviour, kind) {
        (Behaviour::HangOnCheck, "check") | (Behaviour::HangOnUpload, "upload") => {
            std::future::pending().await
        }
        (Behaviour::Greeting, _) => (StatusCode::OK, "<html>Hello!</html>\n").into_response(),
        (Behaviour::Talkative, "check") => "Available, but slowly\n".into_response(),
        (Behaviour::Escapes, _) => (StatusCode::BAD_REQUEST, "\u{1b}[2Jgone\n").into_response(),
        _ => say(behaviour, judge(&shared, behaviour, &fields)),
    }
}

async fn read_fields(shared: &Shared, mut form: Multipart) -> Fields {
    let mut fields = Fields::default();
    while let Ok(Some(mut field)) = form.next_field().await {
        let name = field.name().unwrap_or_default().to_owned();
        fields.order.push(name.clone());
        if name != "file" {
            let text = field.text().await.unwrap_or_default();
            match name.as_str() {
                "name" => fields.name = Some(text),
                "sha512sum" => fields.sha512sum = Some(text),
                "md5sum" => fields.md5sum = Some(text),
                "filename" => fields.filename = Some(text),
                "mtime" => fields.mtime = Some(text),
                _ => {}
            }
            continue;
        }
        let file_name = field.file_name().unwrap_or_default().to_owned();
        let mut content = Vec::new();
        while let Ok(Some(chunk)) = field.chunk().await {
            content.extend_from_slice(&chunk);
            let drops = shared.behaviour() == Behaviour::DropUpload;
            if drops || shared.once(Behaviour::DropUploadOnce) {
                shared.log("drop".to_owned());
                // The connection ends with its task.
                std::panic::resume_unwind(Box::new(()));
            }
        }
        fields.file = Some((file_name, content));
    }
    fields
}

/// The decisions of upload.cgi, in its order.
fn judge(shared: &Shared, behaviour: Behaviour, fields: &Fields) -> (u16, String) {
    if matches!(behaviour, Behaviour::NotInGroup | Behaviour::NotInGroupSaidWith200) {
        let words =
            "You must connect with a valid certificate and be in the packager group to upload.";
        return (403, words.to_owned());
    }
    let Some(name) = fields.name.as_deref().map(|name| name.trim_matches('/')) else {
        return (400, "Required field \"name\" is not present.".to_owned());
    };
    let (kind, hash) = match (&fields.sha512sum, &fields.md5sum) {
        (Some(hash), _) => ("sha512", hash),
        (None, Some(hash)) => ("md5", hash),
        (None, None) => return (400, "Required checksum is not present".to_owned()),
    };
    let Some(file) = fields.filename.as_ref().or(fields.file.as_ref().map(|(name, _)| name)) else {
        return (400, "Required field \"file\" is not present.".to_owned());
    };
    let file = file.rsplit('/').next().unwrap_or_default();
    if !shared.packages.iter().any(|known| known == name) {
        return (404, format!("Module \"{name}\" does not exist!"));
    }
    let path = shared.path(name, file, kind, hash);
    match &fields.file {
        _ if fields.filename.is_some() => {
            (200, if path.is_file() { "Available" } else { "Missing" }.to_owned())
        }
        _ if path.is_file() => {
            (200, format!("File {file} already exists\nFile: {} Size: ?", path.display()))
        }
        _ if kind == "md5" => (406, "Uploads with md5 are no longer allowed.".to_owned()),
        Some((_, content)) => store(behaviour, &path, (hash, content), fields.mtime.as_deref()),
        None => (400, "Required field \"file\" is not present.".to_owned()),
    }
}

fn store(
    behaviour: Behaviour,
    path: &Path,
    (hash, content): (&str, &[u8]),
    mtime: Option<&str>,
) -> (u16, String) {
    let digest: String = sha2::Sha512::digest(content).iter().map(|b| format!("{b:02x}")).collect();
    let (size, zeros) = (content.len(), "0".repeat(128));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if digest != hash || behaviour == Behaviour::OtherDigest {
        return (400, format!("SHA512 check failed. Received {digest} instead of {hash}."));
    }
    match behaviour {
        Behaviour::StoreNothing => {
            return (200, format!("File {name} size {size} SHA512 {digest} stored OK"));
        }
        Behaviour::StoredOther => {
            return (200, format!("File {name} size {size} SHA512 {zeros} stored OK"));
        }
        _ => {}
    }
    fs::create_dir_all(path.parent().expect("it lies deep")).expect("the folder can be made");
    fs::write(path, content).expect("the file can be written");
    if let Some(mtime) = mtime {
        let Ok(seconds) = mtime.parse::<f64>() else {
            return (400, format!("Invalid value sent for mtime \"{mtime}\". Aborting."));
        };
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
        let file = fs::File::options().write(true).open(path).expect("the file can be opened");
        file.set_modified(moment).expect("the file can be dated");
    }
    match behaviour {
        Behaviour::BrokenBus => (
            200,
            format!(
                "File {name} size {size} SHA512 {digest} stored OK\nStatus: 500\n\nno message bus"
            ),
        ),
        _ => (200, format!("File {name} size {size} SHA512 {digest} stored OK")),
    }
}

/// Answers as text, and where old servers wrote the status.
fn say(behaviour: Behaviour, (status, words): (u16, String)) -> Response {
    let plain = [(header::CONTENT_TYPE, "text/plain")];
    let code = StatusCode::from_u16(status).expect("is a status");
    match behaviour {
        Behaviour::OldServer if status != 200 => {
            let body = format!("Status: {status} Error\nContent-type: text/plain\n\n{words}\n");
            (StatusCode::OK, plain, body).into_response()
        }
        Behaviour::NotInGroupSaidWith200 => {
            (StatusCode::OK, plain, format!("{words}\n")).into_response()
        }
        _ => (code, plain, format!("{words}\n")).into_response(),
    }
}

fn page(status: u16) -> Response {
    let code = StatusCode::from_u16(status).expect("is a status");
    let kind = [(header::CONTENT_TYPE, "text/html")];
    (code, kind, "<html><body>The web server says no.</body></html>").into_response()
}

/// Serves files as a plain web server does.
async fn download(
    State(shared): State<Arc<Shared>>,
    method: axum::http::Method,
    UrlPath(relative): UrlPath<PathBuf>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let encoding = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    shared.log(format!("{method} {} {}", uri.path(), encoding.unwrap_or("-")));
    if shared.behaviour() == Behaviour::CircularDownload {
        let here = [(header::LOCATION, uri.path().to_owned())];
        return (StatusCode::FOUND, here).into_response();
    }
    let stored = shared.folder.join(&relative);
    let is_plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    let Some(mut content) = is_plain.then(|| fs::read(&stored).ok()).flatten() else {
        return page(404);
    };
    match shared.behaviour() {
        Behaviour::HangOnDownload => std::future::pending().await,
        Behaviour::HalfFiles => content.truncate(content.len() / 2),
        Behaviour::WrongFiles => content.fill(b'x'),
        _ => {}
    }
    let length = content.len().to_string();
    let mut response = Response::new(Body::from(content));
    response.headers_mut().insert(header::CONTENT_LENGTH, length.parse().expect("digits"));
    response.headers_mut().insert(header::LAST_MODIFIED, last_modified(&stored));
    if shared.behaviour() == Behaviour::SaysGzip {
        let gzip = header::HeaderValue::from_static("gzip");
        response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
    }
    response
}

/// The file's date as web servers write it; clients set it on what they download.
fn last_modified(path: &Path) -> header::HeaderValue {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    let moment = jiff::Timestamp::try_from(modified.expect("the file was just read"));
    let moment = moment.expect("file systems know no other years");
    let text = moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    text.parse().expect("a date is a legal header")
}
