//! A small world to show and to test the main job in: people with keys, a source-git project, a dist-git, a
//! lookaside cache; all in one folder, made with nothing but git.
//!
//! - [`people`] sign commits with keys of their own;
//! - [`project`] is a source-git repository in which commits are made without a work tree;
//! - [`package`] is a dist-git repository and its lookaside cache;
//! - [`story`] tells the main job from a first release to a divergence;
//! - [`real`] does it with a real project's history.

pub mod package;
pub mod people;
pub mod project;
pub mod real;
pub mod story;

pub use package::Package;
pub use people::{Kind, Person};
pub use project::{NewCommit, Project};
