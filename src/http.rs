//! The HTTP room's common half: clients, waiting, and bodies that are written while they are hashed.
//!
//! What the lookaside and the download of released tarballs share. Both talk to servers that may hang,
//! dribble, lie or die: every wait has an end, every body a cap, and a transfer that crawls is aborted.
//!
//! rustls is built without a default cryptography provider, so that nothing but `ring` comes in;
//! [`client_builder`] installs it before the first client is made.

use std::io::Write;
use std::time::Duration;

use tokio::time::Instant;

use crate::digest::{Digest, HashType, Hasher};
use crate::outcome::{Fault, Lasting, Problem, Refusal, Result, printable};

/// How long the parts of a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands, TLS included.
    pub connect: Duration,
    /// For a whole small request, and for the first line of the answer to a large one.
    pub answer: Duration,
    /// For a whole large request, however much moves.
    pub total: Duration,
    /// What counts as too slow.
    pub low_speed: LowSpeed,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(20),
            answer: Duration::from_secs(120),
            total: Duration::from_secs(2 * 60 * 60),
            low_speed: LowSpeed { bytes: 60_000, window: Duration::from_secs(60) },
        }
    }
}

impl Timeouts {
    /// Returns how long a server may take that is to answer within `answer`: it may stand still for as long, and for
    /// a minute at most.
    pub fn answering_within(answer: Duration) -> Timeouts {
        let usual = Timeouts::default();
        let LowSpeed { bytes, window } = usual.low_speed;
        let stands_still = answer.min(window);
        let bytes = (bytes as f64 * stands_still.as_secs_f64() / window.as_secs_f64()) as u64;
        Timeouts { answer, low_speed: LowSpeed { bytes, window: stands_still }, ..usual }
    }
}

/// The least that must move in a stretch of time; 1000 bytes a second for a minute is pyrpkg's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LowSpeed {
    /// How many bytes at least.
    pub bytes: u64,
    /// In how much time.
    pub window: Duration,
}

/// How often to try again, and how long to wait before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Attempts in all; at least one is made.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles each time.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        let (first, longest) = (Duration::from_secs(2), Duration::from_secs(30));
        Backoff { attempts: 4, first, longest }
    }
}

impl Backoff {
    /// Starts counting the attempts at one step.
    pub fn attempts(&self) -> Attempts {
        Attempts { left: self.attempts, wait: self.first, longest: self.longest }
    }
}

/// The attempts that are left for one step.
#[derive(Debug)]
pub struct Attempts {
    left: u32,
    wait: Duration,
    longest: Duration,
}

impl Attempts {
    /// Waits and returns `true` where the step is to be done again: it failed, time may mend it, and an
    /// attempt is left.
    pub async fn again<T>(&mut self, answer: &Result<T>) -> bool {
        self.left = self.left.saturating_sub(1);
        let Err(fault) = answer else { return false };
        if self.left == 0 || !is_temporary(fault) {
            return false;
        }
        let wait = self.wait;
        self.wait = (wait * 2).min(self.longest);
        tracing::debug!(%fault, ?wait, "trying again");
        tokio::time::sleep(wait).await;
        true
    }
}

fn is_temporary(fault: &Fault) -> bool {
    matches!(fault, Fault::Failed(problem) if problem.lasting == Lasting::Temporary)
}

/// The names that one user of this room gives to what may go wrong.
#[derive(Debug, Clone, Copy)]
pub struct Codes {
    /// No connection, or it broke.
    pub unreachable: &'static str,
    /// No answer in time, or a transfer that crawls.
    pub too_slow: &'static str,
    /// Too many redirects, or one to where we do not go.
    pub redirects: &'static str,
    /// The server does not let us in.
    pub unauthorized: &'static str,
    /// The server's certificate does not pass, or none can be checked.
    pub certificate: &'static str,
    /// More bytes than the cap.
    pub too_large: &'static str,
    /// Our own disk.
    pub not_written: &'static str,
}

/// Starts a client: no decompression, no referrer, our name, and `ring` for cryptography.
///
/// No proxy is taken from the environment: what a request goes through is to be seen in the config.
pub fn client_builder(timeouts: &Timeouts) -> reqwest::ClientBuilder {
    // Fails only where a provider is installed already, and then that one serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("lockkeeper/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timeouts.connect)
        .referer(false)
        .no_proxy()
}

/// Says what a failed request failed of, without its address, which the caller names.
pub fn request_failed(codes: &Codes, doing: &str, error: reqwest::Error) -> Fault {
    let error = error.without_url();
    let words = format!("{doing}: {}", printable(with_sources(&error), 400));
    match tls_error(&error) {
        Some(rustls::Error::InvalidCertificate(_)) => Problem::permanent(codes.certificate, words)
            .hint("give the server's own CA, or have its certificate mended")
            .because(error)
            .into(),
        Some(rustls::Error::AlertReceived(alert)) if turns_us_away(*alert) => {
            Refusal::new(codes.unauthorized, words)
                .hint("give a client certificate that this server accepts")
                .into()
        }
        _ if error.is_redirect() => {
            Problem::permanent(codes.redirects, words).because(error).into()
        }
        _ if error.is_builder() => {
            Problem::permanent(codes.certificate, words).because(error).into()
        }
        _ if error.is_timeout() => Problem::temporary(codes.too_slow, words).because(error).into(),
        _ => Problem::temporary(codes.unreachable, words).because(error).into(),
    }
}

/// Tells the alerts that a server sends about a client certificate, or for want of one.
fn turns_us_away(alert: rustls::AlertDescription) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

/// An error's words and those of the errors underneath, which alone say "connection refused".
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        words.push_str(": ");
        words.push_str(&error.to_string());
        below = error.source();
    }
    words
}

/// Finds what TLS said, however deep: an I/O error hides the error it wraps from its list of sources.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let inside = wrapped.and_then(|inner| tls_error(inner));
    inside.or_else(|| error.source().and_then(tls_error))
}

/// Reads a short answer; what is past `cap` bytes is left unread.
///
/// # Errors
/// A temporary problem where the connection breaks.
pub async fn read_short(
    codes: &Codes,
    doing: &str,
    mut response: reqwest::Response,
    cap: usize,
) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let Some(chunk) = chunk.map_err(|error| request_failed(codes, doing, error))? else {
            return Ok(body);
        };
        body.extend_from_slice(&chunk[..chunk.len().min(cap - body.len())]);
        if body.len() == cap {
            return Ok(body);
        }
    }
}

/// How a large answer is hashed and measured while it comes in.
#[derive(Debug, Clone, Copy)]
pub struct Saving {
    /// The digest that is computed.
    pub hash_type: HashType,
    /// The most bytes taken.
    pub cap: u64,
    /// What counts as too slow.
    pub low_speed: LowSpeed,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// How many bytes.
    pub size: u64,
    /// Their digest.
    pub digest: Digest,
}

/// Writes an answer's body into `file` and computes its digest on the way.
///
/// # Errors
/// A permanent problem past the cap or when the disk is full; a temporary one where the connection breaks or
/// crawls.
pub async fn save(
    codes: &Codes,
    doing: &str,
    mut response: reqwest::Response,
    file: &mut std::fs::File,
    saving: Saving,
) -> Result<Saved> {
    let mut hasher = Hasher::new(saving.hash_type);
    let mut size = 0;
    let mut pace = Pace::new(saving.low_speed);
    while let Some(chunk) = pace.next_chunk(codes, doing, &mut response).await? {
        size += chunk.len() as u64;
        if size > saving.cap {
            let message = format!("{doing}: more than {} bytes came", saving.cap);
            return Err(Problem::permanent(codes.too_large, message).into());
        }
        hasher.update(&chunk);
        file.write_all(&chunk).map_err(|error| not_written(codes, doing, error))?;
    }
    file.sync_all().map_err(|error| not_written(codes, doing, error))?;
    Ok(Saved { size, digest: hasher.finish() })
}

fn not_written(codes: &Codes, doing: &str, error: std::io::Error) -> Problem {
    let message = format!("{doing}: cannot write what came: {error}");
    Problem::permanent(codes.not_written, message).because(error)
}

/// Watches that enough moves in each stretch of time.
struct Pace {
    low_speed: LowSpeed,
    since: Instant,
    moved: u64,
}

impl Pace {
    fn new(low_speed: LowSpeed) -> Pace {
        Pace { low_speed, since: Instant::now(), moved: 0 }
    }

    async fn next_chunk(
        &mut self,
        codes: &Codes,
        doing: &str,
        response: &mut reqwest::Response,
    ) -> Result<Option<impl std::ops::Deref<Target = [u8]> + use<>>> {
        loop {
            self.judge(codes, doing)?;
            let end = self.since + self.low_speed.window;
            let Ok(chunk) = tokio::time::timeout_at(end, response.chunk()).await else { continue };
            let chunk = chunk.map_err(|error| request_failed(codes, doing, error))?;
            self.moved += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            return Ok(chunk);
        }
    }

    fn judge(&mut self, codes: &Codes, doing: &str) -> Result<()> {
        if self.since.elapsed() < self.low_speed.window {
            return Ok(());
        }
        if self.moved < self.low_speed.bytes {
            return Err(too_slow(codes, doing, &self.low_speed).into());
        }
        *self = Pace::new(self.low_speed);
        Ok(())
    }
}

/// Says that a transfer crawls.
pub fn too_slow(codes: &Codes, doing: &str, low_speed: &LowSpeed) -> Problem {
    let LowSpeed { bytes, window } = low_speed;
    let message = format!("{doing}: fewer than {bytes} bytes moved in {} s", window.as_secs_f32());
    Problem::temporary(codes.too_slow, message)
}

/// Says that no answer came.
pub fn no_answer(codes: &Codes, doing: &str, waited: Duration) -> Problem {
    let message = format!("{doing}: no answer within {} s", waited.as_secs_f32());
    Problem::temporary(codes.too_slow, message)
}

/// Reads the certificates of an own CA.
///
/// # Errors
/// A refusal where the file holds none.
pub fn certificate_authority(pem: &[u8]) -> Result<Vec<reqwest::Certificate>, Refusal> {
    let refuse = |why: String| {
        Refusal::config("ca-unreadable", format!("the CA file cannot be used: {why}"))
            .hint("give a PEM file with the CA's certificates")
    };
    match reqwest::Certificate::from_pem_bundle(pem) {
        Ok(certificates) if certificates.is_empty() => {
            Err(refuse("it holds no certificate".into()))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(refuse(with_sources(&error))),
    }
}

/// Reads a client certificate: one PEM with the certificate and its key, as pyrpkg takes it.
///
/// # Errors
/// A refusal where one of the two is missing; the file's content is never shown.
pub fn client_certificate(pem: &[u8]) -> Result<reqwest::Identity, Refusal> {
    reqwest::Identity::from_pem(pem).map_err(|error| {
        let message = format!("the client certificate cannot be used: {}", with_sources(&error));
        Refusal::config("client-certificate-unreadable", message)
            .hint("give one PEM file with the certificate, those above it, and its key, without passphrase")
    })
}
