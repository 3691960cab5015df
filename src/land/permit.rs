//! The fence: asked for once more right before the push.
//!
//! A run that was stopped for minutes (a suspended machine, a stalled disk) comes back believing that it may go on,
//! while another node has taken its work. dist-git's own lease keeps the two from publishing twice; the permit keeps the
//! one that was presumed dead from publishing at all, say after somebody has paused the branch.

use std::pin::Pin;

use crate::outcome::{Problem, Result};

/// Whether a run may push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leave {
    /// It may.
    Granted,
    /// Its work was given to another.
    GivenAway,
    /// A person holds the branch back; the words say who and why.
    Held(String),
}

/// The answer of a [`Permit`], later.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Result<Leave>> + Send + 'a>>;

/// Tells whether a run may still push.
pub trait Permit: Send + Sync {
    /// Asks whoever gave the work out.
    ///
    /// # Errors
    /// Fails where nobody can be asked; then nothing is pushed.
    fn leave(&self) -> Asked<'_>;
}

/// The permit of a run that was given its work by nobody but a person: dist-git's lease alone decides.
pub struct Unfenced;

impl Permit for Unfenced {
    fn leave(&self) -> Asked<'_> {
        Box::pin(std::future::ready(Ok(Leave::Granted)))
    }
}

/// Says that the work is somebody else's by now; time mends that, since whoever has it does it.
pub(super) fn given_away() -> Problem {
    let words = "this run took so long that its work was given to another; nothing was pushed";
    Problem::temporary("lease-lost", words).hint("nothing is to be done: the other run finishes it")
}
