//! The other side of the contract: a built-in mechanism as the program of a published image.
//!
//! It reads the request, opens `/source`, and calls what the bot itself calls when no container is asked for:
//! [`Recipe::make`](crate::populate::mechanism::Recipe::make) and [`copied`]. So both give the same bytes. Nothing is
//! proved here; nobody would believe it.

use std::fs::{File, create_dir_all};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::request::Request;
use crate::config::Mechanism;
use crate::git::{EntryMode, Store, Trust};
use crate::outcome::{Problem, Refusal, Result};
use crate::populate::copied::{CopiedFile, Paths, copied};
use crate::progress::Progress;

/// Where the contract's folders are; tests put them elsewhere.
#[derive(Debug, Clone)]
pub struct Folders {
    /// `/source`.
    pub source: PathBuf,
    /// `/lockkeeper`.
    pub asked: PathBuf,
    /// `/upstream`.
    pub upstream: PathBuf,
    /// `/output`.
    pub output: PathBuf,
}

impl Folders {
    /// Returns the folders of the contract below `root`, which is `/` in a container.
    pub fn below(root: &Path) -> Folders {
        let at = |name: &str| root.join(name);
        Folders {
            source: at("source"),
            asked: at("lockkeeper"),
            upstream: at("upstream"),
            output: at("output"),
        }
    }
}

/// Fulfils the request with this mechanism.
///
/// # Errors
/// Refusals, which the container's last line tells, and problems.
pub fn populate(mechanism: Mechanism, folders: &Folders) -> Result<()> {
    let request = folders.asked.join("request.json");
    let request =
        Request::parse(&std::fs::read(&request).map_err(|error| unreadable(&request, error))?)?;
    let source = Store::open(&folders.source, Trust::Fetched)?;
    let (dist_git, lookaside) = (folders.output.join("dist-git"), folders.output.join("lookaside"));
    for folder in [&dist_git, &lookaside] {
        create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
    }
    let recipe = request.recipe(mechanism, &source, Progress::SILENT);
    let made = recipe.make(&lookaside)?;
    if mechanism == Mechanism::UpstreamTarball {
        must_have_release(&request, folders)?;
    }
    for patch in &made.series.patches {
        let content = patch.bytes.clone();
        let file = CopiedFile { mode: EntryMode::File, content };
        write(&dist_git, patch.file_name.as_str(), &file)?;
    }
    copy_packaging(&request, &source, &dist_git)
}

fn copy_packaging(request: &Request, source: &Store, to: &Path) -> Result<()> {
    let objects = source.objects();
    let tip = objects.commit(&request.source.commit)?;
    let config = &request.config;
    let paths =
        Paths { packaging: &config.packaging, tests: &config.tests, spec: &request.spec.path };
    for (path, file) in copied(&objects, &tip.tree, paths)? {
        write(to, &path, &file)?;
    }
    if let Some(spec) = objects.entry_at(&tip.tree, request.spec.path.as_str())? {
        let file = CopiedFile { mode: EntryMode::File, content: objects.blob(&spec.id)? };
        write(to, &request.spec.file, &file)?;
    }
    Ok(())
}

/// The bot uploads the tarball itself; here it only has to be the one that was asked for.
fn must_have_release(request: &Request, folders: &Folders) -> Result<(), Refusal> {
    let is_there = |file: &crate::names::FileName| folders.upstream.join(file.as_str()).is_file();
    match &request.upstream {
        Some(upstream) if is_there(&upstream.file) => Ok(()),
        _ => Err(Refusal::new("upstream-not-brought", "no released tarball is at hand")
            .hint("set `population.mechanism: upstream-tarball` beside the container")),
    }
}

fn write(folder: &Path, path: &str, file: &CopiedFile) -> Result<()> {
    let to = folder.join(path);
    let written = || -> std::io::Result<()> {
        if let Some(above) = to.parent() {
            create_dir_all(above)?;
        }
        if file.mode == EntryMode::Symlink {
            use std::os::unix::ffi::OsStrExt;
            let target = std::ffi::OsStr::from_bytes(&file.content);
            return std::os::unix::fs::symlink(target, &to);
        }
        let mode = if file.mode == EntryMode::Executable { 0o755 } else { 0o644 };
        let mut new = File::options().write(true).create_new(true).mode(mode).open(&to)?;
        new.write_all(&file.content)
    };
    Ok(written().map_err(|error| unwritable(&to, error))?)
}

fn unreadable(path: &Path, error: std::io::Error) -> Problem {
    Problem::permanent("file-unreadable", format!("cannot read {}: {error}", path.display()))
        .because(error)
}

fn unwritable(path: &Path, error: std::io::Error) -> Problem {
    let words = format!("cannot write {}: {error}", path.display());
    Problem::permanent("output-not-writable", words).because(error)
}
