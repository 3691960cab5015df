//! A mail server on loopback that keeps what it gets, and refuses what a test says.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A mail as it arrived.
#[derive(Debug, Clone, Default)]
pub struct Arrived {
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Headers and text, lines ended by `\n`.
    pub data: String,
}

/// The server. Its thread ends with the tests.
pub struct MailServer {
    pub address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    arrived: Vec<Arrived>,
    refusal: Option<&'static str>,
}

impl MailServer {
    /// Starts a server that takes everything.
    pub fn start() -> MailServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback can be bound");
        let address = listener.local_addr().expect("a bound socket has an address");
        let kept: Arc<Mutex<Kept>> = Arc::default();
        let shared = kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serve(stream, &shared);
            }
        });
        MailServer { address, kept }
    }

    /// Answers this line to every recipient from now on; `None`: takes them.
    pub fn refuses(&self, line: Option<&'static str>) {
        self.kept.lock().expect("nobody panics holding it").refusal = line;
    }

    /// Returns what arrived.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.kept.lock().expect("nobody panics holding it").arrived.clone()
    }
}

/// Speaks SMTP on one connection.
fn serve(stream: TcpStream, kept: &Mutex<Kept>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let say = |line: &str| (&stream).write_all(format!("{line}\r\n").as_bytes());
    let mut mail = Arrived::default();
    say("220 mail.example ESMTP")?;
    while let Some(line) = lines.next().transpose()? {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "HELO" | "MAIL" | "RSET" | "NOOP" => say("250 fine")?,
            "RCPT" => {
                let refusal = kept.lock().expect("nobody panics holding it").refusal;
                mail.to.push(line);
                say(refusal.unwrap_or("250 fine"))?;
            }
            "DATA" => {
                say("354 go on")?;
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    mail.data.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.data.push('\n');
                }
                let done = std::mem::take(&mut mail);
                kept.lock().expect("nobody panics holding it").arrived.push(done);
                say("250 kept")?;
            }
            "QUIT" => return say("221 bye"),
            _ => say("500 what?")?,
        }
    }
    Ok(())
}
