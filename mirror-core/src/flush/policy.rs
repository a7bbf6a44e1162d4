//! How patient a flush is.

use std::time::Duration;

use super::Backoff;

/// The bounds of a flush. Every one of them is finite, so every flush ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushPolicy {
    /// How many looks in a row may fail, transiently, before a flush that has sent nothing gives up.
    pub observe_attempts: u32,
    /// How many times a push that did not land (raced, not sent, no answer) is followed by another round.
    pub push_rounds: u32,
    /// How many looks in a row may fail, transiently, after a push whose answer was lost. After an accepted push it bounds only looks
    /// that were outdated: the first that fails in earnest already leads to recovery.
    pub recheck_attempts: u32,
    /// The pauses between attempts.
    pub backoff: Backoff,
    /// When the flush ends at the latest, after its start.
    pub deadline: Duration,
}

impl Default for FlushPolicy {
    fn default() -> Self {
        Self {
            observe_attempts: 4,
            push_rounds: 3,
            recheck_attempts: 4,
            backoff: Backoff { first: Duration::from_millis(500), max: Duration::from_secs(8) },
            deadline: Duration::from_secs(15 * 60),
        }
    }
}
