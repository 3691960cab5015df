//! The release number: a function of the source tip, the tags and the dist-git branch.
//!
//! STRATEGY, the design's section 3. The *floor* is the highest EVR ever published on the branch.
//!
//! 1. The epoch is the larger of the config's and the spec's; one below the floor's is refused.
//! 2. A version above the floor's starts at `1 + commits since the tag`, so that one source commit has
//!    one number on every branch. An equal one takes the larger of that and the floor's number plus one.
//!    A lower one is refused; a raised epoch is the only way down.
//! 3. On an older branch a number that would pass a newer branch's is put after the dist tag instead,
//!    `2%{?dist}.1`, which lies between `2.fc43` and `2.fc44`.
//! 4. The answer is compared with the floor as rpm compares, without the dist tag and with it. What is not
//!    surely higher is refused.

use std::cmp::Ordering;

use crate::names::{Evr, Release, Version};
use crate::outcome::Refusal;

/// The facts that a release number follows from.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseQuestion<'a> {
    /// The version that the release tag gives.
    pub version: &'a Version,
    /// `release.epoch` of the branch config.
    pub epoch: Option<u32>,
    /// The epoch in the source spec, 0 where it has none.
    pub spec_epoch: u32,
    /// What was published before; `None` on a new branch.
    pub floor: Option<&'a Floor>,
    /// First-parent commits from the tag to the tip.
    pub commits_since_tag: u64,
    /// What newer branches of the package hold.
    pub newer_branches: &'a [NewerBranch],
    /// The branch's dist tag, such as `.fc44`.
    pub dist: Option<&'a str>,
}

/// What must be exceeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    /// The highest EVR ever published on the branch, dist tag left out; see [`floor`].
    pub evr: Evr,
    /// What the spec at the dist-git tip says, dist tag expanded.
    pub tip_with_dist: Option<Evr>,
}

/// A newer branch of the same package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewerBranch {
    /// What it holds, dist tag left out.
    pub evr: Evr,
    /// Whether it tracks the same source branch: then it comes to the same `1 + commits` by itself.
    pub follows_same_source: bool,
}

/// The EVR to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Epoch, version and release, dist tag left out: what `Published-EVR` says.
    pub evr: Evr,
    /// How the release is written in the spec.
    pub form: ReleaseForm,
    /// What a person should know, although it passes.
    pub warnings: Vec<String>,
}

/// How a release is written around the dist tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseForm {
    /// `4%{?dist}`.
    Plain {
        /// The number.
        number: u64,
    },
    /// `2%{?dist}.1`: above `2%{?dist}`, and below that of the next distribution.
    MinorAfterDist {
        /// The number.
        number: u64,
        /// The number after the dist tag.
        minor: u64,
    },
    /// The spec's own, which nobody edits.
    AsWritten,
}

impl ReleaseForm {
    /// Returns what stands in the spec, such as `2%{?dist}.1`.
    pub fn in_spec(&self) -> String {
        self.around("%{?dist}")
    }

    /// Returns the release with this text for the dist tag; empty text leaves it out.
    fn around(&self, dist: &str) -> String {
        match self {
            ReleaseForm::Plain { number } => format!("{number}{dist}"),
            ReleaseForm::MinorAfterDist { number, minor } => format!("{number}{dist}.{minor}"),
            ReleaseForm::AsWritten => "as it is written".to_owned(),
        }
    }
}

/// Returns the highest EVR by rpm's comparison.
pub fn floor(published: impl IntoIterator<Item = Evr>) -> Option<Evr> {
    published.into_iter().max_by(Evr::rpm_cmp)
}

/// Returns the EVR to publish.
///
/// # Errors
/// `epoch-lowered`, `version-went-back`, `release-too-large`, `invalid-dist` or `release-not-higher`.
pub fn next(question: &ReleaseQuestion<'_>) -> Result<Plan, Refusal> {
    let epoch = epoch(question)?;
    let standing = standing(question, epoch)?;
    let number = next_number(question, &standing)?;
    let plain = ReleaseForm::Plain { number };
    let minor = minor_form(question, &standing, epoch, number);
    if let Some(form) = minor
        && let Ok(plan) = checked(question, epoch, form, Vec::new())
    {
        return Ok(plan);
    }
    let warning = minor.map(|form| format!(
        "release {number} passes that of a newer branch; {} would not be above what is published",
        form.in_spec()
    ));
    checked(question, epoch, plain, warning.into_iter().collect())
}

/// Returns the plan for an EVR that is not ours to choose: a finished spec's own, without the dist tag and with it.
///
/// # Errors
/// `epoch-lowered`, `version-went-back` or `release-not-higher`.
pub fn as_written(
    question: &ReleaseQuestion<'_>,
    evr: Evr,
    with_dist: &Evr,
) -> Result<Plan, Refusal> {
    let question =
        ReleaseQuestion { version: &evr.version, spec_epoch: evr.epoch, epoch: None, ..*question };
    standing(&question, epoch(&question)?)?;
    must_exceed(&question, &evr, with_dist)?;
    Ok(Plan { evr, form: ReleaseForm::AsWritten, warnings: Vec::new() })
}

/// How the chosen version stands to the floor.
enum Standing<'a> {
    /// Nothing was published yet, or the version (or the epoch) is above the floor's.
    Above,
    /// Epoch and version are equal to the floor's, for rpm.
    Equal { floor: &'a Floor },
}

fn epoch(question: &ReleaseQuestion<'_>) -> Result<u32, Refusal> {
    let epoch = question.epoch.unwrap_or(0).max(question.spec_epoch);
    match question.floor {
        Some(floor) if epoch < floor.evr.epoch => Err(Refusal::new(
            "epoch-lowered",
            format!(
                "{} was published with epoch {}; the config and the source spec give epoch {epoch}",
                floor.evr, floor.evr.epoch
            ),
        )
        .hint(format!(
            "set release.epoch to {} or more: an epoch can never be taken back",
            floor.evr.epoch
        ))),
        _ => Ok(epoch),
    }
}

fn standing<'a>(question: &ReleaseQuestion<'a>, epoch: u32) -> Result<Standing<'a>, Refusal> {
    let Some(floor) = question.floor.filter(|floor| floor.evr.epoch == epoch) else {
        return Ok(Standing::Above);
    };
    match question.version.rpm_cmp(&floor.evr.version) {
        Ordering::Greater => Ok(Standing::Above),
        Ordering::Equal => Ok(Standing::Equal { floor }),
        Ordering::Less => Err(Refusal::new(
            "version-went-back",
            format!(
                "the release tag gives version {}, which is lower than the published {}",
                question.version, floor.evr
            ),
        )
        .hint(format!(
            "tag a higher version, or set release.epoch to {}",
            u64::from(epoch) + 1
        ))),
    }
}

fn next_number(question: &ReleaseQuestion<'_>, standing: &Standing<'_>) -> Result<u64, Refusal> {
    let from_source = question.commits_since_tag.checked_add(1).ok_or_else(too_large)?;
    match standing {
        Standing::Above => Ok(from_source),
        Standing::Equal { floor } => {
            let above_floor = leading_of_floor(floor)?.checked_add(1).ok_or_else(too_large)?;
            Ok(from_source.max(above_floor))
        }
    }
}

/// Returns the larger leading number of the floor's release and, where it has the same version, the tip's.
fn leading_of_floor(floor: &Floor) -> Result<u64, Refusal> {
    let published = leading_number(&floor.evr.release)?;
    match &floor.tip_with_dist {
        Some(tip) if is_same_version(tip, &floor.evr) => {
            Ok(published.max(leading_number(&tip.release)?))
        }
        _ => Ok(published),
    }
}

fn is_same_version(left: &Evr, right: &Evr) -> bool {
    left.epoch == right.epoch && left.version.rpm_cmp(&right.version) == Ordering::Equal
}

/// Returns the number that a release begins with, as rpm sees it; 0 where it begins with a letter.
///
/// rpm skips separators, so `.5` begins with 5; `~` and `^` are no separators, and sort below any number.
fn leading_number(release: &Release) -> Result<u64, Refusal> {
    let text = release.as_str().trim_start_matches(['.', '_', '+']);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    match &text[..end] {
        "" => Ok(0),
        digits => digits.parse().map_err(|_| too_large()),
    }
}

fn too_large() -> Refusal {
    Refusal::new(
        "release-too-large",
        "the published release number is too large to count on from",
    )
    .hint("raise release.epoch, which lets the number begin anew")
}

/// Returns the form after the dist tag, where the plain number would pass a newer branch and this one not.
fn minor_form(
    question: &ReleaseQuestion<'_>,
    standing: &Standing<'_>,
    epoch: u32,
    number: u64,
) -> Option<ReleaseForm> {
    let newer = lowest_passed(question, epoch, number)?;
    let newer = leading_number(&newer.release).ok()?;
    match standing {
        Standing::Above => Some(ReleaseForm::MinorAfterDist { number: newer, minor: 1 }),
        Standing::Equal { floor } => {
            let number = leading_of_floor(floor).ok().filter(|number| *number <= newer)?;
            let minor = minor_number(&floor.evr.release).checked_add(1)?;
            Some(ReleaseForm::MinorAfterDist { number, minor })
        }
    }
}

/// Returns the lowest EVR of a newer branch that has this version and that `number` would pass.
///
/// Equal numbers are in order: the dist tag then tells the branches apart. A branch that follows the same
/// source comes to `1 + commits` itself, whichever of the two is looked at first.
fn lowest_passed<'a>(question: &ReleaseQuestion<'a>, epoch: u32, number: u64) -> Option<&'a Evr> {
    let release = number.to_string().parse().ok()?;
    let plain = Evr { epoch, version: question.version.clone(), release };
    let from_source = number == question.commits_since_tag.saturating_add(1);
    question
        .newer_branches
        .iter()
        .filter(|newer| !(from_source && newer.follows_same_source))
        .map(|newer| &newer.evr)
        .filter(|newer| is_same_version(newer, &plain) && newer.rpm_cmp(&plain) == Ordering::Less)
        .min_by(|left, right| left.rpm_cmp(right))
}

/// Returns the second number of `2.1`, or 0.
fn minor_number(release: &Release) -> u64 {
    let second = release.as_str().split('.').nth(1).unwrap_or_default();
    second.parse().unwrap_or(0)
}

/// Returns the plan, once it is proved to be above all that was published.
fn checked(
    question: &ReleaseQuestion<'_>,
    epoch: u32,
    form: ReleaseForm,
    warnings: Vec<String>,
) -> Result<Plan, Refusal> {
    let evr = evr(question, epoch, form.around(""))?;
    let with_dist = evr_with_dist(question, epoch, form)?;
    must_exceed(question, &evr, &with_dist)?;
    Ok(Plan { evr, form, warnings })
}

fn must_exceed(question: &ReleaseQuestion<'_>, evr: &Evr, with_dist: &Evr) -> Result<(), Refusal> {
    let published = question.floor.map(|floor| &floor.evr);
    let tip = question.floor.and_then(|floor| floor.tip_with_dist.as_ref());
    for (new, old) in [(evr, published), (with_dist, tip)] {
        if let Some(old) = old.filter(|old| new.rpm_cmp(old) != Ordering::Greater) {
            return Err(not_higher(new, old));
        }
    }
    Ok(())
}

fn evr(question: &ReleaseQuestion<'_>, epoch: u32, release: String) -> Result<Evr, Refusal> {
    let release = release.parse::<Release>().map_err(|error| {
        Refusal::config("invalid-dist", format!("no legal release can be made: {error}"))
            .hint("a dist tag is a dot, letters and digits, such as .fc44")
    })?;
    Ok(Evr { epoch, version: question.version.clone(), release })
}

fn evr_with_dist(
    question: &ReleaseQuestion<'_>,
    epoch: u32,
    form: ReleaseForm,
) -> Result<Evr, Refusal> {
    evr(question, epoch, form.around(question.dist.unwrap_or_default()))
}

fn not_higher(new: &Evr, old: &Evr) -> Refusal {
    Refusal::new("release-not-higher", format!("{new} is not above {old}, which is published"))
        .hint("raise Release in dist-git by hand once, or raise release.epoch")
}

#[cfg(test)]
mod tests;
