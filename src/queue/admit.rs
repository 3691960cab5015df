//! Admission: may this job begin now?

use jiff::Timestamp;

use super::{Breaker, BreakerPolicy, Metering, Published, Rate, Scope, Switch};

/// The operator's rules for the queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Limits on publications.
    pub metering: Metering,
    /// The circuit breaker's measures; `None` where there is to be none.
    pub breaker: Option<BreakerPolicy>,
}

/// A job that could begin, with all that its admission depends on.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// The switches that cover it.
    pub switches: &'a [Switch],
    /// What was published on the branch.
    pub branch: &'a Published,
    /// What was published of the package.
    pub package: &'a Published,
    /// What was published of everything.
    pub overall: &'a Published,
    /// Where the breaker stands.
    pub breaker: &'a Breaker,
}

/// Whether a job may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Go,
    /// Not before a time; it is asked again then.
    Until {
        /// When to ask again.
        at: Timestamp,
        /// What holds it back, in words for people.
        why: String,
    },
    /// Not until a switch is changed.
    Hold {
        /// What holds it back, in words for people.
        why: String,
    },
}

impl Policy {
    /// Tells whether a job may begin. What holds it longest wins, and a pause holds longest.
    pub fn admit(&self, candidate: &Candidate<'_>, now: Timestamp) -> Admission {
        if let Some(pause) = candidate.switches.iter().find(|switch| switch.is_pause()) {
            return Admission::Hold { why: words_for_pause(pause) };
        }
        let limits = self.limits(candidate).filter_map(|limit| limit.holds(now));
        let holds = limits.chain(self.breaker(candidate, now));
        match holds.max_by_key(|(at, _)| *at) {
            Some((at, why)) => Admission::Until { at, why },
            None => Admission::Go,
        }
    }

    /// Returns how many publications must be known for the largest limit; 0 where nothing is limited.
    pub fn most_counted(&self, switches: &[Switch]) -> u32 {
        let Metering { per_branch, per_package, overall } = self.metering;
        let own = [per_branch, per_package, overall].into_iter().flatten();
        let throttles = switches.iter().filter_map(|switch| switch.kind.rate());
        own.chain(throttles).map(|rate| rate.count).max().unwrap_or(0)
    }

    fn breaker(&self, candidate: &Candidate<'_>, now: Timestamp) -> Option<(Timestamp, String)> {
        self.breaker.as_ref()?;
        let held = candidate.breaker.admits(candidate.overall.running, now).err();
        held.map(|(at, why)| (at, format!("the circuit breaker is open: {why}")))
    }

    /// Returns the operator's limits, then those of the throttles.
    fn limits<'a>(&self, candidate: &Candidate<'a>) -> impl Iterator<Item = Limit<'a>> {
        let &Candidate { branch, package, overall, switches, .. } = candidate;
        let metering = &self.metering;
        let own = [
            (metering.per_branch, branch, "metering for each branch"),
            (metering.per_package, package, "metering for each package"),
            (metering.overall, overall, "metering overall"),
        ];
        let own = own.into_iter().filter_map(|(rate, published, name)| {
            rate.map(|rate| Limit { rate, published, name: name.to_owned() })
        });
        let throttles = switches.iter().filter_map(move |switch| {
            let published = match switch.scope {
                Scope::All => overall,
                Scope::Package { .. } => package,
                Scope::Branch { .. } => branch,
            };
            let rate = switch.kind.rate()?;
            Some(Limit { rate, published, name: words_for_throttle(switch) })
        });
        own.chain(throttles)
    }
}

/// One limit, and what was published under it.
struct Limit<'a> {
    rate: Rate,
    published: &'a Published,
    name: String,
}

impl Limit<'_> {
    fn holds(self, now: Timestamp) -> Option<(Timestamp, String)> {
        let at = self.published.next_place(self.rate, now)?;
        Some((at, format!("{} allows {}", self.name, self.rate)))
    }
}

fn words_for_pause(switch: &Switch) -> String {
    format!("{} is paused by {}: {}", switch.scope, switch.who, switch.reason)
}

fn words_for_throttle(switch: &Switch) -> String {
    format!("the throttle of {} by {} ({})", switch.scope, switch.who, switch.reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{BreakerState, JobKey, SwitchKind, Window};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn key() -> JobKey {
        JobKey {
            instance: "local".parse().unwrap(),
            package: "hello".parse().unwrap(),
            branch: "f44".parse().unwrap(),
        }
    }

    fn switch(scope: &Scope, kind: SwitchKind) -> Switch {
        let (reason, who) = ("a rebuild".to_owned(), "ops".to_owned());
        Switch { scope: scope.clone(), kind, reason, who, since: at(0) }
    }

    fn policy(limits: [Option<&str>; 3]) -> Policy {
        let [per_branch, per_package, overall] =
            limits.map(|limit| limit.map(|text| text.parse().unwrap()));
        let metering = Metering { per_branch, per_package, overall };
        Policy { metering, breaker: Some(BreakerPolicy::default()) }
    }

    /// Asks at second 100, after publications at these seconds on branch, package and everything.
    fn ask(
        policy: &Policy,
        switches: &[Switch],
        seconds: [&[i64]; 3],
        breaker: &Breaker,
    ) -> Admission {
        let published = seconds.map(|seconds| Published {
            at: seconds.iter().map(|second| at(*second)).collect(),
            running: 0,
        });
        let [branch, package, overall] = &published;
        let candidate = Candidate { switches, branch, package, overall, breaker };
        policy.admit(&candidate, at(100))
    }

    fn until(admission: Admission) -> (i64, String) {
        match admission {
            Admission::Until { at, why } => (at.as_second(), why),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_limits_everything_goes() {
        let seconds: [&[i64]; 3] = [&[99, 98, 97]; 3];
        let admission = ask(&Policy::default(), &[], seconds, &Breaker::default());
        assert_eq!(admission, Admission::Go);
    }

    #[test]
    fn each_limit_counts_what_it_is_about() {
        let closed = Breaker::default();
        let seconds: [&[i64]; 3] = [&[90], &[90, 80], &[90, 80, 70]];
        assert_eq!(
            ask(&policy([Some("2/h"), Some("3/h"), Some("4/h")]), &[], seconds, &closed),
            Admission::Go
        );
        for (limits, word) in [
            ([Some("1/h"), None, None], "branch"),
            ([None, Some("2/h"), None], "package"),
            ([None, None, Some("3/h")], "overall"),
        ] {
            let (_, why) = until(ask(&policy(limits), &[], seconds, &closed));
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn the_limit_that_holds_longest_is_told() {
        let seconds: [&[i64]; 3] = [&[90], &[90, 80], &[90, 80, 70]];
        let limits = policy([Some("1/h"), Some("2/d"), None]);
        let (at, why) = until(ask(&limits, &[], seconds, &Breaker::default()));
        assert_eq!(at, 80 + Window::Day.length().as_secs() as i64);
        assert!(why.contains("package allows 2/d"), "{why}");
    }

    #[test]
    fn a_throttle_adds_to_the_limits_and_a_pause_beats_all() {
        let [all, package, branch] = Scope::around(&key());
        let seconds: [&[i64]; 3] = [&[90], &[90, 80], &[90, 80, 70]];
        let throttle = |text: &str| SwitchKind::Throttle(text.parse().unwrap());
        for (scope, rate, held) in [
            (&all, "3/h", true),
            (&all, "4/h", false),
            (&package, "2/h", true),
            (&package, "3/h", false),
            (&branch, "1/h", true),
            (&branch, "2/h", false),
        ] {
            let switches = [switch(scope, throttle(rate))];
            let admission = ask(&Policy::default(), &switches, seconds, &Breaker::default());
            assert_eq!(admission != Admission::Go, held, "{scope} {rate}");
        }
        let switches = [switch(&branch, throttle("1/h")), switch(&all, SwitchKind::Pause)];
        let admission = ask(&Policy::default(), &switches, seconds, &Breaker::default());
        let Admission::Hold { why } = admission else { panic!("{admission:?}") };
        assert_eq!(why, "all is paused by ops: a rebuild");
    }

    #[test]
    fn an_open_breaker_holds_and_a_policy_without_one_does_not_ask_it() {
        let state = BreakerState::Open {
            code: "a-b".to_owned(),
            since: at(0),
            until: at(500),
            pause: 500,
            reason: "many failed".to_owned(),
            well: 0,
        };
        let (breaker, seconds) = (Breaker { state }, [&[] as &[i64]; 3]);
        let (at, why) = until(ask(&policy([None; 3]), &[], seconds, &breaker));
        assert_eq!((at, why.as_str()), (500, "the circuit breaker is open: many failed"));
        assert_eq!(ask(&Policy::default(), &[], seconds, &breaker), Admission::Go);
    }
}
