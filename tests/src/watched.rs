//! A value that tasks change and tests wait on.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::deadline::TIMEOUT;

/// A shared value. Clones are the same value.
#[derive(Debug, Default)]
pub(crate) struct Watched<T>(Arc<Cell<T>>);

#[derive(Debug, Default)]
struct Cell<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone + std::fmt::Debug> Watched<T> {
    fn open(&self) -> MutexGuard<'_, T> {
        self.0.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the value as it is now.
    pub(crate) fn read(&self) -> T {
        self.open().clone()
    }

    /// Changes the value and wakes every waiter.
    pub(crate) fn write<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.open());
        self.0.changed.notify_all();
        result
    }

    /// Waits until the value is as wanted, and gives it.
    ///
    /// # Panics
    /// Where it does not get there within five minutes.
    pub(crate) fn wait(&self, wanted: impl Fn(&T) -> bool) -> T {
        let end = Instant::now() + TIMEOUT;
        let mut value = self.open();
        while !wanted(&value) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the wanted state was not reached within {TIMEOUT:?}; it is {:#?}", *value);
            (value, _) = self.0.changed.wait_timeout(value, left).unwrap_or_else(PoisonError::into_inner);
        }
        value.clone()
    }
}
