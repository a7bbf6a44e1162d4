//! The socket of a plain HTTP/1 connection, which sends parts of files where hyper writes their placeholders.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::placeholder::{Queue, is_placeholder};

/// A socket, and the parts of files that are to be sent on it.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: TcpStream,
    queue: Queue,
}

impl Stream {
    /// Takes a socket, and gives with it the queue that the bodies of its answers fill.
    pub(crate) fn new(socket: TcpStream) -> (Self, Queue) {
        let queue = Queue::default();
        (Self { socket, queue: queue.clone() }, queue)
    }

    /// Sends what stands before a part of a file. The kernel holds it back until the file follows, so that both share segments, and the
    /// client is not woken for a head alone.
    fn poll_send_ahead(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        self.poll_try(cx, || Ok(sendmsg(&self.socket, slices, &mut SendAncillaryBuffer::default(), flags)?))
    }

    fn poll_send_file(&self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        self.poll_try(cx, || self.queue.send_front(&self.socket, wanted))
    }

    fn poll_try(&self, cx: &mut Context<'_>, mut send: impl FnMut() -> io::Result<usize>) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            match self.socket.try_io(Interest::WRITABLE, &mut send) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if is_placeholder(bytes) {
            return self.poll_send_file(cx, bytes.len());
        }
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().position(|slice| !slice.is_empty()).unwrap_or(slices.len());
        let slices = &slices[first..];
        match slices.iter().position(|slice| is_placeholder(slice)) {
            Some(0) => self.poll_send_file(cx, slices[0].len()),
            Some(plain) => self.poll_send_ahead(cx, &slices[..plain]),
            None => Pin::new(&mut self.socket).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
