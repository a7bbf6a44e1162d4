//! What a receive-pack says first: its refs, further tips it has, and what it can do.

use std::collections::BTreeMap;

use gix_hash::ObjectId;
use mirror_core::name::{CommitId, NameFault, RefName};
use tokio::io::AsyncRead;

use super::capabilities::Capabilities;
use super::error::PushError;
use super::limits::Limits;
use super::messages::printable;
use mirror_git::pkt::{Packet, PacketReader, PktError};

/// A receive-pack's advertisement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advertised {
    refs: BTreeMap<RefName, CommitId>,
    further: Vec<CommitId>,
    capabilities: Capabilities,
}

impl Advertised {
    /// Reads an advertisement up to its flush.
    ///
    /// # Errors
    ///
    /// [`PushError`]: each violation and each bound of `limits` has its own.
    ///
    /// # Source
    ///
    /// `gitprotocol-pack(5)`, "Reference Discovery".
    pub async fn read<R: AsyncRead + Unpin>(reader: &mut PacketReader<R>, limits: &Limits) -> Result<Self, PushError> {
        let mut advertised = Advertised::default();
        let mut first = true;
        loop {
            let packet = match reader.expect().await {
                Ok(packet) => packet,
                Err(PktError::Ended) if first => return Err(PushError::NoAdvertisement),
                Err(error) => return Err(error.into()),
            };
            if let Some(words) = packet.error_words() {
                return Err(PushError::Refused { words: printable(words) });
            }
            let line = match packet {
                Packet::Flush => return Ok(advertised),
                Packet::Data(_) => packet.line().unwrap_or_default(),
                Packet::Delimiter | Packet::ResponseEnd => return Err(bad_line(format!("{packet:?}").as_bytes())),
            };
            if first && let Some(version) = line.strip_prefix(b"version ") {
                if version == b"1" {
                    continue;
                }
                return Err(PushError::Version { version: printable(version) });
            }
            if first {
                advertised.first_line(line, limits)?;
            } else {
                advertised.line(line, limits)?;
            }
            first = false;
        }
    }

    /// Gives the refs.
    pub fn refs(&self) -> &BTreeMap<RefName, CommitId> {
        &self.refs
    }

    /// Gives the value of one ref.
    pub fn tip(&self, name: &RefName) -> Option<CommitId> {
        self.refs.get(name).copied()
    }

    /// Gives what the server can do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Gives everything the server says it has: the values of its refs and the tips it has without showing their refs.
    pub fn boundaries(&self) -> impl Iterator<Item = CommitId> {
        self.refs.values().chain(&self.further).copied()
    }

    fn first_line(&mut self, line: &[u8], limits: &Limits) -> Result<(), PushError> {
        let Some(nul) = line.iter().position(|byte| *byte == 0) else {
            return self.line(line, limits);
        };
        let (line, list) = (&line[..nul], &line[nul + 1..]);
        if list.len() > limits.capabilities {
            return Err(PushError::LongCapabilities { length: list.len(), limit: limits.capabilities });
        }
        self.capabilities = Capabilities::parse(list);
        // Before the ids, which have another length where this fails.
        self.capabilities.verify_object_format()?;
        self.line(line, limits)
    }

    fn line(&mut self, line: &[u8], limits: &Limits) -> Result<(), PushError> {
        if line.starts_with(b"shallow ") {
            return Err(PushError::Shallow);
        }
        let Some((hex, [b' ', name @ ..])) = line.split_at_checked(40) else { return Err(bad_line(line)) };
        if name == b"capabilities^{}" {
            // What an empty repository has in place of a ref, with the null id.
            return if self.refs.is_empty() && hex.iter().all(|digit| *digit == b'0') {
                Ok(())
            } else {
                Err(bad_line(line))
            };
        }
        let id =
            std::str::from_utf8(hex).ok().and_then(|hex| CommitId::from_hex(hex).ok()).ok_or_else(|| bad_line(line))?;
        if self.refs.len() + self.further.len() == limits.refs {
            return Err(PushError::TooManyRefs { limit: limits.refs });
        }
        if name.len() > limits.ref_name {
            return Err(PushError::LongRefName { length: name.len(), limit: limits.ref_name });
        }
        // Tips of other repositories that share objects, and what no push can name, still tell what the server has.
        if matches!(name, b".have" | b"HEAD") || name.ends_with(b"^{}") {
            self.further.push(id);
            return Ok(());
        }
        match RefName::from_bytes(name) {
            Ok(name) => match self.refs.insert(name.clone(), id) {
                None => Ok(()),
                Some(_) => Err(PushError::DoubledRef { name }),
            },
            Err(error) if error.fault == NameFault::NotUtf8 => {
                self.further.push(id);
                Ok(())
            }
            Err(source) => Err(PushError::BadRefName { source }),
        }
    }
}

fn bad_line(line: &[u8]) -> PushError {
    PushError::BadLine { line: printable(&line[..line.len().min(100)]) }
}

/// Gives a commit's id in the form that the object store takes.
pub(super) fn object_id(commit: CommitId) -> ObjectId {
    ObjectId::from(*commit.as_bytes())
}
