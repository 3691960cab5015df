//! Our patches, between our markers; patches by hand keep their place and are applied first (DESIGN section 5).

use std::ops::Range;

use super::change::Change;
use super::source::refuse_odd_name;
use super::{Editor, PATCHES_BEGIN, PATCHES_END, not_taken};
use crate::names::FileName;
use crate::outcome::Refusal;
use crate::spec::applier::PatchLevel;
use crate::spec::directive::{SectionKind, TagKind};
use crate::spec::walk::{Activity, Place, Section, Step, Tag};
use crate::spec::{Origin, ReadAs, SpecFile};

impl Editor<'_> {
    /// Replaces our patches: the old block goes, and the new one comes after the patches by hand.
    pub(super) fn patches(&mut self) -> Result<(), Refusal> {
        self.edits.patches.iter().try_for_each(refuse_odd_name)?;
        self.spec = self.spec.without_our_patches()?;
        if self.edits.patches.is_empty() {
            return Ok(());
        }
        self.spec.refuse_patches_in_subpackages()?;
        let first = match self.spec.patch_list()? {
            Some(_) => self.spec.next_listed_number(),
            None => self.spec.first_free_number(),
        };
        let numbers = first..first.saturating_add(self.edits.patches.len() as u32);
        let mut changes = vec![self.spec.patch_block(&self.edits.patches, first)?];
        changes.extend(self.apply_changes(numbers)?);
        self.spec = self.spec.changed(changes).ok_or_else(|| not_taken("Patch", "our patches"))?;
        self.note_included_patches();
        Ok(())
    }

    /// Warns of patches that an included file may list: their numbers are not known here.
    fn note_included_patches(&mut self) {
        let preamble = self.spec.preamble_end();
        if let Some(line) = self.spec.walk.includes.iter().find(|line| **line < preamble) {
            let line = line + 1;
            self.note(format!(
                "line {line} includes a file: patches that it lists may have the numbers of ours"
            ));
        }
    }

    /// Returns what `%prep` needs so that our patches are applied once, with `-p1`, after those by hand.
    fn apply_changes(&mut self, numbers: Range<u32>) -> Result<Option<Change>, Refusal> {
        let spec = &self.spec;
        if spec.hands_patches_to_a_script() {
            return Err(unknown_applier("%prep hands the list of patches to a command of its own"));
        }
        let appliers: Vec<&Step> =
            spec.readable_steps().filter(|step| spec.applies(step, &numbers)).collect();
        match &appliers[..] {
            [] => spec.patch_lines(numbers).map(Some),
            [step] if step.place.activity == Activity::Active => {
                let change = spec.strip_one_folder(step)?;
                if change.is_some() {
                    let line = step.place.line + 1;
                    self.note(format!(
                        "line {line}: %{} has -p1 now, as our patches need it",
                        appliers[0].name
                    ));
                }
                Ok(change)
            }
            [first, ..] => {
                let places: Vec<&Place> = appliers.iter().map(|step| &step.place).collect();
                let one_level =
                    appliers.iter().all(|step| spec.level(step) == PatchLevel::Given(1));
                match one_level && spec.are_alternatives(&places) {
                    true => Ok(None),
                    false => Err(spec.applied_twice_or_maybe(first, &appliers)),
                }
            }
        }
    }
}

fn unknown_applier(what: &str) -> Refusal {
    Refusal::new(
        "spec-applier-unknown",
        format!("the spec has patches of ours to apply, and {what}"),
    )
    .hint("use `%autosetup -p1` in %prep")
}

impl SpecFile {
    /// Returns the spec without the blocks between our markers.
    fn without_our_patches(&self) -> Result<SpecFile, Refusal> {
        let blocks = self.marked_lines();
        let is_marker = |line: &usize| {
            let text = self.bytes[self.walk.lines[*line].text()].trim_ascii();
            text == PATCHES_BEGIN.as_bytes() || text == PATCHES_END.as_bytes()
        };
        let markers: Vec<usize> = (0..self.walk.lines.len()).filter(is_marker).collect();
        let paired: Vec<usize> =
            blocks.iter().flat_map(|block| [block.start, block.end - 1]).collect();
        if let Some(lost) = markers.iter().find(|line| !paired.contains(line)) {
            let message =
                format!("line {} of the spec has one of our markers without the other", lost + 1);
            return Err(Refusal::new("spec-marker-unpaired", message).hint(format!(
                "remove it, or put `{PATCHES_BEGIN}` and `{PATCHES_END}` around our patches again"
            )));
        }
        let bytes_of = |block: &Range<usize>| {
            self.walk.lines[block.start].start..self.walk.lines[block.end - 1].next
        };
        let changes = blocks.iter().map(|block| Change::new(bytes_of(block), "")).collect();
        self.changed(changes).ok_or_else(|| not_taken("Patch", "our patches"))
    }

    fn refuse_patches_in_subpackages(&self) -> Result<(), Refusal> {
        let inside =
            |tag: &&Tag| tag.kind == TagKind::Patch && tag.section == SectionKind::Subpackage;
        match self.walk.tags.iter().find(inside) {
            None => Ok(()),
            Some(tag) => Err(Refusal::new(
                "spec-patch-in-subpackage",
                format!("line {} of the spec lists a patch after %package, so it would be applied after ours", tag.place.line + 1),
            )
            .hint("move the line above the first %package or %description")),
        }
    }

    /// Returns the first number that no patch has, or could have where conditionals fall otherwise.
    fn first_free_number(&self) -> u32 {
        let patches = || self.walk.tags.iter().filter(|tag| tag.kind == TagKind::Patch);
        let uncertain = patches().filter(|tag| tag.place.activity != Activity::Active).count();
        let highest = patches().map(|tag| tag.number).max();
        highest.map_or(1, |highest| highest.saturating_add(1).saturating_add(uncertain as u32))
    }

    /// Returns the number that rpm gives to the next line of a `%patchlist`: one more than the highest.
    fn next_listed_number(&self) -> u32 {
        let highest = self.readable_tags(TagKind::Patch).map(|tag| tag.number).max();
        highest.map_or(0, |highest| highest.saturating_add(1))
    }

    /// Returns the block that lists our patches.
    fn patch_block(&self, patches: &[FileName], first: u32) -> Result<Change, Refusal> {
        if let Some(list) = self.patch_list()? {
            let names = patches.iter().map(|file| file.as_str().to_owned());
            return Ok(self.insert_lines(self.list_end(list), &marked(names)));
        }
        let like = self.tag_to_follow()?;
        let line = |(index, file): (usize, &FileName)| {
            let name = format!("Patch{}:", first.saturating_add(index as u32));
            format!("{}{file}", self.aligned(&name, like))
        };
        let lines = marked(patches.iter().enumerate().map(line));
        Ok(self.insert_lines(self.block_line(like)?, &lines))
    }

    /// Returns the `%patchlist` that rpm reads, the last one; what it lists is applied last.
    fn patch_list(&self) -> Result<Option<&Section>, Refusal> {
        let mut lists = self.walk.sections.iter();
        let last = lists.rfind(|section| section.kind == SectionKind::PatchList);
        match last.map(|section| section.place.activity) {
            Some(Activity::Undecided { line }) => Err(undecided_block(line)),
            _ => Ok(last),
        }
    }

    /// Returns the line after the last line of a list that is not blank.
    fn list_end(&self, list: &Section) -> usize {
        let is_blank =
            |line: &usize| self.bytes[self.walk.lines[*line].text()].trim_ascii().is_empty();
        let last = (list.place.line..list.end).rev().find(|line| !is_blank(line));
        last.unwrap_or(list.place.line) + 1
    }

    /// Returns the tag that our patches come after: the last patch, else the last source, else the Version.
    fn tag_to_follow(&self) -> Result<&Tag, Refusal> {
        let main = || self.walk.tags.iter().filter(|tag| tag.section == SectionKind::Preamble);
        let last = |kind: TagKind| main().rfind(|tag| tag.kind == kind);
        match last(TagKind::Patch).or_else(|| last(TagKind::Source)) {
            Some(tag) => Ok(tag),
            None => Ok(self.tags_to_edit(TagKind::Version)?[0]),
        }
    }

    /// Returns the line where our block begins: after the tag, and outside of every conditional.
    fn block_line(&self, tag: &Tag) -> Result<usize, Refusal> {
        let line = match tag.kind {
            TagKind::Patch | TagKind::Source => self.line_after(&tag.place, self.preamble_end()),
            _ => self.line_after_tags(),
        };
        let is_inside = tag.place.branches.first().is_some_and(|(outer, _)| {
            let outer = &self.walk.conditions[*outer];
            line > outer.first && line <= outer.last
        });
        match (is_inside, tag.place.activity) {
            (true, Activity::Undecided { line }) => Err(undecided_block(line)),
            (true, Activity::Inactive) => Err(undecided_block(tag.place.line)),
            _ => Ok(line),
        }
    }

    /// Tells whether a step would apply patches with these numbers.
    fn applies(&self, step: &Step, numbers: &Range<u32>) -> bool {
        if step.name != "autopatch" {
            return self.applies_all(step);
        }
        let options = self.options(step);
        if options.iter().any(|option| option.letter.is_none()) {
            return false;
        }
        let bound = |letter| {
            let option = options.iter().find(|option| option.letter == Some(letter))?;
            self.option_value(option)?.parse::<u32>().ok()
        };
        bound('m').is_none_or(|least| least <= numbers.start)
            && bound('M').is_none_or(|most| most >= numbers.end - 1)
    }

    /// Returns the change that gives a step `-p1`; refused where patches by hand rely on another level.
    fn strip_one_folder(&self, step: &Step) -> Result<Option<Change>, Refusal> {
        if self.level(step) == PatchLevel::Given(1) {
            return Ok(None);
        }
        let by_hand = |patch: &super::super::ListedPatch| {
            patch.origin == Origin::ByHand && patch.read_as != ReadAs::Inactive
        };
        if self.patches().iter().any(by_hand) {
            let line = step.place.line + 1;
            return Err(Refusal::new(
                "spec-patch-level",
                format!("line {line} of the spec: %{} applies patches by hand without -p1, and ours need it", step.name),
            )
            .hint(format!("make the patches by hand again with a/ and b/ folders, and write `%{} -p1`", step.name)));
        }
        let level = self.options(step).into_iter().find(|option| option.letter == Some('p'));
        Ok(Some(match level {
            Some(option) => Change::new(option.at, "1"),
            None => Change::insert(step.arguments.start, self.option_to_insert(step, "-p1")),
        }))
    }

    /// Returns an option with a space before it, and one after it where rpm takes the arguments without any, as in
    /// `%autosetup!x`.
    fn option_to_insert(&self, step: &Step, option: &str) -> String {
        let next = self.bytes[step.arguments.clone()].first();
        let apart = next.is_none_or(u8::is_ascii_whitespace);
        format!(" {option}{}", if apart { "" } else { " " })
    }

    /// Returns lines `%patch -P N -p1` after the last step of `%prep` that unpacks or patches.
    fn patch_lines(&self, numbers: Range<u32>) -> Result<Change, Refusal> {
        let Some(last) = self.readable_steps().last() else {
            return Err(unknown_applier("%prep has neither %autosetup nor %setup"));
        };
        let section = self
            .walk
            .sections
            .iter()
            .find(|section| (section.place.line..section.end).contains(&last.place.line));
        let limit = section.map_or(self.walk.lines.len(), |section| section.end);
        let lines = marked(numbers.map(|number| format!("%patch -P {number} -p1")));
        Ok(self.insert_lines(self.line_after(&last.place, limit), &lines))
    }

    /// Refuses where it is not one step that applies our patches.
    fn applied_twice_or_maybe(&self, first: &Step, all: &[&Step]) -> Refusal {
        if let Activity::Undecided { line } = first.place.activity {
            return undecided_block(line);
        }
        let lines: Vec<String> = all.iter().map(|step| (step.place.line + 1).to_string()).collect();
        Refusal::new(
            "spec-applied-twice",
            format!("lines {} of the spec would each apply our patches", lines.join(", ")),
        )
        .hint("let one of them do it: give the others -N, or ranges with -m and -M")
    }
}

fn undecided_block(line: usize) -> Refusal {
    Refusal::new(
        "spec-condition-undecided",
        format!("line {} of the spec begins a conditional that cannot be decided here, and where our patches go depends on it", line + 1),
    )
    .hint("use a condition on macros that the spec or the distribution defines")
}

/// Returns the lines with our markers around them.
fn marked(lines: impl Iterator<Item = String>) -> Vec<String> {
    let begin = std::iter::once(PATCHES_BEGIN.to_owned());
    begin.chain(lines).chain(std::iter::once(PATCHES_END.to_owned())).collect()
}
