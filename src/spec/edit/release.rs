//! Release.

use super::change::Change;
use super::{Editor, ReleaseEdit, not_taken};
use crate::config::AutoMacros;
use crate::outcome::{Refusal, printable};
use crate::spec::SpecFile;
use crate::spec::directive::TagKind;
use crate::spec::template::{Piece, joined};
use crate::spec::walk::Tag;

impl Editor<'_> {
    /// Writes the Release: the number where it stands, be it in a macro, and `%{?dist}` kept or added.
    pub(super) fn release(&mut self) -> Result<(), Refusal> {
        let Some(release) = &self.edits.release else {
            return Ok(());
        };
        match (self.spec.uses_autorelease(), self.edits.auto) {
            (true, AutoMacros::Keep) => return Ok(()),
            (true, AutoMacros::Replace) => return self.plain_release(release),
            (false, _) if self.spec.gives_release(release) => return Ok(()),
            (false, _) => {}
        }
        match self.spec.release_in_style(release)? {
            Some(spec) => self.spec = spec,
            None => self.plain_release(release)?,
        }
        Ok(())
    }

    /// Writes the Release on its line, or on each of the alternative ones.
    fn plain_release(&mut self, release: &ReleaseEdit) -> Result<(), Refusal> {
        let tags = self.spec.tags_to_edit(TagKind::Release)?;
        let raw = printable(self.spec.raw(tags[0]), 100);
        let text = format!("{}%{{?dist}}{}", release.number, release.after_dist());
        self.spec = self
            .spec
            .all_values(&tags, &text)?
            .filter(|spec| spec.gives_release(release))
            .ok_or_else(|| not_taken("Release", release.number.as_str()))?;
        if raw.replace("%{?dist}", "").contains('%') {
            self.note(format!("Release was `{raw}` and is now the plain text {text}"));
        }
        Ok(())
    }
}

impl SpecFile {
    /// Tells whether the Release is what was asked for, with the dist tag in its place.
    fn gives_release(&self, release: &ReleaseEdit) -> bool {
        let Ok(tags) = self.tags_to_edit(TagKind::Release) else {
            return false;
        };
        let after = release.after_dist();
        let wanted = Some((release.number.as_str(), after.as_str()));
        tags.iter().all(|tag| tag.expanded.around_dist() == wanted)
    }

    /// Returns the spec with the number changed where it stands; `None` where the Release is not of that style.
    fn release_in_style(&self, release: &ReleaseEdit) -> Result<Option<SpecFile>, Refusal> {
        match self.tags_to_edit(TagKind::Release)?[..] {
            [tag] => Ok(self.release_by_macro(tag, release)),
            _ => Ok(None),
        }
    }

    fn release_by_macro(&self, tag: &Tag, release: &ReleaseEdit) -> Option<SpecFile> {
        let pieces = self.pieces(tag)?;
        let value = tag.value.clone()?;
        let dist = pieces.iter().position(|piece| matches!(piece, Piece::Dist { .. }));
        let (lead, tail) = pieces.split_at(dist.unwrap_or(pieces.len()));
        let mut changes = lead_changes(lead, release.number.as_str())?;
        match tail {
            [Piece::Dist { at }, tail @ ..] => {
                changes.extend(tail_changes(tail, &release.after_dist(), at.end)?);
            }
            _ => changes
                .push(Change::insert(value.end, format!("%{{?dist}}{}", release.after_dist()))),
        }
        let version = self.version();
        self.changed(changes)
            .filter(|spec| spec.gives_release(release) && spec.version() == version)
    }
}

/// Puts a new number into the first piece, before what the other pieces give.
fn lead_changes(lead: &[Piece], number: &str) -> Option<Vec<Change>> {
    let [Piece::Text { text, at }, rest @ ..] = lead else {
        return None;
    };
    let first = number.strip_suffix(joined(rest).as_str()).filter(|first| !first.is_empty())?;
    Some(match first == text {
        true => Vec::new(),
        false => vec![Change::new(at.clone(), first)],
    })
}

/// Puts what follows the dist tag where it was, or right behind the tag.
fn tail_changes(tail: &[Piece], after: &str, dist_end: usize) -> Option<Vec<Change>> {
    match tail {
        _ if joined(tail) == after => Some(Vec::new()),
        [] => Some(vec![Change::insert(dist_end, after)]),
        [Piece::Text { at, .. }] => Some(vec![Change::new(at.clone(), after)]),
        _ => None,
    }
}
