//! Completing a thin pack: the objects of the cache that its deltas stand on are added at its end.
//!
//! Owns the bytes behind the last entry, the count in the header, and the trailer. Never: which objects are needed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::Compression;
use gix_object::Kind;
use sha1::{Digest, Sha1};

use super::error::ReceiveError;
use super::index_file::Indexed;
use crate::deflate::Deflate;
use crate::entry::{Header, Id};

/// The end of a pack that is being completed.
pub(super) struct Completion<'a> {
    file: &'a File,
    path: &'a Path,
    end: u64,
    deflate: Deflate,
    /// The objects added.
    pub(super) added: Vec<Added>,
}

/// An object of the cache that became part of the pack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Added {
    pub(super) object: Indexed,
    pub(super) kind: Kind,
}

impl<'a> Completion<'a> {
    /// Stands where the last entry of the pack ends.
    pub(super) fn new(file: &'a File, path: &'a Path, end: u64) -> Self {
        Self { file, path, end, deflate: Deflate::new(Compression::fast()), added: Vec::new() }
    }

    /// Adds an object.
    pub(super) fn add(&mut self, id: Id, kind: Kind, object: &[u8]) -> Result<(), ReceiveError> {
        let mut bytes = Vec::new();
        Header::object(kind, object.len() as u64).encode(&mut bytes);
        self.deflate.write(object, &mut bytes).map_err(|source| self.failed(source))?;
        self.file.write_all_at(&bytes, self.end).map_err(|source| self.failed(source))?;
        let mut crc = flate2::Crc::new();
        crc.update(&bytes);
        self.added.push(Added { object: Indexed { id, offset: self.end, crc: crc.sum() }, kind });
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Makes header and trailer true again, and gives the new checksum.
    pub(super) fn finish(&self, objects: u32) -> Result<Id, ReceiveError> {
        let hash = || -> io::Result<Id> {
            self.file.write_all_at(&objects.to_be_bytes(), 8)?;
            let mut hash = Sha1::new();
            let mut at = 0;
            let mut buffer = vec![0; 256 << 10];
            while at < self.end {
                let count = usize::try_from(self.end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
                self.file.read_exact_at(&mut buffer[..count], at)?;
                hash.update(&buffer[..count]);
                at += count as u64;
            }
            let checksum: Id = hash.finalize().into();
            self.file.write_all_at(&checksum, self.end)?;
            Ok(checksum)
        };
        hash().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> ReceiveError {
        ReceiveError::Disk { action: "write", path: self.path.to_owned(), source }
    }
}
