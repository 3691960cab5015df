//! Object databases: opened hermetically, read and written one object at a time.

use std::path::{Path, PathBuf};

use bstr::{BString, ByteSlice};
use gix::objs::{Find, Write};

use crate::names::ObjectId;
use crate::outcome::{Fault, Problem, Refusal, Result};

type DeltaBases = gix::odb::pack::cache::lru::StaticLinkedList<64>;
/// Bytes of delta bases that a reader of many objects keeps.
const DELTA_BASES_LIMIT: usize = 8 * 1024 * 1024;

/// Whether the objects of a store were hashed when they came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// `git fetch` brought them: it computed the id of each from its content.
    Fetched,
    /// Somebody else's repository, read where it lies: each object is hashed when it is read, since
    /// a file under the wrong name is believed by git and gix alike.
    InPlace,
}

/// A repository's objects, to be shared between threads; each thread takes its own [`Objects`].
pub struct Store {
    repository: gix::ThreadSafeRepository,
    trust: Trust,
}

impl Store {
    /// Opens the repository at `path`: a bare one, or a work tree with `.git`.
    ///
    /// # Errors
    /// Refuses what is not a repository, and object formats other than SHA-1.
    pub fn open(path: &Path, trust: Trust) -> Result<Store> {
        let options = gix::open::Options::isolated()
            .strict_config(false)
            .config_overrides([
                "core.useReplaceRefs=false",
                "gitoxide.core.useReplaceRefs=false",
                "core.commitGraph=false",
            ])
            .with(gix::sec::Trust::Full);
        if !path.exists() {
            return Err(repository_missing(path));
        }
        let repository = options.open(path).map_err(|error| unreadable(path, &error))?;
        if repository.to_thread_local().object_hash() != gix::hash::Kind::Sha1 {
            return Err(format_unsupported(path));
        }
        Ok(Store { repository, trust })
    }

    /// Makes an empty bare repository at `path` and opens it.
    ///
    /// # Errors
    /// Fails where the folder cannot be written.
    pub fn init_bare(path: &Path) -> Result<Store> {
        let failed = |error: &dyn std::fmt::Display| {
            let words = format!("cannot make a repository at {}: {error}", path.display());
            Problem::permanent("repository-not-made", words)
        };
        std::fs::create_dir_all(path).map_err(|error| failed(&error))?;
        gix::init_bare(path).map_err(|error| failed(&error))?;
        Store::open(path, Trust::Fetched)
    }

    /// Returns this thread's access to the objects.
    pub fn objects(&self) -> Objects {
        let mut repository = self.repository.to_thread_local();
        repository.object_cache_size_if_unset(32 * 1024 * 1024);
        Objects { repository, trust: self.trust, known: Known::WrittenAgain, _folder: None }
    }

    /// Returns access whose writes stay in memory and go with it: for proofs that leave no trace.
    pub fn scratch(&self) -> Objects {
        let Objects { repository, trust, .. } = self.objects();
        let repository = repository.with_object_memory();
        Objects { repository, trust, known: Known::NotWrittenAgain, _folder: None }
    }

    /// Returns access whose writes go to a new repository below `work`, with this one's objects beside them, and
    /// go with it: for proofs that may write more than memory holds.
    ///
    /// # Errors
    /// Fails where the folder cannot be written.
    pub fn scratch_in(&self, work: &Path) -> Result<Objects> {
        let failed = |error: std::io::Error| {
            let words = format!("cannot write below {}: {error}", work.display());
            Problem::permanent("repository-not-made", words).because(error)
        };
        let scratch = tempfile::Builder::new().prefix("objects-").tempdir_in(work);
        let scratch = scratch.map_err(failed)?;
        let folder = scratch.path();
        Store::init_bare(folder)?;
        let beside = self.repository.to_thread_local().objects.store_ref().path().to_path_buf();
        let beside = std::path::absolute(&beside).unwrap_or(beside);
        let line = [beside.as_os_str().as_encoded_bytes(), b"\n"].concat();
        std::fs::write(folder.join("objects/info/alternates"), line).map_err(failed)?;
        let Objects { mut repository, .. } = Store::open(folder, self.trust)?.objects();
        // What is not found is new: nobody else writes here, so nothing is to be looked for again.
        repository.objects.refresh_never();
        let (trust, known) = (self.trust, Known::NotWrittenAgain);
        Ok(Objects { repository, trust, known, _folder: Some(scratch) })
    }

    /// Returns this thread's access for reading many objects once each, as an archive does: without
    /// the cache of whole objects, which would only be copied into, and with a small one for delta bases.
    pub fn objects_once(&self) -> Objects {
        let mut repository = self.repository.to_thread_local();
        repository.object_cache_size(0);
        repository.objects.set_pack_cache(|| Box::new(DeltaBases::new(DELTA_BASES_LIMIT)));
        Objects { repository, trust: self.trust, known: Known::WrittenAgain, _folder: None }
    }

    /// Returns whether its objects were hashed when they came in.
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// Returns the folder that holds the repository's data (`.git`, or the bare repository itself).
    pub fn git_dir(&self) -> PathBuf {
        self.repository.to_thread_local().git_dir().to_path_buf()
    }
}

fn repository_missing(path: &Path) -> Fault {
    Refusal::new("repository-missing", format!("there is no repository at {}", path.display()))
        .hint("correct the address, or create the repository")
        .into()
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Fault {
    let words = error.to_string();
    if words.contains("objectFormat") || words.contains("object format") {
        return format_unsupported(path);
    }
    Refusal::new(
        "repository-unreadable",
        format!("{} is not a git repository that can be read: {words}", path.display()),
    )
    .hint("give the path of a repository, bare or with a .git folder")
    .into()
}

fn format_unsupported(path: &Path) -> Fault {
    Refusal::new(
        "object-format-unsupported",
        format!("{} does not use SHA-1 object ids", path.display()),
    )
    .hint("this version reads SHA-1 repositories only")
    .into()
}

/// The kind of a git object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A commit.
    Commit,
    /// A folder.
    Tree,
    /// A file's content or a link's target.
    Blob,
    /// An annotated tag.
    Tag,
}

impl Kind {
    /// Returns git's own word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Commit => "commit",
            Kind::Tree => "tree",
            Kind::Blob => "blob",
            Kind::Tag => "tag",
        }
    }
}

fn kind_from_gix(kind: gix::objs::Kind) -> Kind {
    match kind {
        gix::objs::Kind::Commit => Kind::Commit,
        gix::objs::Kind::Tree => Kind::Tree,
        gix::objs::Kind::Blob => Kind::Blob,
        gix::objs::Kind::Tag => Kind::Tag,
    }
}

fn kind_to_gix(kind: Kind) -> gix::objs::Kind {
    match kind {
        Kind::Commit => gix::objs::Kind::Commit,
        Kind::Tree => gix::objs::Kind::Tree,
        Kind::Blob => gix::objs::Kind::Blob,
        Kind::Tag => gix::objs::Kind::Tag,
    }
}

pub(super) fn id_from_gix(id: &gix::oid) -> ObjectId {
    ObjectId::from_bytes(id.as_bytes()).expect("gix ids have 20 or 32 bytes")
}

pub(super) fn id_to_gix(id: &ObjectId) -> gix::ObjectId {
    gix::ObjectId::from_bytes_or_panic(id.as_bytes())
}

/// One object: its kind and its bytes, without git's own header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Its content.
    pub data: Vec<u8>,
}

/// What a tree entry is; the modes that git itself writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryMode {
    /// `100644`
    File,
    /// `100755`
    Executable,
    /// `120000`, the blob is the link's target.
    Symlink,
    /// `160000`, a commit of another repository.
    Submodule,
    /// `040000`
    Tree,
}

impl EntryMode {
    /// Returns the mode as git writes it into patches and indexes: six octal digits.
    pub fn octal(self) -> &'static str {
        match self {
            EntryMode::File => "100644",
            EntryMode::Executable => "100755",
            EntryMode::Symlink => "120000",
            EntryMode::Submodule => "160000",
            EntryMode::Tree => "040000",
        }
    }

    /// Returns the mode for these octal digits as they stand in a tree object.
    ///
    /// Old tools wrote `100664`, `100600` and the like; git reads them as files, so they are here.
    pub fn from_tree(digits: &[u8]) -> Option<EntryMode> {
        let digits = std::str::from_utf8(digits).ok()?;
        let mode = u32::from_str_radix(digits, 8).ok()?;
        match mode & 0o170000 {
            0o100000 if mode & 0o100 != 0 => Some(EntryMode::Executable),
            0o100000 => Some(EntryMode::File),
            0o120000 => Some(EntryMode::Symlink),
            0o160000 => Some(EntryMode::Submodule),
            0o040000 => Some(EntryMode::Tree),
            _ => None,
        }
    }
}

/// One entry of a tree object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// What the entry is.
    pub mode: EntryMode,
    /// Its name: one path component, any bytes but `/` and NUL.
    pub name: BString,
    /// The blob, tree, or (for a submodule) foreign commit.
    pub id: ObjectId,
}

/// One thread's access to a [`Store`].
pub struct Objects {
    pub(super) repository: gix::Repository,
    trust: Trust,
    known: Known,
    /// Where a scratch repository lies; gone with the last that uses it.
    _folder: Option<tempfile::TempDir>,
}

/// What becomes of a write whose object is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It is written all the same: gix's own way, without a look.
    WrittenAgain,
    /// Nothing: most files of a released tarball are those of its tag.
    NotWrittenAgain,
}

impl Objects {
    /// Reads an object.
    ///
    /// # Errors
    /// Refuses an object that is missing (`object-missing`), cannot be decoded or does not hash to its name
    /// (`object-corrupt`).
    pub fn read(&self, id: &ObjectId) -> Result<Object> {
        let mut data = Vec::new();
        let kind = self.read_into(id, &mut data)?;
        Ok(Object { kind, data })
    }

    /// Reads an object into `buffer`, whose old content is dropped, and returns its kind.
    ///
    /// # Errors
    /// As [`Objects::read`].
    pub fn read_into(&self, id: &ObjectId, buffer: &mut Vec<u8>) -> Result<Kind> {
        let wanted = id_to_gix(id);
        let found = self
            .repository
            .objects
            .try_find(&wanted, buffer)
            .map_err(|error| corrupt(id, &format!("cannot be read: {error}")))?;
        let Some(found) = found else {
            return Err(missing(id));
        };
        if self.trust == Trust::InPlace && found.verify_checksum(&wanted).is_err() {
            return Err(corrupt(id, "does not hash to its name"));
        }
        Ok(kind_from_gix(found.kind))
    }

    /// Tells whether the object is there, without reading it.
    pub fn has(&self, id: &ObjectId) -> bool {
        self.repository.has_object(id_to_gix(id))
    }

    /// Reads an object that must be of `kind`.
    ///
    /// # Errors
    /// As [`Objects::read`]; another kind is `object-corrupt`.
    pub fn read_kind(&self, id: &ObjectId, kind: Kind) -> Result<Vec<u8>> {
        let object = self.read(id)?;
        if object.kind != kind {
            let words = format!("is a {}, not a {}", object.kind.as_str(), kind.as_str());
            return Err(corrupt(id, &words));
        }
        Ok(object.data)
    }

    /// Reads a blob.
    ///
    /// # Errors
    /// As [`Objects::read_kind`].
    pub fn blob(&self, id: &ObjectId) -> Result<Vec<u8>> {
        self.read_kind(id, Kind::Blob)
    }

    /// Reads and takes apart a commit.
    ///
    /// # Errors
    /// As [`Objects::read_kind`]; a commit that cannot be taken apart is `object-corrupt`.
    pub fn commit(&self, id: &ObjectId) -> Result<super::Commit> {
        let raw = self.read_kind(id, Kind::Commit)?;
        super::Commit::parse(*id, raw).map_err(|words| corrupt(id, &words))
    }

    /// Reads the entries of a tree, in git's order.
    ///
    /// # Errors
    /// As [`Objects::read_kind`]; a tree that cannot be taken apart is `object-corrupt`.
    pub fn tree(&self, id: &ObjectId) -> Result<Vec<TreeEntry>> {
        if id_to_gix(id).is_empty_tree() {
            return Ok(Vec::new());
        }
        let raw = self.read_kind(id, Kind::Tree)?;
        parse_tree(&raw, id.as_bytes().len()).ok_or_else(|| corrupt(id, "is a malformed tree"))
    }

    /// Returns the entry at `path` (components joined by `/`) below the tree `root`.
    ///
    /// # Errors
    /// As [`Objects::tree`].
    pub fn entry_at(&self, root: &ObjectId, path: &str) -> Result<Option<TreeEntry>> {
        let mut folder = *root;
        let mut components = path.split('/').peekable();
        while let Some(component) = components.next() {
            let Some(entry) = self.tree(&folder)?.into_iter().find(|e| e.name == component) else {
                return Ok(None);
            };
            if components.peek().is_none() {
                return Ok(Some(entry));
            }
            if entry.mode != EntryMode::Tree {
                return Ok(None);
            }
            folder = entry.id;
        }
        Ok(None)
    }

    /// Writes an object and returns its id.
    ///
    /// # Errors
    /// Fails where the repository cannot be written.
    pub fn write(&self, kind: Kind, data: &[u8]) -> Result<ObjectId> {
        if self.known == Known::NotWrittenAgain {
            let id = Objects::hash(kind, data)?;
            if self.has(&id) {
                return Ok(id);
            }
        }
        let written = self.repository.objects.write_buf(kind_to_gix(kind), data);
        let id = written.map_err(|error| {
            Problem::permanent(
                "object-not-written",
                format!("cannot write a {} to the repository: {error}", kind.as_str()),
            )
        })?;
        Ok(id_from_gix(&id))
    }

    /// Writes a tree; the entries may come in any order.
    ///
    /// # Errors
    /// As [`Objects::write`].
    pub fn write_tree(&self, entries: Vec<TreeEntry>) -> Result<ObjectId> {
        self.write(Kind::Tree, &Objects::encode_tree(entries))
    }

    /// Returns the bytes of a tree object with these entries, sorted as git sorts them.
    pub(super) fn encode_tree(mut entries: Vec<TreeEntry>) -> Vec<u8> {
        entries.sort_by(|a, b| tree_order(a).cmp(tree_order(b)));
        let mut raw = Vec::new();
        for entry in &entries {
            // In tree objects git leaves out the leading zero of 040000.
            raw.extend_from_slice(entry.mode.octal().trim_start_matches('0').as_bytes());
            raw.push(b' ');
            raw.extend_from_slice(&entry.name);
            raw.push(0);
            raw.extend_from_slice(entry.id.as_bytes());
        }
        raw
    }

    /// Returns the id that an object with this content has, writing nothing.
    pub fn hash(kind: Kind, data: &[u8]) -> Result<ObjectId> {
        let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, kind_to_gix(kind), data)
            .map_err(|error| Refusal::new("hash-collision", format!("refused to hash: {error}")))?;
        Ok(id_from_gix(&id))
    }
}

/// The way in which gix's walks read: as everybody else here, with hashing where it is due.
impl Find for Objects {
    fn try_find<'b>(
        &self,
        id: &gix::oid,
        buffer: &'b mut Vec<u8>,
    ) -> gix::Result<Option<gix::objs::Data<'b>>> {
        let found = self.repository.objects.try_find(id, buffer)?;
        if let (Trust::InPlace, Some(data)) = (self.trust, &found) {
            data.verify_checksum(id)?;
        }
        Ok(found)
    }
}

/// The key by which git sorts entries: a folder's name counts as if it ended in a slash.
fn tree_order(entry: &TreeEntry) -> impl Iterator<Item = u8> + '_ {
    let tail = (entry.mode == EntryMode::Tree).then_some(b'/');
    entry.name.bytes().chain(tail)
}

fn parse_tree(mut raw: &[u8], hash_length: usize) -> Option<Vec<TreeEntry>> {
    let mut entries = Vec::new();
    while !raw.is_empty() {
        let (mode, rest) = raw.split_once_str(" ")?;
        let (name, rest) = rest.split_once_str("\0")?;
        let (id, rest) = rest.split_at_checked(hash_length)?;
        entries.push(TreeEntry {
            mode: EntryMode::from_tree(mode)?,
            name: name.into(),
            id: ObjectId::from_bytes(id)?,
        });
        raw = rest;
    }
    Some(entries)
}

fn missing(id: &ObjectId) -> Fault {
    Refusal::new("object-missing", format!("object {id} is not in the repository"))
        .hint("fetch the whole history: a shallow or partial clone cannot be used")
        .into()
}

fn corrupt(id: &ObjectId, words: &str) -> Fault {
    Refusal::new("object-corrupt", format!("object {id} {words}"))
        .hint("the repository is damaged or was tampered with; `git fsck` there shows more")
        .into()
}
