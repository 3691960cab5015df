//! The git room: the only one that names gix or runs `git`.
//!
//! - [`store`] opens a repository hermetically and reads and writes single objects;
//! - [`attributes`] says what a tree's `.gitattributes` files say of a path;
//! - [`commit`] takes a commit or tag object apart, leniently, for walking and for words.
//!
//! Everything is read by object id. Replace refs, grafts, user and system configuration are off:
//! with them an unsigned commit can be made to look like a signed one.

pub mod attributes;
pub mod commit;
pub mod store;

pub use commit::{Commit, Identity, Tag};
pub use store::{EntryMode, Kind, Object, Objects, Store, TreeEntry, Trust};
