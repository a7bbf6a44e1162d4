//! The TCP stream below SSH: counted, and cut or stalled at a byte.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::fault::{Ending, HostFault, Point};
use super::record::Recorder;
use crate::byte_limit::ByteLimit;

/// Closes a connection from anywhere, both directions at once.
#[derive(Debug, Clone)]
pub(super) struct Closer(Arc<std::net::TcpStream>);

impl Closer {
    /// Cuts; what was written before still reaches the client.
    pub(super) fn cut(&self) {
        // A connection that is over already is as wanted.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// The counted stream.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    closer: Closer,
    recorder: Recorder,
    number: u64,
    inward: Direction,
    outward: Direction,
}

#[derive(Debug)]
struct Direction {
    limit: ByteLimit,
    then: Ending,
}

impl Wire {
    /// Takes the stream of a connection and what is to happen to it.
    pub(super) fn new(stream: TcpStream, recorder: Recorder, number: u64, faults: &[HostFault]) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let closer = Closer(Arc::new(stream.try_clone()?));
        let stream = TcpStream::from_std(stream)?;
        let mut inward = Direction { limit: ByteLimit::after(None), then: Ending::Cut };
        let mut outward = Direction { limit: ByteLimit::after(None), then: Ending::Cut };
        for fault in faults {
            if let HostFault::Stream { at, then } = fault {
                match *at {
                    Point::Received(n) => inward = Direction { limit: ByteLimit::after(Some(n)), then: *then },
                    Point::Sent(n) | Point::Answered(n) => {
                        outward = Direction { limit: ByteLimit::after(Some(n)), then: *then };
                    }
                }
            }
        }
        Ok(Self { stream, closer, recorder, number, inward, outward })
    }

    /// Gives what cuts it.
    pub(super) fn closer(&self) -> Closer {
        self.closer.clone()
    }

    fn ended<T>(&self, then: Ending) -> Poll<io::Result<T>> {
        match then {
            Ending::Stall => Poll::Pending,
            Ending::Cut | Ending::CutOnceGitEnded => {
                self.closer.cut();
                Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.inward.limit.is_reached() {
            return self.ended(self.inward.then);
        }
        let allowed = self.inward.limit.allows(buffer.remaining());
        let mut part = buffer.take(allowed);
        std::task::ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
        let read = part.filled().len();
        // `take` shares the memory and not the position: the bytes are there and have to be counted in.
        let filled = part.filled().to_vec();
        buffer.put_slice(&filled);
        self.inward.limit.passed(read);
        self.recorder.on_connection(self.number, |connection| connection.received += read as u64);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.outward.limit.is_reached() {
            return self.ended(self.outward.then);
        }
        let allowed = self.outward.limit.allows(bytes.len());
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[..allowed]))?;
        self.outward.limit.passed(written);
        self.recorder.on_connection(self.number, |connection| connection.sent += written as u64);
        if self.outward.limit.is_reached() && self.outward.then != Ending::Stall {
            self.closer.cut();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // The second handle in the closer would otherwise keep the connection open.
        self.closer.cut();
        self.recorder.on_connection(self.number, |connection| connection.ended = true);
    }
}
