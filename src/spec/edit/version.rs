//! Version and Epoch.

use super::change::Change;
use super::{Editor, not_taken};
use crate::names::Version;
use crate::outcome::{Refusal, printable};
use crate::spec::SpecFile;
use crate::spec::directive::TagKind;
use crate::spec::template::{self, Piece, joined};
use crate::spec::walk::{Activity, Tag};

impl Editor<'_> {
    /// Writes the Version: at the macro behind it where that is possible, else on its line.
    pub(super) fn version(&mut self) -> Result<(), Refusal> {
        self.move_snapshot();
        let Some(version) = &self.edits.version else {
            return Ok(());
        };
        self.spec.refuse_illegal_version()?;
        let prerelease = self.move_prerelease(version);
        if self.spec.version().is_ok_and(|now| now == *version) {
            return Ok(());
        }
        match self.spec.version_in_style(version, prerelease.as_deref())? {
            Some(spec) => self.spec = spec,
            None => self.plain_version(version)?,
        }
        Ok(())
    }

    /// Writes the Version on its line, or on each of the alternative ones.
    fn plain_version(&mut self, version: &Version) -> Result<(), Refusal> {
        let tags = self.spec.tags_to_edit(TagKind::Version)?;
        let raw = self.spec.raw(tags[0]);
        let changed = self.spec.all_values(&tags, version.as_str())?;
        self.spec = changed
            .filter(|spec| spec.version().is_ok_and(|now| now == *version))
            .ok_or_else(|| not_taken("Version", version.as_str()))?;
        if raw.contains('%') {
            let raw = printable(raw, 100);
            self.note(format!(
                "Version was `{raw}` and is now the plain text {version}: its macros do not have the same parts; they keep their values"
            ));
        }
        Ok(())
    }

    /// Writes the Epoch: on its line, or on a new one after the Version.
    pub(super) fn epoch(&mut self) -> Result<(), Refusal> {
        let Some(epoch) = self.edits.epoch else {
            return Ok(());
        };
        if self.spec.epoch().is_ok_and(|now| now == epoch) {
            return Ok(());
        }
        let changed = match self.spec.readable_tags(TagKind::Epoch).next() {
            None => self.spec.changed(vec![self.spec.new_epoch(epoch)?]),
            Some(_) => {
                let tags = self.spec.tags_to_edit(TagKind::Epoch)?;
                self.spec.all_values(&tags, &epoch.to_string())?
            }
        };
        self.spec = changed.ok_or_else(|| not_taken("Epoch", &epoch.to_string()))?;
        Ok(())
    }
}

impl SpecFile {
    /// Refuses a Version that rpm cannot read, and one that a macro writes as a whole line.
    fn refuse_illegal_version(&self) -> Result<(), Refusal> {
        for tag in self.tags_to_edit(TagKind::Version)? {
            let raw = self.raw(tag);
            if !raw.contains('%') && !raw.is_empty() {
                raw.parse::<Version>()
                    .map_err(|error| self.illegal_version(tag, &error.to_string()))?;
            }
            if raw.contains([' ', '\t']) && !raw.contains("%{") && !raw.contains("%(") {
                return Err(self.illegal_version(tag, "the value has a space"));
            }
        }
        Ok(())
    }

    fn illegal_version(&self, tag: &Tag, why: &str) -> Refusal {
        let line = tag.place.line + 1;
        Refusal::new(
            "spec-version-illegal",
            format!("line {line} of the spec: {}", printable(why, 300)),
        )
        .hint("rpm takes no dash and no comment there: write prereleases as 1.0~rc1")
    }

    /// Returns the spec with every tag's value replaced; refused where a tag comes out of a macro.
    pub(super) fn all_values(
        &self,
        tags: &[&Tag],
        text: &str,
    ) -> Result<Option<SpecFile>, Refusal> {
        let mut changes = Vec::new();
        for tag in tags {
            let Some(value) = tag.value.clone() else {
                return Err(self.computed(tag));
            };
            changes.push(Change::new(value, text));
        }
        Ok(self.changed(changes))
    }

    /// Refuses to edit a tag whose line is made by a macro.
    pub(super) fn computed(&self, tag: &Tag) -> Refusal {
        let (kind, line) = (tag.kind, tag.place.line + 1);
        let text = printable(self.line_text(tag.place.line).trim(), 120);
        Refusal::new(
            "spec-tag-computed",
            format!("line {line} of the spec: {kind:?} comes out of a macro, `{text}`"),
        )
        .hint(format!("write it as a line of its own, `{kind:?}: …`, within %if where needed"))
    }

    /// Returns the pieces of a tag's value.
    pub(super) fn pieces(&self, tag: &Tag) -> Option<Vec<Piece>> {
        if tag.place.activity != Activity::Active {
            return None;
        }
        let (_, macros) = self.walk.at_tag.iter().find(|(line, _)| *line == tag.place.line)?;
        template::pieces(&self.bytes, &self.walk, macros, tag.value.clone()?)
    }

    /// Returns the spec with Version changed as its packager would have, if there is a way.
    fn version_in_style(
        &self,
        version: &Version,
        prerelease: Option<&str>,
    ) -> Result<Option<SpecFile>, Refusal> {
        match self.tags_to_edit(TagKind::Version)?[..] {
            [tag] => Ok(self.version_by_macro(tag, version, prerelease)),
            _ => Ok(None),
        }
    }

    /// Returns the spec with the macros behind Version changed so that it comes to `version`.
    ///
    /// A prerelease macro that Version does not use yet is appended to it.
    fn version_by_macro(
        &self,
        tag: &Tag,
        version: &Version,
        prerelease: Option<&str>,
    ) -> Option<SpecFile> {
        let pieces = self.pieces(tag)?;
        let gives = |changes: Vec<Change>| {
            let spec = self.changed(changes)?;
            spec.version().is_ok_and(|now| now == *version).then_some(spec)
        };
        let same_parts = assign(&pieces, version.as_str()).and_then(gives);
        same_parts.or_else(|| {
            let (base, _) = version.as_str().split_once('~')?;
            let mut changes = assign(&pieces, base)?;
            let end = tag.value.clone()?.end;
            changes.push(Change::insert(end, format!("%{{?{0}:~%{{{0}}}}}", prerelease?)));
            gives(changes)
        })
    }

    /// Returns a line `Epoch: N` after the Version, outside of conditionals.
    fn new_epoch(&self, epoch: u32) -> Result<Change, Refusal> {
        let version = self.tags_to_edit(TagKind::Version)?[0];
        let line = self.line_after(&version.place, self.preamble_end());
        let text = format!("{}{epoch}", self.aligned("Epoch:", version));
        Ok(self.insert_lines(line, &[text]))
    }

    /// Returns the line after the preamble.
    pub(super) fn preamble_end(&self) -> usize {
        self.walk.sections.first().map_or(0, |section| section.end)
    }

    /// Returns a tag's name with the space after it that puts its value below that of `like`.
    pub(super) fn aligned(&self, name: &str, like: &Tag) -> String {
        let line = &self.walk.lines[like.place.line];
        let column = like.value.as_ref().map_or(0, |value| value.start - line.start);
        let before = &self.bytes[line.start..line.start + column];
        match before.ends_with(b"\t") {
            true => format!("{name}\t"),
            false => format!("{name:<width$}", width = column.max(name.len() + 1)),
        }
    }
}

/// Gives each piece a new text so that together they are `wanted`; `None` where the parts do not fit.
///
/// What is before `~` and what is after it are looked at apart. Each must either be one piece, which takes all, or
/// have as many parts (of `.`, `^`, `_`, `+`) as before, so that each part goes where its forerunner was.
pub(super) fn assign(pieces: &[Piece], wanted: &str) -> Option<Vec<Change>> {
    let old = joined(pieces);
    if !old.is_ascii() || pieces.iter().any(|piece| matches!(piece, Piece::Dist { .. })) {
        return None;
    }
    let (old_base, old_pre) = split_prerelease(&old);
    let (new_base, new_pre) = split_prerelease(wanted);
    let (base, pre) = cut(pieces, old_base.len());
    let mut changes = assign_part(&base, old_base, new_base)?;
    changes.extend(assign_part(&pre, old_pre, new_pre)?);
    let conflict = |a: &Change| changes.iter().any(|b| a.at == b.at && a.text != b.text);
    let is_clean = !changes.iter().any(conflict);
    is_clean.then_some(changes)
}

/// Splits before the first `~`.
fn split_prerelease(version: &str) -> (&str, &str) {
    version.split_at(version.find('~').unwrap_or(version.len()))
}

/// A piece of text and its place.
type Part = (String, std::ops::Range<usize>);

/// Cuts the pieces in two after `length` bytes of their text.
fn cut(pieces: &[Piece], length: usize) -> (Vec<Part>, Vec<Part>) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut left = length;
    for piece in pieces {
        let Piece::Text { text, at } = piece else {
            continue;
        };
        let split = left.min(text.len());
        left -= split;
        if split > 0 {
            before.push((text[..split].to_owned(), at.start..at.start + split));
        }
        if split < text.len() {
            after.push((text[split..].to_owned(), at.start + split..at.end));
        }
    }
    (before, after)
}

fn assign_part(pieces: &[Part], old: &str, new: &str) -> Option<Vec<Change>> {
    if old == new {
        return Some(Vec::new());
    }
    let (pieces, old, new) = without_same_end(pieces, old, new);
    if let [(_, at)] = pieces {
        return Some(vec![Change::new(at.clone(), new)]);
    }
    let (old_tokens, new_tokens) = (tokens(old), tokens(new));
    let is_separator = |token: &&str| token.starts_with(is_separator_char);
    let same = old_tokens.len() == new_tokens.len()
        && old_tokens
            .iter()
            .zip(&new_tokens)
            .all(|(a, b)| a == b || !(is_separator(a) || is_separator(b)));
    same.then(|| replace_tokens(pieces, &old_tokens, &new_tokens)).flatten()
}

/// Leaves out the last pieces, as long as they stay the same: the commit and date of a snapshot.
fn without_same_end<'t>(
    pieces: &'t [Part],
    mut old: &'t str,
    mut new: &'t str,
) -> (&'t [Part], &'t str, &'t str) {
    let mut left = pieces;
    while let [rest @ .., (last, _)] = left
        && !rest.is_empty()
        && let (Some(older), Some(newer)) =
            (old.strip_suffix(last.as_str()), new.strip_suffix(last.as_str()))
    {
        (left, old, new) = (rest, older, newer);
    }
    (left, old, new)
}

/// Writes the new tokens where the old ones are; `None` where a token lies in two pieces.
fn replace_tokens(pieces: &[Part], old: &[&str], new: &[&str]) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    let mut pairs = old.iter().zip(new);
    for (text, at) in pieces {
        let (mut read, mut written) = (0, String::new());
        while read < text.len() {
            let (before, after) = pairs.next()?;
            read += before.len();
            written.push_str(after);
        }
        if read > text.len() {
            return None;
        }
        if written != *text {
            changes.push(Change::new(at.clone(), written));
        }
    }
    Some(changes)
}

fn is_separator_char(c: char) -> bool {
    matches!(c, '.' | '~' | '^' | '_' | '+')
}

/// Splits a version into its parts and the separators between them.
fn tokens(version: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut start = 0;
    for (at, c) in version.char_indices() {
        if is_separator_char(c) {
            if start < at {
                tokens.push(&version[start..at]);
            }
            tokens.push(&version[at..at + 1]);
            start = at + 1;
        }
    }
    if start < version.len() {
        tokens.push(&version[start..]);
    }
    tokens
}
