//! Writing a series: units shared out among threads, results in the order of the line.

use std::sync::atomic::{AtomicUsize, Ordering};

use bstr::BString;

use super::cache::Shelf;
use super::names::Names;
use super::plan::{self, Unit};
use super::{Patch, PatchCache, PatchRules, Series, diff, mail};
use crate::git::{Commit, FileChange, Objects, Step, Store};
use crate::names::{FileName, ObjectId};
use crate::outcome::{Refusal, Result};

/// How many neighbouring units a thread takes at once: neighbours share trees, which stay cached.
const BATCH: usize = 16;

/// What became of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rendered {
    /// Nothing outside the packaging paths changes.
    Nothing,
    /// A patch, but for its name.
    Text {
        /// The file.
        bytes: Vec<u8>,
        /// Paths carried as binary patches.
        binary: Vec<BString>,
        /// Paths with a carriage return at the end of a line.
        has_crlf: Vec<BString>,
    },
}

/// Everything that the threads share.
struct Work<'a> {
    store: &'a Store,
    steps: &'a [Step],
    rules: &'a PatchRules,
    shelf: Option<Shelf>,
}

/// As [`super::series`], which documents it.
pub(super) fn series(
    store: &Store,
    steps: &[Step],
    rules: &PatchRules,
    taken: &[FileName],
    workers: usize,
    cache: Option<&PatchCache>,
) -> Result<Series> {
    let shelf = cache.zip(steps.first()).map(|(cache, first)| cache.shelf(&first.base_tree, rules));
    let work = Work { store, steps, rules, shelf };
    let units = plan::units(steps, |unit| work.is_quiet(unit))?;
    let rendered = work.render_all(&units, workers)?;
    work.keep(&units, &rendered)?;
    work.assemble(&units, rendered, taken)
}

/// As [`super::planned`], which documents it.
pub(super) fn planned(
    store: &Store,
    steps: &[Step],
    rules: &PatchRules,
    taken: &[FileName],
) -> Result<Series> {
    let work = Work { store, steps, rules, shelf: None };
    let objects = store.objects();
    let units = plan::units(steps, |unit| work.is_quiet(unit))?;
    let rendered = units.iter().map(|unit| match unit.ignored || work.is_same(&objects, unit)? {
        true => Ok(Rendered::Nothing),
        false => Ok(Rendered::Text { bytes: vec![], binary: vec![], has_crlf: vec![] }),
    });
    let rendered = rendered.collect::<Result<Vec<_>>>()?;
    work.assemble(&units, rendered, taken)
}

impl Work<'_> {
    fn is_same(&self, objects: &Objects, unit: &Unit) -> Result<bool> {
        Ok(self.changes(objects, unit)?.is_empty())
    }

    fn is_quiet(&self, unit: &Unit) -> Result<bool> {
        self.is_same(&self.store.objects(), unit)
    }

    fn changes(&self, objects: &Objects, unit: &Unit) -> Result<Vec<FileChange>> {
        let (base, tip) = plan::ends(unit, self.steps)?;
        objects.changes(&base, &tip, &|path| self.rules.leave_out(path))
    }

    fn render_all(&self, units: &[Unit], workers: usize) -> Result<Vec<Rendered>> {
        let next = AtomicUsize::new(0);
        let threads = workers.clamp(1, units.len().div_ceil(BATCH).max(1));
        let mut parts = std::thread::scope(|scope| {
            let spawn = |_| scope.spawn(|| self.render_batches(units, &next));
            let others: Vec<_> = (1..threads).map(spawn).collect();
            let mut parts = self.render_batches(units, &next);
            for other in others {
                parts.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            parts
        });
        // In the order of the line, so that of several faults the oldest commit's is told.
        parts.sort_by_key(|(place, _)| *place);
        parts.into_iter().map(|(_, rendered)| rendered).collect()
    }

    /// Takes batches until none is left or a unit fails.
    fn render_batches(&self, units: &[Unit], next: &AtomicUsize) -> Vec<(usize, Result<Rendered>)> {
        let objects = self.store.objects();
        let mut done = Vec::new();
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed);
            for (place, unit) in units.iter().enumerate().skip(start).take(BATCH) {
                let rendered = self.render(&objects, unit);
                let failed = rendered.is_err();
                done.push((place, rendered));
                if failed {
                    return done;
                }
            }
            if start + BATCH >= units.len() {
                return done;
            }
        }
    }

    fn render(&self, objects: &Objects, unit: &Unit) -> Result<Rendered> {
        if unit.ignored {
            return Ok(Rendered::Nothing);
        }
        if let Some(shelf) = &self.shelf
            && let Some(found) = shelf.find(&self.key(shelf, unit)?)
        {
            return Ok(found);
        }
        self.write(objects, unit)
    }

    fn key(&self, shelf: &Shelf, unit: &Unit) -> Result<[u8; 32]> {
        let (base, _) = plan::ends(unit, self.steps)?;
        Ok(shelf.key(&base, &self.ids(unit)))
    }

    fn keep(&self, units: &[Unit], rendered: &[Rendered]) -> Result<()> {
        let Some(shelf) = &self.shelf else { return Ok(()) };
        let cached = units.iter().zip(rendered).filter(|(unit, _)| !unit.ignored);
        let keyed = cached.map(|(unit, rendered)| Ok((self.key(shelf, unit)?, rendered)));
        shelf.keep(&keyed.collect::<Result<Vec<_>>>()?);
        Ok(())
    }

    fn write(&self, objects: &Objects, unit: &Unit) -> Result<Rendered> {
        let changes = self.changes(objects, unit)?;
        if changes.is_empty() {
            return Ok(Rendered::Nothing);
        }
        let commits: Vec<&Commit> =
            unit.steps.iter().map(|step| &self.steps[*step].commit).collect();
        let mut written = diff::Written { text: mail::head(&commits), ..Default::default() };
        diff::write(objects, &changes, &mut written)?;
        let diff::Written { text, binary, has_crlf } = written;
        Ok(Rendered::Text { bytes: text, binary, has_crlf })
    }

    fn ids(&self, unit: &Unit) -> Vec<ObjectId> {
        unit.steps.iter().map(|step| self.steps[*step].commit.id).collect()
    }

    /// Names the patches in series order, after the names that trailers ask for.
    fn assemble(
        &self,
        units: &[Unit],
        rendered: Vec<Rendered>,
        taken: &[FileName],
    ) -> Result<Series> {
        let mut names = Names::new(taken);
        for name in units.iter().filter_map(|unit| unit.name.as_ref()) {
            if !names.reserve(name) {
                return Err(name_taken(name));
            }
        }
        let mut series = Series::default();
        for (unit, rendered) in units.iter().zip(rendered) {
            self.put(unit, rendered, &mut names, &mut series);
        }
        Ok(series)
    }

    fn put(&self, unit: &Unit, rendered: Rendered, names: &mut Names, series: &mut Series) {
        let commits = self.ids(unit);
        match rendered {
            _ if unit.ignored => series.ignored.extend(commits),
            Rendered::Nothing => series.packaging_only.extend(commits),
            Rendered::Text { bytes, binary, has_crlf } => {
                let subject = mail::subject(&self.steps[unit.steps[0]].commit);
                let asked = unit.name.clone();
                let file_name = asked.unwrap_or_else(|| names.for_subject(&subject));
                let patch = Patch { file_name, bytes, commits, subject, binary, has_crlf };
                series.patches.push(patch);
            }
        }
    }
}

fn name_taken(name: &FileName) -> crate::outcome::Fault {
    Refusal::new(
        "patch-name-taken",
        format!("`Patch-name: {name}` asks for a name that another patch has"),
    )
    .hint("names are compared without regard to case; patches by hand have theirs first")
    .into()
}
