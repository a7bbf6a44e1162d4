//! The write timeout of a connection: cuts off a client that does not read what it is sent.
//!
//! Sits between a connection and its socket; never looks at the bytes.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A stream whose writes fail when nothing of them can be sent for some time.
#[derive(Debug)]
pub(super) struct WriteTimeout<S> {
    stream: S,
    stall: Duration,
    /// Whether a write waits, since when `sleep` was set.
    waiting: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    /// Gives a write `stall` to make a step.
    pub(super) fn new(stream: S, stall: Duration) -> Self {
        Self { stream, stall, waiting: false, sleep: None }
    }

    fn judge<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = false;
            return polled;
        }
        if !self.waiting {
            self.waiting = true;
            let until = Instant::now() + self.stall;
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(until),
                None => self.sleep = Some(Box::pin(tokio::time::sleep_until(until))),
            }
        }
        let sleep = self.sleep.as_mut().expect("because it was set where waiting began");
        sleep.as_mut().poll(context).map(|()| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_cut_and_who_takes_a_little_is_not() {
        let (near, mut far) = tokio::io::duplex(16);
        let mut stream = WriteTimeout::new(near, Duration::from_secs(30));
        let begun = Instant::now();
        let writer = tokio::spawn(async move { (stream.write_all(&[7; 64]).await, begun.elapsed()) });
        // One step short of the deadline, twice; then nothing more.
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_secs(29)).await;
            let mut some = [0; 16];
            tokio::io::AsyncReadExt::read_exact(&mut far, &mut some).await.expect("bytes");
        }
        let (written, took) = writer.await.expect("no panic");
        assert_eq!(written.expect_err("a cut").kind(), io::ErrorKind::TimedOut);
        assert_eq!(took.as_secs(), 29 + 29 + 30);
    }
}
