//! What an engine and its machine can hold a container to.

use serde::Deserialize;

use super::confine::Users;
use super::engine::{ANSWER, Kind, last_words};
use super::machine::{Identity, Machine};
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
    let invocation = match kind {
        Kind::Podman => invocation.args(["version", "--format", "json"]),
        Kind::Docker => invocation.args(["info", "--format", "{{json .}}"]),
    };
    let output = invocation.limit(ANSWER).run().await.map_err(|error| match error {
        ProcessError::NotStarted { .. } => NotUsable::Missing(kind),
        error => NotUsable::Silent(kind, error.to_string()),
    })?;
    if !output.status.success() {
        return Err(not_working(kind, &output.stderr));
    }
    let read = match kind {
        Kind::Podman => podman(&output.stdout, &Machine::ours()),
        Kind::Docker => docker(&output.stdout, &Identity::of_this_process()),
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

/// What `podman version` says, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PodmanVersion {
    #[serde(default)]
    server: Option<serde_json::Value>,
}

/// Reads what `podman version` printed, and adds what the machine can do: the kernel says that itself.
///
/// `podman info` would say all of it, and asks the package manager for the versions of half a dozen programs first,
/// which takes longer than a container. Either command fails where the store or the runtime does not work.
pub(super) fn podman(json: &[u8], machine: &Machine) -> Result<Host, String> {
    let version: PodmanVersion = serde_json::from_slice(json).map_err(unreadable)?;
    if version.server.is_some() {
        return Err("it is a client of another machine, which does not see our files".to_owned());
    }
    let identity = &machine.identity;
    let users = match (machine.rootless, identity.free_range) {
        (true, _) => Users::Own { uid: identity.uid, gid: identity.gid },
        (false, Some(first)) => Users::Mapped { first },
        (false, None) => Users::Shared { uid: Users::NOBODY, gid: Users::NOBODY },
    };
    Ok(Host {
        limits_memory: machine.has_controller("memory"),
        limits_processes: machine.has_controller("pids"),
        selinux: machine.selinux,
        users,
        seccomp: machine.seccomp,
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
