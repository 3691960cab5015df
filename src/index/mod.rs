//! Index.
mod key;
pub use key::{Hosts, RepositoryKey};
