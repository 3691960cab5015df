//! A key that an SSH agent holds: only the agent's socket and the public half are here.
//!
//! One exchange of the agent's protocol is needed (draft-ietf-sshm-ssh-agent, "sign request"): a length, a number for
//! the kind of message, and strings with their lengths.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ssh_key::{Algorithm, HashAlg, LineEnding, PublicKey, Signature, SshSig};

use super::NAMESPACE;
use crate::outcome::{Problem, Refusal};

/// The kinds of message that are sent and understood.
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// No answer may be larger than this; honest ones are about a hundred bytes.
const ANSWER_LIMIT: usize = 64 * 1024;

/// How long an answer may take: some agents ask their owner first.
const PATIENCE: Duration = Duration::from_secs(60);

/// An SSH key in an agent.
#[derive(Clone)]
pub struct AgentKey {
    socket: PathBuf,
    public: PublicKey,
}

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ssh::AgentKey({})", self.fingerprint())
    }
}

impl AgentKey {
    /// Names a key by its public line, `TYPE BASE64 [comment]`; the agent is asked when there is something to sign.
    ///
    /// # Errors
    /// Refuses what is no public key, and kinds that the bot does not sign with.
    pub fn new(socket: &Path, line: &str) -> Result<AgentKey, Refusal> {
        let public = PublicKey::from_openssh(line.trim()).map_err(|error| {
            let words = format!("the agent's key {line:?} is no SSH public key: {error}");
            Refusal::config("bot-key-unreadable", words)
                .hint("give type and key as `ssh-add -L` shows them")
        })?;
        match public.algorithm() {
            Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => {
                Ok(AgentKey { socket: socket.to_owned(), public })
            }
            other => Err(super::secret_key::unsupported(&other)),
        }
    }

    /// Has the agent sign `payload` in git's namespace; its signature is checked before it is used.
    ///
    /// # Errors
    /// `ssh-agent` (temporary) where the agent does not answer, does not have the key, or signs with another one.
    pub fn sign(&self, payload: &[u8]) -> Result<String, Problem> {
        let odd = |error: ssh_key::Error| self.failed(&error.to_string());
        let data = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, payload).map_err(odd)?;
        let request = self.request(&data).map_err(odd)?;
        let answer = self.exchange(&request).map_err(|error| self.failed(&error.to_string()))?;
        let signature = signature_in(&answer).map_err(|words| self.failed(words))?;
        let signature = Signature::try_from(signature).map_err(odd)?;
        let public = self.public.key_data().clone();
        let signed = SshSig::new(public, NAMESPACE, HashAlg::Sha512, signature).map_err(odd)?;
        self.public.verify(NAMESPACE, payload, &signed).map_err(odd)?;
        signed.to_pem(LineEnding::LF).map_err(odd)
    }

    fn request(&self, data: &[u8]) -> Result<Vec<u8>, ssh_key::Error> {
        let mut body = vec![SIGN_REQUEST];
        put_string(&mut body, &self.public.to_bytes()?);
        put_string(&mut body, data);
        // No flags: they choose among RSA's hashes only.
        body.extend(0_u32.to_be_bytes());
        Ok(body)
    }

    fn exchange(&self, body: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut message = Vec::new();
        put_string(&mut message, body);
        stream.write_all(&message)?;
        let mut header = [0; 4];
        stream.read_exact(&mut header)?;
        let length = u32::from_be_bytes(header) as usize;
        if length > ANSWER_LIMIT {
            return Err(std::io::Error::other("its answer is too large"));
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }

    fn failed(&self, words: &str) -> Problem {
        let words =
            format!("the SSH agent at {} gives no signature: {words}", self.socket.display());
        Problem::temporary("ssh-agent", words)
            .hint("see with `ssh-add -L` that the agent runs and holds the key")
    }

    /// Returns the public key's line: type, key and comment.
    pub fn public_line(&self) -> String {
        self.public.to_openssh().expect("a key that was read can be written")
    }

    /// Returns `SHA256:` and the digest, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        self.public.fingerprint(HashAlg::Sha256).to_string()
    }
}

fn put_string(to: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("keys, digests and requests are small");
    to.extend(length.to_be_bytes());
    to.extend(bytes);
}

/// Takes the signature out of an answer.
fn signature_in(answer: &[u8]) -> Result<&[u8], &'static str> {
    let Some((&SIGN_RESPONSE, rest)) = answer.split_first() else {
        return Err("it refuses; it may not hold the key, or its owner said no");
    };
    let (header, rest) = rest.split_first_chunk::<4>().ok_or("its answer ends early")?;
    match rest.len() == u32::from_be_bytes(*header) as usize {
        true => Ok(rest),
        false => Err("its answer is malformed"),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::ssh::SecretKey;

    /// OpenSSH's own agent, until the story ends.
    struct Agent(Child);

    impl Agent {
        fn start(socket: &Path) -> Agent {
            let mut command = Command::new("ssh-agent");
            command.arg("-D").arg("-a").arg(socket).stdout(Stdio::piped());
            let mut child = command.spawn().expect("ssh-agent is installed");
            let mut line = [0; 1];
            let said = child.stdout.as_mut().expect("a pipe").read(&mut line);
            assert!(said.is_ok() && socket.exists(), "the agent listens");
            Agent(child)
        }
    }

    impl Drop for Agent {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn an_agent_signs_what_the_key_itself_signs() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let _agent = Agent::start(&socket);
        let key = SecretKey::generate("bot").unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, key.export(None).unwrap()).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, private).unwrap();
        let in_agent = AgentKey::new(&socket, &key.public_line()).unwrap();
        let absent = in_agent.sign(b"payload").unwrap_err();
        assert!(absent.message.contains("it refuses"), "{absent}");
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(&file).env("SSH_AUTH_SOCK", &socket);
        assert!(add.status().expect("ssh-add is installed").success());
        assert_eq!(in_agent.sign(b"payload").unwrap(), key.sign(b"payload").unwrap());
        assert_eq!(in_agent.fingerprint(), key.fingerprint());
    }

    #[test]
    fn answers_that_are_no_signature_are_told_apart() {
        for (answer, words) in [
            (&[5][..], "it refuses"),
            (&[], "it refuses"),
            (&[14, 0, 0], "ends early"),
            (&[14, 0, 0, 0, 9, 1], "malformed"),
        ] {
            assert!(signature_in(answer).unwrap_err().contains(words), "{answer:?}");
        }
        assert_eq!(signature_in(&[14, 0, 0, 0, 2, 7, 8]), Ok(&[7, 8][..]));
    }

    #[test]
    fn only_keys_that_the_bot_signs_with_are_taken() {
        assert!(AgentKey::new(Path::new("/x"), "nonsense").is_err());
        let line = SecretKey::generate("bot").unwrap().public_line();
        let missing = AgentKey::new(Path::new("/nowhere/agent"), &line);
        assert_eq!(missing.unwrap().sign(b"x").unwrap_err().code.0, "ssh-agent");
    }
}
