//! Observe: what is true now at both ends. Reads everything, decides nothing.
//!
//! 1. the dist-git branch is fetched: its tip is what the push will be leased on;
//! 2. at that tip: is it retired, is it opted in, what does the config say, what did the bot publish last,
//!    who else wrote since, what is the highest EVR ever published ([`crate::ledger`]);
//! 3. the source branch is fetched: its tip, the verdict on it, how it stands to what was published
//!    ([`source`]);
//! 4. the tags in its reach, and which of them is the release.

mod source;
mod spec;

use std::time::SystemTime;

pub use source::{Asked, ReleaseFacts, SourceFacts, every_commit, open_source, release};
pub use spec::{SourceSpec, find_spec};

use crate::config::TagTrust;
use crate::gate::Policy;
use crate::git::{About, Commit, Mirrors, Store, Transport, Wanted};
use crate::ledger::{self, BranchState, Entry, Trusted};
use crate::names::ObjectId;
use crate::outcome::{Problem, Result};
use crate::progress::{Progress, Stage};
use crate::trigger::Target;
use crate::version::NewerBranch;

/// What a look at the world needs besides the target.
pub struct Lookout<'a> {
    /// Our copies of repositories that lie elsewhere.
    pub mirrors: &'a Mirrors,
    /// The way to them.
    pub transport: &'a Transport,
    /// Whose commits and certificates are to be believed.
    pub trusted: Trusted<'a>,
    /// Whether release tags must be signed where the branch does not say.
    pub tag_trust: TagTrust,
    /// Whether a branch config may name a repository of this machine: whoever may write a config would have the
    /// service read, and publish, what its user can read.
    pub local_sources: bool,
    /// The time by which keys are judged.
    pub now: SystemTime,
}

/// What was seen, and where.
pub struct Observed {
    /// What is true.
    pub facts: Facts,
    /// The repositories that it was read from.
    pub scene: Scene,
}

/// The repositories of a run, for the stages that read and write their objects.
pub struct Scene {
    /// The dist-git mirror, for reading and for the commit to be made in.
    pub dist_git: DistGit,
    /// The source-git side; `None` where the branch is not for us.
    pub source: Option<SourceGit>,
}

impl Scene {
    /// Returns the source-git side of a branch that is to be published.
    ///
    /// # Errors
    /// Fails where none is open, because the branch is not for us.
    pub fn source(&self) -> Result<&SourceGit> {
        let words = "no source repository is open for a branch to be published";
        Ok(self.source.as_ref().ok_or_else(|| Problem::permanent("no-source", words))?)
    }
}

/// The source-git side of a run.
pub struct SourceGit {
    /// The repository.
    pub store: Store,
    /// Who may sign, for landing, which marks the items of unsigned commits.
    pub policy: Policy,
}

/// The dist-git branch as it was fetched.
pub struct DistGit {
    /// Our mirror of it.
    pub store: Store,
    /// The commit that the push will be leased on.
    pub tip: Commit,
}

/// What is true now, for one dist-git branch.
pub struct Facts {
    /// The branch that was looked at.
    pub target: Target,
    /// Its tip.
    pub dist_git_tip: ObjectId,
    /// How it stands.
    pub standing: Standing,
}

/// Whether a dist-git branch is the bot's business.
pub enum Standing {
    /// It has a `dead.package`.
    Retired,
    /// It has no `source-git.yaml`.
    NotOptedIn,
    /// It is tracked.
    OptedIn(Box<OptedIn>),
}

/// What is true of a branch that is tracked.
pub struct OptedIn {
    /// The dist-git side.
    pub branch: BranchState,
    /// The source side.
    pub source: SourceFacts,
    /// What newer branches of the package hold, which an older branch must not pass.
    pub newer_branches: Vec<NewerBranch>,
}

/// Looks at both ends of `target`.
///
/// # Errors
/// Refusals for configs that cannot be read and repositories that are not there; problems of transport.
pub async fn observe(
    target: &Target,
    lookout: &Lookout<'_>,
    progress: Progress<'_>,
) -> Result<Observed> {
    progress.at(Stage::FetchingDistGit);
    let dist_git = fetch(target, lookout).await?;
    let facts =
        |standing| Facts { target: target.clone(), dist_git_tip: dist_git.tip.id, standing };
    let config = match ledger::enter(&dist_git.store.objects(), &dist_git.tip)? {
        Entry::OptedIn(config) => *config,
        Entry::Retired => return Ok(not_for_us(facts(Standing::Retired), dist_git)),
        Entry::NotOptedIn => return Ok(not_for_us(facts(Standing::NotOptedIn), dist_git)),
    };
    progress.at(Stage::FetchingSource);
    let (store, tip) =
        open_source(&config.source.repository, &config.source.branch, lookout).await?;
    progress.at(Stage::Verifying);
    let objects = dist_git.store.objects();
    let note = lookout.mirrors.note(&target.dist_git, &target.branch, About::Publications);
    let branch = ledger::state(&objects, target, &dist_git.tip, config, lookout.trusted, &note)?;
    let policy = branch.policy(lookout.now);
    let source = source::facts(target, &branch, &store, &tip, &policy, lookout)?;
    let newer_branches = ledger::newer_branches(&objects, target, &branch.config)?;
    let opted_in = Box::new(OptedIn { branch, source, newer_branches });
    let facts = facts(Standing::OptedIn(opted_in));
    Ok(Observed { facts, scene: Scene { dist_git, source: Some(SourceGit { store, policy }) } })
}

fn not_for_us(facts: Facts, dist_git: DistGit) -> Observed {
    Observed { facts, scene: Scene { dist_git, source: None } }
}

/// Fetches the dist-git branch.
///
/// # Errors
/// Refusals where repository or branch is not there; problems of transport.
pub async fn fetch(target: &Target, lookout: &Lookout<'_>) -> Result<DistGit> {
    let (store, tip) = lookout
        .mirrors
        .fetch_branch(lookout.transport, &target.dist_git, &target.branch, Wanted::AllBranches)
        .await?;
    let tip = store.objects().commit(&tip)?;
    Ok(DistGit { store, tip })
}
