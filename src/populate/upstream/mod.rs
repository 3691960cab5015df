//! The released tarball.
