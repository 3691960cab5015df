//! Retry: what failed a run, when to try again, and when to stop counting.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::outcome::{Code, Lasting};

/// The kinds of services that a sync leans on; each fails, and comes back, by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DependencyKind {
    /// Where people work: source repositories, and where reports go.
    Forge,
    /// Where the bot publishes.
    DistGit,
    /// The lookaside cache.
    Lookaside,
    /// Where upstream's releases lie.
    Upstream,
    /// Where container images come from.
    Registry,
    /// What builds the landed commit.
    BuildSystem,
    /// What holds the bot's key.
    Signer,
    /// This machine itself: locks, disks, a race that was lost.
    Ourselves,
}

impl DependencyKind {
    /// All kinds.
    pub const ALL: [DependencyKind; 8] = [
        DependencyKind::Forge,
        DependencyKind::DistGit,
        DependencyKind::Lookaside,
        DependencyKind::Upstream,
        DependencyKind::Registry,
        DependencyKind::BuildSystem,
        DependencyKind::Signer,
        DependencyKind::Ourselves,
    ];

    /// Returns what a problem's code speaks of.
    ///
    /// `unreachable` and `fetch-failed` are said of either end; the forge is the likelier, and who knows better
    /// names the dependency itself.
    pub fn of(code: Code) -> DependencyKind {
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| code.0.starts_with(prefix));
        match code.0 {
            "signer-dist-git-slow" => DependencyKind::DistGit,
            "unreachable" | "git-timeout" | "fetch-failed" | "access-denied" | "host-key" => {
                DependencyKind::Forge
            }
            "ssh-agent" => DependencyKind::Signer,
            _ if begins(&["forge-"]) => DependencyKind::Forge,
            _ if begins(&["push-", "dist-git-"]) => DependencyKind::DistGit,
            _ if begins(&["lookaside-"]) => DependencyKind::Lookaside,
            _ if begins(&["upstream-"]) => DependencyKind::Upstream,
            _ if begins(&["image-", "registry-"]) => DependencyKind::Registry,
            _ if begins(&["build-", "koji-"]) => DependencyKind::BuildSystem,
            _ if begins(&["signer-", "bot-key-"]) => DependencyKind::Signer,
            _ => DependencyKind::Ourselves,
        }
    }

    /// Returns how failures of this kind are spaced.
    ///
    /// A lost race or a lock passes in seconds, a forge in minutes; a build system is asked rarely.
    pub fn backoff(self) -> Backoff {
        let (first, most, attempts) = match self {
            DependencyKind::Ourselves => (5, 10 * 60, 12),
            DependencyKind::Signer => (10, 10 * 60, 10),
            DependencyKind::DistGit | DependencyKind::Lookaside => (30, 30 * 60, 10),
            DependencyKind::Forge | DependencyKind::Registry => (60, 60 * 60, 10),
            DependencyKind::Upstream => (5 * 60, 6 * 60 * 60, 12),
            DependencyKind::BuildSystem => (2 * 60, 60 * 60, 10),
        };
        Backoff { first: Duration::from_secs(first), most: Duration::from_secs(most), attempts }
    }
}

impl fmt::Display for DependencyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DependencyKind::Forge => "forge",
            DependencyKind::DistGit => "dist-git",
            DependencyKind::Lookaside => "lookaside",
            DependencyKind::Upstream => "upstream",
            DependencyKind::Registry => "registry",
            DependencyKind::BuildSystem => "build-system",
            DependencyKind::Signer => "signer",
            DependencyKind::Ourselves => "ourselves",
        })
    }
}

/// Says that a text names no kind of dependency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of dependency")]
pub struct UnknownKind(pub String);

impl FromStr for DependencyKind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let mut all = DependencyKind::ALL.into_iter();
        all.find(|kind| kind.to_string() == text).ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

/// One service that syncs lean on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// What it is to us.
    pub kind: DependencyKind,
    /// Which one: a host, or the name it has in the operator config.
    pub name: String,
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// How tries are spaced: each wait is twice the one before, up to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
    /// How many failures there are before a person is told and the job waits for an event.
    pub attempts: u32,
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// At a time.
    At {
        /// When.
        at: Timestamp,
        /// The number of failures that count, this one included where it does.
        attempts: u32,
    },
    /// Not before something new happens: trying the same again has shown to be useless.
    WaitForEvent,
}

impl Backoff {
    /// Returns when a run is tried again that failed for the `attempts + 1`st time.
    ///
    /// While the dependency is known to be down the failure says nothing about the job: it is not counted, and the
    /// job comes back at the longest spacing that its count has reached. `jitter` is drawn evenly from 0 to 1 and
    /// moves the wait between half and whole, so that many jobs do not come back at one moment.
    pub fn next(
        &self,
        lasting: Lasting,
        attempts: u32,
        dependency_is_up: bool,
        jitter: f64,
        now: Timestamp,
    ) -> Retry {
        let counted = attempts + u32::from(dependency_is_up);
        match lasting {
            Lasting::Permanent => Retry::WaitForEvent,
            Lasting::Temporary if counted >= self.attempts => Retry::WaitForEvent,
            Lasting::Temporary => {
                Retry::At { at: now + self.wait(attempts, jitter), attempts: counted }
            }
        }
    }

    /// Returns how long to wait after `attempts` earlier failures.
    pub fn wait(&self, attempts: u32, jitter: f64) -> Duration {
        let doubled = self.first.saturating_mul(1 << attempts.min(20));
        doubled.min(self.most).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_code_names_what_it_leans_on() {
        let table = [
            ("unreachable", DependencyKind::Forge),
            ("forge-unreachable", DependencyKind::Forge),
            ("push-unreachable", DependencyKind::DistGit),
            ("signer-dist-git-slow", DependencyKind::DistGit),
            ("lookaside-unavailable", DependencyKind::Lookaside),
            ("upstream-not-there-yet", DependencyKind::Upstream),
            ("image-unreachable", DependencyKind::Registry),
            ("registry-unreachable", DependencyKind::Registry),
            ("koji-unavailable", DependencyKind::BuildSystem),
            ("signer-unreachable", DependencyKind::Signer),
            ("ssh-agent", DependencyKind::Signer),
            ("mirror-busy", DependencyKind::Ourselves),
            ("lease-lost", DependencyKind::Ourselves),
            ("work-not-writable", DependencyKind::Ourselves),
        ];
        for (code, kind) in table {
            assert_eq!(DependencyKind::of(Code(code)), kind, "{code}");
        }
    }

    #[test]
    fn a_kind_is_written_as_it_is_read() {
        for kind in DependencyKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("oracle".parse::<DependencyKind>().is_err());
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff =
            Backoff { first: Duration::from_secs(10), most: Duration::from_secs(60), attempts: 5 };
        let waits = [0, 1, 2, 3, 40].map(|attempts| backoff.wait(attempts, 1.0).as_secs());
        assert_eq!(waits, [10, 20, 40, 60, 60]);
        assert_eq!(backoff.wait(0, 0.0).as_secs(), 5);
    }

    #[test]
    fn what_time_cannot_mend_is_not_tried_again() {
        let next = DependencyKind::Forge.backoff().next(Lasting::Permanent, 0, true, 0.5, NOW);
        assert_eq!(next, Retry::WaitForEvent);
    }

    #[test]
    fn attempts_count_only_while_the_dependency_is_up() {
        let backoff = DependencyKind::Forge.backoff();
        let attempts_after = |up| match backoff.next(Lasting::Temporary, 3, up, 0.5, NOW) {
            Retry::At { attempts, .. } => attempts,
            Retry::WaitForEvent => panic!("three failures are not enough"),
        };
        assert_eq!((attempts_after(true), attempts_after(false)), (4, 3));
        let last = backoff.attempts - 1;
        let next = |up| backoff.next(Lasting::Temporary, last, up, 0.5, NOW);
        assert_eq!(next(true), Retry::WaitForEvent);
        assert!(matches!(next(false), Retry::At { attempts, .. } if attempts == last));
    }

    proptest! {
        #[test]
        fn every_wait_lies_between_half_the_first_and_the_longest(
            attempts: u32, jitter in 0.0f64..=1.0, kind in 0usize..8
        ) {
            let backoff = DependencyKind::ALL[kind].backoff();
            let wait = backoff.wait(attempts, jitter);
            prop_assert!(wait >= backoff.first / 2 && wait <= backoff.most);
        }

        #[test]
        fn a_job_is_given_up_after_as_many_failures_as_it_has_and_no_earlier(jitter in 0.0f64..=1.0, kind in 0usize..8) {
            let backoff = DependencyKind::ALL[kind].backoff();
            let (mut attempts, mut runs) = (0, 1);
            while let Retry::At { attempts: now, .. } =
                backoff.next(Lasting::Temporary, attempts, true, jitter, NOW)
            {
                (attempts, runs) = (now, runs + 1);
            }
            prop_assert_eq!(runs, backoff.attempts);
        }
    }
}
