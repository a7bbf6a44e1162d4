//! How many packs are made at once, and how many requests wait for their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Metrics;

/// The longest wait for a turn. Clients of builds give up after about a minute; telling them to come again is better than that.
const LONGEST_WAIT: Duration = Duration::from_secs(45);

/// The slots of a server.
#[derive(Debug)]
pub(in crate::read) struct BuildSlots {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
    metrics: Arc<Metrics>,
}

/// The right to run one git. Dropping it passes it on.
#[derive(Debug)]
pub(in crate::read) struct BuildSlot(#[expect(dead_code, reason = "held, never read")] OwnedSemaphorePermit);

/// One place in the queue.
struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl BuildSlots {
    pub(in crate::read) fn new(at_once: u32, queue: u32, metrics: Arc<Metrics>) -> Self {
        let permits = Arc::new(Semaphore::new(at_once.max(1) as usize));
        Self { permits, waiting: AtomicUsize::new(0), queue: queue as usize, metrics }
    }

    /// Waits for a turn, in the order of asking; `None` where too many wait, or it takes too long.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue.
    pub(in crate::read) async fn take(&self) -> Option<BuildSlot> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(BuildSlot(permit));
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waits = Waits(&self.waiting);
        if before >= self.queue {
            return None;
        }
        let _counted = self.metrics.pack_waiting();
        let acquired = tokio::time::timeout(LONGEST_WAIT, Arc::clone(&self.permits).acquire_owned()).await;
        acquired.ok()?.ok().map(BuildSlot)
    }
}
