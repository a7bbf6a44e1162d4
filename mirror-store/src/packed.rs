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

use super::disk::Stamp;
use super::disk::{At, DiskError, is_absent};
use super::refs::RefError;
use super::view::SeenRef;

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

    /// Opens the run of refs whose names begin with a text.
    pub(super) fn run(&self, prefix: &str) -> Result<PackedRun, RefError> {
        let buffer = self.current()?;
        let bytes = buffer.as_deref().map_or(&[][..], AsRef::as_ref);
        let at = lower_bound(bytes, prefix.as_bytes()).ok_or_else(|| self.malformed())?;
        Ok(PackedRun { buffer, at, prefix: prefix.to_owned(), path: self.path.clone() })
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
                && record.peeled.is_none()
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
        value(hex).ok_or_else(|| self.malformed())
    }

    fn malformed(&self) -> RefError {
        RefError::MalformedPacked { path: self.path.clone(), source: None }
    }

    fn refused(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RefError {
        RefError::MalformedPacked { path: self.path.clone(), source: Some(source.into()) }
    }
}

fn value(hex: &[u8]) -> Option<CommitId> {
    CommitId::from_hex(std::str::from_utf8(hex).ok()?).ok()
}

/// The refs of one version of the file whose names begin with a text, one after another and in order, with what the file says they peel
/// to. A name that is no ref is passed over.
#[derive(Debug)]
pub(super) struct PackedRun {
    buffer: Option<Arc<Buffer>>,
    at: usize,
    prefix: String,
    path: PathBuf,
}

impl Iterator for PackedRun {
    type Item = Result<SeenRef, RefError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let bytes = (**self.buffer.as_ref()?).as_ref();
            let record = match Records(&bytes[self.at..]).next()? {
                Some(record) if record.name.starts_with(self.prefix.as_bytes()) => record,
                Some(_) => return None,
                None => break,
            };
            self.at += record.lines.len();
            let Ok(name) = RefName::from_bytes(record.name) else { continue };
            let peeled = record.peeled.map(value);
            match (value(record.value), peeled) {
                (None, _) | (_, Some(None)) => break,
                (Some(value), peeled) => return Some(Ok(SeenRef { name, value, peeled: peeled.flatten() })),
            }
        }
        // What follows a damaged line is not looked at again.
        self.buffer = None;
        Some(Err(RefError::MalformedPacked { path: self.path.clone(), source: None }))
    }
}

/// Finds where the first record begins that does not stand before a name; `None` where a record on the way is none.
fn lower_bound(bytes: &[u8], name: &[u8]) -> Option<usize> {
    let (mut low, mut high) = (0, bytes.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let mut start = line_start(bytes, low, middle);
        if bytes[start] == b'^' && start > low {
            start = line_start(bytes, low, start - 1);
        }
        let record = Records(&bytes[start..]).next()??;
        if record.name < name {
            low = start + record.lines.len();
        } else {
            high = start;
        }
    }
    Some(low)
}

/// Finds where the line begins that holds a byte, not before `low`.
fn line_start(bytes: &[u8], low: usize, at: usize) -> usize {
    bytes[low..at].iter().rposition(|b| *b == b'\n').map_or(low, |end| low + end + 1)
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
    peeled: Option<&'a [u8]>,
}

impl<'a> Iterator for Records<'a> {
    type Item = Option<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let whole = self.0;
        let first = line_length(whole);
        let second = if whole.get(first) == Some(&b'^') { line_length(&whole[first..]) } else { 0 };
        let (lines, rest) = whole.split_at(first + second);
        self.0 = rest;
        let line = lines[..first].strip_suffix(b"\n").unwrap_or_default();
        if line.len() <= NAME_AT || line[NAME_AT - 1] != b' ' {
            self.0 = &[];
            return Some(None);
        }
        let (value, name) = (&line[..NAME_AT - 1], &line[NAME_AT..]);
        let peeled = lines[first..].strip_prefix(b"^").map(|peeled| peeled.trim_ascii_end());
        Some(Some(Record { lines, value, name, peeled }))
    }
}

/// Counts the bytes of the first line with its end.
fn line_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn file(refs: &BTreeMap<String, bool>) -> String {
        let mut text = String::new();
        for (number, (name, is_tag)) in refs.iter().enumerate() {
            writeln!(text, "{:040x} {name}", number + 1).unwrap();
            if *is_tag {
                writeln!(text, "^{:040x}", number + 1000).unwrap();
            }
        }
        text
    }

    proptest! {
        #[test]
        fn a_run_is_what_a_scan_of_the_whole_file_finds(
            refs in prop::collection::btree_map("refs/[ab]{1,3}/[a-c]{1,3}", any::<bool>(), 0..40),
            prefix in "refs/[ab]{0,3}/?[a-c]{0,2}",
        ) {
            let folder = tempfile::tempdir().unwrap();
            let packed = PackedRefs::new(folder.path().join("packed-refs"));
            std::fs::write(&packed.path, [HEADER, file(&refs).as_bytes()].concat()).unwrap();
            let found: Vec<SeenRef> = packed.run(&prefix).unwrap().collect::<Result<_, _>>().unwrap();
            let expect: Vec<SeenRef> = refs.iter().enumerate().filter(|(_, (name, _))| name.starts_with(&prefix)).map(
                |(number, (name, is_tag))| SeenRef {
                    name: RefName::parse(name).unwrap(),
                    value: value(format!("{:040x}", number + 1).as_bytes()).unwrap(),
                    peeled: is_tag.then(|| value(format!("{:040x}", number + 1000).as_bytes()).unwrap()),
                },
            ).collect();
            prop_assert_eq!(found, expect);
        }

        #[test]
        fn no_damage_of_the_file_makes_a_run_panic_or_endless(mut bytes in prop::collection::vec(
            prop::sample::select(b"\n^ a0/refs".to_vec()), 0..300,
        )) {
            let folder = tempfile::tempdir().unwrap();
            let packed = PackedRefs::new(folder.path().join("packed-refs"));
            bytes.splice(0..0, HEADER.iter().copied());
            std::fs::write(&packed.path, &bytes).unwrap();
            if let Ok(run) = packed.run("refs/") {
                prop_assert!(run.count() <= bytes.len());
            }
        }
    }
}
