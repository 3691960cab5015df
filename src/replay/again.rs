//! One publication, made again.

use std::path::{Path, PathBuf};

use super::{LISTED, Past, Replayed, Verdict};
use crate::config::{BranchConfig, Mechanism, TagTrust};
use crate::decide::{self, Order, Ordered, Rules};
use crate::git::{Commit, FileChange, Note, Objects, Store, Trust};
use crate::ledger::{self, BranchState, Entry};
use crate::lookaside::Lookaside;
use crate::names::Evr;
use crate::observe::{self, Asked, DistGit, Lookout};
use crate::openpgp::Certificates;
use crate::outcome::{Code, Fault, Problem, Refusal, Result, printable};
use crate::populate::contained::{Containers, Room};
use crate::populate::identity::Method;
use crate::populate::supply::{Means, supply};
use crate::populate::upstream::obtain::Releases;
use crate::populate::{Draft, Provisions, Sources, draft};
use crate::progress::Progress;
use crate::report::Reason;
use crate::sources::SourcesFile;
use crate::trigger::Target;
use crate::version::ReleaseForm;

/// Where a replay takes things from.
pub struct Place<'a> {
    /// The branch.
    pub target: &'a Target,
    /// The dist-git mirror.
    pub dist_git: &'a DistGit,
    /// How to look.
    pub lookout: &'a Lookout<'a>,
    /// A source repository on this machine, instead of the one that each config names.
    pub source: Option<&'a Path>,
    /// Where released tarballs come from.
    pub releases: &'a Releases<'a>,
    /// The lookaside cache, which keeps the released tarballs of old publications.
    pub lookaside: Option<&'a Lookaside>,
    /// What runs containers, where a branch names one.
    pub containers: &'a Containers,
    /// A folder for archives on their way.
    pub work: &'a Path,
}

/// Why one publication was not made again.
enum Barred {
    /// What it was made from is not there.
    Impossible(Reason),
    /// This build refuses it.
    Refused(Refusal),
    /// We failed, or something outside did.
    Failed(Problem),
}

impl From<Fault> for Barred {
    fn from(fault: Fault) -> Barred {
        match fault {
            Fault::Refused(refusal) => Barred::Refused(refusal),
            Fault::Failed(problem) => Barred::Failed(problem),
        }
    }
}

impl From<Refusal> for Barred {
    fn from(refusal: Refusal) -> Barred {
        Barred::Refused(refusal)
    }
}

type Tried<T> = Result<T, Barred>;

/// Makes one publication again and compares.
///
/// # Errors
/// A problem where something failed that says nothing of the publication.
pub async fn again(past: &Past, place: &Place<'_>) -> Result<Replayed> {
    let verdict = match compared(past, place).await {
        Ok(verdict) => verdict,
        Err(Barred::Impossible(reason)) => Verdict::Impossible(reason),
        Err(Barred::Refused(refusal)) => Verdict::Refused(reason(&refusal)),
        Err(Barred::Failed(problem)) => return Err(problem.into()),
    };
    Ok(Replayed {
        commit: past.commit.id,
        evr: past.publication.evr.as_ref().map(Evr::to_string),
        generated_by: printable(&past.publication.generated_by, 100),
        verdict,
    })
}

async fn compared(past: &Past, place: &Place<'_>) -> Tried<Verdict> {
    let objects = place.dist_git.store.objects();
    let before = parent(past, &objects)?;
    let config = config_then(&objects, &before, past)?;
    let source = source_store(&config, place).await?;
    let mut order = order_then(past, place, &before, config, &source)?;
    let evr_now = take_evr(&mut order, past);
    let made = made(past, place, before, order, &source).await?;
    let evr_now = evr_now.or(made.evr_now);
    let changes = made.objects.changes(&past.commit.tree, &made.draft.tree, &|_| false)?;
    Ok(match (&evr_now, changes.is_empty()) {
        (None, true) => Verdict::Same,
        _ => Verdict::Different {
            evr_now,
            files: changes.iter().take(LISTED).map(described).collect(),
            count: changes.len(),
        },
    })
}

/// Returns the commit that the publication was laid upon.
fn parent(past: &Past, objects: &Objects) -> Tried<Commit> {
    match past.commit.parents.first() {
        Some(parent) => Ok(objects.commit(parent)?),
        None => Err(impossible("replay-no-parent", "the commit has no parent".to_owned())),
    }
}

/// Reads the config as it stood when the publication was made.
fn config_then(objects: &Objects, before: &Commit, past: &Past) -> Tried<BranchConfig> {
    let config = match ledger::enter(objects, before) {
        Ok(Entry::OptedIn(config)) => *config,
        Ok(Entry::Retired | Entry::NotOptedIn) => {
            let words = format!("{} has no source-git.yaml", before.id.short());
            return Err(impossible("replay-no-config", words));
        }
        Err(fault) => return Err(fault.into()),
    };
    match config.unsupported() {
        Some(refusal) => Err(Barred::Impossible(reason(&refusal))),
        None => Ok(with_digest(config, past)),
    }
}

/// Names the image by the digest that it was run with, whatever its tag stands for today.
fn with_digest(mut config: BranchConfig, past: &Past) -> BranchConfig {
    if config.population.container.is_some() && past.publication.population.contains("@sha256:") {
        config.population.container = Some(past.publication.population.clone());
    }
    config
}

async fn source_store(config: &BranchConfig, place: &Place<'_>) -> Tried<Store> {
    if let Some(path) = place.source {
        return Ok(Store::open(path, Trust::InPlace)?);
    }
    let source = &config.source;
    let opened = observe::open_source(&source.repository, &source.branch, place.lookout).await;
    match opened {
        Ok((store, _)) => Ok(store),
        Err(Fault::Refused(refusal)) => Err(Barred::Impossible(reason(&refusal))),
        Err(Fault::Failed(problem)) => Err(Barred::Failed(problem)),
    }
}

/// Puts the order together from what the trailers name.
fn order_then(
    past: &Past,
    place: &Place<'_>,
    before: &Commit,
    config: BranchConfig,
    source: &Store,
) -> Tried<Order> {
    let objects = source.objects();
    let id = past.publication.source_commit;
    if !objects.has(&id) {
        let words = format!("the source has no commit {id} any more");
        return Err(impossible("replay-source-gone", words));
    }
    let tip = objects.commit(&id)?;
    let (name, object) = &past.publication.release_tag;
    let mut tags = objects.tags()?;
    tags.retain(|tag| tag.name == *name);
    if tags.iter().all(|tag| tag.object != *object) {
        let words = format!("tag {name} is gone, or points elsewhere than to {object}");
        return Err(impossible("replay-tag-moved", words));
    }
    let package = &place.target.package;
    let asked = Asked { package, config: &config, trust: TagTrust::Any, policy: None };
    let release = observe::release(&asked, &objects, &tip, tags)??;
    let spec = observe::find_spec(&objects, &tip, config.spec.path.as_ref())?;
    let branch = branch_then(place, before, config)?;
    let spec = decide::spec_to_plan_with(spec, place.target, &branch)?;
    let ordered = Ordered {
        target: place.target.clone(),
        dist_git_tip: before.id,
        branch,
        tip,
        spec,
        release,
        newer_branches: Vec::new(),
        warnings: Vec::new(),
    };
    let dist = place.lookout.trusted.dist.map(str::to_owned);
    Ok(decide::order(ordered, &Rules { accept_rewrite: true, dist })?)
}

/// Reads how the branch stood before the publication.
fn branch_then(place: &Place<'_>, before: &Commit, config: BranchConfig) -> Result<BranchState> {
    let objects = place.dist_git.store.objects();
    let (target, trusted) = (place.target, place.lookout.trusted);
    let (published, _) = ledger::since_published(&objects, target, before, trusted.bot_certs)?;
    let floor = ledger::floor(&objects, target, before, trusted, &Note::none())?;
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

/// Has the order write the EVR that was published; returns what this build would have written, where that is
/// another and no newer branch explains it.
fn take_evr(order: &mut Order, past: &Past) -> Option<String> {
    let then = past.publication.evr.as_ref();
    let now = order.claimed_evr().cloned();
    if now.as_ref() == then {
        return None;
    }
    let shown = now.as_ref().map_or("none".to_owned(), Evr::to_string);
    let Some((evr, form)) = then.and_then(|evr| Some((evr, form_of(evr)?))) else {
        return Some(shown);
    };
    (order.plan.evr, order.plan.form) = (evr.clone(), form);
    matches!(form, ReleaseForm::Plain { .. }).then_some(shown)
}

/// Reads back how a published release was written around the dist tag.
fn form_of(evr: &Evr) -> Option<ReleaseForm> {
    match evr.release.as_str().split_once('.') {
        None => Some(ReleaseForm::Plain { number: evr.release.as_str().parse().ok()? }),
        Some((number, minor)) => {
            let (number, minor) = (number.parse().ok()?, minor.parse().ok()?);
            Some(ReleaseForm::MinorAfterDist { number, minor })
        }
    }
}

/// What was made again, and the objects in which its tree is.
struct Made {
    draft: Draft,
    objects: Objects,
    /// What a container brought the EVR to, where that is another.
    evr_now: Option<String>,
}

async fn made(
    past: &Past,
    place: &Place<'_>,
    before: Commit,
    order: Order,
    source: &Store,
) -> Tried<Made> {
    let kept = kept_tarballs(past, place, &order).await?;
    let releases = Releases {
        folder: kept.as_deref().or(place.releases.folder),
        downloads: place.releases.downloads.clone(),
        lookaside: place.releases.lookaside,
        keyring: place.releases.keyring,
        now: place.releases.now,
    };
    // The same repository, as it stood then: its objects are all there.
    let store = Store::open(&place.dist_git.store.git_dir(), Trust::Fetched)?;
    let then = DistGit { store, tip: before };
    let log = place.work.join("container.log");
    let room = Room {
        containers: place.containers,
        mirrors: place.lookout.mirrors,
        work: place.work,
        log: &log,
        progress: Progress::SILENT,
    };
    let means = Means { source, dist_git: &then, releases: &releases, room };
    let (mut order, supplies) = supply(order, &means).await?;
    let evr_now = take_evr(&mut order, past);
    let objects = then.store.scratch();
    let provisions = Provisions {
        work: place.work,
        dist_git: &objects,
        release: supplies.release,
        sources: Sources::Optional,
        method: Method::Git,
        progress: Progress::SILENT,
        given: supplies.given,
        bot_certs: place.lookout.trusted.bot_certs,
        notes: supplies.notes,
        // Patches that an earlier build kept would be compared with themselves.
        patch_cache: None,
    };
    let draft = draft(&order, source, &then, &provisions)?;
    Ok(Made { draft, objects, evr_now })
}

/// Brings the released tarball that was published then, from the lookaside, into a folder of its own; `None` where it
/// is at hand, or none was taken.
async fn kept_tarballs(past: &Past, place: &Place<'_>, order: &Order) -> Tried<Option<PathBuf>> {
    let Some(lookaside) = place.lookaside else { return Ok(None) };
    let takes_one = order.config.population.mechanism == Mechanism::UpstreamTarball;
    if !takes_one || place.releases.folder.is_some() {
        return Ok(None);
    }
    let objects = place.dist_git.store.objects();
    let Some(entry) = objects.entry_at(&past.commit.tree, "sources")? else { return Ok(None) };
    let listed = SourcesFile::parse(&objects.blob(&entry.id)?)?;
    let folder = place.work.join(format!("released-{}", past.commit.id));
    std::fs::create_dir_all(&folder).map_err(|error| {
        let words = format!("cannot make {}: {error}", folder.display());
        Barred::Failed(Problem::permanent("output-not-writable", words).because(error))
    })?;
    for entry in listed.entries() {
        let to = folder.join(entry.file.as_str());
        lookaside.download(&order.target.package, &entry.file, &entry.digest, &to).await?;
    }
    Ok(Some(folder))
}

fn described(change: &FileChange) -> String {
    let kind = match (&change.old, &change.new) {
        (Some(_), Some(_)) => "M",
        (None, _) => "A",
        (_, None) => "D",
    };
    format!("{kind} {}", printable(&change.path, 200))
}

fn impossible(code: &'static str, message: String) -> Barred {
    Barred::Impossible(Reason { code: Code(code), message, hint: String::new() })
}

fn reason(refusal: &Refusal) -> Reason {
    let Refusal { code, message, hint, .. } = refusal.clone();
    Reason { code, message, hint }
}
