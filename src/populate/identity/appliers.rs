//! What each way of applying patches in a spec can carry.

/// How the spec's `%prep` applies its patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Applier {
    /// `%autosetup -p1`, `%autopatch`, `%patch`: GNU patch.
    Patch,
}

/// A patch that the spec's applier cannot carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplierFault {}

/// placeholder
pub fn applier_faults() {}
