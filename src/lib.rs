//! Lockkeeper opens the gate between source-git and dist-git.
//!
//! The map: one sentence for each module, in the order that data flows. `docs/architecture.md` tells the same as
//! a story, with who may import whom.
//!
//! ```text
//! bytes -> trigger -> Target -> observe -> Facts -> decide -> VerifiedTip -> populate -> PopulatedTree
//!       -> land -> LandedCommit -> build -> Ending -> report -> words
//! ```
//!
//! **From arguments to words**
//!
//! - [`cli`] reads arguments, clock and environment, runs one command and returns its exit code.
//! - [`trigger`] turns what came from outside into a [`trigger::Target`]: *look at this branch*, never *do this*.
//! - [`sync`] tells the story of one dist-git branch on one page.
//! - [`observe`] reads what is true now at both ends and decides nothing.
//! - [`ledger`] reads what a dist-git branch says of its own state: config, certificates, last publication, floor.
//! - [`gate`] gives the verdict on a signed object, without git, clock or network.
//! - [`version`] chooses the release tag, the version and the release number.
//! - [`decide`] draws the conclusion from the facts; only it makes a [`decide::VerifiedTip`].
//! - [`populate`] makes the dist-git tree of a verified tip and proves it; only it makes a [`populate::PopulatedTree`].
//! - [`sources`] keeps `sources` and `.gitignore`, the files of dist-git that name archives.
//! - [`spec`] edits a spec file and keeps every byte that it does not edit.
//! - [`prove`] has rpm itself prepare the tree, in a sandbox, where that is asked for.
//! - [`land`] uploads, signs one commit and pushes it with a lease; only it makes a [`land::LandedCommit`].
//! - [`lookaside`] keeps archives in a folder, or at a server that speaks dist-git's upload protocol.
//! - [`build`] has the landed commit built, once, whatever crashes on the way.
//! - [`report`] puts the outcome into words, JSON and an exit code.
//! - [`outbox`] tells it: messages that are stored with the outcome, and the courier that carries them.
//!
//! **What they speak of**
//!
//! - [`names`] holds the names of things: parsed or refused, then trusted.
//! - [`outcome`] sorts what went wrong by whose move is next.
//! - [`secret`] is a secret from a file, which never shows itself.
//! - [`config`] reads the branch config, `source-git.yaml`: what the file may say, and what we may rely on.
//! - [`operator`] reads the operator config, `lockkeeper.yaml`.
//! - [`index`] knows which dist-git branches are opted in, and which source each of them tracks.
//! - [`trailers`] reads the `Key: value` lines at the end of a commit message.
//! - [`publication`] writes and reads the trailers by which the bot's own commits say what they published.
//! - [`signer_id`] names the key that made a good signature.
//! - [`bot_key`] is the bot's own secret key, OpenPGP or SSH.
//! - [`bot_certs`] tells by the bot's public keys which dist-git commits are its own.
//! - [`queue`] holds the rules by which work waits, runs, is tried again and is held.
//! - [`progress`] says what a run is doing, to whoever watches.
//! - [`digest`] computes and compares the hashes that `sources` and the lookaside cache know.
//! - `words` writes dates for people.
//!
//! **The walls: one room for each outside world**
//!
//! - [`git`] is the only room that names gix or runs `git`.
//! - [`openpgp`] is the only room that names sequoia.
//! - [`ssh`] is the only room that names ssh-key.
//! - [`http`] holds what the HTTP clients share: timeouts, retries, bodies that are hashed while they are written.
//! - [`forge`] is the only room that names octocrab: statuses, comments and issues at five kinds of forges.
//! - [`database`] keeps deliveries, jobs, history and what is to be told; it is the only room that names sqlx.
//! - [`process`] is the only room that starts other programs.
//! - [`container`] is the only room that knows podman and docker: it pins images to digests and confines what runs.
//!
//! **Beside the way**
//!
//! - [`service`] runs unattended: it takes deliveries, keeps the queue moving and stops cleanly.
//! - [`demo`] makes a small world in one folder and plays the main job in it.
//! - [`replay`] makes recent publications again with this build and compares the trees.
//! - [`conformance`] says point by point whether an image keeps the container contract.
//! - [`init_spec`] drafts a first spec for a package that has none.

#![forbid(unsafe_code)]
#![allow(
    rustdoc::private_intra_doc_links,
    reason = "a front page links to its own private files; the documentation is built with them"
)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make their worlds with the real tools")
)]

pub mod bot_certs;
pub mod bot_key;
pub mod build;
pub mod cli;
pub mod config;
pub mod conformance;
pub mod container;
pub mod database;
pub mod decide;
pub mod demo;
pub mod digest;
pub mod forge;
pub mod gate;
pub mod git;
pub mod http;
pub mod index;
pub mod init_spec;
pub mod land;
pub mod ledger;
pub mod lookaside;
pub mod names;
pub mod observe;
pub mod openpgp;
pub mod operator;
pub mod outbox;
pub mod outcome;
pub mod populate;
pub mod process;
pub mod progress;
pub mod prove;
pub mod publication;
pub mod queue;
pub mod replay;
pub mod report;
pub mod secret;
pub mod service;
pub mod signer_id;
pub mod sources;
pub mod spec;
pub mod ssh;
pub mod sync;
pub mod trailers;
pub mod trigger;
pub mod version;
mod words;
