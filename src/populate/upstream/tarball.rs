//! Reads a tarball into a git tree, in one pass and without unpacking it.
//!
//! Long names, links and their limits are handled here rather than by the tar library, which would read a long
//! name of any length into memory. Where two programs could read an archive differently (a size in a pax header
//! that is not the one in the header, a global header that names a file), it is refused.

use std::io::{self, Read};
use std::path::Path;

use bstr::{BString, ByteSlice};
use tar::{Entry, EntryType, Header};

use super::compression::{self, Excess, Expansion};
use super::content::{Added, Folder, Leaf, MemberPath, hostile};
use crate::git::{EntryMode, Kind, Objects};
use crate::names::ObjectId;
use crate::outcome::{Problem, Refusal, Result, printable};

/// The longest name or pax header that is taken.
const LONGEST_HEADER: u64 = 1024 * 1024;

/// The most notes that are kept; one archive can give millions.
const MOST_NOTES: usize = 20;

/// What a tarball may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most members.
    pub entries: u64,
    /// The most bytes of the uncompressed tar.
    pub total: u64,
    /// The most bytes of one file.
    pub file: u64,
    /// The most bytes of a path.
    pub path: usize,
    /// The most bytes for each compressed byte, from 64 MiB on.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            entries: 1_000_000,
            total: 16 * 1024 * 1024 * 1024,
            file: 1024 * 1024 * 1024,
            path: 4096,
            ratio: 400,
        }
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The content, without the top folder.
    pub tree: ObjectId,
    /// The name of the one folder that held everything, where there was one.
    pub top: Option<BString>,
    /// How many members there were.
    pub entries: u64,
    /// What a person may want to know.
    pub notes: Vec<String>,
}

/// Reads the tarball at `path`; see [`import`].
///
/// # Errors
/// As [`import`]; a problem where the file cannot be opened.
pub fn import_file(path: &Path, objects: &Objects, limits: &Limits) -> Result<Imported> {
    let file = std::fs::File::open(path).map_err(|error| {
        let message = format!("cannot open the tarball {}: {error}", path.display());
        Problem::permanent("tarball-unreadable", message).because(error)
    })?;
    import(file, objects, limits)
}

/// Reads a tarball, compressed or not, writes its files and folders to `objects`, and returns the tree.
///
/// # Errors
/// Refuses what is no tar, is damaged or over the limits (`tarball-damaged`, `tarball-too-large`), and what none
/// of our archives may hold (`tarball-hostile`).
pub fn import(source: impl Read, objects: &Objects, limits: &Limits) -> Result<Imported> {
    let expansion = Expansion { total: limits.total, ratio: limits.ratio };
    let content = compression::open(source, expansion).map_err(damaged)?;
    let mut archive = tar::Archive::new(content);
    let mut import = Import::new(objects, limits);
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        import.member(entry.map_err(damaged)?)?;
    }
    import.finish()
}

fn damaged(error: io::Error) -> Refusal {
    let excess = error.get_ref().and_then(|inner| inner.downcast_ref::<Excess>());
    if let Some(excess) = excess {
        return too_large(excess.to_string());
    }
    let words = printable(error.to_string(), 300);
    Refusal::new("tarball-damaged", format!("the tarball cannot be read: {words}")).hint(
        "it must be a tar, plain or compressed with gzip, bzip2, xz or zstd; download it again",
    )
}

fn too_large(what: String) -> Refusal {
    Refusal::new("tarball-too-large", format!("the tarball is refused: {what}"))
        .hint("the operator can raise the limit")
}

/// What headers before a member say of it.
#[derive(Debug, Default)]
struct Ahead {
    path: Option<BString>,
    link: Option<BString>,
    size: Option<u64>,
}

/// An import under way.
struct Import<'a> {
    objects: &'a Objects,
    limits: &'a Limits,
    root: Folder,
    ahead: Ahead,
    entries: u64,
    notes: Vec<String>,
    content: Vec<u8>,
}

impl<'a> Import<'a> {
    fn new(objects: &'a Objects, limits: &'a Limits) -> Import<'a> {
        Import {
            objects,
            limits,
            root: Folder::default(),
            ahead: Ahead::default(),
            entries: 0,
            notes: Vec::new(),
            content: Vec::new(),
        }
    }

    fn member(&mut self, mut entry: Entry<'_, impl Read>) -> Result<()> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            let most = self.limits.entries;
            return Err(too_large(format!("it has more than {most} members")).into());
        }
        match entry.header().entry_type() {
            EntryType::GNULongName => self.ahead.path = Some(long_name(&mut entry)?),
            EntryType::GNULongLink => self.ahead.link = Some(long_name(&mut entry)?),
            EntryType::XHeader => self.pax(&read_header(&mut entry)?)?,
            EntryType::XGlobalHeader => global_pax(&read_header(&mut entry)?)?,
            // A volume's label.
            kind if kind.as_byte() == b'V' => {}
            kind => self.content_member(kind, entry)?,
        }
        Ok(())
    }

    /// Takes what a pax header says of the next member.
    fn pax(&mut self, records: &[u8]) -> Result<()> {
        for record in tar::PaxExtensions::new(records) {
            let record = record.map_err(damaged)?;
            match record.key_bytes() {
                b"path" => self.ahead.path = Some(record.value_bytes().into()),
                b"linkpath" => self.ahead.link = Some(record.value_bytes().into()),
                b"size" => self.ahead.size = Some(number(record.value_bytes())?),
                key if key.starts_with(b"GNU.sparse.") => return Err(sparse("a member").into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn content_member(&mut self, kind: EntryType, entry: Entry<'_, impl Read>) -> Result<()> {
        let ahead = std::mem::take(&mut self.ahead);
        let raw_path = ahead.path.unwrap_or_else(|| entry.path_bytes().into_owned().into());
        let path = MemberPath::parse(&raw_path, self.limits.path)?;
        let size = entry.header().entry_size().map_err(damaged)?;
        if ahead.size.is_some_and(|claimed| claimed != size) {
            return Err(hostile(format!("{path} has two sizes")).into());
        }
        if size > 0 && matches!(kind, EntryType::Directory | EntryType::Symlink | EntryType::Link) {
            return Err(hostile(format!("{path} has a content but is no file")).into());
        }
        let link = || {
            let own = || entry.link_name_bytes().unwrap_or_default().into_owned().into();
            ahead.link.clone().unwrap_or_else(own)
        };
        match kind {
            EntryType::Directory => Ok(self.folder(&path, entry.header())?),
            // Before there was a type for folders, a slash at the end made one.
            EntryType::Regular if raw_path.ends_with(b"/") => {
                Ok(self.folder(&path, entry.header())?)
            }
            EntryType::Regular | EntryType::Continuous => self.file(&path, size, entry),
            EntryType::Symlink => self.symlink(&path, link()),
            EntryType::Link => self.hard_link(&path, link()),
            kind => Err(refused_kind(kind, &path).into()),
        }
    }

    fn folder(&mut self, path: &MemberPath, header: &Header) -> Result<(), Refusal> {
        self.note_bits(path, header);
        self.root.add_folder(path)
    }

    fn file(
        &mut self,
        path: &MemberPath,
        size: u64,
        mut entry: Entry<'_, impl Read>,
    ) -> Result<()> {
        let most = self.limits.file;
        if size > most {
            let message = format!("{path} has {size} bytes, more than {most}");
            return Err(too_large(message).into());
        }
        self.note_bits(path, entry.header());
        let mode = match entry.header().mode().unwrap_or(0o644) & 0o100 {
            0 => EntryMode::File,
            _ => EntryMode::Executable,
        };
        self.content.clear();
        entry.read_to_end(&mut self.content).map_err(damaged)?;
        if self.content.len() as u64 != size {
            return Err(damaged(io::ErrorKind::UnexpectedEof.into()).into());
        }
        let blob = self.objects.write(Kind::Blob, &self.content)?;
        self.add(path, Leaf { mode, blob, target: None })
    }

    fn symlink(&mut self, path: &MemberPath, target: BString) -> Result<()> {
        if target.is_empty() || target.contains(&0) || target.len() > self.limits.path {
            let message =
                format!("the link {path} has a target that is empty, too long or holds a NUL");
            return Err(hostile(message).into());
        }
        let blob = self.objects.write(Kind::Blob, &target)?;
        self.add(path, Leaf { mode: EntryMode::Symlink, blob, target: Some(target) })
    }

    /// A hard link repeats an earlier member; what a symbolic link it repeats means is the same elsewhere.
    fn hard_link(&mut self, path: &MemberPath, target: BString) -> Result<()> {
        let earlier = MemberPath::parse(&target, self.limits.path)?;
        let Some(leaf) = self.root.leaf(&earlier).cloned() else {
            let message =
                format!("{path} is a hard link to {earlier}, which is no earlier file in it");
            return Err(hostile(message).into());
        };
        self.add(path, leaf)
    }

    fn add(&mut self, path: &MemberPath, leaf: Leaf) -> Result<()> {
        if self.root.add(path, leaf)? == Added::Replaced {
            self.note(format!("{path} is in the tarball more than once; the last one counts"));
        }
        Ok(())
    }

    fn note_bits(&mut self, path: &MemberPath, header: &Header) {
        if header.mode().unwrap_or(0) & 0o7000 != 0 {
            self.note(format!("{path} has setuid, setgid or sticky bits, which are dropped"));
        }
    }

    fn note(&mut self, note: String) {
        match self.notes.len() {
            count if count < MOST_NOTES => self.notes.push(note),
            MOST_NOTES => self.notes.push("there is more to note, left out here".to_owned()),
            _ => {}
        }
    }

    fn finish(mut self) -> Result<Imported> {
        let (content, top) = std::mem::take(&mut self.root).without_top();
        if content.is_empty() {
            return Err(Refusal::new("tarball-damaged", "the tarball is empty")
                .hint("see whether it is the right file")
                .into());
        }
        content.check_links()?;
        let mut empty = 0;
        let tree = content.write(self.objects, &mut empty)?;
        if empty > 0 {
            self.note(format!("{empty} empty folders are left out, since git has none"));
        }
        Ok(Imported { tree, top, entries: self.entries, notes: self.notes })
    }
}

/// Reads a header's content, which must be short.
fn read_header(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>, Refusal> {
    let size = entry.header().entry_size().map_err(damaged)?;
    if size > LONGEST_HEADER {
        return Err(hostile(format!("it has a header of {size} bytes")));
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content).map_err(damaged)?;
    match content.len() as u64 == size {
        true => Ok(content),
        false => Err(damaged(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// GNU tar ends long names with a NUL.
fn long_name(entry: &mut Entry<'_, impl Read>) -> Result<BString, Refusal> {
    let content = read_header(entry)?;
    let end = content.find_byte(0).unwrap_or(content.len());
    Ok(content[..end].into())
}

/// `git archive` writes the commit's id there; a name or size for all members makes no sense.
fn global_pax(records: &[u8]) -> Result<(), Refusal> {
    for record in tar::PaxExtensions::new(records) {
        let record = record.map_err(damaged)?;
        if matches!(record.key_bytes(), b"path" | b"linkpath" | b"size") {
            return Err(hostile("it has a global header that names a file".to_owned()));
        }
    }
    Ok(())
}

fn number(digits: &[u8]) -> Result<u64, Refusal> {
    let number = digits.to_str().ok().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| hostile(format!("it has the size {:?}", printable(digits, 40))))
}

fn sparse(what: &str) -> Refusal {
    hostile(format!(
        "{what} is a sparse file, which a few bytes can make as large as they like"
    ))
}

fn refused_kind(kind: EntryType, path: &MemberPath) -> Refusal {
    let word = match kind {
        EntryType::GNUSparse => return sparse(&path.to_string()),
        EntryType::Char => "a character device".to_owned(),
        EntryType::Block => "a block device".to_owned(),
        EntryType::Fifo => "a named pipe".to_owned(),
        kind => format!("of the unknown type {:?}", char::from(kind.as_byte())),
    };
    hostile(format!("{path} is {word}"))
}
