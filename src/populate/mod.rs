//! Populate: the source tree becomes the dist-git tree.

pub mod spec;
