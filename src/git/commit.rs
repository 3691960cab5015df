//! Commits and tags taken apart leniently: real histories hold odd ones.
//!
//! The gate does not use this; it has a strict parser of its own for the one commit it judges.

use bstr::{BStr, BString, ByteSlice};

use crate::names::ObjectId;

/// Who did something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name as it stands in the object; any bytes but `<`, `>`, line feed and NUL.
    pub name: BString,
    /// The mail address, likewise.
    pub mail: BString,
    /// Seconds since 1970-01-01 UTC.
    pub seconds: i64,
    /// The offset as written, such as `+0200`.
    pub offset: BString,
}

impl Identity {
    /// Parses `Name <mail> seconds offset`; odd times become 0 and `+0000`.
    pub fn parse(line: &[u8]) -> Option<Identity> {
        let open = line.find_byte(b'<')?;
        let close = line.rfind_byte(b'>').filter(|close| *close > open)?;
        let mut time = line[close + 1..].fields();
        let seconds = time.next().and_then(|digits| digits.to_str().ok()?.parse().ok());
        let offset = time.next().filter(|text| is_offset(text));
        Some(Identity {
            name: line[..open].trim().into(),
            mail: line[open + 1..close].trim().into(),
            seconds: seconds.unwrap_or(0),
            offset: offset.unwrap_or(b"+0000").into(),
        })
    }
}

fn is_offset(text: &[u8]) -> bool {
    text.len() == 5 && matches!(text[0], b'+' | b'-') && text[1..].iter().all(u8::is_ascii_digit)
}

/// A commit object, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The commit's own id.
    pub id: ObjectId,
    /// The tree it records.
    pub tree: ObjectId,
    /// Its parents, first parent first.
    pub parents: Vec<ObjectId>,
    /// Who wrote the change.
    pub author: Identity,
    /// Who made the commit.
    pub committer: Identity,
    /// The `encoding` header, where there is one.
    pub encoding: Option<BString>,
    /// Whether a header whose name begins with `gpgsig` is there; says nothing of its worth.
    pub has_signature: bool,
    /// The message as it stands in the object.
    pub message: BString,
    /// The whole object.
    pub raw: Vec<u8>,
}

impl Commit {
    /// Takes a commit object apart; the error says what is missing.
    pub fn parse(id: ObjectId, raw: Vec<u8>) -> Result<Commit, String> {
        let (headers, message) = split_headers(&raw);
        let mut tree = None;
        let mut parents = Vec::new();
        let (mut author, mut committer, mut encoding) = (None, None, None);
        let mut has_signature = false;
        for line in headers.lines() {
            let Some((name, value)) = line.split_once_str(" ") else { continue };
            match name {
                b"tree" if tree.is_none() => tree = object_id(value),
                b"parent" => parents.push(object_id(value).ok_or("has a malformed parent")?),
                b"author" if author.is_none() => author = Identity::parse(value),
                b"committer" if committer.is_none() => committer = Identity::parse(value),
                b"encoding" if encoding.is_none() => encoding = Some(value.into()),
                _ => has_signature |= name.starts_with(b"gpgsig"),
            }
        }
        Ok(Commit {
            id,
            tree: tree.ok_or("has no tree")?,
            parents,
            author: author.ok_or("has no readable author")?,
            committer: committer.ok_or("has no readable committer")?,
            encoding,
            has_signature,
            message: message.into(),
            raw,
        })
    }

    /// Returns the message as text: its `encoding` header is followed where it names Latin-1, and bytes
    /// that are no UTF-8 become U+FFFD.
    pub fn message_text(&self) -> String {
        let latin1 = self.encoding.as_ref().is_some_and(|name| {
            let name = name.to_str_lossy().to_ascii_lowercase();
            ["iso-8859-1", "iso8859-1", "latin1", "latin-1"].contains(&name.as_str())
        });
        match latin1 {
            true => self.message.iter().map(|byte| char::from(*byte)).collect(),
            false => self.message.to_str_lossy().into_owned(),
        }
    }

    /// Returns the subject: the lines up to the first blank one, joined by spaces, as git's `%s`.
    pub fn subject(&self) -> String {
        let text = self.message_text();
        let lines = text.lines().skip_while(|line| line.trim().is_empty());
        let subject = lines.take_while(|line| !line.trim().is_empty()).map(str::trim);
        subject.collect::<Vec<_>>().join(" ")
    }
}

/// An annotated tag, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The tag object's own id.
    pub id: ObjectId,
    /// What it points to.
    pub target: ObjectId,
    /// The kind of what it points to, in git's word.
    pub target_kind: BString,
    /// The name written inside it.
    pub name: BString,
    /// Seconds since 1970-01-01 UTC, 0 where the tag has no tagger.
    pub seconds: i64,
    /// The whole object, signature included.
    pub raw: Vec<u8>,
}

impl Tag {
    /// Takes a tag object apart; the error says what is missing.
    pub fn parse(id: ObjectId, raw: Vec<u8>) -> Result<Tag, String> {
        let (headers, _) = split_headers(&raw);
        let field = |wanted: &str| {
            let lines = headers.lines().filter_map(|line| line.split_once_str(" "));
            lines.filter(|(name, _)| *name == wanted.as_bytes()).map(|(_, value)| value).next()
        };
        Ok(Tag {
            id,
            target: field("object").and_then(object_id).ok_or("has no object")?,
            target_kind: field("type").ok_or("has no type")?.into(),
            name: field("tag").ok_or("has no name")?.into(),
            seconds: field("tagger").and_then(Identity::parse).map_or(0, |tagger| tagger.seconds),
            raw,
        })
    }
}

fn split_headers(raw: &[u8]) -> (&BStr, &BStr) {
    match raw.find(b"\n\n") {
        Some(end) => (raw[..end].as_bstr(), raw[end + 2..].as_bstr()),
        None => (raw.as_bstr(), b"".as_bstr()),
    }
}

/// Inserts a signature as the last header: `gpgsig`, each further line with a space before it.
///
/// What was signed is the object without that header. An object without a message is returned as it is.
pub fn with_signature(unsigned: &[u8], armour: &str) -> Vec<u8> {
    let Some(end) = unsigned.find(b"\n\n") else { return unsigned.to_vec() };
    let mut signed = unsigned[..=end].to_vec();
    signed.extend_from_slice(b"gpgsig ");
    signed.extend_from_slice(armour.trim_end().replace('\n', "\n ").as_bytes());
    signed.extend_from_slice(&unsigned[end..]);
    signed
}

/// Returns the object without its signature headers: what another signature can be made over.
pub fn without_signature(raw: &[u8]) -> Vec<u8> {
    let (headers, message) = split_headers(raw);
    let mut kept = Vec::new();
    let mut in_signature = false;
    // Cut at line feeds alone: a carriage return before one is the header's own.
    for line in headers.split_str("\n") {
        in_signature = line.starts_with(b"gpgsig") || (in_signature && line.starts_with(b" "));
        if !in_signature {
            kept.extend_from_slice(line);
            kept.push(b'\n');
        }
    }
    kept.push(b'\n');
    kept.extend_from_slice(message);
    kept
}

fn object_id(hex: &[u8]) -> Option<ObjectId> {
    hex.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_last_header() {
        let signed = with_signature(b"tree 1\nauthor a\n\nsubject\n\nbody\n", "BEGIN\nline\nEND\n");
        assert_eq!(signed, b"tree 1\nauthor a\ngpgsig BEGIN\n line\n END\n\nsubject\n\nbody\n");
    }

    #[test]
    fn what_is_not_the_signature_keeps_its_bytes() {
        let unsigned = b"tree 1\nauthor a\nnote x\r\n y\r\n\nsubject\n";
        let signed = b"tree 1\nauthor a\ngpgsig BEGIN\r\n END\nnote x\r\n y\r\n\nsubject\n";
        assert_eq!(without_signature(signed).as_bstr(), unsigned.as_bstr());
        assert_eq!(without_signature(unsigned).as_bstr(), unsigned.as_bstr());
    }
}
