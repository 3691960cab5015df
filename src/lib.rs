//! Lockkeeper opens the gate between source-git and dist-git.

#![forbid(unsafe_code)]

pub mod config;
pub mod git;
pub mod init_spec;
pub mod names;
pub mod outcome;
pub mod populate;
pub mod ssh;
pub mod version;
