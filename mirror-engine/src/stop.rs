//! The wish to stop: set once, by Ctrl-C or by an embedding program, and seen by every wait of an operation.
//!
//! It never ends anything by itself: the driver notices it at its next wait, ends the effect in flight and reports what is known.

use std::sync::Arc;

use tokio::sync::watch;

/// A handle that asks running operations to end with the truth as far as it is known.
///
/// Clones share the wish. It cannot be taken back.
#[derive(Debug, Clone)]
pub struct Stop {
    wish: Arc<watch::Sender<bool>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// Makes a handle that nobody has used yet.
    #[must_use]
    pub fn new() -> Self {
        Self { wish: Arc::new(watch::Sender::new(false)) }
    }

    /// Asks every operation that holds a clone to end.
    pub fn request(&self) {
        self.wish.send_replace(true);
    }

    /// Tells whether the wish was uttered.
    #[must_use]
    pub fn requested(&self) -> bool {
        *self.wish.borrow()
    }

    /// Waits until the wish is uttered; for ever where it never is.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost when the future is dropped.
    pub async fn wished(&self) {
        let mut seen = self.wish.subscribe();
        // The sender lives in `self`, so waiting can only end by the wish itself.
        let _ = seen.wait_for(|wished| *wished).await;
    }
}
