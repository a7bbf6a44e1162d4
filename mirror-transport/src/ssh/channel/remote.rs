//! The remote program itself: its words and its end.

use std::sync::Arc;

use tokio::time::timeout;

use super::error::{ChannelError, Waiting};
use super::inbox::{End, Over, Shared};

/// Watches the remote program. Cheap to clone; holds neither stream open.
#[derive(Clone)]
pub struct Remote {
    shared: Arc<Shared>,
}

/// How the remote program ended, as far as the server told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// The exit status, where it ended by itself.
    pub status: Option<u32>,
    /// The signal's name, where one ended it.
    pub signal: Option<String>,
}

impl Exit {
    /// Tells whether the program ended by itself with status 0.
    pub fn is_success(&self) -> bool {
        self.status == Some(0) && self.signal.is_none()
    }
}

/// What the remote program printed on standard error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stderr {
    /// The beginning, at most 64 KiB.
    pub text: String,
    /// How many bytes came behind it.
    pub dropped_bytes: u64,
}

impl Remote {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Gives what the program printed on standard error so far.
    pub fn stderr(&self) -> Stderr {
        let inbox = self.shared.lock();
        Stderr { text: String::from_utf8_lossy(&inbox.stderr).into_owned(), dropped_bytes: inbox.stderr_dropped }
    }

    /// Waits until the channel is over; gives how the program ended.
    ///
    /// A program that reads until the end of its input ends only after the writer was shut down.
    ///
    /// # Errors
    /// Where the connection was lost, the program was never started, or the end does not come within the idle deadline.
    pub async fn exit(&self) -> Result<Exit, ChannelError> {
        let mut over = self.shared.over.subscribe();
        let ending = over.wait_for(|over| *over == Over::Ended);
        if timeout(self.shared.idle, ending).await.is_err() {
            return Err(self.shared.stalled(Waiting::Ending));
        }
        let inbox = self.shared.lock();
        match &inbox.end {
            Some(End::Fault(error)) => Err(error.clone()),
            Some(End::Eof | End::Closed) | None => Ok(inbox.exit.clone()),
        }
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remote({})", self.shared.service)
    }
}
