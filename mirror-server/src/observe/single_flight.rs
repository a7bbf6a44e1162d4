//! A reading that many requests may ask for at once. It is made at most once at a time, and each request gets one that began after it asked, so that
//! no answer is older than its request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use tokio::sync::Mutex;

/// Makes readings, one at a time, and shares them.
#[derive(Debug)]
pub(crate) struct SingleFlight<T> {
    /// Orders requests and readings: both are numbered by it.
    order: AtomicU64,
    turn: Mutex<()>,
    last: std::sync::Mutex<Option<(u64, Arc<T>)>>,
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self { order: AtomicU64::new(0), turn: Mutex::new(()), last: std::sync::Mutex::new(None) }
    }
}

impl<T> SingleFlight<T> {
    /// Gives a reading that began after this was asked for; `read` makes one where no other request's can be shared.
    pub(super) async fn ask<F: Future<Output = T>>(&self, read: impl FnOnce() -> F) -> Arc<T> {
        let asked = self.order.fetch_add(1, Ordering::SeqCst);
        let _turn = self.turn.lock().await;
        if let Some((began, value)) = self.last()
            && began > asked
        {
            return value;
        }
        let began = self.order.fetch_add(1, Ordering::SeqCst);
        let value = Arc::new(read().await);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((began, Arc::clone(&value)));
        value
    }

    fn last(&self) -> Option<(u64, Arc<T>)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn many_share_a_reading_and_none_gets_one_from_before_it_asked() {
        let shared = Arc::new(SingleFlight::<usize>::default());
        let made = Arc::new(AtomicUsize::new(0));
        let leave = Arc::new(Semaphore::new(0));
        let ask = |name: usize| {
            let (shared, made, leave) = (Arc::clone(&shared), Arc::clone(&made), Arc::clone(&leave));
            tokio::spawn(async move {
                let read = || async {
                    let number = made.fetch_add(1, Ordering::SeqCst) + 1;
                    leave.acquire().await.expect("it is never closed").forget();
                    number
                };
                (name, *shared.ask(read).await)
            })
        };
        let first = ask(0);
        // The first one reads; the others ask while it does.
        while made.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let others: Vec<_> = (1..=50).map(ask).collect();
        while shared.order.load(Ordering::SeqCst) < 52 {
            tokio::task::yield_now().await;
        }
        leave.add_permits(10);
        assert_eq!(first.await.expect("no panic"), (0, 1));
        for other in others {
            let (name, number) = other.await.expect("no panic");
            assert_eq!(number, 2, "asker {name} came while the first reading was under way");
        }
        assert_eq!(made.load(Ordering::SeqCst), 2);
    }
}
