//! A source-git repository in which commits are made without a work tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Person;
use crate::git::{Change, EntryMode, Kind, Objects, Store, Trust};
use crate::names::{BranchName, ObjectId, TagName};
use crate::outcome::Result;

/// A source-git repository.
pub struct Project {
    folder: PathBuf,
    branch: BranchName,
    clock: SystemTime,
}

/// A commit to be made on top of a branch.
#[derive(Default)]
pub struct NewCommit<'a> {
    message: String,
    author: Option<&'a Person>,
    signer: Option<&'a Person>,
    identity: Option<String>,
    edits: Vec<(String, Edit)>,
    second_parent: Option<ObjectId>,
}

/// What a commit does to a path.
enum Edit {
    Put(EntryMode, Vec<u8>),
    Remove,
}

impl<'a> NewCommit<'a> {
    /// Begins a commit with this message; it is by nobody in particular and unsigned.
    pub fn new(message: &str) -> Self {
        NewCommit { message: message.to_owned(), ..NewCommit::default() }
    }

    /// Puts a file.
    #[must_use]
    pub fn put(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.put_as(EntryMode::File, path, content)
    }

    /// Puts a file of any kind: an executable, a link (its content is the target).
    #[must_use]
    pub fn put_as(mut self, mode: EntryMode, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.edits.push((path.to_owned(), Edit::Put(mode, content.as_ref().to_vec())));
        self
    }

    /// Removes a file.
    #[must_use]
    pub fn remove(mut self, path: &str) -> Self {
        self.edits.push((path.to_owned(), Edit::Remove));
        self
    }

    /// Names the author.
    #[must_use]
    pub fn by(mut self, author: &'a Person) -> Self {
        self.author = Some(author);
        self
    }

    /// Writes this instead of `Name <mail> seconds zone` of author and committer, right or wrong.
    #[must_use]
    pub fn as_written(mut self, identity: &str) -> Self {
        self.identity = Some(identity.to_owned());
        self
    }

    /// Has it signed; the signer is the author where none was named.
    #[must_use]
    pub fn signed_by(mut self, signer: &'a Person) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Makes it a merge of this commit.
    #[must_use]
    pub fn merging(mut self, other: ObjectId) -> Self {
        self.second_parent = Some(other);
        self
    }
}

impl Project {
    /// Makes an empty bare repository; commits are dated from `clock` on, a minute apart.
    ///
    /// # Errors
    /// Fails where the folder cannot be written.
    pub fn new(folder: &Path, branch: &str, clock: SystemTime) -> Result<Project> {
        Store::init_bare(folder)?;
        let project = Project::open(folder, branch, clock)?;
        // Whoever clones it or runs `git log` in it means this branch.
        let head = format!("ref: {}\n", project.branch.reference());
        std::fs::write(folder.join("HEAD"), head).map_err(|error| {
            let words = format!("cannot write to {}: {error}", folder.display());
            crate::outcome::Problem::permanent("repository-not-made", words).because(error)
        })?;
        Ok(project)
    }

    /// Opens a repository that is there already.
    ///
    /// # Errors
    /// Refuses a branch name that is not legal.
    pub fn open(folder: &Path, branch: &str, clock: SystemTime) -> Result<Project> {
        let branch = branch.parse().map_err(|error: crate::names::NameError| {
            crate::outcome::Refusal::config("bad-argument", error.to_string())
        })?;
        Ok(Project { folder: folder.to_owned(), branch, clock })
    }

    /// Returns the repository's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the objects.
    ///
    /// # Errors
    /// Refuses a repository that cannot be read.
    pub fn objects(&self) -> Result<Objects> {
        Ok(Store::open(&self.folder, Trust::InPlace)?.objects())
    }

    /// Returns the tip of the branch, where it has one.
    ///
    /// # Errors
    /// Refuses a repository that cannot be read.
    pub fn tip(&self) -> Result<Option<ObjectId>> {
        self.objects()?.reference(&self.branch.reference())
    }

    /// Makes a commit on top of the branch and moves the branch to it.
    ///
    /// # Errors
    /// Fails where the repository cannot be written.
    pub fn commit(&mut self, new: NewCommit<'_>) -> Result<ObjectId> {
        let tip = self.tip()?;
        let id = self.commit_onto(tip, new)?;
        self.move_to(&id)?;
        Ok(id)
    }

    /// Makes a commit on top of `parent`; no branch moves.
    ///
    /// # Errors
    /// Fails where the repository cannot be written.
    pub fn commit_onto(
        &mut self,
        parent: Option<ObjectId>,
        new: NewCommit<'_>,
    ) -> Result<ObjectId> {
        let objects = self.objects()?;
        let base = match &parent {
            Some(parent) => objects.commit(parent)?.tree,
            None => objects.write(Kind::Tree, b"")?,
        };
        let mut changes = BTreeMap::new();
        for (path, edit) in &new.edits {
            let change = match edit {
                Edit::Put(mode, content) => Change::Put(*mode, objects.write(Kind::Blob, content)?),
                Edit::Remove => Change::Remove,
            };
            changes.insert(path.clone(), change);
        }
        let tree = objects.edited_tree(&base, &changes)?;
        let parents: Vec<ObjectId> = parent.into_iter().chain(new.second_parent).collect();
        let unsigned = self.unsigned(&tree, &parents, &new);
        let raw = match new.signer {
            Some(signer) => signer.sign(&unsigned, self.clock)?,
            None => unsigned,
        };
        objects.write(Kind::Commit, &raw)
    }

    fn unsigned(&mut self, tree: &ObjectId, parents: &[ObjectId], new: &NewCommit<'_>) -> Vec<u8> {
        self.clock += Duration::from_secs(60);
        let seconds = seconds_of(self.clock);
        let author = new.author.or(new.signer);
        let who = author.map_or("Upstream <upstream@example.org>".to_owned(), |author| {
            format!("{} <{}>", author.name(), author.mail())
        });
        let mut object = format!("tree {tree}\n");
        parents.iter().for_each(|parent| object.push_str(&format!("parent {parent}\n")));
        let usual = format!("{who} {seconds} +0000");
        let identity = new.identity.as_ref().unwrap_or(&usual);
        object.push_str(&format!("author {identity}\ncommitter {identity}\n\n"));
        object.push_str(&new.message);
        if !new.message.ends_with('\n') {
            object.push('\n');
        }
        object.into_bytes()
    }

    /// Points the branch at a commit.
    ///
    /// # Errors
    /// Fails where the repository cannot be written.
    pub fn move_to(&self, id: &ObjectId) -> Result<()> {
        self.objects()?.set_reference(&self.branch.reference(), id)
    }

    /// Tags a commit: an annotated tag, signed where somebody signs it.
    ///
    /// # Errors
    /// Fails where the repository cannot be written.
    pub fn tag(
        &mut self,
        name: &str,
        commit: &ObjectId,
        signer: Option<&Person>,
    ) -> Result<ObjectId> {
        let name: TagName = name.parse().map_err(|error: crate::names::NameError| {
            crate::outcome::Refusal::config("bad-argument", error.to_string())
        })?;
        let seconds = seconds_of(self.clock);
        let who = signer.map_or("Upstream <upstream@example.org>".to_owned(), |signer| {
            format!("{} <{}>", signer.name(), signer.mail())
        });
        let mut object = format!(
            "object {commit}\ntype commit\ntag {name}\ntagger {who} {seconds} +0000\n\nRelease {name}\n"
        );
        if let Some(signer) = signer {
            object.push_str(&signer.key().sign(object.as_bytes(), self.clock)?);
        }
        let objects = self.objects()?;
        let id = objects.write(Kind::Tag, object.as_bytes())?;
        objects.set_reference(&format!("refs/tags/{name}"), &id)?;
        Ok(id)
    }
}

fn seconds_of(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
