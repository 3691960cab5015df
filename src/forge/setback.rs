//! Why something could not be said at a forge, and when to try again.

use std::time::Duration;

use crate::outcome::Problem;

/// A forge did not take what we said.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct Setback {
    /// What was tried and what was found; temporary where it is to be tried again.
    pub problem: Problem,
    /// How long nothing more is to be sent with this account, where the forge said so or the fault lies in the
    /// account and not in the message.
    pub hold: Option<Duration>,
}

impl Setback {
    /// Lets everything that this account has to say wait.
    #[must_use]
    pub fn hold(self, wait: Duration) -> Setback {
        Setback { hold: Some(wait), ..self }
    }
}

impl From<Problem> for Setback {
    fn from(problem: Problem) -> Setback {
        Setback { problem, hold: None }
    }
}

/// What a forge answered.
pub type Answer<T> = Result<T, Setback>;
