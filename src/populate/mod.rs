//! Population: the source tree becomes the dist-git tree.
//! Population: what the source tree becomes in dist-git.

pub mod changelog;
//! Population: the verified source tree becomes the content of a dist-git branch.

pub mod apply;
pub mod identity;
pub mod patches;
