//! What an engine sees of our environment.

use std::ffi::OsString;

use crate::process::Invocation;

/// Variables that podman and docker are configured by. None of them holds a secret of the bot; files that they
/// name (such as a registry's auth file) are the engine's own.
const ENGINES_OWN: [&str; 28] = [
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "CONTAINERS_CONF",
    "CONTAINERS_CONF_OVERRIDE",
    "CONTAINERS_REGISTRIES_CONF",
    "CONTAINERS_STORAGE_CONF",
    "STORAGE_DRIVER",
    "STORAGE_OPTS",
    "REGISTRY_AUTH_FILE",
    "DOCKER_API_VERSION",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// The variables that an engine sees beside the `PATH`.
///
/// The engine sees them, the container does not: [`super::Engine::run`] hands it what is named there, and
/// switches off what engines hand on by themselves, such as proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    ours: bool,
    named: Vec<(String, OsString)>,
}

impl Environment {
    /// Returns what of our own environment engines are configured by.
    pub fn ours() -> Environment {
        Environment { ours: true, named: Vec::new() }
    }

    /// Adds a variable; it wins over ours.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Environment {
        self.named.push((name.to_owned(), value.into()));
        self
    }

    /// Returns an invocation that sees this environment and no more.
    pub(super) fn invocation(&self, program: &str) -> Invocation {
        let mut invocation = Invocation::bare(program);
        if self.ours {
            invocation = ENGINES_OWN.into_iter().fold(invocation, Invocation::pass_env);
        }
        invocation.envs(&self.named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_engine_sees_what_configures_it_and_nothing_else() {
        let environment = Environment::ours().with("CONTAINERS_CONF", "/x.conf");
        let output = environment.invocation("env").run().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
        assert!(text.contains("CONTAINERS_CONF=/x.conf"), "{text}");
        for name in names {
            assert!(name == "PATH" || ENGINES_OWN.contains(&name), "{name}");
        }
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "there was something to hide");
    }

    #[test]
    fn no_way_to_a_key_is_handed_on() {
        for name in ["SSH_AUTH_SOCK", "CREDENTIALS_DIRECTORY", "GNUPGHOME", "CONTAINER_HOST"] {
            assert!(!ENGINES_OWN.contains(&name), "{name}");
        }
    }
}
