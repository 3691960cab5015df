//! Being told to stop: SIGTERM, or Ctrl-C.

use tokio::signal::unix::{SignalKind, signal};

use crate::outcome::{Problem, Result};

/// Returns what resolves when the process is told to stop.
///
/// # Errors
/// Fails where signals cannot be waited for.
pub fn stopped() -> Result<impl Future<Output = ()>> {
    let on = |kind: SignalKind| {
        signal(kind).map_err(|error| {
            Problem::permanent("no-signals", format!("cannot wait for signals: {error}"))
                .because(error)
        })
    };
    let (mut terminate, mut interrupt) =
        (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
