//! `working-tree-encoding`: UTF-8 content written in another encoding.

use bstr::{BStr, ByteSlice};

use crate::git::attributes::State;
use crate::outcome::{Refusal, Result, printable};

/// An encoding that can be written exactly as iconv writes it.
///
/// Others are refused: tables differ between implementations, and a guess would be a wrong byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Two bytes a unit.
    Utf16 { order: Order, mark: Mark },
    /// Four bytes a character.
    Utf32 { order: Order, mark: Mark },
    /// One byte a character, up to `last`.
    Single { last: u32 },
}

/// The order of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Low byte first.
    Little,
    /// High byte first.
    Big,
}

/// Whether a byte order mark comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// It does.
    Written,
    /// It does not.
    Left,
}

impl Encoding {
    /// Reads the attribute; nothing said, an empty value and UTF-8 mean that the content stays.
    pub(super) fn from_attribute(state: &State, path: &BStr) -> Result<Option<Encoding>> {
        let name = match state {
            State::Unspecified => return Ok(None),
            State::Value(name) if name.is_empty() => return Ok(None),
            State::Value(name) => name.to_str_lossy().to_lowercase(),
            State::Set | State::Unset => return Err(unusable("without a value", path)),
        };
        if name == "utf-8" || name == "utf8" {
            return Ok(None);
        }
        match Encoding::named(&name) {
            Some(encoding) => Ok(Some(encoding)),
            None => Err(unusable(&printable(&name, 40), path)),
        }
    }

    fn named(name: &str) -> Option<Encoding> {
        use {Mark::*, Order::*};
        Some(match name {
            // With no order in the name iconv writes the machine's own, with a mark: little-endian here,
            // whatever the machine, so that the bytes repeat.
            "utf-16" | "utf16" | "utf-16le-bom" => Encoding::Utf16 { order: Little, mark: Written },
            "utf-16be-bom" => Encoding::Utf16 { order: Big, mark: Written },
            "utf-16le" | "utf16le" => Encoding::Utf16 { order: Little, mark: Left },
            "utf-16be" | "utf16be" => Encoding::Utf16 { order: Big, mark: Left },
            "utf-32" | "utf32" => Encoding::Utf32 { order: Little, mark: Written },
            "utf-32le" | "utf32le" => Encoding::Utf32 { order: Little, mark: Left },
            "utf-32be" | "utf32be" => Encoding::Utf32 { order: Big, mark: Left },
            "iso-8859-1" | "iso8859-1" | "latin1" | "latin-1" => Encoding::Single { last: 0xff },
            "us-ascii" | "ascii" => Encoding::Single { last: 0x7f },
            _ => return None,
        })
    }

    /// Encodes; `None` where the content is empty, no UTF-8, or has a character the encoding lacks: git
    /// then warns and leaves the content as it is.
    pub(super) fn encode(self, content: &[u8]) -> Option<Vec<u8>> {
        let text = content.to_str().ok().filter(|text| !text.is_empty())?;
        match self {
            Encoding::Utf16 { order, mark } => Some(encode_utf16(text, order, mark)),
            Encoding::Utf32 { order, mark } => Some(encode_utf32(text, order, mark)),
            Encoding::Single { last } => {
                let byte =
                    |c: char| u8::try_from(u32::from(c)).ok().filter(|b| u32::from(*b) <= last);
                text.chars().map(byte).collect()
            }
        }
    }
}

fn encode_utf16(text: &str, order: Order, mark: Mark) -> Vec<u8> {
    let mark = (mark == Mark::Written).then_some(0xfeff);
    let units = mark.into_iter().chain(text.encode_utf16());
    units
        .flat_map(
            |unit| if order == Order::Little { unit.to_le_bytes() } else { unit.to_be_bytes() },
        )
        .collect()
}

fn encode_utf32(text: &str, order: Order, mark: Mark) -> Vec<u8> {
    let mark = (mark == Mark::Written).then_some(0xfeff);
    let units = mark.into_iter().chain(text.chars().map(u32::from));
    units
        .flat_map(
            |unit| if order == Order::Little { unit.to_le_bytes() } else { unit.to_be_bytes() },
        )
        .collect()
}

fn unusable(name: &str, path: &BStr) -> crate::outcome::Fault {
    let path = printable(path, 200);
    Refusal::new(
        "encoding-unsupported",
        format!("`{path}` is to be archived in an encoding that cannot be written exactly: {name}"),
    )
    .hint("set working-tree-encoding to UTF-16, UTF-32 or ISO-8859-1 in .gitattributes, or take it out")
    .into()
}
