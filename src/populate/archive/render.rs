//! Entries become pieces of the tar stream.

use bstr::{BStr, BString, ByteSlice};

use super::export;
use super::header::{Headers, RECORD, Shape, pad_record};
use super::walk::{Entry, Treatment, What};
use crate::git::{Commit, Kind, Objects};
use crate::names::ObjectId;
use crate::outcome::{Refusal, Result};

/// What is worth telling about the entries of a piece.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Files whose content is not the blob's.
    pub(super) converted: Vec<BString>,
    /// Files with a `$Format` placeholder that git fills from refs.
    pub(super) names_refs: Vec<BString>,
}

/// One thread's means to write entries.
pub(super) struct Renderer<'a> {
    objects: Objects,
    commit: &'a Commit,
    headers: Headers,
    prefix: &'a BStr,
    /// The blob at hand, kept for its memory.
    blob: Vec<u8>,
}

impl<'a> Renderer<'a> {
    /// Returns a renderer with its own access to the objects.
    pub(super) fn new(
        objects: Objects,
        commit: &'a Commit,
        headers: Headers,
        prefix: &'a BStr,
    ) -> Self {
        Renderer { objects, commit, headers, prefix, blob: Vec::new() }
    }

    /// Appends the stream's head: the global header and the entry of the prefix itself.
    pub(super) fn head(commit: &Commit, headers: Headers, prefix: &BStr) -> Vec<u8> {
        let mut tar = Vec::new();
        headers.global(&mut tar, &commit.id);
        headers.entry(&mut tar, prefix, &commit.tree, Shape::Folder);
        tar
    }

    /// Appends an entry: headers, content, padding.
    pub(super) fn entry(
        &mut self,
        tar: &mut Vec<u8>,
        notes: &mut Notes,
        entry: &Entry,
    ) -> Result<()> {
        let mut path = self.prefix.to_owned();
        path.extend_from_slice(&entry.path);
        match entry.what {
            What::Folder => self.headers.entry(tar, path.as_bstr(), &entry.id, Shape::Folder),
            What::Link => {
                self.read_blob(&entry.id)?;
                let shape = Shape::Link { target: self.blob.as_bstr() };
                self.headers.entry(tar, path.as_bstr(), &entry.id, shape);
            }
            What::File { executable, treatment } => {
                self.read_blob(&entry.id)?;
                self.file(tar, notes, path.as_bstr(), entry, executable, treatment)?;
            }
        }
        Ok(())
    }

    fn file(
        &self,
        tar: &mut Vec<u8>,
        notes: &mut Notes,
        path: &BStr,
        entry: &Entry,
        executable: bool,
        treatment: Treatment,
    ) -> Result<()> {
        let own = entry.path.as_bstr();
        let exported = export::exported(self.commit, own, &entry.id, treatment, &self.blob)?;
        if !treatment.is_nothing() && *exported.content != *self.blob {
            notes.converted.push(own.into());
        }
        if exported.names_refs {
            notes.names_refs.push(own.into());
        }
        tar.reserve(exported.content.len() + 4 * RECORD);
        let size = exported.content.len() as u64;
        self.headers.entry(tar, path, &entry.id, Shape::File { executable, size });
        tar.extend_from_slice(&exported.content);
        pad_record(tar);
        Ok(())
    }

    fn read_blob(&mut self, id: &ObjectId) -> Result<()> {
        let kind = self.objects.read_into(id, &mut self.blob)?;
        if kind != Kind::Blob {
            let words = format!("object {id} is a {}, not a blob", kind.as_str());
            return Err(Refusal::new("object-corrupt", words)
                .hint("the repository is damaged or was tampered with; `git fsck` there shows more")
                .into());
        }
        Ok(())
    }
}
