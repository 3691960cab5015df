//! What a spec says: its name, version, sources, patches and changelog.

use std::ops::Range;

use super::changelog::PublishedEntry;
use super::directive::{SectionKind, TagKind};
use super::edit::{PATCHES_BEGIN, PATCHES_END};
use super::walk::{Activity, Definition, Place, Section, Tag};
use super::{SpecFile, macros, syntax};
use crate::names::{Evr, PackageName, Release, Version};
use crate::outcome::{Refusal, printable};

/// Whether rpm would read a line, for people: lines are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadAs {
    /// It would.
    Active,
    /// It would not: a conditional around it is false.
    Inactive,
    /// That depends on a conditional which cannot be decided here.
    Undecided {
        /// The line of the `%if`.
        line: usize,
    },
}

impl From<Activity> for ReadAs {
    fn from(activity: Activity) -> Self {
        match activity {
            Activity::Active => ReadAs::Active,
            Activity::Inactive => ReadAs::Inactive,
            Activity::Undecided { line } => ReadAs::Undecided { line: line + 1 },
        }
    }
}

/// A Release, with the dist tag and without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecRelease {
    /// As rpm sees it: `1.fc44.2`.
    pub with_dist: Release,
    /// As `Published-EVR` has it: `1.2`.
    pub without_dist: Release,
}

/// A source that the spec lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecSource {
    /// Its number, given or counted.
    pub number: u32,
    /// The value as it stands in the spec.
    pub raw: String,
    /// What it comes to; `None` where that is not known.
    pub expanded: Option<String>,
    /// Whether rpm would read it.
    pub read_as: ReadAs,
    /// The line, counted from 1.
    pub line: usize,
}

impl SpecSource {
    /// Returns the file's name: what follows the last slash of the address.
    pub fn file_name(&self) -> Option<&str> {
        self.expanded.as_deref().map(base_name)
    }
}

/// Whose a patch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Ours: it stands between our markers.
    Ours,
    /// A person's: packaging.
    ByHand,
}

/// A patch that the spec lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPatch {
    /// Its number, given or counted.
    pub number: u32,
    /// The value as it stands in the spec.
    pub raw: String,
    /// The file's name; `None` where it is not known.
    pub file: Option<String>,
    /// Whether rpm would read it.
    pub read_as: ReadAs,
    /// Whose it is.
    pub origin: Origin,
    /// The line, counted from 1.
    pub line: usize,
}

/// Returns what follows the last slash.
pub(super) fn base_name(address: &str) -> &str {
    address.rsplit('/').next().unwrap_or(address)
}

impl SpecFile {
    /// Returns the package's name.
    pub fn name(&self) -> Result<PackageName, Refusal> {
        let tag = self.only_tag(TagKind::Name)?;
        let text = self.known(tag, "Name")?;
        text.parse().map_err(|error| self.illegal("spec-name-illegal", tag, error))
    }

    /// Returns the Version, expanded.
    pub fn version(&self) -> Result<Version, Refusal> {
        let tag = self.only_tag(TagKind::Version)?;
        let text = self.known(tag, "Version")?;
        text.parse().map_err(|error| self.illegal("spec-version-illegal", tag, error))
    }

    /// Returns the Release, expanded with the context's dist tag and without it.
    pub fn release(&self) -> Result<SpecRelease, Refusal> {
        let tag = self.only_tag(TagKind::Release)?;
        let parse = |text: String| {
            text.parse().map_err(|error| self.illegal("spec-release-illegal", tag, error))
        };
        let without =
            tag.expanded.without_dist().map_err(|why| self.unexpandable(tag, "Release", why))?;
        Ok(SpecRelease {
            with_dist: parse(self.known(tag, "Release")?)?,
            without_dist: parse(without)?,
        })
    }

    /// Returns the Epoch; 0 where there is none.
    pub fn epoch(&self) -> Result<u32, Refusal> {
        if self.readable_tags(TagKind::Epoch).next().is_none() {
            return Ok(0);
        }
        let tag = self.only_tag(TagKind::Epoch)?;
        let text = self.known(tag, "Epoch")?;
        text.parse().map_err(|error| self.illegal("spec-epoch-illegal", tag, error))
    }

    /// Returns epoch, version and release without the dist tag: what the floor counts (DESIGN section 3).
    pub fn published_evr(&self) -> Result<Evr, Refusal> {
        let release = self.release()?.without_dist;
        Ok(Evr { epoch: self.epoch()?, version: self.version()?, release })
    }

    /// Returns the sources in the order of the file, also those that a conditional leaves out.
    pub fn sources(&self) -> Vec<SpecSource> {
        let listed = self.walk.tags.iter().filter(|tag| tag.kind == TagKind::Source);
        listed.map(|tag| self.source(tag)).collect()
    }

    fn source(&self, tag: &Tag) -> SpecSource {
        SpecSource {
            number: tag.number,
            raw: self.raw(tag),
            expanded: tag.expanded.with_dist().ok(),
            read_as: tag.place.activity.into(),
            line: tag.place.line + 1,
        }
    }

    /// Returns the patches in the order of the file, which is the order they are applied in.
    pub fn patches(&self) -> Vec<ListedPatch> {
        let ours = self.marked_lines();
        let listed = self.walk.tags.iter().filter(|tag| tag.kind == TagKind::Patch);
        listed.map(|tag| self.patch(tag, &ours)).collect()
    }

    fn patch(&self, tag: &Tag, ours: &[Range<usize>]) -> ListedPatch {
        let is_ours = ours.iter().any(|lines| lines.contains(&tag.place.line));
        ListedPatch {
            number: tag.number,
            raw: self.raw(tag),
            file: tag.expanded.with_dist().ok().map(|text| base_name(&text).to_owned()),
            read_as: tag.place.activity.into(),
            origin: if is_ours { Origin::Ours } else { Origin::ByHand },
            line: tag.place.line + 1,
        }
    }

    /// Tells whether a Release that rpm may read uses `%autorelease`, itself or through a macro.
    pub fn uses_autorelease(&self) -> bool {
        let stands_for_it = |definition: &Definition| {
            mentions(&macros::readable(&self.bytes[definition.body.clone()]), "autorelease")
        };
        let behind: Vec<&Definition> =
            self.walk.definitions.iter().filter(|d| stands_for_it(d)).collect();
        self.readable_tags(TagKind::Release).any(|tag| {
            let raw = self.raw(tag);
            mentions(&raw, "autorelease")
                || behind.iter().any(|definition| mentions(&raw, &definition.name))
        })
    }

    /// Tells whether a changelog that rpm may read uses `%autochangelog`.
    pub fn uses_autochangelog(&self) -> bool {
        let readable = |section: &&Section| section.place.activity != Activity::Inactive;
        let changelogs =
            self.walk.sections.iter().filter(|section| section.kind == SectionKind::Changelog);
        changelogs.filter(readable).any(|section| self.autochangelog_line(section).is_some())
    }

    /// Returns the line of `%autochangelog` in a changelog.
    pub(super) fn autochangelog_line(&self, section: &Section) -> Option<usize> {
        let is_it = |line: &usize| {
            let text = self.line_text(*line);
            matches!(text.trim(), "%autochangelog" | "%{autochangelog}" | "%{?autochangelog}")
        };
        self.changelog_lines(section).find(is_it)
    }

    /// Returns the lines, counted from 1, that use a macro.
    pub fn macro_uses(&self, name: &str) -> Vec<usize> {
        let lines = 0..self.walk.lines.len();
        lines.filter(|line| mentions(&self.line_text(*line), name)).map(|line| line + 1).collect()
    }

    /// Returns the changelog's entries, newest first as they stand; none where rpm reads no changelog, or where
    /// it is not known which.
    pub fn changelog_entries(&self) -> Vec<PublishedEntry> {
        let Some(section) = self.active_changelog() else {
            return Vec::new();
        };
        let starts = self.entry_starts(section);
        let last = self.changelog_lines(section).end;
        let end = self.walk.lines[last - 1].next;
        let begin = |line: &usize| self.walk.lines[*line].start;
        let ends = starts.iter().skip(1).map(begin).chain([end]);
        let ranges = starts.iter().map(begin).zip(ends);
        ranges.map(|(start, end)| PublishedEntry::read(&self.bytes[start..end])).collect()
    }

    /// Returns the lines on which entries of a changelog begin: rpm wants the asterisk at column 0.
    pub(super) fn entry_starts(&self, section: &Section) -> Vec<usize> {
        self.changelog_lines(section)
            .filter(|line| self.bytes[self.walk.lines[*line].start..].starts_with(b"*"))
            .collect()
    }

    /// Returns the one changelog that rpm reads.
    pub(super) fn active_changelog(&self) -> Option<&Section> {
        let is_active = |section: &&Section| {
            section.kind == SectionKind::Changelog && section.place.activity == Activity::Active
        };
        self.walk.sections.iter().find(is_active)
    }

    /// Returns the lines of a changelog below its header, up to the next section or to the end of the conditional
    /// branch that the section stands in.
    pub(super) fn changelog_lines(&self, section: &Section) -> Range<usize> {
        let first = section.place.line + 1;
        let leaves = |line: &usize| self.leaves_branch(*line, &section.place);
        let end = (first..section.end).find(leaves).unwrap_or(section.end);
        first.min(end)..end
    }

    /// Tells whether a line ends the conditional branch that a place stands in.
    fn leaves_branch(&self, line: usize, place: &Place) -> bool {
        let Some((condition, _)) = place.branches.last() else {
            return false;
        };
        let text = self.line_text(line);
        let ends =
            ["%else", "%elif", "%endif"].iter().any(|word| text.trim_start().starts_with(word));
        let within = |inner: &super::walk::Condition| {
            inner.first > place.line && (inner.first..=inner.last).contains(&line)
        };
        ends && line <= self.walk.conditions[*condition].last
            && !self.walk.conditions.iter().any(within)
    }

    /// Returns the tags of the main package that rpm may read.
    pub(super) fn readable_tags(&self, kind: TagKind) -> impl Iterator<Item = &Tag> {
        let readable = move |tag: &&Tag| {
            tag.kind == kind
                && tag.section != SectionKind::Subpackage
                && tag.place.activity != Activity::Inactive
        };
        self.walk.tags.iter().filter(readable)
    }

    /// Returns the tag that holds, whichever way undecided conditionals fall: the only one, or any of several
    /// alternatives that come to the same.
    fn only_tag(&self, kind: TagKind) -> Result<&Tag, Refusal> {
        let tags = self.tags_to_edit(kind)?;
        let first = tags[0];
        match tags.iter().all(|tag| tag.expanded == first.expanded) {
            true => Ok(first),
            false => Err(self.undecided(first)),
        }
    }

    /// Returns the tags that have to change together: one, or one in each branch of a conditional which cannot
    /// be decided and has an `%else`.
    pub(super) fn tags_to_edit(&self, kind: TagKind) -> Result<Vec<&Tag>, Refusal> {
        let tags: Vec<&Tag> = self.readable_tags(kind).collect();
        let Some(first) = tags.first().copied() else {
            return Err(self.missing(kind));
        };
        let open = tags.iter().find(|tag| tag.place.activity != Activity::Active);
        match open {
            None if tags.len() == 1 => Ok(tags),
            None => Err(self.twice(kind, first, tags[1])),
            Some(_) if self.are_alternatives(&places(&tags)) => Ok(tags),
            Some(open) => Err(self.undecided(open)),
        }
    }

    /// Tells whether exactly one of the places is read, however one undecided conditional falls.
    pub(super) fn are_alternatives(&self, places: &[&Place]) -> bool {
        let Some((first, Activity::Undecided { line })) = places.first().map(|p| (p, p.activity))
        else {
            return false;
        };
        let Some(((condition, _), outer)) = first.branches.split_last() else {
            return false;
        };
        let fits = |(branch, place): (usize, &&Place)| {
            place.branches.split_last() == Some((&(*condition, branch), outer))
        };
        let whole = &self.walk.conditions[*condition];
        let is_whole = whole.has_else && whole.branches == places.len() && whole.first == line;
        is_whole && places.iter().enumerate().all(fits)
    }

    /// Returns a tag's value as it stands in the spec.
    pub(super) fn raw(&self, tag: &Tag) -> String {
        match &tag.value {
            Some(range) => macros::readable(&self.bytes[range.clone()]),
            None => self.line_text(tag.place.line).trim().to_owned(),
        }
    }

    /// Returns a line's text, invalid bytes replaced.
    pub(super) fn line_text(&self, line: usize) -> String {
        macros::readable(&self.bytes[self.walk.lines[line].text()])
    }

    /// Returns the blocks between our markers, as lines from the first marker to just after the last.
    pub(super) fn marked_lines(&self) -> Vec<Range<usize>> {
        let mut blocks = Vec::new();
        let mut begin = None;
        for line in 0..self.walk.lines.len() {
            match self.bytes[self.walk.lines[line].text()].trim_ascii() {
                text if text == PATCHES_BEGIN.as_bytes() => begin = Some(line),
                text if text == PATCHES_END.as_bytes() => {
                    blocks.extend(begin.take().map(|first| first..line + 1));
                }
                _ => {}
            }
        }
        blocks
    }

    fn known(&self, tag: &Tag, what: &str) -> Result<String, Refusal> {
        let text = tag.expanded.with_dist();
        text.map_err(|why| self.unexpandable(tag, what, why))
    }

    fn unexpandable(&self, tag: &Tag, what: &str, why: &str) -> Refusal {
        let (line, raw) = (tag.place.line + 1, printable(self.raw(tag), 100));
        Refusal::new(
            "spec-unexpandable",
            format!("line {line} of the spec: {what} is `{raw}`, and {}", printable(why, 200)),
        )
        .hint(format!("write {what} with macros that the spec itself defines as plain text"))
    }

    fn illegal(&self, code: &'static str, tag: &Tag, error: impl std::fmt::Display) -> Refusal {
        let line = tag.place.line + 1;
        let message = format!("line {line} of the spec: {}", printable(error.to_string(), 400));
        Refusal::new(code, message)
            .hint("rpm takes no comment and no other text after a tag's value; correct the line")
    }

    fn missing(&self, kind: TagKind) -> Refusal {
        if let Some(line) = self.walk.includes.first().filter(|_| kind != TagKind::Epoch) {
            let line = line + 1;
            return Refusal::new(
                "spec-tag-included",
                format!("the spec has no {kind:?} line; line {line} includes another file, which may hold it"),
            )
            .hint(format!("write the {kind:?} line in the spec itself"));
        }
        Refusal::new(
            "spec-tag-missing",
            format!("the spec has no {kind:?} line that rpm would read"),
        )
        .hint(format!("add a line `{kind:?}: …` before the first section"))
    }

    fn twice(&self, kind: TagKind, first: &Tag, second: &Tag) -> Refusal {
        let code = match kind {
            TagKind::Version => "spec-two-versions",
            TagKind::Release => "spec-two-releases",
            _ => "spec-tag-twice",
        };
        let (first, second) = (first.place.line + 1, second.place.line + 1);
        Refusal::new(code, format!("lines {first} and {second} of the spec both give a {kind:?}, and rpm would read both"))
            .hint("remove one of them")
    }

    /// Refuses a tag that may or may not be read.
    pub(super) fn undecided(&self, tag: &Tag) -> Refusal {
        let (kind, line) = (tag.kind, tag.place.line + 1);
        let condition = match tag.place.activity {
            Activity::Undecided { line } => line,
            Activity::Active | Activity::Inactive => tag.place.line,
        };
        let text = printable(self.line_text(condition).trim(), 120);
        let condition = condition + 1;
        Refusal::new(
            "spec-condition-undecided",
            format!("line {line} of the spec gives a {kind:?} inside `{text}` (line {condition}), and what that comes to is not known here"),
        )
        .hint("use a condition on macros that the spec or the distribution defines, or move the line out of it")
    }
}

/// Returns where tags stand.
pub(super) fn places<'t>(tags: &[&'t Tag]) -> Vec<&'t Place> {
    tags.iter().map(|tag| &tag.place).collect()
}

/// Tells whether a text uses a macro: `%name`, `%{name}`, `%{?name…}` and the like.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    text.match_indices('%').any(|(at, _)| {
        let rest = text[at + 1..].trim_start_matches('{').trim_start_matches(['?', '!']);
        let rest = ["with ", "without ", "defined ", "undefined "]
            .iter()
            .find_map(|word| rest.strip_prefix(word))
            .unwrap_or(rest);
        syntax::leading_name(rest) == name
    })
}
