//! Being told to stop: SIGTERM, or Ctrl-C.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::outcome::{Problem, Result};

/// The signals that tell the process to stop, one after the other.
pub struct Told {
    terminate: Signal,
    interrupt: Signal,
}

impl Told {
    /// Begins to listen; from now on the signals end nothing by themselves.
    ///
    /// # Errors
    /// Fails where signals cannot be waited for.
    pub fn new() -> Result<Told> {
        let on = |kind: SignalKind| {
            signal(kind).map_err(|error| {
                Problem::permanent("no-signals", format!("cannot wait for signals: {error}"))
                    .because(error)
            })
        };
        let (terminate, interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
        Ok(Told { terminate, interrupt })
    }

    /// Resolves when the process is told to stop, or told once more.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Returns what resolves when the process is told to stop.
///
/// # Errors
/// Fails where signals cannot be waited for.
pub fn stopped() -> Result<impl Future<Output = ()>> {
    let mut told = Told::new()?;
    Ok(async move { told.next().await })
}
