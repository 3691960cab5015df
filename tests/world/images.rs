//! The images of `containers/`, built as people build them, around the program that is under test.
//!
//! The program is the one that the tests were built with, with the libraries that it names: a static one would mean a
//! second build of everything.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::container::variables;
use super::{Run, World, succeed};

/// The template for a maintainer's own.
pub const CUSTOM: &str = "localhost/lockkeeper/custom-example";

/// A shell that runs what the branch's `population.env.SCRIPT` says.
pub const SCRIPTED: &str = "localhost/lockkeeper/scripted";

/// Builds all images once in a test process; what is there already costs little.
pub fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = engine(&root.join("containers/build").display().to_string());
        succeed(command.args([
            "--engine",
            "podman",
            "--program",
            env!("CARGO_BIN_EXE_lockkeeper"),
        ]));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("Containerfile");
        let entry = "ENTRYPOINT [\"/bin/sh\", \"-c\", \"eval \\\"$SCRIPT\\\"\"]";
        std::fs::write(&file, format!("FROM {CUSTOM}\n{entry}\n")).expect("it can be written");
        let mut command = engine("podman");
        command.args(["build", "--quiet", "--network=none", "--tag", SCRIPTED, "--file"]);
        succeed(command.arg(&file).arg(folder.path()));
    });
}

/// rpm in a container.
pub const PROVER: &str = "localhost/lockkeeper/prover";

/// What a distribution with rpm has, as far as `%prep` and reading a spec need it.
const DISTRIBUTION: [&str; 27] = [
    "cat", "chgrp", "chmod", "chown", "cp", "env", "find", "grep", "gzip", "head", "id", "ln",
    "ls", "mkdir", "mv", "patch", "rm", "rpm", "rpmbuild", "rpmspec", "sed", "sh", "tail", "tar",
    "touch", "true", "xz",
];

/// Builds the prover once in a test process, upon a distribution that is made of this machine's own rpm.
pub fn build_prover() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let base = "localhost/lockkeeper/story-distribution";
        let folder = tempfile::tempdir().expect("a folder");
        lay_out_distribution(&folder.path().join("root"));
        let file = folder.path().join("Containerfile");
        std::fs::write(&file, "FROM scratch\nCOPY root/ /\nENV PATH=/usr/bin\n")
            .expect("it can be written");
        let mut command = engine("podman");
        command.args(["build", "--quiet", "--network=none", "--tag", base, "--file"]);
        succeed(command.arg(&file).arg(folder.path()));
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("containers/build");
        let mut command = engine(&build.display().to_string());
        succeed(command.args([
            "--engine",
            "podman",
            "--base",
            base,
            "--network",
            "none",
            "prover",
        ]));
    });
}

/// Copies programs, the libraries that they name, and rpm's own folder; all below /usr, as distributions have it now.
fn lay_out_distribution(root: &Path) {
    let script = r#"
        set -eu
        root=$1; shift
        mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/usr/lib64" "$root/etc" "$root/var/tmp"
        for folder in bin lib lib64; do ln -s "usr/$folder" "$root/$folder"; done
        ln -s bin "$root/usr/sbin"
        printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >"$root/etc/passwd"
        printf 'root:x:0:\nnobody:x:65534:\n' >"$root/etc/group"
        cp -a /usr/lib/rpm "$root/usr/lib/rpm"
        for name in "$@"; do
            program=$(PATH=/usr/bin:/bin:/usr/sbin:/sbin command -v "$name")
            case $program in /*) ;; *) program=/bin/$name ;; esac
            cp -L "$program" "$root/usr/bin/$name"
        done
        for program in "$root"/usr/bin/* "$root"/usr/lib/rpm/*; do
            [ -f "$program" ] && ldd "$program" 2>/dev/null || true
        done | grep -o '/[^ ]*/[^ ]*\.so[^ ]*' | sort -u | while read -r library; do
            to=$root/usr/${library#/usr}
            mkdir -p "${to%/*}"
            cp -L "$library" "$to"
        done
    "#;
    let mut command = Command::new("sh");
    succeed(command.args(["-c", script, "distribution"]).arg(root).args(DISTRIBUTION));
}

/// Returns a program that finds the store of the stories.
pub fn engine(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(variables());
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command
}

/// Returns a config's population by a script; each line of it stands as it is.
pub fn scripted(script: &str, more: &str) -> String {
    let lines: String = script.lines().map(|line| format!("      {}\n", line.trim())).collect();
    format!("population:\n  container: {SCRIPTED}\n{more}  env:\n    SCRIPT: |\n{lines}")
}

impl World {
    /// Runs the program with podman at hand.
    pub fn run_contained(&self, arguments: &[&str]) -> Run {
        self.run_where_podman_is(&[arguments, &["--engine", "podman"]].concat(), &[])
    }

    /// Runs the program where podman finds its store, with these variables; nobody says which engine to take.
    pub fn run_where_podman_is(&self, arguments: &[&str], more: &[(&str, &str)]) -> Run {
        let variables = variables();
        let shown: Vec<(&str, String)> =
            variables.iter().map(|(name, value)| (*name, value.display().to_string())).collect();
        let shown = shown.iter().map(|(name, value)| (*name, value.as_str()));
        let environment: Vec<(&str, &str)> = shown.chain(more.iter().copied()).collect();
        self.run_in(arguments, &environment)
    }

    /// Syncs `f44` with podman at hand.
    pub fn sync_contained(&self, more: &[&str]) -> Run {
        self.run_contained(&[&self.sync_arguments()[..], more].concat())
    }

    /// Syncs with podman at hand, and sees that a person must act and that everything stays as it was.
    pub fn refuses_contained(&self, code: &str) -> Run {
        let before = self.state();
        let run = self.sync_contained(&[]);
        run.came_to(3, "refused", code);
        assert_eq!(self.state(), before, "{run:#?}");
        run
    }
}
