//! Keys that the format knows and this version of the program does not act on yet.
//!
//! A key that is silently not acted on would be worse than a refusal: someone who asks for a build would wait for it
//! in vain. Each row goes when its mechanism comes.

use super::{BranchConfig, BuildSystem, Delivery};
use crate::outcome::Refusal;

/// A key, and whether a config asks for what is lacking.
pub(super) struct Lacking {
    pub(super) key: &'static str,
    is_asked_for: fn(&BranchConfig) -> bool,
    instead: &'static str,
}

/// Everything that is lacking.
pub(super) const LACKING: &[Lacking] = &[
    Lacking {
        key: "delivery: pull-request",
        is_asked_for: |config| config.delivery == Delivery::PullRequest,
        instead: "use push",
    },
    Lacking {
        key: "build.system",
        is_asked_for: |config| !matches!(config.build.system, None | Some(BuildSystem::None)),
        instead: "use none, or leave it out",
    },
    Lacking {
        key: "validate",
        is_asked_for: |config| !config.validate.is_empty(),
        instead: "leave it out",
    },
    Lacking {
        key: "gating.tag",
        is_asked_for: |config| config.gating_tag.is_some(),
        instead: "leave it out",
    },
];

impl BranchConfig {
    /// Returns the refusal of a config that asks for something this version does not do.
    pub fn unsupported(&self) -> Option<Refusal> {
        let asked: Vec<_> = LACKING.iter().filter(|lacking| (lacking.is_asked_for)(self)).collect();
        if asked.is_empty() {
            return None;
        }
        let keys: Vec<&str> = asked.iter().map(|lacking| lacking.key).collect();
        let hints: Vec<String> =
            asked.iter().map(|lacking| format!("{}: {}", lacking.key, lacking.instead)).collect();
        let message = format!("not supported by this version: {}", keys.join(", "));
        Some(Refusal::config("unsupported", message).hint(hints.join("\n")))
    }
}
