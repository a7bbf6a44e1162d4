//! The TCP stream below SSH: counted, and cut or stalled at a byte.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::fault::{Ending, Misdeed, Point};
use super::record::Book;
use crate::byte_limit::Gate;

/// Closes a connection from anywhere, both directions at once.
#[derive(Debug, Clone)]
pub(super) struct Scissors(Arc<std::net::TcpStream>);

impl Scissors {
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
    scissors: Scissors,
    book: Book,
    number: u64,
    inward: Direction,
    outward: Direction,
}

#[derive(Debug)]
struct Direction {
    gate: Gate,
    then: Ending,
}

impl Wire {
    /// Takes the stream of a connection and what is to happen to it.
    pub(super) fn new(stream: TcpStream, book: Book, number: u64, misdeeds: &[Misdeed]) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let scissors = Scissors(Arc::new(stream.try_clone()?));
        let stream = TcpStream::from_std(stream)?;
        let mut inward = Direction { gate: Gate::after(None), then: Ending::Cut };
        let mut outward = Direction { gate: Gate::after(None), then: Ending::Cut };
        for misdeed in misdeeds {
            if let Misdeed::Stream { at, then } = misdeed {
                match *at {
                    Point::Received(n) => inward = Direction { gate: Gate::after(Some(n)), then: *then },
                    Point::Sent(n) | Point::Answered(n) => {
                        outward = Direction { gate: Gate::after(Some(n)), then: *then };
                    }
                }
            }
        }
        Ok(Self { stream, scissors, book, number, inward, outward })
    }

    /// Gives what cuts it.
    pub(super) fn scissors(&self) -> Scissors {
        self.scissors.clone()
    }

    fn ended<T>(&self, then: Ending) -> Poll<io::Result<T>> {
        match then {
            Ending::Stall => Poll::Pending,
            Ending::Cut | Ending::CutOnceGitEnded => {
                self.scissors.cut();
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
        if self.inward.gate.is_shut() {
            return self.ended(self.inward.then);
        }
        let allowed = self.inward.gate.allows(buffer.remaining());
        let mut part = buffer.take(allowed);
        std::task::ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
        let read = part.filled().len();
        // `take` shares the memory and not the position: the bytes are there and have to be counted in.
        let filled = part.filled().to_vec();
        buffer.put_slice(&filled);
        self.inward.gate.passed(read);
        self.book.on_connection(self.number, |connection| connection.received += read as u64);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.outward.gate.is_shut() {
            return self.ended(self.outward.then);
        }
        let allowed = self.outward.gate.allows(bytes.len());
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[..allowed]))?;
        self.outward.gate.passed(written);
        self.book.on_connection(self.number, |connection| connection.sent += written as u64);
        if self.outward.gate.is_shut() && self.outward.then != Ending::Stall {
            self.scissors.cut();
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
        // The second handle in the scissors would otherwise keep the connection open.
        self.scissors.cut();
        self.book.on_connection(self.number, |connection| connection.ended = true);
    }
}
