//! The new dist-git tree, put together on top of the tip's.
//!
//! Files that the previous publication wrote and this one does not are removed; what people added (gating.yaml,
//! README) stays. Which files the previous one wrote is found from what it says itself: its source commit, its
//! config, and the patches between the markers of its spec.

use std::collections::{BTreeMap, BTreeSet};

use super::copied::{CopiedFile, Paths, copied, is_bots_own};
use super::patches::Patch;
use super::{DraftArchive, Sources};
use crate::bot_certs::BotCerts;
use crate::decide::Order;
use crate::git::{Change, Commit, EntryMode, Kind, Objects};
use crate::ledger::own_publication;
use crate::names::{FileName, ObjectId};
use crate::observe::{DistGit, find_spec};
use crate::outcome::{Fault, Refusal, Result};
use crate::sources::SourcesFile;
use crate::sources::gitignore::GitIgnore;
use crate::spec::{Origin, ReadAs, SpecFile};
use crate::trigger::Target;

/// Everything that goes into the tree.
pub struct Assembly<'a> {
    /// The order.
    pub order: &'a Order,
    /// Copied files, by path.
    pub files: BTreeMap<String, CopiedFile>,
    /// The bot's patches.
    pub patches: &'a [Patch],
    /// The edited spec.
    pub spec: SpecFile,
    /// The spec at the dist-git tip.
    pub old_spec: Option<&'a SpecFile>,
    /// The archives of this publication.
    pub archives: &'a [DraftArchive],
    /// Whether other sources must be at hand.
    pub sources: Sources,
    /// Whose commits are the bot's own.
    pub bot_certs: &'a BotCerts,
}

/// Reads the package's spec at the dist-git tip.
///
/// # Errors
/// Refuses objects that cannot be read.
pub fn spec_at_tip(
    objects: &Objects,
    dist_git: &DistGit,
    order: &Order,
) -> Result<Option<Vec<u8>>> {
    read(objects, &dist_git.tip.tree, &spec_name(order))
}

/// dist-git's spec is always `NAME.spec`, wherever it lies in source-git.
fn spec_name(order: &Order) -> String {
    format!("{}.spec", order.target.package)
}

fn read(objects: &Objects, tree: &ObjectId, path: &str) -> Result<Option<Vec<u8>>> {
    match objects.entry_at(tree, path)? {
        Some(entry) => objects.blob(&entry.id).map(Some),
        None => Ok(None),
    }
}

fn sources_in(objects: &Objects, tree: &ObjectId) -> Result<Option<SourcesFile>> {
    Ok(read(objects, tree, "sources")?.map(|bytes| SourcesFile::parse(&bytes)).transpose()?)
}

impl Assembly<'_> {
    /// Writes the tree into the dist-git store and returns its id.
    ///
    /// # Errors
    /// Refuses two files of one name, and (where they are required) sources that are nowhere.
    pub fn write(
        &self,
        source: &Objects,
        objects: &Objects,
        dist_git: &DistGit,
        notes: &mut Vec<String>,
    ) -> Result<ObjectId> {
        let tip_tree = &dist_git.tip.tree;
        let old_sources = sources_in(objects, tip_tree)?;
        let sources = self.new_sources(old_sources.as_ref());
        let own_last = match &self.order.published {
            Some(published) => sources_in(objects, &published.tree)?,
            None => None,
        };
        let mut ignore =
            GitIgnore::parse(&read(objects, tip_tree, ".gitignore")?.unwrap_or_default());
        ignore.update(own_last.as_ref(), &sources);

        let mut written = self.plain_files()?;
        written.insert(spec_name(self.order), plain(self.spec.bytes().to_vec()));
        written.insert("sources".to_owned(), plain(sources.to_bytes()));
        written.insert(".gitignore".to_owned(), plain(ignore.to_bytes()));

        let mut changes = BTreeMap::new();
        let mut before = self.written_before(source)?;
        before.extend(self.written_by_container(objects, dist_git, &written)?);
        for path in before {
            if !written.contains_key(&path) {
                changes.insert(path, Change::Remove);
            }
        }
        for (path, file) in &written {
            let id = objects.write(Kind::Blob, &file.content)?;
            changes.insert(path.clone(), Change::Put(file.mode, id));
        }
        let tree = objects.edited_tree(tip_tree, &changes)?;
        self.missing_sources(objects, &tree, &sources, notes)?;
        Ok(tree)
    }

    /// Returns the copied files and the patches.
    fn plain_files(&self) -> Result<BTreeMap<String, CopiedFile>> {
        let mut files = self.files.clone();
        for patch in self.patches {
            let name = patch.file_name.to_string();
            if files.insert(name.clone(), plain(patch.bytes.clone())).is_some() {
                return Err(Refusal::new(
                    "packaging-clash",
                    format!("a packaging file and a patch are both to be {name}"),
                )
                .hint("name the patch otherwise with a `Patch-name:` trailer on its commit")
                .into());
            }
        }
        Ok(files)
    }

    /// Returns `sources`: this publication's archives, and those other entries that the spec still names.
    fn new_sources(&self, old: Option<&SourcesFile>) -> SourcesFile {
        let mut sources = old.cloned().unwrap_or_default();
        let named = self.spec.sources();
        // Where a source cannot be expanded, nobody can say which entries are of use any more.
        if named.iter().all(|source| source.file_name().is_some()) {
            let names: BTreeSet<&str> =
                named.iter().filter_map(|source| source.file_name()).collect();
            let listed: Vec<FileName> =
                sources.entries().iter().map(|entry| entry.file.clone()).collect();
            for file in listed.iter().filter(|file| !names.contains(file.as_str())) {
                sources.remove(file);
            }
        }
        for archive in self.archives {
            sources.set(archive.name.clone(), &archive.sha512);
        }
        sources
    }

    /// Returns the paths that the previous publication wrote.
    fn written_before(&self, source: &Objects) -> Result<BTreeSet<String>> {
        let mut paths = BTreeSet::new();
        let Some(published) = &self.order.published else { return Ok(paths) };
        let patches = self.old_spec.map(SpecFile::patches).unwrap_or_default();
        let ours = patches.into_iter().filter(|patch| patch.origin == Origin::Ours);
        paths.extend(ours.filter_map(|patch| patch.file));
        let source_commit = &published.publication.source_commit;
        if let Some(config) = published.config.as_ref().filter(|_| source.has(source_commit)) {
            let commit = source.commit(source_commit)?;
            if let Ok(spec) = find_spec(source, &commit, config.spec.path.as_ref())? {
                let (packaging, tests) = (&config.packaging, &config.tests);
                let copy = Paths { packaging, tests, spec: &spec.path };
                match copied(source, &commit.tree, copy) {
                    Ok(files) => paths.extend(files.into_keys()),
                    // It was copied once, so the rules have changed since: then nothing is removed.
                    Err(Fault::Refused(_)) => {}
                    Err(failed) => return Err(failed),
                }
            }
        }
        Ok(paths)
    }

    /// Returns the paths that publications by a container wrote, and this one does not write.
    ///
    /// What a container wrote is said nowhere but in dist-git's history: the path is ours where the last commit that
    /// changed it is the bot's own.
    fn written_by_container(
        &self,
        objects: &Objects,
        dist_git: &DistGit,
        written: &BTreeMap<String, CopiedFile>,
    ) -> Result<BTreeSet<String>> {
        let Some(published) = &self.order.published else { return Ok(BTreeSet::new()) };
        let now = self.order.config.population.container.is_some();
        if !now && !published.publication.population.contains("@sha256:") {
            return Ok(BTreeSet::new());
        }
        let there = objects.files(&dist_git.tip.tree)?;
        let there = there.into_keys().filter_map(|path| String::from_utf8(path.into()).ok());
        let candidates = there.filter(|path| !written.contains_key(path) && !is_bots_own(path));
        let author = LastAuthor { objects, target: &self.order.target, bot_certs: self.bot_certs };
        author.own(&published.commit, candidates.collect())
    }

    /// Sees that each source the spec names is in the tree or in `sources`.
    fn missing_sources(
        &self,
        objects: &Objects,
        tree: &ObjectId,
        sources: &SourcesFile,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let mut missing = Vec::new();
        for source in self.spec.sources() {
            if source.read_as == ReadAs::Inactive {
                continue;
            }
            let Some(name) = source.file_name() else { continue };
            let is_listed = sources.entries().iter().any(|entry| entry.file.as_str() == name);
            if !is_listed && objects.entry_at(tree, name)?.is_none() {
                missing.push(format!("{name} (Source{}, line {})", source.number, source.line));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let words = format!("neither dist-git nor its `sources` has {}", missing.join(", "));
        match self.sources {
            Sources::Optional => {
                notes.push(words);
                Ok(())
            }
            Sources::Required => Err(Refusal::new("source-missing", words)
                .hint(
                    "put the file under a packaging path in source-git, or upload it to the lookaside cache and \
                     list it in dist-git's `sources`",
                )
                .into()),
        }
    }
}

/// Tells by history who wrote a path last.
struct LastAuthor<'a> {
    objects: &'a Objects,
    target: &'a Target,
    bot_certs: &'a BotCerts,
}

impl LastAuthor<'_> {
    /// Returns those of the paths whose last change below `from` is in a commit of the bot's own.
    fn own(&self, from: &ObjectId, mut paths: BTreeSet<String>) -> Result<BTreeSet<String>> {
        let mut own = BTreeSet::new();
        let mut commit = self.objects.commit(from)?;
        while !paths.is_empty() {
            let parent = commit.parents.first().map(|id| self.objects.commit(id)).transpose()?;
            let changed = self.changed(&commit, parent.as_ref(), &paths)?;
            if !changed.is_empty() {
                let is_own =
                    own_publication(&commit, &self.target.name(), self.bot_certs).is_some();
                paths.retain(|path| !changed.contains(path));
                own.extend(changed.into_iter().filter(|_| is_own));
            }
            let Some(parent) = parent else { break };
            commit = parent;
        }
        Ok(own)
    }

    fn changed(
        &self,
        commit: &Commit,
        parent: Option<&Commit>,
        paths: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>> {
        let mut changed = BTreeSet::new();
        if parent.is_some_and(|parent| parent.tree == commit.tree) {
            return Ok(changed);
        }
        for path in paths {
            let now = self.objects.entry_at(&commit.tree, path)?;
            let before = parent.map(|parent| self.objects.entry_at(&parent.tree, path));
            if now != before.transpose()?.flatten() {
                changed.insert(path.clone());
            }
        }
        Ok(changed)
    }
}

fn plain(content: Vec<u8>) -> CopiedFile {
    CopiedFile { mode: EntryMode::File, content }
}
