//! Stall detection on an HTTP/2 connection, where a request can wait for its client in ways that the socket does not show.
//!
//! A client that grants one stream no window keeps its answer waiting for ever while pings go back and forth. Here each answer
//! notes when a piece of it was taken, and whether it waits for the server itself.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct StallDetector {
    under_way: watch::Sender<usize>,
    requests: Mutex<Vec<Weak<Mutex<WaitsFor>>>>,
}

/// One request that is under way; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    stalls: Arc<StallDetector>,
    waits_for: Arc<Mutex<WaitsFor>>,
}

/// What a request waits for.
#[derive(Debug, Clone, Copy)]
enum WaitsFor {
    /// The server: it makes the answer, or its next piece.
    Server,
    /// The client, since then: it has to take a piece.
    Client(Instant),
}

impl StallDetector {
    pub(super) fn new() -> Self {
        Self { under_way: watch::Sender::new(0), requests: Mutex::default() }
    }

    /// Notes that a request began.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        let waits_for = Arc::new(Mutex::new(WaitsFor::Server));
        {
            let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            requests.retain(|waits_for| waits_for.strong_count() > 0);
            requests.push(Arc::downgrade(&waits_for));
        }
        self.under_way.send_modify(|count| *count += 1);
        InFlight { stalls: Arc::clone(self), waits_for }
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

    /// Waits until some answer waited for the client for so long.
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
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = requests.iter().filter_map(|waits_for| {
            match *waits_for.upgrade()?.lock().unwrap_or_else(PoisonError::into_inner) {
                WaitsFor::Server => None,
                WaitsFor::Client(since) => Some(since),
            }
        });
        theirs.min()
    }
}

impl InFlight {
    /// Notes that the server works on the next piece.
    pub(super) fn waits_for_server(&self) {
        *self.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = WaitsFor::Server;
    }

    /// Notes that a piece was handed over, and is the client's to take.
    pub(super) fn waits_for_client(&self) {
        *self.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = WaitsFor::Client(Instant::now());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.stalls.under_way.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn only_the_clients_turn_is_a_stall() {
        let stalls = Arc::new(StallDetector::new());
        let in_flight = stalls.begin();
        let begun = Instant::now();
        // However long the server takes itself.
        assert!(tokio::time::timeout(LONG * 100, stalls.stalled(LONG)).await.is_err());
        in_flight.waits_for_client();
        let handed = begun.elapsed();
        stalls.stalled(LONG).await;
        let stalled = begun.elapsed() - handed;
        assert!(stalled >= LONG && stalled <= LONG * 2, "{stalled:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn idle_begins_with_the_end_of_the_last_request() {
        let stalls = Arc::new(StallDetector::new());
        let (one, other) = (stalls.begin(), stalls.begin());
        let begun = Instant::now();
        let waiting = tokio::spawn({
            let stalls = Arc::clone(&stalls);
            async move { stalls.idle(LONG).await }
        });
        tokio::time::sleep(LONG * 3).await;
        drop(one);
        tokio::time::sleep(LONG * 3).await;
        drop(other);
        waiting.await.expect("no panic");
        assert_eq!(begun.elapsed(), LONG * 7);
    }
}
