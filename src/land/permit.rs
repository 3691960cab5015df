//! The fence: asked for once more right before the push.
//!
//! A run that was stopped for minutes (a suspended machine, a stalled disk) comes back believing that it may go on,
//! while another node has taken its work. dist-git's own lease keeps the two from publishing twice; the permit keeps the
//! one that was presumed dead from publishing at all, say after somebody has paused the branch.

use std::pin::Pin;

use crate::outcome::{Problem, Result};

/// The answer of a [`Permit`], later.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Result<bool>> + Send + 'a>>;

/// Tells whether a run may still push.
pub trait Permit: Send + Sync {
    /// Asks whoever gave the work out.
    ///
    /// # Errors
    /// Fails where nobody can be asked; then nothing is pushed.
    fn holds(&self) -> Asked<'_>;
}

/// The permit of a run that was given its work by nobody but a person: dist-git's lease alone decides.
pub struct Unfenced;

impl Permit for Unfenced {
    fn holds(&self) -> Asked<'_> {
        Box::pin(std::future::ready(Ok(true)))
    }
}

/// Asks, and turns a no into a problem that time mends: whoever has the work now does it.
pub(super) async fn required(permit: &dyn Permit) -> Result<()> {
    match permit.holds().await? {
        true => Ok(()),
        false => Err(Problem::temporary(
            "lease-lost",
            "this run took so long that its work was given to another; nothing was pushed",
        )
        .hint("nothing is to be done: the other run finishes it")
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Answers(bool);

    impl Permit for Answers {
        fn holds(&self) -> Asked<'_> {
            Box::pin(std::future::ready(Ok(self.0)))
        }
    }

    #[tokio::test]
    async fn a_run_whose_work_was_given_away_does_not_push() {
        assert!(required(&Unfenced).await.is_ok());
        assert!(required(&Answers(true)).await.is_ok());
        let fault = required(&Answers(false)).await.unwrap_err();
        let crate::outcome::Fault::Failed(problem) = fault else { panic!("{fault}") };
        assert_eq!(problem.code.0, "lease-lost");
        assert_eq!(problem.lasting, crate::outcome::Lasting::Temporary);
    }
}
