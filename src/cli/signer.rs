//! `lockkeeper signer`: the bot's key in a process of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};

use super::print;
use super::secret::{PassphraseFlags, agent_key, exposed};
use super::stop::stopped;
use super::world::{bot_certs_of, read, working_folder};
use crate::bot_key::BotKey;
use crate::land::Signer;
use crate::land::signer::process::{Doorway, SignerProcess, SignerSocket, SocketMode};
use crate::outcome::{Refusal, Result};
use crate::report::Exit;

/// Arguments of `signer`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The Unix socket to answer at.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// Who may connect: the signer's user alone, or its group too.
    #[arg(long, value_enum, default_value_t = Mode::Owner)]
    socket_mode: Mode,
    /// A user (its number) that may ask; may be repeated. By default whoever the socket's rights let in.
    #[arg(long, value_name = "UID")]
    allow_uid: Vec<u32>,
    /// The bot's secret key, which nobody but this user may be able to read.
    #[arg(long, value_name = "FILE", required_unless_present = "key_agent")]
    key: Option<PathBuf>,
    /// The public line of an SSH key that the agent at $SSH_AUTH_SOCK holds instead.
    #[arg(long, value_name = "TYPE KEY", conflicts_with = "key")]
    key_agent: Option<String>,
    #[command(flatten)]
    passphrase: PassphraseFlags,
    /// A public key of an earlier key of the bot's; may be repeated.
    #[arg(long, value_name = "FILE")]
    bot_cert: Vec<PathBuf>,
    /// A folder of certificates besides the branch's own keys/; may be repeated.
    #[arg(long, value_name = "DIR")]
    keyring: Vec<PathBuf>,
    /// The dist-git address of every package, {name} in the place of its name. With it the signer asks dist-git itself
    /// for a branch's tip, and signs nothing on top of any other commit.
    #[arg(long, value_name = "URL")]
    dist_git: Option<String>,
    /// How many commits are signed within an hour.
    #[arg(long, value_name = "N", default_value_t = crate::land::signer::LIMIT)]
    limit: usize,
    /// How many seconds a request may take to come in.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    patience: u64,
}

/// The rights of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// 0600.
    Owner,
    /// 0660.
    Group,
}

/// Runs `signer`.
pub async fn run(arguments: Arguments) -> Exit {
    match serve(&arguments).await {
        Ok(()) => Exit::Done,
        Err(fault) => print::fault(&fault),
    }
}

async fn serve(arguments: &Arguments) -> Result<()> {
    let process = Arc::new(process(arguments)?);
    let stop = stopped()?;
    let mode = match arguments.socket_mode {
        Mode::Owner => SocketMode::Owner,
        Mode::Group => SocketMode::Group,
    };
    let socket = SignerSocket::bind(&arguments.socket, mode)?;
    print::to_stdout(&format!("lockkeeper signer: listening at {}\n", arguments.socket.display()));
    process.serve(socket, stop).await
}

fn process(arguments: &Arguments) -> Result<SignerProcess> {
    let key = key(arguments)?;
    let mut certificates = vec![key.public()];
    for path in &arguments.bot_cert {
        certificates.push(String::from_utf8_lossy(&read(path)?).into_owned());
    }
    let mut named = vec![("the bot's key".to_owned(), key.public().into_bytes())];
    for path in &arguments.bot_cert {
        named.push((path.display().to_string(), read(path)?));
    }
    let certs = Arc::new(bot_certs_of(named)?);
    let signer = Signer::new(key, certs, arguments.keyring.clone()).limit(arguments.limit);
    let doorway = Doorway {
        users: arguments.allow_uid.clone(),
        patience: Duration::from_secs(arguments.patience),
    };
    let process = SignerProcess::new(signer, certificates, doorway, SystemTime::now)?;
    match &arguments.dist_git {
        Some(address) => process.asking(address, &working_folder()?),
        None => Ok(process),
    }
}

/// Reads the key, which nobody else may be able to read; or names the one in the agent.
fn key(arguments: &Arguments) -> Result<BotKey> {
    let file = match (&arguments.key, &arguments.key_agent) {
        (Some(file), _) => file,
        (None, line) => return agent_key(line.as_deref().unwrap_or_default()),
    };
    match exposed(file) {
        Some(words) => Err(Refusal::config("bot-key-exposed", words)
            .hint("let the key be readable by the signer's own user alone")
            .into()),
        None => {
            let passphrase = arguments.passphrase.read()?;
            Ok(BotKey::load(&read(file)?, passphrase.as_deref())?)
        }
    }
}
