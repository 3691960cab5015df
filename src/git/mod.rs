//! The git room: the only one that names gix or runs `git`.
//!
//! - [`store`] opens a repository hermetically and reads and writes single objects;
//! - [`commit`] takes a commit or tag object apart, leniently, for walking and for words;
//! - [`history`] walks: who descends from whom, what came since, which tags are in reach;
//! - [`diff`] tells what differs between two trees, and between two texts line by line;
//! - [`attributes`] says what a tree's `.gitattributes` files say of a path;
//! - [`tree`] puts trees together from changes, and [`write_out`] writes them out as files;
//! - [`work_tree`] keeps a whole checkout between runs, for containers to read;
//! - [`mirror`] keeps bare copies of repositories that lie elsewhere;
//! - [`note`] keeps what a walk found for the next run, and [`trail`] asks only for what is new since;
//! - [`remote`] fetches and pushes, through the program `git`.
//!
//! Everything is read by object id. Replace refs, grafts, user and system configuration are off:
//! with them an unsigned commit can be made to look like a signed one.

pub mod attributes;
pub mod commit;
pub mod diff;
pub mod history;
pub mod mirror;
pub mod note;
pub mod remote;
pub mod store;
pub mod trail;
pub mod tree;
pub mod work_tree;
pub mod write_out;

pub use commit::{Commit, Identity, Tag};
pub use diff::{ChangedLines, FileChange, LineDiff, Side};
pub use history::{Relation, Step, TagReference};
pub use mirror::{About, Mirrors, Wanted};
pub use note::Note;
pub use remote::{Pushed, Transport};
pub use store::{EntryMode, Kind, Object, Objects, Store, TreeEntry, Trust};
pub use trail::Trail;
pub use tree::Change;
pub use work_tree::{Checkout, WorkTree};
