//! Tar headers, byte for byte as `git archive` writes them: ustar, with pax records where it is too small.

use std::io::Write;

use bstr::{BStr, BString, ByteSlice};

use crate::names::ObjectId;

/// The unit that everything in a tar stream is padded to.
pub(super) const RECORD: usize = 512;
/// The unit that the whole stream is padded to.
const STREAM_BLOCK: usize = 20 * RECORD;
/// The largest number that eleven octal digits hold: the limit of sizes and times in a ustar header.
const OCTAL_LIMIT: u64 = 0o777_7777_7777;
/// Mode of the pax headers themselves.
const PAX_MODE: u32 = 0o666;

const NAME: std::ops::Range<usize> = 0..100;
const LINK_NAME: std::ops::Range<usize> = 157..257;
const PREFIX: std::ops::Range<usize> = 345..500;

/// What an entry is, as far as its header goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape<'a> {
    /// A folder or a submodule; the path ends in a slash.
    Folder,
    /// A file and the length of its content, which is to follow.
    File { executable: bool, size: u64 },
    /// A symbolic link and its target.
    Link { target: &'a BStr },
}

impl Shape<'_> {
    fn type_flag(self) -> u8 {
        match self {
            Shape::Folder => b'5',
            Shape::File { .. } => b'0',
            Shape::Link { .. } => b'2',
        }
    }

    /// The modes that git's default `tar.umask` of 0002 leaves; links are always open.
    fn mode(self) -> u32 {
        match self {
            Shape::Folder | Shape::File { executable: true, .. } => 0o775,
            Shape::File { executable: false, .. } => 0o664,
            Shape::Link { .. } => 0o777,
        }
    }

    fn size(self) -> u64 {
        match self {
            Shape::File { size, .. } => size,
            Shape::Folder | Shape::Link { .. } => 0,
        }
    }
}

/// What all headers of one archive share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Headers {
    /// The commit time, in every entry.
    seconds: u64,
}

impl Headers {
    /// Returns the headers for a commit of that time, in seconds since 1970.
    pub(super) fn new(seconds: u64) -> Headers {
        Headers { seconds }
    }

    /// Appends the pax global header, which names the commit.
    pub(super) fn global(&self, tar: &mut Vec<u8>, commit: &ObjectId) {
        let mut records = Vec::new();
        pax_record(&mut records, "comment", commit.to_string().as_bytes());
        if self.seconds > OCTAL_LIMIT {
            pax_record(&mut records, "mtime", self.seconds.to_string().as_bytes());
        }
        // Git caps the time only once the records are made, so this header is capped like the others.
        self.pax(tar, b'g', "pax_global_header", &records);
    }

    /// Appends the header of one entry, preceded by a pax header where ustar cannot say it all.
    pub(super) fn entry(&self, tar: &mut Vec<u8>, path: &BStr, id: &ObjectId, shape: Shape<'_>) {
        let mut records = Vec::new();
        let mut header = [0; RECORD];
        set_path(&mut header, &mut records, path, id);
        if let Shape::Link { target } = shape {
            set_link(&mut header, &mut records, target, id);
        }
        let mut size = shape.size();
        if size > OCTAL_LIMIT {
            pax_record(&mut records, "size", size.to_string().as_bytes());
            size = 0;
        }
        if !records.is_empty() {
            self.pax(tar, b'x', &format!("{id}.paxheader"), &records);
        }
        self.finish(&mut header, shape.type_flag(), shape.mode(), size);
        tar.extend_from_slice(&header);
    }

    fn pax(&self, tar: &mut Vec<u8>, type_flag: u8, name: &str, records: &[u8]) {
        let mut header = [0; RECORD];
        put(&mut header[NAME], name.as_bytes());
        self.finish(&mut header, type_flag, PAX_MODE, records.len() as u64);
        tar.extend_from_slice(&header);
        tar.extend_from_slice(records);
        pad_record(tar);
    }

    fn finish(&self, header: &mut [u8; RECORD], type_flag: u8, mode: u32, size: u64) {
        put(&mut header[100..108], format!("{mode:07o}").as_bytes());
        put(&mut header[108..116], b"0000000");
        put(&mut header[116..124], b"0000000");
        put(&mut header[124..136], format!("{size:011o}").as_bytes());
        put(
            &mut header[136..148],
            format!("{:011o}", self.seconds.min(OCTAL_LIMIT)).as_bytes(),
        );
        header[148..156].fill(b' ');
        header[156] = type_flag;
        put(&mut header[257..263], b"ustar");
        put(&mut header[263..265], b"00");
        put(&mut header[265..297], b"root");
        put(&mut header[297..329], b"root");
        put(&mut header[329..337], b"0000000");
        put(&mut header[337..345], b"0000000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        put(&mut header[148..156], format!("{sum:07o}\0").as_bytes());
    }
}

fn put(field: &mut [u8], text: &[u8]) {
    field[..text.len()].copy_from_slice(text);
}

/// Puts the path into the name, else into prefix and name, else into a pax record.
fn set_path(header: &mut [u8; RECORD], records: &mut Vec<u8>, path: &BStr, id: &ObjectId) {
    if path.len() <= NAME.len() {
        return put(&mut header[NAME], path);
    }
    let split = prefix_length(path);
    let rest = &path[split + 1..];
    if split > 0 && rest.len() <= NAME.len() {
        put(&mut header[PREFIX], &path[..split]);
        return put(&mut header[NAME], rest);
    }
    put(&mut header[NAME], format!("{id}.data").as_bytes());
    pax_record(records, "path", path);
}

/// Returns where git splits a long path: at the last slash that leaves a prefix of 155 bytes at most
/// (a folder's closing slash does not count), or 0.
fn prefix_length(path: &BStr) -> usize {
    let end = path.len() - usize::from(path.ends_with(b"/"));
    path[..end.min(PREFIX.len())].rfind_byte(b'/').unwrap_or(0)
}

fn set_link(header: &mut [u8; RECORD], records: &mut Vec<u8>, target: &BStr, id: &ObjectId) {
    if target.len() <= LINK_NAME.len() {
        return put(&mut header[LINK_NAME], target);
    }
    put(&mut header[LINK_NAME], format!("see {id}.paxheader").as_bytes());
    pax_record(records, "linkpath", target);
}

/// Appends `LENGTH KEY=VALUE`, where the length counts itself.
fn pax_record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    write!(records, "{length} {key}=").expect("a Vec takes all that is written");
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// Fills the last record with zeros.
pub(super) fn pad_record(tar: &mut Vec<u8>) {
    tar.resize(tar.len().next_multiple_of(RECORD), 0);
}

/// Returns how many zeros end a stream of `length` bytes: at least two records, then to the stream block.
pub(super) fn trailer_length(length: u64) -> usize {
    let block = STREAM_BLOCK as u64;
    let tail = STREAM_BLOCK - (length % block) as usize;
    if tail < 2 * RECORD { tail + STREAM_BLOCK } else { tail }
}

/// Returns `prefix` with exactly one slash at its end.
pub(super) fn as_folder(prefix: &str) -> BString {
    let mut folder = BString::from(prefix.trim_end_matches('/'));
    folder.push(b'/');
    folder
}
