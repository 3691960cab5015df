//! The packet inside the armour: exactly one signature, its numbers written as they should be.

use openpgp::Packet;
use openpgp::packet::Signature;
use openpgp::parse::Parse;
use sequoia_openpgp as openpgp;

use crate::outcome::{Refusal, printable};

const SIGNATURE_TAG: u8 = 2;

/// Reads the one signature packet that `bytes` must hold.
///
/// # Errors
/// `signature-count` where a second one follows, `signature-version` for versions other than 4 and 6,
/// else `malformed-signature`.
pub(super) fn read(bytes: &[u8]) -> Result<Signature, Refusal> {
    let (tag, body, rest) = split(bytes).ok_or_else(|| malformed("is no OpenPGP packet"))?;
    if tag != SIGNATURE_TAG {
        return Err(malformed(&format!("holds a packet of type {tag} instead of a signature")));
    }
    if !rest.is_empty() {
        return Err(surplus(rest));
    }
    let body = match body.first() {
        Some(4) => normalised(body).ok_or_else(|| malformed("is cut short or malformed"))?,
        Some(6) => body.to_vec(),
        Some(version) => return Err(version_refused(*version)),
        None => return Err(malformed("is empty")),
    };
    match Packet::from_bytes(&framed(&body)) {
        Ok(Packet::Signature(signature)) => Ok(signature),
        Ok(_) => Err(malformed("is a packet that cannot be understood")),
        Err(error) => {
            Err(malformed(&format!("cannot be read: {}", printable(error.to_string(), 200))))
        }
    }
}

/// Splits off one packet of definite length: tag, body, rest (RFC 9580, section 4.2).
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let (tag, length, rest) = match first & 0x40 == 0 {
        true => {
            let (length, rest) = old_length(first & 3, rest)?;
            (first >> 2 & 0x0f, length, rest)
        }
        false => {
            let (length, rest) = new_length(rest)?;
            (first & 0x3f, length, rest)
        }
    };
    let (body, rest) = rest.split_at_checked(length)?;
    Some((tag, body, rest))
}

fn old_length(kind: u8, rest: &[u8]) -> Option<(usize, &[u8])> {
    match kind {
        0 => number(rest, 1),
        1 => number(rest, 2),
        2 => number(rest, 4),
        _ => None,
    }
}

fn new_length(rest: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, behind) = rest.split_first()?;
    match first {
        0..192 => Some((usize::from(first), behind)),
        192..224 => {
            let (&second, behind) = behind.split_first()?;
            Some(((usize::from(first) - 192) * 256 + usize::from(second) + 192, behind))
        }
        255 => number(behind, 4),
        _ => None,
    }
}

/// Takes a big-endian number of `size` bytes off the front.
fn number(bytes: &[u8], size: usize) -> Option<(usize, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(size)?;
    Some((digits.iter().fold(0, |value, digit| value << 8 | usize::from(*digit)), rest))
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("signatures are capped at 64 KiB");
    [&[0xc0 | SIGNATURE_TAG, 255], length.to_be_bytes().as_slice(), body].concat()
}

/// Writes a version 4 signature's numbers again, each with the bit length that it really has.
///
/// GitHub's own signatures give the length in whole octets, which sequoia refuses as malformed although
/// gpg reads it. The numbers stand outside of what is hashed, so this changes no meaning.
fn normalised(body: &[u8]) -> Option<Vec<u8>> {
    let (hashed, rest) = number(body.get(4..)?, 2)?;
    let (unhashed, rest) = number(rest.get(hashed..)?, 2)?;
    let mut rest = rest.get(unhashed + 2..)?;
    let mut written = body[..body.len() - rest.len()].to_vec();
    if !has_plain_numbers(body[2]) {
        return Some(body.to_vec());
    }
    while !rest.is_empty() {
        let (bits, behind) = number(rest, 2)?;
        let (digits, behind) = behind.split_at_checked(bits.div_ceil(8))?;
        written.extend(mpi(digits));
        rest = behind;
    }
    Some(written)
}

/// RSA, DSA, ECDSA and the old form of EdDSA write their numbers as MPIs; newer algorithms do not.
fn has_plain_numbers(algorithm: u8) -> bool {
    matches!(algorithm, 1 | 3 | 17 | 19 | 22)
}

fn mpi(digits: &[u8]) -> Vec<u8> {
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = &digits[zeros..];
    let unused = digits.first().map_or(0, |digit| digit.leading_zeros() as usize);
    let bits = u16::try_from(digits.len() * 8 - unused).expect("16 bits gave the length");
    [bits.to_be_bytes().as_slice(), digits].concat()
}

fn surplus(rest: &[u8]) -> Refusal {
    if !matches!(split(rest), Some((SIGNATURE_TAG, ..))) {
        return malformed("has something behind its signature packet");
    }
    Refusal::new("signature-count", "the signature block holds more than one signature packet")
        .hint("sign it again with one key: git commit --amend -S")
}

fn version_refused(version: u8) -> Refusal {
    let words = format!("the OpenPGP signature is of version {version}; versions 4 and 6 are read");
    Refusal::new("signature-version", words).hint("sign it again with a current GnuPG or Sequoia")
}

/// Returns the refusal of a signature that `why` (the rest of "the signature …").
pub(super) fn malformed(why: &str) -> Refusal {
    Refusal::new("malformed-signature", format!("the OpenPGP signature {why}"))
        .hint("sign it again: git commit --amend -S, or git tag -f -s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_the_bit_length_they_really_have() {
        let cases: &[(&[u8], &[u8])] = &[
            (&[0x80, 1], &[0, 16, 0x80, 1]),
            (&[0x7f, 1], &[0, 15, 0x7f, 1]),
            (&[0x01], &[0, 1, 0x01]),
            (&[0, 0, 0xff], &[0, 8, 0xff]),
            (&[0, 0], &[0, 0]),
            (&[], &[0, 0]),
        ];
        for (digits, wanted) in cases {
            assert_eq!(mpi(digits), *wanted);
        }
    }

    #[test]
    fn packets_of_definite_length_are_split_off_and_others_are_not() {
        type Lengths = Option<(u8, usize, usize)>;
        let cases: &[(&[u8], Lengths)] = &[
            (&[0x88, 2, 4, 0], Some((2, 2, 0))),
            (&[0x89, 0, 1, 4, 9], Some((2, 1, 1))),
            (&[0x8a, 0, 0, 0, 1, 4], Some((2, 1, 0))),
            (&[0xc2, 1, 4], Some((2, 1, 0))),
            (&[0xc2, 255, 0, 0, 0, 1, 4], Some((2, 1, 0))),
            (&[0x8b, 4], None),
            (&[0xc2, 0xe1, 4, 4], None),
            (&[0x88, 9, 4], None),
            (&[0x02, 1, 4], None),
            (&[], None),
        ];
        for (bytes, wanted) in cases {
            let found = split(bytes).map(|(tag, body, rest)| (tag, body.len(), rest.len()));
            assert_eq!(found, *wanted, "{bytes:x?}");
        }
    }
}
