//! The asking side: a signer in another process, behind a Unix socket.
//!
//! The key never comes here, only a signature does. It is checked against the public halves that the signer named when
//! it was first asked, so that a wrong process behind the socket is found out before anything is pushed.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::wire::{self, Answer, PROTOCOL, Question, Request, ToSign, Who};
use super::{Door, SigningRequest, evidence};
use crate::bot_certs::BotCerts;
use crate::git::commit::with_signature;
use crate::outcome::{Fault, Problem, Refusal, Result};

/// How long one answer may take: the signer may have to ask dist-git.
const PATIENCE: Duration = Duration::from_secs(120);

/// A signer in another process.
#[derive(Debug)]
pub struct SignerClient {
    socket: PathBuf,
    who: Who,
    certs: Arc<BotCerts>,
}

impl SignerClient {
    /// Asks the signer behind `socket` who it is.
    ///
    /// # Errors
    /// `signer-unreachable` (temporary) where nobody answers, `signer-answer-wrong` where the answer is no answer.
    pub fn connect(socket: &Path) -> Result<SignerClient> {
        match ask(socket, Question::Who)? {
            Answer::Who(who) => {
                let files = who.certificates.iter().map(|text| ("the signer's key", text));
                let (certs, _) = BotCerts::load(files);
                Ok(SignerClient { socket: socket.to_owned(), who, certs: Arc::new(certs) })
            }
            Answer::NotSigned(why) => Err(why.into()),
            Answer::Signed(_) => Err(wrong(socket, "a signature that nobody asked for").into()),
        }
    }

    /// Returns the public halves of the keys that the signer calls the bot's own.
    pub fn bot_certs(&self) -> Arc<BotCerts> {
        Arc::clone(&self.certs)
    }

    /// Returns their text, the signer's own first.
    pub fn certificates(&self) -> &[String] {
        &self.who.certificates
    }
}

impl Door for SignerClient {
    fn identity(&self) -> Option<(String, String)> {
        self.who.identity.clone()
    }

    fn sign(&self, request: &SigningRequest<'_>) -> Result<Vec<u8>> {
        let objects = evidence::gather(request, &self.certs)?;
        let question = Question::Sign(Box::new(ToSign {
            package: request.target.package.to_string(),
            branch: request.target.branch.to_string(),
            unsigned_commit: wire::Bytes(request.unsigned_commit.to_vec()),
            source_commit: wire::Bytes(request.source_commit.to_vec()),
            objects: objects.into_iter().map(Into::into).collect(),
        }));
        match ask(&self.socket, question)? {
            Answer::Signed(armour) => self.checked(request.unsigned_commit, &armour),
            Answer::NotSigned(why) => Err(why.into()),
            Answer::Who(_) => Err(wrong(&self.socket, "no signature").into()),
        }
    }
}

impl SignerClient {
    /// Puts the signature into the commit and sees that it is one of the keys that were named at first.
    fn checked(&self, unsigned: &[u8], armour: &str) -> Result<Vec<u8>> {
        let signed = with_signature(unsigned, armour);
        match self.certs.signed(&signed) {
            Some(_) => Ok(signed),
            None => Err(wrong(&self.socket, "a signature that none of its keys made").into()),
        }
    }
}

fn ask(socket: &Path, question: Question) -> Result<Answer> {
    let frame = wire::frame(&Request { version: PROTOCOL, ask: question });
    let announced = frame.len() - 4;
    let header = u32::try_from(announced).unwrap_or(u32::MAX).to_be_bytes();
    wire::length(header, wire::REQUEST_LIMIT)?;
    let body = exchange(socket, &frame).map_err(|error| unreachable(socket, error))?;
    let body = body.map_err(Fault::from)?;
    wire::parse(&body).map_err(|_| wrong(socket, "something that cannot be read").into())
}

/// Sends one frame and reads one; the outer result is the socket's, the inner one the protocol's.
fn exchange(socket: &Path, frame: &[u8]) -> std::io::Result<Result<Vec<u8>, Refusal>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // A signer that refuses early stops reading: its answer says why, and is worth more than a broken pipe.
    let sent = stream.write_all(frame);
    let mut header = [0; 4];
    if let Err(error) = stream.read_exact(&mut header) {
        return Err(sent.err().unwrap_or(error));
    }
    let length = match wire::length(header, wire::ANSWER_LIMIT) {
        Ok(length) => length,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Ok(body))
}

fn unreachable(socket: &Path, error: std::io::Error) -> Problem {
    let words = format!("the signer at {} does not answer: {error}", socket.display());
    Problem::temporary("signer-unreachable", words)
        .hint("see that `lockkeeper signer` runs there and that this user may use its socket")
        .because(error)
}

fn wrong(socket: &Path, words: &str) -> Problem {
    let words = format!("the signer at {} answers with {words}", socket.display());
    Problem::permanent("signer-answer-wrong", words)
        .hint("see which program listens there, and that its key is the one that it had before")
}
