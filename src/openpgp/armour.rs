//! ASCII armour, strictly: one block and nothing around it.
//!
//! Lenient readers skip text before and after a block, and read only the first of two. What they
//! skip is text that nobody signed but that people see, so it is refused; only CR LF line ends and line
//! breaks at the end are forgiven.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";

/// Returns the bytes inside a signature's armour; the error is the rest of "the signature …".
pub(super) fn decode(armour: &[u8]) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(armour).map_err(|_| "is not text".to_owned())?;
    let text = text.trim_end_matches(['\r', '\n']);
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    if lines.next() != Some(BEGIN) {
        return Err(format!("does not begin with {BEGIN}"));
    }
    skip_headers(&mut lines)?;
    let mut body = String::new();
    let mut checksum = None;
    for line in lines.by_ref().take_while(|line| *line != END) {
        match (line.strip_prefix('='), checksum) {
            (_, Some(_)) => return Err("has text behind its checksum".to_owned()),
            (Some(sum), None) if !body.is_empty() => checksum = Some(sum),
            _ => body.push_str(line),
        }
    }
    if lines.next().is_some() || !text.ends_with(END) {
        return Err("has text after its end, or no end".to_owned());
    }
    let bytes = STANDARD.decode(&body).map_err(|_| "holds text that is no base64".to_owned())?;
    check(&bytes, checksum)?;
    Ok(bytes)
}

/// Takes the lines up to the blank one: `Version:`, `Comment:` and the like.
fn skip_headers<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<(), String> {
    for line in lines {
        match line {
            "" => return Ok(()),
            header if header.contains(": ") || header.ends_with(':') => {}
            _ => break,
        }
    }
    Err("has no blank line behind its armour headers".to_owned())
}

fn check(bytes: &[u8], checksum: Option<&str>) -> Result<(), String> {
    let Some(checksum) = checksum else { return Ok(()) };
    let wanted = STANDARD.decode(checksum).ok().filter(|sum| sum.len() == 3);
    let sum = crc24(bytes).to_be_bytes();
    match wanted.is_some_and(|wanted| wanted == sum[1..]) {
        true => Ok(()),
        false => Err("does not agree with its checksum".to_owned()),
    }
}

/// The checksum of RFC 4880, section 6.1.
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00b7_04ce, |sum, byte| {
        (0..8).fold(sum ^ (u32::from(*byte) << 16), |sum, _| {
            let shifted = sum << 1;
            if shifted & 0x0100_0000 == 0 { shifted } else { shifted ^ 0x0186_4cfb }
        })
    })
}
