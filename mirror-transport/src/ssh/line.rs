//! The stream under a session: watched until the server's identification has passed, and cut when the session is dropped.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::banner::BannerWatch;
use super::guard::Passed;

type Cut = Pin<Box<WaitForCancellationFutureOwned>>;

/// Wraps the stream that the SSH library drives.
///
/// The library detaches its task from the handle, so dropping the handle does not end a task that waits on a dead stream. The cut does:
/// once it is made, every operation fails at once.
pub(super) struct Line<S> {
    stream: S,
    banner: BannerWatch,
    passed: UnboundedSender<Passed>,
    farewell: Arc<Farewell>,
    read_cut: Cut,
    write_cut: Cut,
}

/// Tells when the last words have left. Waiting for the server to hang up in answer would cost a round trip for nothing.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    begun: AtomicBool,
    left: Notify,
}

impl Farewell {
    /// Says that what is written from now on is the farewell.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Release);
    }

    /// Waits until it was handed to the network.
    pub(super) async fn left(&self) {
        self.left.notified().await;
    }

    fn flushed(&self) {
        if self.begun.load(Ordering::Acquire) {
            self.left.notify_one();
        }
    }
}

impl<S> Line<S> {
    pub(super) fn new(
        stream: S,
        passed: UnboundedSender<Passed>,
        farewell: &Arc<Farewell>,
        cut: &CancellationToken,
    ) -> Self {
        Self {
            stream,
            banner: BannerWatch::default(),
            passed,
            farewell: farewell.clone(),
            read_cut: Box::pin(cut.clone().cancelled_owned()),
            write_cut: Box::pin(cut.clone().cancelled_owned()),
        }
    }
}

fn check(cut: &mut Cut, cx: &mut Context<'_>) -> io::Result<()> {
    match cut.as_mut().poll(cx) {
        Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
        Poll::Pending => Ok(()),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        check(&mut this.read_cut, cx)?;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = &polled {
            let fresh = &buf.filled()[before..];
            if fresh.is_empty() {
                this.banner.end().map_err(io::Error::other)?;
            } else if let Some(line) = this.banner.feed(fresh).map_err(io::Error::other)? {
                // Nobody listens any more once the handshake has ended.
                let _ = this.passed.send(Passed::Banner(line));
            }
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        check(&mut this.write_cut, cx)?;
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        check(&mut this.write_cut, cx)?;
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        if let Poll::Ready(Ok(())) = &polled {
            this.farewell.flushed();
        }
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        check(&mut this.write_cut, cx)?;
        // A peer that is gone already cannot be told so; the library would take the failure for the reason of the end.
        Pin::new(&mut this.stream).poll_shutdown(cx).map(|_| Ok(()))
    }
}
