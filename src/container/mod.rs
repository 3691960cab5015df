//! Containers: the only room that knows podman and docker.
//!
//! Strangers' code runs here and can do nothing but fill a folder. The path of a run:
//!
//! 1. [`options`]: what the operator allows, from `lockkeeper.yaml` and flags;
//! 2. [`Engine::find`] (`probe`, `machine`): which engine is here, what it can hold a container to, and what it cannot
//!    ([`Engine::warnings`]);
//! 3. [`Engine::sweep`]: what a bot that is no more has left behind is removed;
//! 4. [`Engine::resolve`] (`resolve`, `registry`): a branch's [`ImageReference`] becomes a [`PinnedImage`], once
//!    for each sync; the digest is what runs and what is recorded;
//! 5. [`Engine::run`] (`run`): `confine` writes the one argument list for both engines, `log` hears what is
//!    printed, `watch` looks at the output folder, whoever takes too much is stopped with all it started, and
//!    `end` sorts how the others ended;
//! 6. [`Ran`]: how it ended, and [`Ran::done`], which tells it as a refusal.
//!
//! An engine is started by its command line, with an environment that is named variable by variable
//! (`environment`): none of the bot's own secrets is in it, in a mount, or in an argument.
//! Rule: the design, section 5, "Container contract".

mod confine;
mod end;
mod engine;
mod environment;
mod image;
mod log;
mod machine;
pub mod measure;
pub mod options;
mod owner;
mod probe;
mod ran;
mod registry;
mod resolve;
mod run;
mod sweep;
mod watch;

pub use engine::{Engine, Kind};
pub use environment::Environment;
pub use image::{ImageDigest, ImageReference, PinnedImage};
pub use measure::{Bytes, Time};
pub use options::{EngineChoice, Limits, Options};
pub use ran::{ExitKind, Ran, RunLog};
pub use run::{Access, Mount, RunSpec};
