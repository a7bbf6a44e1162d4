//! What an operation tells while it runs: phases, bytes, objects, the server's words, steps of the road.
//!
//! It is talk for a progress display or a log, never a fact of a report.

use std::sync::Arc;
use std::time::Duration;

use mirror_transport::tunnel::Step;

/// One thing worth telling while an operation runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The operation waits for its turn; the text names the holder of the lock.
    Waiting {
        /// Who holds the lock, as a person would say it.
        holder: String,
    },
    /// A new phase began.
    Phase(Phase),
    /// Pack bytes that came from or went to upstream, since the phase began.
    Bytes(u64),
    /// Objects done and, where it is known, how many there are.
    Objects {
        /// Objects done so far.
        done: u64,
        /// Objects in all, where known.
        of: Option<u64>,
    },
    /// Words of the server, meant for people (side-band progress or stderr).
    ServerMessage(String),
    /// A step of the road to upstream began.
    StepBegan(Step),
    /// A step of the road to upstream was passed.
    StepPassed {
        /// Which step.
        step: Step,
        /// How long it took.
        took: Duration,
        /// What was seen there.
        detail: String,
    },
    /// A transient fault is being waited out.
    Retrying {
        /// The fault's words.
        fault: String,
        /// How long the pause is.
        after: Duration,
    },
}

/// The phases of an operation, in the order of the road.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking at upstream.
    Observe,
    /// Receiving objects.
    Fetch,
    /// Checking that received objects are connected.
    Check,
    /// Moving refs.
    Commit,
    /// Sending objects.
    Push,
    /// Looking at upstream again.
    Prove,
}

/// Listens to what an operation tells.
///
/// Called from the operation's own thread and from the threads that move packs: it must be quick and must not block.
pub trait Watch: Send + Sync {
    /// Takes one event.
    fn event(&self, event: Event);
}

/// A listener that is shared with the threads that move packs.
pub type Watcher = Arc<dyn Watch>;

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Watch for Silent {
    fn event(&self, _event: Event) {}
}
