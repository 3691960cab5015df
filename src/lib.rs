//! Lockkeeper opens the gate between source-git and dist-git.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make their worlds with the real tools")
)]

pub mod config;
pub mod git;
pub mod names;
pub mod outcome;
pub mod ssh;
