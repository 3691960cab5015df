//! Login by client certificate: a hub behind TLS, as real ones are, with keys made by openssl.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lockkeeper::build::koji::{HubAddress, Koji, Login, Pages};
use lockkeeper::build::{Build, BuildSystem};
use lockkeeper::http::{Backoff, Timeouts};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::yard::{NVR, Yard, build_mode, order};

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

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

/// Starts a server that takes TLS away, writes whose certificate it saw, and hands on to the hub.
fn in_front(folder: &Path, hub: &str) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .unwrap();
    let chain = vec![CertificateDer::from_pem_file(folder.join("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (config, behind) = (Arc::new(config), hub.to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, behind) = (config.clone(), behind.clone());
            // A client that turns away is no fault of the server's.
            std::thread::spawn(move || hand_on(stream, config, &behind).ok());
        }
    });
    format!("https://{address}/kojihub")
}

fn hand_on(stream: TcpStream, config: Arc<ServerConfig>, hub: &str) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let (mut head, mut length) = (String::new(), 0_u64);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let lower = line.to_ascii_lowercase();
        if let Some(number) = lower.strip_prefix("content-length:") {
            length = number.trim().parse().map_err(std::io::Error::other)?;
        }
        if line == "\r\n" || line.is_empty() {
            break;
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    let has_certificate = stream.get_ref().conn.peer_certificates().is_some();
    let name = if has_certificate { "X-Client-CN: bot\r\n" } else { "" };
    let mut body = Vec::new();
    (&mut stream).take(length).read_to_end(&mut body)?;
    let mut behind = TcpStream::connect(hub)?;
    behind.write_all(format!("{head}{name}Connection: close\r\n\r\n").as_bytes())?;
    behind.write_all(&body)?;
    let mut answer = Vec::new();
    behind.read_to_end(&mut answer)?;
    let stream = stream.get_mut();
    stream.write_all(&answer)?;
    stream.conn.send_close_notify();
    stream.flush()
}

#[tokio::test]
async fn a_client_certificate_logs_in_and_none_or_a_strangers_does_not() {
    let yard = Yard::new();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    certificate(at, "ca", None, "keyUsage=keyCertSign");
    certificate(at, "server", Some("ca"), "subjectAltName=IP:127.0.0.1");
    certificate(at, "bot", Some("ca"), "extendedKeyUsage=clientAuth");
    certificate(at, "stranger", None, "extendedKeyUsage=clientAuth");
    let url = yard.server.url();
    let hub = in_front(at, url.trim_start_matches("http://").trim_end_matches("/kojihub"));
    let koji = |login| {
        let first = Duration::from_millis(1);
        let backoff = Backoff { attempts: 2, first, longest: first };
        let (hub, ca) = (hub.parse().unwrap(), Some(read(at, "ca.pem")));
        let address = HubAddress { hub, login, ca, timeouts: Timeouts::default(), backoff };
        Koji::new(address, Pages::default(), build_mode()).unwrap()
    };
    let certificate = |name: &str| {
        let both = [read(at, &format!("{name}.pem")), read(at, &format!("{name}.key"))];
        Login::Certificate(both.concat())
    };
    let build = Build::new(order(), "f44-candidate".parse().unwrap(), Some(NVR.parse().unwrap()));
    koji(certificate("bot")).submit(&build).await;
    yard.only_task();
    assert_eq!(yard.server.hub().tasks[0].owner, 1);
    for login in [certificate("stranger"), Login::Anonymous] {
        let fault = koji(login).find(&build).await.unwrap_err().to_string();
        let turned_away = ["does not know who we are", "alert", "connection"];
        assert!(turned_away.iter().any(|words| fault.contains(words)), "{fault}");
    }
}
