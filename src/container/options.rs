//! What the operator says of containers: the `population:` section of `lockkeeper.yaml`, and the flags.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::image::ImageReference;
use super::measure::{Bytes, Time};
use crate::names::NameError;

/// How containers are run. The default is what a machine without any engine can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Which engine runs what a branch brings: its image, its `spec.command`.
    pub engine: EngineChoice,
    /// Whether anything that a branch brings may run: its image, or its `spec.command` in any image.
    pub allow_containers: bool,
    /// The OCI runtime that podman or docker is told to use, such as `runc`; null: the engine's own choice.
    pub runtime: Option<RuntimeName>,
    /// Resource limits for each container, as `--ulimit` takes them: `nofile=1024:1024`. They win over our own.
    pub ulimits: Vec<Ulimit>,
    /// Whether a branch must name its image by digest.
    pub require_digest: bool,
    /// Whether a branch that asks for the network gets it.
    pub allow_network: bool,
    /// The image that `spec.command` runs in where the branch names none.
    #[schemars(with = "Option<String>")]
    pub tool_image: Option<ImageReference>,
    /// The image in which rpm proves tree identity (`--prove rpm`); null: a sandbox on the machine itself.
    #[schemars(with = "Option<String>")]
    pub prover_image: Option<ImageReference>,
    /// What one run may use.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            engine: EngineChoice::Builtin,
            allow_containers: true,
            runtime: None,
            ulimits: Vec::new(),
            require_digest: false,
            allow_network: false,
            tool_image: None,
            prover_image: None,
            limits: Limits::default(),
        }
    }
}

/// Which engine runs containers. Built-in mechanisms run in the bot's own process whatever it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum EngineChoice {
    /// Podman, or docker where there is no podman.
    Auto,
    /// As `auto`, once a branch needs an engine; nothing is said where there is none and nobody needs it.
    Builtin,
    /// Podman, and nothing else.
    Podman,
    /// Docker, and nothing else.
    Docker,
}

/// What one run may use. Whoever uses more is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory, with what is written to `/tmp`; there is no swap beside it. At least 16MiB.
    #[serde(deserialize_with = "enough_memory")]
    pub memory: Bytes,
    /// From start to end. At least 1s.
    #[serde(deserialize_with = "enough_time")]
    pub time: Time,
    /// Processor time of each process. At least 1s.
    #[serde(deserialize_with = "enough_time")]
    pub cpu_time: Time,
    /// Processes and threads at once.
    #[serde(deserialize_with = "at_least_one")]
    #[schemars(range(min = 1))]
    pub processes: u32,
    /// Everything below `/output`; also the largest single file.
    pub output: Bytes,
    /// Files and folders below `/output`.
    #[schemars(range(min = 1))]
    pub output_files: u64,
    /// The log that is kept of what a run prints.
    pub log: Bytes,
}

impl Default for Limits {
    fn default() -> Self {
        let minutes = |count: u64| Time(std::time::Duration::from_secs(count * 60));
        Limits {
            memory: Bytes::mib(2048),
            time: minutes(30),
            cpu_time: minutes(30),
            processes: 512,
            output: Bytes::mib(8192),
            output_files: 250_000,
            log: Bytes::mib(4),
        }
    }
}

/// The least memory that a runtime starts anything in. Engines take 0 for "no limit", which nobody should get by
/// writing it.
pub(super) const LEAST_MEMORY: Bytes = Bytes::mib(16);

fn enough_memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let memory = Bytes::deserialize(deserializer)?;
    match memory >= LEAST_MEMORY {
        true => Ok(memory),
        false => Err(D::Error::custom(format!("{memory} is less than {LEAST_MEMORY}"))),
    }
}

fn enough_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let time = Time::deserialize(deserializer)?;
    match time.0.as_secs() {
        0 => Err(D::Error::custom(format!("{time} is less than 1s"))),
        _ => Ok(time),
    }
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(D::Error::custom("0 processes are too few")),
        count => Ok(count),
    }
}

/// The name or path of an OCI runtime.
///
/// Rule: letters, digits and `. _ + - /`, not beginning with a dash, which engines would read as an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct RuntimeName(String);

impl FromStr for RuntimeName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b"._+-/".contains(&b);
        match !text.is_empty() && !text.starts_with('-') && text.bytes().all(is_word) {
            true => Ok(RuntimeName(text.to_owned())),
            false => Err(NameError::new("container runtime", text, "is no name and no path")),
        }
    }
}

/// A resource limit as engines take it.
///
/// Rule: `NAME=SOFT[:HARD]`, the name lower-case letters, each number whole, or -1 for none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Ulimit(String);

impl Ulimit {
    /// Returns which limit it sets, such as `nofile`.
    pub fn name(&self) -> &str {
        self.0.split('=').next().unwrap_or_default()
    }
}

impl FromStr for Ulimit {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why| Err(NameError::new("ulimit", text, why));
        let Some((name, values)) = text.split_once('=') else {
            return refuse("is not of the form NAME=SOFT:HARD");
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase()) {
            return refuse("does not begin with the name of a limit");
        }
        let is_value = |value: &str| value == "-1" || value.parse::<u64>().is_ok();
        match values.splitn(2, ':').all(is_value) {
            true => Ok(Ulimit(text.to_owned())),
            false => refuse("has a value that is no whole number"),
        }
    }
}

/// Gives a checked text its plain traits.
macro_rules! checked_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}
checked_text!(RuntimeName);
checked_text!(Ulimit);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_is_the_default() {
        assert_eq!(serde_yaml::from_str::<Options>("{}").unwrap(), Options::default());
    }

    #[test]
    fn the_section_is_read_as_it_is_documented() {
        let text = "engine: podman\nruntime: runc\nulimits: ['nofile=1024:1024']\n\
                    require_digest: true\nlimits: {memory: 2GiB, time: 30min, output: 8GiB}\n";
        let options: Options = serde_yaml::from_str(text).unwrap();
        assert_eq!(options.engine, EngineChoice::Podman);
        assert_eq!(options.runtime.unwrap().to_string(), "runc");
        assert_eq!(options.ulimits[0].name(), "nofile");
        assert!(options.require_digest && !options.allow_network);
        assert_eq!(options.limits, Limits::default());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "engine: crun",
            "ulimit: []",
            "runtime: --privileged",
            "runtime: ''",
            "ulimits: ['nofile']",
            "ulimits: ['nofile=a']",
            "ulimits: ['=1']",
            "ulimits: ['nofile=1:2:3']",
            "limits: {memory: 2G}",
            "limits: {swap: 2GiB}",
            "limits: {time: 30}",
            "limits: {time: 0s}",
            "limits: {cpu_time: 900ms}",
            "limits: {memory: 0B}",
            "limits: {memory: 15MiB}",
            "limits: {processes: 0}",
            "limits: {processes: -1}",
        ] {
            assert!(serde_yaml::from_str::<Options>(text).is_err(), "{text}");
        }
    }
}
