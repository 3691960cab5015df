//! Which tag, which version, which release number: the design's section 3, as pure functions.
//!
//! 1. [`tags`] reads one tag: a version, or why the tag is passed over;
//! 2. `forms` knows the shapes that release tags have where a branch config says nothing;
//! 3. [`mod@choose`] picks the release tag among those reachable from the tip, and refuses a moved one;
//! 4. [`release`] derives the release number, so that what is published only ever goes up.
//!
//! Facts come in as values and an answer goes out. Nothing here sees git, a clock or rpm.

pub mod choose;
mod forms;
pub mod release;
pub mod tags;

pub use choose::{Candidate, Chosen, NamedTag, TagSignature, check_not_moved, choose};
pub use release::{
    Floor, NewerBranch, Plan, ReleaseForm, ReleaseQuestion, as_written, floor, next,
};
pub use tags::{PassedOver, ReadTag, TagRules};

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod table;
