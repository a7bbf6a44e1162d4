//! What a client sends: decoded, bounded, and on time.
//!
//! Nothing is held here beyond the piece that is being read, so a body may be as large as its bound; a body that is to be
//! whole in memory is gathered by [`RequestBody::gather`]. Never knows what the bytes mean.

mod gunzip;
mod read_timeouts;
#[cfg(test)]
mod tests;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use gunzip::Gunzip;
pub(crate) use read_timeouts::ReadTimeouts;

use crate::metrics::Metrics;
use crate::metrics::label::Endpoint;

/// How a body may be packed for its journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is.
    Identity,
    /// As one gzip member.
    Gzip,
}

/// Why a body cannot be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is larger than it may be.
    #[error("the body of the request has more than {limit} bytes")]
    TooLarge {
        /// The bound, in bytes after decoding.
        limit: u64,
    },
    /// It comes too slowly, or not at all.
    #[error("the body of the request did not come for {} s", waited.as_secs())]
    Stalled {
        /// How long it was waited for.
        waited: Duration,
    },
    /// It is not the gzip it claims to be.
    #[error("the body of the request is no whole gzip member")]
    BadEncoding,
    /// The client went away, or broke the rules of HTTP.
    #[error("the body of the request broke off")]
    Gone,
}

impl BodyError {
    /// Finds the reason in an error of reading an [`RequestBody`].
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Self>().copied()
    }
}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::TooLarge { .. } => io::ErrorKind::FileTooLarge,
            BodyError::Stalled { .. } => io::ErrorKind::TimedOut,
            BodyError::BadEncoding => io::ErrorKind::InvalidData,
            BodyError::Gone => io::ErrorKind::UnexpectedEof,
        };
        Self::new(kind, error)
    }
}

/// The body of a request, as it was before it was packed for its journey.
///
/// # Invariants
/// Never gives more bytes than its bound, and never ends without error before the body does. An error stays.
pub(crate) struct RequestBody {
    source: UnsyncBoxBody<Bytes, BodyError>,
    /// What came and was not read yet, as it came.
    raw: Bytes,
    ended: bool,
    gunzip: Option<Gunzip>,
    limit: u64,
    /// How many bytes came, packed as they are.
    came: u64,
    /// How many bytes were given to the reader.
    given: u64,
    read_timeouts: ReadTimeouts,
    failed: Option<BodyError>,
    counted: Option<(Arc<Metrics>, Endpoint)>,
}

/// A gzip of what does not get smaller is a little larger than what it holds.
const GZIP_OVERHEAD: u64 = 64 * 1024;

impl RequestBody {
    /// Reads what a client sends.
    pub(crate) fn new(body: Incoming, coding: Coding, limit: u64, read_timeouts: ReadTimeouts) -> Self {
        Self::from_source(body.map_err(|_| BodyError::Gone).boxed_unsync(), coding, limit, read_timeouts)
    }

    /// Counts what came, packed as it was, when it is over.
    pub(crate) fn counted(mut self, metrics: Arc<Metrics>, endpoint: Endpoint) -> Self {
        self.counted = Some((metrics, endpoint));
        self
    }

    /// Reads bytes that are all here.
    #[cfg(test)]
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        let source = http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync();
        Self::from_source(source, Coding::Identity, u64::MAX, ReadTimeouts::default())
    }

    fn from_source(
        source: UnsyncBoxBody<Bytes, BodyError>,
        coding: Coding,
        limit: u64,
        read_timeouts: ReadTimeouts,
    ) -> Self {
        let gunzip = match coding {
            Coding::Identity => None,
            Coding::Gzip => Some(Gunzip::new()),
        };
        Self {
            source,
            raw: Bytes::new(),
            ended: false,
            gunzip,
            limit,
            came: 0,
            given: 0,
            read_timeouts,
            failed: None,
            counted: None,
        }
    }

    /// Reads the whole body into memory, up to its bound.
    ///
    /// # Errors
    /// [`BodyError`].
    pub(crate) async fn gather(mut self) -> Result<Bytes, BodyError> {
        let mut whole = BytesMut::new();
        loop {
            // Room grows with what came, never with what was announced.
            whole.reserve(8 * 1024);
            match self.read_buf(&mut whole).await {
                Ok(0) => return Ok(whole.freeze()),
                Ok(_) => {}
                Err(error) => return Err(BodyError::of(&error).unwrap_or(BodyError::Gone)),
            }
        }
    }

    /// Waits until there are bytes to read, or none will come.
    fn poll_raw(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        while self.raw.is_empty() && !self.ended {
            let Poll::Ready(frame) = Pin::new(&mut self.source).poll_frame(context) else {
                return self.read_timeouts.poll_lost(context).map(|waited| Err(BodyError::Stalled { waited }));
            };
            match frame {
                None => self.ended = true,
                Some(Err(error)) => return Poll::Ready(Err(error)),
                Some(Ok(frame)) => {
                    // Trailers say nothing that is needed.
                    let Ok(data) = frame.into_data() else { continue };
                    self.came = self.came.saturating_add(data.len() as u64);
                    self.read_timeouts.received(data.len());
                    self.raw = data;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_some(&mut self, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<(), BodyError>> {
        let before = into.filled().len();
        loop {
            ready!(self.poll_raw(context))?;
            match &mut self.gunzip {
                None => {
                    let length = self.raw.len().min(into.remaining());
                    into.put_slice(&self.raw[..length]);
                    self.raw.advance(length);
                }
                Some(gunzip) => {
                    if self.came > self.limit.saturating_add(self.limit / 1000).saturating_add(GZIP_OVERHEAD) {
                        return Poll::Ready(Err(BodyError::TooLarge { limit: self.limit }));
                    }
                    gunzip.read(&mut self.raw, into)?;
                    if self.ended && !gunzip.done() && into.filled().len() == before {
                        return Poll::Ready(Err(BodyError::BadEncoding));
                    }
                }
            }
            let got = (into.filled().len() - before) as u64;
            if got > 0 {
                self.given += got;
                if self.given > self.limit {
                    into.set_filled(before);
                    return Poll::Ready(Err(BodyError::TooLarge { limit: self.limit }));
                }
                return Poll::Ready(Ok(()));
            }
            if self.ended && self.raw.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some((metrics, endpoint)) = &self.counted {
            metrics.received(*endpoint, self.came);
        }
    }
}

impl AsyncRead for RequestBody {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = self.failed {
            return Poll::Ready(Err(error.into()));
        }
        let polled = ready!(self.poll_some(context, into));
        if let Err(error) = polled {
            self.failed = Some(error);
        }
        Poll::Ready(polled.map_err(io::Error::from))
    }
}
