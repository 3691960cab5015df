//! Lockkeeper opens the gate between source-git and dist-git.

#![forbid(unsafe_code)]

pub mod config;
pub mod digest;
pub mod git;
pub mod http;
pub mod lookaside;
pub mod names;
pub mod outcome;
pub mod populate;
pub mod ssh;
