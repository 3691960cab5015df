//! git over https on loopback: TLS here, `git http-backend` behind it, or another server; gone with the world.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{hermetic, succeed};

/// The server; dropping it stops it.
pub struct Https {
    address: SocketAddr,
    folder: PathBuf,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What answers behind TLS.
enum Behind {
    /// git, with the repositories below this folder.
    Git(PathBuf),
    /// A server without TLS.
    Server(SocketAddr),
}

impl Https {
    /// Serves the repositories below `root`; `folder` takes the certificates.
    pub fn start(folder: &Path, root: &Path) -> Https {
        Https::in_front_of(folder, Behind::Git(root.to_owned()))
    }

    /// Serves what a server without TLS answers.
    pub fn before(folder: &Path, server: SocketAddr) -> Https {
        Https::in_front_of(folder, Behind::Server(server))
    }

    fn in_front_of(folder: &Path, behind: Behind) -> Https {
        std::fs::create_dir(folder).expect("a folder can be made");
        // The authority that clients trust, and the server's own certificate below it.
        let own = ["-CA", "certificate.pem", "-CAkey", "authority.pem"];
        let address = ["-addext", "subjectAltName=IP:127.0.0.1"];
        let no_authority = ["-addext", "basicConstraints=critical,CA:FALSE"];
        certificate(folder, &["-keyout", "authority.pem", "-out", "certificate.pem"]);
        let files = ["-keyout", "key.pem", "-out", "server.pem"];
        certificate(folder, &[&own[..], &address, &no_authority, &files].concat());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback can be bound");
        let address = listener.local_addr().expect("it is bound");
        let config = Arc::new(server_config(folder));
        let (stopped, behind) = (Arc::new(AtomicBool::new(false)), Arc::new(behind));
        let until = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if until.load(Ordering::Relaxed) {
                    return;
                }
                let (config, behind) = (Arc::clone(&config), Arc::clone(&behind));
                // A client that turns away is no fault of the server's.
                std::thread::spawn(move || serve(stream, config, &behind).ok());
            }
        });
        Https { address, folder: folder.to_owned(), stopped, thread: Some(thread) }
    }

    /// Returns the address of a repository below the root.
    pub fn url(&self, below: &str) -> String {
        format!("https://{}/{below}", self.address)
    }

    /// Returns the certificate of the authority that clients are to trust.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // The thread waits for a connection.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Makes a key and a certificate.
fn certificate(folder: &Path, arguments: &[&str]) {
    let mut openssl = Command::new("openssl");
    openssl
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]);
    openssl.args(["-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    // Who signs must not be called as who is signed.
    let name = if arguments.contains(&"-CA") { "/CN=loopback" } else { "/CN=authority" };
    succeed(openssl.args(["-subj", name]).args(arguments));
}

fn server_config(folder: &Path) -> ServerConfig {
    let certificate = CertificateDer::from_pem_file(folder.join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap()
}

/// What the first lines of a request say.
#[derive(Default)]
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

/// Answers one request and closes, as HTTP/1.0 did.
fn serve(stream: TcpStream, config: Arc<ServerConfig>, behind: &Behind) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let request = read_request(&mut stream)?;
    let body = read_body(&mut stream, &request)?;
    let answer = match behind {
        Behind::Git(root) => backend(&request, &body, root)?,
        Behind::Server(address) => forward(&request, &body, *address)?,
    };
    let stream = stream.get_mut();
    stream.write_all(&answer)?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn read_request(stream: &mut impl BufRead) -> std::io::Result<Request> {
    let mut request = Request::default();
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    request.method = words.next().unwrap_or_default();
    request.path = words.next().unwrap_or_default();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            None => return Ok(request),
            Some((name, value)) => {
                request.headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }
}

/// Reads a body of known length, or one in chunks.
fn read_body(stream: &mut impl BufRead, request: &Request) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if !request.header("Transfer-Encoding").eq_ignore_ascii_case("chunked") {
        let length = request.header("Content-Length").parse().unwrap_or(0);
        stream.take(length).read_to_end(&mut body)?;
        return Ok(body);
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        stream.take(length).read_to_end(&mut body)?;
        stream.read_line(&mut line)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

/// Asks the server behind and returns the whole answer.
fn forward(request: &Request, body: &[u8], address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut lines = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    let names = ["transfer-encoding", "content-length", "connection"];
    for (name, value) in &request.headers {
        if !names.contains(&name.to_ascii_lowercase().as_str()) {
            lines.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    lines.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()));
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(lines.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Runs git's own server program and returns the whole answer.
fn backend(request: &Request, body: &[u8], root: &Path) -> std::io::Result<Vec<u8>> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut git = Command::new("git");
    git.args(["-c", "http.receivepack=true", "-c", "safe.directory=*", "http-backend"]);
    git.env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    git.env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query);
    git.env("CONTENT_TYPE", request.header("Content-Type"));
    git.env("CONTENT_LENGTH", body.len().to_string());
    git.env("HTTP_CONTENT_ENCODING", request.header("Content-Encoding"));
    git.env("GIT_PROTOCOL", request.header("Git-Protocol")).env("REMOTE_USER", "tester");
    hermetic(&mut git).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = git.spawn()?;
    let mut input = child.stdin.take().expect("it is piped");
    let body = body.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&body));
    let output = child.wait_with_output()?.stdout;
    let _ = writer.join();
    Ok(with_status_line(&output))
}

/// Turns what a CGI program printed into an answer: its `Status:` header becomes the first line.
fn with_status_line(output: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(&output[..output.len().min(4096)]).into_owned();
    let status = text.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    [format!("HTTP/1.1 {status}\r\nConnection: close\r\n").as_bytes(), output].concat()
}
