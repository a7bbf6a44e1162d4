//! The other end of a stream, which says what it was given and listens to nothing.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread().enable_time().build().expect("because nothing here needs the system")
});

/// Runs a conversation to its end.
pub fn run<F: Future>(conversation: F) -> F::Output {
    RUNTIME.block_on(conversation)
}

/// Says its bytes in pieces of at most one size, then ends; takes everything that is written to it.
#[derive(Debug)]
pub struct Peer {
    bytes: Vec<u8>,
    said: usize,
    piece: usize,
}

impl Peer {
    /// Makes a peer that says `bytes` in one piece.
    pub fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        Self::in_pieces(bytes, usize::MAX)
    }

    /// Makes a peer that says at most `piece` bytes at a time, and at least one.
    pub fn in_pieces(bytes: impl Into<Vec<u8>>, piece: usize) -> Self {
        Self { bytes: bytes.into(), said: 0, piece: piece.max(1) }
    }
}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let count = self.piece.min(into.remaining()).min(self.bytes.len() - self.said);
        into.put_slice(&self.bytes[self.said..self.said + count]);
        self.said += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
