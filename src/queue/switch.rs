//! Switches: what people, and the breaker, set to hold work back; and what each does, as a truth table.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{JobKey, Rate};
use crate::names::{BranchName, InstanceName, PackageName};

/// What a switch holds back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Scope {
    /// Everything that the service does.
    All,
    /// One package, all its branches.
    Package {
        /// The dist-git.
        instance: InstanceName,
        /// The package.
        package: PackageName,
    },
    /// One branch.
    Branch {
        /// The dist-git.
        instance: InstanceName,
        /// The package.
        package: PackageName,
        /// The branch.
        branch: BranchName,
    },
}

impl Scope {
    /// Tells whether a branch lies in it.
    pub fn covers(&self, key: &JobKey) -> bool {
        match self {
            Scope::All => true,
            Scope::Package { instance, package } => {
                (instance, package) == (&key.instance, &key.package)
            }
            Scope::Branch { instance, package, branch } => {
                (instance, package, branch) == (&key.instance, &key.package, &key.branch)
            }
        }
    }

    /// Returns the scopes that a branch lies in, the widest first.
    pub fn around(key: &JobKey) -> [Scope; 3] {
        let JobKey { instance, package, branch } = key.clone();
        let whole = Scope::Package { instance: key.instance.clone(), package: key.package.clone() };
        [Scope::All, whole, Scope::Branch { instance, package, branch }]
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::All => f.write_str("all"),
            Scope::Package { instance, package } => write!(f, "{instance}/{package}"),
            Scope::Branch { instance, package, branch } => {
                write!(f, "{instance}/{package}#{branch}")
            }
        }
    }
}

/// How much a switch holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwitchKind {
    /// Nothing begins, and what runs stops before its push.
    Pause,
    /// At most so many publications, on top of the operator's own limits.
    Throttle(Rate),
}

impl SwitchKind {
    /// Returns the rate of a throttle.
    pub fn rate(self) -> Option<Rate> {
        match self {
            SwitchKind::Pause => None,
            SwitchKind::Throttle(rate) => Some(rate),
        }
    }
}

/// Something that a person set; one for each scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// What it holds back.
    pub scope: Scope,
    /// How much.
    pub kind: SwitchKind,
    /// Why, in words for people.
    pub reason: String,
    /// Who set it.
    pub who: String,
    /// When it was set.
    pub since: Timestamp,
}

impl Switch {
    /// Tells whether it is a pause.
    pub fn is_pause(&self) -> bool {
        self.kind == SwitchKind::Pause
    }

    /// Tells whether what runs already is to stop before its push.
    pub fn stops_running(&self) -> bool {
        Standing::under([self]).effect(Activity::Running) == Effect::StopsBeforeThePush
    }
}

/// How a branch stands under all switches around it. The strictest wins: a pause anywhere is a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No switch is set.
    Free,
    /// At least one throttle, no pause; every throttle must be kept.
    Throttled,
    /// At least one pause.
    Paused,
}

impl Standing {
    /// Returns the standing under these switches, all of which cover the branch.
    pub fn under<'a>(switches: impl IntoIterator<Item = &'a Switch>) -> Standing {
        switches.into_iter().fold(Standing::Free, |standing, switch| {
            match (standing, switch.kind) {
                (Standing::Paused, _) | (_, SwitchKind::Pause) => Standing::Paused,
                (_, SwitchKind::Throttle(_)) => Standing::Throttled,
            }
        })
    }

    /// Returns what this standing does to an activity: the truth table of the operator's page.
    ///
    /// Deliveries are always stored and routed, since a forge that is told "not now" may never come again; looks
    /// and reports change nothing in dist-git. So only two rows depend on the switch.
    pub fn effect(self, activity: Activity) -> Effect {
        match (activity, self) {
            (Activity::Delivery | Activity::Reconcile | Activity::Report, _) => Effect::GoesOn,
            (Activity::Waiting, Standing::Free) => Effect::GoesOn,
            (Activity::Waiting, Standing::Throttled) => Effect::AtItsRate,
            (Activity::Waiting, Standing::Paused) => Effect::Waits,
            (Activity::Running, Standing::Free | Standing::Throttled) => Effect::GoesOn,
            (Activity::Running, Standing::Paused) => Effect::StopsBeforeThePush,
        }
    }
}

/// What the service does, as far as a switch may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Storing and routing a delivery.
    Delivery,
    /// A job that waits to begin.
    Waiting,
    /// A job that has begun.
    Running,
    /// Telling the forge of a finished run.
    Report,
    /// Looking whether sources moved.
    Reconcile,
}

impl Activity {
    /// All of them, in the order of the table.
    pub const ALL: [Activity; 5] = [
        Activity::Delivery,
        Activity::Waiting,
        Activity::Running,
        Activity::Report,
        Activity::Reconcile,
    ];
}

/// What a switch does to an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// As if there were no switch.
    GoesOn,
    /// Begins as often as the rate allows.
    AtItsRate,
    /// Does not begin until the switch is taken away.
    Waits,
    /// Goes on until just before the push; then it waits again.
    StopsBeforeThePush,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> JobKey {
        let (package, branch) = text.split_once('#').unwrap();
        JobKey {
            instance: "local".parse().unwrap(),
            package: package.parse().unwrap(),
            branch: branch.parse().unwrap(),
        }
    }

    fn switch(scope: Scope, kind: SwitchKind) -> Switch {
        let (reason, who) = ("mass rebuild".to_owned(), "ops".to_owned());
        Switch { scope, kind, reason, who, since: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_scope_covers_what_lies_in_it() {
        let [all, package, branch] = Scope::around(&key("hello#f44"));
        for (scope, text, covered) in [
            (&all, "other#f44", true),
            (&package, "hello#f43", true),
            (&package, "other#f44", false),
            (&branch, "hello#f44", true),
            (&branch, "hello#f43", false),
        ] {
            assert_eq!(scope.covers(&key(text)), covered, "{scope} {text}");
        }
    }

    #[test]
    fn the_strictest_switch_wins_wherever_it_is_set() {
        let throttle = SwitchKind::Throttle("1/h".parse().unwrap());
        let scopes = Scope::around(&key("hello#f44"));
        for first in &scopes {
            for second in &scopes {
                let both =
                    [switch(first.clone(), SwitchKind::Pause), switch(second.clone(), throttle)];
                assert_eq!(Standing::under(&both), Standing::Paused);
                assert_eq!(Standing::under(both.iter().rev()), Standing::Paused);
                assert_eq!(Standing::under(&both[1..]), Standing::Throttled);
            }
        }
        assert_eq!(Standing::under([]), Standing::Free);
    }

    #[test]
    fn the_truth_table_is_this() {
        use Effect::*;
        let table = [
            (Activity::Delivery, [GoesOn, GoesOn, GoesOn]),
            (Activity::Waiting, [GoesOn, AtItsRate, Waits]),
            (Activity::Running, [GoesOn, GoesOn, StopsBeforeThePush]),
            (Activity::Report, [GoesOn, GoesOn, GoesOn]),
            (Activity::Reconcile, [GoesOn, GoesOn, GoesOn]),
        ];
        for (activity, effects) in table {
            let standings = [Standing::Free, Standing::Throttled, Standing::Paused];
            assert_eq!(standings.map(|standing| standing.effect(activity)), effects);
        }
        assert_eq!(table.map(|(activity, _)| activity), Activity::ALL);
    }
}
