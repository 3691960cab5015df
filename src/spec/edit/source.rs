//! Source0 and the folder it unpacks to, where the archive is ours.

use super::change::Change;
use super::{Editor, not_taken};
use crate::names::FileName;
use crate::outcome::{Refusal, printable};
use crate::spec::SpecFile;
use crate::spec::applier::MacroOption;
use crate::spec::directive::{SectionKind, TagKind};
use crate::spec::query::{base_name, places};
use crate::spec::walk::{Activity, Step, Tag};

/// Endings of archives, longest first.
const ENDINGS: [&str; 11] = [
    ".tar.bz2", ".tar.zst", ".tar.gz", ".tar.xz", ".tar.lz", ".tar.Z", ".tbz2", ".tgz", ".txz",
    ".tar", ".zip",
];

impl Editor<'_> {
    /// Makes Source0 come to our archive; an address that ends in it already stays.
    pub(super) fn source0(&mut self) -> Result<(), Refusal> {
        let Some(file) = &self.edits.source0 else {
            return Ok(());
        };
        refuse_odd_name(file)?;
        let tags = self.spec.source0_tags()?;
        let raw = tags.first().map(|tag| printable(self.spec.raw(tag), 120));
        let changed = match &tags[..] {
            [] => self.spec.changed(vec![self.spec.new_source0(file)?]),
            tags if tags.iter().all(|tag| gives(tag, file)) => return Ok(()),
            tags => self.spec.with_source0(tags, file)?,
        };
        self.spec = changed.ok_or_else(|| not_taken("Source0", file.as_str()))?;
        if let Some(raw) = raw {
            self.note(format!(
                "Source0 was `{raw}`, which is not {file}: it names our archive now"
            ));
        }
        Ok(())
    }

    /// Makes `%setup` enter the folder that our archive unpacks to.
    pub(super) fn prefix(&mut self) -> Result<(), Refusal> {
        let Some(prefix) = &self.edits.prefix_dir else {
            return Ok(());
        };
        refuse_odd_name(prefix)?;
        let Some(changes) = self.spec.prefix_changes(prefix)? else {
            return Ok(());
        };
        self.spec =
            self.spec.changed(changes).ok_or_else(|| not_taken("%setup -n", prefix.as_str()))?;
        self.note(format!(
            "%setup did not enter {prefix}, the folder that our archive unpacks to: -n says so now"
        ));
        Ok(())
    }
}

/// Refuses a file name that could mean something to rpm or to the shell.
pub(super) fn refuse_odd_name(file: &FileName) -> Result<(), Refusal> {
    let is_plain = |c: char| c.is_alphanumeric() || "._+~^-@,=:".contains(c);
    match file.as_str().chars().all(is_plain) {
        true => Ok(()),
        false => Err(Refusal::new(
            "spec-file-name-illegal",
            format!("the file name {:?} cannot stand in a spec", printable(file.as_str(), 100)),
        )
        .hint("use letters, digits and . _ + ~ ^ - @ , = : only")),
    }
}

/// Returns the ending of an archive's name; empty where it has none that we know.
fn ending(file: &FileName) -> &'static str {
    ENDINGS.into_iter().find(|ending| file.as_str().ends_with(ending)).unwrap_or_default()
}

/// Tells whether a source is this file.
fn gives(tag: &Tag, file: &FileName) -> bool {
    tag.expanded.with_dist().is_ok_and(|address| base_name(&address) == file.as_str())
}

impl SpecFile {
    /// Returns the tags of Source0 that rpm may read: none, one, or one in each branch of a conditional.
    fn source0_tags(&self) -> Result<Vec<&Tag>, Refusal> {
        let tags: Vec<&Tag> =
            self.readable_tags(TagKind::Source).filter(|tag| tag.number == 0).collect();
        match &tags[..] {
            [first, second, ..]
                if tags.iter().all(|tag| tag.place.activity == Activity::Active) =>
            {
                let (first, second) = (first.place.line + 1, second.place.line + 1);
                Err(Refusal::new(
                    "spec-two-sources",
                    format!("lines {first} and {second} of the spec both give Source0"),
                )
                .hint("give one of them another number"))
            }
            _ if self.are_whole(&tags) => Ok(tags),
            _ => Err(self.undecided(
                tags.iter().find(|tag| tag.place.activity != Activity::Active).unwrap_or(&tags[0]),
            )),
        }
    }

    fn are_whole(&self, tags: &[&Tag]) -> bool {
        let decided =
            tags.len() <= 1 && tags.iter().all(|tag| tag.place.activity == Activity::Active);
        decided || self.are_alternatives(&places(tags))
    }

    /// Returns the spec with Source0 written in the first way that comes to the file.
    fn with_source0(&self, tags: &[&Tag], file: &FileName) -> Result<Option<SpecFile>, Refusal> {
        for value in self.source_values(tags[0], file) {
            let changed = self.all_values(tags, &value)?;
            let is_right = |spec: &SpecFile| {
                spec.source0_tags().is_ok_and(|tags| tags.iter().all(|tag| gives(tag, file)))
            };
            if let Some(spec) = changed.filter(is_right) {
                return Ok(Some(spec));
            }
        }
        Ok(None)
    }

    /// Returns ways to write Source0, the most like the present one first.
    fn source_values(&self, tag: &Tag, file: &FileName) -> Vec<String> {
        let ending = ending(file);
        let raw = self.raw(tag);
        let name = base_name(&raw).to_owned();
        let stem = ENDINGS
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .filter(|stem| !stem.contains('#'));
        let mut values: Vec<String> =
            stem.map(|stem| format!("{stem}{ending}")).into_iter().collect();
        values.push(format!("%{{name}}-%{{version}}{ending}"));
        values.push(file.as_str().to_owned());
        values
    }

    /// Returns a line `Source0: FILE` before the first source, else after the last of the tags that say what the
    /// package is.
    fn new_source0(&self, file: &FileName) -> Result<Change, Refusal> {
        let main = |tag: &&Tag| tag.section == SectionKind::Preamble && tag.value.is_some();
        let like = self.tags_to_edit(TagKind::Version)?[0];
        let value = match (self.usual_folder(), ending(file)) {
            (Some(usual), ending) if format!("{usual}{ending}") == file.as_str() => {
                format!("%{{name}}-%{{version}}{ending}")
            }
            _ => file.as_str().to_owned(),
        };
        let text = format!("{}{value}", self.aligned("Source0:", like));
        let first = self.walk.tags.iter().filter(main).find(|tag| tag.kind == TagKind::Source);
        let line = match first {
            Some(tag) => tag
                .place
                .branches
                .first()
                .map_or(tag.place.line, |(outer, _)| self.walk.conditions[*outer].first),
            None => self.line_after_tags(),
        };
        Ok(self.insert_lines(line, &[text]))
    }

    /// Returns the line after the last tag that says what the package is.
    pub(super) fn line_after_tags(&self) -> usize {
        let tags = self.walk.tags.iter().filter(|tag| tag.section == SectionKind::Preamble);
        let identity = tags.filter(|tag| !matches!(tag.kind, TagKind::Source | TagKind::Patch));
        identity.map(|tag| self.line_after(&tag.place, self.preamble_end())).max().unwrap_or(0)
    }

    /// Returns the changes that make every `%setup` of our archive enter `prefix`; `None` where they do.
    fn prefix_changes(&self, prefix: &FileName) -> Result<Option<Vec<Change>>, Refusal> {
        let setups = || self.readable_steps().filter(|step| step.name.ends_with("setup"));
        let unpacks = |step: &&Step| !self.has_option(step, 'T');
        let Some(first) = setups().find(unpacks) else {
            return Ok(None);
        };
        self.refuse_foreign_setup(first, prefix)?;
        let old = self.folder(first);
        if old.as_deref() == Some(prefix.as_str()) {
            return Ok(None);
        }
        let text = self.prefix_text(prefix);
        let same = setups().filter(|step| unpacks(step) || self.folder(step) == old);
        Ok(Some(same.map(|step| self.enter(step, &text)).collect()))
    }

    /// Refuses a `%setup` whose folder we cannot set.
    fn refuse_foreign_setup(&self, step: &Step, prefix: &FileName) -> Result<(), Refusal> {
        let line = step.place.line + 1;
        let hint =
            "write `%autosetup -p1 -n %{name}-%{version}`, or `%setup -q -n %{name}-%{version}`";
        if step.name.starts_with("forge") {
            let message = format!(
                "line {line} of the spec: %{} enters a folder of its own, and our archive unpacks to {prefix}",
                step.name
            );
            return Err(Refusal::new("spec-prefix-unknown", message).hint(hint));
        }
        if self.has_option(step, 'c') {
            let message = format!(
                "line {line} of the spec: %{} -c makes a folder around {prefix}, which our archive unpacks to",
                step.name
            );
            return Err(Refusal::new("spec-prefix-unknown", message).hint(hint));
        }
        Ok(())
    }

    fn folder_option(&self, step: &Step) -> Option<MacroOption> {
        self.options(step).into_iter().rfind(|option| option.letter == Some('n'))
    }

    /// Returns the folder that a `%setup` enters; `None` where that is not known.
    fn folder(&self, step: &Step) -> Option<String> {
        match self.folder_option(step) {
            Some(option) => self.option_value(&option),
            None => Some(self.usual_folder()?.to_owned()),
        }
    }

    fn usual_folder(&self) -> Option<String> {
        Some(format!("{}-{}", self.name().ok()?, self.version().ok()?))
    }

    /// Returns how the folder is written: with macros where that comes to the same.
    fn prefix_text(&self, prefix: &FileName) -> String {
        match self.usual_folder() {
            Some(usual) if usual == prefix.as_str() => "%{name}-%{version}".to_owned(),
            _ => prefix.as_str().to_owned(),
        }
    }

    /// Returns the change that makes a step enter the folder.
    fn enter(&self, step: &Step, folder: &str) -> Change {
        match self.folder_option(step) {
            Some(option) => Change::new(option.at, folder),
            None => Change::insert(step.arguments.start, format!(" -n {folder}")),
        }
    }
}
