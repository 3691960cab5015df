//! Reading an output from folder to folder, by plain names, without following a link.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, open, openat, readlinkat, statat,
};
use rustix::io::Errno;

use super::{Limits, entry, result};
use crate::digest::Sha512;
use crate::git::EntryMode;
use crate::names::FileName;
use crate::outcome::{Fault, Problem, Refusal, Result};
use crate::populate::DraftArchive;
use crate::populate::copied::CopiedFile;

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A pipe that took a file's place must not make us wait, nor a terminal become ours.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// The longest target of a link.
const LONGEST_TARGET: usize = 4096;

/// Entries of the output's root.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) is_folder: bool,
}

/// An output that is being read.
pub(super) struct Walk<'a> {
    root: OwnedFd,
    limits: &'a Limits,
    entries: u64,
    bytes: u64,
    files: BTreeMap<String, CopiedFile>,
}

impl<'a> Walk<'a> {
    pub(super) fn begin(folder: &Path, limits: &'a Limits) -> Result<Walk<'a>> {
        let root = open(folder, FOLDER, Mode::empty()).map_err(|error| {
            let words = format!("the output folder {} cannot be opened: {error}", folder.display());
            Problem::permanent("output-not-read", words).because(std::io::Error::from(error))
        })?;
        Ok(Walk { root, limits, entries: 0, bytes: 0, files: BTreeMap::new() })
    }

    /// Lists the root; links and stranger things are refused here already.
    pub(super) fn root(&mut self) -> Result<Vec<Found>> {
        let root = again(&self.root)?;
        let mut found = Vec::new();
        for name in self.names(&root, "")? {
            let stat = look(&root, &name, &name)?;
            match entry::kind(&name, &stat)? {
                FileType::Symlink => entry::link(&name, b"/")?,
                kind => found.push(Found { name, is_folder: kind == FileType::Directory }),
            }
        }
        Ok(found)
    }

    /// Reads `dist-git/` into memory.
    pub(super) fn dist_git(&mut self, found: &Found) -> Result<BTreeMap<String, CopiedFile>> {
        self.bytes = 0;
        let folder = folder(&self.root, &found.name, &found.name)?;
        self.folder(&folder, &found.name, 1)?;
        Ok(std::mem::take(&mut self.files))
    }

    fn folder(&mut self, fd: &OwnedFd, path: &str, depth: usize) -> Result<()> {
        if depth > self.limits.depth {
            let words = format!(
                "the container left folders within folders, more than {depth} deep, at /output/{path}"
            );
            return Err(Refusal::new("output-too-deep", words).hint("leave fewer folders").into());
        }
        for name in self.names(fd, path)? {
            let below = format!("{path}/{name}");
            let stat = look(fd, &name, &below)?;
            match entry::kind(&below, &stat)? {
                FileType::Directory => {
                    self.folder(&folder(fd, &name, &below)?, &below, depth + 1)?;
                }
                FileType::Symlink => self.link(fd, &name, &below)?,
                _ => self.file(fd, &name, &below, &stat)?,
            }
        }
        Ok(())
    }

    /// Returns the names in a folder, sorted, checked and counted.
    fn names(&mut self, fd: &OwnedFd, path: &str) -> Result<Vec<String>> {
        let unreadable = |error: Errno| unreadable(path, error);
        let mut names = Vec::new();
        let mut folded = HashSet::new();
        for read in Dir::read_from(fd).map_err(unreadable)? {
            let read = read.map_err(unreadable)?;
            let name = read.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            self.entries += 1;
            if self.entries > self.limits.entries {
                let words = format!(
                    "the container left more than {} files and folders",
                    self.limits.entries
                );
                return Err(Refusal::new("output-too-many-files", words)
                    .hint("leave an archive in lookaside/, or ask the operator to raise population.limits.output_files")
                    .into());
            }
            let name = entry::name(path, name)?;
            if !folded.insert(name.to_lowercase()) {
                let words = format!(
                    "the container left two entries {path}/{name} that differ in case only"
                );
                return Err(Refusal::new("output-case-clash", words)
                    .hint("a checkout where case does not count would lose one of them; rename it")
                    .into());
            }
            names.push(name.to_owned());
        }
        names.sort();
        Ok(names)
    }

    fn link(&mut self, fd: &OwnedFd, name: &str, path: &str) -> Result<()> {
        let target = readlinkat(fd, name, Vec::with_capacity(256))
            .map_err(|error| unreadable(path, error))?;
        let content = target.into_bytes();
        if content.len() > LONGEST_TARGET {
            return Err(too_large(path, content.len() as u64, LONGEST_TARGET as u64).into());
        }
        entry::link(path, &content)?;
        self.keep(path, EntryMode::Symlink, content);
        Ok(())
    }

    fn file(&mut self, fd: &OwnedFd, name: &str, path: &str, seen: &Stat) -> Result<()> {
        self.count(path, seen, self.limits.dist_git)?;
        let is_executable = seen.st_mode & 0o100 != 0;
        let mode = if is_executable { EntryMode::Executable } else { EntryMode::File };
        let content = Reading::open(fd, name, path, seen)?.whole()?;
        self.keep(path, mode, content);
        Ok(())
    }

    fn keep(&mut self, path: &str, mode: EntryMode, content: Vec<u8>) {
        let path = path.split_once('/').map_or(path, |(_, below)| below);
        self.files.insert(path.to_owned(), CopiedFile { mode, content });
    }

    /// Counts the size that a file claims, before anything of it is read.
    fn count(&mut self, path: &str, stat: &Stat, limit: u64) -> Result<()> {
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(size);
        match self.bytes > limit {
            true => Err(too_large(path, size, limit).into()),
            false => Ok(()),
        }
    }

    /// Copies the files of `lookaside/` into `work` while they are hashed.
    pub(super) fn lookaside(&mut self, found: &Found, work: &Path) -> Result<Vec<DraftArchive>> {
        self.bytes = 0;
        let fd = folder(&self.root, &found.name, &found.name)?;
        let mut archives = Vec::new();
        for name in self.names(&fd, &found.name)? {
            let path = format!("{}/{name}", found.name);
            let stat = look(&fd, &name, &path)?;
            if entry::kind(&path, &stat)? != FileType::RegularFile {
                let words = format!("the container left /output/{path}, which is no file");
                return Err(Refusal::new("output-lookaside", words)
                    .hint("leave files in lookaside/, without folders and links")
                    .into());
            }
            let file: FileName = name.parse().map_err(|error: crate::names::NameError| {
                let words = format!("the container left /output/{path}: {error}");
                Refusal::new("output-lookaside", words).hint("`sources` cannot carry such a name")
            })?;
            self.count(&path, &stat, self.limits.lookaside)?;
            archives.push(copy(&fd, file, &path, &stat, work)?);
        }
        Ok(archives)
    }

    /// Reads `result.json`.
    pub(super) fn result(&mut self, found: &Found) -> Result<Vec<u8>> {
        let root = again(&self.root)?;
        let stat = look(&root, &found.name, &found.name)?;
        if stat.st_size as u64 > result::LARGEST {
            let words = format!(
                "the container's result.json has {} bytes; at most {} are read",
                stat.st_size,
                result::LARGEST
            );
            return Err(Refusal::new("result-too-large", words).hint("say less in it").into());
        }
        Reading::open(&root, &found.name, &found.name, &stat)?.whole()
    }
}

/// A second handle on the same folder: a list is read once from each.
fn again(fd: &OwnedFd) -> Result<OwnedFd> {
    openat(fd, ".", FOLDER, Mode::empty()).map_err(|error| unreadable("", error))
}

fn look(fd: &OwnedFd, name: &str, path: &str) -> Result<Stat> {
    statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| unreadable(path, error))
}

fn folder(above: &OwnedFd, name: &str, path: &str) -> Result<OwnedFd> {
    openat(above, name, FOLDER, Mode::empty()).map_err(|error| unreadable(path, error))
}

fn copy(
    fd: &OwnedFd,
    file: FileName,
    path: &str,
    seen: &Stat,
    work: &Path,
) -> Result<DraftArchive> {
    let to = work.join(file.as_str());
    let failed = |error: std::io::Error| -> Fault {
        let words = format!("cannot write {}: {error}", to.display());
        Problem::permanent("work-not-writable", words).because(error).into()
    };
    let mut written = File::create_new(&to).map_err(failed)?;
    let mut hasher = crate::digest::Hasher::new(crate::digest::HashType::Sha512);
    Reading::open(fd, file.as_str(), path, seen)?.read(&mut |bytes| {
        hasher.update(bytes);
        written.write_all(bytes).map_err(failed)
    })?;
    let digest = hasher.finish();
    let sha512: Sha512 = digest.hex().parse().expect("a SHA-512 has 128 hex digits");
    let size = Some(u64::try_from(seen.st_size).unwrap_or_default());
    Ok(DraftArchive { name: file, sha512, size, path: Some(to) })
}

/// A file that is being read, and what it was when it was looked at.
struct Reading<'a> {
    file: File,
    path: &'a str,
    seen: &'a Stat,
}

impl<'a> Reading<'a> {
    fn open(fd: &OwnedFd, name: &str, path: &'a str, seen: &'a Stat) -> Result<Reading<'a>> {
        let file =
            openat(fd, name, FILE, Mode::empty()).map_err(|error| unreadable(path, error))?;
        let reading = Reading { file: File::from(file), path, seen };
        reading.must_be_as_seen()?;
        Ok(reading)
    }

    fn size(&self) -> usize {
        usize::try_from(self.seen.st_size).unwrap_or_default()
    }

    /// Returns the content, and sees that it is what was looked at.
    fn whole(&mut self) -> Result<Vec<u8>> {
        let mut content = vec![0; self.size()];
        match self.file.read_exact(&mut content) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(changed(self.path).into());
            }
            Err(error) => return Err(not_read(self.path, error)),
        }
        self.must_be_as_seen()?;
        Ok(content)
    }

    /// Reads to the end, and sees that it is what was looked at.
    fn read(&mut self, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut left = self.size();
        let mut buffer = vec![0; left.clamp(1, 256 * 1024)];
        while left > 0 {
            let room = left.min(buffer.len());
            let count =
                self.file.read(&mut buffer[..room]).map_err(|error| not_read(self.path, error))?;
            if count == 0 {
                return Err(changed(self.path).into());
            }
            take(&buffer[..count])?;
            left -= count;
        }
        self.must_be_as_seen()
    }

    fn must_be_as_seen(&self) -> Result<()> {
        let now = fstat(self.file.as_fd()).map_err(|error| unreadable(self.path, error))?;
        match marks(&now) == marks(self.seen) {
            true => Ok(()),
            false => Err(changed(self.path).into()),
        }
    }
}

/// What tells one state of a file from another.
fn marks(stat: &Stat) -> impl PartialEq + use<> {
    (
        (stat.st_dev, stat.st_ino, stat.st_mode, stat.st_nlink, stat.st_size),
        (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec),
    )
}

fn changed(path: &str) -> Refusal {
    Refusal::new("output-changed", format!("/output/{path} changed while it was read")).hint(
        "something still writes there; see that nothing outlives the container's first process",
    )
}

fn too_large(path: &str, size: u64, limit: u64) -> Refusal {
    let words = format!(
        "the container left too much: with /output/{path} ({size} bytes) it is more than {limit} bytes"
    );
    Refusal::new("output-too-large", words)
        .hint("what is large belongs into lookaside/; or ask the operator to raise population.limits.output")
}

fn unreadable(path: &str, error: Errno) -> Fault {
    match error {
        Errno::ACCESS | Errno::PERM => {
            let words = format!("the container left /output/{path}, which may not be read");
            Refusal::new("output-unreadable", words)
                .hint("leave files and folders with their owner's rights")
                .into()
        }
        Errno::LOOP | Errno::NOTDIR | Errno::NOENT | Errno::NXIO => changed(path).into(),
        error => not_read(path, error.into()),
    }
}

fn not_read(path: &str, error: std::io::Error) -> Fault {
    Problem::permanent("output-not-read", format!("cannot read /output/{path}: {error}"))
        .because(error)
        .into()
}

/// Tells whether an entry can be opened and is what was seen.
#[cfg(test)]
pub(super) fn opens_as_seen(fd: &OwnedFd, name: &str, seen: &Stat) -> Result<()> {
    Reading::open(fd, name, name, seen).map(drop)
}
