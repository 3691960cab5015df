//! The story on one page: one dist-git branch, from a target to a report.
//!
//! ```text
//! Target -> observe -> Facts -> decide -> VerifiedTip -> populate -> PopulatedTree -> land -> LandedCommit
//! ```
//!
//! Between decide and populate a released tarball is brought, where the mechanism takes one, and the branch's container
//! is run, where it names one: population itself has neither network nor engine. Between populate and land rpm may be asked for its own proof.
//!
//! The service and the command line call this same function. Running it twice changes nothing the second time:
//! what was published is read from dist-git itself, and two that race end with one commit, since the loser of the
//! lease looks again and finds the work done.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::decide::{Decision, NotForUs, Order, Rules, VerifiedTip, decide};
use crate::git::Objects;
use crate::land::{Harbour, Landing, land, lease_lost_too_often};
use crate::observe::{Lookout, Observed, Scene, Standing, observe};
use crate::outcome::{Code, Result};
use crate::populate::contained::{Containers, Room};
use crate::populate::identity::Method;
use crate::populate::patches::PatchCache;
use crate::populate::supply::{Means, Supplies, supply};
use crate::populate::upstream::obtain::Releases;
use crate::populate::{Draft, PopulatedTree, Provisions, Sources, populate};
use crate::progress::Progress;
use crate::prove::prove;
use crate::report::{ArchiveLine, Audience, Outcome, Reason, Report};
use crate::trigger::Target;

/// How often a lost lease is answered by looking again within one run.
const TRIES: u32 = 5;

/// Everything a run needs besides the target.
pub struct World<'a> {
    /// How to look.
    pub lookout: Lookout<'a>,
    /// What is allowed.
    pub rules: Rules,
    /// A folder for archives on their way, gone after the run.
    pub work: &'a Path,
    /// Where released tarballs come from.
    pub releases: Releases<'a>,
    /// Where containers run.
    pub containers: &'a Containers,
    /// The file that keeps what a container prints.
    pub container_log: PathBuf,
    /// How tree identity is to be proved.
    pub method: Method,
    /// Who watches.
    pub progress: Progress<'a>,
}

/// Brings one dist-git branch up to its source, and says what came of it.
pub async fn sync(target: &Target, world: &World<'_>, harbour: &Harbour<'_>) -> Report {
    let mut report = Report::new(Some(target), Outcome::UpToDate);
    for _ in 0..TRIES {
        match attempt(target, world, harbour, &mut report).await {
            Ok(Step::Done) => return report,
            Ok(Step::LookAgain) => {
                tracing::info!(target = %target.name(), "dist-git moved, looking again")
            }
            Err(fault) => return report.fault(&fault),
        }
    }
    report.fault(&lease_lost_too_often(TRIES).into())
}

enum Step {
    Done,
    LookAgain,
}

async fn attempt(
    target: &Target,
    world: &World<'_>,
    harbour: &Harbour<'_>,
    report: &mut Report,
) -> Result<Step> {
    let Some((tip, scene)) = look(target, world, report).await? else { return Ok(Step::Done) };
    let objects = scene.dist_git.store.objects();
    let tree = populated(tip, &scene, &objects, world, Sources::Required, report).await?;
    let started = Instant::now();
    let landing = land(&tree, &scene, harbour, world.progress).await?;
    note_time(report, "land", started);
    match landing {
        Landing::Landed(commit) => {
            report.outcome = Outcome::Landed;
            report.dist_git_commit = Some(commit.id);
            Ok(Step::Done)
        }
        Landing::Unchanged => {
            report.outcome = Outcome::UpToDate;
            report.dist_git_commit = Some(scene.dist_git.tip.id);
            Ok(Step::Done)
        }
        Landing::LeaseLost => Ok(Step::LookAgain),
        Landing::Held(why) => {
            report.hold(why);
            Ok(Step::Done)
        }
    }
}

/// Does all but landing, and leaves the result in `output`.
pub async fn preview(target: &Target, world: &World<'_>, output: &Path) -> Report {
    let mut report = Report::new(Some(target), Outcome::Previewed);
    let done: Result<()> = async {
        let Some((tip, scene)) = look(target, world, &mut report).await? else { return Ok(()) };
        let objects = scene.dist_git.store.scratch();
        let tree = populated(tip, &scene, &objects, world, Sources::Optional, &mut report).await?;
        tree.draft().write_out(&objects, output)?;
        report.outcome = Outcome::Previewed;
        Ok(())
    }
    .await;
    match done {
        Ok(()) => report,
        Err(fault) => report.fault(&fault),
    }
}

/// Observes and decides; `None` where the report is complete already.
async fn look(
    target: &Target,
    world: &World<'_>,
    report: &mut Report,
) -> Result<Option<(VerifiedTip, Scene)>> {
    let started = Instant::now();
    let Observed { facts, scene } = observe(target, &world.lookout, world.progress).await?;
    note_time(report, "observe", started);
    report.audience = audience(&facts.standing);
    let started = Instant::now();
    let decision = decide(facts, &world.rules);
    note_time(report, "decide", started);
    match decision {
        Decision::Sync(tip) => {
            report.source_commit = Some(tip.order().source_commit.id);
            report.signer = Some(tip.accepted().signer().to_string());
            Ok(Some((*tip, scene)))
        }
        Decision::UpToDate(up_to_date) => {
            let publication = &up_to_date.published.publication;
            report.outcome = Outcome::UpToDate;
            report.source_commit = Some(publication.source_commit);
            report.signer = Some(publication.signer.clone());
            report.release_tag = Some(publication.release_tag.0.clone());
            report.dist_git_commit = Some(up_to_date.published.commit);
            report.warnings = up_to_date.warnings;
            if let Some(evr) = &publication.evr {
                report.about(evr);
            }
            Ok(None)
        }
        Decision::NotForUs(why) => {
            report.outcome = Outcome::NotForUs;
            report.reason = Some(not_for_us(target, why));
            Ok(None)
        }
        Decision::Refuse(refused) => {
            report.source_commit = refused.source_commit;
            report.signer = refused.signer;
            Err(refused.refusal.into())
        }
    }
}

/// Returns whom the branch's config wants to be told, where it has one.
fn audience(standing: &Standing) -> Option<Audience> {
    match standing {
        Standing::OptedIn(opted_in) => Some(Audience::of(&opted_in.branch.config)),
        Standing::Retired | Standing::NotOptedIn => None,
    }
}

/// Brings what upstream released, populates, and proves.
async fn populated(
    tip: VerifiedTip,
    scene: &Scene,
    dist_git: &Objects,
    world: &World<'_>,
    sources: Sources,
    report: &mut Report,
) -> Result<PopulatedTree> {
    let started = Instant::now();
    let (work, method, progress) = (world.work, world.method, world.progress);
    let room = Room {
        containers: world.containers,
        mirrors: world.lookout.mirrors,
        work,
        log: &world.container_log,
        progress,
    };
    let source = &scene.source()?.store;
    let means = Means { source, dist_git: &scene.dist_git, releases: &world.releases, room };
    let (tip, supplies) = supply(tip, &means).await?;
    let Supplies { release, given, notes } = supplies;
    note_time(report, "obtain", started);
    let started = Instant::now();
    let target = &tip.order().target;
    let patches = world.lookout.mirrors.patch_folder(&target.dist_git, &target.branch);
    let patch_cache = Some(PatchCache::new(&patches));
    let bot_certs = world.lookout.trusted.bot_certs;
    let provisions = Provisions {
        work,
        dist_git,
        release,
        sources,
        method,
        progress,
        given,
        bot_certs,
        patch_cache,
        notes,
    };
    let tree = populate(tip, scene, &provisions)?;
    describe_draft(report, tree.order(), tree.draft(), Method::Git);
    note_time(report, "populate", started);
    let started = Instant::now();
    let method = prove(tree.order(), tree.draft(), dist_git, &means.room).await?;
    describe_draft(report, tree.order(), tree.draft(), method);
    note_time(report, "prove", started);
    Ok(tree)
}

/// Fills in what a draft says, and by which method it was proved; the caller sets the outcome.
pub fn describe_draft(report: &mut Report, order: &Order, draft: &Draft, method: Method) {
    report.source_commit = Some(order.source_commit.id);
    report.release_tag = Some(order.release.tag.name.clone());
    report.version = Some(order.plan.evr.version.clone());
    if let Some(evr) = order.claimed_evr() {
        report.about(evr);
    }
    report.patches = draft.patches.iter().map(ToString::to_string).collect();
    report.archives = draft
        .archives
        .iter()
        .map(|archive| ArchiveLine {
            name: archive.name.to_string(),
            sha512: archive.sha512.to_string(),
            size: archive.size,
        })
        .collect();
    report.identity = Some(draft.identity.to_json(method));
    report.warnings = order.warnings.iter().chain(&draft.notes).cloned().collect();
}

fn not_for_us(target: &Target, why: NotForUs) -> Reason {
    let (code, message, hint) = match why {
        NotForUs::Retired => (
            "retired",
            format!("{} is retired: a dead.package stands at its tip", target.name()),
            "remove dead.package from the branch to take it up again",
        ),
        NotForUs::NotOptedIn => (
            "not-opted-in",
            format!("{} has no source-git.yaml at its tip", target.name()),
            "commit a source-git.yaml to the dist-git branch to opt it in",
        ),
    };
    Reason { code: Code(code), message, hint: hint.to_owned() }
}

fn note_time(report: &mut Report, step: &'static str, since: Instant) {
    let milliseconds = since.elapsed().as_secs_f64() * 1000.0;
    *report.timings.entry(step).or_default() += milliseconds;
}
