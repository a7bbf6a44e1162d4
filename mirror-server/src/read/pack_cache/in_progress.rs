//! An answer while it grows: where its bytes are, who reads along, and how it ends.
//!
//! Its bytes go to a file. Where the file cannot grow, because the disk is full or the cache's quota is used up, the rest passes through a bounded
//! [`window`](super::window) in memory: the answer still reaches everybody who reads along, at the pace of the slowest of them, is joined by
//! nobody any more, and is not cached. A reader that does not move for some time, while others wait for room in the window, is cut off.
//!
//! It never starts or stops a git; that is [`build`](super::build)'s.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use super::reader::Reader;
use super::window::Window;
use crate::http::answer::Region;

/// Up to where readers are woken for every byte, as they are for what git says of its progress.
const PROMPT: u64 = 64 << 10;
/// From there on, how much may come before they are woken for it; less is left to [`InProgressPack::wake`].
const WAKE: u64 = 2 << 20;

/// An answer while it grows, and until the last of its readers has gone.
#[derive(Debug)]
pub(super) struct InProgressPack {
    state: Mutex<State>,
    /// A reader moved or left.
    moved: Condvar,
    /// The last reader left before the end.
    abandoned: Notify,
}

#[derive(Debug)]
struct State {
    file: Option<Arc<File>>,
    /// How many bytes are in the file.
    stored: u64,
    window: Option<Window>,
    /// Up to where readers were told.
    notified: u64,
    ending: Option<Ending>,
    readers: BTreeMap<u64, Place>,
    next: u64,
    is_abandoned: bool,
    grown: Instant,
    is_blocked: bool,
}

/// Where one reader is.
#[derive(Debug)]
struct Place {
    at: u64,
    moved: Instant,
    waker: Option<Waker>,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// All of it is there.
    Whole,
    /// It goes no further; nobody may take it for whole.
    Cut,
    /// Instead of an answer, git told the client in its protocol why there is none.
    Refused(Bytes),
    /// Git gave up before it had a word for the client.
    Declined,
    /// Too many packs are being made; none was begun.
    Busy,
}

/// What a reader gets next.
pub(super) enum Next {
    /// A part.
    Region(Region),
    /// There is no more.
    End,
    /// It was cut off.
    Cut,
}

impl InProgressPack {
    /// Begins an answer, with its first reader.
    pub(super) fn begin() -> (Arc<Self>, Reader) {
        let pack = Arc::new(Self::empty());
        let reader = pack.join().expect("because an answer that has just begun can be joined");
        (pack, reader)
    }

    fn empty() -> Self {
        Self {
            state: Mutex::new(State {
                file: None,
                stored: 0,
                window: None,
                notified: 0,
                ending: None,
                readers: BTreeMap::new(),
                next: 0,
                is_abandoned: false,
                grown: Instant::now(),
                is_blocked: false,
            }),
            moved: Condvar::new(),
            abandoned: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one more read along; `None` where that is no longer possible.
    pub(super) fn join(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.state();
        if state.is_abandoned
            || state.window.is_some()
            || matches!(state.ending, Some(Ending::Cut | Ending::Declined | Ending::Busy))
        {
            return None;
        }
        let id = state.next;
        state.next += 1;
        state.readers.insert(id, Place { at: 0, moved: Instant::now(), waker: None });
        drop(state);
        Some(Reader::new(Arc::clone(self), id))
    }

    /// Takes a reader off; the last one that leaves before the end abandons the answer.
    pub(super) fn leave(&self, id: u64) {
        let mut state = self.state();
        state.readers.remove(&id);
        if state.readers.is_empty() && state.ending.is_none() {
            state.is_abandoned = true;
            self.abandoned.notify_one();
        }
        drop(state);
        self.moved.notify_all();
    }

    /// Waits until nobody reads along any more.
    pub(super) async fn abandoned(&self) {
        self.abandoned.notified().await;
    }

    /// Sets the file that the answer grows in.
    pub(super) fn store_in(&self, file: Arc<File>) {
        self.state().file = Some(file);
    }

    /// Writes the next bytes to the file.
    ///
    /// # Errors
    /// What the disk says. Nothing was added then; [`InProgressPack::pass`] takes the bytes.
    pub(super) fn store(&self, bytes: &[u8]) -> io::Result<()> {
        let (file, at) = {
            let state = self.state();
            let file = state.file.clone().ok_or_else(|| io::Error::other("there is no file"))?;
            (file, state.stored)
        };
        // Only the maker writes, so that the place is still right without the lock.
        file.write_all_at(bytes, at)?;
        let mut state = self.state();
        state.stored += bytes.len() as u64;
        state.grow();
        Ok(())
    }

    /// Passes the next bytes through memory, and all that follow. Blocks until there is room; readers that stand still for `timeout` lose their
    /// place.
    ///
    /// # Errors
    /// No memory.
    pub(super) fn pass(&self, bytes: &[u8], timeout: Duration) -> io::Result<()> {
        let mut guard = self.state();
        loop {
            let state = &mut *guard;
            let window = state.window.get_or_insert_with(|| Window::from(state.stored));
            let slowest = state.readers.values().map(|place| place.at).min();
            window.release(slowest.unwrap_or(window.end()));
            if window.has_room() {
                window.push(bytes)?;
                state.is_blocked = false;
                state.grow();
                return Ok(());
            }
            state.is_blocked = true;
            // Who has not yet taken all there is, and has not moved, holds the others up.
            let end = window.end();
            let stuck = |place: &&mut Place| place.at < end && place.moved.elapsed() >= timeout;
            let mut is_freed = false;
            for place in state.readers.values_mut().filter(stuck) {
                place.lose();
                is_freed = true;
            }
            if !is_freed {
                (guard, _) = self.moved.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Wakes the readers for what came since they were last told.
    pub(super) fn wake(&self) {
        let mut state = self.state();
        if state.notified < state.length() {
            state.notify();
        }
    }

    /// EndGuard the answer; the first ending counts.
    pub(super) fn end(&self, ending: Ending) {
        let mut state = self.state();
        state.ending.get_or_insert(ending);
        state.notify();
    }

    /// How many bytes there are so far.
    pub(super) fn length_so_far(&self) -> u64 {
        self.state().length()
    }

    /// For how long nothing came, other than for want of room.
    pub(super) fn quiet(&self) -> Duration {
        let state = self.state();
        if state.is_blocked { Duration::ZERO } else { state.grown.elapsed() }
    }

    /// How many bytes the whole answer has, once that is known.
    pub(super) fn length(&self) -> Option<u64> {
        let state = self.state();
        (state.ending == Some(Ending::Whole)).then(|| state.length())
    }

    /// Waits until there is something to answer with: bytes, or an ending.
    pub(super) fn poll_begun(&self, id: u64, context: &Context<'_>) -> Poll<Option<Ending>> {
        let mut state = self.state();
        if let Some(ending) = state.ending.clone() {
            return Poll::Ready(Some(ending));
        }
        if state.length() > 0 {
            return Poll::Ready(None);
        }
        state.sleep(id, context);
        Poll::Pending
    }

    /// Gives a reader what comes next.
    pub(super) fn poll_next(&self, id: u64, context: &Context<'_>) -> Poll<Next> {
        let mut state = self.state();
        let (stored, length) = (state.stored, state.length());
        let Some(at) = state.readers.get(&id).map(|place| place.at).filter(|at| *at <= length) else {
            return Poll::Ready(Next::Cut);
        };
        let region = if at < stored {
            state.file.clone().map(|file| Region { file, offset: at, length: stored - at })
        } else {
            state.window.as_ref().and_then(|window| window.at(at))
        };
        if let Some(region) = region {
            if let Some(place) = state.readers.get_mut(&id) {
                place.at += region.length;
                place.moved = Instant::now();
            }
            let is_passing = state.window.is_some();
            drop(state);
            if is_passing {
                self.moved.notify_all();
            }
            return Poll::Ready(Next::Region(region));
        }
        match &state.ending {
            Some(Ending::Whole) if at == length => Poll::Ready(Next::End),
            Some(_) => Poll::Ready(Next::Cut),
            None => {
                state.sleep(id, context);
                Poll::Pending
            }
        }
    }
}

impl Place {
    /// Cuts the reader off.
    fn lose(&mut self) {
        self.at = u64::MAX;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl State {
    fn length(&self) -> u64 {
        self.window.as_ref().map_or(self.stored, Window::end)
    }

    /// Notes that bytes came, and tells the readers where it is worth it.
    fn grow(&mut self) {
        self.grown = Instant::now();
        if self.notified < PROMPT || self.length() - self.notified >= WAKE || self.window.is_some() {
            self.notify();
        }
    }

    fn notify(&mut self) {
        self.notified = self.length();
        for place in self.readers.values_mut() {
            if let Some(waker) = place.waker.take() {
                waker.wake();
            }
        }
    }

    fn sleep(&mut self, id: u64, context: &Context<'_>) {
        if let Some(place) = self.readers.get_mut(&id) {
            place.waker = Some(context.waker().clone());
        }
    }
}
