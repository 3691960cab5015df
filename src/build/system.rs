//! What a build system must be able to do.

use std::future::Future;

use super::ending::{Built, Failure};
use super::order::{TagLabel, TaskId};
use super::state::Build;
use super::step::{Check, Seen, Submission, TagSeen};
use crate::outcome::Result;

/// A build system.
///
/// An error says that the question was not answered: the caller leaves the state as it is and asks again later.
/// What *was* answered, good or bad, is a value.
pub trait BuildSystem: Send + Sync {
    /// Asks whether a build may begin, and is there or under way already.
    fn check(&self, build: &Build) -> impl Future<Output = Result<Check>> + Send;

    /// Searches for the task of the present try, by its run id; one that only follows, for anybody's of the commit.
    fn find(&self, build: &Build) -> impl Future<Output = Result<Option<TaskId>>> + Send;

    /// Submits the present try once, with its run id in it, so that [`BuildSystem::find`] finds it.
    fn submit(&self, build: &Build) -> impl Future<Output = Submission> + Send;

    /// Asks how tasks stand, all in one request where that is possible; one answer for each, in their order.
    fn poll(&self, builds: &[(&Build, TaskId)]) -> impl Future<Output = Result<Vec<Seen>>> + Send;

    /// Stops a task; one that is over already is no error.
    fn cancel(&self, task: &TaskId) -> impl Future<Output = Result<()>> + Send;

    /// Completes what is known of a failed task: which step, which architecture, and the end of the right log.
    fn logs(&self, task: &TaskId) -> impl Future<Output = Result<Failure>> + Send;

    /// Looks whether a build has a tag, and asks for it where nobody did.
    fn tag(
        &self,
        build: &Built,
        tag: &TagLabel,
        tagger: Option<&TaskId>,
    ) -> impl Future<Output = Result<TagSeen>> + Send;
}
