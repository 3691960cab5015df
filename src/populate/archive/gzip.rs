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
const LEVEL: u32 = 5;

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

/// Deflates one block; the same block gives the same bytes, whatever came before on this thread.
pub(super) fn deflate(block: &Block) -> Deflated {
    // A compressor that was used and reset finds other matches now and then: its tables keep traces.
    let mut compress = Compress::new(Compression::new(LEVEL), false);
    if let Some(before) = &block.before {
        let window = &before[before.len().saturating_sub(WINDOW)..];
        compress.set_dictionary(window).expect("a fresh compressor takes a dictionary");
    }
    let mut checksum = Crc::new();
    checksum.update(&block.content);
    Deflated { bytes: run(&mut compress, &block.content, block.place), checksum }
}

/// All in one call, into room for the worst case: going on with a full buffer could repeat the flush.
fn run(compress: &mut Compress, content: &[u8], place: Place) -> Vec<u8> {
    let flush = match place {
        Place::Inner => FlushCompress::Sync,
        Place::Last => FlushCompress::Finish,
    };
    let mut bytes = Vec::with_capacity(content.len() + content.len() / 8 + 1024);
    compress.compress_vec(content, &mut bytes, flush).expect("deflate takes any input");
    assert_eq!(compress.total_in(), content.len() as u64, "there was room for the worst case");
    bytes
}

/// Returns the member's trailer: checksum and length of what was compressed.
pub(super) fn trailer(checksum: &Crc) -> [u8; 8] {
    let mut trailer = [0; 8];
    trailer[..4].copy_from_slice(&checksum.sum().to_le_bytes());
    trailer[4..].copy_from_slice(&checksum.amount().to_le_bytes());
    trailer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of this room's own code in some order: enough like a source tree to lead deflate astray.
    fn code(seed: usize) -> Vec<u8> {
        let source = [
            include_str!("gzip.rs"),
            include_str!("subst.rs"),
            include_str!("walk.rs"),
            include_str!("prove.rs"),
            include_str!("crew.rs"),
        ]
        .concat();
        let lines: Vec<&str> = source.split_inclusive('\n').collect();
        let mut text = Vec::new();
        let mut at = seed;
        while text.len() < BLOCK {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.extend_from_slice(lines[(at >> 33) % lines.len()].as_bytes());
        }
        text.truncate(BLOCK);
        text
    }

    #[test]
    fn a_block_gives_the_same_bytes_whatever_came_before() {
        let contents: Vec<_> = (0..24).map(|seed| Arc::new(code(seed))).collect();
        let before = |n: usize| n.checked_sub(1).map(|n| Arc::clone(&contents[n]));
        let blocks = contents.iter().enumerate().map(|(n, content)| Block {
            content: Arc::clone(content),
            before: before(n),
            place: Place::Inner,
        });
        let blocks: Vec<Block> = blocks.collect();
        let in_order: Vec<_> = blocks.iter().map(|block| deflate(block).bytes).collect();
        let alone = std::thread::spawn(move || {
            blocks.iter().rev().map(|block| deflate(block).bytes).collect::<Vec<_>>()
        });
        let mut alone = alone.join().expect("the thread ends");
        alone.reverse();
        assert!(in_order == alone);
    }
}
