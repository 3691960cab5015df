//! Population: the source tree becomes the dist-git tree.
//! Population: what the source tree becomes in dist-git.

pub mod changelog;
