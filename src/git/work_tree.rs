//! A whole checkout with a `.git` of its own, kept warm between runs.
//!
//! A container reads files, and making all of them costs more than archiving them: 1 s for 5,000 files, 13 s for
//! 80,000. Moving a tree that is there from one commit to the next costs what has changed (20 and 160 ms). So each
//! dist-git branch keeps one tree.
//!
//! 1. the tree is held by one run at a time, with a lock file beside it;
//! 2. objects come in: those of a mirror as hard links, since git hashed them when they came; those of somebody
//!    else's repository by `git fetch`, which hashes them now;
//! 3. references are written: the branch, and every tag that leads to a commit. There are no alternates, no remotes,
//!    no hooks and no configuration but the format;
//! 4. `git read-tree -m -u` moves the files. git follows no link of the tree's own while it writes;
//! 5. a note of the commit is written last. A tree without one was left half-way, and is made anew.
//!
//! Nobody but us writes there: containers see it read-only.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::mirror::{Mirrors, lock, mirror_name, not_writable, short_hash};
use super::store::{Store, Trust};
use crate::names::{BranchName, ObjectId, RepositoryAddress};
use crate::outcome::{Problem, Refusal, Result, printable};
use crate::process::{Invocation, Output};

/// How long making or moving a tree may take.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// What a tree's `.git/config` says: the format, and nothing that git acts upon.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n";

/// The reference that a fetch leaves, gone before anybody looks.
const FETCHED: &str = "refs/fetched";

/// What is to be checked out, and for whom.
#[derive(Clone, Copy)]
pub struct Checkout<'a> {
    /// Where the objects are.
    pub source: &'a Store,
    /// The commit.
    pub commit: ObjectId,
    /// The branch that it is the tip of.
    pub branch: &'a BranchName,
    /// The dist-git repository whose branch the tree is kept for.
    pub dist_git: &'a RepositoryAddress,
    /// That branch.
    pub dist_git_branch: &'a BranchName,
}

/// A checked-out tree, held until this value goes.
pub struct WorkTree {
    folder: PathBuf,
    _lock: File,
}

impl WorkTree {
    /// Returns the folder of the files, with `.git` in it.
    pub fn path(&self) -> PathBuf {
        self.folder.join("source")
    }
}

impl Mirrors {
    /// Checks a commit out.
    ///
    /// # Errors
    /// Refuses a tree that git does not check out (`source-not-checked-out`); fails where the cache cannot be written.
    pub async fn check_out(&self, wanted: &Checkout<'_>) -> Result<WorkTree> {
        let branch = short_hash(wanted.dist_git_branch.as_str());
        let name = format!("{}-{branch}", mirror_name(wanted.dist_git));
        let folder = self.folder().join("trees").join(&name);
        std::fs::create_dir_all(&folder).map_err(|error| not_writable(&folder, error))?;
        let lock = lock(&self.folder().join("trees").join(format!("{name}.lock"))).await?;
        let place = Place { folder: &folder, wanted };
        if place.bring_up().await.is_err() {
            // Whatever is wrong with a warm tree, a new one does not have it.
            place.clear()?;
            place.bring_up().await?;
        }
        Ok(WorkTree { folder, _lock: lock })
    }
}

/// A tree's place, with the lock held.
struct Place<'a> {
    folder: &'a Path,
    wanted: &'a Checkout<'a>,
}

impl Place<'_> {
    fn source(&self) -> PathBuf {
        self.folder.join("source")
    }

    fn git_dir(&self) -> PathBuf {
        self.folder.join("source/.git")
    }

    fn note(&self) -> PathBuf {
        self.folder.join("at")
    }

    fn failed(&self, error: std::io::Error) -> crate::outcome::Fault {
        not_writable(self.folder, error)
    }

    fn clear(&self) -> Result<()> {
        match std::fs::remove_dir_all(self.source()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    async fn bring_up(&self) -> Result<()> {
        let references = self.references()?;
        let note = format!("{}\n{references}", self.wanted.commit);
        let before = std::fs::read_to_string(self.note()).unwrap_or_default();
        if before == note {
            return Ok(());
        }
        let _ = std::fs::remove_file(self.note());
        let old = before.lines().next().and_then(|line| line.parse::<ObjectId>().ok());
        if old.is_none() {
            self.clear()?;
            self.begin().map_err(|error| self.failed(error))?;
        }
        self.bring_objects().await?;
        self.write_references(&references).map_err(|error| self.failed(error))?;
        self.read_tree(old).await?;
        std::fs::write(self.note(), note).map_err(|error| self.failed(error))
    }

    /// Makes an empty repository, readable for every user: who runs in a container is nobody that we know.
    fn begin(&self) -> std::io::Result<()> {
        let git = self.git_dir();
        let folders = ["", "objects", "objects/info", "objects/pack", "refs", "refs/heads"];
        std::fs::create_dir_all(&git)?;
        readable(&self.source(), 0o755)?;
        for folder in folders.into_iter().chain(["refs/tags"]) {
            std::fs::create_dir_all(git.join(folder))?;
            readable(&git.join(folder), 0o755)?;
        }
        write(&git.join("config"), CONFIG)?;
        self.write_head()
    }

    /// Returns the branch and the tags as `packed-refs` lists them.
    fn references(&self) -> Result<String> {
        let mut lines = vec![(self.wanted.branch.reference(), self.wanted.commit, None)];
        for tag in self.wanted.source.objects().tags()? {
            let peeled = (tag.object != tag.commit).then_some(tag.commit);
            lines.push((format!("refs/tags/{}", tag.name), tag.object, peeled));
        }
        lines.sort();
        let mut text = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
        for (name, object, peeled) in lines {
            text.push_str(&format!("{object} {name}\n"));
            text.extend(peeled.map(|commit| format!("^{commit}\n")));
        }
        Ok(text)
    }

    fn write_references(&self, references: &str) -> std::io::Result<()> {
        let git = self.git_dir();
        match std::fs::remove_dir_all(git.join(FETCHED)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        write(&git.join("packed-refs"), references)?;
        self.write_head()
    }

    fn write_head(&self) -> std::io::Result<()> {
        let head = format!("ref: {}\n", self.wanted.branch.reference());
        write(&self.git_dir().join("HEAD"), &head)
    }

    async fn bring_objects(&self) -> Result<()> {
        match self.wanted.source.trust() {
            Trust::Fetched => self.link_objects().map_err(|error| self.failed(error)),
            Trust::InPlace => self.fetch_objects().await,
        }
    }

    /// Links every object file of our own mirror, and drops those that the mirror has no more.
    fn link_objects(&self) -> std::io::Result<()> {
        let (from, to) =
            (self.wanted.source.git_dir().join("objects"), self.git_dir().join("objects"));
        for entry in std::fs::read_dir(&from)? {
            let name = entry?.file_name();
            let is_loose = name.len() == 2 && name.to_str().is_some_and(is_hex);
            if is_loose || name == "pack" {
                link_folder(&from.join(&name), &to.join(&name))?;
            }
        }
        Ok(())
    }

    async fn fetch_objects(&self) -> Result<()> {
        let repository = self.wanted.source.git_dir();
        // git runs in the tree, where a relative path would mean another place.
        let repository = std::path::absolute(&repository).unwrap_or(repository);
        let config = self.folder.join("gitconfig");
        let quoted = repository.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
        let lines = format!(
            "[safe]\n\tdirectory = \"{quoted}\"\n[uploadpack]\n\tallowAnySHA1InWant = true\n[protocol]\n\tversion = 2\n"
        );
        std::fs::write(&config, lines).map_err(|error| self.failed(error))?;
        let git = self
            .git()
            .env("GIT_CONFIG_GLOBAL", &config)
            .args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc"])
            .args(["--no-recurse-submodules", "--end-of-options"])
            .arg(&repository)
            .arg(format!("+{}:{FETCHED}/tip", self.wanted.commit))
            .arg(format!("+refs/tags/*:{FETCHED}/tags/*"));
        self.run(git).await
    }

    async fn read_tree(&self, old: Option<ObjectId>) -> Result<()> {
        let git = self.git().args(["-c", "checkout.workers=0", "read-tree", "-u"]);
        let git = match old {
            Some(old) => git.args(["-m", &old.to_string()]),
            None => git.arg("--reset"),
        };
        self.run(git.arg(self.wanted.commit.to_string())).await
    }

    /// Returns git with no configuration but the tree's own, which says nothing, and a mask that lets all users read.
    fn git(&self) -> Invocation {
        Invocation::new("sh")
            .args(["-c", "umask 022; exec git \"$@\"", "git"])
            .args(["-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "core.fsync=none"])
            .args(["-c", "core.attributesFile=/dev/null", "-c", "maintenance.auto=false"])
            .folder(&self.source())
            .limit(LIMIT)
            .env("LC_ALL", "C")
            .env("GIT_DIR", self.git_dir())
            .env("GIT_WORK_TREE", self.source())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_ALLOW_PROTOCOL", "file")
            .env("GIT_TERMINAL_PROMPT", "0")
    }

    async fn run(&self, git: Invocation) -> Result<()> {
        let ran = git.run().await.map_err(|error| {
            Problem::permanent("git-missing", format!("git could not be run: {error}"))
                .hint("install git and see that it is on the PATH")
                .because(error)
        })?;
        match ran.status.success() {
            true => Ok(()),
            false => Err(not_checked_out(&self.wanted.commit, &ran).into()),
        }
    }
}

fn not_checked_out(commit: &ObjectId, ran: &Output) -> Refusal {
    let said = printable(String::from_utf8_lossy(&ran.stderr).trim(), 600);
    let words = format!("git does not check out {commit}: {said}");
    Refusal::new("source-not-checked-out", words)
        .hint("run `git clone` and `git fsck` on the source repository, and correct what they name")
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn readable(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::write(path, text)?;
    readable(path, 0o644)
}

/// Makes `to` hold the object files of `from`, and no others.
fn link_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    if !to.exists() {
        std::fs::create_dir(to)?;
        readable(to, 0o755)?;
    }
    for entry in std::fs::read_dir(from)? {
        let name = entry?.file_name();
        // Temporary files of a fetch under way, and marks that keep packs from being repacked.
        let is_object = !name.to_string_lossy().starts_with("tmp_");
        if is_object && !to.join(&name).exists() {
            link(&from.join(&name), &to.join(&name))?;
        }
    }
    for entry in std::fs::read_dir(to)? {
        let name = entry?.file_name();
        if !from.join(&name).exists() {
            std::fs::remove_file(to.join(&name))?;
        }
    }
    Ok(())
}

/// Links a file, or copies it where it lies on another disk, is somebody else's, or is not for all to read.
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    let is_readable = from.metadata()?.permissions().mode() & 0o004 != 0;
    if is_readable && std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    std::fs::copy(from, to)?;
    readable(to, 0o444)
}

#[cfg(test)]
mod tests;
