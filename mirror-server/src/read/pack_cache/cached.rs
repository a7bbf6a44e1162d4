//! A cached answer: when it was last used, whether its file was proved in this process, and the file while it is open.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::entry::{FOOTER, verify};
use super::key::Key;

/// How often the time of last use is brought to the file, for the next start.
const STAMP_EVERY: Duration = Duration::from_secs(60);
const BLOCK: u64 = 4096;

/// A cached answer.
#[derive(Debug)]
pub(super) struct CachedPack {
    key: Key,
    length: u64,
    /// Nanoseconds since 1970.
    used: AtomicU64,
    stamped: AtomicU64,
    handle: Mutex<Option<Arc<File>>>,
    /// Whether the file was proved; held while that is being done.
    is_proved: tokio::sync::Mutex<bool>,
}

/// The file of a cached answer.
pub(super) struct Opened {
    pub(super) file: Arc<File>,
    /// Whether it was opened for this.
    pub(super) is_new: bool,
}

impl CachedPack {
    /// Takes an answer that was just made.
    pub(super) fn built(key: Key, length: u64, file: Arc<File>) -> Self {
        let now = nanos(SystemTime::now());
        Self { handle: Mutex::new(Some(file)), is_proved: true.into(), ..Self::found(key, length, now) }
    }

    /// Takes what a folder lists: a file that somebody made and used at a time. Nothing of it is believed yet.
    pub(super) fn listed(key: Key, size: u64, used: SystemTime) -> Self {
        Self::found(key, size.saturating_sub(FOOTER), nanos(used))
    }

    fn found(key: Key, length: u64, used: u64) -> Self {
        Self {
            key,
            length,
            used: AtomicU64::new(used),
            stamped: AtomicU64::new(used),
            handle: Mutex::default(),
            is_proved: false.into(),
        }
    }

    pub(super) fn key(&self) -> Key {
        self.key
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// How much disk it takes.
    pub(super) fn footprint(&self) -> u64 {
        footprint(self.length)
    }

    /// When it was last used; only good for comparing.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Lets go of the file. Whoever reads it goes on.
    pub(super) fn close(&self) {
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Gives the file, open, and proved once in this process.
    ///
    /// # Errors
    /// A file that is gone, or not what was made.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; the next one begins anew.
    pub(super) async fn open(self: &Arc<Self>, folder: &Path) -> io::Result<Opened> {
        if let Some(file) = self.opened() {
            return Ok(Opened { file, is_new: false });
        }
        let mut is_proved = self.is_proved.lock().await;
        if let Some(file) = self.opened() {
            return Ok(Opened { file, is_new: false });
        }
        let (path, key, length, trust) = (folder.join(self.key.to_string()), self.key, self.length, *is_proved);
        let opening = tokio::task::spawn_blocking(move || {
            let file = File::open(path)?;
            let found = if trust { file.metadata()?.len().saturating_sub(FOOTER) } else { verify(&file, key)? };
            if found == length { Ok(file) } else { Err(io::Error::from(io::ErrorKind::InvalidData)) }
        });
        let file = Arc::new(opening.await.map_err(io::Error::other)??);
        *is_proved = true;
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&file));
        self.touch(&file);
        Ok(Opened { file, is_new: true })
    }

    fn opened(&self) -> Option<Arc<File>> {
        let file = self.handle.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        self.touch(&file);
        Some(file)
    }

    /// Notes a use; now and then also on the file, so that the order of use survives a restart about as it was.
    fn touch(&self, file: &File) {
        let at = SystemTime::now();
        let now = nanos(at);
        self.used.store(now, Ordering::Relaxed);
        if now.saturating_sub(self.stamped.load(Ordering::Relaxed)) >= STAMP_EVERY.as_nanos() as u64 {
            self.stamped.store(now, Ordering::Relaxed);
            // A file that takes no time keeps an older one, and is evicted a little earlier after a restart.
            let _ = file.set_modified(at);
        }
    }
}

/// How much disk an answer takes.
fn footprint(length: u64) -> u64 {
    (length + FOOTER).next_multiple_of(BLOCK)
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
