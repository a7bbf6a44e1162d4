//! The read timeouts of a request's body: one without a byte, and one for all waiting together, which grows with what was received.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// The time that a client may take for its body.
///
/// Only time in which the server waits for the client counts; what the server takes itself never does.
#[derive(Debug)]
pub(crate) struct ReadTimeouts {
    /// Without a byte.
    idle: Duration,
    /// All waiting together: this, and as long as what came takes at [`ReadTimeouts::PACE`].
    left: Duration,
    waited: Duration,
    since: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Default for ReadTimeouts {
    fn default() -> Self {
        Self::new(Duration::from_secs(30), Duration::from_secs(120))
    }
}

impl ReadTimeouts {
    /// The slowest that a body may come for long, in bytes per second.
    const PACE: u64 = 4 * 1024;

    /// Waits `idle` without a byte, and `grace` longer in all than a slow line takes.
    pub(crate) fn new(idle: Duration, grace: Duration) -> Self {
        Self { idle, left: grace, waited: Duration::ZERO, since: None, sleep: None }
    }

    /// Notes that bytes came.
    pub(super) fn received(&mut self, bytes: usize) {
        if let Some(since) = self.since.take() {
            let waited = since.elapsed();
            self.waited += waited;
            self.left = self.left.saturating_sub(waited);
        }
        self.left += Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / Self::PACE);
    }

    /// Ready when a timeout has passed; gives how long the server waited.
    pub(super) fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<Duration> {
        if self.since.is_none() {
            let now = Instant::now();
            let until = now + self.idle.min(self.left);
            self.since = Some(now);
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(until),
                None => self.sleep = Some(Box::pin(tokio::time::sleep_until(until))),
            }
        }
        let sleep = self.sleep.as_mut().expect("because it was set where waiting began");
        let waited = self.waited + self.since.map_or(Duration::ZERO, |since| since.elapsed());
        sleep.as_mut().poll(context).map(|()| waited)
    }
}
