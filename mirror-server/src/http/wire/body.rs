//! The body that hyper is given: frames of an answer, whichever form it has.

use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use rustix::io::ReadWriteFlags;
use tokio::task::JoinHandle;

use super::placeholder::{Queue, cut_off};
use crate::http::answer::{AnswerBody, FileBody, Piece, Region};

/// How much of a file is read at once where the kernel cannot send it.
const READ_AT_ONCE: usize = 256 << 10;

/// The body of an answer on its way. An error in it ends the connection, so that no client takes a part for the whole.
pub(crate) struct WireBody {
    source: Source,
    delivery: Delivery,
    /// How many bytes are still to come, where that was known from the start.
    left: Option<u64>,
}

enum Source {
    Whole(Bytes),
    Stored { stored: Box<dyn FileBody>, region: Option<Region> },
    Pieces(tokio::sync::mpsc::Receiver<Piece>),
    Ended,
}

/// How parts of files get to the socket.
enum Delivery {
    /// The kernel sends them.
    Sendfile(Queue),
    /// They are read, on another thread where the disk has to be asked.
    Read(Option<JoinHandle<io::Result<Bytes>>>),
}

impl WireBody {
    /// Takes an answer's body; with the queue of the connection it goes out on, where that is plain HTTP/1.
    pub(crate) fn new(body: AnswerBody, queue: Option<Queue>) -> Self {
        let (source, left) = match body {
            AnswerBody::Whole(bytes) if bytes.is_empty() => (Source::Ended, Some(0)),
            AnswerBody::Whole(bytes) => {
                let left = bytes.len() as u64;
                (Source::Whole(bytes), Some(left))
            }
            AnswerBody::File(stored) => {
                let left = stored.length();
                (Source::Stored { stored, region: None }, left)
            }
            AnswerBody::Pieces(pieces) => (Source::Pieces(pieces), None),
        };
        Self { source, delivery: queue.map_or(Delivery::Read(None), Delivery::Sendfile), left }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match &mut self.source {
            Source::Ended => Poll::Ready(None),
            Source::Whole(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Source::Pieces(pieces) => Poll::Ready(match ready!(pieces.poll_recv(cx)) {
                Some(Piece::Data(bytes)) => Some(Ok(bytes)),
                Some(Piece::End) => None,
                None => Some(Err(io::Error::other("an answer was given up in its middle"))),
            }),
            Source::Stored { stored, region } => {
                let region = match region {
                    Some(region) => region,
                    none => match ready!(stored.poll_region(cx)) {
                        Some(Ok(next)) => none.insert(next),
                        Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                        None => return Poll::Ready(None),
                    },
                };
                let bytes = match &mut self.delivery {
                    Delivery::Sendfile(queue) => queue.push(region),
                    Delivery::Read(reading) => ready!(poll_read(reading, region, cx))?,
                };
                self.forget_empty();
                Poll::Ready(Some(Ok(bytes)))
            }
        }
    }

    fn forget_empty(&mut self) {
        if let Source::Stored { region, .. } = &mut self.source
            && region.as_ref().is_some_and(|region| region.length == 0)
        {
            *region = None;
        }
    }

    /// Holds the answer to the length that it was announced with: what hyper would cut off would be missing from the next answer.
    fn count(&mut self, length: usize) -> io::Result<()> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(length as u64).ok_or_else(|| io::Error::other("a stored answer is too long"))?;
        }
        Ok(())
    }
}

/// Reads the beginning of a region, and takes it off.
fn poll_read(
    reading: &mut Option<JoinHandle<io::Result<Bytes>>>,
    region: &mut Region,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Bytes>> {
    let length = usize::try_from(region.length).unwrap_or(READ_AT_ONCE).min(READ_AT_ONCE);
    let handle = match &mut *reading {
        Some(handle) => handle,
        none => {
            let mut bytes = BytesMut::zeroed(length);
            let slices = &mut [IoSliceMut::new(&mut bytes)];
            match rustix::io::preadv2(&*region.file, slices, region.offset, ReadWriteFlags::NOWAIT) {
                Ok(read) => {
                    bytes.truncate(read);
                    return Poll::Ready(taken(region, bytes.freeze()));
                }
                // Not in memory, or a file system without `RWF_NOWAIT`.
                Err(_) => {
                    let Region { file, offset, .. } = region.clone();
                    none.insert(tokio::task::spawn_blocking(move || {
                        let read = file.read_at(&mut bytes, offset)?;
                        bytes.truncate(read);
                        Ok(bytes.freeze())
                    }))
                }
            }
        }
    };
    let read = ready!(Pin::new(handle).poll(cx));
    *reading = None;
    Poll::Ready(read.map_err(io::Error::other).flatten().and_then(|bytes| taken(region, bytes)))
}

fn taken(region: &mut Region, bytes: Bytes) -> io::Result<Bytes> {
    if bytes.is_empty() {
        return Err(cut_off());
    }
    region.offset += bytes.len() as u64;
    region.length -= bytes.len() as u64;
    Ok(bytes)
}

impl Body for WireBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = match ready!(self.poll_bytes(cx)) {
            Some(Ok(bytes)) => self.count(bytes.len()).map(|()| Some(bytes)),
            Some(Err(error)) => Err(error),
            None if self.left.is_some_and(|left| left > 0) => Err(cut_off()),
            None => Ok(None),
        };
        if !matches!(next, Ok(Some(_))) || self.left == Some(0) {
            self.source = Source::Ended;
        }
        Poll::Ready(next.map(|bytes| bytes.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Ended)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
