//! A task's trouble with the database: told once as it begins, and once as it ends.

use std::time::Duration;

use crate::outcome::Problem;

/// How much trouble there was lately.
#[derive(Debug, Default)]
pub struct Trouble {
    rounds: u32,
}

impl Trouble {
    /// Tells of a problem, where it is new, and returns how long to wait: longer each time, up to ten seconds.
    pub fn pause(&mut self, what: &str, problem: &Problem) -> Duration {
        if self.rounds == 0 {
            tracing::error!(code = %problem.code, "{what}: {}", problem.message);
        }
        self.rounds = self.rounds.saturating_add(1);
        Duration::from_millis(100 << self.rounds.min(7)).min(Duration::from_secs(10))
    }

    /// Tells that it is over, where there was one.
    pub fn is_over(&mut self, what: &str) {
        if self.rounds > 0 {
            tracing::info!("{what}");
        }
        self.rounds = 0;
    }
}
