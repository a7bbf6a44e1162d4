//! Git's `packed-refs` file: looking one ref up by binary search in the mapped file, and writing a merged one.
//!
//! It never takes a lock; whoever writes holds `packed-refs.lock`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gix_ref::packed::Buffer;
use mirror_core::name::{CommitId, RefName};

use super::disk::{At, DiskError, is_absent};
use super::refs::RefError;
use super::view::SeenRef;
use super::view::stamp::Stamp;

/// Larger files are mapped instead of read.
const MAP_ABOVE: u64 = 32 * 1024;
const HEADER: &[u8] = b"# pack-refs with: peeled fully-peeled sorted \n";
/// 40 hex digits and a space stand before a name.
const NAME_AT: usize = 41;

/// The packed refs of a cache, read again whenever the file was replaced.
#[derive(Debug)]
pub(super) struct PackedRefs {
    path: PathBuf,
    /// The file as it was last opened. Git and we replace it, nobody writes into it.
    seen: Mutex<Option<(Stamp, Arc<Buffer>)>>,
}

/// The value of a ref, with what it peels to where it is an annotated tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) value: CommitId,
    pub(super) peeled: Option<CommitId>,
}

impl PackedRefs {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, seen: Mutex::new(None) }
    }

    /// Gives the file as it is now; `None` where there is none.
    pub(super) fn current(&self) -> Result<Option<Arc<Buffer>>, RefError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stamp) = Stamp::of(&self.path)? else {
            *seen = None;
            return Ok(None);
        };
        if let Some((known, buffer)) = seen.as_ref()
            && *known == stamp
        {
            return Ok(Some(Arc::clone(buffer)));
        }
        let buffer = Buffer::open(self.path.clone(), MAP_ABOVE, gix_hash::Kind::Sha1).map_err(|e| self.refused(e))?;
        let buffer = Arc::new(buffer);
        *seen = Some((stamp, Arc::clone(&buffer)));
        Ok(Some(buffer))
    }

    /// Looks one ref up.
    pub(super) fn find(&self, name: &RefName) -> Result<Option<CommitId>, RefError> {
        let Some(buffer) = self.current()? else { return Ok(None) };
        match buffer.try_find(name.as_str()) {
            Ok(found) => found.map(|found| self.value(found.target)).transpose(),
            Err(source) => Err(self.refused(source)),
        }
    }

    /// Gives the first ref that stands below a name, for which the name would have to be a folder.
    pub(super) fn first_below(&self, name: &RefName) -> Result<Option<String>, RefError> {
        let Some(buffer) = self.current()? else { return Ok(None) };
        let mut below = buffer.iter_prefixed(format!("{name}/").into()).map_err(|e| self.refused(e))?;
        match below.next() {
            None => Ok(None),
            Some(Ok(found)) => Ok(Some(found.name.as_bstr().to_string())),
            Some(Err(source)) => Err(self.refused(source)),
        }
    }

    /// Gives all refs whose names begin with a text, in order.
    pub(super) fn below(&self, prefix: &str) -> Result<Vec<(RefName, CommitId)>, RefError> {
        let Some(buffer) = self.current()? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for entry in buffer.iter_prefixed(prefix.into()).map_err(|e| self.refused(e))? {
            let entry = entry.map_err(|e| self.refused(e))?;
            if let Ok(name) = RefName::from_bytes(entry.name.as_bstr()) {
                found.push((name, self.value(entry.target)?));
            }
        }
        Ok(found)
    }

    /// Gives the refs whose names begin with a text, one after another and in order, with what the file says they peel to. A name that is
    /// no ref is passed over.
    pub(super) fn seen_below<'a>(
        &'a self,
        buffer: &'a Buffer,
        prefix: &str,
    ) -> Result<impl Iterator<Item = Result<SeenRef, RefError>> + 'a, RefError> {
        let entries = buffer.iter_prefixed(prefix.into()).map_err(|e| self.refused(e))?;
        Ok(entries.filter_map(|entry| {
            let entry = match entry {
                Ok(entry) => entry,
                Err(source) => return Some(Err(self.refused(source))),
            };
            let name = RefName::from_bytes(entry.name.as_bstr()).ok()?;
            let peeled = entry.object.map(|object| self.value(object)).transpose();
            Some(self.value(entry.target).and_then(|value| Ok(SeenRef { name, value, peeled: peeled? })))
        }))
    }

    /// Writes the file anew: without the names that map to `None`, with the values of the others.
    ///
    /// `peel` answers for entries of a file whose writer did not say what its tags peel to.
    pub(super) fn merge(
        &self,
        changes: &BTreeMap<&RefName, Option<Packed>>,
        peel: &dyn Fn(CommitId) -> Result<Option<CommitId>, RefError>,
        out: &mut dyn Write,
    ) -> Result<(), RefError> {
        let wrote = |result: std::io::Result<()>| result.at("write", &self.path).map_err(RefError::from);
        let current = self.current()?;
        let is_peeled = self.is_fully_peeled()?;
        let mut changes = changes.iter().peekable();
        wrote(out.write_all(HEADER))?;
        for record in Records(current.as_deref().map_or(&[][..], AsRef::as_ref)) {
            let record = record.ok_or_else(|| self.malformed())?;
            while let Some((name, change)) = changes.next_if(|(name, _)| name.as_str().as_bytes() < record.name) {
                wrote(write_record(out, name, *change))?;
            }
            if let Some((name, change)) = changes.next_if(|(name, _)| name.as_str().as_bytes() == record.name) {
                wrote(write_record(out, name, *change))?;
                continue;
            }
            wrote(out.write_all(record.lines))?;
            if !is_peeled
                && !record.has_peeled
                && let Some(peeled) = peel(self.value(record.value)?)?
            {
                wrote(writeln!(out, "^{peeled}"))?;
            }
        }
        for (name, change) in changes {
            wrote(write_record(out, name, *change))?;
        }
        Ok(())
    }

    /// Says whether the file's writer wrote what every tag in it peels to.
    pub(super) fn is_fully_peeled(&self) -> Result<bool, RefError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(source) if is_absent(&source) => return Ok(true),
            Err(source) => return Err(DiskError::new("open", &self.path, source).into()),
        };
        let mut first = Vec::new();
        BufReader::new(file.take(1024)).read_until(b'\n', &mut first).at("read", &self.path)?;
        Ok(first.starts_with(b"#") && first.split(|b| b.is_ascii_whitespace()).any(|word| word == b"fully-peeled"))
    }

    fn value(&self, hex: &[u8]) -> Result<CommitId, RefError> {
        let value = std::str::from_utf8(hex).ok().and_then(|hex| CommitId::from_hex(hex).ok());
        value.ok_or_else(|| self.malformed())
    }

    fn malformed(&self) -> RefError {
        RefError::MalformedPacked { path: self.path.clone(), source: None }
    }

    fn refused(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RefError {
        RefError::MalformedPacked { path: self.path.clone(), source: Some(source.into()) }
    }
}

fn write_record(out: &mut dyn Write, name: &RefName, change: Option<Packed>) -> std::io::Result<()> {
    let Some(Packed { value, peeled }) = change else { return Ok(()) };
    writeln!(out, "{value} {name}")?;
    match peeled {
        Some(peeled) => writeln!(out, "^{peeled}"),
        None => Ok(()),
    }
}

/// The records behind the header; `None` for one that is not `<value> <name>`.
struct Records<'a>(&'a [u8]);

/// One ref as it stands in the file.
struct Record<'a> {
    lines: &'a [u8],
    value: &'a [u8],
    name: &'a [u8],
    has_peeled: bool,
}

impl<'a> Iterator for Records<'a> {
    type Item = Option<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let whole = self.0;
        let first = line_length(whole);
        let has_peeled = whole.get(first) == Some(&b'^');
        let length = if has_peeled { first + line_length(&whole[first..]) } else { first };
        self.0 = &whole[length..];
        let line = whole[..first].strip_suffix(b"\n").unwrap_or_default();
        if line.len() <= NAME_AT || line[NAME_AT - 1] != b' ' {
            self.0 = &[];
            return Some(None);
        }
        let (value, name) = (&line[..NAME_AT - 1], &line[NAME_AT..]);
        Some(Some(Record { lines: &whole[..length], value, name, has_peeled }))
    }
}

/// Counts the bytes of the first line with its end.
fn line_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1)
}
