//! A fetch on its own thread: agree on what to send, then take it.
//!
//! Owns the blocking side of a channel and the order of the two. Never: what upstream's refs are.

use std::collections::BTreeSet;

use mirror_core::name::CommitId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::advertisement::{Advertisement, Capabilities, ProtocolVersion};
use super::error::{FetchError, Stage};
use super::haves::Haves;
use super::limits::Limits;
use super::pack_stream::PackStream;
use super::request::{FetchRequest, Tags};
use super::wire::Wire;
use super::{negotiate_v0, negotiate_v2};
use mirror_git::pack::receive::{self, Failure, ReceivedPack};
use mirror_git::pkt::Packet;

/// What this fetch may rely on.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) version: ProtocolVersion,
    pub(super) features: Features,
    pub(super) limits: Limits,
    /// Values that upstream named on this channel: what it has for certain.
    advertised: BTreeSet<CommitId>,
}

/// What upstream's `git-upload-pack` can do beyond what is required of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Features {
    pub(super) thin_pack: bool,
    pub(super) ofs_delta: bool,
    pub(super) no_progress: bool,
    pub(super) include_tag: bool,
    pub(super) agent: bool,
}

impl Features {
    const ALL: Self = Self { thin_pack: true, ofs_delta: true, no_progress: true, include_tag: true, agent: true };

    /// What a version 0 server advertises, once it has what a fetch needs.
    fn advertised(capabilities: &Capabilities) -> Result<Self, FetchError> {
        capabilities.require("multi_ack_detailed")?;
        capabilities.require("side-band-64k")?;
        Ok(Self {
            thin_pack: capabilities.has("thin-pack"),
            ofs_delta: capabilities.has("ofs-delta"),
            no_progress: capabilities.has("no-progress"),
            include_tag: capabilities.has("include-tag"),
            agent: capabilities.has("agent"),
        })
    }
}

impl Terms {
    pub(super) fn new(
        advertisement: &Advertisement,
        advertised: &BTreeSet<CommitId>,
        limits: &Limits,
    ) -> Result<Self, FetchError> {
        let features = match advertisement.version {
            // Version 2 has these in its base.
            ProtocolVersion::V2 => Features::ALL,
            ProtocolVersion::V0 => Features::advertised(&advertisement.capabilities)?,
        };
        Ok(Self { version: advertisement.version, features, limits: limits.clone(), advertised: advertised.clone() })
    }

    /// The words by which a fetch says how it wants its pack, in the order in which git itself says them.
    pub(super) fn options(&self, request: &FetchRequest) -> Vec<&'static str> {
        [
            (self.features.thin_pack, "thin-pack"),
            (self.features.no_progress && request.watch.is_none(), "no-progress"),
            (self.features.include_tag && request.tags == Tags::Follow, "include-tag"),
            (self.features.ofs_delta, "ofs-delta"),
        ]
        .into_iter()
        .filter_map(|(said, word)| said.then_some(word))
        .collect()
    }
}

/// Runs one fetch to its end.
pub(super) fn run<R, W, F>(
    channel: &mut BlockingWire<R, W>,
    terms: &Terms,
    request: &FetchRequest,
    objects: F,
) -> Result<ReceivedPack, FetchError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    F: gix_object::Find + Clone + Send,
{
    {
        let mut haves =
            Haves::new(objects.clone(), request.commit_graph.as_ref(), &request.negotiate_from, &terms.advertised)?;
        match terms.version {
            ProtocolVersion::V2 => negotiate_v2::run(channel, terms, request, &mut haves)?,
            ProtocolVersion::V0 => negotiate_v0::run(channel, terms, request, &mut haves)?,
        }
    }
    let cancelled = channel.cancelled.clone();
    let mut stream = PackStream::new(channel, terms.limits.message_bytes, request.watch.clone());
    let taking = receive::Request { into: &request.into, wants: &request.wants, watch: request.watch.as_ref() };
    receive::receive(&mut stream, &taking, objects, &terms.limits.pack, &cancelled).map_err(|failure| match failure {
        Failure::Source(error) => error,
        Failure::Pack(error) => error.into(),
    })
}

/// A channel whose every read and write blocks the thread, and fails once the fetch is given up.
#[derive(Debug)]
pub(super) struct BlockingWire<R, W> {
    wire: Wire<R, W>,
    runtime: tokio::runtime::Handle,
    cancelled: CancellationToken,
}

impl<R, W> BlockingWire<R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    pub(super) fn new(wire: Wire<R, W>, runtime: tokio::runtime::Handle, cancelled: CancellationToken) -> Self {
        Self { wire, runtime, cancelled }
    }

    pub(super) fn into_wire(self) -> Wire<R, W> {
        self.wire
    }

    pub(super) fn packet(&mut self, at: Stage) -> Result<Packet<'_>, FetchError> {
        let (wire, cancelled) = (&mut self.wire, &self.cancelled);
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = cancelled.cancelled() => Err(FetchError::Cancelled),
                packet = wire.packet(at) => packet,
            }
        })
    }

    pub(super) fn send(&mut self, bytes: &[u8], at: Stage) -> Result<(), FetchError> {
        let (wire, cancelled) = (&mut self.wire, &self.cancelled);
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = cancelled.cancelled() => Err(FetchError::Cancelled),
                sent = wire.send(bytes, at) => sent,
            }
        })
    }
}
