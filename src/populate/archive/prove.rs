//! The proof of identity: a finished archive read back and held against the commit's tree.
//!
//! It shares nothing with the way the archive was made but the conversions: the archive is unpacked by
//! other code, every file is hashed as a git blob, and the listing comes from the tree objects. Hidden and
//! converted paths are believed only where the tree's own attributes ask for them.

use std::collections::{HashMap, HashSet};
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bstr::{BStr, BString, ByteSlice};
use flate2::bufread::GzDecoder;
use tar::EntryType;

use super::walk::{Treatment, Walk, What};
use super::{Written, export, header};
use crate::git::{Commit, EntryMode, Kind, Objects, Store};
use crate::names::ObjectId;
use crate::outcome::{Fault, Refusal, Result, printable};

/// Files that may wait to be hashed.
const FILES_AHEAD: usize = 32;
/// Differences that are named; the others are counted.
const SHOWN: usize = 20;

/// What a proof found: the archive is the tree, but for what is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Files and links that were compared.
    pub files: u64,
    /// Paths that `export-ignore` hides, as [`Written::hidden`].
    pub hidden: Vec<BString>,
    /// Files whose bytes are the hermetic conversion of the blob, not the blob.
    pub converted: Vec<BString>,
}

/// Reads `archive` back and compares it with the commit's tree, path by path.
///
/// # Errors
/// Refuses (`tree-identity`) an archive that differs in any other way than `written` says and the tree's
/// attributes ask for; the message names files and what differs. Otherwise as [`super::write`].
pub fn prove(
    archive: impl Read,
    store: &Store,
    commit: &Commit,
    written: &Written,
    prefix: &str,
) -> Result<Identity> {
    let objects = store.objects();
    let tree = Tree::read(&objects, commit, written)?;
    let prefix = header::as_folder(prefix);
    let (sender, receiver) = sync_channel(FILES_AHEAD);
    let (read, compared) = thread::scope(|scope| {
        let comparer = scope.spawn(|| compare_files(store, commit, &tree, receiver));
        let read = Reader { tree: &tree, prefix: prefix.as_bstr(), commit, sender }.run(archive);
        (read, comparer.join())
    });
    let (found, listed) = read?;
    let (files, differing) =
        compared.map_err(|_| differs(commit, &["cannot be compared".into()]))??;
    let mut differences = found;
    differences.extend(differing);
    differences.extend(tree.missing(&listed));
    if !differences.is_empty() {
        return Err(differs(commit, &differences));
    }
    Ok(Identity { files, hidden: written.hidden.clone(), converted: written.converted.clone() })
}

fn differs(commit: &Commit, differences: &[String]) -> Fault {
    let mut words = format!("the archive is not the tree of commit {}:", commit.id);
    differences.iter().take(SHOWN).for_each(|line| words += &format!("\n  {line}"));
    if differences.len() > SHOWN {
        words += &format!("\n  and {} more", differences.len() - SHOWN);
    }
    Refusal::new("tree-identity", words)
        .hint("make the archive again from this commit; if it still differs, report it as a fault of ours")
        .into()
}

/// What the tree says should be there.
struct Tree {
    /// By path without a slash at its end.
    entries: HashMap<BString, (EntryMode, ObjectId)>,
    /// The files that `written` says are converted, with what the attributes ask for.
    converted: HashMap<BString, Treatment>,
}

impl Tree {
    fn read(objects: &Objects, commit: &Commit, written: &Written) -> Result<Tree> {
        let mut treatments = HashMap::new();
        let mut walk = Walk::new(objects, commit);
        walk.run(&mut |entry| {
            if let What::File { treatment, .. } = entry.what
                && !treatment.is_nothing()
            {
                treatments.insert(entry.path, treatment);
            }
            ControlFlow::Continue(())
        })?;
        if walk.hidden != written.hidden {
            let words = "other paths are hidden than export-ignore asks for".to_owned();
            return Err(differs(commit, &[words]));
        }
        let wanted: HashSet<&BString> = written.converted.iter().collect();
        treatments.retain(|path, _| wanted.contains(path));
        let mut tree = Tree { entries: HashMap::new(), converted: treatments };
        let hidden = walk.hidden.iter().map(|path| path.trim_end_with(|c| c == '/').into());
        tree.list(objects, commit, &hidden.collect())?;
        Ok(tree)
    }

    fn list(
        &mut self,
        objects: &Objects,
        commit: &Commit,
        hidden: &HashSet<BString>,
    ) -> Result<()> {
        let mut folders = vec![(BString::default(), commit.tree)];
        while let Some((folder, id)) = folders.pop() {
            for entry in objects.tree(&id)? {
                let mut path = folder.clone();
                path.extend_from_slice(&entry.name);
                if hidden.contains(&path) {
                    continue;
                }
                self.entries.insert(path.clone(), (entry.mode, entry.id));
                if entry.mode == EntryMode::Tree {
                    path.push(b'/');
                    folders.push((path, entry.id));
                }
            }
        }
        Ok(())
    }

    /// Names what the archive lacks; folders without content have no entry there.
    fn missing(&self, listed: &HashSet<BString>) -> Vec<String> {
        let wanted = self.entries.iter().filter(|(_, (mode, _))| *mode != EntryMode::Tree);
        let missing = wanted.filter(|(path, _)| !listed.contains(*path));
        let mut names: Vec<_> = missing.map(|(path, _)| says(path, "is missing")).collect();
        names.sort();
        names
    }
}

fn says(path: impl AsRef<[u8]>, words: &str) -> String {
    format!("`{}` {words}", printable(path, 200))
}

/// A file or link out of the archive, to be compared.
struct Found {
    path: BString,
    id: ObjectId,
    content: Vec<u8>,
}

struct Reader<'a> {
    tree: &'a Tree,
    prefix: &'a BStr,
    commit: &'a Commit,
    sender: SyncSender<Found>,
}

/// The differences found so far, and the paths seen.
type Listing = (Vec<String>, HashSet<BString>);

impl Reader<'_> {
    fn run(self, archive: impl Read) -> Result<Listing> {
        self.read(archive).map_err(|error| {
            differs(self.commit, &[format!("it cannot be read to its end: {error}")])
        })
    }

    fn read(&self, archive: impl Read) -> std::io::Result<Listing> {
        let gunzip = GzDecoder::new(BufReader::with_capacity(128 * 1024, archive));
        let mut tar = tar::Archive::new(gunzip);
        let mut listing = Listing::default();
        let mut pax = Pax::default();
        for entry in tar.entries()?.raw(true) {
            let mut entry = entry?;
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            match entry.header().entry_type() {
                EntryType::XGlobalHeader => self.global(&content, &mut listing),
                EntryType::XHeader => pax = Pax::parse(&content),
                _ => self.entry(&entry, content, std::mem::take(&mut pax), &mut listing),
            }
        }
        rest_is_empty(tar.into_inner(), &mut listing)?;
        Ok(listing)
    }

    fn global(&self, content: &[u8], listing: &mut Listing) {
        let comment = Pax::records(content).find(|(key, _)| *key == b"comment");
        if comment.is_none_or(|(_, value)| value != self.commit.id.to_string().as_bytes()) {
            listing.0.push("its global header does not name the commit".into());
        }
    }

    fn entry<R: Read>(
        &self,
        entry: &tar::Entry<'_, R>,
        content: Vec<u8>,
        pax: Pax,
        listing: &mut Listing,
    ) {
        let header = entry.header();
        let full = pax.path.unwrap_or_else(|| header.path_bytes().into_owned().into());
        let Some(path) = full.strip_prefix(self.prefix.as_bytes()) else {
            return listing.0.push(says(&full, "is outside the archive's folder"));
        };
        let path = BString::from(path.trim_end_with(|c| c == '/'));
        if path.is_empty() {
            return;
        }
        let Some((mode, id)) = self.tree.entries.get(&path) else {
            return listing.0.push(says(&path, "is in the archive and not in the tree"));
        };
        if !listing.1.insert(path.clone()) {
            listing.0.push(says(&path, "is in the archive twice"));
        }
        let expected = expected_shape(*mode);
        let shape = (header.entry_type(), header.mode().unwrap_or_default());
        if shape != expected {
            let words = format!("has type and mode {shape:?}, not {expected:?}");
            return listing.0.push(says(&path, &words));
        }
        let link =
            || pax.link.or_else(|| header.link_name_bytes().map(|name| name.into_owned().into()));
        let content = match mode {
            EntryMode::File | EntryMode::Executable => content,
            EntryMode::Symlink => link().unwrap_or_default().into(),
            EntryMode::Tree | EntryMode::Submodule => return,
        };
        // The comparer hangs up only when it has failed, and then its error is what is told.
        let _ = self.sender.send(Found { path, id: *id, content });
    }
}

fn expected_shape(mode: EntryMode) -> (EntryType, u32) {
    match mode {
        EntryMode::File => (EntryType::Regular, 0o664),
        EntryMode::Executable => (EntryType::Regular, 0o775),
        EntryMode::Symlink => (EntryType::Symlink, 0o777),
        EntryMode::Tree | EntryMode::Submodule => (EntryType::Directory, 0o775),
    }
}

/// Reads to the end, which checks length and checksum, and looks for bytes that unpackers would not agree on.
fn rest_is_empty<R: std::io::BufRead>(
    mut gunzip: GzDecoder<R>,
    listing: &mut Listing,
) -> std::io::Result<()> {
    let mut rest = Vec::new();
    gunzip.read_to_end(&mut rest)?;
    let mut after = gunzip.into_inner();
    if rest.iter().any(|byte| *byte != 0) || !after.fill_buf()?.is_empty() {
        listing.0.push("it has bytes after its end".into());
    }
    Ok(())
}

/// The pax records that matter to an entry.
///
/// Parsed by their length here, since a path may hold line breaks.
#[derive(Default)]
struct Pax {
    path: Option<BString>,
    link: Option<BString>,
}

impl Pax {
    fn parse(content: &[u8]) -> Pax {
        let find = |wanted: &[u8]| {
            let found = Pax::records(content).find(|(key, _)| *key == wanted);
            found.map(|(_, value)| value.into())
        };
        Pax { path: find(b"path"), link: find(b"linkpath") }
    }

    fn records(mut content: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        std::iter::from_fn(move || {
            let (length, _) = content.split_once_str(" ")?;
            let end = length.to_str().ok()?.parse::<usize>().ok()?;
            let record = content.get(length.len() + 1..end)?.strip_suffix(b"\n")?;
            content = &content[end..];
            record.split_once_str("=")
        })
    }
}

/// Hashes what is read and returns how many files that were, and which differ.
fn compare_files(
    store: &Store,
    commit: &Commit,
    tree: &Tree,
    files: Receiver<Found>,
) -> Result<(u64, Vec<String>)> {
    let objects = store.objects_once();
    let (mut count, mut differences) = (0, Vec::new());
    for found in files {
        count += 1;
        let fault = match tree.converted.get(&found.path) {
            Some(treatment) => compare_converted(&objects, commit, &found, *treatment)?,
            None => compare_plain(&found)?,
        };
        differences.extend(fault.map(|words| says(&found.path, words)));
    }
    Ok((count, differences))
}

fn compare_plain(found: &Found) -> Result<Option<&'static str>> {
    let id = Objects::hash(Kind::Blob, &found.content)?;
    Ok((id != found.id).then_some("has other content than in the tree"))
}

fn compare_converted(
    objects: &Objects,
    commit: &Commit,
    found: &Found,
    treatment: Treatment,
) -> Result<Option<&'static str>> {
    let blob = objects.blob(&found.id)?;
    let exported = export::exported(commit, found.path.as_bstr(), &found.id, treatment, &blob)?;
    let same = *exported.content == *found.content;
    Ok((!same).then_some("is not what its attributes make of the file in the tree"))
}
