//! The stall detector of one stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Rings when a wait has lasted for the idle deadline and nothing moved meanwhile.
///
/// It is made inside a runtime; polling and dropping it need none of their own.
pub(super) struct StallTimer {
    sleep: Pin<Box<Sleep>>,
    idle: Duration,
    waiting_since: Option<Instant>,
}

impl StallTimer {
    pub(super) fn new(idle: Duration) -> Self {
        Self { sleep: Box::pin(sleep(idle)), idle, waiting_since: None }
    }

    /// Forgets the wait: something came.
    pub(super) fn rest(&mut self) {
        self.waiting_since = None;
    }

    /// Goes on waiting; ready once `idle` has passed since the wait began and since something last `moved`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, moved: Instant) -> Poll<()> {
        let since = match self.waiting_since {
            Some(since) => since,
            None => {
                let now = Instant::now();
                self.waiting_since = Some(now);
                self.sleep.as_mut().reset(now + self.idle);
                now
            }
        };
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let due = since.max(moved) + self.idle;
            if due <= Instant::now() {
                self.waiting_since = None;
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
    }
}
