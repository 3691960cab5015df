//! Lockkeeper opens the gate between source-git and dist-git.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make their worlds with the real tools")
)]

pub mod bot_certs;
pub mod bot_key;
pub mod cli;
pub mod config;
pub mod decide;
pub mod demo;
pub mod digest;
pub mod gate;
pub mod git;
pub mod http;
pub mod init_spec;
pub mod land;
pub mod ledger;
pub mod lookaside;
pub mod names;
pub mod observe;
pub mod openpgp;
pub mod outcome;
pub mod populate;
pub mod process;
pub mod progress;
pub mod publication;
pub mod report;
pub mod signer_id;
pub mod spec;
pub mod ssh;
pub mod sync;
pub mod trailers;
pub mod trigger;
pub mod version;
mod words;
