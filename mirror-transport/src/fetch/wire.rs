//! The two halves of a channel to `git-upload-pack`, with every failure named after the part of the conversation it broke.
//!
//! Owns framing errors and `ERR` lines. Never: what a line means.

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::error::{FetchError, Stage, words};
use mirror_git::pkt::{Packet, PacketReader, PktError};

/// A channel to `git-upload-pack`.
#[derive(Debug)]
pub(super) struct Wire<R, W> {
    packets: PacketReader<R>,
    write: W,
}

impl<R, W> Wire<R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    pub(super) fn new(read: R, write: W) -> Self {
        Self { packets: PacketReader::new(read), write }
    }

    /// Reads the next packet; the end of the stream and an `ERR` line are errors.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn packet(&mut self, at: Stage) -> Result<Packet<'_>, FetchError> {
        let packet = self.packets.expect().await.map_err(|source| broken(at, source))?;
        match packet.error_words() {
            None => Ok(packet),
            Some(said) if at == Stage::Advertisement => Err(FetchError::Refused { words: words(said) }),
            Some(said) => Err(FetchError::UpstreamFailed { at, words: words(said) }),
        }
    }

    /// Sends a whole request. Where upstream no longer listens, what it said last is the error, if it said why.
    pub(super) async fn send(&mut self, bytes: &[u8], at: Stage) -> Result<(), FetchError> {
        let source = match self.write_all(bytes).await {
            Ok(()) => return Ok(()),
            Err(source) => source,
        };
        match self.packet(at).await {
            Err(said @ (FetchError::UpstreamFailed { .. } | FetchError::Refused { .. })) => Err(said),
            _ => Err(FetchError::Write { at, source }),
        }
    }

    async fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.write.write_all(bytes).await?;
        self.write.flush().await
    }

    /// Says that nothing more will be sent.
    pub(super) async fn shutdown(&mut self) -> Result<(), FetchError> {
        self.write.shutdown().await.map_err(|source| FetchError::Write { at: Stage::Negotiation, source })
    }
}

fn broken(at: Stage, source: PktError) -> FetchError {
    match source {
        PktError::Io { source } => FetchError::Read { at, source },
        PktError::Ended | PktError::Cut { .. } => FetchError::HungUp { at },
        PktError::NotHex { found } if at == Stage::Advertisement => FetchError::NotGit { seen: found },
        PktError::NotHex { .. }
        | PktError::TooShort { .. }
        | PktError::TooLong { .. }
        | PktError::NoBand
        | PktError::BadBand { .. } => FetchError::PktLine { at, source },
    }
}

/// A line that does not belong where it stood.
pub(super) fn unexpected(at: Stage, packet: &Packet<'_>) -> FetchError {
    let seen = match packet {
        Packet::Data(bytes) => words(&bytes[..bytes.len().min(200)]),
        Packet::Flush => "0000".to_owned(),
        Packet::Delimiter => "0001".to_owned(),
        Packet::ResponseEnd => "0002".to_owned(),
    };
    FetchError::Protocol { at, seen }
}
