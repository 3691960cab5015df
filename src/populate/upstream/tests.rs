//! Tarballs made by git, by tar in four compressions, and by people who mean harm.

use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use bstr::{BString, ByteSlice};
use proptest::prelude::*;
use tar::{EntryType, Header};

use super::compression::Compression;
use super::tarball::{Imported, Limits, import};
use crate::git::{EntryMode, Objects, Store, Trust};
use crate::outcome::{Fault, Result};

struct World {
    folder: tempfile::TempDir,
    objects: Objects,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::init_bare(&folder.path().join("scratch.git")).unwrap();
        World { objects: store.objects(), folder }
    }

    fn import(&self, tarball: &[u8]) -> Result<Imported> {
        import(tarball, &self.objects, &Limits::default())
    }

    /// Every path with its mode and content, in order.
    fn listing(&self, imported: &Imported) -> Vec<(String, EntryMode, String)> {
        let mut found = Vec::new();
        let mut waiting = vec![(String::new(), imported.tree)];
        while let Some((above, tree)) = waiting.pop() {
            for entry in self.objects.tree(&tree).unwrap() {
                let path = format!("{above}{}", entry.name);
                if entry.mode == EntryMode::Tree {
                    waiting.push((format!("{path}/"), entry.id));
                    continue;
                }
                let content = self.objects.blob(&entry.id).unwrap();
                found.push((path, entry.mode, content.to_str_lossy().into_owned()));
            }
        }
        found.sort();
        found
    }
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("HOME", folder).env("LC_ALL", "C");
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Alice")
            .env(format!("GIT_{who}_EMAIL"), "a@x.example");
        command.env(format!("GIT_{who}_DATE"), "2024-01-02T03:04:05Z");
    }
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {words}");
    output.stdout
}

fn put(folder: &Path, path: &[u8], content: &[u8], mode: u32) {
    let path = folder.join(std::ffi::OsStr::from_bytes(path));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A project with something of everything that git can hold.
fn project(folder: &Path) {
    put(folder, b"README", b"words\n", 0o644);
    put(folder, b"configure", b"#!/bin/sh\n", 0o755);
    put(folder, b"empty", b"", 0o644);
    put(folder, b"src/lib/deep/er/file.c", b"int x;\r\n\0", 0o644);
    put(folder, b"src-a", b"sorts between src and src/", 0o644);
    put(folder, b"name \xff\xfe\t \\ \"quoted\"", b"latin", 0o644);
    put(folder, "ünïcode/ß".as_bytes(), b"u", 0o644);
    put(
        folder,
        format!("{}/{}", "d".repeat(120), "f".repeat(200)).as_bytes(),
        b"long",
        0o755,
    );
    put(folder, b".gitignore", b"*.o\n", 0o644);
    std::os::unix::fs::symlink("src/lib", folder.join("link")).unwrap();
    std::os::unix::fs::symlink("../".to_owned() + &"t".repeat(150), folder.join("src/long-link"))
        .unwrap();
    std::os::unix::fs::symlink("nowhere", folder.join("dangling")).unwrap();
}

fn commit_all(folder: &Path) -> String {
    run(folder, "git", &["init", "--quiet"]);
    run(folder, "git", &["add", "--all"]);
    run(folder, "git", &["commit", "--quiet", "--allow-empty", "--message", "all"]);
    let tree = run(folder, "git", &["rev-parse", "HEAD^{tree}"]);
    tree.trim().to_str().unwrap().to_owned()
}

#[test]
fn what_git_archives_is_imported_as_the_same_tree() {
    let world = World::new();
    let folder = world.folder.path().join("project");
    std::fs::create_dir(&folder).unwrap();
    project(&folder);
    let tree = commit_all(&folder);
    for (prefix, top) in
        [("hello-1.0/", Some("hello-1.0")), ("ein name/", Some("ein name")), ("", None)]
    {
        let prefix = format!("--prefix={prefix}");
        let tarball = run(&folder, "git", &["archive", "--format=tar", &prefix, "HEAD"]);
        let imported = world.import(&tarball).unwrap();
        assert_eq!(imported.tree.to_string(), tree, "{prefix}");
        assert_eq!(imported.top, top.map(BString::from));
        assert_eq!(imported.notes, Vec::<String>::new());
    }
}

#[test]
fn tar_in_every_format_and_compression_gives_the_same_tree() {
    let world = World::new();
    let folder = world.folder.path().join("hello-1.0");
    std::fs::create_dir(&folder).unwrap();
    project(&folder);
    let tree = commit_all(&folder);
    std::fs::remove_dir_all(folder.join(".git")).unwrap();
    let kinds = [
        (None, Compression::None),
        (Some("--gzip"), Compression::Gzip),
        (Some("--bzip2"), Compression::Bzip2),
        (Some("--xz"), Compression::Xz),
    ];
    for format in ["--format=gnu", "--format=pax"] {
        for (flag, compression) in kinds {
            let arguments = ["--create", "--file=-", format].into_iter().chain(flag);
            let arguments: Vec<_> = arguments.chain(["hello-1.0"]).collect();
            let tarball = run(world.folder.path(), "tar", &arguments);
            assert_eq!(Compression::of(&tarball), compression);
            let imported = world.import(&tarball).unwrap();
            assert_eq!(imported.tree.to_string(), tree, "{arguments:?}");
            assert_eq!(imported.top, Some("hello-1.0".into()));
        }
        let tarball =
            run(world.folder.path(), "tar", &["--create", "--file=-", format, "./hello-1.0"]);
        for zstandard in [zstandard(&tarball), zstandard_stored(&tarball)] {
            assert_eq!(Compression::of(&zstandard), Compression::Zstandard);
            assert_eq!(world.import(&zstandard).unwrap().tree.to_string(), tree);
        }
    }
}

fn zstandard(content: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A skippable frame, then a frame for each piece of the content, in raw blocks (RFC 8878).
fn zstandard_stored(content: &[u8]) -> Vec<u8> {
    let mut frames = vec![0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    for piece in content.chunks(3 * 60_000) {
        // No single segment, no checksum, no content size; a window of 128 KiB.
        frames.extend([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38]);
        let mut blocks = piece.chunks(60_000).peekable();
        while let Some(block) = blocks.next() {
            let last = u32::from(blocks.peek().is_none());
            frames.extend(&((block.len() as u32) << 3 | last).to_le_bytes()[..3]);
            frames.extend(block);
        }
    }
    frames
}

#[test]
fn compressed_files_may_have_several_parts() {
    let world = World::new();
    let tarball = Tar::new().file("a/f", b"content").file("a/g", b"more").end();
    let (one, two) = tarball.split_at(700);
    let gzip = |part: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap()
    };
    let bzip2 = |part: &[u8]| {
        let mut encoded = Vec::new();
        let mut encoder = bzip2::read::BzEncoder::new(part, bzip2::Compression::fast());
        encoder.read_to_end(&mut encoded).unwrap();
        encoded
    };
    let wanted = world.import(&tarball).unwrap();
    assert_eq!(world.import(&[gzip(one), gzip(two)].concat()).unwrap(), wanted);
    assert_eq!(world.import(&[bzip2(one), bzip2(two)].concat()).unwrap(), wanted);
    assert_eq!(world.import(&[zstandard(one), zstandard(two)].concat()).unwrap(), wanted);
}

/// Builds tars that no honest program writes.
struct Tar {
    builder: tar::Builder<Vec<u8>>,
}

impl Tar {
    fn new() -> Tar {
        Tar { builder: tar::Builder::new(Vec::new()) }
    }

    fn member(
        mut self,
        path: &[u8],
        kind: EntryType,
        mode: u32,
        link: &[u8],
        content: &[u8],
    ) -> Tar {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        let fields = header.as_gnu_mut().unwrap();
        fields.name[..path.len()].copy_from_slice(path);
        fields.linkname[..link.len()].copy_from_slice(link);
        header.set_cksum();
        self.builder.append(&header, content).unwrap();
        self
    }

    fn file(self, path: &str, content: &[u8]) -> Tar {
        self.member(path.as_bytes(), EntryType::Regular, 0o644, b"", content)
    }

    fn folder(self, path: &str) -> Tar {
        self.member(path.as_bytes(), EntryType::Directory, 0o755, b"", b"")
    }

    fn symlink(self, path: &str, target: &str) -> Tar {
        self.member(path.as_bytes(), EntryType::Symlink, 0o777, target.as_bytes(), b"")
    }

    fn hard_link(self, path: &str, target: &str) -> Tar {
        self.member(path.as_bytes(), EntryType::Link, 0o644, target.as_bytes(), b"")
    }

    fn special(self, path: &str, kind: EntryType, content: &[u8]) -> Tar {
        self.member(path.as_bytes(), kind, 0o644, b"", content)
    }

    fn pax(self, kind: EntryType, key: &str, value: &str) -> Tar {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len() + 1;
        while length != rest.len() + length.to_string().len() {
            length += 1;
        }
        self.special("pax", kind, format!("{length}{rest}").as_bytes())
    }

    fn end(self) -> Vec<u8> {
        self.builder.into_inner().unwrap()
    }
}

fn refused(answer: Result<Imported>) -> (&'static str, String) {
    match answer {
        Err(Fault::Refused(refusal)) => (refusal.code.0, refusal.message),
        other => panic!("is not refused: {other:?}"),
    }
}

#[test]
fn hostile_members_are_refused_by_name() {
    let f = || Tar::new().file("t/f", b"x");
    let table = [
        (f().file("/etc/passwd", b""), "/etc/passwd, which is absolute"),
        (f().file("t/../../f", b""), "t/../../f, which climbs out"),
        (f().file("..", b""), "climbs out"),
        (f().file("t/.git/hooks/post-checkout", b""), "`.git`"),
        (f().file("t/.GiT", b""), "`.git`"),
        (f().folder("t/sub/.git/"), "`.git`"),
        (f().file("t/GIT~1/x", b""), "`.git`"),
        (f().special("t/dev", EntryType::Char, b""), "t/dev is a character device"),
        (f().special("t/dev", EntryType::Block, b""), "t/dev is a block device"),
        (f().special("t/pipe", EntryType::Fifo, b""), "t/pipe is a named pipe"),
        (
            f().special("t/odd", EntryType::new(b'Q'), b""),
            "t/odd is of the unknown type 'Q'",
        ),
        (f().special("t/holes", EntryType::GNUSparse, b""), "t/holes is a sparse file"),
        (
            f().pax(EntryType::XHeader, "GNU.sparse.major", "1").file("t/h", b""),
            "sparse file",
        ),
        (f().pax(EntryType::XHeader, "size", "99").file("t/h", b""), "t/h has two sizes"),
        (f().pax(EntryType::XHeader, "size", "-1").file("t/h", b""), "the size \"-1\""),
        (
            f().pax(EntryType::XHeader, "path", "../x").file("t/h", b""),
            "../x, which climbs out",
        ),
        (f().pax(EntryType::XHeader, "path", "t/\0x").file("t/h", b""), "NUL"),
        (f().pax(EntryType::XGlobalHeader, "path", "x").file("t/h", b""), "global header"),
        (
            f().special("x", EntryType::XHeader, &vec![b' '; 2_000_000]),
            "a header of 2000000 bytes",
        ),
        (f().special("x", EntryType::GNULongName, &vec![b'a'; 2_000_000]), "a header of"),
        (
            f().special("x", EntryType::GNULongName, &[b'a'; 9_000]).file("y", b""),
            "longer than 4096",
        ),
        (
            f().special("x", EntryType::GNULongName, "a/".repeat(300).as_bytes()).file("y", b""),
            "deeper than 200",
        ),
        (f().symlink("t/l", "/etc/passwd"), "the link l leads out of it, to /etc/passwd"),
        (f().symlink("t/l", "../x"), "the link l leads out"),
        (f().symlink("t/a/l", "b/../../../x"), "the link a/l leads out"),
        (
            f().symlink("t/a/b/up", "../..").symlink("t/l", "a/b/up/.."),
            "the link l leads out",
        ),
        (f().symlink("t/l", "m/x").symlink("t/m", "n").symlink("t/n", ".."), "leads out"),
        (f().symlink("t/l", ""), "empty"),
        (f().symlink("t/l", ".").file("t/l/x", b""), "t/l/x is one kind of thing first"),
        (f().symlink("t/f", "g"), "t/f is one kind of thing first"),
        (f().folder("t/f"), "t/f is one kind of thing first"),
        (f().file("t", b""), "t is one kind of thing first"),
        (f().file("t/f/g", b""), "t/f/g is one kind of thing first"),
        (f().hard_link("t/h", "t/later").file("t/later", b""), "no earlier file"),
        (f().hard_link("t/h", "../../etc/passwd"), "climbs out"),
        (f().hard_link("t/h", "/etc/passwd"), "is absolute"),
        (f().hard_link("t/h", "t"), "no earlier file"),
        (
            f().special("t/l", EntryType::Symlink, b"hidden"),
            "has a content but is no file",
        ),
        (f().file(".", b""), "a file without a name"),
    ];
    let world = World::new();
    for (tar, words) in table {
        let (code, message) = refused(world.import(&tar.end()));
        assert_eq!(code, "tarball-hostile", "{words}: {message}");
        assert!(message.contains(words), "{words:?} is not in {message:?}");
        assert!(!message.contains('\0'));
    }
}

#[test]
fn odd_members_of_honest_archives_are_taken() {
    let world = World::new();
    let tarball = Tar::new()
        .pax(EntryType::XGlobalHeader, "comment", "1234")
        .special("label", EntryType::new(b'V'), b"")
        .folder("./t/")
        .folder("t/empty/")
        .member(b"t/old-folder/", EntryType::Regular, 0o755, b"", b"")
        .file("t//old-folder/./f", b"f")
        .member(b"t/tool", EntryType::Regular, 0o4755, b"", b"#!")
        .member(b"t/group", EntryType::Continuous, 0o664, b"", b"g")
        .hard_link("t/tool2", "./t/tool")
        .symlink("t/sub/up", "../tool")
        .symlink("t/loop", "loop")
        .hard_link("t/loop2", "t/loop")
        .file("t/twice", b"1")
        .file("t/twice", b"2")
        .end();
    let imported = world.import(&tarball).unwrap();
    let wanted = [
        ("group", EntryMode::File, "g"),
        ("loop", EntryMode::Symlink, "loop"),
        ("loop2", EntryMode::Symlink, "loop"),
        ("old-folder/f", EntryMode::File, "f"),
        ("sub/up", EntryMode::Symlink, "../tool"),
        ("tool", EntryMode::Executable, "#!"),
        ("tool2", EntryMode::Executable, "#!"),
        ("twice", EntryMode::File, "2"),
    ];
    let wanted = wanted.map(|(path, mode, content)| (path.to_owned(), mode, content.to_owned()));
    assert_eq!(world.listing(&imported), wanted);
    assert_eq!(imported.top, Some("t".into()));
    let notes = imported.notes.join("\n");
    for words in
        ["t/tool has setuid", "t/twice is in the tarball more than once", "1 empty folders"]
    {
        assert!(notes.contains(words), "{notes}");
    }
}

#[test]
fn only_one_folder_that_holds_everything_is_taken_off() {
    let table = [
        (Tar::new().file("a/f", b""), Some("a"), vec!["f"]),
        (Tar::new().file("a/b/f", b""), Some("a"), vec!["b/f"]),
        (Tar::new().file("a/f", b"").file("b", b""), None, vec!["a/f", "b"]),
        (Tar::new().file("a/f", b"").folder("b"), None, vec!["a/f"]),
        (Tar::new().file("f", b""), None, vec!["f"]),
    ];
    let world = World::new();
    for (tar, top, paths) in table {
        let imported = world.import(&tar.end()).unwrap();
        assert_eq!(imported.top, top.map(BString::from));
        let found: Vec<_> = world.listing(&imported).into_iter().map(|(path, ..)| path).collect();
        assert_eq!(found, paths);
    }
}

#[test]
fn what_is_no_tarball_or_half_of_one_is_refused() {
    let world = World::new();
    let noise: Vec<u8> =
        (0..3000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
    let whole = Tar::new().file("t/f", &noise).end();
    let zip = b"PK\x03\x04".repeat(200);
    for bytes in [&b""[..], b"<html>not found</html>", &zip, &whole[..600], &whole[..9000]] {
        assert_eq!(refused(world.import(bytes)).0, "tarball-damaged", "{}", bytes.len());
    }
    assert_eq!(refused(world.import(&Tar::new().end())).0, "tarball-damaged");
    for flag in ["--gzip", "--bzip2", "--xz"] {
        put(world.folder.path(), b"t/f", &noise, 0o644);
        let compressed = run(world.folder.path(), "tar", &["--create", "--file=-", flag, "t"]);
        let half = &compressed[..compressed.len() / 2];
        assert_eq!(refused(world.import(half)).0, "tarball-damaged", "{flag}");
    }
    let zstandard = zstandard(&whole);
    assert_eq!(refused(world.import(&zstandard[..zstandard.len() / 2])).0, "tarball-damaged");
}

#[test]
fn what_is_over_a_limit_is_refused() {
    let world = World::new();
    let tarball = Tar::new().file("t/f", &[0; 5000]).file("t/g", b"").end();
    let table = [
        (Limits { entries: 1, ..Limits::default() }, "more than 1 members"),
        (Limits { file: 4999, ..Limits::default() }, "t/f has 5000 bytes, more than 4999"),
        (Limits { total: 5000, ..Limits::default() }, "more than 5000 bytes"),
    ];
    for (limits, words) in table {
        let (code, message) = refused(import(&tarball[..], &world.objects, &limits));
        assert_eq!(code, "tarball-too-large");
        assert!(message.contains(words), "{message}");
    }
    let (code, _) =
        refused(import(&tarball[..], &world.objects, &Limits { path: 2, ..Limits::default() }));
    assert_eq!(code, "tarball-hostile");
}

/// A member that claims a terabyte, then zeros without end.
struct Endless {
    start: std::io::Cursor<Vec<u8>>,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.start.read(buffer)? {
            0 => {
                buffer.fill(0);
                Ok(buffer.len())
            }
            read => Ok(read),
        }
    }
}

#[test]
fn a_bomb_goes_off_in_a_bucket() {
    let mut header = Header::new_gnu();
    header.set_path("t/f").unwrap();
    header.set_entry_type(EntryType::Directory);
    header.set_size(1 << 40);
    header.set_mode(0o644);
    header.set_cksum();
    let start = std::io::Cursor::new(header.as_bytes().to_vec());
    let mut plain = Endless { start };
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut (&mut plain).take(80 * 1024 * 1024), &mut bomb).unwrap();
    let bomb = bomb.finish().unwrap();
    let mut content = Vec::new();
    let limits = super::compression::Expansion { total: u64::MAX, ratio: 400 };
    let mut reader = super::compression::open(&bomb[..], limits).unwrap();
    let error = reader.read_to_end(&mut content).unwrap_err();
    assert!(error.to_string().contains("more than 400 times"), "{error}");
    assert!(content.len() < 70 * 1024 * 1024);
    let world = World::new();
    let tarball = Tar::new().file("t/f", b"").end();
    let limits = Limits { total: 1024 * 1024, ..Limits::default() };
    let members =
        tarball[..512].chain(Endless { start: std::io::Cursor::new(header.as_bytes().to_vec()) });
    let (code, _) = refused(import(members, &world.objects, &limits));
    assert!(["tarball-hostile", "tarball-too-large"].contains(&code), "{code}");
}

fn any_tree() -> impl Strategy<Value = Vec<(Vec<u8>, bool, Vec<u8>)>> {
    let part = "[a-cA-Zé .*%-]{1,6}|\\PC{1,3}";
    let part = part.prop_filter("is no legal name", |part: &String| {
        !part.contains(['/', '\0'])
            && part != "."
            && part != ".."
            && !part.eq_ignore_ascii_case(".git")
    });
    let path = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/").into_bytes());
    let content = prop::collection::vec(any::<u8>(), 0..1500);
    prop::collection::vec((path, any::<bool>(), content), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_tree_survives_git_archive(files in any_tree()) {
        let world = World::new();
        let folder = world.folder.path().join("project");
        std::fs::create_dir(&folder).unwrap();
        for (path, executable, content) in files {
            let at = folder.join(std::ffi::OsStr::from_bytes(&path));
            if at.parent().is_some_and(|above| std::fs::create_dir_all(above).is_ok()) && !at.exists() {
                put(&folder, &path, &content, if executable { 0o755 } else { 0o644 });
            }
        }
        let tree = commit_all(&folder);
        let tarball = run(&folder, "git", &["archive", "--format=tar.gz", "--prefix=p/", "HEAD"]);
        prop_assert_eq!(world.import(&tarball).unwrap().tree.to_string(), tree);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_damage_brings_it_down(places in prop::collection::vec((0usize..4096, any::<u8>()), 1..8), cut in 0usize..4096) {
        let mut bytes = Tar::new().file("t/f", b"content").symlink("t/l", "f").hard_link("t/h", "t/f")
            .pax(EntryType::XHeader, "path", "t/long").file("t/s", b"x").end();
        for (place, byte) in places {
            let length = bytes.len();
            bytes[place % length] = byte;
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        let world = World::new();
        let _ = world.import(&bytes);
    }
}

/// A small tarball in each compression.
fn compressed_tarballs() -> &'static [Vec<u8>] {
    static MADE: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    MADE.get_or_init(|| {
        let world = World::new();
        let text: Vec<u8> =
            (0..4000_u32).flat_map(|n| format!("{} ", n * n % 911).into_bytes()).collect();
        put(world.folder.path(), b"t/f", &text, 0o644);
        let tar = |flag| run(world.folder.path(), "tar", &["--create", "--file=-", flag, "t"]);
        let mut made: Vec<_> = ["--gzip", "--bzip2", "--xz"].map(tar).to_vec();
        made.push(zstandard(&tar("--format=gnu")));
        made
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_damaged_compression_brings_it_down(
        which in 0usize..4,
        places in prop::collection::vec((0usize..65536, any::<u8>()), 1..6),
        cut in prop::option::of(0usize..65536),
    ) {
        let mut bytes = compressed_tarballs()[which].clone();
        let length = bytes.len();
        for (place, byte) in places {
            bytes[place % length] = byte;
        }
        bytes.truncate(cut.map_or(length, |cut| cut % length));
        let limits = super::compression::Expansion { total: 10_000_000, ratio: 400 };
        let reader = super::compression::open(&bytes[..], limits).unwrap();
        let _ = std::io::copy(&mut { reader }, &mut std::io::sink());
    }
}

#[test]
fn git_finds_nothing_wrong_with_an_imported_tree() {
    let world = World::new();
    let folder = world.folder.path().join("hello");
    std::fs::create_dir(&folder).unwrap();
    project(&folder);
    let tarball = run(world.folder.path(), "tar", &["--create", "--file=-", "hello"]);
    world.import(&tarball).unwrap();
    let scratch = world.folder.path().join("scratch.git");
    run(&scratch, "git", &["fsck", "--strict", "--no-dangling"]);
    assert!(Store::open(&scratch, Trust::InPlace).is_ok());
}
