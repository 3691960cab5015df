//! Writes the patches between two commits to standard output, and says on standard error what it took.
//!
//! ```text
//! patch_series REPOSITORY BASE TIP [--workers N] [--cache FOLDER] [--apply] [--repeat]
//! ```
//!
//! BASE and TIP are full commit ids. `--apply` also applies the series to BASE and compares trees;
//! `--repeat` times the series alone, twice in one process. `benches/patches.sh` runs it.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use lockkeeper::git::{Objects, Store, Trust};
use lockkeeper::names::ObjectId;
use lockkeeper::populate::patches::{PatchCache, PatchRules, Series, SeriesStep, series};
use lockkeeper::populate::{apply, identity};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

struct Arguments {
    repository: PathBuf,
    base: ObjectId,
    tip: ObjectId,
    workers: usize,
    cache: Option<PatchCache>,
    apply: bool,
    repeat: bool,
}

fn main() -> Fallible<()> {
    let arguments = arguments()?;
    let start = Instant::now();
    let store = Store::open(&arguments.repository, Trust::Fetched)?;
    let objects = store.objects();
    let steps = line(&objects, arguments.base, arguments.tip)?;
    let walked = start.elapsed();
    let mut made = write(&store, &steps, &arguments)?;
    let written = start.elapsed();
    if arguments.repeat {
        made = write(&store, &steps, &arguments)?;
        eprintln!("again in {:.1?}", start.elapsed() - written);
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    made.patches.iter().try_for_each(|patch| out.write_all(&patch.bytes))?;
    out.flush()?;
    eprintln!(
        "{} commits walked in {walked:.1?}, {} patches in {:.1?}, {}",
        steps.len(),
        made.patches.len(),
        written - walked,
        memory()
    );
    if arguments.apply {
        check(&store, &steps, &made)?;
    }
    Ok(())
}

fn arguments() -> Fallible<Arguments> {
    let mut words = std::env::args().skip(1);
    let mut next = || words.next().ok_or("usage: patch_series REPOSITORY BASE TIP …");
    let (repository, base, tip) = (next()?.into(), next()?.parse()?, next()?.parse()?);
    let mut arguments =
        Arguments { repository, base, tip, workers: 2, cache: None, apply: false, repeat: false };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--workers" => arguments.workers = words.next().ok_or("--workers N")?.parse()?,
            "--cache" => {
                let folder = PathBuf::from(words.next().ok_or("--cache FOLDER")?);
                arguments.cache = Some(PatchCache::new(&folder));
            }
            "--apply" => arguments.apply = true,
            "--repeat" => arguments.repeat = true,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(arguments)
}

/// Walks first parents from `tip` to `base`.
fn line(objects: &Objects, base: ObjectId, tip: ObjectId) -> Fallible<Vec<SeriesStep>> {
    let mut commits = Vec::new();
    let mut next = tip;
    while next != base {
        let commit = objects.commit(&next)?;
        next = *commit.parents.first().ok_or("BASE is not on the first-parent line")?;
        commits.push(commit);
    }
    let mut base_tree = objects.commit(&base)?.tree;
    let step = |commit: lockkeeper::git::Commit| {
        let step = SeriesStep { base_tree, commit };
        base_tree = step.commit.tree;
        step
    };
    Ok(commits.into_iter().rev().map(step).collect())
}

fn write(store: &Store, steps: &[SeriesStep], arguments: &Arguments) -> Fallible<Series> {
    let rules = PatchRules::default();
    Ok(series(store, steps, &rules, &[], arguments.workers, arguments.cache.as_ref())?)
}

fn check(store: &Store, steps: &[SeriesStep], made: &Series) -> Fallible<()> {
    let start = Instant::now();
    let (first, last) = (steps.first().ok_or("no commits")?, steps.last().ok_or("no commits")?);
    let patches: Vec<&[u8]> = made.patches.iter().map(|patch| &patch.bytes[..]).collect();
    let objects = store.scratch();
    let tree = apply::series(&objects, first.base_tree, &patches)?;
    let differences = identity::compare(&objects, tree, last.commit.tree, &[])?;
    eprintln!(
        "applied in {:.1?}, {} paths differ, {}",
        start.elapsed(),
        differences.len(),
        memory()
    );
    if differences.is_empty() { Ok(()) } else { Err("the trees differ".into()) }
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    format!("peak memory {}", peak.unwrap_or("unknown").trim())
}
