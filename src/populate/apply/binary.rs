//! `GIT binary patch` read and applied: base 85 lines, inflated, then whole content or a delta.

use std::io::Read;

use bstr::ByteSlice;
use flate2::read::ZlibDecoder;

use super::parse::Lines;
use super::{Cause, malformed};
use crate::names::ObjectId;

/// The most bytes that a binary patch may make of one file.
const LARGEST: usize = 512 * 1024 * 1024;

/// A binary patch for one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinaryPatch {
    /// The blob it was made for, where the patch names it in full.
    pub old: Option<ObjectId>,
    /// The blob that comes out.
    pub new: Option<ObjectId>,
    /// How the new content is made.
    pub forward: Forward,
}

/// The forward half of a binary patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forward {
    /// This is the content.
    Literal(Vec<u8>),
    /// The content comes of the old one by git's delta instructions.
    Delta(Vec<u8>),
}

impl BinaryPatch {
    /// Returns the new content.
    pub(super) fn apply(&self, old: &[u8]) -> Result<Vec<u8>, Cause> {
        match &self.forward {
            Forward::Literal(content) => Ok(content.clone()),
            Forward::Delta(delta) => apply_delta(delta, old).ok_or(Cause::OtherContent),
        }
    }
}

/// Reads both halves and keeps the first.
pub(super) fn read(lines: &mut Lines<'_>) -> Result<Forward, Cause> {
    let first = read_half(lines)?;
    read_half(lines)?;
    first.ok_or_else(|| Cause::Malformed("a binary patch without content".to_owned()))
}

fn read_half(lines: &mut Lines<'_>) -> Result<Option<Forward>, Cause> {
    if let Some(size) = lines.after("literal ") {
        return read_data(size, lines).map(|data| Some(Forward::Literal(data)));
    }
    if let Some(size) = lines.after("delta ") {
        return read_data(size, lines).map(|data| Some(Forward::Delta(data)));
    }
    Ok(None)
}

fn read_data(size: &[u8], lines: &mut Lines<'_>) -> Result<Vec<u8>, Cause> {
    let number = size.to_str().ok().and_then(|digits| digits.trim().parse().ok());
    let wanted: usize =
        number.filter(|n| *n <= LARGEST).ok_or_else(|| malformed("a binary size", size))?;
    let mut packed = Vec::new();
    while let Some(line) = lines.next() {
        let text = line.trim_end_with(|c| c == '\n' || c == '\r');
        if text.is_empty() {
            break;
        }
        read_line(text, &mut packed).ok_or_else(|| malformed("a line of base 85", text))?;
    }
    inflate(&packed, wanted).ok_or_else(|| malformed("binary data of another size than", size))
}

fn read_line(text: &[u8], packed: &mut Vec<u8>) -> Option<()> {
    let (mark, digits) = text.split_first()?;
    let length = match mark {
        b'A'..=b'Z' => usize::from(mark - b'A') + 1,
        b'a'..=b'z' => usize::from(mark - b'a') + 27,
        _ => return None,
    };
    let start = packed.len();
    for group in digits.chunks(5) {
        packed.extend_from_slice(&read_group(group)?);
    }
    let read = packed.len() - start;
    (read == length.div_ceil(4) * 4).then(|| packed.truncate(start + length))
}

fn read_group(group: &[u8]) -> Option<[u8; 4]> {
    if group.len() != 5 {
        return None;
    }
    let value =
        group.iter().try_fold(0_u64, |value, c| Some(value * 85 + u64::from(digit(*c)?)))?;
    u32::try_from(value).ok().map(u32::to_be_bytes)
}

fn digit(c: u8) -> Option<u8> {
    const PUNCTUATION: &[u8] = b"!#$%&()*+-;<=>?@^_`{|}~";
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'A'..=b'Z' => Some(c - b'A' + 10),
        b'a'..=b'z' => Some(c - b'a' + 36),
        _ => PUNCTUATION.find_byte(c).map(|place| place as u8 + 62),
    }
}

fn inflate(packed: &[u8], wanted: usize) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut decoder = ZlibDecoder::new(packed).take(wanted as u64 + 1);
    decoder.read_to_end(&mut content).ok()?;
    (content.len() == wanted).then_some(content)
}

fn apply_delta(mut delta: &[u8], old: &[u8]) -> Option<Vec<u8>> {
    let (from, to) = (take_size(&mut delta)?, take_size(&mut delta)?);
    if from != old.len() || to > LARGEST {
        return None;
    }
    let mut new = Vec::new();
    while let Some((opcode, rest)) = delta.split_first() {
        delta = rest;
        let piece = match opcode {
            0 => return None,
            1..=0x7f => take(&mut delta, usize::from(*opcode))?,
            0x80.. => copied(*opcode, &mut delta, old)?,
        };
        new.extend_from_slice(piece);
        if new.len() > to {
            return None;
        }
    }
    (new.len() == to).then_some(new)
}

fn take<'d>(delta: &mut &'d [u8], count: usize) -> Option<&'d [u8]> {
    let (piece, rest) = delta.split_at_checked(count)?;
    *delta = rest;
    Some(piece)
}

fn take_size(delta: &mut &[u8]) -> Option<usize> {
    let mut size = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let byte = take(delta, 1)?[0];
        size |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(size);
        }
    }
    None
}

/// Reads a copy instruction: bits 0 to 3 say which bytes of the start follow, 4 to 6 of the length.
fn copied<'o>(opcode: u8, delta: &mut &[u8], old: &'o [u8]) -> Option<&'o [u8]> {
    let mut number = |bits: std::ops::Range<u8>| {
        let mut value = 0_usize;
        for (place, bit) in bits.enumerate() {
            if opcode & (1 << bit) != 0 {
                value |= usize::from(take(delta, 1)?[0]) << (8 * place);
            }
        }
        Some(value)
    };
    let (start, length) = (number(0..4)?, number(4..7)?);
    let length = if length == 0 { 0x10000 } else { length };
    old.get(start..start.checked_add(length)?)
}
