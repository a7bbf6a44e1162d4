//! The server's output.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf as _;
use tokio::io::{AsyncRead, ReadBuf};

use super::error::Waiting;
use super::inbox::{End, MAX_QUEUED, Shared};
use super::stall::StallTimer;

/// Reads what the remote program writes.
///
/// Ends when the program closes its output. Its errors hold a [`super::ChannelError`].
pub struct GitReader {
    shared: Arc<Shared>,
    stall: StallTimer,
}

impl GitReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let stall = StallTimer::new(shared.idle);
        Self { shared, stall }
    }
}

impl AsyncRead for GitReader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let moved = {
            let mut inbox = this.shared.lock();
            if let Some(front) = inbox.queue.front_mut() {
                let count = front.len().min(buf.remaining());
                buf.put_slice(&front[..count]);
                front.advance(count);
                if front.is_empty() {
                    inbox.queue.pop_front();
                }
                let was_full = inbox.queued >= MAX_QUEUED;
                inbox.queued -= count;
                if was_full && inbox.queued < MAX_QUEUED {
                    this.shared.nudge.notify_one();
                }
                this.stall.rest();
                return Poll::Ready(Ok(()));
            }
            match &inbox.end {
                Some(End::Eof | End::Closed) => return Poll::Ready(Ok(())),
                Some(End::Fault(error)) => return Poll::Ready(Err(error.clone().into())),
                None => {}
            }
            inbox.reader = Some(cx.waker().clone());
            inbox.moved
        };
        ready!(this.stall.poll(cx, moved));
        Poll::Ready(Err(this.shared.stalled(Waiting::Reading).into()))
    }
}

impl Drop for GitReader {
    fn drop(&mut self) {
        let mut inbox = self.shared.lock();
        inbox.streams.reader_dropped = true;
        inbox.queue.clear();
        inbox.queued = 0;
        drop(inbox);
        self.shared.nudge.notify_one();
    }
}

impl std::fmt::Debug for GitReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GitReader({})", self.shared.service)
    }
}
