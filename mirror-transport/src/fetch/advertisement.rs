//! What `git-upload-pack` says first: its version, its capabilities and, before version 2, its refs.
//!
//! Owns the reading of an advertisement within bounds. Never: asking for anything.
//!
//! # Source
//! gitprotocol-v2 "Capability Advertisement"; gitprotocol-pack "Reference Discovery".

use std::collections::BTreeMap;

use mirror_core::name::{CommitId, RefName};
use tokio::io::{AsyncRead, AsyncWrite};

use super::error::{FetchError, Stage, words};
use super::limits::Limits;
use super::wire::{Wire, unexpected};
use mirror_git::pkt::Packet;

/// The version of git's protocol that upstream speaks on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolVersion {
    /// Version 0, or 1, which only adds a line saying so: refs come unasked.
    V0,
    /// Version 2: refs come when asked for.
    V2,
}

/// A ref that upstream has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRef {
    /// Its name.
    pub name: RefName,
    /// What it points at: a commit, or an annotated tag.
    pub target: CommitId,
    /// What the annotated tag finally points at.
    pub peeled: Option<CommitId>,
}

/// What upstream said first.
#[derive(Debug)]
pub(super) struct Advertisement {
    pub(super) version: ProtocolVersion,
    pub(super) capabilities: Capabilities,
    /// Empty in version 2.
    pub(super) refs: BTreeMap<RefName, RemoteRef>,
}

/// The capabilities of one advertisement.
#[derive(Debug, Default)]
pub(super) struct Capabilities(BTreeMap<String, String>);

impl Capabilities {
    /// Says whether the capability is there, whatever its value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn require(&self, name: &'static str) -> Result<(), FetchError> {
        if self.has(name) { Ok(()) } else { Err(FetchError::Capability { capability: name }) }
    }

    fn insert(&mut self, text: &str) {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        self.0.insert(name.to_owned(), value.to_owned());
    }

    fn verify_object_format(&self) -> Result<(), FetchError> {
        match self.0.get("object-format") {
            Some(format) if format != "sha1" => Err(FetchError::ObjectFormat { format: words(format.as_bytes()) }),
            _ => Ok(()),
        }
    }
}

impl Advertisement {
    /// Reads the advertisement to its end.
    pub(super) async fn read<R, W>(wire: &mut Wire<R, W>, limits: &Limits) -> Result<Self, FetchError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut size = Bytes::new(Stage::Advertisement, limits);
        let mut refs = RefLines::new(limits);
        let mut first = true;
        loop {
            let packet = wire.packet(Stage::Advertisement).await?;
            size.add(&packet)?;
            let line = match (packet, packet.line()) {
                (Packet::Flush, _) => break,
                (_, Some(line)) => line,
                _ => return Err(unexpected(Stage::Advertisement, &packet)),
            };
            match line.strip_prefix(b"version ") {
                Some(b"2") if first => return Self::read_v2(wire, size).await,
                Some(b"1") if first => {}
                Some(version) if first => return Err(FetchError::Version { version: words(version) }),
                _ => refs.take(line)?,
            }
            first = false;
        }
        Ok(Self { version: ProtocolVersion::V0, capabilities: refs.capabilities, refs: refs.refs })
    }

    async fn read_v2<R, W>(wire: &mut Wire<R, W>, mut size: Bytes) -> Result<Self, FetchError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut capabilities = Capabilities::default();
        loop {
            let packet = wire.packet(Stage::Advertisement).await?;
            size.add(&packet)?;
            match (packet, packet.line()) {
                (Packet::Flush, _) => break,
                (_, Some(line)) => capabilities.insert(&String::from_utf8_lossy(line)),
                _ => return Err(unexpected(Stage::Advertisement, &packet)),
            }
        }
        capabilities.verify_object_format()?;
        capabilities.require("ls-refs")?;
        capabilities.require("fetch")?;
        Ok(Self { version: ProtocolVersion::V2, capabilities, refs: BTreeMap::new() })
    }
}

/// Takes the lines of a version 0 advertisement.
struct RefLines<'a> {
    limits: &'a Limits,
    capabilities: Capabilities,
    refs: BTreeMap<RefName, RemoteRef>,
    seen: usize,
    last: Option<RefName>,
}

impl<'a> RefLines<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self { limits, capabilities: Capabilities::default(), refs: BTreeMap::new(), seen: 0, last: None }
    }

    fn take(&mut self, line: &[u8]) -> Result<(), FetchError> {
        let (line, capabilities) = match line.iter().position(|byte| *byte == 0) {
            Some(nul) if self.seen == 0 => (&line[..nul], &line[nul + 1..]),
            _ => (line, &[][..]),
        };
        for capability in String::from_utf8_lossy(capabilities).split_ascii_whitespace() {
            self.capabilities.insert(capability);
        }
        self.capabilities.verify_object_format()?;
        if line.starts_with(b"shallow ") {
            return Err(FetchError::Shallow);
        }
        self.seen += 1;
        if self.seen > self.limits.refs {
            return Err(FetchError::RefCount { limit: self.limits.refs });
        }
        let bad = || FetchError::Protocol { at: Stage::Advertisement, seen: words(line) };
        let (id, name) = split_id(line).ok_or_else(bad)?;
        if name == b"capabilities^{}" && self.seen == 1 {
            return Ok(());
        }
        let id = parse_id(id).ok_or_else(bad)?;
        if let Some(name) = name.strip_suffix(b"^{}") {
            let tag = self.last.take().filter(|last| last.as_str().as_bytes() == name);
            if let Some(remote) = tag.and_then(|tag| self.refs.get_mut(&tag)) {
                remote.peeled = Some(id);
            }
            return Ok(());
        }
        self.last = None;
        // A name that is no UTF-8 cannot be declared, so nobody here wants it.
        let Ok(text) = std::str::from_utf8(name) else { return Ok(()) };
        if text == "HEAD" {
            return Ok(());
        }
        let name = ref_name(text, self.limits)?;
        let remote = RemoteRef { name: name.clone(), target: id, peeled: None };
        if self.refs.insert(name.clone(), remote).is_some() {
            return Err(FetchError::DoubledRef { name: words(name.as_str().as_bytes()) });
        }
        self.last = Some(name);
        Ok(())
    }
}

/// Splits a line into its first word and the rest.
pub(super) fn split_id(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    Some((&line[..space], &line[space + 1..]))
}

/// Reads an object id that is not null.
pub(super) fn parse_id(hex: &[u8]) -> Option<CommitId> {
    CommitId::from_hex(std::str::from_utf8(hex).ok()?).ok()
}

/// Checks a ref name from outside.
pub(super) fn ref_name(text: &str, limits: &Limits) -> Result<RefName, FetchError> {
    if text.len() > limits.ref_name_bytes {
        let start = words(&text.as_bytes()[..limits.ref_name_bytes.min(60)]);
        return Err(FetchError::RefNameSize { limit: limits.ref_name_bytes, start });
    }
    RefName::parse(text).map_err(|source| FetchError::RefName { name: words(text.as_bytes()), source })
}

/// Counts the bytes of an answer against its bound.
#[derive(Debug)]
pub(super) struct Bytes {
    at: Stage,
    left: u64,
    limit: u64,
}

impl Bytes {
    pub(super) fn new(at: Stage, limits: &Limits) -> Self {
        Self { at, left: limits.advertisement_bytes, limit: limits.advertisement_bytes }
    }

    pub(super) fn add(&mut self, packet: &Packet<'_>) -> Result<(), FetchError> {
        let payload = match packet {
            Packet::Data(bytes) => bytes.len() as u64,
            Packet::Flush | Packet::Delimiter | Packet::ResponseEnd => 0,
        };
        match self.left.checked_sub(payload + 4) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(FetchError::AdvertisementSize { at: self.at, limit: self.limit }),
        }
    }
}
