//! The pack out of the side band, and upstream's talk beside it.
//!
//! Owns the splitting of the two. Never: what is in the pack; any conclusion from the talk.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::error::{FetchError, Stage, words};
use super::session::BlockingWire;
use super::wire::unexpected;
use mirror_git::pack::receive::{PackSource, Progress, Watch};
use mirror_git::pkt::{Band, Packet};

/// The pack on a channel's side band.
pub(super) struct PackStream<'a, R, W> {
    channel: &'a mut BlockingWire<R, W>,
    ended: bool,
    talk: Talk,
}

impl<'a, R, W> PackStream<'a, R, W> {
    pub(super) fn new(channel: &'a mut BlockingWire<R, W>, message_bytes: u64, watch: Option<Arc<dyn Watch>>) -> Self {
        let talk = Talk { left: message_bytes, limit: message_bytes, line: Vec::new(), watch };
        Self { channel, ended: false, talk }
    }
}

impl<R, W> PackSource for PackStream<'_, R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    type Error = FetchError;

    fn next(&mut self, chunk: &mut Vec<u8>) -> Result<(), FetchError> {
        chunk.clear();
        while chunk.is_empty() && !self.ended {
            let packet = self.channel.packet(Stage::Pack)?;
            match packet {
                Packet::Flush => {
                    self.ended = true;
                    self.talk.end();
                }
                Packet::Data(payload) => {
                    match Band::of(payload).map_err(|source| FetchError::PktLine { at: Stage::Pack, source })? {
                        Band::Data(bytes) => chunk.extend_from_slice(bytes),
                        Band::Progress(bytes) => self.talk.hear(bytes)?,
                        Band::Fatal(said) => {
                            return Err(FetchError::UpstreamFailed { at: Stage::Pack, words: words(said) });
                        }
                    }
                }
                Packet::Delimiter | Packet::ResponseEnd => {
                    return Err(unexpected(Stage::Pack, &packet));
                }
            }
        }
        Ok(())
    }
}

/// Cuts upstream's talk into lines, within bounds.
struct Talk {
    left: u64,
    limit: u64,
    line: Vec<u8>,
    watch: Option<Arc<dyn Watch>>,
}

impl Talk {
    const LONGEST_LINE: usize = 1000;

    fn hear(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(FetchError::MessageSize { limit: self.limit })?;
        for byte in bytes {
            match byte {
                b'\n' | b'\r' => self.end(),
                _ if self.line.len() < Self::LONGEST_LINE => self.line.push(*byte),
                _ => {}
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        let line = words(&std::mem::take(&mut self.line));
        if let Some(watch) = self.watch.as_ref().filter(|_| !line.is_empty()) {
            watch.event(Progress::Server(&line));
        }
    }
}
