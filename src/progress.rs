//! What a run is doing, for whoever watches: a spinner on a terminal, a line in the service's log.
//!
//! Nothing depends on it: who watches hears, and changes nothing.

/// The stage that a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The dist-git branch is fetched.
    FetchingDistGit,
    /// The source branch and its tags are fetched.
    FetchingSource,
    /// Signatures, history, tags and release are looked at.
    Verifying,
    /// The archive is written.
    Archiving {
        /// How many bytes of it are there.
        bytes: u64,
    },
    /// Patches are made and proved.
    Patches,
    /// A container runs.
    Container,
    /// Archives go to the lookaside cache.
    Uploading,
    /// The commit is signed.
    Signing,
    /// The commit is pushed.
    Pushing,
}

/// Somebody who watches, or nobody.
#[derive(Clone, Copy)]
pub struct Progress<'a> {
    watcher: &'a (dyn Fn(Stage) + Sync),
}

impl<'a> Progress<'a> {
    /// Nobody watches.
    pub const SILENT: Progress<'static> = Progress { watcher: &|_| {} };

    /// Tells each stage to `watcher`, as it begins and as it goes on.
    pub fn new(watcher: &'a (dyn Fn(Stage) + Sync)) -> Progress<'a> {
        Progress { watcher }
    }

    /// Says which stage the run is at.
    pub fn at(&self, step: Stage) {
        (self.watcher)(step);
    }
}
