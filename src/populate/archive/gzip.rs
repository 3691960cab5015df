//! One gzip member, deflated block by block on any number of threads.
//!
//! A block is a fixed length of the tar stream, so the cuts depend on the stream alone. Each block is
//! deflated by itself with the last 32 KiB before it as its dictionary and ends on a byte (a sync
//! flush), so blocks can simply be written one after the other.

use std::sync::Arc;

use flate2::{Compress, Compression, Crc, FlushCompress};

/// Length of a block. Shorter ones balance small trees better between threads, longer ones compress
/// better; the choice is part of the archive's bytes and does not change.
pub(super) const BLOCK: usize = 256 * 1024;
/// How far back deflate may refer.
const WINDOW: usize = 32 * 1024;
/// Deflate level, part of the archive's bytes too.
const LEVEL: u32 = 6;

/// The member's header: deflate, no flags, no name, no time, and always the same system (Unix).
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// A block of the stream, with the one before it.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) content: Arc<Vec<u8>>,
    pub(super) before: Option<Arc<Vec<u8>>>,
    pub(super) place: Place,
}

/// Where a block stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// More follow.
    Inner,
    /// It ends the stream.
    Last,
}

/// A block, deflated.
#[derive(Debug)]
pub(super) struct Deflated {
    pub(super) bytes: Vec<u8>,
    pub(super) checksum: Crc,
}

/// One thread's compressor.
#[derive(Debug)]
pub(super) struct Deflater {
    compress: Compress,
}

impl Deflater {
    /// Returns a compressor for raw deflate data.
    pub(super) fn new() -> Deflater {
        Deflater { compress: Compress::new(Compression::new(LEVEL), false) }
    }

    /// Deflates one block; the same block gives the same bytes, whatever came before on this thread.
    pub(super) fn deflate(&mut self, block: &Block) -> Deflated {
        self.compress.reset();
        if let Some(before) = &block.before {
            let window = &before[before.len().saturating_sub(WINDOW)..];
            self.compress.set_dictionary(window).expect("a fresh compressor takes a dictionary");
        }
        let flush = match block.place {
            Place::Inner => FlushCompress::Sync,
            Place::Last => FlushCompress::Finish,
        };
        let mut checksum = Crc::new();
        checksum.update(&block.content);
        Deflated { bytes: self.run(&block.content, flush), checksum }
    }

    /// All in one call, into room for the worst case: going on with a full buffer could repeat the flush.
    fn run(&mut self, content: &[u8], flush: FlushCompress) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(content.len() + content.len() / 8 + 1024);
        let done = self.compress.compress_vec(content, &mut bytes, flush);
        done.expect("deflate takes any input");
        assert_eq!(
            self.compress.total_in(),
            content.len() as u64,
            "there was room for the worst case"
        );
        bytes
    }
}

/// Returns the member's trailer: checksum and length of what was compressed.
pub(super) fn trailer(checksum: &Crc) -> [u8; 8] {
    let mut trailer = [0; 8];
    trailer[..4].copy_from_slice(&checksum.sum().to_le_bytes());
    trailer[4..].copy_from_slice(&checksum.amount().to_le_bytes());
    trailer
}
