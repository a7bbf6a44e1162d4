//! What goes on on an HTTP/2 connection, whose requests wait for each other's clients in ways that the socket does not show.
//!
//! A client that grants one stream no window keeps its answer waiting for ever while pings go back and forth. Here each answer
//! notes when a piece of it was taken, and whether it waits for the server itself.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    under_way: watch::Sender<usize>,
    strides: Mutex<Vec<Weak<Mutex<Stride>>>>,
}

/// One request that is under way; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Step {
    activity: Arc<Activity>,
    stride: Arc<Mutex<Stride>>,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy)]
enum Stride {
    /// The server's: it makes the answer, or its next piece.
    Ours,
    /// The client's, since then: it has to take a piece.
    Theirs(Instant),
}

impl Activity {
    pub(super) fn new() -> Self {
        Self { under_way: watch::Sender::new(0), strides: Mutex::default() }
    }

    /// Notes that a request began.
    pub(super) fn begin(self: &Arc<Self>) -> Step {
        let stride = Arc::new(Mutex::new(Stride::Ours));
        {
            let mut strides = self.strides.lock().unwrap_or_else(PoisonError::into_inner);
            strides.retain(|stride| stride.strong_count() > 0);
            strides.push(Arc::downgrade(&stride));
        }
        self.under_way.send_modify(|count| *count += 1);
        Step { activity: Arc::clone(self), stride }
    }

    /// Waits until nothing was under way for so long.
    pub(super) async fn idle(&self, long: Duration) {
        let mut seen = self.under_way.subscribe();
        loop {
            let none = seen.wait_for(|count| *count == 0).await.is_ok();
            // A timeout means that nothing began in the meantime.
            if none && tokio::time::timeout(long, seen.changed()).await.is_err() {
                return;
            }
        }
    }

    /// Waits until some answer was the client's turn for so long.
    pub(super) async fn stalled(&self, long: Duration) {
        loop {
            match self.oldest() {
                Some(since) if since.elapsed() >= long => return,
                Some(since) => tokio::time::sleep_until(since + long).await,
                None => tokio::time::sleep(long).await,
            }
        }
    }

    fn oldest(&self) -> Option<Instant> {
        let strides = self.strides.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = strides.iter().filter_map(|stride| {
            match *stride.upgrade()?.lock().unwrap_or_else(PoisonError::into_inner) {
                Stride::Ours => None,
                Stride::Theirs(since) => Some(since),
            }
        });
        theirs.min()
    }
}

impl Step {
    /// Notes that the server works on the next piece.
    pub(super) fn ours(&self) {
        *self.stride.lock().unwrap_or_else(PoisonError::into_inner) = Stride::Ours;
    }

    /// Notes that a piece was handed over, and is the client's to take.
    pub(super) fn theirs(&self) {
        *self.stride.lock().unwrap_or_else(PoisonError::into_inner) = Stride::Theirs(Instant::now());
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.activity.under_way.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn only_the_clients_turn_is_a_stall() {
        let activity = Arc::new(Activity::new());
        let step = activity.begin();
        let begun = Instant::now();
        // However long the server takes itself.
        assert!(tokio::time::timeout(LONG * 100, activity.stalled(LONG)).await.is_err());
        step.theirs();
        let handed = begun.elapsed();
        activity.stalled(LONG).await;
        let stalled = begun.elapsed() - handed;
        assert!(stalled >= LONG && stalled <= LONG * 2, "{stalled:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn idle_begins_with_the_end_of_the_last_request() {
        let activity = Arc::new(Activity::new());
        let (one, other) = (activity.begin(), activity.begin());
        let begun = Instant::now();
        let waiting = tokio::spawn({
            let activity = Arc::clone(&activity);
            async move { activity.idle(LONG).await }
        });
        tokio::time::sleep(LONG * 3).await;
        drop(one);
        tokio::time::sleep(LONG * 3).await;
        drop(other);
        waiting.await.expect("no panic");
        assert_eq!(begun.elapsed(), LONG * 7);
    }
}
