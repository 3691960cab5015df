//! The mail sink: plain text over SMTP. The only file that names lettre.
//!
//! Nothing hostile gets into a header: subjects are one printable line, ids are hashes, addresses are parsed, and
//! lettre encodes what is not ASCII.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::{Error, client::Tls};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use sha2::{Digest as _, Sha256};

use super::message::Mail;
use crate::forge::{Answer, Setback};
use crate::operator::{self, SmtpSecurity, SmtpServer};
use crate::outcome::{Problem, Refusal, printable};

/// How long a step of SMTP may take.
const STEP: Duration = Duration::from_secs(60);

/// How long mail rests after the server did not let us in.
const UNTIL_A_NEW_PASSWORD: Duration = Duration::from_secs(15 * 60);

/// The way to a mail server.
pub struct Mailer {
    server: SmtpServer,
    from: Mailbox,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer")
            .field("server", &self.server)
            .field("from", &self.from.email)
            .finish()
    }
}

impl Mailer {
    /// Takes the operator's setting.
    ///
    /// # Errors
    /// Refuses a sender that is no address.
    pub fn new(mail: &operator::Mail) -> Result<Mailer, Refusal> {
        let from = mail.from.parse().map_err(|_| {
            let words = format!("the sender `{}` is no mail address", printable(&mail.from, 100));
            Refusal::config("mail-address-unusable", words).hint("write NAME@HOST")
        })?;
        Ok(Mailer { server: mail.smtp.clone(), from })
    }

    /// Sends a mail.
    ///
    /// # Errors
    /// A setback: temporary where the server is away or says so.
    pub async fn send(&self, mail: &Mail, now: Timestamp) -> Answer<()> {
        let message = compose(&self.from, mail, now)?;
        let transport = transport(&self.server).map_err(|error| sort(&self.server, &error))?;
        let sent = transport.send(message).await;
        sent.map(|_| ()).map_err(|error| sort(&self.server, &error))
    }
}

/// Says to other programs that no person wrote this: no out-of-office reply is wanted.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }
    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn compose(from: &Mailbox, mail: &Mail, now: Timestamp) -> Answer<Message> {
    let refuse = |words: String| Setback::from(Problem::permanent("mail-address-unusable", words));
    let host = from.email.domain();
    let thread = format!("<{}@{host}>", hash(&mail.thread));
    let mut builder = Message::builder()
        .from(from.clone())
        .date(SystemTime::from(now))
        .message_id(Some(format!("<{}@{host}>", hash(&mail.id))))
        .in_reply_to(thread.clone())
        .references(thread)
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN)
        .subject(printable(&mail.subject, 250));
    for address in &mail.to {
        let to: Mailbox = address
            .parse()
            .map_err(|_| refuse(format!("`{}` is no mail address", printable(address, 100))))?;
        builder = builder.to(to);
    }
    builder
        .body(mail.text.clone())
        .map_err(|error| refuse(format!("a mail to nobody: {error}")))
}

/// Returns a name for an id that holds anything: what stands in a header is our own.
fn hash(id: &str) -> String {
    Sha256::digest(id).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn transport(server: &SmtpServer) -> Result<AsyncSmtpTransport<Tokio1Executor>, Error> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    type Transport = AsyncSmtpTransport<Tokio1Executor>;
    let builder = match server.security {
        SmtpSecurity::Tls => Transport::relay(&server.host)?,
        SmtpSecurity::StartTls => Transport::starttls_relay(&server.host)?,
        SmtpSecurity::None => Transport::builder_dangerous(&server.host).tls(Tls::None),
    };
    let mut builder = builder.port(server.port).timeout(Some(STEP));
    if let Some((user, password)) = &server.login {
        let password = password.expose_text().unwrap_or_default().to_owned();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}

/// Sorts what the mail server said.
fn sort(server: &SmtpServer, error: &Error) -> Setback {
    let words = format!(
        "sending a mail over {}:{}: {}",
        server.host,
        server.port,
        printable(error.to_string(), 300)
    );
    let status = error.status().map(u16::from);
    match status {
        Some(530..=539) => Setback::from(
            Problem::permanent("mail-not-allowed", words)
                .hint("see to user and password in `mail`"),
        )
        .hold(UNTIL_A_NEW_PASSWORD),
        Some(500..=599) => Problem::permanent("mail-not-taken", words).into(),
        Some(_) => Problem::temporary("mail-not-taken", words).into(),
        None => Problem::temporary("mail-unreachable", words).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(subject: &str, to: &str) -> Mail {
        let text = "Zeile eins\n.\nQUIT\n".to_owned();
        let (thread, id) = ("a\r\nX: y".to_owned(), "b>\r\nX: y".to_owned());
        Mail { to: vec![to.to_owned()], subject: subject.to_owned(), text, thread, id }
    }

    #[test]
    fn no_header_can_be_put_in() {
        let from = "bot@forge.example".parse().unwrap();
        let composed = compose(
            &from,
            &mail("hé\r\nBcc: eve@x.example\u{202e}", "ada@x.example"),
            Timestamp::UNIX_EPOCH,
        );
        let text = String::from_utf8(composed.unwrap().formatted()).unwrap();
        let (headers, _) = text.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = headers
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split(':').next())
            .collect();
        for name in &names {
            assert!(!["Bcc", "X"].contains(name), "{headers}");
        }
        assert!(headers.contains("Auto-Submitted: auto-generated"), "{headers}");
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        let from = "bot@forge.example".parse().unwrap();
        for to in ["", "ada", "ada@x.example\r\nBcc: eve@x.example", "ada@x.example, eve@x.example"]
        {
            let composed = compose(&from, &mail("s", to), Timestamp::UNIX_EPOCH);
            assert_eq!(composed.unwrap_err().problem.code.0, "mail-address-unusable", "{to:?}");
        }
    }
}
