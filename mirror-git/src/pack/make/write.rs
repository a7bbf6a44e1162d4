//! Encoding a planned pack into a writer, one object at a time.

use std::io::Write;

use flate2::Compression;
use gix_hash::ObjectId;
use gix_object::Kind;
use sha1::{Digest, Sha1};

use super::error::PackError;
use super::list::{Entry, Link};
use super::plan::{Objects, PackPlan};
use crate::deflate::Deflate;
use crate::delta;
use crate::entry::{Content, Header, Id};

/// Git's own default.
const LEVEL: u32 = 6;

/// Objects above this size are sent whole, and only their compressed form is ever held in pieces.
const LARGE: usize = 64 << 20;

/// Objects below this size are sent whole: a delta could not save what its header costs.
const SMALL: usize = 50;

/// Up to this size both forms are compressed, where it is not clear which one wins.
const COMPARED: usize = 64 << 10;

/// In which form a delta names a base that is in the same pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeltaForm {
    /// By how many bytes before it the base begins: short, and only for receivers that announce `ofs-delta`.
    OfsDelta,
    /// By the id of the base.
    RefDelta,
}

/// What a pack came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackFigures {
    /// Objects in it.
    pub objects: u64,
    /// How many of them are deltas.
    pub deltas: u64,
    /// Its size, header and trailer included.
    pub bytes: u64,
}

impl PackPlan {
    /// Writes the pack into `out`, and says to `written` after each object how many there are.
    ///
    /// It holds one object, its base and their encodings, whatever the size of the pack.
    ///
    /// # Errors
    ///
    /// [`PackError::Missing`], [`PackError::Unreadable`] where the store changed since the plan, [`PackError::Write`] from `out`. The
    /// pack then lacks its trailer, so that no receiver can take it for whole.
    pub fn write(
        &self,
        store: &impl Objects,
        form: DeltaForm,
        out: &mut dyn Write,
        written: &mut dyn FnMut(u64),
    ) -> Result<PackFigures, PackError> {
        let count = u32::try_from(self.objects()).map_err(|_| PackError::TooMany { count: self.objects() })?;
        let mut pack = PackWriter::new(self, form, out);
        pack.out
            .write_all(b"PACK\0\0\0\x02")
            .and_then(|()| pack.out.write_all(&count.to_be_bytes()))
            .map_err(write_error)?;
        for entry in self.entries.iter() {
            pack.entry(store, entry)?;
            written(pack.offsets.len() as u64);
        }
        pack.finish()
    }
}

fn write_error(source: std::io::Error) -> PackError {
    PackError::Write { source }
}

struct PackWriter<'a> {
    plan: &'a PackPlan,
    form: DeltaForm,
    out: Summed<'a>,
    /// Where each entry begins.
    offsets: Vec<u64>,
    deltas: u64,
    /// The object written last, which is the base of the next one more often than not.
    last: Object,
    current: Object,
    buffer: Vec<u8>,
    delta: Vec<u8>,
    deflate: Deflate,
    /// The compressed forms to choose from.
    whole_form: Vec<u8>,
    delta_form: Vec<u8>,
}

/// An object held as a base.
struct Object {
    id: ObjectId,
    kind: Kind,
    data: Vec<u8>,
}

impl<'a> PackWriter<'a> {
    fn new(plan: &'a PackPlan, form: DeltaForm, out: &'a mut dyn Write) -> Self {
        let none = || Object { id: ObjectId::null(gix_hash::Kind::Sha1), kind: Kind::Blob, data: Vec::new() };
        PackWriter {
            plan,
            form,
            out: Summed { out, sum: Sha1::new(), bytes: 0 },
            offsets: Vec::with_capacity(plan.objects()),
            deltas: 0,
            last: none(),
            current: none(),
            buffer: Vec::new(),
            delta: Vec::new(),
            deflate: Deflate::new(Compression::new(LEVEL)),
            whole_form: Vec::new(),
            delta_form: Vec::new(),
        }
    }

    fn entry(&mut self, store: &impl Objects, entry: Entry) -> Result<(), PackError> {
        self.offsets.push(self.out.bytes);
        let object = store.read(&entry.id, &mut self.buffer)?;
        let (kind, size) = (object.kind, object.data.len());
        if size > LARGE {
            self.out.write_all(&encoded(Header::object(kind, size as u64))).map_err(write_error)?;
            return self.deflate.write(object.data, &mut self.out).map_err(write_error);
        }
        self.current.id = entry.id;
        self.current.kind = kind;
        self.current.data.clear();
        self.current.data.extend_from_slice(object.data);
        if !(size >= SMALL && self.load_base(store, entry)? && self.write_delta(entry).map_err(write_error)?) {
            self.write_whole().map_err(write_error)?;
        }
        std::mem::swap(&mut self.last, &mut self.current);
        Ok(())
    }

    /// Brings the base into `last`; false where there is none that can be used.
    fn load_base(&mut self, store: &impl Objects, entry: Entry) -> Result<bool, PackError> {
        let id = match entry.base {
            None => return Ok(false),
            Some(Link::Upstream(id)) => id,
            Some(Link::Packed { index, .. }) => self.plan.entries.id_of(index),
        };
        if self.last.id != id {
            let object = store.read(&id, &mut self.buffer)?;
            if object.data.len() > LARGE {
                return Ok(false);
            }
            self.last.id = id;
            self.last.kind = object.kind;
            self.last.data.clear();
            self.last.data.extend_from_slice(object.data);
        }
        Ok(self.last.kind == self.current.kind)
    }

    /// Writes the current object as a delta against the last one, where that is shorter.
    fn write_delta(&mut self, entry: Entry) -> std::io::Result<bool> {
        let size = self.current.data.len();
        if !delta::encode(&self.last.data, &self.current.data, size, &mut self.delta) {
            return Ok(false);
        }
        let clear = self.delta.len() * 2 <= size;
        if !clear && size > COMPARED {
            return Ok(false);
        }
        let head = self.delta_header(entry);
        self.delta_form.clear();
        self.deflate.write(&self.delta, &mut self.delta_form)?;
        if !clear {
            self.whole_form.clear();
            self.deflate.write(&self.current.data, &mut self.whole_form)?;
            if self.whole_form.len() <= self.delta_form.len() + head.len() {
                self.out.write_all(&encoded(Header::object(self.current.kind, size as u64)))?;
                self.out.write_all(&self.whole_form)?;
                return Ok(true);
            }
        }
        self.deltas += 1;
        self.out.write_all(&head)?;
        self.out.write_all(&self.delta_form)?;
        Ok(true)
    }

    fn delta_header(&self, entry: Entry) -> Vec<u8> {
        let content = match entry.base {
            Some(Link::Packed { index, .. }) if self.form == DeltaForm::OfsDelta => {
                let here = self.offsets[self.offsets.len() - 1];
                Content::OfsDelta { distance: here - self.offsets[index as usize] }
            }
            _ => Content::RefDelta { base: bytes_of(&self.last.id) },
        };
        encoded(Header { content, size: self.delta.len() as u64 })
    }

    fn write_whole(&mut self) -> std::io::Result<()> {
        self.out.write_all(&encoded(Header::object(self.current.kind, self.current.data.len() as u64)))?;
        self.deflate.write(&self.current.data, &mut self.out)
    }

    fn finish(mut self) -> Result<PackFigures, PackError> {
        let sum = self.out.sum.clone().finalize();
        self.out.write_all(&sum).and_then(|()| self.out.flush()).map_err(write_error)?;
        Ok(PackFigures { objects: self.offsets.len() as u64, deltas: self.deltas, bytes: self.out.bytes })
    }
}

/// A writer that counts and sums what goes through.
struct Summed<'a> {
    out: &'a mut dyn Write,
    sum: Sha1,
    bytes: u64,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn bytes_of(id: &ObjectId) -> Id {
    id.as_bytes().try_into().expect("because a SHA-1 has 20 bytes")
}

fn encoded(header: Header) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    header.encode(&mut bytes);
    bytes
}
