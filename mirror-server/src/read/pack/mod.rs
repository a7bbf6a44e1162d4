//! Packs: from a request to an answer, by `git upload-pack`, each made once and shared where it can be.
//!
//! Git gets the canonical form of the request and nothing of its surroundings. It looks at no ref: any object may be wanted by its id, so that it does
//! not matter how many snapshots there are. It never writes to the repository.
//!
//! # Source
//! `git-upload-pack(1)`; `gitprotocol-http(5)`, "Smart Service git-upload-pack".

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, StatusCode, header};
use mirror_core::config::Serve;
use mirror_core::name::CommitId;
use mirror_engine::space::SpaceGuard;
use mirror_store::git::{GitProgram, PackCaps};
use mirror_store::{ClosureError, Tip};
use tokio::task::spawn_blocking;

use super::answers::{RESULT, refs_unavailable, result};
use super::pack_cache::{
    BuildSlots, Key, PackAnswer, PackCache, Reserve, TagsDigest, Timeouts, UploadPackRun, remove_former_folder,
};
use super::packet;
use super::refs_cache::{RefsCache, RefsUnavailable};
use super::request::{FetchRequest, RequestError, Sharing, Wire};
use super::version::Version;
use crate::http::answer::{Answer, AnswerBody, with_body, words};
use crate::metrics::Metrics;
use crate::metrics::label::{Alone, PackSource, Refusal};
use crate::repositories::ServedRepository;

/// The folder of cached packs, beside the caches.
const FOLDER: &str = "pack-cache";
/// After how many seconds a server that is busy may be asked again.
const RETRY_BUSY: HeaderValue = HeaderValue::from_static("5");
/// A namespace without refs. In protocol version 0, upload-pack walks through every ref of its namespace before it does anything; it needs
/// them for nothing but a history that is deepened by so many commits.
const NO_REFS: &str = "git-mirror-none";

/// Has packs built, and caches them.
#[derive(Debug)]
pub(crate) struct Packs {
    git: GitProgram,
    caps: PackCaps,
    pack_cache: PackCache,
    metrics: Arc<Metrics>,
}

impl Packs {
    /// Opens the cache of packs beside the caches of repositories, and removes the folder of its earlier name. Blocks meanwhile.
    pub(crate) fn open(
        git: GitProgram,
        serve: &Serve,
        caches: &Path,
        space: Arc<SpaceGuard>,
        metrics: Arc<Metrics>,
    ) -> Self {
        remove_former_folder(caches);
        let slots = BuildSlots::new(serve.limits.packs, serve.limits.queue, Arc::clone(&metrics));
        let (quota, reserve) = (serve.pack_cache.get(), Reserve::of(serve.free_space, space));
        let pack_cache =
            PackCache::open(caches.join(FOLDER), quota, reserve, slots, Timeouts::default(), Arc::clone(&metrics));
        Self { git, caps: PackCaps::default(), pack_cache, metrics }
    }

    /// Answers `POST …/git-upload-pack`, other than `ls-refs`.
    pub(crate) async fn answer(&self, refs: &Arc<RefsCache>, version: Version, body: &[u8]) -> Answer {
        let wire = match version {
            Version::V0 | Version::V1 => Wire::V0,
            Version::V2 => Wire::V2,
        };
        let request = match FetchRequest::parse(wire, body) {
            Ok(request) if request.is_idle() => return result(bytes::Bytes::new()),
            Ok(request) => request,
            Err(error) => return self.refuse(&error),
        };
        match self.find(refs, &request).await {
            Ok(found) => self.render(refs.repository(), request, found).await,
            Err(error) => refs_unavailable(refs.repository(), &error),
        }
    }

    /// Finds the answer to a request in the cache, or has it built.
    async fn find(
        &self,
        refs: &Arc<RefsCache>,
        request: &FetchRequest,
    ) -> Result<(PackAnswer, Instant), RefsUnavailable> {
        let began = Instant::now();
        let cache = refs.repository().cache()?;
        let alone = match request.sharing() {
            Sharing::Shared => None,
            Sharing::Own(reason) => Some(reason),
            // An error of the disk is reported by git.
            Sharing::SharedWhereKnown => {
                request.claimed().any(|id| !cache.has_commit(id).unwrap_or_default()).then_some(Alone::UnknownHaves)
            }
        };
        let form = request.encode();
        let tags = match request.includes_tags() && alone.is_none() {
            true => Some(refs.view().await?.tags_digest()),
            false => None,
        };
        let key = match alone {
            None => Some(Key::of(&refs.repository().name, request, &form, tags.as_ref())),
            Some(reason) => {
                self.metrics.pack_alone(reason);
                None
            }
        };
        let run = || self.upload_pack(refs, request, form, tags);
        Ok((self.pack_cache.answer(key, run).await, began))
    }

    /// The run of git that builds an answer.
    fn upload_pack(
        &self,
        refs: &Arc<RefsCache>,
        of: &FetchRequest,
        input: Vec<u8>,
        tags: Option<TagsDigest>,
    ) -> UploadPackRun {
        let mut command = self
            .git
            .command(&refs.repository().path, ["upload-pack", "--stateless-rpc", "--strict", "."])
            .caps(&self.caps)
            .setting("uploadpack.allowAnySHA1InWant", "true")
            .setting("uploadpack.allowFilter", "true")
            .setting("uploadpack.allowRefInWant", "false");
        if !of.asks_refs() {
            command = command.environment("GIT_NAMESPACE", NO_REFS);
        }
        if of.wire() == Wire::V2 {
            command = command.protocol_v2();
        }
        let refs = Arc::clone(refs);
        let still_holds = async move {
            match tags {
                None => true,
                Some(tags) => refs.view().await.is_ok_and(|now| now.tags_digest() == tags),
            }
        };
        UploadPackRun { command, input, still_holds: Box::pin(still_holds) }
    }

    async fn render(
        &self,
        served: &ServedRepository,
        request: FetchRequest,
        (given, began): (PackAnswer, Instant),
    ) -> Answer {
        match given {
            PackAnswer::Stored(stored, source) => {
                self.metrics.pack(source, began.elapsed());
                with_body(StatusCode::OK, RESULT, AnswerBody::File(stored))
            }
            PackAnswer::Refused(words) => {
                self.metrics.pack(PackSource::Alone, began.elapsed());
                result(words)
            }
            PackAnswer::Busy => {
                let said = "as many packs are being made as this server makes at once, and as many wait; try again in a few seconds";
                let mut answer = words(StatusCode::SERVICE_UNAVAILABLE, said);
                answer.headers_mut().insert(header::RETRY_AFTER, RETRY_BUSY);
                answer
            }
            // Git does not say why in its protocol; a client would take it for a fault of the server, and ask again.
            PackAnswer::Declined => match blame(served, request).await {
                Some(error) => self.refuse(&error),
                None => self.fail(),
            },
            PackAnswer::Failed => self.fail(),
        }
    }

    fn fail(&self) -> Answer {
        words(StatusCode::INTERNAL_SERVER_ERROR, "git could not make this pack; the server's log says why")
    }

    fn refuse(&self, error: &RequestError) -> Answer {
        let said = error.to_string();
        if !error.is_for_git() {
            return words(StatusCode::BAD_REQUEST, &said);
        }
        // Counted here, since the status of the answer does not show it.
        self.metrics.refused(Refusal::BadRequest);
        result(packet::refusal(&said).into())
    }
}

/// Finds what it is in a request that git gave up on; `None` where that cannot be told from a fault of the server.
async fn blame(served: &ServedRepository, request: FetchRequest) -> Option<RequestError> {
    let is_bounded = request.bounds_history();
    let cache = served.cache().ok()?.clone();
    // There may be very many, and each is looked up on disk.
    let no_commit = move || {
        let is_other =
            |id: &CommitId| matches!(cache.verify_tips(&[Tip::Branch(*id)]), Err(ClosureError::TipNotACommit { .. }));
        request.shallow().find(is_other)
    };
    match spawn_blocking(no_commit).await.ok()? {
        Some(id) => Some(RequestError::Shallow(id)),
        None => is_bounded.then_some(RequestError::NoSuchEnd),
    }
}

#[cfg(test)]
mod tests;
