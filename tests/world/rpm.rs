//! What rpm says of the landed commit.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use super::{World, files_below, hermetic, succeed};

impl World {
    /// Builds a source package of the tip of `f44` with the archives of the lookaside, and prepares its tree.
    ///
    /// rpm must read exactly this EVR, and come to the tree of the source tip, `.distro/` aside.
    pub fn check_with_rpm(&self, evr: &str) {
        self.check_out("dist-git/hello.git", "f44", "checkout");
        let sources = self.file("sources");
        for (path, bytes) in files_below(&self.path("lookaside")) {
            // PACKAGE/FILE/sha512/DIGEST/FILE
            let parts: Vec<&str> = path.split('/').collect();
            if sources.contains(parts[3]) {
                let to = self.path("checkout").join(parts[4]);
                std::fs::write(to, bytes).expect("it can be written");
            }
        }
        let query = "%|EPOCH?{%{EPOCH}}:{0}|:%{VERSION}-%{RELEASE}\n";
        let found = self.rpm("rpmspec", &["-q", "--srpm", "--qf", query, "hello.spec"]);
        assert_eq!(found, format!("{evr}\n"));
        self.rpm("rpmbuild", &["-bs", "--quiet", "hello.spec"]);
        self.rpm("rpmbuild", &["-bp", "--nodeps", "--quiet", "hello.spec"]);
        let found = content(self.prepared());
        self.check_out("source/hello.git", "main", "tip");
        let wanted = content(self.path("tip"));
        assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
        let differs: Vec<_> = wanted.iter().filter(|(path, file)| found[*path] != **file).collect();
        assert!(differs.is_empty(), "{differs:?}");
        for folder in ["checkout", "rpm", "tip"] {
            std::fs::remove_dir_all(self.path(folder)).expect("it can be removed");
        }
    }

    fn check_out(&self, repository: &str, branch: &str, to: &str) {
        let mut git = Command::new("git");
        git.args(["clone", "--quiet", "--branch", branch]);
        succeed(hermetic(git.arg(self.path(repository)).arg(self.path(to))));
    }

    fn rpm(&self, program: &str, arguments: &[&str]) -> String {
        let here = self.path("checkout");
        let mut command = Command::new(program);
        command.current_dir(&here).env("HOME", self.path("home"));
        let top = format!("_topdir {}", self.path("rpm").display());
        let sources = format!("_sourcedir {}", here.display());
        command.args(["-D", &top, "-D", &sources, "-D", "dist .fc44"]).args(arguments);
        String::from_utf8_lossy(&succeed(hermetic(&mut command))).into_owned()
    }

    /// Returns the folder that rpm unpacked the archive to; newer versions put one more around it.
    fn prepared(&self) -> PathBuf {
        let version = self.file("hello.spec");
        let version = version.lines().find_map(|line| line.strip_prefix("Version:"));
        let top = format!("hello-{}", version.expect("a spec has a version").trim());
        let around = self.path("rpm/BUILD").join(format!("{top}-build")).join(&top);
        if around.is_dir() { around } else { self.path("rpm/BUILD").join(top) }
    }
}

/// Returns what git would store of a folder: content, and whether it is a program or a link.
fn content(folder: PathBuf) -> BTreeMap<String, (char, Vec<u8>)> {
    use std::os::unix::fs::PermissionsExt;
    let kind = |path: &str, bytes: Vec<u8>| {
        let path = folder.join(path);
        let metadata = path.symlink_metadata().expect("it was listed");
        match metadata.is_symlink() {
            true => {
                ('l', path.read_link().expect("is a link").into_os_string().into_encoded_bytes())
            }
            false if metadata.permissions().mode() & 0o100 != 0 => ('x', bytes),
            false => ('f', bytes),
        }
    };
    let mut files = files_below(&folder);
    files.retain(|path, _| !path.starts_with(".git/") && !path.starts_with(".distro/"));
    files.into_iter().map(|(path, bytes)| (path.clone(), kind(&path, bytes))).collect()
}
