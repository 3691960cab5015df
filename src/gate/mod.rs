//! The signature gate: may this tip go through?
//!
//! Pure rules over bytes, listed keys and a given time; no git, no clock, no network. In the order of
//! the design, section 7:
//!
//! - [`CommitObject`] and [`TagObject`] take an object apart strictly;
//! - [`judge_commit`] and [`judge_tag`] hash it, tell the signature's format and give a [`Verdict`];
//!   the cryptography is that of [`crate::openpgp`] and [`crate::ssh`];
//! - [`history`] says what may follow what was published last, [`bind`] whether the commit was meant
//!   for this branch, [`every_commit`] judges a whole range.
//!
//! Every refusal has a stable code, listed in [`CODES`] and explained in `docs/verdicts.md`.

pub mod bind;
mod codes;
pub mod every_commit;
pub mod history;
mod judge;
mod object;
mod verdict;

pub use codes::CODES;
pub use judge::{Policy, judge_commit, judge_release_tag, judge_tag};
pub use object::{CommitObject, Signed, TagObject};
pub use verdict::{Accepted, Verdict, Warning};

pub use crate::signer_id::Signer;
