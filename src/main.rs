//! Arguments -> command -> exit code.

use std::process::ExitCode;

use clap::Parser;
use lockkeeper::cli::{self, Cli};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let usual = if cli.is_service() { "lockkeeper=info,warn" } else { "warn" };
    let filter =
        EnvFilter::try_from_env("LOCKKEEPER_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    // A log that cannot be written, on a full disk, must not take the service with it.
    let log = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    log.with_writer(std::io::stderr).init();
    let mut runtime = match cli.is_service() {
        true => tokio::runtime::Builder::new_multi_thread(),
        false => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("lockkeeper: the asynchronous runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let exit = runtime.block_on(cli::run(cli));
    // Whatever a thread is still computing, nobody waits for it.
    runtime.shutdown_background();
    ExitCode::from(exit as u8)
}
