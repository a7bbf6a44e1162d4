//! Taking one push that the policy let through: quarantine, pack, refs, record. It runs apart from the request, so that a client that goes away
//! after it has sent everything neither stops nor undoes it.

use std::sync::Arc;

use mirror_core::name::CommitId;
use mirror_store::{Cache, DiskError};
use tokio::io::AsyncRead;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::Instrument;

use super::pack::{self, Arrived, PackError};
use super::push::Push;
use super::read_deadline::Cut;
use super::record::Entry;
use super::request::Origin;
use super::settle::{self, Held, NO_SPACE};
use super::writing::Writing;
use crate::metrics::label::Push as Outcome;
use crate::repositories::ServedRepository;

/// What taking a push needs beside the push.
pub(super) struct Taker {
    pub(super) writing: Arc<Writing>,
    pub(super) served: Arc<ServedRepository>,
    pub(super) cache: Cache,
    pub(super) writer: String,
    /// Its place among those that are taken at once.
    pub(super) slot: OwnedSemaphorePermit,
}

/// Told when the last byte of a push came, or none will come.
pub(super) type Consumed = oneshot::Sender<()>;

impl Taker {
    /// Takes a push, whose pack comes from `body`, and decides each of its refs.
    ///
    /// # Errors
    /// Where the push did not come to its end; nothing of it was taken then. The push says so for each ref.
    pub(super) async fn take<R: AsyncRead + Unpin>(
        self,
        mut push: Push,
        mut body: R,
        consumed: Consumed,
    ) -> (Push, Result<(), Cut>) {
        let cache = self.cache.clone();
        let held = match blocking(move || Held::begin(&cache)).await {
            Some(Ok(held)) => held,
            refused => {
                refuse_begun(&mut push, refused.and_then(Result::err));
                let drained = pack::drain(&mut body).await;
                let _ = consumed.send(());
                return (push, drained.map(|_| ()));
            }
        };
        let entry = Arc::new(Entry::of(&self.served, &self.writer, held.name(), &push));
        // Noted while the pack comes, and before any ref moves.
        let noting = tokio::spawn({
            let (cache, entry) = (self.cache.clone(), Arc::clone(&entry));
            async move { blocking(move || entry.begin(&cache)).await.unwrap_or(false) }.in_current_span()
        });
        let received = self.receive(&held, body, consumed).await;
        let broken = match &received {
            Err(PackError::Cut(cut)) => Err(*cut),
            _ => Ok(()),
        };
        let is_noted = noting.await.unwrap_or(false);
        let cache = self.cache.clone();
        let settled = blocking(move || {
            match received {
                Ok(_) if !is_noted => {
                    push.refuse_open(Outcome::Failed, "the server cannot write its journal; its log says why")
                }
                Ok(pack) => settle::settle(&held, pack, &mut push),
                Err(error) => refuse_pack(&mut push, &error),
            }
            if is_noted {
                entry.end(&cache, &push);
            }
            push
        });
        let settled = settled.await;
        drop(self.slot);
        match settled {
            Some(push) => (push, broken),
            // The runtime is ending, and this task with it.
            None => std::future::pending().await,
        }
    }

    /// Gives the checksum of the pack that waits in quarantine, checked; `None` where none was needed.
    async fn receive<R: AsyncRead + Unpin>(
        &self,
        held: &Held,
        body: R,
        consumed: Consumed,
    ) -> Result<Option<CommitId>, PackError> {
        let arrived = pack::receive(&self.writing.git, &held.receiving, self.cache.path(), body).await;
        // Nobody listens any more where the request is gone.
        let _ = consumed.send(());
        match arrived? {
            Arrived::Empty => Ok(None),
            Arrived::Checking(checking) => checking.finish().await.map(Some),
        }
    }
}

/// Refuses a push for which there was no room to begin.
fn refuse_begun(push: &mut Push, error: Option<DiskError>) {
    let (outcome, reason) = match error {
        Some(error) => settle::disk_refusal(&error),
        None => (Outcome::Failed, "the server is ending".to_owned()),
    };
    push.refuse_open(outcome, &reason);
}

/// Refuses what is open because of its pack.
fn refuse_pack(push: &mut Push, error: &PackError) {
    let reason = match error {
        PackError::Cut(cut) => return push.refuse_open(Outcome::Gone, &cut.to_string()),
        PackError::Full => {
            push.refuse_open(Outcome::Failed, NO_SPACE);
            NO_SPACE.to_owned()
        }
        PackError::Refused { reason, said } => {
            push.talk.clone_from(said);
            let mut reason = reason.clone();
            if push.request.origin == Origin::Shallow && reason.starts_with("missing") {
                reason.push_str(
                    "; the clone it comes from is too shallow: `git fetch --deepen=100` there, then push again",
                );
            }
            push.refuse_open(Outcome::BadObjects, &format!("unpacker error: {reason}"));
            reason
        }
        PackError::Git(error) => {
            tracing::error!(error = error as &dyn std::error::Error, "a pack cannot be checked");
            push.refuse_open(Outcome::Failed, "unpacker error");
            "the server cannot check the pack at the moment; its log says why".to_owned()
        }
    };
    push.unpack = Some(reason);
}

/// Runs what blocks on a thread of its own; `None` where the runtime ends before it begins.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(done) => Some(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}
