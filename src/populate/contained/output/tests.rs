use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::git::EntryMode;
use crate::outcome::Fault;

/// An output, and the run's own folder beside it.
struct Bench {
    folder: tempfile::TempDir,
    limits: Limits,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        for name in ["output/dist-git", "output/lookaside", "work"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let mib = 1024 * 1024;
        let limits = Limits { entries: 1000, dist_git: mib, lookaside: 16 * mib, depth: 8 };
        Bench { folder, limits }
    }

    fn at(&self, below: &str) -> PathBuf {
        self.folder.path().join("output").join(below)
    }

    fn put(&self, below: &str, content: &str) {
        std::fs::create_dir_all(self.at(below).parent().unwrap()).unwrap();
        std::fs::write(self.at(below), content).unwrap();
    }

    fn mode(&self, below: &str, mode: u32) {
        std::fs::set_permissions(self.at(below), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn harvest(&self) -> Result<Harvest> {
        harvest(&self.at(""), &self.folder.path().join("work"), &self.limits)
    }

    fn code(&self) -> String {
        match self.harvest() {
            Ok(_) => "taken".to_owned(),
            Err(Fault::Refused(refusal)) => refusal.code.to_string(),
            Err(Fault::Failed(problem)) => format!("problem {}", problem.code),
        }
    }
}

#[test]
fn what_the_contract_allows_is_taken() {
    let bench = Bench::new();
    bench.put("dist-git/hello.spec", "Name: hello\n");
    bench.put("dist-git/tests/run", "#!/bin/sh\n");
    bench.mode("dist-git/tests/run", 0o755);
    symlink("../hello.spec", bench.at("dist-git/tests/spec")).unwrap();
    bench.put("lookaside/hello-1.0.tar.gz", "archive");
    bench.put("result.json", "{\"notes\": [\"done\"]}");
    let harvest = bench.harvest().unwrap();
    let modes: Vec<_> =
        harvest.files.iter().map(|(path, file)| (path.as_str(), file.mode)).collect();
    let wanted = [
        ("hello.spec", EntryMode::File),
        ("tests/run", EntryMode::Executable),
        ("tests/spec", EntryMode::Symlink),
    ];
    assert_eq!(modes, wanted);
    assert_eq!(harvest.said.notes, ["done"]);
    let archive = &harvest.archives[0];
    assert_eq!(archive.sha512, crate::digest::Sha512::of(b"archive"));
    assert_eq!(std::fs::read(archive.path.as_ref().unwrap()).unwrap(), b"archive");
}

#[test]
fn an_empty_output_is_taken() {
    let bench = Bench::new();
    std::fs::remove_dir(bench.at("dist-git")).unwrap();
    std::fs::remove_dir(bench.at("lookaside")).unwrap();
    assert!(bench.harvest().unwrap().files.is_empty());
}

type Trick = fn(&Bench);

/// Each hostile thing, and the code by which it is refused.
const TRICKS: &[(&str, &str, Trick)] = &[
    ("an absolute link", "output-link", |b| {
        symlink("/etc/passwd", b.at("dist-git/a")).unwrap()
    }),
    ("a climbing link", "output-link", |b| {
        symlink("../../etc/passwd", b.at("dist-git/a")).unwrap()
    }),
    ("a link through a link", "output-link", |b| {
        symlink(".", b.at("dist-git/d")).unwrap();
        symlink("d/../../x", b.at("dist-git/a")).unwrap();
    }),
    ("a link for a folder", "output-link", |b| {
        std::fs::remove_dir_all(b.at("dist-git")).unwrap();
        symlink("/etc", b.at("dist-git")).unwrap();
    }),
    ("a link for the result", "output-link", |b| {
        symlink("/etc/passwd", b.at("result.json")).unwrap()
    }),
    ("a link among archives", "output-lookaside", |b| {
        symlink("/etc/passwd", b.at("lookaside/a.tar")).unwrap();
    }),
    ("a folder among archives", "output-lookaside", |b| {
        b.put("lookaside/x/a.tar", "")
    }),
    ("an archive with a space", "output-lookaside", |b| {
        b.put("lookaside/a b.tar", "")
    }),
    ("a hard link", "output-hard-link", |b| {
        b.put("dist-git/a", "x");
        std::fs::hard_link(b.at("dist-git/a"), b.at("dist-git/b")).unwrap();
    }),
    ("a hard link to outside", "output-hard-link", |b| {
        std::fs::write(b.folder.path().join("secret"), "x").unwrap();
        std::fs::hard_link(b.folder.path().join("secret"), b.at("lookaside/a.tar")).unwrap();
    }),
    ("a socket", "output-socket", |b| {
        drop(std::os::unix::net::UnixListener::bind(b.at("dist-git/a")).unwrap());
    }),
    ("a pipe", "output-fifo", |b| make_fifo(&b.at("dist-git/a"))),
    ("a pipe for the result", "output-fifo", |b| make_fifo(&b.at("result.json"))),
    ("a pipe among archives", "output-fifo", |b| make_fifo(&b.at("lookaside/a.tar"))),
    ("setuid", "output-setuid", |b| {
        b.put("dist-git/a", "x");
        b.mode("dist-git/a", 0o4755);
    }),
    ("setgid on a folder", "output-setuid", |b| {
        b.put("dist-git/d/a", "x");
        b.mode("dist-git/d", 0o2755);
    }),
    ("sticky", "output-setuid", |b| {
        b.put("dist-git/a", "x");
        b.mode("dist-git/a", 0o1644);
    }),
    ("an unreadable file", "output-unreadable", |b| {
        b.put("dist-git/a", "x");
        b.mode("dist-git/a", 0o000);
    }),
    ("a line break in a name", "output-name", |b| b.put("dist-git/a\nb", "x")),
    ("a backslash in a name", "output-name", |b| b.put("dist-git/a\\b", "x")),
    ("a terminal's commands in a name", "output-name", |b| {
        b.put("dist-git/\u{1b}[2J", "x")
    }),
    ("a name that is no text", "output-name-no-text", |b| {
        std::fs::write(b.at("dist-git").join(OsStr::from_bytes(b"\xff\xfe")), "x").unwrap();
    }),
    (".git", "output-git", |b| b.put("dist-git/.git/config", "x")),
    (".git in another case", "output-git", |b| b.put("dist-git/d/.GiT", "x")),
    (".git as a file", "output-git", |b| b.put("dist-git/.git", "gitdir: /\n")),
    (".git for a Mac", "output-git", |b| b.put("dist-git/.g\u{200d}it", "x")),
    ("names that differ in case", "output-case-clash", |b| {
        b.put("dist-git/Readme", "x");
        b.put("dist-git/README", "x");
    }),
    ("folders that differ in case", "output-case-clash", |b| {
        b.put("dist-git/A/x", "x");
        b.put("dist-git/a/x", "x");
    }),
    ("too many files", "output-too-many-files", |b| {
        (0..1001).for_each(|number| b.put(&format!("dist-git/{number}"), ""));
    }),
    ("too many empty folders", "output-too-many-files", |b| {
        (0..1001).for_each(|n| std::fs::create_dir(b.at(&format!("dist-git/{n}"))).unwrap());
    }),
    ("folders without end", "output-too-deep", |b| {
        b.put(&format!("dist-git/{}x", "d/".repeat(9)), "x")
    }),
    ("a sparse terabyte", "output-too-large", |b| {
        sparse(&b.at("dist-git/a"), 1 << 40)
    }),
    ("a sparse archive", "output-too-large", |b| {
        sparse(&b.at("lookaside/a.tar"), 1 << 40)
    }),
    ("many that are too large together", "output-too-large", |b| {
        (0..3).for_each(|n| sparse(&b.at(&format!("dist-git/{n}")), 400 * 1024));
    }),
    ("something else in the root", "output-unexpected", |b| b.put("sources", "x")),
    ("a file for a folder", "output-unexpected", |b| {
        std::fs::remove_dir_all(b.at("dist-git")).unwrap();
        b.put("dist-git", "x");
    }),
    ("a folder for the result", "output-unexpected", |b| b.put("result.json/x", "x")),
    ("a huge result", "result-too-large", |b| sparse(&b.at("result.json"), 1 << 30)),
    ("a result of nonsense", "result-malformed", |b| {
        b.put("result.json", "\u{0}\u{1}")
    }),
];

fn make_fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
}

fn sparse(path: &Path, size: u64) {
    std::fs::File::create(path).unwrap().set_len(size).unwrap();
}

#[test]
fn each_hostile_thing_is_refused_by_a_code_of_its_own() {
    for (what, code, trick) in TRICKS {
        let bench = Bench::new();
        bench.put("dist-git/hello.spec", "Name: hello\n");
        trick(&bench);
        assert_eq!(bench.code(), *code, "{what}");
    }
}

#[test]
fn a_device_is_refused() {
    use rustix::fs::{AtFlags, CWD, statat};
    let stat = statat(CWD, "/dev/null", AtFlags::SYMLINK_NOFOLLOW).unwrap();
    assert_eq!(entry::kind("dist-git/null", &stat).unwrap_err().code.0, "output-device");
}

#[test]
fn what_changes_while_it_is_read_is_refused() {
    let bench = Bench::new();
    bench.put("lookaside/a.tar", &"x".repeat(4 << 20));
    let path = bench.at("lookaside/a.tar");
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let codes: Vec<String> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                let mut file = std::fs::File::options().append(true).open(&path).unwrap();
                std::io::Write::write_all(&mut file, b"more").unwrap();
            }
        });
        let look = |_| {
            let _ = std::fs::remove_file(bench.folder.path().join("work/a.tar"));
            bench.code()
        };
        let codes = (0..20).map(look).collect();
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        codes
    });
    // Where the writer was given no processor during a whole look, nothing changed, and it is taken.
    let known = ["output-changed", "output-too-large", "taken"];
    assert!(codes.iter().all(|code| known.contains(&code.as_str())), "{codes:?}");
    assert!(codes.iter().any(|code| code == "output-changed"), "{codes:?}");
}

#[test]
fn a_file_that_took_anothers_place_is_not_read() {
    // The walk looks, then opens: between the two a link takes the file's place.
    let bench = Bench::new();
    bench.put("dist-git/a", "x");
    let fd = rustix::fs::open(
        bench.at("dist-git"),
        rustix::fs::OFlags::DIRECTORY,
        rustix::fs::Mode::empty(),
    );
    let fd = fd.unwrap();
    let seen = rustix::fs::statat(&fd, "a", rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
    for replace in [
        (|path: &Path| symlink("/etc/passwd", path).unwrap()) as fn(&Path),
        |path| make_fifo(path),
        |path| std::fs::write(path, "y").unwrap(),
    ] {
        std::fs::remove_file(bench.at("dist-git/a")).unwrap();
        replace(&bench.at("dist-git/a"));
        assert!(walk::opens_as_seen(&fd, "a", &seen).is_err());
    }
}
