//! `lockkeeper key`: the bot's own key, made, shown and tried.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use serde_json::json;

use super::secret::{PassphraseFlags, exposed, must_be_new, write_new};
use super::world::read;
use super::{Format, print};
use crate::bot_key::{BotKey, Description, Secret, describe};
use crate::land::rehearsal::rehearse;
use crate::outcome::{Fault, Result};
use crate::report::Exit;
use crate::words::{date, timestamp};

/// What to do with a key.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes a key for the bot: OpenPGP v4 Ed25519, or SSH Ed25519.
    Generate(Generate),
    /// Shows what a key file holds, and its public half; nothing is unlocked.
    Show(Show),
    /// Tries whether the key can sign now, and says what is to be mended.
    Check(Check),
}

/// Arguments of `key generate`.
#[derive(Debug, Args)]
pub struct Generate {
    /// The bot's name.
    #[arg(long)]
    name: String,
    /// The bot's mail address.
    #[arg(long)]
    mail: String,
    /// Makes an SSH key instead of an OpenPGP one.
    #[arg(long)]
    ssh: bool,
    #[command(flatten)]
    passphrase: PassphraseFlags,
    /// Where the secret key goes; a file that does not exist.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Where the public half goes; a file that does not exist.
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
}

/// Arguments of `key show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The key: secret or public, OpenPGP or SSH.
    file: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseFlags,
}

/// Arguments of `key check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The bot's secret key.
    file: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseFlags,
}

/// Runs `key`.
pub fn run(command: Command, format: Format) -> Exit {
    let now = SystemTime::now();
    let done = match command {
        Command::Generate(arguments) => generate(&arguments, format, now),
        Command::Show(arguments) => show(&arguments, format, now),
        Command::Check(arguments) => check(&arguments, format, now),
    };
    match done {
        Ok(()) => Exit::Done,
        Err(fault) => print::fault(&fault),
    }
}

fn generate(arguments: &Generate, format: Format, now: SystemTime) -> Result<()> {
    let user_id = BotKey::user_id(&arguments.name, &arguments.mail)?;
    let passphrase = arguments.passphrase.read()?;
    must_be_new(&arguments.output)?;
    arguments.public.as_deref().map_or(Ok(()), must_be_new)?;
    let key = match arguments.ssh {
        true => BotKey::generate_ssh(&arguments.mail)?,
        false => BotKey::generate_openpgp(&user_id, now)?,
    };
    let secret = key.export(passphrase.as_deref())?;
    let description = describe(secret.expose().as_bytes(), now)?;
    write_new(&arguments.output, secret.expose().as_bytes(), 0o600)?;
    if let Some(path) = &arguments.public {
        write_new(path, with_line_end(key.public()).as_bytes(), 0o644)?;
    }
    match format {
        Format::Json => print_json(&description, &[], None),
        Format::Text => {
            let mut words = format!("made {}\n", arguments.output.display());
            words.push_str(&rows(&description));
            if passphrase.is_none() {
                words.push_str(
                    "  note      no passphrase: whoever can read the file can sign as the bot\n",
                );
            }
            if arguments.ssh {
                words.push_str(
                    "  note      an SSH key carries no name: give sync --bot-name and --bot-mail\n",
                );
            }
            print::to_stdout(&words);
        }
    }
    Ok(())
}

fn show(arguments: &Show, format: Format, now: SystemTime) -> Result<()> {
    let bytes = read(&arguments.file)?;
    let mut description = describe(&bytes, now)?;
    // Unlocking shows one thing more: the comment that OpenSSH's format locks away.
    if let (Some(passphrase), Secret::Locked) = (arguments.passphrase.read()?, description.secret) {
        let key = BotKey::load(&bytes, Some(&passphrase))?;
        let public = describe(key.public().as_bytes(), now)?;
        description = Description { secret: Secret::Locked, ..public };
    }
    match format {
        Format::Json => print_json(&description, &[], None),
        Format::Text => {
            let public = with_line_end(description.public.clone());
            print::to_stdout(&format!("{}{public}", rows(&description)));
        }
    }
    Ok(())
}

fn check(arguments: &Check, format: Format, now: SystemTime) -> Result<()> {
    let bytes = read(&arguments.file)?;
    let description = describe(&bytes, now)?;
    let key = BotKey::load(&bytes, arguments.passphrase.read()?.as_deref()).map_err(Fault::from)?;
    let accepted = rehearse(&key, now)?;
    let mut warnings: Vec<String> = accepted.warnings().iter().map(ToString::to_string).collect();
    warnings.extend(exposure(arguments));
    match format {
        Format::Json => print_json(&description, &warnings, Some(true)),
        Format::Text => {
            let mut words = format!("{} can sign now\n", arguments.file.display());
            words.push_str(&rows(&description));
            words.extend(warnings.iter().map(|warning| format!("  warning   {warning}\n")));
            print::to_stdout(&words);
        }
    }
    Ok(())
}

/// Says which of the secret files others can read, and that a key lies open.
fn exposure(arguments: &Check) -> Vec<String> {
    let files = [Some(arguments.file.as_path()), arguments.passphrase.passphrase_file.as_deref()];
    files.into_iter().flatten().filter_map(|file: &Path| exposed(file)).collect()
}

fn with_line_end(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Describes a key, a line each.
fn rows(description: &Description) -> String {
    let secret = match description.secret {
        Secret::Absent => "not here: a public key",
        Secret::Locked => "here, locked by a passphrase",
        Secret::Open => "here, without a passphrase",
    };
    let expires = match &description.expires {
        Ok(None) => "never".to_owned(),
        Ok(Some(at)) => date(*at),
        Err(refusal) => format!("may not sign now: {} [{}]", refusal.message, refusal.code),
    };
    let mut lines = vec![("key", description.id.clone()), ("kind", description.algorithm.clone())];
    lines.extend(description.user_id.clone().map(|user_id| ("user id", user_id)));
    lines.extend(description.created.map(|at| ("created", date(at))));
    lines.push(("expires", expires));
    lines.push(("secret", secret.to_owned()));
    lines.into_iter().map(|(label, text)| format!("  {label:<10}{text}\n")).collect()
}

fn print_json(description: &Description, warnings: &[String], can_sign: Option<bool>) {
    let secret = match description.secret {
        Secret::Absent => "absent",
        Secret::Locked => "locked",
        Secret::Open => "open",
    };
    let object = json!({
        "key": description.id,
        "kind": description.algorithm,
        "user_id": description.user_id,
        "created": description.created.and_then(timestamp),
        "expires": description.expires.as_ref().ok().copied().flatten().and_then(timestamp),
        "reason": description.expires.as_ref().err(),
        "secret": secret,
        "public": description.public,
        "can_sign": can_sign,
        "warnings": warnings,
    });
    print::to_stdout(&format!("{object:#}\n"));
}
