//! Decide: facts in, one answer out. No git, no network, no clock.
//!
//! The order of questions, each of which may end it:
//!
//! 1. is the branch our business (retired, not opted in)?
//! 2. does this version support what the config asks for?
//! 3. did somebody else write to dist-git (divergence)?
//! 4. does the signature open the gate, and is the commit meant for this branch?
//! 5. does the tip descend from what was published (no going back)?
//! 6. which tag is the release, and has the published one moved?
//! 7. was exactly this published already?
//! 8. which EVR comes next?
//!
//! The gate stands before "published already": a tip whose signer was struck off the list is a refusal, so
//! that nobody takes silence for consent; it publishes nothing either way.
//!
//! What comes to light only when a container has run (its digest, a generated spec, a version of its own) amends the
//! order by the same rules: [`amend`].

mod amend;

pub use amend::{Amend, Amendment, spec_to_plan_with};

use crate::config::{AutoMacros, BranchConfig, Divergence, Mechanism};
use crate::gate::history::{self, Rewrite};
use crate::gate::{Accepted, Verdict};
use crate::git::Commit;
use crate::ledger::{BranchState, Published, Stranger};
use crate::names::{Evr, ObjectId, Version};
use crate::observe::{Facts, OptedIn, ReleaseFacts, SourceFacts, SourceSpec, Standing};
use crate::outcome::Refusal;
use crate::spec::{Context, SpecFile};
use crate::trigger::Target;
use crate::version::{
    Candidate, Chosen, Floor, NewerBranch, Plan, ReleaseQuestion, check_not_moved,
};

/// What follows from the facts.
#[derive(Debug)]
pub enum Decision {
    /// This is to be published.
    Sync(Box<VerifiedTip>),
    /// Nothing has changed since the last publication.
    UpToDate(Box<UpToDate>),
    /// The branch is not the bot's business.
    NotForUs(NotForUs),
    /// A person must act.
    Refuse(Box<Refused>),
}

/// A refusal, with as much of what was found as is known by then.
#[derive(Debug)]
pub struct Refused {
    /// The reason.
    pub refusal: Refusal,
    /// The source tip that was looked at.
    pub source_commit: Option<ObjectId>,
    /// The key that signed it, where the gate let it through.
    pub signer: Option<String>,
}

/// What is published already.
#[derive(Debug)]
pub struct UpToDate {
    /// The last publication.
    pub published: Published,
    /// What a person might want to know all the same.
    pub warnings: Vec<String>,
}

/// Why a branch is not the bot's business; no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotForUs {
    /// A `dead.package` stands at its tip.
    Retired,
    /// It has no `source-git.yaml`.
    NotOptedIn,
}

/// What the operator or the person at the command line allows besides the branch's own config.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// A rewound or rewritten source branch is taken as it is, once.
    pub accept_rewrite: bool,
    /// The dist tag of the branch, such as `.fc44`.
    pub dist: Option<String>,
}

/// What is to be populated: everything that the result is a function of.
#[derive(Debug, Clone)]
pub struct Order {
    /// The dist-git branch.
    pub target: Target,
    /// The dist-git commit that the result is laid upon.
    pub dist_git_tip: ObjectId,
    /// The config at it.
    pub config: BranchConfig,
    /// The source commit.
    pub source_commit: Commit,
    /// The release tag and the version that it gives.
    pub release: Chosen,
    /// The spec in the source commit.
    pub spec: SourceSpec,
    /// Epoch, version and release to be written.
    pub plan: Plan,
    /// The dist tag of the branch, such as `.fc44`.
    pub dist: Option<String>,
    /// The publication before this one.
    pub published: Option<Published>,
    /// What a person might want to know.
    pub warnings: Vec<String>,
    keeps_auto_macros: bool,
    image: Option<String>,
    basis: Basis,
    /// Why the tag's version cannot be published, where a container may still give another.
    open: Option<Refusal>,
}

/// What a plan is worked out from besides the version and the spec.
#[derive(Debug, Clone)]
struct Basis {
    floor: Option<Floor>,
    commits_since_tag: u64,
    newer_branches: Vec<NewerBranch>,
}

impl Order {
    /// Tells whether `%autorelease` and `%autochangelog` stay, so that no EVR is claimed.
    pub fn keeps_auto_macros(&self) -> bool {
        self.keeps_auto_macros
    }

    /// Returns the EVR that the commit claims to publish; `None` where the auto macros are kept.
    pub fn claimed_evr(&self) -> Option<&Evr> {
        (!self.keeps_auto_macros).then_some(&self.plan.evr)
    }

    /// Returns what populates, as the `Population` trailer says it.
    pub fn population(&self) -> String {
        if let Some(image) = self.image.as_ref().or(self.config.population.container.as_ref()) {
            return image.clone();
        }
        match self.config.population.mechanism {
            Mechanism::Archive => "archive",
            Mechanism::TagArchive => "tag-archive",
            Mechanism::UpstreamTarball => "upstream-tarball",
        }
        .to_owned()
    }

    /// Tells whether this version was not published on the branch before.
    pub fn version_is_new(&self) -> bool {
        let published =
            self.published.as_ref().and_then(|published| published.publication.evr.as_ref());
        published.is_none_or(|evr| evr.version.rpm_cmp(&self.plan.evr.version).is_ne())
    }
}

/// A source tip that passed the gate, and the order that follows from it. Only [`decide`] makes one.
#[derive(Debug)]
pub struct VerifiedTip {
    order: Order,
    accepted: Accepted,
}

impl VerifiedTip {
    /// Returns what is to be populated.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// Returns the proof that the gate let the tip through.
    pub fn accepted(&self) -> &Accepted {
        &self.accepted
    }
}

/// Draws the conclusion from the facts.
pub fn decide(facts: Facts, rules: &Rules) -> Decision {
    let opted_in = match facts.standing {
        Standing::Retired => return Decision::NotForUs(NotForUs::Retired),
        Standing::NotOptedIn => return Decision::NotForUs(NotForUs::NotOptedIn),
        Standing::OptedIn(opted_in) => *opted_in,
    };
    let source_commit = Some(opted_in.source.tip.id);
    let signer = match &opted_in.source.verdict {
        Verdict::Accepted(accepted) => Some(accepted.signer().to_string()),
        Verdict::Refused(_) => None,
    };
    match conclude(facts.target, facts.dist_git_tip, opted_in, rules) {
        Ok(decision) => decision,
        Err(refusal) => Decision::Refuse(Box::new(Refused { refusal, source_commit, signer })),
    }
}

fn conclude(
    target: Target,
    dist_git_tip: ObjectId,
    opted_in: OptedIn,
    rules: &Rules,
) -> Result<Decision, Refusal> {
    let OptedIn { branch, source, newer_branches } = opted_in;
    if let Some(refusal) = branch.config.unsupported() {
        return Err(refusal);
    }
    let mut warnings = branch.certificate_warnings.clone();
    warnings.extend_from_slice(&branch.key_changes);
    warnings.extend(divergence(&target, &branch)?);
    let accepted = judge_tip(&branch, &source, rules)?;
    warnings.extend(accepted.warnings().iter().map(ToString::to_string));
    let SourceFacts { tip, spec, release, published_tag_now, .. } = source;
    let release = release?;
    let last_tag = branch.published.as_ref().map(|published| &published.publication.release_tag);
    check_not_moved(last_tag.map(|(name, object)| (name, object)), published_tag_now.as_ref())?;
    if let Some(published) = already_published(&branch, &tip, &release.chosen.tag) {
        warnings.extend(release.chosen.warnings.iter().cloned());
        let up_to_date = UpToDate { published: published.clone(), warnings };
        return Ok(Decision::UpToDate(Box::new(up_to_date)));
    }
    let spec = spec_to_plan_with(spec, &target, &branch)?;
    let ordered =
        Ordered { target, dist_git_tip, branch, tip, spec, release, newer_branches, warnings };
    let order = order(ordered, rules)?;
    Ok(Decision::Sync(Box::new(VerifiedTip { order, accepted })))
}

/// What an [`Order`] is put together from.
pub struct Ordered {
    /// The dist-git branch.
    pub target: Target,
    /// Its tip.
    pub dist_git_tip: ObjectId,
    /// How it stands.
    pub branch: BranchState,
    /// The source commit.
    pub tip: Commit,
    /// The spec in it.
    pub spec: SourceSpec,
    /// The release tag and the way from it.
    pub release: ReleaseFacts,
    /// What newer branches hold.
    pub newer_branches: Vec<NewerBranch>,
    /// What a person might want to know so far.
    pub warnings: Vec<String>,
}

/// Works out the EVR and puts the order together. No permission is needed for it, and none given by it.
///
/// # Errors
/// Refusals of the release rules, and of specs whose epoch cannot be read.
pub fn order(ordered: Ordered, rules: &Rules) -> Result<Order, Refusal> {
    let Ordered { target, dist_git_tip, branch, tip, spec, release, newer_branches, mut warnings } =
        ordered;
    let context = Context { dist: rules.dist.clone(), ..Context::default() };
    let read = SpecFile::parse(spec.bytes.clone(), &context);
    let commits_since_tag = release.commits_since_tag;
    let basis = Basis { floor: branch.floor?, commits_since_tag, newer_branches };
    let dist = rules.dist.as_deref();
    let version = &release.chosen.version;
    let question = basis.question(version, branch.config.release.epoch, read.epoch()?, dist);
    let (plan, open) = amend::planned(&branch.config, &question)?;
    warnings.extend(release.chosen.warnings.iter().chain(&plan.warnings).cloned());
    let keeps_auto_macros =
        branch.config.release.auto == AutoMacros::Keep && read.uses_autorelease();
    Ok(Order {
        target,
        dist_git_tip,
        config: branch.config,
        source_commit: tip,
        spec,
        release: release.chosen,
        plan,
        dist: rules.dist.clone(),
        published: branch.published,
        warnings,
        keeps_auto_macros,
        image: None,
        basis,
        open,
    })
}

impl Basis {
    fn question<'a>(
        &'a self,
        version: &'a Version,
        epoch: Option<u32>,
        spec_epoch: u32,
        dist: Option<&'a str>,
    ) -> ReleaseQuestion<'a> {
        ReleaseQuestion {
            version,
            epoch,
            spec_epoch,
            floor: self.floor.as_ref(),
            commits_since_tag: self.commits_since_tag,
            newer_branches: &self.newer_branches,
            dist,
        }
    }
}

/// Refuses a branch that others wrote to, unless its config says that they are to be published over.
fn divergence(target: &Target, branch: &BranchState) -> Result<Option<String>, Refusal> {
    if branch.strangers.is_empty() {
        return Ok(None);
    }
    let refusal = diverged(target, &branch.strangers);
    match branch.config.divergence {
        Divergence::Report => Err(refusal),
        Divergence::Overwrite => Ok(Some(refusal.message)),
    }
}

fn diverged(target: &Target, strangers: &[Stranger]) -> Refusal {
    let describe = |stranger: &Stranger| {
        let Stranger { commit, author, subject, files } = stranger;
        format!("  {} \"{subject}\" by {author} touches {}", commit.short(), files.join(", "))
    };
    let mut lines: Vec<String> = strangers.iter().take(10).map(describe).collect();
    if strangers.len() > lines.len() {
        lines.push(format!("  and {} more commits", strangers.len() - lines.len()));
    }
    Refusal::new(
        "diverged",
        format!("dist-git branch {} has commits that are not the bot's:\n{}", target.name(), lines.join("\n")),
    )
    .hint(
        "bring these changes into source-git and revert them in dist-git (a revert restores the bot's content, \
         then `sync` again), or set `divergence: overwrite` in source-git.yaml to publish over them",
    )
}

/// Answers question 4 and 5 alone: may this tip go through?
///
/// # Errors
/// The refusal of the gate, of the binding, or of the history rule.
pub fn judge_tip(
    branch: &BranchState,
    source: &SourceFacts,
    rules: &Rules,
) -> Result<Accepted, Refusal> {
    let accepted = match &source.verdict {
        Verdict::Accepted(accepted) => accepted.clone(),
        Verdict::Refused(refused) => return Err(naming_branch(refused.clone(), branch)),
    };
    source.binding.clone()?;
    no_going_back(branch, source, rules)?;
    if let Some(below) = &source.below {
        below.clone()?;
    }
    Ok(accepted)
}

/// Adds to the gate's words which branch was looked at.
fn naming_branch(refusal: Refusal, branch: &BranchState) -> Refusal {
    let source = &branch.config.source;
    let message = format!(
        "the tip of {} in {} does not pass: {}",
        source.branch, source.repository, refusal.message
    );
    Refusal { message, ..refusal }
}

/// Refuses a tip that does not descend from what was published.
///
/// Where the config points to another repository or branch than the last publication did, a person has said so
/// in dist-git itself, and there is no line to keep to.
fn no_going_back(branch: &BranchState, source: &SourceFacts, rules: &Rules) -> Result<(), Refusal> {
    let (Some(relation), Some(published)) = (source.relation, branch.published.as_ref()) else {
        return Ok(());
    };
    let (publication, now) = (&published.publication, &branch.config.source);
    if publication.repository != now.repository.to_string() || publication.branch != now.branch {
        return Ok(());
    }
    let rewrite = if rules.accept_rewrite { Rewrite::Accepted } else { Rewrite::Refused };
    let checked = history::check(relation, &publication.source_commit, &source.tip.id, rewrite);
    checked.map_err(|refusal| {
        let message = format!("{} (branch {} of {})", refusal.message, now.branch, now.repository);
        Refusal { message, ..refusal }
    })
}

/// Returns the publication of exactly this: the same source commit, the same tag (name and object), the same
/// settings. Nothing else, such as a rotated key or another tag beside it, causes a new one.
fn already_published<'b>(
    branch: &'b BranchState,
    tip: &Commit,
    tag: &Candidate,
) -> Option<&'b Published> {
    branch.published.as_ref().filter(|published| {
        let publication = &published.publication;
        let settings = |then: &BranchConfig| then.publication_settings_equal(&branch.config);
        publication.source_commit == tip.id
            && publication.release_tag == (tag.name.clone(), tag.object)
            && published.config.as_ref().is_some_and(settings)
    })
}

impl Ordered {
    /// Returns the publication of exactly this, where there is one.
    pub fn published_already(&self) -> Option<&Published> {
        already_published(&self.branch, &self.tip, &self.release.chosen.tag)
    }
}
