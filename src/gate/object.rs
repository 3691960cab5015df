//! Commits and tags taken apart strictly: the signature and the exact bytes that it covers.
//!
//! git forgives much here: it drops every header whose name begins with `gpgsig` from what is
//! checked, joins two signatures, and takes the first of two trees. Each of these has let bytes
//! that nobody signed ride along, so this parser knows one form and refuses the rest.

use bstr::{BStr, ByteSlice};

use crate::names::{ObjectId, TagName};
use crate::outcome::{Refusal, printable};
use crate::trailers::Trailers;

/// No commit or tag object may be larger than this.
const OBJECT_LIMIT: usize = 16 * 1024 * 1024;

/// No signature may be larger than this; the largest honest ones are about 2 KiB.
const SIGNATURE_LIMIT: usize = 64 * 1024;

/// A commit object that keeps git's form, signed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitObject<'a> {
    tree: ObjectId,
    parents: Vec<ObjectId>,
    committer_seconds: i64,
    message: &'a BStr,
    signed: Option<Signed>,
}

/// A signature and what it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The armour, as the signing program wrote it.
    pub signature: Vec<u8>,
    /// The bytes that it covers: the object without its signature.
    pub payload: Vec<u8>,
}

impl<'a> CommitObject<'a> {
    /// Takes a commit object apart.
    ///
    /// # Errors
    /// `malformed-commit`: too large, a NUL, headers out of git's order or twice, a signature header that
    /// we do not know. `signature-count`: two signatures. `signature-too-large`: above 64 KiB.
    pub fn parse(raw: &'a [u8]) -> Result<CommitObject<'a>, Refusal> {
        let (lines, message) = split(raw).map_err(|why| malformed_commit(&why))?;
        let mut headers = Headers { lines: lines.as_slice() };
        let fixed = FixedHeaders::take(&mut headers).map_err(|why| malformed_commit(&why))?;
        let signature = signature_among(headers.lines)?;
        let signed = signature.map(|header| Signed {
            signature: unfold(header.value()),
            payload: without(raw, header),
        });
        let FixedHeaders { tree, parents, committer_seconds } = fixed;
        Ok(CommitObject { tree, parents, committer_seconds, message, signed })
    }

    /// Returns the tree.
    pub fn tree(&self) -> ObjectId {
        self.tree
    }

    /// Returns the parents, first parent first.
    pub fn parents(&self) -> &[ObjectId] {
        &self.parents
    }

    /// Returns the committer's time in seconds since 1970; whoever signed may have picked it.
    pub fn committer_seconds(&self) -> i64 {
        self.committer_seconds
    }

    /// Returns the message as it stands in the object.
    pub fn message(&self) -> &'a BStr {
        self.message
    }

    /// Returns the message's trailers.
    pub fn trailers(&self) -> Trailers {
        Trailers::parse(self.message)
    }

    /// Returns the signature and what it covers; `None` where the commit is not signed.
    pub fn signed(&self) -> Option<&Signed> {
        self.signed.as_ref()
    }
}

/// An annotated tag that keeps git's form, signed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagObject {
    target: ObjectId,
    target_kind: String,
    name: TagName,
    tagger_seconds: i64,
    signed: Option<Signed>,
}

impl TagObject {
    /// Takes a tag object apart.
    ///
    /// # Errors
    /// As [`CommitObject::parse`], with `malformed-tag`.
    pub fn parse(raw: &[u8]) -> Result<TagObject, Refusal> {
        let fail = |why: String| malformed_tag(&why);
        let (lines, message) = split(raw).map_err(fail)?;
        let mut headers = Headers { lines: lines.as_slice() };
        let target = headers.object_id("object").map_err(fail)?;
        let target_kind = headers.text("type").map_err(fail)?;
        if !["commit", "tree", "blob", "tag"].contains(&target_kind.as_str()) {
            return Err(fail(format!(
                "names a thing of no kind: `{}`",
                printable(&target_kind, 40)
            )));
        }
        let name = headers.text("tag").map_err(fail)?;
        let name = name.parse().map_err(|error| fail(format!("has an illegal name: {error}")))?;
        let tagger_seconds = headers.identity("tagger").map_err(fail)?;
        if let Some(extra) = headers.lines.first() {
            return Err(fail(format!("has an unknown header {}", extra.shown())));
        }
        let signed = signature_at_end(raw, raw.len() - message.len())?;
        Ok(TagObject { target, target_kind, name, tagger_seconds, signed })
    }

    /// Returns what the tag points to.
    pub fn target(&self) -> ObjectId {
        self.target
    }

    /// Returns the kind of what it points to, in git's word.
    pub fn target_kind(&self) -> &str {
        &self.target_kind
    }

    /// Returns the name written inside it, which the signature covers.
    pub fn name(&self) -> &TagName {
        &self.name
    }

    /// Returns the tagger's time in seconds since 1970; whoever signed may have picked it.
    pub fn tagger_seconds(&self) -> i64 {
        self.tagger_seconds
    }

    /// Returns the signature and what it covers; `None` where the tag is not signed.
    pub fn signed(&self) -> Option<&Signed> {
        self.signed.as_ref()
    }
}

/// One header with its continuation lines, and where it stands in the object.
#[derive(Debug, Clone, Copy)]
struct Header<'a> {
    name: &'a BStr,
    /// From the name to the last line's end.
    whole: &'a [u8],
    offset: usize,
}

impl<'a> Header<'a> {
    /// The value without the line end, continuation lines still indented.
    fn value(&self) -> &'a [u8] {
        let value = &self.whole[self.name.len()..];
        let value = value.strip_prefix(b" ").unwrap_or(value);
        value.strip_suffix(b"\n").unwrap_or(value)
    }

    fn shown(&self) -> String {
        format!("`{}`", printable(self.name, 40))
    }
}

/// Splits an object into headers and message; the error is the rest of "the commit …".
fn split(raw: &[u8]) -> Result<(Vec<Header<'_>>, &BStr), String> {
    if raw.len() > OBJECT_LIMIT {
        return Err(format!("is larger than {} MiB", OBJECT_LIMIT >> 20));
    }
    if raw.contains(&0) {
        return Err("has a NUL byte, behind which git would not look".to_owned());
    }
    let end = raw.find(b"\n\n").ok_or("has no blank line behind its headers")?;
    let mut headers: Vec<Header<'_>> = Vec::new();
    let mut offset = 0;
    for line in raw[..=end].lines_with_terminator() {
        match (line.starts_with(b" "), headers.last_mut()) {
            (true, None) => return Err("begins with a continuation line".to_owned()),
            (true, Some(last)) => last.whole = &raw[last.offset..offset + line.len()],
            (false, _) => headers.push(Header { name: name_of(line), whole: line, offset }),
        }
        offset += line.len();
    }
    Ok((headers, raw[end + 2..].as_bstr()))
}

fn name_of(line: &[u8]) -> &BStr {
    let end = line.find_byteset(b" \n").unwrap_or(line.len());
    line[..end].as_bstr()
}

/// The headers that are still to be read, in order.
struct Headers<'l, 'a> {
    lines: &'l [Header<'a>],
}

impl<'a> Headers<'_, 'a> {
    fn next_is(&self, name: &str) -> bool {
        self.lines.first().is_some_and(|header| header.name == name)
    }

    /// Takes the next header, which must be a single line named `name`.
    fn value(&mut self, name: &str) -> Result<&'a [u8], String> {
        let found = self.lines.first().map_or("nothing".to_owned(), Header::shown);
        if !self.next_is(name) {
            return Err(format!("has {found} where `{name}` belongs"));
        }
        let value = self.lines[0].value();
        self.lines = &self.lines[1..];
        match value.contains(&b'\n') {
            true => Err(format!("has a `{name}` of several lines")),
            false => Ok(value),
        }
    }

    fn text(&mut self, name: &str) -> Result<String, String> {
        let value = self.value(name)?;
        let text = value.to_str().map_err(|_| format!("has a `{name}` that is no UTF-8"))?;
        Ok(text.to_owned())
    }

    fn object_id(&mut self, name: &str) -> Result<ObjectId, String> {
        let value = self.text(name)?;
        value.parse().map_err(|_| format!("has a `{name}` that is no object id"))
    }

    /// Takes `NAME <MAIL> SECONDS ZONE` and returns the seconds.
    fn identity(&mut self, name: &str) -> Result<i64, String> {
        let value = self.value(name)?;
        seconds_of(value).ok_or_else(|| format!("has a malformed `{name}`"))
    }
}

fn seconds_of(identity: &[u8]) -> Option<i64> {
    let (person, time) = identity.rsplit_once_str("> ")?;
    let mail_is_one = person.find_byteset(b"<>") == person.rfind_byteset(b"<>");
    let (seconds, zone) = time.to_str().ok()?.split_once(' ')?;
    let digits = zone.strip_prefix(['+', '-'])?;
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let fine = mail_is_one && person.contains(&b'<') && all_digits(digits) && all_digits(seconds);
    if fine { seconds.parse().ok() } else { None }
}

/// What every commit begins with, in this order.
struct FixedHeaders {
    tree: ObjectId,
    parents: Vec<ObjectId>,
    committer_seconds: i64,
}

impl FixedHeaders {
    fn take(headers: &mut Headers<'_, '_>) -> Result<FixedHeaders, String> {
        let tree = headers.object_id("tree")?;
        let mut parents = Vec::new();
        while headers.next_is("parent") {
            parents.push(headers.object_id("parent")?);
        }
        headers.identity("author")?;
        let committer_seconds = headers.identity("committer")?;
        Ok(FixedHeaders { tree, parents, committer_seconds })
    }
}

/// Finds the one `gpgsig` among the headers behind the committer, and refuses what must not be there.
///
/// Headers that other tools add (`change-id`, `HG:rename`) and `mergetag` are covered by the signature
/// and do no harm.
fn signature_among<'a>(headers: &[Header<'a>]) -> Result<Option<Header<'a>>, Refusal> {
    let mut signature: Option<Header<'a>> = None;
    let mut encodings = 0;
    for header in headers {
        match header.name.as_bytes() {
            b"gpgsig" if signature.is_some() => return Err(two_signatures()),
            b"gpgsig" => signature = Some(*header),
            b"tree" | b"parent" | b"author" | b"committer" => {
                return Err(malformed_commit(&format!("has a second or late {}", header.shown())));
            }
            b"encoding" if encodings > 0 => {
                return Err(malformed_commit("has two `encoding` headers"));
            }
            b"encoding" => encodings += 1,
            name if name.to_ascii_lowercase().starts_with(b"gpgsig") => {
                let words = format!("has the signature header {}", header.shown());
                return Err(malformed_commit(&format!("{words}, which no signature here covers")));
            }
            name if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) => {
                return Err(malformed_commit("has a header without a readable name"));
            }
            _ => {}
        }
    }
    match signature {
        Some(header) if header.value().len() > SIGNATURE_LIMIT => Err(too_large()),
        signature => Ok(signature),
    }
}

/// Takes the one space away that begins each continuation line.
fn unfold(value: &[u8]) -> Vec<u8> {
    value.replace(b"\n ", b"\n")
}

fn without(raw: &[u8], header: Header<'_>) -> Vec<u8> {
    [&raw[..header.offset], &raw[header.offset + header.whole.len()..]].concat()
}

/// Lines that begin a signature at the end of a tag, as git knows them.
const MARKERS: [&[u8]; 4] = [
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN SIGNED MESSAGE-----",
    b"-----BEGIN SSH SIGNATURE-----",
];

/// Finds the signature that ends a tag's message, which begins at `message`.
fn signature_at_end(raw: &[u8], message: usize) -> Result<Option<Signed>, Refusal> {
    let mut starts = Vec::new();
    let mut offset = message;
    for line in raw[message..].lines_with_terminator() {
        if MARKERS.iter().any(|marker| line.starts_with(marker)) {
            starts.push(offset);
        }
        offset += line.len();
    }
    let [start] = starts[..] else {
        return if starts.is_empty() { Ok(None) } else { Err(two_signatures()) };
    };
    if raw.len() - start > SIGNATURE_LIMIT {
        return Err(too_large());
    }
    Ok(Some(Signed {
        signature: raw[start..].to_vec(),
        payload: raw[..start].to_vec(),
    }))
}

fn malformed_commit(why: &str) -> Refusal {
    Refusal::new("malformed-commit", format!("the commit {why}"))
        .hint("make the commit again with git and sign that")
}

fn malformed_tag(why: &str) -> Refusal {
    Refusal::new("malformed-tag", format!("the tag {why}"))
        .hint("make the tag again with git and sign that")
}

fn two_signatures() -> Refusal {
    Refusal::new("signature-count", "there is more than one signature; exactly one is expected")
        .hint("sign it again: git commit --amend -S, or git tag -f -s")
}

fn too_large() -> Refusal {
    let limit = SIGNATURE_LIMIT >> 10;
    Refusal::new("signature-too-large", format!("the signature is larger than {limit} KiB"))
        .hint("sign it again with one key")
}
