//! Answers as clients read them: along with an answer that grows, or from a file that is whole.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::in_progress::{Ending, InProgressPack, Next};
use crate::http::answer::{FileBody, Region};

/// One who reads along. Dropping it leaves.
#[derive(Debug)]
pub(super) struct Reader {
    pack: Arc<InProgressPack>,
    id: u64,
}

impl Reader {
    pub(super) fn new(pack: Arc<InProgressPack>, id: u64) -> Self {
        Self { pack, id }
    }

    /// Waits for the first bytes, or for an ending, whichever is first.
    pub(super) async fn begun(&self) -> Option<Ending> {
        std::future::poll_fn(|context| self.pack.poll_begun(self.id, context)).await
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.pack.leave(self.id);
    }
}

impl FileBody for Reader {
    fn poll_region(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Region>>> {
        self.pack.poll_next(self.id, context).map(|next| match next {
            Next::Region(region) => Some(Ok(region)),
            Next::End => None,
            Next::Cut => Some(Err(io::Error::other("the pack could not be made to its end"))),
        })
    }

    fn length(&self) -> Option<u64> {
        self.pack.length()
    }
}

/// A whole answer at the front of a file.
#[derive(Debug)]
pub(super) struct WholeFile {
    file: Option<Arc<File>>,
    length: u64,
}

impl WholeFile {
    pub(super) fn of(file: Arc<File>, length: u64) -> Self {
        Self { file: Some(file), length }
    }
}

impl FileBody for WholeFile {
    fn poll_region(&mut self, _: &mut Context<'_>) -> Poll<Option<io::Result<Region>>> {
        let region = self.file.take().filter(|_| self.length > 0);
        Poll::Ready(region.map(|file| Ok(Region { file, offset: 0, length: self.length })))
    }

    fn length(&self) -> Option<u64> {
        Some(self.length)
    }
}
