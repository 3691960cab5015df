//! The command line: arguments in, a command run, an exit code out.
//!
//! Each command is a file. What several share stands in [`world`] (flags that describe the world), [`mod@print`] (how
//! a report is shown), `operator` (what the operator config says), `secret` (files that hold secrets) and [`examples`] (what the help shows, which tests run).

#![allow(
    clippy::disallowed_methods,
    reason = "the command line is where clock, environment and working folder come in"
)]

mod config;
mod demo;
pub mod examples;
mod index;
mod init_spec;
mod jobs;
mod key;
mod keys;
mod operator;
mod populate;
mod print;
mod progress;
mod scope;
mod secret;
mod serve;
mod signer;
mod status;
mod stop;
mod switch;
mod sync;
mod verify;
mod world;

use clap::{Parser, Subcommand, ValueEnum};

use crate::report::Exit;

/// Opens the gate between source-git and dist-git: only what a listed key signed goes through.
#[derive(Debug, Parser)]
#[command(name = "lockkeeper", version, max_term_width = 100, after_help = examples::OVERVIEW)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How the outcome is printed on stdout.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How the outcome is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows the whole main job in a temporary folder; nothing else is needed.
    #[command(after_help = examples::DEMO)]
    Demo(demo::Arguments),
    /// Brings a dist-git branch up to its signed source.
    #[command(after_help = examples::SYNC)]
    Sync(Box<sync::Arguments>),
    /// Does all but landing, and leaves the result in a folder.
    #[command(after_help = examples::PREVIEW)]
    Preview(sync::PreviewArguments),
    /// Says whether a tip may go through, and why.
    #[command(after_help = examples::VERIFY)]
    Verify(verify::Arguments),
    /// Populates and edits the spec alone: no signature, history or divergence rule.
    #[command(after_help = examples::POPULATE)]
    Populate(populate::Arguments),
    /// Checks a branch config or an operator config, or prints the JSON Schema of either.
    #[command(subcommand, after_help = examples::CONFIG)]
    Config(config::Command),
    /// Makes, shows and tries the bot's own key.
    #[command(subcommand, after_help = examples::KEY)]
    Key(key::Command),
    /// Says who may sign a branch's source today, until when, and what changed.
    #[command(after_help = examples::KEYS)]
    Keys(keys::Arguments),
    /// Holds the bot's key in a process of its own, and signs what it has checked for itself.
    #[command(after_help = examples::SIGNER)]
    Signer(Box<signer::Arguments>),
    /// Runs unattended: takes webhooks, syncs, and tells what came of it.
    #[command(after_help = examples::SERVE)]
    Serve(serve::Arguments),
    /// Says how the service stands: what is held back, what waits, what does not answer.
    #[command(after_help = examples::STATUS)]
    Status(status::Arguments),
    /// Lists, shows, repeats and cancels the service's jobs.
    #[command(subcommand, after_help = examples::JOBS)]
    Jobs(jobs::Command),
    /// Holds work back until it is resumed.
    #[command(after_help = examples::PAUSE)]
    Pause(switch::Pause),
    /// Lets work go on that was paused or throttled.
    #[command(after_help = examples::RESUME)]
    Resume(switch::Resume),
    /// Lets work go on, but publish only so often.
    #[command(after_help = examples::THROTTLE)]
    Throttle(switch::Throttle),
    /// Says which dist-git branches are opted in, and what each of them tracks.
    #[command(after_help = examples::INDEX)]
    Index(index::Arguments),
    /// Drafts a first spec for a source-git that has none.
    #[command(after_help = examples::INIT_SPEC)]
    InitSpec(init_spec::Arguments),
}

impl Cli {
    /// Tells whether the command does many things at once: then it wants more than one thread.
    pub fn is_service(&self) -> bool {
        matches!(self.command, Command::Serve(_))
    }
}

/// Runs the command that the arguments name, until it ends or is told to stop.
///
/// A stopped run takes the programs that it started with it: a push that nobody waits for any more must not land
/// behind a person's back. What was done so far is found again by the next run.
pub async fn run(cli: Cli) -> Exit {
    // The signer and the service end by the same signals, in their own order.
    match cli.command {
        Command::Signer(arguments) => return signer::run(*arguments).await,
        Command::Serve(arguments) => return serve::run(arguments).await,
        _ => {}
    }
    let told = match stop::stopped() {
        Ok(told) => told,
        Err(fault) => return print::fault(&fault),
    };
    tokio::select! {
        exit = command(cli) => exit,
        () = told => {
            print::to_stderr("lockkeeper: stopped; run it again to finish\n");
            Exit::TryAgain
        }
    }
}

async fn command(cli: Cli) -> Exit {
    let format = cli.format;
    match cli.command {
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Sync(arguments) => sync::run(*arguments, format).await,
        Command::Preview(arguments) => sync::preview(arguments, format).await,
        Command::Verify(arguments) => verify::run(arguments, format).await,
        Command::Populate(arguments) => populate::run(arguments, format).await,
        Command::Config(command) => config::run(command, format),
        Command::Key(command) => key::run(command, format),
        Command::Keys(arguments) => keys::run(arguments, format).await,
        Command::Signer(arguments) => signer::run(*arguments).await,
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Status(arguments) => status::run(arguments, format).await,
        Command::Jobs(command) => jobs::run(command, format).await,
        Command::Pause(arguments) => switch::pause(arguments, format).await,
        Command::Resume(arguments) => switch::resume(arguments, format).await,
        Command::Throttle(arguments) => switch::throttle(arguments, format).await,
        Command::Index(arguments) => index::run(arguments, format).await,
        Command::InitSpec(arguments) => init_spec::run(&arguments, format),
    }
}
