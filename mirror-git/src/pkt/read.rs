//! Reading packets from a stream, one at a time, in a buffer of fixed size.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::decode::{Decoded, decode};
use super::error::PktError;
use super::packet::{MAX_PACKET, Packet};

/// Reads packets from a byte stream; what the peer sends cannot make it hold more than one packet.
#[derive(Debug)]
pub struct PacketReader<R> {
    stream: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: AsyncRead + Unpin> PacketReader<R> {
    /// Makes a reader on `stream`. It reads ahead, so from here on the stream is read through it alone.
    pub fn new(stream: R) -> Self {
        PacketReader { stream, buffer: vec![0; MAX_PACKET].into_boxed_slice(), start: 0, end: 0 }
    }

    /// Reads the next packet, or `None` where the stream ends between two packets.
    ///
    /// # Errors
    ///
    /// [`PktError::Cut`] where the stream ends inside a packet, [`PktError::Io`] where it fails, and what [`decode`] says of the bytes.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: bytes that were read stay in the buffer.
    pub async fn next(&mut self) -> Result<Option<Packet<'_>>, PktError> {
        let used = loop {
            match decode(&self.buffer[self.start..self.end])? {
                Decoded::Whole { used, .. } => break used,
                Decoded::Incomplete { needed } => {
                    if !self.fill(needed).await? {
                        return match self.end - self.start {
                            0 => Ok(None),
                            have => Err(PktError::Cut { missing: needed - have }),
                        };
                    }
                }
            }
        };
        let start = self.start;
        self.start += used;
        match decode(&self.buffer[start..self.start])? {
            Decoded::Whole { packet, .. } => Ok(Some(packet)),
            Decoded::Incomplete { needed } => Err(PktError::Cut { missing: needed - used }),
        }
    }

    /// Reads the next packet where one must come.
    ///
    /// # Errors
    ///
    /// [`PktError::Ended`] where the stream ends instead, and those of [`PacketReader::next`].
    ///
    /// # Cancel safety
    ///
    /// As [`PacketReader::next`].
    pub async fn expect(&mut self) -> Result<Packet<'_>, PktError> {
        self.next().await?.ok_or(PktError::Ended)
    }

    /// Gives the stream back, with the bytes that were read from it and belong to no packet that was given: what follows the packets is another
    /// format, a pack for instance.
    pub fn into_rest(self) -> (Vec<u8>, R) {
        (self.buffer[self.start..self.end].to_vec(), self.stream)
    }

    /// Reads some more bytes, with room for `needed` from `start`; false at the end of the stream.
    async fn fill(&mut self, needed: usize) -> Result<bool, PktError> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start + needed > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let read = self.stream.read(&mut self.buffer[self.end..]).await.map_err(|source| PktError::Io { source })?;
        self.end += read;
        Ok(read > 0)
    }
}
