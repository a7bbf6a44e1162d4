//! The first pass over a pack: while it streams in, it is written to disk, cut into entries, hashed, and every object that is no delta is named.
//!
//! Owns what can be known without a second look. Memory: one object that is not a blob, one buffer, and the small deltas up to a bound.
//!
//! # Source
//! gitformat-pack.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use gix_object::Kind;
use mirror_core::name::CommitId;
use sha1::{Digest, Sha1};

use super::entry::{Entry, Form};
use super::error::{Failure, ReceiveError};
use super::kept::Kept;
use super::limits::Limits;
use super::source::PackSource;
use super::watch::{Progress, Throttle, Watch};
use crate::entry::{Content, Header, Id};
use crate::inflate::Inflate;
use crate::references::References;

/// What the first pass found.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) entries: Vec<Entry>,
    pub(super) references: References,
    pub(super) kept: Kept,
    /// Where the last entry ends and the trailer begins.
    pub(super) end: u64,
    /// The trailer, which agrees with the bytes.
    pub(super) checksum: Id,
}

/// Reads a whole pack from `source` into `file`.
pub(super) fn scan<S: PackSource>(
    source: &mut S,
    (file, path): (&File, &Path),
    limits: &Limits,
    watch: Option<&Arc<dyn Watch>>,
) -> Result<Scan, Failure<S::Error>> {
    let mut scanner = Scanner {
        tee: Tee::new(source, file, path),
        inflate: Inflate::new(),
        object: Vec::new(),
        limits,
        total: 0,
        scan: Scan {
            entries: Vec::new(),
            references: References::default(),
            kept: Kept::default(),
            end: 0,
            checksum: [0; 20],
        },
    };
    scanner.header()?;
    let mut throttle = Throttle::new();
    while (scanner.scan.entries.len() as u32) < scanner.total {
        scanner.entry()?;
        if let Some(watch) = watch.filter(|_| throttle.due()) {
            watch.event(scanner.progress());
        }
    }
    scanner.trailer()?;
    if let Some(watch) = watch {
        watch.event(scanner.progress());
    }
    Ok(scanner.scan)
}

struct Scanner<'a, S> {
    tee: Tee<'a, S>,
    inflate: Inflate,
    object: Vec<u8>,
    limits: &'a Limits,
    total: u32,
    scan: Scan,
}

impl<S: PackSource> Scanner<'_, S> {
    fn header(&mut self) -> Result<(), Failure<S::Error>> {
        let mut head = [0; 12];
        self.exactly(&mut head)?;
        let [magic, version, count] = [0, 4, 8].map(|at| [head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if &magic != b"PACK" {
            return Err((ReceiveError::Header { detail: format!("it begins with “{}”", magic.escape_ascii()) }).into());
        }
        let version = u32::from_be_bytes(version);
        if version != 2 {
            return Err((ReceiveError::Header { detail: format!("a pack of version {version}") }).into());
        }
        self.total = u32::from_be_bytes(count);
        if self.total > self.limits.objects {
            return Err((ReceiveError::TooManyObjects { announced: self.total, limit: self.limits.objects }).into());
        }
        Ok(())
    }

    fn entry(&mut self) -> Result<(), Failure<S::Error>> {
        let offset = self.tee.offset;
        self.tee.crc.reset();
        let header = Header::decode(|into| self.exactly(into))?.map_err(|fault| corrupt(offset, fault.to_string()))?;
        let size = header.size;
        if size > self.limits.object_bytes {
            return Err((ReceiveError::ObjectSize { offset, bytes: size, limit: self.limits.object_bytes }).into());
        }
        let header_len = (self.tee.offset - offset) as u8;
        let form = match header.content {
            Content::Object(kind) => Form::Whole { kind, id: self.whole(offset, kind, size)? },
            Content::OfsDelta { distance } => {
                let base = self.base_before(offset, distance)?;
                self.delta(offset, size)?;
                Form::OfsDelta(base)
            }
            Content::RefDelta { base } => {
                self.delta(offset, size)?;
                Form::RefDelta(base)
            }
        };
        self.scan.entries.push(Entry { offset, header_len, crc: self.tee.crc.sum(), size, form });
        Ok(())
    }

    /// Finds the entry that begins `distance` before `offset`.
    fn base_before(&self, offset: u64, distance: u64) -> Result<u32, Failure<S::Error>> {
        offset
            .checked_sub(distance)
            .and_then(|base| self.scan.entries.binary_search_by_key(&base, |entry| entry.offset).ok())
            .map(|place| place as u32)
            .ok_or_else(|| corrupt(offset, "a delta points at no entry of the pack").into())
    }

    /// Inflates an object that is no delta, and names it.
    fn whole(&mut self, offset: u64, kind: Kind, size: u64) -> Result<Id, Failure<S::Error>> {
        let mut object = std::mem::take(&mut self.object);
        object.clear();
        let mut hasher = object_hasher(kind, size);
        self.inflate(offset, size, |piece| {
            hasher.update(piece);
            if kind != Kind::Blob {
                object.extend_from_slice(piece);
            }
        })?;
        self.scan.kept.end();
        let id = finish(hasher, offset)?;
        self.scan.references.take(kind, &object).map_err(|detail| malformed(id, detail))?;
        self.object = object;
        Ok(id)
    }

    /// Inflates the instructions of a delta, and keeps them where there is room.
    fn delta(&mut self, offset: u64, size: u64) -> Result<(), Failure<S::Error>> {
        let mut kept = std::mem::take(&mut self.scan.kept);
        kept.begin(size);
        self.inflate(offset, size, |piece| kept.take(piece))?;
        kept.end();
        self.scan.kept = kept;
        Ok(())
    }

    /// Inflates `size` bytes, in pieces.
    fn inflate(&mut self, offset: u64, size: u64, mut take: impl FnMut(&[u8])) -> Result<(), Failure<S::Error>> {
        self.inflate.restart();
        let mut produced = 0;
        loop {
            let input = self.tee.fill()?;
            if input.is_empty() {
                return Err(self.cut().into());
            }
            let step =
                self.inflate.step(input).map_err(|_| corrupt(offset, "an object is not deflated as it should be"))?;
            produced += step.output.len() as u64;
            if produced > size {
                return Err(corrupt(offset, "an object is larger than it announces").into());
            }
            take(step.output);
            let (consumed, ended) = (step.consumed, step.ended);
            self.tee.consume(consumed);
            if ended {
                break;
            }
        }
        if produced == size { Ok(()) } else { Err(corrupt(offset, "an object is smaller than it announces").into()) }
    }

    fn trailer(&mut self) -> Result<(), Failure<S::Error>> {
        self.scan.end = self.tee.offset;
        self.tee.settle()?;
        let actual: Id = self.tee.hash.clone().finalize().into();
        let mut expected = [0; 20];
        self.exactly(&mut expected)?;
        if expected != actual {
            return Err((ReceiveError::Checksum {
                expected: CommitId::from_bytes(expected),
                actual: CommitId::from_bytes(actual),
            })
            .into());
        }
        if !self.tee.fill()?.is_empty() {
            return Err(corrupt(self.tee.offset, "bytes follow the pack's trailer").into());
        }
        self.tee.settle()?;
        self.scan.checksum = expected;
        Ok(())
    }

    fn exactly(&mut self, mut into: &mut [u8]) -> Result<(), Failure<S::Error>> {
        while !into.is_empty() {
            let bytes = self.tee.fill()?;
            if bytes.is_empty() {
                return Err(self.cut().into());
            }
            let count = bytes.len().min(into.len());
            into[..count].copy_from_slice(&bytes[..count]);
            self.tee.consume(count);
            into = &mut into[count..];
        }
        Ok(())
    }

    fn cut(&self) -> ReceiveError {
        ReceiveError::Cut { bytes: self.tee.offset, objects: self.scan.entries.len() as u32, total: self.total }
    }

    fn progress(&self) -> Progress<'static> {
        Progress::Received { bytes: self.tee.offset, objects: self.scan.entries.len() as u32, total: self.total }
    }
}

/// The stream, and everything that happens to each of its bytes once.
struct Tee<'a, S> {
    source: &'a mut S,
    chunk: Vec<u8>,
    /// How much of the chunk has been consumed.
    used: usize,
    /// How much of it has been hashed and written.
    settled: usize,
    file: &'a File,
    path: &'a Path,
    hash: Sha1,
    crc: flate2::Crc,
    offset: u64,
}

impl<'a, S: PackSource> Tee<'a, S> {
    fn new(source: &'a mut S, file: &'a File, path: &'a Path) -> Self {
        let (hash, crc) = (Sha1::new(), flate2::Crc::new());
        Self { source, chunk: Vec::new(), used: 0, settled: 0, file, path, hash, crc, offset: 0 }
    }

    /// Gives bytes that have not been consumed; none at the end.
    fn fill(&mut self) -> Result<&[u8], Failure<S::Error>> {
        if self.used == self.chunk.len() {
            self.settle()?;
            self.source.next(&mut self.chunk).map_err(Failure::Source)?;
            (self.used, self.settled) = (0, 0);
        }
        Ok(&self.chunk[self.used..])
    }

    fn consume(&mut self, count: usize) {
        self.crc.update(&self.chunk[self.used..self.used + count]);
        self.used += count;
        self.offset += count as u64;
    }

    /// Hashes and writes what has been consumed.
    fn settle(&mut self) -> Result<(), Failure<S::Error>> {
        let bytes = &self.chunk[self.settled..self.used];
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(|source| ReceiveError::Disk {
            action: "write",
            path: self.path.to_owned(),
            source,
        })?;
        self.settled = self.used;
        Ok(())
    }
}

/// Begins the name of an object of this kind and size. It notices the known collision attacks, as git does.
pub(super) fn object_hasher(kind: Kind, size: u64) -> gix_hash::Hasher {
    let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
    hasher.update(&gix_object::encode::loose_header(kind, size));
    hasher
}

/// Ends the name of the object at `offset`.
pub(super) fn finish(hasher: gix_hash::Hasher, offset: u64) -> Result<Id, ReceiveError> {
    let id = hasher.try_finalize().map_err(|_| ReceiveError::Collision { offset })?;
    Ok(id.as_bytes().try_into().expect("because a SHA-1 has 20 bytes"))
}

pub(super) fn corrupt(offset: u64, detail: impl Into<String>) -> ReceiveError {
    ReceiveError::Corrupt { offset, detail: detail.into() }
}

pub(super) fn malformed(id: Id, detail: &str) -> ReceiveError {
    ReceiveError::MalformedObject { id: CommitId::from_bytes(id), detail: detail.to_owned() }
}
