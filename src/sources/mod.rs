//! The file `sources` of a dist-git branch: which files lie in the lookaside, and their digests.
//!
//! Four forms are read, as pyrpkg reads them; one is written, the BSD form `SHA512 (f) = hex`. Names are
//! [`FileName`]s: a name such as `.git/config` or `../f` in this file has been a way to run code, and a space or
//! parenthesis cannot be written in it.

pub mod gitignore;

use bstr::ByteSlice;

use crate::digest::{Digest, HashType, Sha512};
use crate::names::FileName;
use crate::outcome::{Refusal, printable};

/// The largest file that is read; the longest real ones have a few hundred lines.
const LARGEST: usize = 4 * 1024 * 1024;

/// One line of `sources`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceEntry {
    /// The file's name in the lookaside and beside the spec.
    pub file: FileName,
    /// Its digest; SHA-512 in everything that we write.
    pub digest: Digest,
}

/// A whole `sources` file: each name once, in the file's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourcesFile {
    entries: Vec<SourceEntry>,
}

impl SourcesFile {
    /// Reads a `sources` file; blank lines and exact repetitions are dropped.
    ///
    /// # Errors
    /// Refuses a line in none of the forms, an unsafe name, and one name with two digests.
    pub fn parse(bytes: &[u8]) -> Result<SourcesFile, Refusal> {
        if bytes.len() > LARGEST {
            let message = format!("`sources` has {} bytes, more than {LARGEST}", bytes.len());
            return Err(Refusal::new("sources-unreadable", message));
        }
        let mut file = SourcesFile::default();
        let mut lines_of = std::collections::HashMap::new();
        for (index, line) in bytes.lines().enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let entry = parse_line(line).map_err(|why| unreadable(index + 1, line, &why))?;
            match lines_of.insert(entry.file.clone(), file.entries.len()) {
                None => file.entries.push(entry),
                Some(known) if file.entries[known] == entry => {
                    lines_of.insert(entry.file, known);
                }
                Some(_) => return Err(two_digests(index + 1, &entry.file)),
            }
        }
        Ok(file)
    }

    /// Returns the entries in order.
    pub fn entries(&self) -> &[SourceEntry] {
        &self.entries
    }

    /// Returns the digest that is listed for a file.
    pub fn digest_of(&self, file: &FileName) -> Option<&Digest> {
        self.entries.iter().find(|entry| entry.file == *file).map(|entry| &entry.digest)
    }

    /// Lists a file: in the place of the entry with its name, else at the end.
    pub fn set(&mut self, file: FileName, sha512: &Sha512) {
        let digest = Digest::from(sha512);
        match self.entries.iter_mut().find(|entry| entry.file == file) {
            Some(entry) => entry.digest = digest,
            None => self.entries.push(SourceEntry { file, digest }),
        }
    }

    /// Drops the entry of a file; tells whether there was one.
    pub fn remove(&mut self, file: &FileName) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.file != *file);
        self.entries.len() < before
    }

    /// Returns the entries with another digest than SHA-512.
    ///
    /// dist-git's tools write no file that mixes hash types. Whoever adds an entry downloads these, checks them by
    /// the digest they have, and [`SourcesFile::set`]s what they hash to.
    pub fn weaker(&self) -> impl Iterator<Item = &SourceEntry> {
        self.entries.iter().filter(|entry| entry.digest.hash_type() != HashType::Sha512)
    }

    /// Returns the file in BSD form, a line for each entry.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        for SourceEntry { file, digest } in &self.entries {
            let word = digest.hash_type().as_str().to_ascii_uppercase();
            text.push_str(&format!("{word} ({file}) = {}\n", digest.hex()));
        }
        text.into_bytes()
    }
}

fn unreadable(number: usize, line: &[u8], why: &str) -> Refusal {
    let message = format!("line {number} of `sources`, {:?}, {why}", printable(line, 200));
    Refusal::new("sources-unreadable", message)
        .hint("write each line as `SHA512 (FILE) = 128 hex digits`, FILE without slash or space")
}

fn two_digests(number: usize, file: &FileName) -> Refusal {
    let message = format!("line {number} of `sources` lists {file} again with another digest");
    Refusal::new("sources-conflict", message).hint("keep the line with the right digest")
}

/// Reads one line in any of the four forms.
fn parse_line(line: &[u8]) -> Result<SourceEntry, String> {
    let line = line.to_str().map_err(|_| "is not UTF-8")?;
    let entry = match line.split_once(" (").zip(line.split_once(") = ")) {
        Some(((word, rest), _)) => parse_bsd(word, rest),
        None => parse_older(line),
    };
    entry.map_err(|why| why.to_string())
}

/// `SHA512 (f) = hex`; the word in any case.
fn parse_bsd(word: &str, rest: &str) -> Result<SourceEntry, String> {
    let hash_type = HashType::from_word(word)
        .ok_or("begins with a hash type other than MD5, SHA1, SHA256, SHA512")?;
    let (name, hex) = rest.split_once(") = ").ok_or("has no `) = ` after the name")?;
    entry(name, hash_type, hex)
}

/// `hex  f` is MD5 whatever the length; `hex path` goes by the length, and the last part of the path counts.
fn parse_older(line: &str) -> Result<SourceEntry, String> {
    let (hex, rest) = line.split_once(' ').ok_or("is in none of the known forms")?;
    if let Some(name) = rest.strip_prefix(' ') {
        return entry(name, HashType::Md5, hex)
            .map_err(|why| format!("{why} (two spaces after the digest mean MD5)"));
    }
    let hash_type = HashType::from_hex_length(hex.len()).ok_or("is in none of the known forms")?;
    entry(plain_base(rest)?, hash_type, hex)
}

fn entry(name: &str, hash_type: HashType, hex: &str) -> Result<SourceEntry, String> {
    let file = name.parse().map_err(|error: crate::names::NameError| error.to_string())?;
    let digest = Digest::new(hash_type, hex).map_err(|error| error.to_string())?;
    Ok(SourceEntry { file, digest })
}

/// The last part of a path that goes down only, such as `SOURCES/f`.
fn plain_base(path: &str) -> Result<&str, String> {
    let bad = |part: &str| part.is_empty() || part.starts_with('.');
    let (folders, base) = path.rsplit_once('/').unwrap_or(("", path));
    match !folders.is_empty() && folders.split('/').any(bad) || path.starts_with('/') {
        true => Err("has a path that is absolute or has a part that begins with a dot".to_owned()),
        false => Ok(base),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Result<Vec<String>, Refusal> {
        let file = SourcesFile::parse(text.as_bytes())?;
        Ok(file.entries.iter().map(|entry| format!("{} {}", entry.file, entry.digest)).collect())
    }

    #[test]
    fn the_four_forms_are_read_as_dist_gits_tools_read_them() {
        let (md5, sha1) = ("d".repeat(32), "1".repeat(40));
        let (sha256, sha512) = ("2".repeat(64), "5".repeat(128));
        let table = [
            (
                format!("SHA512 (f-1.tar.gz) = {sha512}\n"),
                format!("f-1.tar.gz sha512:{sha512}"),
            ),
            (format!("sha256 (f) = {sha256}"), format!("f sha256:{sha256}")),
            (format!("Md5 (f) = {}", md5.to_uppercase()), format!("f md5:{md5}")),
            (format!("{md5}  f"), format!("f md5:{md5}")),
            (format!("{md5} SOURCES/f"), format!("f md5:{md5}")),
            (format!("{sha1} SOURCES/f"), format!("f sha1:{sha1}")),
            (format!("{sha256} f"), format!("f sha256:{sha256}")),
            (format!("{sha512} a/b/f"), format!("f sha512:{sha512}")),
        ];
        for (line, wanted) in table {
            for text in [line.clone(), format!("\r\n\n{line}\r\n{line}\n \n")] {
                assert_eq!(parsed(&text).unwrap(), std::slice::from_ref(&wanted), "{text:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_trusted_is_refused_with_its_line() {
        let (md5, sha512) = ("d".repeat(32), "5".repeat(128));
        let table = [
            ("# a comment".to_owned(), "none of the known forms"),
            ("word".to_owned(), "none of the known forms"),
            (format!("SHA3 (f) = {sha512}"), "hash type other than"),
            (format!("SHA512 (f) = {md5}"), "128 hex digits"),
            (format!("SHA512 (f) = {}g", "5".repeat(127)), "128 hex digits"),
            (format!("SHA512 (f) = {sha512} more"), "128 hex digits"),
            (format!("{sha512}  f"), "two spaces after the digest mean MD5"),
            (format!("SHA512 (../f) = {sha512}"), "begins with a dot"),
            (format!("SHA512 (..) = {sha512}"), "begins with a dot"),
            (format!("SHA512 (.git) = {sha512}"), "begins with a dot"),
            (format!("SHA512 (a/f) = {sha512}"), "has a slash"),
            (format!("SHA512 (a b) = {sha512}"), "has a slash, backslash, space"),
            (format!("SHA512 (a(1).tar) = {sha512}"), "parenthesis"),
            (format!("SHA512 () = {sha512}"), "is empty"),
            (format!("{md5}  .git/hooks/pre-push"), "begins with a dot"),
            (format!("{md5}  a/f"), "has a slash"),
            (format!("{md5} ../f"), "begins with a dot"),
            (format!("{md5} .git/f"), "begins with a dot"),
            (format!("{md5} a/.GIT/f"), "begins with a dot"),
            (format!("{md5} /etc/f"), "absolute"),
            (format!("{md5} a//f"), "begins with a dot"),
            (format!("{md5} a/"), "is empty"),
            (format!("{md5} a b"), "space"),
        ];
        for (line, wanted) in table {
            let refusal = parsed(&format!("\n{line}\n")).unwrap_err();
            assert!(refusal.message.starts_with("line 2 of"), "{}", refusal.message);
            assert!(refusal.message.contains(wanted), "{line}: {}", refusal.message);
        }
        assert!(SourcesFile::parse(b"\xff\xfe  f").is_err());
    }

    #[test]
    fn one_name_with_two_digests_is_refused() {
        let line = |digit: &str| format!("SHA512 (f) = {}\n", digit.repeat(128));
        let other_type = format!("MD5 (f) = {}\n", "1".repeat(32));
        for second in [line("2"), other_type] {
            let refusal = parsed(&(line("1") + &second)).unwrap_err();
            assert_eq!(refusal.code.0, "sources-conflict");
        }
    }

    #[test]
    fn setting_keeps_the_place_of_others_and_writes_the_bsd_form() {
        let md5 = "d".repeat(32);
        let mut file = SourcesFile::parse(format!("{md5}  z\n{md5}  a\n").as_bytes()).unwrap();
        let sha512 = Sha512::of(b"");
        assert_eq!(file.weaker().count(), 2);
        file.set("n".parse().unwrap(), &sha512);
        file.set("z".parse().unwrap(), &sha512);
        assert_eq!(file.weaker().count(), 1);
        let wanted = format!("SHA512 (z) = {sha512}\nMD5 (a) = {md5}\nSHA512 (n) = {sha512}\n");
        assert_eq!(String::from_utf8(file.to_bytes()).unwrap(), wanted);
        assert!(file.remove(&"a".parse().unwrap()) && !file.remove(&"a".parse().unwrap()));
        assert_eq!(file.digest_of(&"z".parse().unwrap()), Some(&sha512.into()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn what_is_written_is_read_the_same(
            names in prop::collection::btree_set("[A-Za-z0-9_+~%é][A-Za-z0-9._+~%=é]{0,20}", 0..12),
            digests in prop::collection::vec((0usize..4, "[0-9a-f]{128}"), 12),
        ) {
            let entries = names.into_iter().zip(digests).map(|(name, (kind, hex))| {
                let hash_type = HashType::ALL[kind];
                let digest = Digest::new(hash_type, &hex[..hash_type.hex_length()]).unwrap();
                SourceEntry { file: name.parse().unwrap(), digest }
            });
            let file = SourcesFile { entries: entries.collect() };
            prop_assert_eq!(SourcesFile::parse(&file.to_bytes()).unwrap(), file);
        }

        #[test]
        fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = SourcesFile::parse(&bytes);
        }

        #[test]
        fn no_lines_bring_it_down(text in "([A-Z]{0,3}|[0-9a-f]{0,40}|[ ()=/.\r\n]){0,30}") {
            let _ = SourcesFile::parse(text.as_bytes());
        }
    }
}
