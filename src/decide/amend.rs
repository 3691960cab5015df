//! What a container brings to light amends the order, by the rules that made it.
//!
//! Four things are not known before a container has run: the digest that its tag stands for, the spec that the
//! project's own tool writes, a version that the container gives instead of the tag's, and the EVR of a spec that it
//! calls final. Each goes through the legality, floor and EVR checks again. The evidence that a [`VerifiedTip`] holds
//! is about the source commit, which no amendment touches.

use super::{AutoMacros, BranchConfig, BranchState, Order, VerifiedTip};
use crate::names::{TreePath, Version};
use crate::observe::SourceSpec;
use crate::outcome::Refusal;
use crate::spec::{Context, SpecFile};
use crate::trigger::Target;
use crate::version::{Plan, ReleaseQuestion, as_written, next};

/// Something that was not known when the order was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amendment {
    /// The image that populates, with its digest.
    Image(String),
    /// The spec that the project's own tool wrote.
    Spec(Vec<u8>),
    /// The version that the container gives instead of the tag's.
    Version(Version),
    /// The container's spec is final: its version and release are what is published.
    FinalSpec(Vec<u8>),
}

/// An order, with or without evidence.
pub trait Amend: Sized {
    /// Returns the order.
    fn order(&self) -> &Order;

    /// Takes an amendment in.
    ///
    /// # Errors
    /// Refusals of the release rules, and of specs that cannot be read.
    fn amend(self, amendment: Amendment) -> Result<Self, Refusal>;

    /// Closes the order: nothing more will come to light.
    ///
    /// # Errors
    /// The refusal of the tag's version, where no container gave another.
    fn close(self) -> Result<Self, Refusal> {
        match &self.order().open {
            None => Ok(self),
            Some(refusal) => Err(refusal.clone()),
        }
    }
}

impl Amend for VerifiedTip {
    fn order(&self) -> &Order {
        &self.order
    }

    fn amend(self, amendment: Amendment) -> Result<Self, Refusal> {
        let VerifiedTip { order, accepted } = self;
        Ok(VerifiedTip { order: order.amend(amendment)?, accepted })
    }
}

impl Amend for Order {
    fn order(&self) -> &Order {
        self
    }

    fn amend(mut self, amendment: Amendment) -> Result<Order, Refusal> {
        match amendment {
            Amendment::Image(image) => self.image = Some(image),
            Amendment::Spec(bytes) => {
                self.spec.bytes = bytes;
                self.plan_again()?;
            }
            Amendment::Version(version) => {
                self.release.version = version;
                self.release.prerelease = None;
                self.plan_again()?;
            }
            Amendment::FinalSpec(bytes) => self.take_as_written(bytes)?,
        }
        Ok(self)
    }
}

impl Order {
    fn read_spec(&self) -> SpecFile {
        let context = Context { dist: self.dist.clone(), ..Context::default() };
        SpecFile::parse(self.spec.bytes.clone(), &context)
    }

    fn plan_again(&mut self) -> Result<(), Refusal> {
        let read = self.read_spec();
        let (epoch, version) = (self.config.release.epoch, &self.release.version);
        let question = self.basis.question(version, epoch, read.epoch()?, self.dist.as_deref());
        (self.plan, self.open) = planned(&self.config, &question)?;
        self.keeps_auto_macros =
            self.config.release.auto == AutoMacros::Keep && read.uses_autorelease();
        Ok(())
    }

    /// Plans what a final spec says itself; one with `%autorelease` says nothing that could be compared.
    fn take_as_written(&mut self, bytes: Vec<u8>) -> Result<(), Refusal> {
        self.spec.bytes = bytes;
        let read = self.read_spec();
        let uses_autorelease = read.uses_autorelease();
        if uses_autorelease && self.config.release.auto == AutoMacros::Keep {
            return self.plan_again();
        }
        if uses_autorelease {
            let words = "the container calls its spec final, and the spec has %autorelease";
            return Err(Refusal::new("final-spec-auto", words).hint(
                "write a release, leave the spec to be edited, or set `release: {auto: keep}`",
            ));
        }
        let (version, epoch, release) = (read.version()?, read.epoch()?, read.release()?);
        let evr = |release| crate::names::Evr { epoch, version: version.clone(), release };
        let question = self.basis.question(&version, None, epoch, self.dist.as_deref());
        self.plan = as_written(&question, evr(release.without_dist), &evr(release.with_dist))?;
        self.release.version = version;
        self.keeps_auto_macros = false;
        self.open = None;
        Ok(())
    }
}

/// Returns the plan; where a container may give another version than the tag's, a refusal of that waits until it has.
pub(super) fn planned(
    config: &BranchConfig,
    question: &ReleaseQuestion<'_>,
) -> Result<(Plan, Option<Refusal>), Refusal> {
    match (next(question), &config.population.container) {
        (Ok(plan), _) => Ok((plan, None)),
        (Err(refusal), None) => Err(refusal),
        (Err(refusal), Some(_)) => {
            let unasked = ReleaseQuestion { floor: None, newer_branches: &[], ..*question };
            Ok((next(&unasked)?, Some(refusal)))
        }
    }
}

/// Returns the spec to plan with: the one that was found, or (where the project's own tool is to write it) a stand-in
/// with its name and the epoch of what was published, so that the plan is refused for nothing that the real one may
/// put right.
///
/// # Errors
/// Why there is no spec.
pub fn spec_to_plan_with(
    found: Result<SourceSpec, Refusal>,
    target: &Target,
    branch: &BranchState,
) -> Result<SourceSpec, Refusal> {
    if branch.config.spec.command.is_empty() {
        return found;
    }
    let floor = branch.floor.as_ref().ok().and_then(Option::as_ref);
    let epoch = floor.map_or(0, |floor| floor.evr.epoch);
    let usual = || -> TreePath {
        let path = format!("{}.spec", target.package).parse();
        path.expect("a package name is one path component")
    };
    let path = branch.config.spec.path.clone().unwrap_or_else(usual);
    let text = format!("Name: {}\nEpoch: {epoch}\nVersion: 0\nRelease: 1\n", target.package);
    Ok(SourceSpec { path, bytes: text.into_bytes() })
}
