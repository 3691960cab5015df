//! Population: the verified source tree becomes the content of a dist-git branch.

pub mod apply;
pub mod archive;
pub mod changelog;
pub mod identity;
pub mod patches;
//! Population: the source tree becomes the dist-git tree.

pub mod gitignore;
pub mod sources;
pub mod upstream;
