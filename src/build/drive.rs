//! Drives builds: stores each state, does what it wants, takes in what was seen.

use jiff::Timestamp;

use super::ending::{Built, Refused};
use super::log::BuildLog;
use super::order::TaskId;
use super::state::{Build, Policy, Stage};
use super::step::{Action, Observation, Others, Seen, Submission, step, wanted};
use super::system::BuildSystem;
use crate::names::PackageName;
use crate::outcome::{Fault, Result};

/// What the driver asks of those around it.
pub trait Around: Send + Sync {
    /// Returns how the packages stand that come first.
    fn others(&self, packages: &[PackageName]) -> Others;

    /// Returns the verdict on a build; `None` where it is not given yet.
    fn validated(&self, build: &Build, built: &Built) -> Option<Result<(), Refused>>;

    /// Tells people how a build ended; `false` where that is to be tried again.
    fn tell(&self, build: &Build) -> bool;
}

/// Follows builds on one build system.
pub struct Driver<S, L, A> {
    system: S,
    log: L,
    around: A,
    policy: Policy,
}

impl<S: BuildSystem, L: BuildLog, A: Around> Driver<S, L, A> {
    /// Returns a driver.
    pub fn new(system: S, log: L, around: A, policy: Policy) -> Self {
        Driver { system, log, around, policy }
    }

    /// Takes up every build that is on record and not settled.
    ///
    /// # Errors
    /// A problem where the record cannot be read or written.
    pub fn wake(&self, now: Timestamp) -> Result<Vec<Build>> {
        let builds = self.log.unsettled()?;
        builds.into_iter().map(|build| self.take_in(build, Observation::Woken, now)).collect()
    }

    /// Takes up one more build: from the record where it is known, else it is recorded now.
    ///
    /// # Errors
    /// A problem where the record cannot be read or written.
    pub fn take(&self, build: Build, now: Timestamp) -> Result<Build> {
        match self.log.get(&build.key())? {
            Some(known) => self.take_in(known, Observation::Woken, now),
            None => {
                self.log.put(&build)?;
                Ok(build)
            }
        }
    }

    /// Takes in what was seen: the new state is on record when this returns.
    ///
    /// # Errors
    /// A problem where the record cannot be written.
    pub fn take_in(&self, build: Build, seen: Observation, now: Timestamp) -> Result<Build> {
        let (after, _) = step(build.clone(), seen, &self.policy, now);
        if after != build {
            self.log.put(&after)?;
        }
        Ok(after)
    }

    /// Brings every build as far as it goes without waiting: one poll for all running tasks, then the steps that
    /// follow from it.
    ///
    /// # Errors
    /// A problem where the record cannot be written. What the build system does not answer is asked again next time.
    pub async fn round(&self, builds: &mut [Build], clock: &Clock) -> Result<()> {
        for build in builds.iter_mut() {
            self.settle(build, clock).await?;
        }
        for at in self.poll(builds, clock).await? {
            self.settle(&mut builds[at], clock).await?;
        }
        Ok(())
    }

    /// Does what a build wants until it waits for something.
    async fn settle(&self, build: &mut Build, clock: &Clock) -> Result<()> {
        loop {
            let now = clock();
            let before = build.clone();
            *build = self.take_in(before.clone(), Observation::Tick, now)?;
            for action in wanted(build, now) {
                let Some(seen) = self.perform(build, &action).await else { continue };
                let unsent = matches!(&seen, Observation::Sent(sent) if !is_answer(sent));
                *build = self.take_in(build.clone(), seen, clock())?;
                if unsent {
                    // Not again at once: the next round does, when the build system may be there.
                    return Ok(());
                }
            }
            if *build == before || matches!(build.stage, Stage::Following { .. }) {
                return Ok(());
            }
        }
    }

    /// Does one action; polls are gathered elsewhere. `None`: not done, or not answered.
    async fn perform(&self, build: &Build, action: &Action) -> Option<Observation> {
        match action {
            Action::AskOthers(packages) => Some(Observation::Others(self.around.others(packages))),
            Action::Check => answered(self.system.check(build).await).map(Observation::Checked),
            Action::Find => answered(self.system.find(build).await).map(Observation::Found),
            Action::Submit => Some(Observation::Sent(self.system.submit(build).await)),
            Action::Cancel(task) => {
                answered(self.system.cancel(task).await).map(|()| Observation::CancelSent)
            }
            Action::Validate(built) => {
                self.around.validated(build, built).map(Observation::Validated)
            }
            Action::LookForTag { build, tag, tagger } => {
                let seen = self.system.tag(build, tag, tagger.as_ref()).await;
                answered(seen).map(Observation::Tag)
            }
            Action::Tell => self.around.tell(build).then_some(Observation::Told),
            Action::Poll(_) | Action::WaitUntil(_) => None,
        }
    }

    /// Asks for all running tasks at once, and returns where the builds are that came further.
    async fn poll(&self, builds: &mut [Build], clock: &Clock) -> Result<Vec<usize>> {
        let running: Vec<usize> =
            (0..builds.len()).filter(|at| task_of(&builds[*at]).is_some()).collect();
        if running.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<(&Build, TaskId)> = running
            .iter()
            .filter_map(|at| Some((&builds[*at], task_of(&builds[*at])?.clone())))
            .collect();
        let Some(seen) = answered(self.system.poll(&asked).await) else {
            return Ok(Vec::new());
        };
        let mut moved = Vec::new();
        for (at, seen) in running.into_iter().zip(seen) {
            let build = builds[at].clone();
            let seen = self.explained(&build, seen).await;
            let after = self.take_in(build.clone(), Observation::Polled(seen), clock())?;
            if after != build {
                builds[at] = after;
                moved.push(at);
            }
        }
        Ok(moved)
    }

    /// Brings the details of a failure; without an answer, what the poll said is all that is known.
    async fn explained(&self, build: &Build, seen: Seen) -> Seen {
        match (seen, task_of(build)) {
            (Seen::Failed(failure), Some(task)) => {
                Seen::Failed(answered(self.system.logs(task).await).unwrap_or(failure))
            }
            (seen, _) => seen,
        }
    }
}

/// Tells the time; tests turn its hands.
pub type Clock = dyn Fn() -> Timestamp + Send + Sync;

fn is_answer(sent: &Submission) -> bool {
    matches!(sent, Submission::Accepted(_) | Submission::Refused(_))
}

fn task_of(build: &Build) -> Option<&TaskId> {
    match &build.stage {
        Stage::Following { task, .. } => Some(task),
        _ => None,
    }
}

/// Logs a question that was not answered, once, where it is dealt with: it is asked again later.
fn answered<T>(answer: Result<T>) -> Option<T> {
    answer
        .inspect_err(|fault| match fault {
            Fault::Refused(refusal) => {
                tracing::warn!(code = %refusal.code, "the build system refused: {refusal}");
            }
            Fault::Failed(problem) => {
                tracing::info!(code = %problem.code, "the build system did not answer: {problem}");
            }
        })
        .ok()
}
