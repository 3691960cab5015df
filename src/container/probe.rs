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
mod tests {
    use super::*;

    fn identity(uid: u32) -> Identity {
        Identity { uid, gid: uid, free_range: Some(524_288) }
    }

    fn podman_info(rootless: bool, version: &str, controllers: &str) -> String {
        format!(
            r#"{{"host": {{"cgroupControllers": [{controllers}], "cgroupVersion": "{version}", "x": 1,
               "serviceIsRemote": false, "security": {{"rootless": {rootless},
               "seccompEnabled": true, "selinuxEnabled": false}}}}, "store": {{}}}}"#
        )
    }

    #[test]
    fn podmans_limits_hold_but_for_rootless_on_old_control_groups() {
        for (rootless, version, controllers, holds) in [
            (false, "v1", r#""memory","pids""#, true),
            (false, "v2", r#""memory","pids""#, true),
            (true, "v2", r#""memory","pids""#, true),
            (true, "v1", r#""memory","pids""#, false),
            (true, "v2", r#""cpu""#, false),
        ] {
            let json = podman_info(rootless, version, controllers);
            let host = podman(json.as_bytes(), &identity(0)).unwrap();
            assert_eq!((host.limits_memory, host.limits_processes), (holds, holds), "{json}");
            assert_eq!(host.warnings(Kind::Podman).len(), if holds { 0 } else { 2 });
        }
    }

    #[test]
    fn podmans_users_are_never_those_of_the_machine() {
        let info = |rootless| podman_info(rootless, "v2", r#""memory","pids""#);
        let users = |rootless, identity: &Identity| {
            podman(info(rootless).as_bytes(), identity).unwrap().users
        };
        assert_eq!(users(true, &identity(1000)), Users::Own { uid: 1000, gid: 1000 });
        assert_eq!(users(false, &identity(0)), Users::Mapped { first: 524_288 });
        let none = Identity { free_range: None, ..identity(0) };
        assert_eq!(users(false, &none), Users::Shared { uid: 65_534, gid: 65_534 });
    }

    #[test]
    fn a_podman_of_another_machine_is_not_used() {
        let json = podman_info(false, "v2", "").replace(r#"Remote": false"#, r#"Remote": true"#);
        assert!(podman(json.as_bytes(), &identity(0)).unwrap_err().contains("another machine"));
        assert!(podman(b"Podman 4", &identity(0)).is_err());
    }

    #[test]
    fn dockers_ways_with_users_are_told_apart() {
        let users = |options: &str, uid| {
            let json = format!(
                r#"{{"MemoryLimit": true, "PidsLimit": true, "SecurityOptions": [{options}]}}"#
            );
            docker(json.as_bytes(), &identity(uid)).unwrap().users
        };
        let seccomp = r#""name=seccomp,profile=builtin""#;
        assert_eq!(users(seccomp, 1000), Users::Shared { uid: 1000, gid: 1000 });
        assert_eq!(users(seccomp, 0), Users::Shared { uid: 65_534, gid: 65_534 });
        assert_eq!(users(r#""name=rootless""#, 1000), Users::Daemon { uid: 0, gid: 0 });
        assert_eq!(users(r#""name=userns""#, 0), Users::Daemon { uid: 65_534, gid: 65_534 });
    }

    #[test]
    fn what_docker_cannot_do_is_said() {
        let nothing = br#"{"SecurityOptions": null, "ServerErrors": null}"#;
        let host = docker(nothing, &identity(1000)).unwrap();
        let warnings = host.warnings(Kind::Docker);
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        assert!(warnings.iter().all(|words| words.starts_with("docker ")));
        assert!(docker(br#"{"ServerErrors": ["down\u001b"]}"#, &identity(0)).is_err());
    }

    #[test]
    fn the_range_of_users_is_nobodys() {
        let all = "         0          0 4294967295\n";
        let high = 30_600 * RANGE;
        assert_eq!(free_range("", all), Some(high));
        assert_eq!(
            free_range(&format!("a:100000:65536\nb:{high}:65536\nbad\n"), all),
            Some(high + RANGE)
        );
        assert_eq!(free_range(&format!("a:{}:1\n", high + 1), all), Some(high + RANGE));
        assert_eq!(free_range("a:524288:65536\n", "0 0 1000000\n"), Some(589_824));
        assert_eq!(free_range("a:0:4294967295\n", all), None);
        assert_eq!(free_range("", "0 1000 1\n1 100000 65536\n"), None);
        assert_eq!(free_range("", ""), None);
    }

    #[test]
    fn a_missing_engine_is_told_from_a_broken_and_a_silent_one() {
        use crate::outcome::Lasting;
        let missing = || NotUsable::Missing(Kind::Podman);
        let told = |faults| {
            let problem = none_works(faults);
            (problem.code.0, problem.lasting)
        };
        assert_eq!(told(vec![missing()]), ("engine-missing", Lasting::Permanent));
        let broken = not_working(Kind::Docker, b"permission denied\n");
        assert_eq!(told(vec![missing(), broken]), ("engine-unusable", Lasting::Permanent));
        let silent = not_working(Kind::Docker, b"Cannot connect to the Docker daemon at x\n");
        assert_eq!(told(vec![missing(), silent]), ("engine-unusable", Lasting::Temporary));
    }
}
