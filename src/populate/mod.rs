//! Population: the verified source tree becomes the content of a dist-git branch.

pub mod apply;
pub mod archive;
pub mod changelog;
pub mod gitignore;
pub mod identity;
pub mod patches;
pub mod sources;
#[cfg(test)]
pub(crate) mod testing;
pub mod upstream;
