//! Metering: how often the bot may publish.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Rate, Window};

/// The operator's limits on publications; what is left out is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Metering {
    /// For each branch, such as `6/h`.
    pub per_branch: Option<Rate>,
    /// For each package, all its branches together.
    pub per_package: Option<Rate>,
    /// For everything.
    pub overall: Option<Rate>,
}

impl Metering {
    /// Tells whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Metering::default()
    }
}

/// What was published in one scope lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// When, the newest first; at least as many as the largest limit asks for, where there are so many.
    pub at: Vec<Timestamp>,
    /// How many runs there are that may still publish.
    pub running: u32,
}

/// How long to wait before looking again, where only a run's end can free a place.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl Published {
    /// Returns when the next publication fits into `rate`; `None` where it fits now.
    ///
    /// A run that has begun counts as a publication: it will be one, or end within minutes and free its place.
    pub fn next_place(&self, rate: Rate, now: Timestamp) -> Option<Timestamp> {
        let begins = now - rate.per.length();
        let in_window = self.at.iter().filter(|at| **at > begins).count();
        let limit = rate.count as usize;
        if in_window + (self.running as usize) < limit {
            return None;
        }
        match in_window >= limit {
            // Newest first: when this one leaves the window, one less than the limit are left.
            true => Some(self.at[limit - 1] + rate.per.length()),
            false => Some(now + LOOK_AGAIN),
        }
    }

    /// Returns how many there were in the window that ends now; for people.
    pub fn in_window(&self, window: Window, now: Timestamp) -> usize {
        let begins = now - window.length();
        self.at.iter().filter(|at| **at > begins).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn published(seconds: &[i64], running: u32) -> Published {
        Published { at: seconds.iter().map(|second| at(*second)).collect(), running }
    }

    #[test]
    fn a_place_is_free_when_the_oldest_has_left_the_window() {
        let two: Rate = "2/h".parse().unwrap();
        let cases = [
            (published(&[], 0), None),
            (published(&[-10], 0), None),
            (published(&[-10, -20], 0), Some(at(3580))),
            (published(&[-10, -20, -30], 0), Some(at(3580))),
            (published(&[-10, -3600], 0), None),
            (published(&[-10, -3599], 0), Some(at(1))),
            (published(&[-10], 1), Some(at(10))),
            (published(&[], 1), None),
            (published(&[], 2), Some(at(10))),
        ];
        for (published, expected) in cases {
            assert_eq!(published.next_place(two, at(0)), expected, "{published:?}");
        }
    }

    proptest! {
        #[test]
        fn who_waits_as_told_never_breaks_the_limit(
            wishes in proptest::collection::vec(0i64..20_000, 1..80), limit in 1u32..6
        ) {
            let rate = Rate { count: limit, per: Window::Hour };
            let mut wishes = wishes;
            wishes.sort_unstable();
            let mut published = Published::default();
            for wish in wishes {
                let newest = published.at.first().copied().unwrap_or(at(0));
                let mut now = at(wish).max(newest);
                while let Some(later) = published.next_place(rate, now) {
                    prop_assert!(later > now);
                    now = later;
                }
                published.at.insert(0, now);
            }
            for (index, end) in published.at.iter().enumerate() {
                let inside = published.at[index..].iter();
                let inside = inside.filter(|at| **at > *end - rate.per.length()).count();
                prop_assert!(inside <= limit as usize);
            }
        }
    }
}
