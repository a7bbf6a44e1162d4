//! Builds one answer: waits for a turn, runs git, watches over it, and keeps what came out where it may be cached.
//!
//! Who asked first has no part in it: an answer is made for all that read along, and stops when the last of them has gone.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mirror_store::LONGEST_READ;
use mirror_store::git::{GitChild, GitCommand, GitError};
use tokio::io::AsyncWriteExt;

use super::cache::Inner;
use super::cached::CachedPack;
use super::entry;
use super::fill::{Fill, Filled, FinishedFile};
use super::in_progress::{Ending, InProgressPack};
use super::key::Key;
use super::pipe::Pipe;

/// How often a run is looked after.
const TICK: Duration = Duration::from_millis(200);

/// How an answer is made.
pub(in crate::read) struct UploadPackRun {
    /// The run of git, not begun.
    pub(in crate::read) command: GitCommand,
    /// What it gets to read.
    pub(in crate::read) input: Vec<u8>,
    /// Asked when it has ended: whether what the key stands for is still so.
    pub(in crate::read) still_holds: Pin<Box<dyn Future<Output = bool> + Send>>,
}

/// How long a run of git may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::read) struct Timeouts {
    /// In all: no longer than the upkeep keeps what a reader may have open.
    pub(in crate::read) total: Duration,
    /// Without a byte. Git itself says that it is alive every few seconds, where the client's capabilities allow it to.
    pub(in crate::read) quiet: Duration,
    /// For a reader that others wait for.
    pub(in crate::read) reader: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Self { total: LONGEST_READ, quiet: minutes(10), reader: Duration::from_secs(30) }
    }
}

/// Why an answer was not made.
#[derive(Debug, thiserror::Error)]
enum BuildError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("the pipe from git broke")]
    Pipe(#[from] io::Error),
    #[error("git upload-pack was stopped: nothing came for {} s", .0.as_secs())]
    Quiet(Duration),
    #[error("git upload-pack was stopped: it took longer than {} s", .0.as_secs())]
    Long(Duration),
    #[error("nobody waits for the pack any more")]
    Abandoned,
}

/// EndGuard an answer whatever becomes of its maker.
struct EndGuard<'a>(&'a Inner, Option<Key>, &'a Arc<InProgressPack>);

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        self.2.end(Ending::Cut);
        if let Some(key) = self.1 {
            self.0.forget(key, self.2);
        }
    }
}

/// Makes an answer.
pub(super) async fn build(inner: Arc<Inner>, key: Option<Key>, pack: Arc<InProgressPack>, run_of: UploadPackRun) {
    let _guard = EndGuard(&inner, key, &pack);
    let turn = tokio::select! {
        turn = inner.slots.take() => turn,
        () = pack.abandoned() => return,
    };
    let Some(_turn) = turn else {
        pack.end(Ending::Busy);
        return;
    };
    let _counted = inner.metrics.pack_running();
    match run(&inner, key, &pack, run_of).await {
        Ok(()) => {}
        Err(BuildError::Abandoned) => tracing::debug!("a pack was given up: nobody waits for it any more"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a pack could not be made");
        }
    }
}

async fn run(
    inner: &Arc<Inner>,
    key: Option<Key>,
    pack: &Arc<InProgressPack>,
    run_of: UploadPackRun,
) -> Result<(), BuildError> {
    let mut child = run_of.command.start()?;
    let verb = child.verb().to_owned();
    feed(&mut child, run_of.input);
    let pipe = child.take_stdout().ok_or_else(|| io::Error::other("git has no output"))?;
    let pipe = Pipe::of(File::from(pipe.into_owned_fd()?));
    let timeouts = inner.timeouts;
    let fill =
        Fill { inner: Arc::clone(inner), key, pack: Arc::clone(pack), reader_timeout: timeouts.reader, promised: 0 };
    let filling = tokio::task::spawn_blocking(move || fill.run(pipe));
    let (filled, stopped) = watch(&child, pack, timeouts, filling).await;
    let ended = child.wait().await?;
    if let Some(why) = stopped {
        return Err(why);
    }
    match filled? {
        // Git says so and fails; the words are the answer.
        Filled::Refused(words) => pack.end(Ending::Refused(words)),
        Filled::Answer(stored) => {
            if pack.length_so_far() == 0 && ended.gave_up() {
                pack.end(Ending::Declined);
            }
            ended.succeeded(&verb)?;
            pack.end(Ending::Whole);
            if let (Some(stored), Some(key)) = (stored, key)
                && run_of.still_holds.await
            {
                keep(inner, key, pack, stored).await;
            }
        }
    }
    Ok(())
}

/// Gives git its input. A git that ends without reading it says why by other means.
fn feed(child: &mut GitChild, input: Vec<u8>) {
    if let Some(mut stdin) = child.take_stdin() {
        tokio::spawn(async move {
            let _ = stdin.write_all(&input).await;
            let _ = stdin.shutdown().await;
        });
    }
}

/// Waits until the pipe is read to its end; kills git where nobody reads along any more, or where it takes too long.
async fn watch(
    child: &GitChild,
    pack: &InProgressPack,
    timeouts: Timeouts,
    mut filling: tokio::task::JoinHandle<io::Result<Filled>>,
) -> (io::Result<Filled>, Option<BuildError>) {
    let began = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    let mut stopped = None;
    loop {
        tokio::select! {
            filled = &mut filling => return (filled.map_err(io::Error::other).flatten(), stopped),
            () = pack.abandoned(), if stopped.is_none() => stopped = Some(BuildError::Abandoned),
            _ = ticks.tick() => {
                pack.wake();
                if stopped.is_none() && pack.quiet() >= timeouts.quiet {
                    stopped = Some(BuildError::Quiet(timeouts.quiet));
                } else if stopped.is_none() && began.elapsed() >= timeouts.total {
                    stopped = Some(BuildError::Long(timeouts.total));
                }
            }
        }
        if stopped.is_some() {
            // Its end of the pipe closes, and the reading of it ends.
            child.kill();
        }
    }
}

/// Keeps a whole answer. What fails here costs the next one who asks a run of git, and nobody anything else.
async fn keep(inner: &Arc<Inner>, key: Key, pack: &Arc<InProgressPack>, stored: FinishedFile) {
    if !inner.room.is_cached() {
        return;
    }
    let (inner, pack) = (Arc::clone(inner), Arc::clone(pack));
    let keeping = tokio::task::spawn_blocking(move || {
        let FinishedFile { partial, length, checksum } = stored;
        entry::seal(&partial.file, key, length, checksum)?;
        let cached = CachedPack::built(key, length, Arc::clone(&partial.file));
        inner.keep(partial, Arc::new(cached), &pack)
    });
    if let Err(error) = keeping.await.map_err(io::Error::other).flatten() {
        tracing::warn!(error = &error as &dyn std::error::Error, "a pack could not be kept");
    }
}
