//! What a container is held to: the one argument list for podman and docker.

use std::ffi::OsString;

use super::engine::Kind;
use super::image::PinnedImage;
use super::machine::RANGE;
use super::options::{LEAST_MEMORY, Limits, Ulimit};
use super::owner::{LABEL, Owner, WORDS};
use super::probe::Host;
use super::run::{Access, RunSpec};

/// Who a container's processes are, inside and on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Users {
    /// A namespace in which only the bot's own user stands for itself (rootless podman).
    Own {
        /// Inside and out.
        uid: u32,
        /// Inside and out.
        gid: u32,
    },
    /// A namespace whose users are nobody's on the machine (podman as root).
    Mapped {
        /// The machine's user that is 0 inside; the others follow.
        first: u32,
    },
    /// A namespace that docker's daemon makes; which users are mapped where, only it knows.
    Daemon {
        /// Inside.
        uid: u32,
        /// Inside.
        gid: u32,
    },
    /// No namespace: the users are the machine's.
    Shared {
        /// Inside and out.
        uid: u32,
        /// Inside and out.
        gid: u32,
    },
}

impl Users {
    /// The user and group that own nothing.
    pub(super) const NOBODY: u32 = 65_534;

    /// Returns user and group inside, as engines take them.
    fn inside(self) -> String {
        match self {
            Users::Own { uid, gid } | Users::Daemon { uid, gid } | Users::Shared { uid, gid } => {
                format!("{uid}:{gid}")
            }
            Users::Mapped { .. } => format!("{0}:{0}", Users::NOBODY),
        }
    }

    /// Returns the machine's user and group that files written inside will belong to, where that is known.
    pub(super) fn outside(self) -> Option<(u32, u32)> {
        match self {
            Users::Own { uid, gid } | Users::Shared { uid, gid } => Some((uid, gid)),
            Users::Mapped { first } => Some((first + Users::NOBODY, first + Users::NOBODY)),
            Users::Daemon { .. } => None,
        }
    }

    /// Returns the arguments that make the namespace.
    fn namespace(self) -> Vec<String> {
        match self {
            Users::Own { .. } => vec!["--userns=keep-id".to_owned()],
            Users::Mapped { first } => {
                ["uidmap", "gidmap"].map(|map| format!("--{map}=0:{first}:{RANGE}")).into()
            }
            Users::Daemon { .. } | Users::Shared { .. } => Vec::new(),
        }
    }
}

/// All that the arguments of a run depend on.
pub(super) struct Confinement<'a> {
    pub(super) kind: Kind,
    pub(super) host: &'a Host,
    pub(super) runtime: Option<String>,
    pub(super) ulimits: &'a [Ulimit],
    pub(super) owner: &'a Owner,
    pub(super) name: &'a str,
    pub(super) image: &'a PinnedImage,
    pub(super) spec: &'a RunSpec<'a>,
}

/// Proxies that engines would hand on by themselves, with the passwords in them.
const PROXIES: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
];

/// Held to by both engines in the same words, whatever their own configuration says.
const ALWAYS: [&str; 9] = [
    "--rm",
    "--pull=never",
    "--read-only",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--privileged=false",
    "--ipc=private",
    "--no-healthcheck",
    // Kept by the bot, with a cap; the engine's own copy would have none.
    "--log-driver=none",
];

/// Where podman's words differ, or where its configuration could open something.
const PODMAN_ALWAYS: [&str; 7] = [
    "--pid=private",
    "--uts=private",
    "--cgroupns=private",
    "--env-host=false",
    "--http-proxy=false",
    // Only `/tmp`, which has a size.
    "--read-only-tmpfs=false",
    "--systemd=false",
];

/// Space for shared memory; it counts as memory.
const SHARED_MEMORY: &str = "--shm-size=64m";

impl Confinement<'_> {
    /// Returns the arguments of the engine, from `run` on.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["run".into()];
        let mut add = |more: Vec<String>| arguments.extend(more.into_iter().map(OsString::from));
        add(ALWAYS.map(str::to_owned).into());
        add(self.of_the_engine());
        add(self.identity());
        add(self.host.users.namespace());
        add(self.amounts());
        add(self.ulimits());
        add(self.variables());
        arguments.extend(self.mounts());
        arguments.extend(self.program().into_iter().map(OsString::from));
        arguments
    }

    fn of_the_engine(&self) -> Vec<String> {
        let mut arguments = match self.kind {
            Kind::Podman => PODMAN_ALWAYS.map(str::to_owned).to_vec(),
            Kind::Docker => Vec::new(),
        };
        if let (Kind::Docker, Some(runtime)) = (self.kind, &self.runtime) {
            arguments.push(format!("--runtime={runtime}"));
        }
        if !self.spec.network {
            arguments.push("--network=none".to_owned());
        }
        arguments
    }

    fn identity(&self) -> Vec<String> {
        vec![
            format!("--name={}", self.name),
            "--hostname=lockkeeper".to_owned(),
            format!("--label={LABEL}={}", self.owner),
            format!("--label={WORDS}={}", self.spec.label),
            format!("--user={}", self.host.users.inside()),
        ]
    }

    /// Returns the limits that the engine or the kernel keeps for the whole container.
    fn amounts(&self) -> Vec<String> {
        let Limits { time, processes, .. } = self.spec.limits;
        let memory = self.spec.limits.memory.max(LEAST_MEMORY);
        let temporary = format!("--tmpfs=/tmp:rw,nosuid,nodev,mode=1777,size={}", memory.0 / 2);
        let mut arguments = vec![SHARED_MEMORY.to_owned(), temporary];
        if self.host.limits_memory {
            let sizes = ["memory", "memory-swap"].map(|name| format!("--{name}={}b", memory.0));
            arguments.extend(sizes);
        }
        if self.host.limits_processes {
            arguments.push(format!("--pids-limit={}", processes.max(&1)));
        }
        if self.kind == Kind::Podman {
            // For a bot that is no more; one that lives is faster.
            arguments.push(format!("--timeout={}", time.0.as_secs() + 60));
        }
        arguments
    }

    /// Returns the limits on each process: ours, then the operator's own, which win.
    fn ulimits(&self) -> Vec<String> {
        let Limits { memory, cpu_time, processes, output, .. } = self.spec.limits;
        let cpu = cpu_time.0.as_secs().max(1);
        let mut ours = vec![
            ("core", "0:0".to_owned()),
            ("cpu", format!("{cpu}:{}", cpu + 5)),
            ("fsize", format!("{0}:{0}", output.0)),
            ("nofile", "4096:4096".to_owned()),
            ("nproc", format!("{processes}:{processes}")),
        ];
        if !self.host.limits_memory {
            ours.push(("data", format!("{0}:{0}", memory.0)));
        }
        let is_ours = |name: &str| !self.ulimits.iter().any(|ulimit| ulimit.name() == name);
        let ours = ours.into_iter().filter(|(name, _)| is_ours(name));
        let ours = ours.map(|(name, value)| format!("--ulimit={name}={value}"));
        ours.chain(self.ulimits.iter().map(|ulimit| format!("--ulimit={ulimit}"))).collect()
    }

    fn variables(&self) -> Vec<String> {
        let named = |name: &str| self.spec.env.iter().any(|(known, _)| known == name);
        let silenced = PROXIES.iter().filter(|name| self.kind == Kind::Docker && !named(name));
        let silenced = silenced.map(|name| format!("--env={name}="));
        let given = self.spec.env.iter().map(|(name, value)| format!("--env={name}={value}"));
        silenced.chain(given).collect()
    }

    /// Returns the mounts; that no path holds a colon was checked before.
    fn mounts(&self) -> Vec<OsString> {
        let mount = |mount: &super::run::Mount| {
            let options = match (mount.access, self.host.selinux) {
                (Access::ReadOnly, false) => "ro",
                (Access::ReadOnly, true) => "ro,z",
                (Access::ReadWrite, false) => "rw",
                (Access::ReadWrite, true) => "rw,Z",
            };
            let mut argument = OsString::from("--volume=");
            argument.push(&mount.host);
            argument.push(format!(":{}:{options}", mount.inside));
            argument
        };
        self.spec.mounts.iter().map(mount).collect()
    }

    /// Returns image and command; nothing behind them is read as an option of the engine.
    fn program(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(folder) = self.spec.folder {
            arguments.push(format!("--workdir={folder}"));
        }
        let (entry, rest) = match self.spec.command.as_deref() {
            Some([program, rest @ ..]) => (Some(program), rest),
            _ => (None, &[][..]),
        };
        arguments.extend(entry.map(|program| format!("--entrypoint={program}")));
        arguments.push(self.image.runs_by.clone());
        arguments.extend(rest.iter().cloned());
        arguments
    }
}

#[cfg(test)]
mod tests;
