//! The circuit breaker: when many branches fail the same way, the fault is likely not theirs.
//!
//! ```text
//! Closed --share of branches fails alike--> Open --pause over--> HalfOpen, one run at a time
//!    ^                                        ^                     |
//!    +----------- enough runs go well --------|---------------------+
//!                                             +-- one fails alike --+   (the pause doubles)
//! ```

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When the breaker opens, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// How far it looks back.
    pub window: Duration,
    /// The share of branches, in percent, that must have failed alike.
    pub percent: u32,
    /// With fewer branches than this failing alike it never opens.
    pub at_least: u32,
    /// How long it stays open at first; twice as long each time that a probe fails, up to a day.
    pub pause: Duration,
    /// How many probes must go well before it closes.
    pub probes: u32,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        BreakerPolicy {
            window: Duration::from_secs(30 * 60),
            percent: 50,
            at_least: 10,
            pause: Duration::from_secs(10 * 60),
            probes: 3,
        }
    }
}

/// The longest that the breaker stays open without a probe.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// How many branches ended a run in the window, and how many of them the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureShare {
    /// Branches whose latest run in the window failed with the code that is asked about.
    pub alike: u32,
    /// Branches that ended a run in the window.
    pub all: u32,
}

/// Where the breaker stands. Kept in the database, one for all nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// What it lets through.
    pub state: BreakerState,
}

/// What the breaker lets through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
#[schemars(with = "serde_json::Value")]
pub enum BreakerState {
    /// Everything.
    #[default]
    Closed,
    /// Nothing until a time; from then on one run at a time, as a probe.
    Open {
        /// The code that so many failed with.
        code: String,
        /// When it opened.
        since: Timestamp,
        /// When the first probe may begin.
        until: Timestamp,
        /// How long it stays open, in seconds, should the probe fail: twice that.
        pause: u64,
        /// What was seen, in words.
        reason: String,
        /// How many probes went well since `until`.
        well: u32,
    },
}

/// How a run ended, as far as the breaker asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended<'a> {
    Well,
    With(&'a str),
}

impl Breaker {
    /// Tells whether a run may begin, given how many run already: `Ok`, or until when it waits and why.
    pub fn admits(&self, running: u32, now: Timestamp) -> Result<(), (Timestamp, &str)> {
        match &self.state {
            BreakerState::Closed => Ok(()),
            BreakerState::Open { until, reason, .. } if now < *until => Err((*until, reason)),
            BreakerState::Open { .. } if running == 0 => Ok(()),
            // A probe is under way; its end decides.
            BreakerState::Open { reason, .. } => Err((now + Duration::from_secs(10), reason)),
        }
    }

    /// Takes note of a run that began at `began` and failed with `code`; tells whether the state changed.
    pub fn failed(
        &mut self,
        code: &str,
        began: Timestamp,
        share: FailureShare,
        policy: &BreakerPolicy,
        now: Timestamp,
    ) -> bool {
        match &self.state {
            BreakerState::Closed => self.perhaps_open(code, share, policy, now),
            BreakerState::Open { .. } => self.probe_ended(Ended::With(code), began, policy, now),
        }
    }

    /// Takes note of a run that began at `began` and went well; tells whether the state changed.
    pub fn went_well(&mut self, began: Timestamp, policy: &BreakerPolicy, now: Timestamp) -> bool {
        self.probe_ended(Ended::Well, began, policy, now)
    }

    fn perhaps_open(
        &mut self,
        code: &str,
        share: FailureShare,
        policy: &BreakerPolicy,
        now: Timestamp,
    ) -> bool {
        let enough = share.alike >= policy.at_least.max(1);
        if !enough
            || u64::from(share.alike) * 100 < u64::from(share.all) * u64::from(policy.percent)
        {
            return false;
        }
        let minutes = policy.window.as_secs() / 60;
        let reason = format!(
            "{} of {} branches that ran within {minutes} minutes failed with {code}",
            share.alike, share.all
        );
        let pause = policy.pause.min(LONGEST_PAUSE);
        self.state = BreakerState::Open {
            code: code.to_owned(),
            since: now,
            until: now + pause,
            pause: pause.as_secs(),
            reason,
            well: 0,
        };
        true
    }

    /// Another failure than the one that opened it counts as well: that fault is gone, and the breaker's window
    /// judges the new one afresh.
    fn probe_ended(
        &mut self,
        ended: Ended<'_>,
        began: Timestamp,
        policy: &BreakerPolicy,
        now: Timestamp,
    ) -> bool {
        let BreakerState::Open { code, until, pause, well, .. } = &mut self.state else {
            return false;
        };
        if began < *until {
            // It began before the breaker opened and says nothing about whether the fault is gone.
            return false;
        }
        if ended == Ended::With(code) {
            *pause = pause.saturating_mul(2).min(LONGEST_PAUSE.as_secs());
            (*until, *well) = (now + Duration::from_secs(*pause), 0);
            return true;
        }
        *well += 1;
        if *well >= policy.probes {
            self.state = BreakerState::Closed;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        let share = FailureShare { alike: 10, all: 20 };
        assert!(breaker.failed("a-b", at(0), share, &BreakerPolicy::default(), at(0)));
        breaker
    }

    #[test]
    fn it_opens_when_enough_branches_and_a_large_enough_share_fail_alike() {
        for (alike, all, opens) in
            [(9, 9, false), (10, 10, true), (10, 20, true), (10, 21, false), (500, 1001, false)]
        {
            let mut breaker = Breaker::default();
            let share = FailureShare { alike, all };
            let changed = breaker.failed("a-b", at(0), share, &BreakerPolicy::default(), at(0));
            assert_eq!(changed, opens, "{alike} of {all}");
            assert_eq!(breaker.admits(0, at(1)).is_err(), opens);
        }
    }

    #[test]
    fn after_its_pause_it_lets_one_probe_through_at_a_time() {
        let breaker = opened();
        assert_eq!(breaker.admits(0, at(599)).unwrap_err().0, at(600));
        assert!(breaker.admits(0, at(600)).is_ok());
        assert!(breaker.admits(1, at(600)).is_err());
    }

    #[test]
    fn a_probe_that_fails_alike_doubles_the_pause() {
        let (mut breaker, policy) = (opened(), BreakerPolicy::default());
        let share = FailureShare { alike: 1, all: 1 };
        assert!(!breaker.failed("a-b", at(599), share, &policy, at(610)), "it began before");
        assert!(breaker.failed("a-b", at(600), share, &policy, at(610)));
        assert_eq!(breaker.admits(0, at(611)).unwrap_err().0, at(610 + 1200));
    }

    #[test]
    fn enough_probes_that_go_well_close_it() {
        let (mut breaker, policy) = (opened(), BreakerPolicy::default());
        assert!(!breaker.went_well(at(100), &policy, at(601)), "it began before");
        for second in 0..3 {
            assert_ne!(breaker.state, BreakerState::Closed);
            assert!(breaker.went_well(at(600 + second), &policy, at(610)));
        }
        assert_eq!(breaker.state, BreakerState::Closed);
    }

    #[test]
    fn it_is_kept_as_json() {
        for breaker in [Breaker::default(), opened()] {
            let text = serde_json::to_string(&breaker).unwrap();
            assert_eq!(serde_json::from_str::<Breaker>(&text).unwrap(), breaker);
        }
    }

    proptest! {
        #[test]
        fn whatever_happens_it_lets_a_probe_through_within_a_day(
            steps in proptest::collection::vec((any::<bool>(), any::<bool>(), 0i64..100_000), 0..60)
        ) {
            let (mut breaker, policy, mut now) = (Breaker::default(), BreakerPolicy::default(), 0);
            for (well, alike, pause) in steps {
                now += pause;
                let share = FailureShare { alike: 10, all: 10 };
                match (well, alike) {
                    (true, _) => breaker.went_well(at(now), &policy, at(now)),
                    (false, true) => breaker.failed("a-b", at(now), share, &policy, at(now)),
                    (false, false) => breaker.failed("c-d", at(now), share, &policy, at(now)),
                };
                prop_assert!(breaker.admits(0, at(now + 24 * 3600)).is_ok());
            }
        }
    }
}
