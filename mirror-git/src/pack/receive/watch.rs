//! What a fetch tells those who watch it.
//!
//! Owns the events and how often they are told. Never: terminals, formatting, verdicts.

use std::time::{Duration, Instant};

/// One thing that happened during a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Pack bytes and objects have arrived; `total` is what the pack's header announced.
    Received {
        /// Bytes of the pack so far.
        bytes: u64,
        /// Objects of the pack so far.
        objects: u32,
        /// Objects the pack will have.
        total: u32,
    },
    /// Deltas have been resolved.
    Resolved {
        /// Deltas resolved so far.
        deltas: u32,
        /// Deltas in the pack.
        total: u32,
    },
    /// Upstream said something for people. Control characters are already gone.
    Server(&'a str),
}

/// Listens to a fetch. Called from the fetch's own threads, so it must be quick.
pub trait Watch: Send + Sync {
    /// Takes note of one event. Counts are told at most ten times a second, and once at their end.
    fn event(&self, progress: Progress<'_>);
}

/// Lets an event pass at most ten times a second.
#[derive(Debug)]
pub(super) struct Throttle {
    last: Instant,
}

impl Throttle {
    const EVERY: Duration = Duration::from_millis(100);

    pub(super) fn new() -> Self {
        Self { last: Instant::now() }
    }

    /// Says whether it is time to speak again.
    pub(super) fn due(&mut self) -> bool {
        let now = Instant::now();
        let due = now.duration_since(self.last) >= Self::EVERY;
        if due {
            self.last = now;
        }
        due
    }
}
