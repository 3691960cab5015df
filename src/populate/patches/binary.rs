//! `GIT binary patch`: content that no text hunk can carry.
//!
//! Both directions are written, as git does, so that the patch can be taken back. Each is the whole
//! content or, where that is smaller, a delta. Bytes repeat: the matcher below has no randomness, and
//! the compressor's version is pinned with the dependencies (a test holds the bytes).

use std::collections::HashMap;
use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};

const ALPHABET: &[u8; 85] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/// How many bytes of content one line carries.
const LINE: usize = 52;

/// The size of the blocks by which a delta finds what both sides share.
const BLOCK: usize = 16;

/// Above this size no delta is tried: the index of blocks would outgrow the content.
const DELTA_LIMIT: usize = 8 * 1024 * 1024;

/// Tells whether git takes `content` for binary: a NUL in the first 8,000 bytes.
pub(super) fn is_binary(content: &[u8]) -> bool {
    content[..content.len().min(8000)].contains(&0)
}

/// Appends the two halves of a binary patch.
pub(super) fn write(out: &mut Vec<u8>, old: &[u8], new: &[u8]) {
    out.extend_from_slice(b"GIT binary patch\n");
    write_half(out, old, new);
    write_half(out, new, old);
}

fn write_half(out: &mut Vec<u8>, from: &[u8], to: &[u8]) {
    let literal = deflate(to);
    let delta = delta(from, to).map(|delta| (delta.len(), deflate(&delta)));
    match delta.filter(|(_, packed)| packed.len() < literal.len()) {
        Some((size, packed)) => write_block(out, "delta", size, &packed),
        None => write_block(out, "literal", to.len(), &literal),
    }
}

fn write_block(out: &mut Vec<u8>, word: &str, size: usize, packed: &[u8]) {
    out.extend_from_slice(format!("{word} {size}\n").as_bytes());
    for line in packed.chunks(LINE) {
        let length = line.len() as u8;
        out.push(if length <= 26 { b'A' + length - 1 } else { b'a' + length - 27 });
        line.chunks(4).for_each(|group| out.extend_from_slice(&base85(group)));
        out.push(b'\n');
    }
    out.push(b'\n');
}

fn base85(group: &[u8]) -> [u8; 5] {
    let mut bytes = [0; 4];
    bytes[..group.len()].copy_from_slice(group);
    let mut value = u32::from_be_bytes(bytes);
    let mut digits = [0; 5];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(value % 85) as usize];
        value /= 85;
    }
    digits
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(data).expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail")
}

/// Returns git's delta from one content to another; `None` where it cannot be worth it.
fn delta(from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    if from.len() < BLOCK || to.len() < BLOCK || from.len().max(to.len()) > DELTA_LIMIT {
        return None;
    }
    let blocks = index(from);
    let mut delta = Vec::new();
    push_size(&mut delta, from.len());
    push_size(&mut delta, to.len());
    let (mut position, mut pending) = (0, 0);
    while position < to.len() {
        let Some((start, length)) = longest_match(&blocks, from, to, position) else {
            position += 1;
            continue;
        };
        push_inserts(&mut delta, &to[pending..position]);
        push_copies(&mut delta, start, length);
        position += length;
        pending = position;
    }
    push_inserts(&mut delta, &to[pending..]);
    Some(delta)
}

/// Maps each block of `from` to the first place where it stands.
fn index(from: &[u8]) -> HashMap<&[u8], usize> {
    let mut blocks = HashMap::with_capacity(from.len() / BLOCK);
    for (number, block) in from.chunks_exact(BLOCK).enumerate() {
        blocks.entry(block).or_insert(number * BLOCK);
    }
    blocks
}

fn longest_match(
    blocks: &HashMap<&[u8], usize>,
    from: &[u8],
    to: &[u8],
    position: usize,
) -> Option<(usize, usize)> {
    let block = to.get(position..position + BLOCK)?;
    let start = *blocks.get(block)?;
    let pairs = from[start..].iter().zip(&to[position..]);
    Some((start, pairs.take_while(|(a, b)| a == b).count()))
}

fn push_size(delta: &mut Vec<u8>, mut size: usize) {
    while size >= 0x80 {
        delta.push(size as u8 | 0x80);
        size >>= 7;
    }
    delta.push(size as u8);
}

fn push_inserts(delta: &mut Vec<u8>, bytes: &[u8]) {
    for piece in bytes.chunks(0x7f) {
        delta.push(piece.len() as u8);
        delta.extend_from_slice(piece);
    }
}

/// Appends copies of at most 64 KiB each, which every version of git reads.
fn push_copies(delta: &mut Vec<u8>, mut start: usize, mut length: usize) {
    while length > 0 {
        let size = length.min(0x10000);
        push_copy(delta, start as u32, (size & 0xffff) as u16);
        start += size;
        length -= size;
    }
}

fn push_copy(delta: &mut Vec<u8>, start: u32, size: u16) {
    let opcode = delta.len();
    delta.push(0x80);
    let bytes = start.to_le_bytes().into_iter().chain(size.to_le_bytes());
    for (bit, byte) in bytes.enumerate() {
        if byte != 0 {
            delta[opcode] |= 1 << bit;
            delta.push(byte);
        }
    }
}
