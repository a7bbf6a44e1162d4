//! Showing or doing.

/// Whether a verb may change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// It shows what it would do; no byte changes anywhere (I10).
    DryRun,
    /// It does it.
    Confirm,
}
