//! The remote program's input.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::time::Instant;

use super::error::{ChannelError, Waiting};
use super::inbox::{End, Shared};
use super::stall::StallTimer;

/// Writes to the remote program; shutting it down tells the program that no more comes.
///
/// Its errors hold a [`super::ChannelError`].
///
/// # Cancel safety
/// A write that was begun must be gone on with: its bytes may be on their way already.
pub struct GitWriter {
    shared: Arc<Shared>,
    inner: Pin<Box<dyn AsyncWrite + Send>>,
    stall: StallTimer,
}

impl GitWriter {
    pub(super) fn new(shared: Arc<Shared>, inner: Pin<Box<dyn AsyncWrite + Send>>) -> Self {
        let stall = StallTimer::new(shared.idle);
        Self { shared, inner, stall }
    }

    /// Fails where nobody is left to read; otherwise asks to be woken when that changes.
    fn check_open(&self, cx: &mut Context<'_>) -> Result<Instant, ChannelError> {
        let mut inbox = self.shared.lock();
        match &inbox.end {
            Some(End::Fault(error)) => Err(error.clone()),
            Some(End::Closed) => Err(self.remote_ended(&inbox.stderr)),
            Some(End::Eof) | None => {
                inbox.writer = Some(cx.waker().clone());
                Ok(inbox.moved)
            }
        }
    }

    fn remote_ended(&self, stderr: &[u8]) -> ChannelError {
        let words = String::from_utf8_lossy(stderr);
        let words = words.trim();
        ChannelError::RemoteEnded {
            target: self.shared.target.clone(),
            service: self.shared.service,
            stderr: if words.is_empty() { String::new() } else { format!(": {}", crate::ssh::guard::one_line(words)) },
        }
    }

    /// Turns a wait into an error once it has lasted too long.
    fn bounded<T>(&mut self, cx: &mut Context<'_>, moved: Instant, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stall.rest();
            self.shared.lock().moved = Instant::now();
            return polled;
        }
        ready!(self.stall.poll(cx, moved));
        Poll::Ready(Err(self.shared.stalled(Waiting::Writing).into()))
    }
}

impl AsyncWrite for GitWriter {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let moved = this.check_open(cx)?;
        let polled = this.inner.as_mut().poll_write(cx, buf);
        this.bounded(cx, moved, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let moved = this.check_open(cx)?;
        let polled = this.inner.as_mut().poll_flush(cx);
        this.bounded(cx, moved, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let moved = match this.check_open(cx) {
            Ok(moved) => moved,
            // There is nobody left to tell.
            Err(ChannelError::RemoteEnded { .. }) => return Poll::Ready(Ok(())),
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        let polled = this.inner.as_mut().poll_shutdown(cx);
        this.bounded(cx, moved, polled)
    }
}

impl Drop for GitWriter {
    fn drop(&mut self) {
        self.shared.lock().streams.writer_dropped = true;
        self.shared.nudge.notify_one();
    }
}

impl std::fmt::Debug for GitWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GitWriter({})", self.shared.service)
    }
}
