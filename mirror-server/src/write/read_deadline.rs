//! The time that a whole push may take to come, however steadily it trickles: a push holds a turn and keeps maintenance from dropping objects.
//!
//! How long a client may pause is known by `http::body`; what is done with a push that is cut, by the rest of this folder.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::http::body::BodyError;

/// How long a push may take from its first byte to its last. Checking the pack has a bound of its own, which begins then.
pub(super) const COMING: Duration = Duration::from_secs(60 * 60);

/// Why a push did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cut {
    /// Its body cannot be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// It came, but for too long.
    #[error("the push did not come to its end in {} minutes, which is all a push may take", after.as_secs() / 60)]
    Late {
        /// How long it was waited for.
        after: Duration,
    },
}

impl Cut {
    /// Finds the reason in an error of reading a push.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        let cut = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()).copied();
        cut.or_else(|| BodyError::of(error).map(Self::Body))
    }
}

/// A body that is cut when its time is over.
#[derive(Debug)]
pub(super) struct ReadDeadline<R> {
    body: R,
    allowed: Duration,
    left: Pin<Box<Sleep>>,
}

impl<R> ReadDeadline<R> {
    /// The time begins now.
    pub(super) fn new(body: R, allowed: Duration) -> Self {
        Self { body, allowed, left: Box::pin(sleep(allowed)) }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for ReadDeadline<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Asked first: a body that always has a byte more would never be cut.
        if self.left.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Cut::Late { after: self.allowed })));
        }
        Pin::new(&mut self.body).poll_read(context, into)
    }
}
