//! An SSH session that outlives the operation it was opened for, so that the next one need not pay for tunnel, handshake and login again.
//!
//! Keeps the session, and at most one channel on which nothing was said yet: what was said on one belongs to its operation. Never opens a session, and never retries.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ssh::Session;

/// What became of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A new one was opened.
    Opened,
    /// One that was open was used again.
    Reused,
    /// One died, or was given up in the middle of something.
    Lost,
    /// One was closed in good order.
    Closed,
}

/// How long a session is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long without use.
    pub idle: Duration,
    /// How long at all: a login of long ago says nothing of the keys of today.
    pub age: Duration,
}

impl Default for Patience {
    /// Ten minutes without use, an hour at all.
    fn default() -> Self {
        Self { idle: Duration::from_secs(10 * 60), age: Duration::from_secs(60 * 60) }
    }
}

/// Where the session to one upstream is kept between operations. It holds one at most; who finds it empty opens a session of their own.
pub struct Warm {
    kept: Mutex<Option<Kept>>,
    patience: Patience,
    changed: Notify,
    tell: Box<dyn Fn(Change) + Send + Sync>,
}

struct Kept {
    session: Arc<Session>,
    opened: Instant,
    idle_since: Instant,
}

impl fmt::Debug for Warm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warm").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Warm {
    /// Makes an empty place; `tell` hears what becomes of sessions, and must not block.
    #[must_use]
    pub fn new(patience: Patience, tell: impl Fn(Change) + Send + Sync + 'static) -> Self {
        Self { kept: Mutex::new(None), patience, changed: Notify::new(), tell: Box::new(tell) }
    }

    /// Opens a channel in advance for the next operation, and closes what nobody used for long, or what is old; runs until it is dropped.
    ///
    /// # Cancel safety
    /// Safe: a goodbye that is cut short ends the session all the same.
    pub async fn tend(&self) {
        loop {
            let changed = self.changed.notified();
            let Some((session, due)) = self.resting() else {
                changed.await;
                continue;
            };
            if let Err(error) = session.reserve().await {
                tracing::debug!(%error, "no channel could be opened in advance");
            }
            drop(session);
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(due) => self.close_due().await,
            }
        }
    }

    /// Closes the session that is kept, where there is one.
    pub async fn close(&self) {
        let kept = self.kept().take();
        self.end(kept).await;
    }

    /// Gives the session that is kept, where there is one that is alive and not too old.
    async fn take(self: &Arc<Self>) -> Option<Leased> {
        let kept = self.kept().take()?;
        if kept.session.is_closed() {
            (self.tell)(Change::Lost);
            return None;
        }
        if self.expiry(&kept) <= Instant::now() {
            self.end(Some(kept)).await;
            return None;
        }
        (self.tell)(Change::Reused);
        Some(Leased { session: Some(kept.session), opened: kept.opened, home: Some(Arc::clone(self)) })
    }

    fn put(&self, session: Arc<Session>, opened: Instant) -> Option<Arc<Session>> {
        let mut kept = self.kept();
        if kept.is_some() {
            return Some(session);
        }
        *kept = Some(Kept { session, opened, idle_since: Instant::now() });
        drop(kept);
        self.changed.notify_one();
        None
    }

    fn expiry(&self, kept: &Kept) -> Instant {
        (kept.idle_since + self.patience.idle).min(kept.opened + self.patience.age)
    }

    fn resting(&self) -> Option<(Arc<Session>, Instant)> {
        self.kept().as_ref().map(|kept| (Arc::clone(&kept.session), self.expiry(kept)))
    }

    async fn close_due(&self) {
        let now = Instant::now();
        let due = {
            let mut kept = self.kept();
            let due = kept.as_ref().is_some_and(|kept| self.expiry(kept) <= now);
            if due { kept.take() } else { None }
        };
        self.end(due).await;
    }

    async fn end(&self, kept: Option<Kept>) {
        let Some(Kept { session, .. }) = kept else { return };
        (self.tell)(if session.is_closed() { Change::Lost } else { Change::Closed });
        close(session).await;
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says goodbye. Where a channel is just being opened in advance, the session ends with that instead.
async fn close(session: Arc<Session>) {
    if let Some(session) = Arc::into_inner(session) {
        session.close().await;
    }
}

/// Whether a session had been used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was opened just now.
    Fresh,
    /// It may have died meanwhile without a sign.
    Kept,
}

/// A session in use, and where it goes when it is no longer. Dropping it cuts the connection.
#[derive(Debug)]
pub(super) struct Leased {
    session: Option<Arc<Session>>,
    opened: Instant,
    home: Option<Arc<Warm>>,
}

impl Leased {
    /// Takes what is kept.
    pub(super) async fn kept(home: Option<&Arc<Warm>>) -> Option<Self> {
        home?.take().await
    }

    /// Takes a session that was just opened.
    pub(super) fn fresh(session: Session, home: Option<&Arc<Warm>>) -> Self {
        if let Some(home) = home {
            (home.tell)(Change::Opened);
        }
        Self { session: Some(Arc::new(session)), opened: Instant::now(), home: home.cloned() }
    }

    /// Gives the session back to where it is kept; without such a place, or where it is dead, ends it.
    pub(super) async fn give_back(mut self) {
        let Some(session) = self.session.take() else { return };
        let Some(home) = self.home.take() else { return close(session).await };
        if session.is_closed() {
            (home.tell)(Change::Lost);
            return;
        }
        if let Some(session) = home.put(session, self.opened) {
            (home.tell)(Change::Closed);
            close(session).await;
        }
    }
}

impl Deref for Leased {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session.as_ref().expect("because only giving it back takes it out")
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if let (Some(_), Some(home)) = (&self.session, &self.home) {
            (home.tell)(Change::Lost);
        }
    }
}
