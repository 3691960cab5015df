//! The released tarball: where it comes from, what makes it trustworthy, and what is in it.
//!
//! 1. [`source0`] says which file it is, and [`obtain`] brings it, before population;
//! 2. [`download`] fetches it by rules that a hostile address or server cannot bend;
//! 3. [`pin`] says what pins its digest, or that nothing does;
//! 4. [`tarball`] reads it into a git tree, through [`compression`] and [`content`].

pub mod compression;
pub mod content;
pub mod download;
pub mod network;
pub mod obtain;
pub mod pin;
pub mod source0;
pub mod tarball;
#[cfg(test)]
mod tests;
