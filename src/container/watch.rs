//! How much is in the output folder, looked at while a container writes there.
//!
//! The folder is a stranger's: it is read by open folders and never by paths, so that no link leads out of
//! it, and no deeper and no further than the limits say.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::options::Limits;

/// How often is looked; where a look takes long, later.
const PAUSE: Duration = Duration::from_millis(200);

/// How deep folders may lie in each other. Each level that is looked at holds one file open.
const DEPTH: usize = 128;

/// Waits until more was written than the limits allow, and says what.
pub(super) async fn until_too_large(folders: &[PathBuf], limits: &Limits) -> String {
    if folders.is_empty() {
        return std::future::pending().await;
    }
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        let begun = Instant::now();
        if let Some(what) = look(folders, limits).await {
            return what;
        }
        // At most a tenth of one processor goes into looking.
        pause = PAUSE.max(begun.elapsed() * 10);
    }
}

/// Looks once, and says what is more than the limits allow.
pub(super) async fn look(folders: &[PathBuf], limits: &Limits) -> Option<String> {
    let (folders, limits) = (folders.to_owned(), limits.clone());
    let looking = tokio::task::spawn_blocking(move || {
        let mut sum = Sum::new(&limits);
        folders.iter().find_map(|folder| sum.add(folder))
    });
    // The task ends early only where the whole runtime does.
    looking.await.unwrap_or(None)
}

/// What is not looked at could grow unseen.
const CLOSED: &str = "a folder that the bot may not look into";

/// Tells an entry that has vanished, or was replaced, from one that the bot may not see.
fn closed(error: Errno) -> Option<String> {
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => None,
        _ => Some(CLOSED.to_owned()),
    }
}

/// What was found so far.
struct Sum<'a> {
    limits: &'a Limits,
    bytes: u64,
    files: u64,
}

impl<'a> Sum<'a> {
    fn new(limits: &'a Limits) -> Sum<'a> {
        Sum { limits, bytes: 0, files: 0 }
    }

    /// Adds a folder of ours; says what is too much, as soon as it is.
    fn add(&mut self, folder: &Path) -> Option<String> {
        match File::open(folder) {
            Ok(folder) => self.below(OwnedFd::from(folder), 0),
            // The folder is ours, but its mode is the container's to change.
            Err(_) => Some(CLOSED.to_owned()),
        }
    }

    /// Adds all that is below an open folder.
    fn below(&mut self, folder: OwnedFd, depth: usize) -> Option<String> {
        if depth > DEPTH {
            return Some(format!("folders more than {DEPTH} deep in each other"));
        }
        let Ok(entries) = Dir::read_from(&folder) else { return Some(CLOSED.to_owned()) };
        let names = entries.flatten().map(|entry| entry.file_name().to_owned());
        let mut names = names.filter(|name| !matches!(name.to_bytes(), b"." | b".."));
        names.find_map(|name| self.entry(&folder, &name, depth))
    }

    /// Adds an entry of an open folder, with all below it. What vanishes meanwhile counts no more.
    fn entry(&mut self, folder: &OwnedFd, name: &CStr, depth: usize) -> Option<String> {
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => return closed(error),
        };
        let too_much = self.count(&stat);
        if too_much.is_some() || FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return too_much;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(folder, name, flags, Mode::empty()) {
            Ok(inner) => self.below(inner, depth + 1),
            Err(error) => closed(error),
        }
    }

    /// Adds one file or folder: its length, or its place on disk where that is more.
    fn count(&mut self, stat: &rustix::fs::Stat) -> Option<String> {
        let length = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        let on_disk = u64::try_from(stat.st_blocks).unwrap_or(u64::MAX).saturating_mul(512);
        self.files += 1;
        self.bytes = self.bytes.saturating_add(length.max(on_disk));
        if self.files > self.limits.output_files {
            return Some(format!("more than {} files and folders", self.limits.output_files));
        }
        (self.bytes > self.limits.output.0).then(|| format!("more than {}", self.limits.output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::measure::Bytes;

    fn limits(output: u64, output_files: u64) -> Limits {
        Limits { output: Bytes(output), output_files, ..Limits::default() }
    }

    async fn found(folder: &Path, limits: &Limits) -> Option<String> {
        look(&[folder.to_owned()], limits).await
    }

    #[tokio::test]
    async fn what_is_within_the_limits_is_let_be() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(found(folder.path(), &limits(0, 0)).await, None);
        std::fs::write(folder.path().join("a"), "12345").unwrap();
        assert_eq!(found(folder.path(), &limits(8192, 1)).await, None);
        assert_eq!(found(folder.path(), &limits(100, 1)).await.unwrap(), "more than 100B");
        let words = "more than 0 files and folders";
        assert_eq!(found(folder.path(), &limits(8192, 0)).await.unwrap(), words);
    }

    #[tokio::test]
    async fn a_sparse_file_counts_with_its_whole_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("sparse")).unwrap();
        file.set_len(1 << 40).unwrap();
        assert_eq!(found(folder.path(), &limits(1 << 33, 10)).await.unwrap(), "more than 8GiB");
    }

    #[tokio::test]
    async fn links_are_counted_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        for (name, to) in [("root", "/"), ("self", "."), ("up", "..")] {
            std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
        }
        assert_eq!(found(folder.path(), &limits(100_000, 3)).await, None);
    }

    #[test]
    fn what_vanishes_is_told_from_what_is_hidden() {
        assert_eq!(closed(Errno::NOENT), None);
        assert_eq!(closed(Errno::ACCESS).as_deref(), Some(CLOSED));
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_looked_into_is_too_much() {
        let folder = tempfile::tempdir().unwrap();
        let words = found(&folder.path().join("gone"), &limits(8192, 10)).await;
        assert_eq!(words.as_deref(), Some(CLOSED));
    }

    #[tokio::test]
    async fn folders_without_end_are_too_much() {
        let folder = tempfile::tempdir().unwrap();
        let deep: PathBuf = std::iter::repeat_n("d", DEPTH + 2).collect();
        std::fs::create_dir_all(folder.path().join(deep)).unwrap();
        let words = found(folder.path(), &limits(1 << 40, 1000)).await.unwrap();
        assert!(words.contains("deep"), "{words}");
    }

    #[tokio::test]
    async fn a_growing_folder_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, limits) = (folder.path().to_owned(), limits(1 << 20, 10));
        let folders = [path.clone()];
        let grow = async {
            std::fs::write(path.join("a"), vec![0; 2 << 20]).unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            what = until_too_large(&folders, &limits) => assert_eq!(what, "more than 1MiB"),
            () = grow => unreachable!("it waits for ever"),
        }
    }
}
