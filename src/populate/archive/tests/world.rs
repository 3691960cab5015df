//! A bare repository in a temporary folder, without refs, and the real tools beside it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::git::{Commit, Store, Trust};

/// Something in a tree.
#[derive(Debug, Clone)]
pub(super) struct Item {
    path: Vec<u8>,
    mode: &'static str,
    content: Vec<u8>,
}

pub(super) fn file(path: impl Into<Vec<u8>>, content: impl Into<Vec<u8>>) -> Item {
    Item { path: path.into(), mode: "100644", content: content.into() }
}

pub(super) fn executable(path: impl Into<Vec<u8>>, content: impl Into<Vec<u8>>) -> Item {
    Item { mode: "100755", ..file(path, content) }
}

pub(super) fn link(path: impl Into<Vec<u8>>, target: impl Into<Vec<u8>>) -> Item {
    Item { mode: "120000", ..file(path, target) }
}

pub(super) fn submodule(path: impl Into<Vec<u8>>) -> Item {
    Item { mode: "160000", ..file(path, "") }
}

fn hermetic(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder)
        .env("LC_ALL", "C")
        .env("TZ", "UTC");
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_ATTR_NOSYSTEM", "1").current_dir(folder);
    command
}

/// Runs a tool and returns what it wrote; a tool that fails or is missing fails the test.
fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("it can be waited for")
    });
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn line(output: Vec<u8>) -> String {
    String::from_utf8(output).expect("ids are ASCII").trim().to_owned()
}

pub(super) fn head_of(folder: &Path) -> String {
    line(run(hermetic("git", folder).args(["rev-parse", "HEAD"]), b""))
}

pub(super) fn git_archive_in(folder: &Path, id: &str, prefix: &str) -> Vec<u8> {
    let prefix = format!("--prefix={prefix}");
    run(
        hermetic("git", folder).args([
            "-c",
            "core.abbrev=12",
            "archive",
            "--format=tar",
            &prefix,
            id,
        ]),
        b"",
    )
}

pub(super) fn gunzip(packed: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    let mut decoder = flate2::bufread::GzDecoder::new(packed);
    std::io::Read::read_to_end(&mut decoder, &mut tar).expect("it is gzip");
    assert!(decoder.into_inner().is_empty(), "there is one member");
    tar
}

/// The repository.
pub(super) struct World {
    folder: TempDir,
}

impl World {
    pub(super) fn new() -> World {
        let world = World { folder: tempfile::tempdir().expect("a temporary folder") };
        world.git(&["init", "-q", "--bare", "."], b"");
        world
    }

    fn git(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        run(hermetic("git", self.folder.path()).args(arguments), input)
    }

    pub(super) fn commit(&self, items: &[Item]) -> String {
        self.commit_with(items, b"a message\n", "1700000000 +0100", &[])
    }

    /// Makes a commit and returns its id; of items that cannot be in one tree the later ones win.
    pub(super) fn commit_with(
        &self,
        items: &[Item],
        message: &[u8],
        time: &str,
        parents: &[&str],
    ) -> String {
        let mut stream = b"commit refs/heads/made\n".to_vec();
        let people = format!(
            "author Ann O. Ther <ann@x.example> {time}\ncommitter Com <com@y.example> {time}\n"
        );
        stream.extend_from_slice(people.as_bytes());
        data(&mut stream, message);
        for (number, parent) in parents.iter().enumerate() {
            let word = if number == 0 { "from" } else { "merge" };
            stream.extend_from_slice(format!("{word} {parent}\n").as_bytes());
        }
        stream.extend_from_slice(b"deleteall\n");
        for item in items {
            let what = if item.mode == "160000" { "a".repeat(40) } else { "inline".into() };
            stream.extend_from_slice(format!("M {} {what} ", item.mode).as_bytes());
            stream.extend_from_slice(&quoted(&item.path));
            stream.push(b'\n');
            if item.mode != "160000" {
                data(&mut stream, &item.content);
            }
        }
        self.git(&["fast-import", "--quiet", "--force"], &stream);
        let id = line(self.git(&["rev-parse", "refs/heads/made"], b""));
        self.git(&["update-ref", "-d", "refs/heads/made"], b"");
        id
    }

    /// Makes a commit object that git's own commands would not make, from the id of the items' tree.
    pub(super) fn commit_raw(&self, items: &[Item], raw: impl Fn(&str) -> Vec<u8>) -> String {
        let made = self.commit(items);
        let tree = line(self.git(&["rev-parse", &format!("{made}^{{tree}}")], b""));
        self.write_object("commit", &raw(&tree))
    }

    /// Makes a commit whose tree has one file of that name.
    pub(super) fn commit_of_one_raw_entry(&self, name: &str) -> String {
        let tree = [format!("100644 {name}\0").as_bytes(), &[0x11; 20]].concat();
        let tree = self.write_object("tree", &tree);
        let raw = format!("tree {tree}\nauthor A <a> 1 +0000\ncommitter C <c> 1 +0000\n\nm\n");
        self.write_object("commit", raw.as_bytes())
    }

    fn write_object(&self, kind: &str, raw: &[u8]) -> String {
        line(self.git(&["hash-object", "--literally", "-w", "--stdin", "-t", kind], raw))
    }

    pub(super) fn open(&self, id: &str) -> (Store, Commit) {
        let store = Store::open(self.folder.path(), Trust::InPlace).expect("the repository opens");
        let commit = store.objects().commit(&id.parse().expect("an id")).expect("it is a commit");
        (store, commit)
    }

    pub(super) fn git_archive(&self, id: &str, prefix: &str) -> Vec<u8> {
        git_archive_in(self.folder.path(), id, prefix)
    }

    pub(super) fn blob_at(&self, id: &str, path: &str) -> String {
        line(self.git(&["rev-parse", &format!("{id}:{path}")], b""))
    }

    /// Puts `content` in the place of a loose object, or takes it away where `content` is empty.
    pub(super) fn replace_loose(&self, id: &str, content: &[u8]) {
        let place: PathBuf = self.folder.path().join("objects").join(&id[..2]).join(&id[2..]);
        std::fs::remove_file(&place).expect("the object is loose");
        if !content.is_empty() {
            let level = flate2::Compression::fast();
            let made = std::fs::File::create(&place).expect("the folder can be written");
            let mut zlib = flate2::write::ZlibEncoder::new(made, level);
            zlib.write_all(content).expect("the file can be written");
        }
    }

    pub(super) fn gzip(&self, content: &[u8]) -> Vec<u8> {
        run(hermetic("gzip", self.folder.path()).args(["-n", "-6"]), content)
    }

    pub(super) fn gunzip(&self, content: &[u8]) -> Vec<u8> {
        run(hermetic("gzip", self.folder.path()).arg("-dc"), content)
    }

    pub(super) fn sha512sum(&self, content: &[u8]) -> String {
        let output = line(run(&mut hermetic("sha512sum", self.folder.path()), content));
        output.split(' ').next().unwrap_or_default().to_owned()
    }
}

fn data(stream: &mut Vec<u8>, content: &[u8]) {
    stream.extend_from_slice(format!("data {}\n", content.len()).as_bytes());
    stream.extend_from_slice(content);
    stream.push(b'\n');
}

fn quoted(path: &[u8]) -> Vec<u8> {
    let escaped = path.iter().map(|byte| format!("\\{byte:03o}"));
    format!("\"{}\"", escaped.collect::<String>()).into_bytes()
}

/// Returns where an entry's header is, and the length of header and content.
fn entry_at(tar: &[u8], path: &str) -> (usize, usize) {
    let is_it = |at: &usize| {
        let header = &tar[*at..];
        header.starts_with(path.as_bytes())
            && header[path.len()] == 0
            && &header[257..262] == b"ustar"
    };
    let at = (0..tar.len() - 512).step_by(512).find(is_it).expect("the entry is there");
    let digits = std::str::from_utf8(&tar[at + 124..at + 135]).expect("sizes are digits");
    let size = usize::from_str_radix(digits, 8).expect("sizes are octal");
    (at, 512 + size.next_multiple_of(512))
}

pub(super) fn without_entry(tar: &[u8], path: &str) -> Vec<u8> {
    let (at, length) = entry_at(tar, path);
    [&tar[..at], &tar[at + length..]].concat()
}

/// Renames an entry to a name of the same length.
pub(super) fn with_renamed_entry(tar: &[u8], path: &str, other: &str) -> Vec<u8> {
    let (at, _) = entry_at(tar, path);
    let mut changed = tar.to_vec();
    changed[at..at + other.len()].copy_from_slice(other.as_bytes());
    changed[at + 148..at + 156].fill(b' ');
    let sum: u32 = changed[at..at + 512].iter().map(|byte| u32::from(*byte)).sum();
    changed[at + 148..at + 156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
    changed
}

/// Puts `byte` at the start of an entry's content.
pub(super) fn with_content(tar: &[u8], path: &str, byte: u8) -> Vec<u8> {
    let (at, _) = entry_at(tar, path);
    let mut changed = tar.to_vec();
    changed[at + 512] = byte;
    changed
}
