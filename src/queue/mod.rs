//! Queue: the rules by which work waits, runs, is tried again and is held. Pure: no database, no clock, no chance.
//!
//! 1. A [`JobKey`] names the work: one dist-git branch. A [`Cause`] says why it was asked for.
//! 2. [`Policy::admit`] answers whether a waiting job may begin: pauses and throttles ([`Switch`]), limits on
//!    publications ([`Metering`]), and the circuit breaker ([`Breaker`]) are asked, the strictest wins.
//! 3. [`Backoff::next`] answers when a failed run is tried again, by the [`Dependency`] that failed it.
//!
//! Times and randomness are arguments. What is asked here is asked inside one transaction of [`crate::database`],
//! so that two nodes do not both take the last free place.

mod admit;
mod breaker;
mod metering;
mod rate;
mod retry;
mod switch;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use admit::{Admission, Candidate, Policy};
pub use breaker::{Breaker, BreakerPolicy, BreakerState, FailureShare};
pub use metering::{Metering, Published};
pub use rate::{Rate, RateError, Window};
pub use retry::{Backoff, Dependency, DependencyKind, Retry};
pub use switch::{Activity, Effect, Scope, Standing, Switch, SwitchKind};

use crate::names::{BranchName, DeliveryId, HookName, InstanceName, PackageName};

/// One dist-git branch in the queue: at most one job waits for it, and at most one runs, over all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobKey {
    /// The dist-git.
    pub instance: InstanceName,
    /// The package in it.
    pub package: PackageName,
    /// The branch of the package.
    pub branch: BranchName,
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}", self.instance, self.package, self.branch)
    }
}

/// Why somebody asked to look at a branch; told to people, and never believed for anything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Cause {
    /// A forge delivered an event.
    Delivery {
        /// The door it came through.
        hook: HookName,
        /// What the forge calls it.
        id: DeliveryId,
    },
    /// A look at the source found that it had moved, though no delivery had said so.
    Reconcile,
    /// A person or a program asked, by a command or through the API.
    Person {
        /// Who, as far as it is known.
        who: String,
    },
    /// The branch was found to be opted in, or its config changed.
    Index,
}

impl Cause {
    /// Tells whether somebody wants an answer now, so that earlier failures are forgotten.
    pub fn forgives(&self) -> bool {
        matches!(self, Cause::Person { .. })
    }
}
