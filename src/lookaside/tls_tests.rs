//! A lookaside behind TLS that wants a client certificate, as dist-git's do; keys are made by openssl.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::http::{Backoff, Timeouts};
use crate::outcome::Fault;

/// Makes `NAME.pem` and `NAME.key`, signed by `ca` or by itself.
fn certificate(folder: &Path, name: &str, ca: Option<&str>, extension: &str) {
    let mut command = Command::new("openssl");
    command
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]);
    command.args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", &format!("/CN={name}")]);
    command.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
    command.args(["-addext", extension]);
    if let Some(ca) = ca {
        command.args(["-CA", &format!("{ca}.pem"), "-CAkey", &format!("{ca}.key")]);
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    }
    let output = command.output().expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

struct World {
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl World {
    /// Starts a server that answers `connections` requests with `Missing`, then ends.
    fn new(connections: usize) -> World {
        let folder = tempfile::tempdir().unwrap();
        certificate(folder.path(), "ca", None, "keyUsage=keyCertSign");
        certificate(folder.path(), "server", Some("ca"), "subjectAltName=IP:127.0.0.1");
        certificate(folder.path(), "bot", Some("ca"), "extendedKeyUsage=clientAuth");
        certificate(folder.path(), "stranger", None, "extendedKeyUsage=clientAuth");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let config = Arc::new(server_config(folder.path()));
        std::thread::spawn(move || {
            for stream in listener.incoming().take(connections) {
                // A client that turns away is what some of the tests are about.
                let _ = answer(stream.unwrap(), config.clone());
            }
        });
        World { folder, address }
    }

    fn pem(&self, files: &[&str]) -> Vec<u8> {
        files
            .iter()
            .flat_map(|file| std::fs::read(self.folder.path().join(file)).unwrap())
            .collect()
    }

    async fn check(&self, options: HttpOptions) -> Result<Presence> {
        let quick = HttpOptions {
            timeouts: Timeouts { answer: Duration::from_secs(5), ..Timeouts::default() },
            backoff: Backoff { attempts: 1, ..Backoff::default() },
            ..options
        };
        let url = format!("https://{}/repo/pkgs", self.address);
        let lookaside = Lookaside::from_argument(&url, quick).unwrap();
        let (package, file) = ("hello".parse().unwrap(), "f".parse().unwrap());
        lookaside.check(&package, &file, &Sha512::of(b"")).await
    }
}

fn server_config(folder: &Path) -> ServerConfig {
    let certificate = |name: &str| CertificateDer::from_pem_file(folder.join(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate("server.pem")], key)
        .unwrap()
}

fn answer(stream: TcpStream, config: Arc<ServerConfig>) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let answered = read_and_answer(&mut stream);
    // Unread bytes would make closing a reset, and the client might never see the alert.
    stream.sock.shutdown(std::net::Shutdown::Write)?;
    stream.sock.set_read_timeout(Some(Duration::from_secs(5)))?;
    std::io::copy(&mut stream.sock, &mut std::io::sink())?;
    answered
}

fn read_and_answer(stream: &mut StreamOwned<ServerConnection, TcpStream>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    // The last line of a multipart body ends in two dashes.
    while !request.ends_with(b"--\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&buffer[..read]),
        }
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nMissing\n")?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn code(answer: Result<Presence>) -> (&'static str, String) {
    match answer.unwrap_err() {
        Fault::Refused(refusal) => (refusal.code.0, refusal.message),
        Fault::Failed(problem) => (problem.code.0, problem.message),
    }
}

#[tokio::test]
async fn one_pem_with_certificate_and_key_opens_a_server_of_an_own_ca() {
    let world = World::new(2);
    for files in [["bot.pem", "bot.key"], ["bot.key", "bot.pem"]] {
        let options = HttpOptions {
            client_certificate: Some(world.pem(&files)),
            certificate_authority: Some(world.pem(&["ca.pem"])),
            ..HttpOptions::default()
        };
        assert_eq!(world.check(options).await.unwrap(), Presence::Missing);
    }
}

#[tokio::test]
async fn a_server_of_an_unknown_ca_is_not_spoken_to() {
    let world = World::new(2);
    for authority in [None, Some(world.pem(&["stranger.pem"]))] {
        let options = HttpOptions { certificate_authority: authority, ..HttpOptions::default() };
        let (code, message) = code(world.check(options).await);
        assert_eq!(code, "lookaside-certificate-invalid", "{message}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_our_certificate_ends_the_connection() {
    let world = World::new(2);
    for certificate in [None, Some(world.pem(&["stranger.pem", "stranger.key"]))] {
        let options = HttpOptions {
            client_certificate: certificate,
            certificate_authority: Some(world.pem(&["ca.pem"])),
            ..HttpOptions::default()
        };
        let (code, message) = code(world.check(options).await);
        assert_eq!(code, "lookaside-unauthorized", "{message}");
    }
}

#[test]
fn certificates_that_cannot_be_read_are_refused_at_the_door() {
    let world = World::new(0);
    let refused = |options: HttpOptions| {
        let answer = Lookaside::from_argument("https://lookaside.example/", options);
        answer.unwrap_err()
    };
    for pem in [world.pem(&["bot.pem"]), world.pem(&["bot.key"]), Vec::new(), b"word".to_vec()] {
        let options = HttpOptions { client_certificate: Some(pem), ..HttpOptions::default() };
        assert!(!format!("{options:?}").contains("BEGIN"));
        assert_eq!(refused(options).code.0, "client-certificate-unreadable");
    }
    for pem in [world.pem(&["bot.key"]), Vec::new(), b"word".to_vec()] {
        let options = HttpOptions { certificate_authority: Some(pem), ..HttpOptions::default() };
        assert_eq!(refused(options).code.0, "ca-unreadable");
    }
}
