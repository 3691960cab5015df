//! What the kernel says that podman's containers can be held to, and who may run them.

use std::path::{Path, PathBuf};

/// This machine, as podman sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    /// Who we are.
    pub(super) identity: Identity,
    /// Whether podman works without root's rights.
    pub(super) rootless: bool,
    /// The control groups' controllers that podman may use.
    pub(super) controllers: Vec<String>,
    /// Whether SELinux decides which files a container sees.
    pub(super) selinux: bool,
    /// Whether the kernel filters system calls; every podman that distributions build makes use of it.
    pub(super) seccomp: bool,
}

impl Machine {
    /// Looks at the machine that we run on.
    pub(super) fn ours() -> Machine {
        let (identity, status) = (Identity::of_this_process(), read("/proc/self/status"));
        let rootless = is_rootless(identity.uid, &status);
        Machine {
            identity,
            rootless,
            controllers: controllers(
                Path::new("/sys/fs/cgroup"),
                &read("/proc/self/cgroup"),
                rootless,
            ),
            selinux: Path::new("/sys/fs/selinux/enforce").exists(),
            seccomp: status.lines().any(|line| line.starts_with("Seccomp:")),
        }
    }

    /// Tells whether a kind of limit is kept.
    pub(super) fn has_controller(&self, name: &str) -> bool {
        self.controllers.iter().any(|controller| controller == name)
    }
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Tells whether podman calls itself rootless: without root, and for a root that may not administer the system, such
/// as that of a container. `status` is `/proc/self/status`.
fn is_rootless(uid: u32, status: &str) -> bool {
    const CAP_SYS_ADMIN: u64 = 1 << 21;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    uid != 0 || effective.is_some_and(|capabilities| capabilities & CAP_SYS_ADMIN == 0)
}

/// Returns the controllers that podman may use below `root`; `own` is `/proc/self/cgroup`.
///
/// Of the first version of control groups nothing is handed to anybody but root. In the second, who is not root has
/// what was handed to the group that we run in.
fn controllers(root: &Path, own: &str, rootless: bool) -> Vec<String> {
    let all = root.join("cgroup.controllers");
    if !all.exists() {
        let folders = std::fs::read_dir(root).into_iter().flatten().flatten();
        let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
        return if rootless { Vec::new() } else { names.collect() };
    }
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
    let ours: PathBuf = match (rootless, own) {
        (true, Some(below)) => root.join(below).join("cgroup.controllers"),
        _ => all,
    };
    read(ours).split_whitespace().map(str::to_owned).collect()
}

/// Who this process is, and which users a namespace of its own may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The first of 65536 users that nobody else has, where root may map them.
    pub(super) free_range: Option<u32>,
}

impl Identity {
    pub(super) fn of_this_process() -> Identity {
        let taken = read("/etc/subuid") + &read("/etc/subgid");
        let may_have = read("/proc/sys/user/max_user_namespaces").trim() != "0";
        let free_range =
            may_have.then(|| free_range(&taken, &read("/proc/self/uid_map"))).flatten();
        Identity {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            free_range,
        }
    }
}

/// How many users a container's namespace holds.
pub(super) const RANGE: u32 = 65_536;

/// Returns the first of [`RANGE`] users that are nobody's: above those of people and of `taken` ranges
/// (`NAME:FIRST:COUNT` lines), within what `uid_map` lets this process see.
fn free_range(taken: &str, uid_map: &str) -> Option<u32> {
    let numbers = |line: &str, separator: char| -> Vec<u64> {
        let parts = line.split(separator).filter(|part| !part.is_empty());
        parts.filter_map(|part| part.trim().parse().ok()).collect()
    };
    let ranges: Vec<(u64, u64)> = taken
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter_map(|(_, rest)| numbers(rest, ':').try_into().ok())
        .map(|[first, count]: [u64; 2]| (first, first.saturating_add(count)))
        .collect();
    let visible: Vec<(u64, u64)> = uid_map
        .lines()
        .filter_map(|line| numbers(line, ' ').try_into().ok())
        .map(|[inside, _, count]: [u64; 3]| (inside, inside + count))
        .collect();
    let range = u64::from(RANGE);
    let fits = |first: &u64| {
        let (first, end) = (*first, first + range);
        let is_free = ranges.iter().all(|(from, to)| end <= *from || *to <= first);
        is_free && visible.iter().any(|(from, to)| *from <= first && end <= *to)
    };
    // Directories and systemd give out users up to two thousand million; where a machine has not that many, any
    // range will do that no file names.
    let first = (30_600..32_766).chain(8..30_600).map(|count| count * range).find(fits)?;
    u32::try_from(first).ok()
}

#[cfg(test)]
mod tests;
