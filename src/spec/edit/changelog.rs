//! `%changelog`: the new entry on top, the older ones byte for byte below it.

use super::change::Change;
use super::{Editor, not_taken};
use crate::config::AutoMacros;
use crate::outcome::Refusal;
use crate::spec::directive::SectionKind;
use crate::spec::walk::{Activity, Section};
use crate::spec::{PublishedEntry, SpecFile};

impl Editor<'_> {
    /// Writes the entry of this publication, once.
    pub(super) fn changelog(&mut self) -> Result<(), Refusal> {
        let keeps = self.edits.auto == AutoMacros::Keep && self.spec.uses_autochangelog();
        if keeps || (self.edits.changelog.is_none() && self.edits.older_entries.is_none()) {
            return Ok(());
        }
        self.spec.refuse_undecided_changelog()?;
        self.spec =
            self.spec.without_autochangelog().ok_or_else(|| not_taken("%changelog", "entries"))?;
        let present = self.spec.changelog_entries();
        let wanted = self.wanted_entries(&present);
        let change = match self.spec.active_changelog() {
            None => self.spec.new_changelog(&wanted),
            Some(_) if bodies(&present).eq(bodies(&wanted)) => return Ok(()),
            Some(section) => self.spec.replace_entries(section, &present, &wanted),
        };
        self.spec =
            self.spec.changed(vec![change]).ok_or_else(|| not_taken("%changelog", "entries"))?;
        Ok(())
    }

    /// Returns all entries that the changelog shall have; the new one is not written twice.
    fn wanted_entries(&self, present: &[PublishedEntry]) -> Vec<PublishedEntry> {
        let older = self.edits.older_entries.as_deref().unwrap_or(present);
        let Some(entry) = &self.edits.changelog else {
            return older.to_vec();
        };
        let write = |below: &[PublishedEntry]| {
            let newest = below.iter().find_map(|entry| entry.date);
            let end = String::from_utf8_lossy(self.spec.line_end()).into_owned();
            PublishedEntry::read(entry.lines(newest).join(&end).as_bytes())
        };
        if let [first, below @ ..] = older
            && write(below).body() == first.body()
        {
            return older.to_vec();
        }
        let mut wanted = vec![write(older)];
        wanted.extend_from_slice(older);
        wanted
    }
}

fn bodies(entries: &[PublishedEntry]) -> impl Iterator<Item = &[u8]> {
    entries.iter().map(PublishedEntry::body)
}

impl SpecFile {
    fn refuse_undecided_changelog(&self) -> Result<(), Refusal> {
        let changelogs =
            self.walk.sections.iter().filter(|section| section.kind == SectionKind::Changelog);
        for section in changelogs {
            if let Activity::Undecided { line } = section.place.activity {
                let own = section.place.line + 1;
                return Err(Refusal::new(
                    "spec-condition-undecided",
                    format!("line {own} of the spec begins %changelog inside the conditional of line {}, which cannot be decided here", line + 1),
                )
                .hint("use a condition on macros that the spec or the distribution defines, or move %changelog out of it"));
            }
        }
        Ok(())
    }

    /// Returns the spec without the line `%autochangelog`.
    fn without_autochangelog(&self) -> Option<SpecFile> {
        let line = self.active_changelog().and_then(|section| self.autochangelog_line(section));
        let change = line.map(|line| {
            let line = &self.walk.lines[line];
            Change::new(line.start..line.next, "")
        });
        self.changed(change.into_iter().collect())
    }

    /// Returns a new section at the end of the file.
    fn new_changelog(&self, entries: &[PublishedEntry]) -> Change {
        let mut change =
            self.insert_lines(self.walk.lines.len(), &[String::new(), "%changelog".to_owned()]);
        change.text.extend(self.written(entries));
        change
    }

    /// Returns the change that puts the wanted entries in place of those present. Where only the first is new, it
    /// is an insertion.
    fn replace_entries(
        &self,
        section: &Section,
        present: &[PublishedEntry],
        wanted: &[PublishedEntry],
    ) -> Change {
        let Some(first) = self.entry_starts(section).first().copied() else {
            let mut change = self.insert_lines(self.below_loose_text(section), &[]);
            change.text.extend(self.written(wanted));
            return change;
        };
        let start = self.walk.lines[first].start;
        if let [new, older @ ..] = wanted
            && bodies(older).eq(bodies(present))
        {
            let mut text = self.written(std::slice::from_ref(new));
            text.extend_from_slice(self.line_end());
            return Change::insert(start, text);
        }
        let length: usize = present.iter().map(|entry| entry.bytes.len()).sum();
        Change::new(start..start + length, self.written(wanted))
    }

    /// Returns the line below what a changelog without entries holds. Above it, what stands there would be read
    /// as the end of the new entry.
    fn below_loose_text(&self, section: &Section) -> usize {
        let is_blank = |line: &usize| {
            let line = &self.walk.lines[*line];
            self.bytes[line.start..line.next].trim_ascii().is_empty()
        };
        let last = self.changelog_lines(section).rev().find(|line| !is_blank(line));
        last.unwrap_or(section.place.line) + 1
    }

    /// Returns entries as a changelog has them, a blank line between two.
    fn written(&self, entries: &[PublishedEntry]) -> Vec<u8> {
        let end = self.line_end();
        let mut text = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            if index > 0 {
                text.extend_from_slice(end);
            }
            text.extend_from_slice(entry.body());
            text.extend_from_slice(end);
        }
        text
    }
}
