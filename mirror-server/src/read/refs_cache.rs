//! The view of a repository that its readers share, and what was made of it for them.
//!
//! Every request looks whether the view still holds, which costs a few looks at folders. Where it does not, one request reads anew for all
//! that wait, on a thread of its own; a reading that began after a request came answers it. So a reader sees every push that was
//! acknowledged before it asked.
//!
//! It never reads an object other than to peel a tag, and never lists snapshots.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use mirror_core::name::CommitId;
use mirror_store::{OpenError, RefError, View};

use super::advertise;
use super::ls_refs::Listing;
use super::version::Version;
use crate::repositories::ServedRepository;

/// How many bytes of lists are kept with a view.
const KEPT_BYTES: usize = 4 << 20;

/// The view that the readers of a repository share.
#[derive(Debug, Default)]
pub(crate) struct RefsCache {
    held: Mutex<Option<Arc<RefsView>>>,
    reading: tokio::sync::Mutex<()>,
}

/// A view, and what was rendered from it.
#[derive(Debug)]
pub(crate) struct RefsView {
    view: View,
    /// What `HEAD` names.
    head: String,
    began: Instant,
    v0: OnceLock<Bytes>,
    v1: OnceLock<Bytes>,
    lists: Mutex<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    made: HashMap<Listing, Bytes>,
    bytes: usize,
}

/// A repository whose refs cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefsUnavailable {
    /// It is not there, or is not one of ours.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its refs cannot be read.
    #[error(transparent)]
    Refs(#[from] RefError),
    /// The thread that read them ended before its time, as at the end of the server.
    #[error("the reading of refs was given up")]
    Abandoned,
}

impl ServedRepository {
    /// Gives the refs as they are now.
    ///
    /// # Errors
    /// A repository that is not there, or whose refs cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; others that wait read for themselves.
    pub(crate) async fn shelf(self: &Arc<Self>) -> Result<Arc<RefsView>, RefsUnavailable> {
        let came = Instant::now();
        let good = |shelf: &Arc<RefsView>| shelf.began >= came || shelf.view.is_current();
        if let Some(shelf) = self.shown.held().filter(good) {
            return Ok(shelf);
        }
        let _turn = self.shown.reading.lock().await;
        let earlier = match self.shown.held() {
            Some(shelf) if good(&shelf) => return Ok(shelf),
            earlier => earlier,
        };
        let served = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || RefsView::read(&served, earlier.as_deref()));
        let shelf = Arc::new(read.await.map_err(|_| RefsUnavailable::Abandoned)??);
        *self.shown.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&shelf));
        Ok(shelf)
    }
}

impl RefsCache {
    fn held(&self) -> Option<Arc<RefsView>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl RefsView {
    fn read(served: &ServedRepository, earlier: Option<&Self>) -> Result<Self, RefsUnavailable> {
        let began = Instant::now();
        let view = served.cache()?.view(earlier.map(|earlier| &earlier.view))?;
        if earlier.is_none_or(|earlier| earlier.view.unreadable() != view.unreadable()) {
            for name in view.unreadable() {
                tracing::warn!(repository = %served.name, %name, "a ref that cannot be read is not shown to readers");
            }
        }
        let head = served.head.ref_name().to_string();
        Ok(Self { view, head, began, v0: OnceLock::new(), v1: OnceLock::new(), lists: Mutex::default() })
    }

    /// The branches and tags.
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// What `HEAD` names, whether it exists or not.
    pub(super) fn head(&self) -> &str {
        &self.head
    }

    /// The value of `HEAD`; `None` while its branch does not exist.
    pub(super) fn head_value(&self) -> Option<CommitId> {
        self.view.find(&self.head).map(|seen| seen.value)
    }

    /// Gives the body of an advertisement, rendered once.
    pub(super) fn advertisement(&self, version: Version) -> Bytes {
        match version {
            Version::V0 => self.v0.get_or_init(|| advertise::render_refs(self, version)).clone(),
            Version::V1 => self.v1.get_or_init(|| advertise::render_refs(self, version)).clone(),
            Version::V2 => advertise::capabilities(),
        }
    }

    /// Gives a list that was asked for, rendered at the first time.
    pub(super) fn list(&self, asked: &Listing) -> Bytes {
        let lists = || self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = lists().made.get(asked) {
            return made.clone();
        }
        let made = asked.render(self);
        let weight = made.len() + asked.weight();
        if weight <= KEPT_BYTES / 4 {
            let mut lists = lists();
            if lists.bytes + weight > KEPT_BYTES {
                *lists = Lists::default();
            }
            if lists.made.insert(asked.clone(), made.clone()).is_none() {
                lists.bytes += weight;
            }
        }
        made
    }
}
