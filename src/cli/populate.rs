//! `lockkeeper populate`: population and spec editing alone.
//!
//! No signature, history or divergence rule; the release floor holds. What comes out lands nowhere.

use std::path::PathBuf;

use clap::Args;

use super::progress::Spinner;
use super::sync::write_json;
use super::world::{DraftFlags, Surroundings, output_folder, read, working_folder};
use super::{Format, print};
use crate::config::{BranchConfig, TagTrust};
use crate::decide::{self, Ordered, Rules};
use crate::git::{Commit, Kind, Note, Store, Trust};
use crate::ledger::{self, BranchState};
use crate::names::PackageName;
use crate::observe::{self, Asked, DistGit};
use crate::openpgp::Certificates;
use crate::outcome::{Refusal, Result};
use crate::populate::contained::Room;
use crate::populate::identity::Method;
use crate::populate::supply::{Means, supply};
use crate::populate::{Provisions, Sources, draft};
use crate::progress::Progress;
use crate::prove::prove;
use crate::report::{Exit, Outcome, Report};
use crate::sync::describe_draft;
use crate::trigger::Target;

/// Arguments of `populate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A source repository on this machine.
    #[arg(long, value_name = "PATH")]
    source: PathBuf,
    /// The revision in it: a branch, a tag or a commit id.
    #[arg(long, value_name = "REV")]
    rev: String,
    /// The branch config.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The package; by default the last part of the dist-git address.
    #[arg(long, value_name = "NAME", required_unless_present = "dist_git")]
    package: Option<String>,
    /// The dist-git repository that the result is laid upon; without it, an empty one.
    #[arg(long, value_name = "PATH|URL", requires = "branch")]
    dist_git: Option<String>,
    /// The dist-git branch.
    #[arg(long, value_name = "BRANCH", requires = "dist_git")]
    branch: Option<String>,
    #[command(flatten)]
    draft: DraftFlags,
}

/// Runs `populate`.
pub async fn run(arguments: Arguments, format: Format) -> Exit {
    print::outcome(populate(&arguments).await, format)
}

async fn populate(arguments: &Arguments) -> Result<Report> {
    let target = target(arguments)?;
    let surroundings = Surroundings::new(&arguments.draft.trust, arguments.draft.own()?)?;
    output_folder(&arguments.draft.output)?;
    let mut report = Report::new(Some(&target), Outcome::Populated);
    if arguments.branch.is_none() {
        report.branch = None;
    }
    let report = match populated(arguments, &target, &surroundings, &mut report).await {
        Ok(()) => report,
        Err(fault) => report.fault(&fault),
    };
    write_json(&report, &arguments.draft.output.join("populate.json"))?;
    Ok(report)
}

fn target(arguments: &Arguments) -> Result<Target> {
    let folder = working_folder()?;
    // Without a dist-git nothing is fetched or pushed; the address only names the branch.
    let dist_git = arguments.dist_git.as_deref().unwrap_or("/dev/null/dist-git");
    let branch = arguments.branch.as_deref().unwrap_or("rawhide");
    Target::from_arguments(dist_git, branch, arguments.package.as_deref(), &folder)
}

async fn populated(
    arguments: &Arguments,
    target: &Target,
    surroundings: &Surroundings,
    report: &mut Report,
) -> Result<()> {
    let config = BranchConfig::parse(&read(&arguments.config)?);
    let name = arguments.config.display().to_string();
    let config = config.map_err(|faults| Refusal::from(faults.of_file(&name)))?;
    if let Some(refusal) = config.unsupported() {
        return Err(refusal.into());
    }
    let store = Store::open(&arguments.source, Trust::InPlace)?;
    let objects = store.objects();
    objects.refuse_shallow()?;
    let tip = objects.commit(&objects.resolve(&arguments.rev)?)?;
    report.source_commit = Some(tip.id);
    let dist_git = match &arguments.dist_git {
        Some(_) => observe::fetch(target, &surroundings.lookout()).await?,
        None => empty_dist_git(surroundings)?,
    };
    let branch = branch_state(target, &dist_git, config, surroundings)?;
    let ordered = ordered(target, &store, tip, branch, &dist_git)?;
    if let Some(published) = ordered.published_already() {
        report.outcome = Outcome::UpToDate;
        report.dist_git_commit = Some(published.commit);
        return Ok(());
    }
    let rules = Rules { accept_rewrite: true, dist: arguments.draft.trust.dist.clone() };
    let order = decide::order(ordered, &rules)?;
    let releases = surroundings.releases(&arguments.draft.content, None)?;
    let work = surroundings.work();
    let containers = arguments.draft.engine.containers(None);
    let log = arguments.draft.output.join("container.log");
    let method = arguments.draft.content.method();
    let spinner = Spinner::new();
    let watcher = |step| spinner.show(step);
    let progress = Progress::new(&watcher);
    let mirrors = surroundings.lookout().mirrors;
    let room = Room { containers: &containers, mirrors, work, log: &log, progress };
    let means = Means { source: &store, dist_git: &dist_git, releases: &releases, room };
    let (order, supplies) = supply(order, &means).await?;
    let written = dist_git.store.scratch();
    let provisions = Provisions {
        work,
        dist_git: &written,
        release: supplies.release,
        sources: Sources::Optional,
        method,
        progress,
        given: supplies.given,
        bot_certs: surroundings.lookout().trusted.bot_certs,
        patch_cache: None,
        notes: supplies.notes,
    };
    let draft = draft(&order, &store, &dist_git, &provisions)?;
    describe_draft(report, &order, &draft, Method::Git);
    let method = prove(&order, &draft, &written, &means.room).await?;
    describe_draft(report, &order, &draft, method);
    draft.write_out(&written, &arguments.draft.output)
}

/// Reads the dist-git branch's state; the config is the one given, not the one that stands there.
fn branch_state(
    target: &Target,
    dist_git: &DistGit,
    config: BranchConfig,
    surroundings: &Surroundings,
) -> Result<BranchState> {
    let objects = dist_git.store.objects();
    let trusted = surroundings.lookout().trusted;
    let (published, _) =
        ledger::since_published(&objects, target, &dist_git.tip, trusted.bot_certs)?;
    let floor = ledger::floor(&objects, target, &dist_git.tip, trusted, &Note::none())?;
    Ok(BranchState {
        config,
        certificates: Certificates::default(),
        certificate_warnings: Vec::new(),
        key_changes: Vec::new(),
        published,
        strangers: Vec::new(),
        floor,
    })
}

fn ordered(
    target: &Target,
    store: &Store,
    tip: Commit,
    branch: BranchState,
    dist_git: &DistGit,
) -> Result<Ordered> {
    let objects = store.objects();
    let package: &PackageName = &target.package;
    let asked = Asked { package, config: &branch.config, trust: TagTrust::Any, policy: None };
    let release = observe::release(&asked, &objects, &tip, objects.tags()?)??;
    let spec = observe::find_spec(&objects, &tip, branch.config.spec.path.as_ref())?;
    let spec = decide::spec_to_plan_with(spec, target, &branch)?;
    let newer_branches = ledger::newer_branches(&dist_git.store.objects(), target, &branch.config)?;
    Ok(Ordered {
        target: target.clone(),
        dist_git_tip: dist_git.tip.id,
        branch,
        tip,
        spec,
        release,
        newer_branches,
        warnings: Vec::new(),
    })
}

/// Makes a dist-git with nothing in it: one commit with an empty tree.
fn empty_dist_git(surroundings: &Surroundings) -> Result<DistGit> {
    let store = Store::init_bare(&surroundings.work().join("empty.git"))?;
    let objects = store.objects();
    let tree = objects.write(Kind::Tree, b"")?;
    let raw =
        format!("tree {tree}\nauthor nobody <> 0 +0000\ncommitter nobody <> 0 +0000\n\nempty\n");
    let tip = objects.commit(&objects.write(Kind::Commit, raw.as_bytes())?)?;
    Ok(DistGit { store, tip })
}

#[cfg(test)]
mod tests;
