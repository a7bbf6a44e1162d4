//! How much upstream may say before it is cut off.
//!
//! Owns the bounds of a fetch, and nothing else: deadlines are the channel's.

use mirror_git::pack::receive;

/// Bounds on everything that comes from upstream's `git-upload-pack`.
///
/// A pkt-line is bounded by the protocol itself (65,520 bytes), so it has no field here.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most bytes of one advertisement, or of one answer to `ls-refs`.
    pub advertisement_bytes: u64,
    /// The most refs in one advertisement, or in one answer to `ls-refs`.
    pub refs: usize,
    /// The most bytes of one ref name.
    pub ref_name_bytes: usize,
    /// The most bytes of progress and messages during one fetch.
    pub message_bytes: u64,
    /// Bounds on the pack.
    pub pack: receive::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            advertisement_bytes: 128 << 20,
            refs: 1_000_000,
            ref_name_bytes: 4096,
            message_bytes: 16 << 20,
            pack: receive::Limits::default(),
        }
    }
}
