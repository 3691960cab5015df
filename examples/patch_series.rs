//! Writes the patches of a list of commits to standard output, and says on standard error what it took.
//!
//! ```text
//! patch_series REPOSITORY FILE [--workers N] [--cache FOLDER] [--apply] [--repeat]
//! ```
//!
//! FILE lists full commit ids, oldest first, one a line; each is compared with its first parent. For the
//! first-parent line from a tag: `git rev-list --first-parent --reverse TAG..TIP`. `--apply` also applies the
//! series to where it starts from and compares trees; `--repeat` writes it twice in one process and times
//! the second. `benches/patches.sh` runs it.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use lockkeeper::git::{Objects, Step, Store, Trust};
use lockkeeper::names::ObjectId;
use lockkeeper::populate::patches::{PatchCache, PatchRules, Series, series};
use lockkeeper::populate::{apply, identity};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

struct Arguments {
    repository: PathBuf,
    commits: Vec<ObjectId>,
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
    let steps = steps(&objects, &arguments.commits)?;
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
        "{} commits read in {walked:.1?}, {} patches in {:.1?}, {}",
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
    let mut next = || words.next().ok_or("usage: patch_series REPOSITORY FILE …");
    let repository = next()?.into();
    let list = std::fs::read_to_string(next()?)?;
    let commits = list.lines().map(str::parse).collect::<Result<_, _>>()?;
    let mut arguments =
        Arguments { repository, commits, workers: 2, cache: None, apply: false, repeat: false };
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

/// Reads the commits; each step begins where its first parent ended.
fn steps(objects: &Objects, commits: &[ObjectId]) -> Fallible<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::with_capacity(commits.len());
    for id in commits {
        let commit = objects.commit(id)?;
        let parent = commit.parents.first().ok_or("a commit without parent")?;
        let base_tree = match steps.last().filter(|last| last.commit.id == *parent) {
            Some(last) => last.commit.tree,
            None => objects.commit(parent)?.tree,
        };
        steps.push(Step { base_tree, commit });
    }
    Ok(steps)
}

fn write(store: &Store, steps: &[Step], arguments: &Arguments) -> Fallible<Series> {
    let rules = PatchRules::default();
    Ok(series(store, steps, &rules, &[], arguments.workers, arguments.cache.as_ref())?)
}

fn check(store: &Store, steps: &[Step], made: &Series) -> Fallible<()> {
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

/// The most memory that was in use, mapped packs included, and what of it is our own now.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or("unknown").trim().to_owned()
    };
    format!("peak memory {}, own memory {}", value("VmHWM:"), value("RssAnon:"))
}
