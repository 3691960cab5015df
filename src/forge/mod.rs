//! Forge: the wall to GitHub, GitLab, Pagure, Forgejo and Gitea. The only room that names octocrab.
//!
//! What is said here was written elsewhere: the words come from [`crate::report`], and what is said when from
//! [`crate::outbox`], which also sees to it that nothing is said twice.
//!
//! 1. An [`Account`] says which program runs where, and what lets us in.
//! 2. [`Forge`] takes one request of ours: [`Forge::set_status`], [`Forge::put_comment`], [`Forge::put_issue`].
//! 3. `github`, `gitlab`, `pagure` and `forgejo` turn it into what their API takes, cut to its limits.
//! 4. `wire` sends it: one request at a time, writes apart from each other, waiting as long as the forge says.
//! 5. `answer` sorts what comes back: done, temporary (with how long to wait), or permanent.
//!
//! Whatever a forge answers is hostile text: it ends in messages only after [`crate::outcome::printable`].

mod account;
mod setback;
mod what;

pub use account::{Account, Credential, Kind, Project, Secret};
pub use setback::{Answer, Setback};
pub use what::{Comment, Issue, RemoteId, State, Status, Thread};
