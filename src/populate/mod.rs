//! Population: what the source tree becomes in dist-git.

pub mod changelog;
