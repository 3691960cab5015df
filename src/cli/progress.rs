//! The current step on a terminal; silence in a pipe.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::progress::Stage;

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// A spinner on stderr with the current step beside it; it is gone when the run is over.
pub struct Spinner {
    bar: ProgressBar,
}

impl Spinner {
    /// Shows itself where stderr is a terminal.
    pub fn new() -> Spinner {
        match std::io::stderr().is_terminal() {
            true => Spinner::on(ProgressDrawTarget::stderr(), Some(TICK)),
            false => Spinner::on(ProgressDrawTarget::hidden(), None),
        }
    }

    fn on(target: ProgressDrawTarget, tick: Option<Duration>) -> Spinner {
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
                .expect("the template is a constant that indicatif takes"),
        );
        if let Some(tick) = tick {
            bar.enable_steady_tick(tick);
        }
        Spinner { bar }
    }

    /// Shows a step.
    pub fn show(&self, step: Stage) {
        self.bar.set_message(words(step));
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn words(step: Stage) -> String {
    match step {
        Stage::FetchingDistGit => "fetching dist-git".to_owned(),
        Stage::FetchingSource => "fetching the source".to_owned(),
        Stage::Verifying => "verifying".to_owned(),
        Stage::Archiving { bytes } => format!("archiving, {}", HumanBytes(bytes)),
        Stage::Patches => "making patches".to_owned(),
        Stage::Container => "running the container".to_owned(),
        Stage::Uploading => "uploading".to_owned(),
        Stage::Signing => "signing".to_owned(),
        Stage::Pushing => "pushing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_said_in_words_and_bytes() {
        assert_eq!(words(Stage::Archiving { bytes: 3 << 20 }), "archiving, 3.00 MiB");
        assert_eq!(words(Stage::FetchingDistGit), "fetching dist-git");
    }

    #[test]
    fn without_a_terminal_nothing_is_drawn() {
        let spinner = Spinner::on(ProgressDrawTarget::hidden(), None);
        spinner.show(Stage::Pushing);
        assert!(spinner.bar.is_hidden());
        assert_eq!(spinner.bar.message(), "pushing");
    }
}
