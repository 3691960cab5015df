//! A place to run rpm in: programs and libraries to be read, one folder to be written, and nothing else.
//!
//! Two ways, found by trying them:
//!
//! - `bwrap` (bubblewrap), which needs no privileges;
//! - `unshare` with namespaces of its own, and a few mounts made inside them.
//!
//! Either way there is no network, no process but its own, no home folder, no key, no capability, and new
//! privileges cannot be had. Limits hold for time, memory and the size of files; output is capped by
//! [`crate::process`].

use std::path::Path;
use std::time::Duration;

use crate::outcome::printable;
use crate::process::Invocation;

/// Where the one writable folder is, inside.
pub const INSIDE: &str = "/build";

/// Folders of programs and libraries; links where a distribution has merged them into /usr.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// What of /etc programs need to start, and where rpm is configured. No secrets are among it.
const SETTINGS: [&str; 8] = [
    "/etc/alternatives",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/passwd",
    "/etc/popt.d",
    "/etc/rpm",
];

/// Devices that programs need, and that cannot do harm.
const DEVICES: [&str; 5] = ["/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero"];

/// Limits on one process: bytes of a file, bytes of memory, seconds of processor time.
const LIMITS: [&str; 3] = ["--fsize=17179869184", "--as=8589934592", "--cpu=1800"];

/// How long an empty run may take.
const TRYING: Duration = Duration::from_secs(30);

/// Puts the root folder together inside new namespaces, leaves the old one, and gives up every capability.
///
/// Arguments: the mount point, the writable folder, then the command.
const ENTER: &str = r#"
set -eu
root=$1 build=$2
shift 2
mount -t tmpfs -o mode=755,size=16m tmpfs "$root"
cd "$root"
mkdir build dev etc proc tmp
put() {
    if [ -L "$1" ]; then ln -s "$(readlink "$1")" ".$1"
    elif [ -d "$1" ]; then mkdir -p ".$1"; mount --bind "$1" ".$1"; mount -o "remount,bind,$2" ".$1"
    elif [ -e "$1" ]; then : >".$1"; mount --bind "$1" ".$1"; mount -o "remount,bind,$2" ".$1"
    fi
}
for path in $SYSTEM $SETTINGS; do put "$path" ro,nosuid,nodev; done
for path in $DEVICES; do : >".$path"; mount --bind "$path" ".$path"; done
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t tmpfs -o mode=1777,nosuid,nodev,size=1g tmpfs tmp
mount --bind "$build" build
pivot_root . .
umount -l .
cd /build
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"
"#;

/// A way to run a program by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sandbox {
    /// `bwrap`.
    Bubblewrap,
    /// `unshare`, and mounts of our own.
    Namespaces,
}

impl Sandbox {
    /// Finds a way that works on this machine and in which rpm is at hand.
    ///
    /// # Errors
    /// For each way, why it does not work.
    pub async fn find() -> Result<Sandbox, Vec<String>> {
        let mut why = Vec::new();
        for sandbox in [Sandbox::Bubblewrap, Sandbox::Namespaces] {
            match sandbox.works().await {
                Ok(()) => return Ok(sandbox),
                Err(words) => why.push(format!("{}: {words}", sandbox.program())),
            }
        }
        Err(why)
    }

    fn program(self) -> &'static str {
        match self {
            Sandbox::Bubblewrap => "bwrap",
            Sandbox::Namespaces => "unshare",
        }
    }

    /// Tries it on an empty folder.
    async fn works(self) -> Result<(), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let command = ["rpmbuild", "--version"].map(str::to_owned);
        let ran = self.invocation(folder.path(), &command).limit(TRYING).run().await;
        match ran {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(format!(
                "{}: {}",
                output.status,
                printable(String::from_utf8_lossy(&output.stderr).trim(), 300)
            )),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Returns the way to run `command` with `folder` at [`INSIDE`].
    pub fn invocation(self, folder: &Path, command: &[String]) -> Invocation {
        let limited = ["prlimit"].into_iter().chain(LIMITS).chain(["--", "env", "-i"]);
        let variables = [
            "PATH=/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME=/build/home",
            "LC_ALL=C.UTF-8",
            "TMPDIR=/tmp",
        ];
        let inner: Vec<&str> =
            limited.chain(variables).chain(command.iter().map(String::as_str)).collect();
        match self {
            Sandbox::Bubblewrap => bubblewrap(folder).args(inner),
            Sandbox::Namespaces => namespaces(folder).args(inner),
        }
    }
}

fn bubblewrap(folder: &Path) -> Invocation {
    let mut way = Invocation::new("bwrap").args([
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
    ]);
    for path in SYSTEM {
        way = match std::fs::read_link(path) {
            Ok(target) => way.arg("--symlink").arg(target).arg(path),
            Err(_) => way.args(["--ro-bind-try", path, path]),
        };
    }
    for path in SETTINGS {
        way = way.args(["--ro-bind-try", path, path]);
    }
    way.arg("--bind").arg(folder).args([INSIDE, "--chdir", INSIDE, "--"])
}

fn namespaces(folder: &Path) -> Invocation {
    Invocation::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "--net",
            "--ipc",
            "--uts",
            "--pid",
            "--cgroup",
            "--fork",
            "--kill-child",
            "--",
            "sh",
            "-c",
            ENTER,
            "sandbox",
            "/mnt",
        ])
        .arg(folder)
        .env("SYSTEM", SYSTEM.join(" "))
        .env("SETTINGS", SETTINGS.join(" "))
        .env("DEVICES", DEVICES.join(" "))
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
}
