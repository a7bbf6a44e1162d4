//! How much a server may say.

/// Bounds on what a receive-pack may send; beyond each is an error of its own.
///
/// # Units
///
/// Bytes and counts. Time is bounded by the channel, not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many refs and further tips it may advertise.
    pub refs: usize,
    /// How long a ref name may be.
    pub ref_name: usize,
    /// How long the list of capabilities may be.
    pub capabilities: usize,
    /// How long its report may be, all lines together.
    pub report: usize,
    /// How much of its talk for people is kept; the newest is.
    pub messages: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { refs: 1_000_000, ref_name: 4096, capabilities: 16 << 10, report: 1 << 20, messages: 16 << 10 }
    }
}
