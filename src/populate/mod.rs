//! Population: a source tree becomes a dist-git tree.

pub mod archive;
