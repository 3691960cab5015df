//! Population: the verified source tree becomes the content of a dist-git branch.
//!
//! A function of the order, the objects it names and this program's version: no clock, no network, no key. The
//! same order gives the same tree, here, on another machine and in the published images.
//!
//! 0. what comes from outside is brought before ([`supply`]): the released tarball ([`upstream`]), and what a
//!    container made ([`contained`]);
//! 1. packaging files and tests are copied ([`copied`]);
//! 2. the archive and the patches above it are made ([`mechanism`]), or taken from upstream or a container, and
//!    proved to be the signed tree ([`content`]);
//! 3. commits become changelog items ([`log`], [`changelog`]);
//! 4. the spec is edited, byte for byte ([`crate::spec`]);
//! 5. `sources` and `.gitignore` follow ([`crate::sources`]);
//! 6. the new tree is put together on top of the dist-git tip's ([`assemble`]).

pub mod apply;
pub mod archive;
pub mod assemble;
pub mod changelog;
pub mod contained;
pub mod content;
pub mod copied;
pub mod identity;
pub mod log;
pub mod mechanism;
pub mod patches;
pub mod supply;
#[cfg(test)]
pub(crate) mod testing;
pub mod upstream;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::bot_certs::BotCerts;
use crate::config::{AutoMacros, PrereleaseStyle};
use crate::decide::{Order, VerifiedTip};
use crate::digest::Sha512;
use crate::git::{Objects, Store};
use crate::names::{FileName, ObjectId};
use crate::observe::{DistGit, Scene};
use crate::outcome::{Problem, Refusal, Result};
use crate::progress::Progress;
use crate::spec::{Context, Edited, Edits, Entry, ReleaseEdit, Snapshot, SpecFile, merge_entries};
use crate::version::ReleaseForm;

use contained::Given;
use contained::output::SpecState;
use copied::CopiedFile;
use identity::{AtTag, Method};
use patches::PatchCache;
use upstream::obtain::ReleaseTarball;

/// What is to become the content of the branch, not yet tied to a verified tip.
#[derive(Debug)]
pub struct Draft {
    /// The tree, written into the dist-git store.
    pub tree: ObjectId,
    /// The archives that `sources` lists for this publication.
    pub archives: Vec<DraftArchive>,
    /// The bot's patches, in order.
    pub patches: Vec<FileName>,
    /// The changelog items.
    pub items: Vec<changelog::Item>,
    /// What was proved.
    pub identity: Proof,
    /// What `%prep` must come to, where rpm is to be asked.
    pub prepared: Option<content::Prepared>,
    /// What a person might want to know.
    pub notes: Vec<String>,
}

/// An archive on its way to the lookaside cache.
#[derive(Debug, Clone)]
pub struct DraftArchive {
    /// Its name.
    pub name: FileName,
    /// Its digest.
    pub sha512: Sha512,
    /// Its size in bytes; `None` where it was made before and is listed already.
    pub size: Option<u64>,
    /// Where it lies; `None` where it was made before and is listed already.
    pub path: Option<PathBuf>,
}

/// What was proved of the tree, and what had to be left out of the comparison.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proof {
    /// Paths that `export-ignore` keeps out of the archive.
    pub hidden: Vec<String>,
    /// Paths whose bytes git itself changes on export (`export-subst`, line ends, encodings).
    pub converted: Vec<String>,
    /// What pins the released tarball.
    pub pinned_by: Vec<String>,
    /// How many paths the archive and its tag do not agree on, measured there and subtracted.
    pub at_tag: AtTag,
    /// These paths.
    pub differs_at_tag: Vec<String>,
    /// Paths that patches by hand change.
    pub by_hand: Vec<String>,
    /// Paths that commits with `Ignore-patch` change.
    pub ignored: Vec<String>,
    /// Whether what was found broke the promise, and the branch config has it reported only.
    pub is_broken: bool,
}

/// How many paths of a kind a report lists; the counts are complete.
const LISTED: usize = 200;

impl Proof {
    /// Returns the report's form of it; what is proved by rpm is proved in git terms too.
    pub fn to_json(&self, method: Method) -> serde_json::Value {
        let listed = |paths: &[String]| paths.iter().take(LISTED).cloned().collect::<Vec<_>>();
        json!({
            "method": method.as_str(),
            "holds": !self.is_broken,
            "pinned_by": self.pinned_by,
            "hidden": listed(&self.hidden),
            "converted": listed(&self.converted),
            "at_tag": {
                "only_in_archive": self.at_tag.only_in_archive,
                "only_in_tag": self.at_tag.only_in_tag,
                "changed": self.at_tag.changed,
            },
            "differs_at_tag": listed(&self.differs_at_tag),
            "by_hand": listed(&self.by_hand),
            "ignored": listed(&self.ignored),
        })
    }
}

/// A draft that came of a verified tip, and holds the evidence. Only [`populate`] makes one.
#[derive(Debug)]
pub struct PopulatedTree {
    tip: VerifiedTip,
    draft: Draft,
}

impl PopulatedTree {
    /// Returns the tip that it came of.
    pub fn tip(&self) -> &VerifiedTip {
        &self.tip
    }

    /// Returns the order that it fulfils.
    pub fn order(&self) -> &Order {
        self.tip.order()
    }

    /// Returns what was made.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }
}

/// Whether sources besides the bot's archive must be at hand, and a released tarball pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sources {
    /// They must: a build would fail without them, and a tarball that nothing pins is anybody's.
    Required,
    /// They are noted.
    Optional,
}

/// What population is given besides the order and the repositories; nothing else comes from outside.
pub struct Provisions<'a> {
    /// A folder for archives on their way.
    pub work: &'a Path,
    /// Access to dist-git's objects through which the result is written: to stay, or (a thousand small files
    /// the fewer) for as long as it is looked at.
    pub dist_git: &'a Objects,
    /// The released tarball, where the mechanism takes one.
    pub release: Option<ReleaseTarball>,
    /// Whether other sources must be at hand.
    pub sources: Sources,
    /// How tree identity is to be proved.
    pub method: Method,
    /// Who watches.
    pub progress: Progress<'a>,
    /// What a container gave, where the branch names one.
    pub given: Option<Given>,
    /// Whose commits in dist-git are the bot's own.
    pub bot_certs: &'a BotCerts,
    /// Patches of earlier runs for this branch; a patch is a function of its commit, so they are made once.
    pub patch_cache: Option<PatchCache>,
    /// What a person might want to know of how all this was brought.
    pub notes: Vec<String>,
}

/// Populates a verified tip.
///
/// # Errors
/// As [`draft`].
pub fn populate(
    tip: VerifiedTip,
    scene: &Scene,
    provisions: &Provisions<'_>,
) -> Result<PopulatedTree> {
    let draft = draft(tip.order(), &scene.source()?.store, &scene.dist_git, provisions)?;
    Ok(PopulatedTree { tip, draft })
}

/// Does the work of population, for verified tips and for the command that needs no signature.
///
/// # Errors
/// Refusals for content that cannot be carried, specs that cannot be edited, and trees that are not proved.
pub fn draft(
    order: &Order,
    source: &Store,
    dist_git: &DistGit,
    provisions: &Provisions<'_>,
) -> Result<Draft> {
    let objects = source.objects();
    let dist_git_objects = provisions.dist_git;
    let given = provisions.given.as_ref();
    let tip_spec = assemble::spec_at_tip(dist_git_objects, dist_git, order)?;
    let tip_spec = tip_spec.map(|bytes| SpecFile::parse(bytes, &context(order)));
    let groundwork = Groundwork::lay(order, source, dist_git, dist_git_objects, given)?;
    let Groundwork { spec: source_spec, mut files, by_hand, changes } = groundwork;
    let ingredients = content::Ingredients {
        order,
        source,
        spec: &source_spec,
        by_hand: &by_hand,
        dist_git,
        provisions,
    };
    let content = content::make(ingredients)?;
    let edited = match given.map(|given| given.spec) {
        Some(SpecState::Final) => Edited { bytes: source_spec.bytes().to_vec(), notes: Vec::new() },
        Some(SpecState::Edit) | None => {
            let edits = edits(order, &content, &changes.items, &source_spec, tip_spec.as_ref())?;
            source_spec.edit(&edits)?
        }
    };
    let mut notes = provisions.notes.clone();
    notes.extend(content.notes);
    notes.extend(edited.notes);
    files.extend(by_hand.into_iter().map(|patch| (patch.file.to_string(), patch.content)));
    let assembly = assemble::Assembly {
        order,
        files,
        patches: &content.patches,
        spec: SpecFile::parse(edited.bytes, &context(order)),
        old_spec: tip_spec.as_ref(),
        archives: &content.archives,
        sources: provisions.sources,
        bot_certs: provisions.bot_certs,
    };
    let tree = assembly.write(&objects, dist_git_objects, dist_git, &mut notes)?;
    Ok(Draft {
        tree,
        archives: content.archives,
        patches: content.patches.into_iter().map(|patch| patch.file_name).collect(),
        items: changes.items,
        identity: content.proof,
        prepared: content.prepared,
        notes,
    })
}

/// What is read before anything is made.
pub(crate) struct Groundwork {
    /// The spec before it is edited.
    pub(crate) spec: SpecFile,
    /// Files that go beside it.
    pub(crate) files: BTreeMap<String, CopiedFile>,
    /// Patches that people list by hand.
    pub(crate) by_hand: Vec<content::PatchByHand>,
    /// What the changelog says.
    pub(crate) changes: changelog::Changes,
}

impl Groundwork {
    /// Reads it from the source, or (where a container gave files) from these.
    pub(crate) fn lay(
        order: &Order,
        source: &Store,
        dist_git: &DistGit,
        dist_git_objects: &Objects,
        given: Option<&Given>,
    ) -> Result<Groundwork> {
        let objects = source.objects();
        let spec = SpecFile::parse(order.spec.bytes.clone(), &context(order));
        let files = match given {
            Some(given) => given.files.clone(),
            None => {
                let config = &order.config;
                let (packaging, tests, spec) = (&config.packaging, &config.tests, &order.spec.path);
                let paths = copied::Paths { packaging, tests, spec };
                copied::copied(&objects, &order.source_commit.tree, paths)?
            }
        };
        let by_hand = content::patches_by_hand(&spec, &files, dist_git_objects, dist_git)?;
        let log = log::since_published(&objects, order)?;
        let occasion = changelog::Occasion {
            tag: &order.release.tag.name,
            version: &order.plan.evr.version,
            version_is_new: order.version_is_new(),
        };
        let changes = changelog::items(&log, &order.config.changelog, occasion);
        Ok(Groundwork { spec, files, by_hand, changes })
    }
}

fn context(order: &Order) -> Context {
    Context { dist: order.dist.clone(), ..Context::default() }
}

fn edits(
    order: &Order,
    content: &content::Content,
    items: &[changelog::Item],
    source_spec: &SpecFile,
    tip_spec: Option<&SpecFile>,
) -> Result<Edits> {
    let date = log::utc_date(order.source_commit.committer.seconds);
    let keeps = order.keeps_auto_macros();
    let entry = Entry {
        date,
        name: log::author_name(&order.source_commit),
        mail: log::author_mail(&order.source_commit),
        evr: Some(order.plan.evr.clone()),
        items: items.iter().map(|item| item.text.clone()).collect(),
    };
    let older = |spec: &SpecFile| spec.changelog_entries();
    let tip_entries = tip_spec.map(older).unwrap_or_default();
    Ok(Edits {
        version: Some(order.plan.evr.version.clone()),
        prerelease: dropped_prerelease(order),
        snapshot: Some(Snapshot { commit: content.archived_commit, date }),
        release: if keeps { None } else { release_edit(order)? },
        epoch: Some(order.plan.evr.epoch),
        source0: content.source0.clone(),
        prefix_dir: content.top.clone(),
        patches: content.patches.iter().map(|patch| patch.file_name.clone()).collect(),
        changelog: if keeps { None } else { Some(entry) },
        older_entries: if keeps {
            None
        } else {
            Some(merge_entries(&tip_entries, &older(source_spec)))
        },
        auto: if keeps { AutoMacros::Keep } else { AutoMacros::Replace },
    })
}

/// Returns the tag's prerelease part where the version does not show it: the kernel's style, in which a spec keeps
/// it in a macro of its own.
fn dropped_prerelease(order: &Order) -> Option<String> {
    match order.config.tags.prerelease {
        PrereleaseStyle::Drop => order.release.prerelease.clone(),
        PrereleaseStyle::Tilde => None,
    }
}

fn release_edit(order: &Order) -> Result<Option<ReleaseEdit>, Refusal> {
    let (number, minor) = match order.plan.form {
        ReleaseForm::Plain { number } => (number, None),
        ReleaseForm::MinorAfterDist { number, minor } => (number, Some(minor)),
        ReleaseForm::AsWritten => return Ok(None),
    };
    let too_large =
        || Refusal::new("release-too-large", "the number after the dist tag is too large");
    Ok(Some(ReleaseEdit {
        number: number.to_string().parse().map_err(|_| too_large())?,
        minor: minor.map(|minor| u32::try_from(minor).map_err(|_| too_large())).transpose()?,
    }))
}

impl Draft {
    /// Writes the result out: `dist-git/`, the branch's content, and `lookaside/`, the archives.
    ///
    /// # Errors
    /// Refuses a folder that is not empty; fails where it cannot be written.
    pub fn write_out(&self, dist_git: &Objects, output: &Path) -> Result<()> {
        let failed = |error: std::io::Error| {
            let words = format!("cannot write to {}: {error}", output.display());
            Problem::permanent("output-not-writable", words).because(error)
        };
        dist_git.write_out(&self.tree, &output.join("dist-git"))?;
        let lookaside = output.join("lookaside");
        std::fs::create_dir_all(&lookaside).map_err(failed)?;
        for archive in &self.archives {
            if let Some(path) = &archive.path {
                std::fs::copy(path, lookaside.join(archive.name.as_str())).map_err(failed)?;
            }
        }
        Ok(())
    }
}
