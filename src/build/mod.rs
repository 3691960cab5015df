//! Build: a landed commit becomes a build, once, whatever crashes on the way.
//!
//! ```text
//! LandedCommit -> BuildOrder -> Build (recorded) -> task at the build system -> Ending -> words
//! ```
//!
//! 1. [`order`] says what is to be built: package, branch, commit, source address, and by which names it goes.
//! 2. [`state`] is one build on its way: a plain value, stored after each step.
//! 3. [`step()`] is pure: from a state and what was seen, the next state and what it wants done. There it is argued why
//!    no build is submitted twice and none is forgotten.
//! 4. [`drive`] stores each state *before* it does what the state wants; all running tasks are asked for in one request.
//! 5. [`log`] is the record: a folder of files here, the database in the service.
//! 6. [`system`] is what a build system must be able to do. [`koji`] speaks to Koji, or only watches what others start
//!    there; [`command`] runs an operator's program.
//! 7. [`ending`] is how it ends, and what is known of a failure. The words for people are in [`crate::report`].

pub mod command;
pub mod drive;
pub mod ending;
pub mod koji;
pub mod log;
mod moment;
pub mod order;
pub mod state;
pub mod step;
pub mod system;

#[cfg(test)]
mod tests;

pub use drive::{Around, Clock, Driver};
pub use ending::{Built, By, Ending, Failure, LogTail, Refused, Side};
pub use log::{BuildLog, FolderLog};
pub use order::{
    BuildKind, BuildOrder, Nvr, RunId, Source, TagLabel, TargetLabel, TaskId, default_target,
};
pub use state::{Build, Cancel, Policy, Stage};
pub use step::{Action, Check, Observation, Others, Seen, Submission, TagSeen, step, wanted};
pub use system::BuildSystem;
