//! The view of a repository that its readers share, and what was made of it for them.
//!
//! Every request looks whether the view still holds, which costs a few looks at folders. Where it does not, one request reads anew for all
//! that wait, on a thread of its own; a reading that began after a request came answers it. So a reader sees every push that was
//! acknowledged before it asked.
//!
//! It never reads an object other than to peel a tag, and never lists snapshots.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use mirror_core::name::{CommitId, RepositoryName};
use mirror_store::{OpenError, RefError, SeenRef, View};

use super::advertise;
use super::ls_refs::Listing;
use super::pack_cache::TagsDigest;
use super::version::Version;
use crate::repositories::ServedRepository;

/// How many bytes of lists are cached with a view.
const KEPT_BYTES: usize = 4 << 20;

/// The view that the readers of a repository share.
#[derive(Debug)]
pub(crate) struct RefsCache {
    repository: Arc<ServedRepository>,
    current: Mutex<Option<Arc<RefsView>>>,
    /// Held by the request that reads the refs for all that wait.
    reading: tokio::sync::Mutex<()>,
}

/// The refs of every repository that is served.
#[derive(Debug)]
pub(crate) struct AllRefs(BTreeMap<RepositoryName, Arc<RefsCache>>);

/// A view, and what was rendered from it.
#[derive(Debug)]
pub(crate) struct RefsView {
    view: View,
    /// What `HEAD` names.
    head: String,
    began: Instant,
    v0: OnceLock<Bytes>,
    v1: OnceLock<Bytes>,
    tags_digest: OnceLock<TagsDigest>,
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

impl AllRefs {
    /// Makes an empty cache for each repository.
    pub(crate) fn of(repositories: &[Arc<ServedRepository>]) -> Self {
        let cache = |repository: &Arc<ServedRepository>| {
            (repository.name.clone(), Arc::new(RefsCache::of(Arc::clone(repository))))
        };
        Self(repositories.iter().map(cache).collect())
    }

    /// The refs of one of these repositories.
    pub(crate) fn of_repository(&self, repository: &ServedRepository) -> &Arc<RefsCache> {
        self.0.get(&repository.name).expect("because there is a cache for every repository that is served")
    }
}

impl RefsCache {
    /// Makes a cache that has read nothing yet.
    pub(crate) fn of(repository: Arc<ServedRepository>) -> Self {
        Self { repository, current: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    /// The repository whose refs these are.
    pub(crate) fn repository(&self) -> &Arc<ServedRepository> {
        &self.repository
    }

    /// Gives the refs as they are now.
    ///
    /// # Errors
    /// A repository that is not there, or whose refs cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; others that wait read for themselves.
    pub(crate) async fn view(&self) -> Result<Arc<RefsView>, RefsUnavailable> {
        let asked = Instant::now();
        let is_valid = |view: &Arc<RefsView>| view.began >= asked || view.view.is_current();
        if let Some(view) = self.last().filter(is_valid) {
            return Ok(view);
        }
        let _turn = self.reading.lock().await;
        let earlier = match self.last() {
            Some(view) if is_valid(&view) => return Ok(view),
            earlier => earlier,
        };
        let repository = Arc::clone(&self.repository);
        let read = tokio::task::spawn_blocking(move || RefsView::read(&repository, earlier.as_deref()));
        let view = Arc::new(read.await.map_err(|_| RefsUnavailable::Abandoned)??);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&view));
        Ok(view)
    }

    fn last(&self) -> Option<Arc<RefsView>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        Ok(Self {
            view,
            head,
            began,
            v0: OnceLock::new(),
            v1: OnceLock::new(),
            tags_digest: OnceLock::new(),
            lists: Mutex::default(),
        })
    }

    /// The branches and tags, by name.
    pub(crate) fn refs(&self) -> &[SeenRef] {
        self.view.refs()
    }

    /// Says which tags there are: a digest of their names and values, made once.
    pub(super) fn tags_digest(&self) -> TagsDigest {
        *self.tags_digest.get_or_init(|| {
            let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
            for tag in self.view.tags() {
                hash.update(tag.name.as_str().as_bytes());
                hash.update(b"\0");
                hash.update(tag.value.as_bytes());
            }
            hash.finish().as_ref().try_into().expect("because SHA-256 has 32 bytes")
        })
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
