//! What an engine and its machine can hold a container to.

use std::path::Path;

use serde::Deserialize;

use super::confine::Users;
use super::engine::{ANSWER, Kind, last_words};
use crate::outcome::{Problem, printable};
use crate::process::{Invocation, ProcessError};

/// What was found out about the machine; all that a container's arguments depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// Whether limits on memory are kept.
    pub(super) limits_memory: bool,
    /// Whether limits on the number of processes are kept.
    pub(super) limits_processes: bool,
    /// Whether SELinux decides which files a container sees.
    pub(super) selinux: bool,
    /// Who a container's processes are, inside and out.
    pub(super) users: Users,
    /// Whether the engine has a seccomp profile in force.
    pub(super) seccomp: bool,
}

/// Why an engine cannot be used.
#[derive(Debug)]
pub(super) enum NotUsable {
    /// The program is not there.
    Missing(Kind),
    /// It is there and does not work; with its words.
    Broken(Kind, String),
    /// It may work later: its daemon does not answer.
    Silent(Kind, String),
}

/// Asks an engine about itself and the machine; `invocation` is of its program.
pub(super) async fn probe(kind: Kind, invocation: Invocation) -> Result<Host, NotUsable> {
    let invocation = invocation.args(["info", "--format", "{{json .}}"]);
    let output = invocation.limit(ANSWER).run().await.map_err(|error| match error {
        ProcessError::NotStarted { .. } => NotUsable::Missing(kind),
        error => NotUsable::Silent(kind, error.to_string()),
    })?;
    if !output.status.success() {
        return Err(not_working(kind, &output.stderr));
    }
    let identity = Identity::of_this_process();
    let read = match kind {
        Kind::Podman => podman(&output.stdout, &identity),
        Kind::Docker => docker(&output.stdout, &identity),
    };
    read.map_err(|words| NotUsable::Broken(kind, words))
}

fn not_working(kind: Kind, stderr: &[u8]) -> NotUsable {
    let words = last_words(stderr);
    match words.to_lowercase().contains("cannot connect") {
        true => NotUsable::Silent(kind, words),
        false => NotUsable::Broken(kind, words),
    }
}

/// Puts into words why there is no engine.
pub(super) fn none_works(faults: Vec<NotUsable>) -> Problem {
    let words: Vec<String> = faults.iter().map(NotUsable::words).collect();
    let words = words.join("; ");
    let is_there = |fault: &NotUsable| !matches!(fault, NotUsable::Missing(_));
    let hint = "install podman, or docker and start it; or leave out what needs a container";
    if faults.iter().any(|fault| matches!(fault, NotUsable::Silent(..))) {
        return Problem::temporary("engine-unusable", words).hint(hint);
    }
    match faults.iter().any(is_there) {
        true => Problem::permanent("engine-unusable", words).hint(hint),
        false => Problem::permanent("engine-missing", words).hint(hint),
    }
}

impl NotUsable {
    fn words(&self) -> String {
        match self {
            NotUsable::Missing(kind) => format!("{} is not installed", kind.program()),
            NotUsable::Broken(kind, words) => format!("{} does not work: {words}", kind.program()),
            NotUsable::Silent(kind, words) => {
                format!("{} does not answer: {words}", kind.program())
            }
        }
    }
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
    fn of_this_process() -> Identity {
        let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
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

/// What `podman info` says, as far as it matters here.
#[derive(Deserialize)]
struct PodmanInfo {
    host: PodmanHost,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodmanHost {
    #[serde(default)]
    cgroup_controllers: Option<Vec<String>>,
    #[serde(default)]
    cgroup_version: String,
    #[serde(default)]
    service_is_remote: bool,
    security: PodmanSecurity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodmanSecurity {
    #[serde(default)]
    rootless: bool,
    #[serde(default)]
    seccomp_enabled: bool,
    #[serde(default, rename = "selinuxEnabled")]
    selinux: bool,
}

/// Reads what `podman info` printed.
pub(super) fn podman(json: &[u8], identity: &Identity) -> Result<Host, String> {
    let info: PodmanInfo = serde_json::from_slice(json).map_err(unreadable)?;
    let (host, security) = (&info.host, &info.host.security);
    if host.service_is_remote {
        return Err("it is a client of another machine, which does not see our files".to_owned());
    }
    // Rootless podman leaves the first version of control groups alone, and says so only at each run.
    let is_kept = |name: &str| {
        let has = host.cgroup_controllers.iter().flatten().any(|controller| controller == name);
        has && !(security.rootless && host.cgroup_version != "v2")
    };
    let users = match (security.rootless, identity.free_range) {
        (true, _) => Users::Own { uid: identity.uid, gid: identity.gid },
        (false, Some(first)) => Users::Mapped { first },
        (false, None) => Users::Shared { uid: Users::NOBODY, gid: Users::NOBODY },
    };
    Ok(Host {
        limits_memory: is_kept("memory"),
        limits_processes: is_kept("pids"),
        selinux: security.selinux,
        users,
        seccomp: security.seccomp_enabled,
    })
}

/// What `docker info` says, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerInfo {
    #[serde(default)]
    memory_limit: bool,
    #[serde(default)]
    pids_limit: bool,
    #[serde(default)]
    security_options: Option<Vec<String>>,
    #[serde(default)]
    server_errors: Option<Vec<String>>,
}

/// Reads what `docker info` printed.
pub(super) fn docker(json: &[u8], identity: &Identity) -> Result<Host, String> {
    let info: DockerInfo = serde_json::from_slice(json).map_err(unreadable)?;
    if let Some(error) = info.server_errors.iter().flatten().next() {
        return Err(printable(error, 600));
    }
    let has = |name: &str| {
        let named = |option: &str| option.split(',').any(|part| part == format!("name={name}"));
        info.security_options.iter().flatten().any(|option| named(option))
    };
    let users = match (has("rootless"), has("userns"), identity.uid) {
        (true, ..) => Users::Daemon { uid: 0, gid: 0 },
        (false, true, _) => Users::Daemon { uid: Users::NOBODY, gid: Users::NOBODY },
        (false, false, 0) => Users::Shared { uid: Users::NOBODY, gid: Users::NOBODY },
        (false, false, uid) => Users::Shared { uid, gid: identity.gid },
    };
    Ok(Host {
        limits_memory: info.memory_limit,
        limits_processes: info.pids_limit,
        selinux: has("selinux"),
        users,
        seccomp: has("seccomp"),
    })
}

fn unreadable(error: serde_json::Error) -> String {
    format!("what it says of itself cannot be read: {error}")
}

impl Host {
    /// Says what a container cannot be held to here.
    pub(super) fn warnings(&self, kind: Kind) -> Vec<String> {
        let program = kind.program();
        let mut warnings = Vec::new();
        if !self.limits_memory {
            warnings.push(format!(
                "{program} keeps no limit on memory here (control groups of version 1 without root, or without \
                 the memory controller); each process is limited, all together are not"
            ));
        }
        if !self.limits_processes {
            warnings.push(format!(
                "{program} keeps no limit on processes here; the user's own limit is set instead"
            ));
        }
        if matches!(self.users, Users::Shared { .. }) {
            warnings.push(format!(
                "{program} gives containers no user namespace of their own here; \
                 rootless podman, or docker with userns-remap, does"
            ));
        }
        if !self.seccomp {
            warnings.push(format!("{program} filters no system calls here: seccomp is off"));
        }
        warnings
    }
}

#[cfg(test)]
mod tests;
