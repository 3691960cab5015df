//! What a container gave, sorted: files, patches, archives; the spec goes into the order.

use std::collections::{BTreeMap, HashMap};

use super::output::{Harvest, Said, SpecState};
use crate::config::Mechanism;
use crate::decide::{Amendment, Order};
use crate::git::{Kind, Objects};
use crate::names::{FileName, ObjectId};
use crate::observe::DistGit;
use crate::outcome::{Refusal, Result};
use crate::populate::DraftArchive;
use crate::populate::copied::{CopiedFile, is_bots_own};
use crate::populate::patches::{Patch, Series};
use crate::populate::upstream::obtain::ReleaseTarball;

/// The largest spec that is taken.
pub(super) const LARGEST_SPEC: usize = 4 * 1024 * 1024;

/// What a container gave.
#[derive(Debug)]
pub struct Given {
    /// The files for dist-git, without spec and patches.
    pub files: BTreeMap<String, CopiedFile>,
    /// The patches, in order.
    pub patches: Vec<Patch>,
    /// Commits whose change is in no patch, as their trailers say.
    pub ignored: Vec<ObjectId>,
    /// The archives.
    pub archives: Vec<DraftArchive>,
    /// The one of them that Source0 names.
    pub source0: Option<FileName>,
    /// Whether the spec is to be edited.
    pub spec: SpecState,
    /// What a person might want to know.
    pub notes: Vec<String>,
}

/// What an output is sorted with.
pub(super) struct Sorting<'a> {
    pub(super) order: &'a Order,
    pub(super) plan: &'a Series,
    pub(super) archive: &'a FileName,
    pub(super) release: Option<&'a ReleaseTarball>,
    pub(super) dist_git: &'a DistGit,
}

impl Sorting<'_> {
    /// Sorts an output, and returns what it changes about the order.
    ///
    /// # Errors
    /// Refuses patches and archives that are named and not there, a spec that is no text, and another tarball under
    /// the name of the released one.
    pub(super) fn sort(&self, harvest: Harvest) -> Result<(Given, Vec<Amendment>)> {
        let Harvest { mut files, mut archives, said } = harvest;
        let mut notes = said.notes.clone();
        let spec = self.take_spec(&mut files)?;
        self.leave_bots_own(&mut files, &mut notes)?;
        let patches = self.take_patches(&mut files, said.patches.as_deref())?;
        self.must_not_replace_release(&mut archives)?;
        let source0 = self.source0(&archives, said.source0.as_ref())?;
        let amendments = amendments(&said, spec)?;
        let ignored = self.plan.ignored.clone();
        let spec = said.spec;
        Ok((Given { files, patches, ignored, archives, source0, spec, notes }, amendments))
    }

    fn take_spec(&self, files: &mut BTreeMap<String, CopiedFile>) -> Result<Option<Vec<u8>>> {
        let name = format!("{}.spec", self.order.target.package);
        let Some(file) = files.remove(&name) else { return Ok(None) };
        check_spec(&file.content, "the container")?;
        Ok(Some(file.content))
    }

    /// Drops the bot's own files; where the container changed one, that is told.
    fn leave_bots_own(
        &self,
        files: &mut BTreeMap<String, CopiedFile>,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let objects = self.dist_git.store.objects();
        let own: Vec<String> = files.keys().filter(|path| is_bots_own(path)).cloned().collect();
        for path in own {
            let Some(file) = files.remove(&path) else { continue };
            let there = objects.entry_at(&self.dist_git.tip.tree, &path)?;
            let id = Objects::hash(Kind::Blob, &file.content)?;
            if there.is_none_or(|entry| entry.id != id) {
                notes.push(format!(
                    "the container wrote {path}, which is the bot's own and was not taken"
                ));
            }
        }
        Ok(())
    }

    fn take_patches(
        &self,
        files: &mut BTreeMap<String, CopiedFile>,
        named: Option<&[FileName]>,
    ) -> Result<Vec<Patch>> {
        let planned: HashMap<&FileName, &Patch> =
            self.plan.patches.iter().map(|patch| (&patch.file_name, patch)).collect();
        let order: Vec<FileName> = match named {
            Some(named) => named.to_vec(),
            None => self.plan.patches.iter().map(|patch| patch.file_name.clone()).collect(),
        };
        let mut patches = Vec::new();
        for file_name in order {
            match files.remove(file_name.as_str()) {
                Some(file) => {
                    let like = planned.get(&file_name);
                    let commits = like.map(|patch| patch.commits.clone()).unwrap_or_default();
                    let subject = like.map(|patch| patch.subject.clone()).unwrap_or_default();
                    let (binary, has_crlf) = (Vec::new(), Vec::new());
                    let bytes = file.content;
                    patches.push(Patch { file_name, bytes, commits, subject, binary, has_crlf });
                }
                None if named.is_some() => {
                    return Err(missing("patches", &file_name, "dist-git").into());
                }
                None => {}
            }
        }
        Ok(patches)
    }

    /// The released tarball is the bot's to upload, as it was pinned.
    fn must_not_replace_release(&self, archives: &mut Vec<DraftArchive>) -> Result<(), Refusal> {
        let Some(release) = self.release else { return Ok(()) };
        let copy = archives.iter().position(|archive| archive.name == release.file);
        let Some(copy) = copy.map(|place| archives.remove(place)) else { return Ok(()) };
        if copy.sha512 == release.sha512 {
            return Ok(());
        }
        let words =
            format!("the container left another {} than the one that was released", release.file);
        Err(Refusal::new("output-replaces-release", words).hint(
            "leave the tarball as it is in /upstream, or give an archive of your own another name",
        ))
    }

    fn source0(
        &self,
        archives: &[DraftArchive],
        named: Option<&FileName>,
    ) -> Result<Option<FileName>, Refusal> {
        let is_there = |name: &FileName| archives.iter().any(|archive| archive.name == *name);
        let is_release =
            |name: &FileName| self.release.is_some_and(|release| release.file == *name);
        match (named, archives) {
            (Some(name), _) if is_there(name) || is_release(name) => Ok(Some(name.clone())),
            (Some(name), _) => Err(missing("source0", name, "lookaside")),
            (None, _) if self.asks_for_release() => {
                Ok(self.release.map(|release| release.file.clone()))
            }
            (None, _) if is_there(self.archive) => Ok(Some(self.archive.clone())),
            (None, [only]) => Ok(Some(only.name.clone())),
            (None, _) => Ok(None),
        }
    }

    fn asks_for_release(&self) -> bool {
        self.order.config.population.mechanism == Mechanism::UpstreamTarball
    }
}

fn amendments(said: &Said, spec: Option<Vec<u8>>) -> Result<Vec<Amendment>, Refusal> {
    if said.spec == SpecState::Final {
        let Some(spec) = spec else {
            return Err(Refusal::new(
                "result-malformed",
                "the container calls its spec final, and left none",
            )
            .hint("leave the spec as /output/dist-git/NAME.spec"));
        };
        return Ok(vec![Amendment::FinalSpec(spec)]);
    }
    let version = said.version.clone().map(Amendment::Version);
    Ok(spec.map(Amendment::Spec).into_iter().chain(version).collect())
}

/// Refuses what is surely no spec.
///
/// # Errors
/// `spec-not-written` where it is empty, too large, no text or without a tag.
pub(super) fn check_spec(bytes: &[u8], writer: &str) -> Result<(), Refusal> {
    let refuse = |what: &str| {
        Err(Refusal::new("spec-not-written", format!("{writer} wrote a spec that {what}"))
            .hint("write the whole spec, and nothing else"))
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return refuse("is empty");
    }
    if bytes.len() > LARGEST_SPEC {
        return refuse(&format!("has more than {LARGEST_SPEC} bytes"));
    }
    if bytes.contains(&0) || std::str::from_utf8(bytes).is_err() {
        return refuse("is not UTF-8 text");
    }
    let is_name = |line: &[u8]| line.to_ascii_lowercase().starts_with(b"name:");
    match bytes.split(|byte| *byte == b'\n').any(|line| is_name(line.trim_ascii_start())) {
        true => Ok(()),
        false => refuse("has no line `Name:`"),
    }
}

fn missing(key: &str, name: &FileName, folder: &str) -> Refusal {
    let words = format!(
        "the container's result.json names {name} as {key}, which is not in /output/{folder}/"
    );
    Refusal::new("output-missing", words).hint("leave the file there, or take its name out")
}
