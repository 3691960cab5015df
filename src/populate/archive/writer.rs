//! The writer: lines pieces up, cuts blocks, writes what comes back, and hashes it while others work.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;

use flate2::Crc;
use sha2::{Digest, Sha512};

use super::crew::{Arrival, Crew, Guard, Piece, When};
use super::gzip::{self, Block, Deflated, Place};
use super::{Packing, Written, header, not_written};
use crate::outcome::{Problem, Result};

/// The writer's end of the crew, and what it has written.
pub(super) struct Writer<'a, 'p> {
    crew: &'a Crew,
    _guard: Guard<'a>,
    out: &'a mut dyn Write,
    packing: Packing,
    progress: Option<&'p mut dyn FnMut(u64)>,
    /// Tar that is not in a block yet, with what of it has been taken.
    piece: Vec<u8>,
    taken: usize,
    open: Vec<u8>,
    before: Option<Arc<Vec<u8>>>,
    checksum: Crc,
    /// How much of the stream is packed and written.
    packed: u64,
    hash: Sha512,
    written: Written,
}

impl<'a, 'p> Writer<'a, 'p> {
    /// Returns a writer that has written nothing.
    pub(super) fn new(
        crew: &'a Crew,
        out: &'a mut dyn Write,
        packing: Packing,
        progress: Option<&'p mut dyn FnMut(u64)>,
    ) -> Self {
        Writer {
            crew,
            _guard: Guard::new(crew, When::Always),
            out,
            packing,
            progress,
            piece: Vec::new(),
            taken: 0,
            open: Vec::new(),
            before: None,
            checksum: Crc::new(),
            packed: 0,
            hash: Sha512::new(),
            written: Written {
                sha512: String::new(),
                size: 0,
                tar_size: 0,
                entries: 0,
                hidden: vec![],
                converted: vec![],
                names_refs: vec![],
            },
        }
    }

    /// Writes the whole archive, whose stream begins with `head`.
    pub(super) fn run(mut self, head: Vec<u8>) -> Result<Written> {
        if self.packing == Packing::Gzip {
            self.put(&gzip::HEADER)?;
        }
        self.take_tar(head)?;
        self.take_entries()?;
        self.take_tar(vec![0; header::trailer_length(self.written.tar_size)])?;
        self.finish_blocks()?;
        if self.packing == Packing::Gzip {
            self.put(&gzip::trailer(&self.checksum))?;
        }
        self.out.flush().map_err(not_written)?;
        let digest = self.hash.clone().finalize();
        for byte in digest {
            write!(self.written.sha512, "{byte:02x}").expect("a String grows");
        }
        Ok(self.written.clone())
    }

    fn take_entries(&mut self) -> Result<()> {
        loop {
            let wants_piece = self.cut_blocks();
            match self.next_arrival(wants_piece)? {
                Arrival::Deflated(deflated) => self.put_deflated(&deflated)?,
                Arrival::Piece(piece) => self.take_piece(piece)?,
                Arrival::NoMorePieces | Arrival::NoMoreBlocks => return Ok(()),
            }
        }
    }

    fn finish_blocks(&mut self) -> Result<()> {
        if self.packing == Packing::None {
            self.crew.close_blocks();
            return Ok(());
        }
        while !self.cut_blocks() {
            self.take_deflated()?;
        }
        self.add_block(Place::Last);
        self.crew.close_blocks();
        while self.take_deflated()? {}
        Ok(())
    }

    /// Waits for a block and writes it; tells whether there was one.
    fn take_deflated(&mut self) -> Result<bool> {
        match self.next_arrival(false)? {
            Arrival::Deflated(deflated) => self.put_deflated(&deflated).map(|()| true),
            Arrival::Piece(_) | Arrival::NoMorePieces | Arrival::NoMoreBlocks => Ok(false),
        }
    }

    fn next_arrival(&self, wants_piece: bool) -> Result<Arrival> {
        let gave_up =
            || Problem::permanent("archive-not-written", "a worker stopped by a fault of ours");
        self.crew.next_arrival(wants_piece).ok_or_else(gave_up)?
    }

    fn take_piece(&mut self, piece: Piece) -> Result<()> {
        self.written.entries = piece.end;
        self.written.converted.extend(piece.notes.converted);
        self.written.names_refs.extend(piece.notes.names_refs);
        self.take_tar(piece.tar)
    }

    /// Takes more of the stream, once all that came before is in blocks.
    fn take_tar(&mut self, tar: Vec<u8>) -> Result<()> {
        self.written.tar_size += tar.len() as u64;
        if self.packing == Packing::None {
            return self.put(&tar);
        }
        while !self.cut_blocks() {
            self.take_deflated()?;
        }
        (self.piece, self.taken) = (tar, 0);
        Ok(())
    }

    /// Cuts blocks while there is room for them; tells whether all tar at hand is used up.
    ///
    /// A full block is only handed over when more follows, since the last one is deflated otherwise.
    fn cut_blocks(&mut self) -> bool {
        while self.taken < self.piece.len() {
            if self.open.len() == gzip::BLOCK {
                if !self.crew.has_room_for_block() {
                    return false;
                }
                self.add_block(Place::Inner);
            }
            let rest = &self.piece[self.taken..];
            let length = rest.len().min(gzip::BLOCK - self.open.len());
            if self.open.capacity() == 0 {
                self.open.reserve_exact(gzip::BLOCK);
            }
            self.open.extend_from_slice(&rest[..length]);
            self.taken += length;
        }
        true
    }

    fn add_block(&mut self, place: Place) {
        let content = Arc::new(std::mem::take(&mut self.open));
        let before = self.before.replace(Arc::clone(&content));
        self.crew.add_block(Block { content, before, place });
    }

    fn put_deflated(&mut self, deflated: &Deflated) -> Result<()> {
        self.checksum.combine(&deflated.checksum);
        self.packed += u64::from(deflated.checksum.amount());
        self.put(&deflated.bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(not_written)?;
        self.hash.update(bytes);
        self.written.size += bytes.len() as u64;
        if let Some(progress) = &mut self.progress {
            progress(self.packed);
        }
        Ok(())
    }
}
