//! Population: the source tree becomes the dist-git tree.
