//! Memory that holds the middle of an answer where the disk does not: a bounded window that moves with the slowest reader.
//!
//! Its parts are files in memory, so that they go out as all other parts of answers do.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, memfd_create};

use crate::http::answer::Region;

/// How many bytes a window holds.
pub(super) const WINDOW: u64 = 8 << 20;

/// The parts of an answer behind what is on disk.
#[derive(Debug, Default)]
pub(super) struct Window {
    parts: VecDeque<Part>,
    /// Where in the answer what it holds begins.
    start: u64,
    /// And where it ends.
    end: u64,
}

#[derive(Debug)]
struct Part {
    at: u64,
    length: u64,
    file: Arc<File>,
}

impl Window {
    /// Begins a window at a place of the answer.
    pub(super) fn from(start: u64) -> Self {
        Self { parts: VecDeque::new(), start, end: start }
    }

    /// Where what it holds ends.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Whether one more part may be put in.
    pub(super) fn has_room(&self) -> bool {
        self.end - self.start < WINDOW
    }

    /// Puts the next bytes in.
    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = File::from(memfd_create("git-mirror-pack", MemfdFlags::CLOEXEC)?);
        file.write_all_at(bytes, 0)?;
        self.parts.push_back(Part { at: self.end, length: bytes.len() as u64, file: Arc::new(file) });
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Lets go of the parts that lie before a place.
    pub(super) fn release(&mut self, before: u64) {
        while self.parts.front().is_some_and(|part| part.at + part.length <= before) {
            self.parts.pop_front();
        }
        self.start = self.parts.front().map_or(self.end, |part| part.at);
    }

    /// Gives what lies at a place, up to the end of its part.
    pub(super) fn at(&self, place: u64) -> Option<Region> {
        let next = self.parts.partition_point(|part| part.at + part.length <= place);
        let part = self.parts.get(next).filter(|part| part.at <= place)?;
        let offset = place - part.at;
        Some(Region { file: Arc::clone(&part.file), offset, length: part.length - offset })
    }
}
