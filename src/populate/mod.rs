//! Population: the verified source tree becomes the content of a dist-git branch.

pub mod apply;
pub mod identity;
pub mod patches;
#[cfg(test)]
pub(crate) mod testing;
