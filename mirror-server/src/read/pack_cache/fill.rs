//! From git's pipe into an answer that grows: on a thread of its own, as fast as the disk takes it.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crc32fast::Hasher;

use super::cache::Inner;
use super::in_progress::InProgressPack;
use super::key::Key;
use super::pipe::Pipe;
use super::storage::PartialFile;

/// How much is taken from the pipe at once.
const PIECE: usize = 1 << 20;
/// How much room is asked for at once.
const CLAIM: u64 = 4 << 20;
/// The longest `ERR` answer.
const REFUSAL: u64 = 64 << 10;

/// How git begins to tell of the ends of a history, before it knows whether it can have them.
///
/// # Source
/// `gitprotocol-v2(5)`, `shallow-info`.
const SHALLOW_INFO: &[u8] = b"0011shallow-info\n";

/// What came out of git.
pub(super) enum Filled {
    /// An answer; the file where all of it is in one, with its length and checksum.
    Answer(Option<FinishedFile>),
    /// Git told the client why there is none.
    Refused(Bytes),
}

/// A whole answer in its file.
pub(super) struct FinishedFile {
    pub(super) partial: PartialFile,
    pub(super) length: u64,
    pub(super) checksum: u32,
}

/// Fills one answer.
pub(super) struct Fill {
    pub(super) inner: Arc<Inner>,
    /// None for an answer that is made for one request alone.
    pub(super) key: Option<Key>,
    pub(super) pack: Arc<InProgressPack>,
    /// For how long a reader may hold up the others.
    pub(super) reader_timeout: Duration,
    pub(super) promised: u64,
}

/// Where the bytes go.
enum Sink {
    Disk(PartialFile),
    Memory,
}

impl Fill {
    /// Reads a pipe to its end. Blocks.
    ///
    /// # Errors
    /// A pipe that breaks, and no memory where there was no disk.
    pub(super) fn run(mut self, mut pipe: Pipe) -> io::Result<Filled> {
        let mut piece = vec![0; PIECE];
        let mut held = read_some(&mut pipe, &mut piece, SHALLOW_INFO.len() + 1)?;
        if piece[..held] == *SHALLOW_INFO {
            // It gave up behind its first words, and they are no answer.
            held = 0;
        }
        if is_refusal(&piece[..held]) {
            piece.truncate(held);
            pipe.take(REFUSAL).read_to_end(&mut piece)?;
            return Ok(Filled::Refused(piece.into()));
        }
        let mut sink = self.begin();
        // Nobody looks an answer up that is made for one request alone.
        let mut hash = self.key.map(|_| Hasher::new());
        while held > 0 {
            if let Some(hash) = &mut hash {
                hash.update(&piece[..held]);
            }
            if let Sink::Disk(_) = sink
                && let Err(error) = self.store(&piece[..held])
            {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a pack passes through memory: there is no room to keep it");
                self.pass_from_here();
                sink = Sink::Memory;
            }
            if let Sink::Memory = sink {
                self.pack.pass(&piece[..held], self.reader_timeout)?;
            }
            held = pipe.read(&mut piece)?;
        }
        Ok(Filled::Answer(match (sink, hash) {
            (Sink::Disk(partial), Some(hash)) => {
                Some(FinishedFile { partial, length: self.pack.length_so_far(), checksum: hash.finalize() })
            }
            _ => None,
        }))
    }

    fn begin(&self) -> Sink {
        self.inner.claim();
        match self.inner.room.create(self.key.is_some()) {
            Ok(partial) => {
                self.pack.store_in(Arc::clone(&partial.file));
                Sink::Disk(partial)
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a pack passes through memory: no file can be made for it");
                self.pass_from_here();
                Sink::Memory
            }
        }
    }

    fn store(&mut self, bytes: &[u8]) -> io::Result<()> {
        while self.pack.length_so_far() + bytes.len() as u64 > self.promised {
            if !self.inner.promise(CLAIM) {
                return Err(io::Error::other("the quota of cached packs is used up"));
            }
            self.promised += CLAIM;
        }
        match self.pack.store(bytes) {
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                // What is kept is worth less than what is asked for.
                self.inner.evict(CLAIM);
                self.pack.store(bytes)
            }
            other => other,
        }
    }

    /// Lets nobody join any more: the beginning of the answer is about to be let go.
    fn pass_from_here(&self) {
        if let Some(key) = self.key {
            self.inner.forget(key, &self.pack);
        }
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.inner.release(self.promised);
    }
}

/// Reads until there are some bytes, or no more.
fn read_some(pipe: &mut Pipe, into: &mut [u8], wanted: usize) -> io::Result<usize> {
    let mut held = 0;
    while held < wanted {
        match pipe.read(&mut into[held..])? {
            0 => break,
            read => held += read,
        }
    }
    Ok(held)
}

/// Whether an answer is git's refusal.
///
/// # Source
/// `gitprotocol-pack(5)`, "pkt-line Format": `error-line`.
fn is_refusal(beginning: &[u8]) -> bool {
    beginning.get(4..8) == Some(b"ERR ")
}
