//! One conversation with upstream's `git-upload-pack`, from its advertisement to the last pack.
//!
//! Owns the order of things on the channel. Never: sockets, deadlines (the channel's), refs of the cache, deciding what to want.

use std::collections::BTreeSet;

use mirror_core::name::CommitId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::advertisement::{Advertisement, ProtocolVersion, RemoteRef};
use super::error::{FetchError, Stage};
use super::limits::Limits;
use super::ls_refs::{ls_refs_request, read_answer};
use super::pattern::RefPattern;
use super::request::FetchRequest;
use super::session;
use super::wire::Wire;
use mirror_git::pack::receive::ReceivedPack;
use mirror_git::pkt::encode;

/// What has been sent on a channel before its advertisement came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sent {
    /// Nothing.
    #[default]
    Nothing,
    /// The bytes of [`ls_refs_request`] for these refs.
    LsRefs(Vec<RefPattern>),
}

/// One conversation with upstream's `git-upload-pack`.
///
/// A channel gives one look at upstream's refs: a running `git-upload-pack` keeps what it has read of them, and would answer a second look with
/// what the first one saw. In version 2 any number of fetches may follow; in version 0 the refs are those of the start, and one fetch ends it.
///
/// # Cancel safety
/// Dropping the future of a look or a fetch spends the channel: what follows on it answers [`FetchError::ChannelSpent`].
///
/// # Invariants
/// A `wire` that is there stands between two commands.
#[derive(Debug)]
pub struct UploadPack<R, W> {
    wire: Option<Wire<R, W>>,
    advertisement: Advertisement,
    sent: Sent,
    looked: Look,
    advertised: BTreeSet<CommitId>,
    limits: Limits,
}

/// Whether the refs have been looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Ahead,
    Done,
}

impl<R, W> UploadPack<R, W>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    /// Reads the advertisement on a channel on which `git-upload-pack` has been started.
    ///
    /// # Errors
    /// [`FetchError::Refused`], [`FetchError::NotGit`], [`FetchError::ObjectFormat`], and whatever breaks the protocol or a bound.
    ///
    /// # Source
    /// gitprotocol-v2 "Capability Advertisement"; gitprotocol-pack "Reference Discovery".
    pub async fn open(read: R, write: W, sent: Sent, limits: Limits) -> Result<Self, FetchError> {
        let mut wire = Wire::new(read, write);
        let advertisement = Advertisement::read(&mut wire, &limits).await?;
        let spent = advertisement.version == ProtocolVersion::V0 && sent != Sent::Nothing;
        Ok(Self {
            wire: if spent { None } else { Some(wire) },
            advertisement,
            sent,
            looked: Look::Ahead,
            advertised: BTreeSet::new(),
            limits,
        })
    }

    /// Says which version of git's protocol upstream speaks here.
    pub fn version(&self) -> ProtocolVersion {
        self.advertisement.version
    }

    /// Says whether another look or fetch is possible on this channel.
    pub fn is_spent(&self) -> bool {
        self.wire.is_none()
    }

    /// Says whether [`Self::ls_refs`] would show the refs as they are at that moment.
    ///
    /// In version 0, and where `ls-refs` was sent ahead, it shows them as they were when the channel was opened.
    pub fn looks_now(&self) -> bool {
        self.version() == ProtocolVersion::V2 && self.sent == Sent::Nothing && self.looked == Look::Ahead
    }

    /// Looks at the refs that match, in the order of their names; once.
    ///
    /// In version 2 upstream is asked, or its answer is read where that had been sent ahead with the same patterns; in version 0 the answer is
    /// what upstream said at the start.
    ///
    /// # Errors
    /// [`FetchError::StaleLook`] the second time; [`FetchError::UnaskedRef`], [`FetchError::RefName`], [`FetchError::DoubledRef`], a lost
    /// connection, and whatever breaks the protocol or a bound.
    ///
    /// # Source
    /// gitprotocol-v2, `ls-refs`.
    pub async fn ls_refs(&mut self, patterns: &[RefPattern]) -> Result<Vec<RemoteRef>, FetchError> {
        if self.looked == Look::Done {
            return Err(FetchError::StaleLook);
        }
        let refs = match self.advertisement.version {
            ProtocolVersion::V0 => self.refs_of_advertisement(patterns),
            ProtocolVersion::V2 => self.ask_refs(patterns).await?,
        };
        self.looked = Look::Done;
        self.advertised.extend(refs.iter().map(|remote| remote.target));
        Ok(refs)
    }

    fn refs_of_advertisement(&self, patterns: &[RefPattern]) -> Vec<RemoteRef> {
        let meant = |remote: &&RemoteRef| patterns.iter().any(|pattern| pattern.matches(remote.name.as_str()));
        self.advertisement.refs.values().filter(meant).cloned().collect()
    }

    async fn ask_refs(&mut self, patterns: &[RefPattern]) -> Result<Vec<RemoteRef>, FetchError> {
        if let Sent::LsRefs(ahead) = &self.sent {
            return if ahead == patterns { self.take_answer().await } else { Err(FetchError::StaleLook) };
        }
        // Without a prefix the server would name every ref it has.
        if patterns.is_empty() {
            return Ok(Vec::new());
        }
        let mut wire = self.wire.take().ok_or(FetchError::ChannelSpent)?;
        wire.send(&ls_refs_request(patterns), Stage::LsRefs).await?;
        let refs = read_answer(&mut wire, patterns, &self.limits).await?;
        self.wire = Some(wire);
        Ok(refs)
    }

    /// Reads the answer to what had been sent ahead, if it is still to come.
    async fn take_answer(&mut self) -> Result<Vec<RemoteRef>, FetchError> {
        let Sent::LsRefs(patterns) = std::mem::take(&mut self.sent) else { return Ok(Vec::new()) };
        self.looked = Look::Done;
        let mut wire = self.wire.take().ok_or(FetchError::ChannelSpent)?;
        let refs = read_answer(&mut wire, &patterns, &self.limits).await?;
        self.wire = Some(wire);
        Ok(refs)
    }

    /// Fetches what is wanted into the request's folder: one complete pack with its index, on disk and synced.
    ///
    /// `objects` is the cache's object store: it tells what is here already, and gives the bases of deltas that stand on it. Gives nothing where
    /// nothing is wanted. Whatever goes wrong, nothing but files in that folder was written; they are the caller's to remove.
    ///
    /// # Errors
    /// [`FetchError::ChannelSpent`] where the channel cannot carry a fetch; a lost connection; every fault of a pack as its own error.
    ///
    /// # Cancel safety
    /// Dropping the future ends the work on its thread at the next read, and spends the channel.
    ///
    /// # Source
    /// gitprotocol-v2, `fetch`; gitprotocol-pack "Packfile Negotiation"; gitformat-pack.
    pub async fn fetch<F>(&mut self, request: FetchRequest, objects: F) -> Result<Option<ReceivedPack>, FetchError>
    where
        F: gix_object::Find + Clone + Send + 'static,
    {
        if request.wants.is_empty() {
            return Ok(None);
        }
        if self.advertisement.version == ProtocolVersion::V2 {
            self.take_answer().await?;
        }
        let wire = self.wire.take().ok_or(FetchError::ChannelSpent)?;
        let terms = session::Terms::new(&self.advertisement, &self.advertised, &self.limits)?;
        let cancelled = CancellationToken::new();
        let _ends_with_this_future = cancelled.clone().drop_guard();
        let runtime = tokio::runtime::Handle::current();
        let work = tokio::task::spawn_blocking(move || {
            let mut channel = session::BlockingWire::new(wire, runtime, cancelled);
            let received = session::run(&mut channel, &terms, &request, objects);
            (channel.into_wire(), received)
        });
        let (wire, received) = match work.await {
            Ok(done) => done,
            Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
            Err(_) => return Err(FetchError::Cancelled),
        };
        let received = received?;
        if self.advertisement.version == ProtocolVersion::V2 {
            self.wire = Some(wire);
        }
        Ok(Some(received))
    }

    /// Ends the conversation in good order, so that upstream does not log a client that vanished.
    ///
    /// # Errors
    /// [`FetchError::Write`]; nothing depends on it.
    pub async fn close(mut self) -> Result<(), FetchError> {
        let Some(mut wire) = self.wire.take() else { return Ok(()) };
        let mut farewell = Vec::new();
        encode::flush(&mut farewell);
        wire.send(&farewell, Stage::Negotiation).await?;
        wire.shutdown().await
    }
}
