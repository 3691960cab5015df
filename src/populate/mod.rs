//! Population: the source tree becomes the dist-git tree.

pub mod gitignore;
pub mod sources;
pub mod upstream;
