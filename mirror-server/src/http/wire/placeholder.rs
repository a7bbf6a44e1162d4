//! The slices that stand for parts of files, and the parts of files they stand for.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;

use crate::http::answer::Region;

/// How much of a file one slice can stand for.
const LONGEST: usize = 1 << 20;

/// Never read and never written, so that it takes addresses and no memory.
static PLACEHOLDER: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![0; LONGEST]));

/// Says whether a slice, or what hyper left of it, stands for a part of a file.
pub(super) fn is_placeholder(slice: &[u8]) -> bool {
    let (all, own) = (PLACEHOLDER.as_ptr_range(), slice.as_ptr_range());
    !slice.is_empty() && all.start <= own.start && own.end <= all.end
}

/// The parts of files that wait to be sent on one connection, in the order of the slices that stand for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    regions: Arc<Mutex<VecDeque<Region>>>,
}

impl Queue {
    /// Queues the beginning of a region, and gives the slice that stands for it. What is left of the region stays in it.
    pub(super) fn push(&self, region: &mut Region) -> Bytes {
        let slice = PLACEHOLDER.slice(..usize::try_from(region.length).unwrap_or(LONGEST).min(LONGEST));
        let part = Region { file: Arc::clone(&region.file), offset: region.offset, length: slice.len() as u64 };
        region.offset += part.length;
        region.length -= part.length;
        self.regions.lock().unwrap_or_else(PoisonError::into_inner).push_back(part);
        slice
    }

    /// Has the kernel send what the first slice stands for, or as much of it as the socket takes.
    ///
    /// # Errors
    /// What the kernel says; and a file that ends before its region, or a slice that stands for nothing, which end the connection.
    pub(super) fn send_front(&self, socket: impl AsFd, wanted: usize) -> std::io::Result<usize> {
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(region) = regions.front_mut() else {
            return Err(std::io::Error::other("a slice of an answer stands for no part of a file"));
        };
        let count = wanted.min(usize::try_from(region.length).unwrap_or(wanted));
        let mut offset = region.offset;
        let sent = rustix::fs::sendfile(socket, &*region.file, Some(&mut offset), count)?;
        if sent == 0 {
            return Err(cut_off());
        }
        region.offset = offset;
        region.length -= sent as u64;
        if region.length == 0 {
            regions.pop_front();
        }
        Ok(sent)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// The error of a file that is shorter than what was to be sent of it.
pub(super) fn cut_off() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "a stored answer ends before its length")
}
