//! The files of a journal: their names and order, what is appended to them and read from them. Takes no turns, and knows no verbs.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use mirror_store::disk::{DiskError, replace};

use super::Reading;
use super::record::{LINE_LIMIT, Record};

const PLAIN: &str = ".jsonl";
const PACKED: &str = ".gz";
/// How much of the newest file's end is folded over `last.json`.
const TAIL: u64 = 64 * 1024;

/// A file of lines. One that nobody appends to any more may be compressed, in a file beside it that takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sheet {
    /// Lines as they were appended.
    Plain(PathBuf),
    /// The same, in a gzip member.
    Packed(PathBuf),
}

impl Sheet {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        let (Self::Plain(path) | Self::Packed(path)) = self;
        path
    }

    /// Whether lines may be appended, where a file of so many bytes gets no more of them.
    pub(super) fn is_open(&self, limit: u64) -> bool {
        matches!(self, Self::Plain(path) if !std::fs::metadata(path).is_ok_and(|found| found.len() >= limit))
    }
}

/// Lists the files of a folder by their numbers. A folder that is not there has none.
pub(super) fn list(folder: &Path) -> io::Result<BTreeMap<u32, Sheet>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut sheets = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let (stem, is_packed) = name.strip_suffix(PACKED).map_or((name, false), |stem| (stem, true));
        let Some(number) = stem.strip_suffix(PLAIN).and_then(|number| number.parse().ok()) else { continue };
        if !is_packed {
            sheets.insert(number, Sheet::Plain(path));
        } else {
            // Where both are there, one was not yet removed.
            sheets.entry(number).or_insert(Sheet::Packed(path));
        }
    }
    Ok(sheets)
}

/// Names the file of a number.
pub(super) fn named(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:06}{PLAIN}"))
}

/// Appends lines and syncs them, behind a line feed where a torn line ends the file.
pub(super) fn append_lines(path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(lines.len() + 1);
    if length > 0 {
        let mut end = [0];
        file.seek(SeekFrom::Start(length - 1))?;
        file.read_exact(&mut end)?;
        if end != *b"\n" {
            bytes.push(b'\n');
        }
    }
    bytes.extend_from_slice(lines);
    file.write_all(&bytes)?;
    file.sync_data()
}

/// Compresses a file that nobody appends to any more. A crash leaves it plain, compressed or both, and whole in each case.
pub(super) fn pack(path: &Path) -> io::Result<()> {
    let temporary = path.with_file_name("packed.new");
    let packed = File::create(&temporary).and_then(|to| {
        let mut packer = GzEncoder::new(to, Compression::default());
        io::copy(&mut File::open(path)?, &mut packer)?;
        packer.finish()?.sync_data()
    });
    packed
        .and_then(|()| replace(&temporary, &packed_name(path)).map_err(DiskError::into_source))
        .inspect_err(|_| drop(std::fs::remove_file(&temporary)))?;
    std::fs::remove_file(path)
}

fn packed_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PACKED);
    name.into()
}

/// Reads a whole file.
pub(super) fn read(sheet: &Sheet) -> io::Result<Reading> {
    let packed = match sheet {
        Sheet::Plain(path) => match File::open(path) {
            Ok(file) => return read_lines(file),
            // It was compressed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(packed_name(path))?,
            Err(error) => return Err(error),
        },
        Sheet::Packed(path) => File::open(path)?,
    };
    read_lines(GzDecoder::new(packed))
}

fn read_lines(from: impl Read) -> io::Result<Reading> {
    let mut reading = Reading::default();
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = match lines.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line) {
            Ok(read) => read,
            Err(error) if is_damage(&error) => {
                reading.torn += 1;
                return Ok(reading);
            }
            Err(error) => return Err(error),
        };
        if read == 0 {
            return Ok(reading);
        }
        match serde_json::from_slice(&line) {
            Ok(record) => reading.records.push(record),
            Err(_) => reading.torn += 1,
        }
    }
}

/// Whether the bytes of a compressed file are to blame. What could be read before them is told.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Reads the records that stand whole in the end of a file.
pub(super) fn read_tail(path: &Path) -> io::Result<Vec<Record>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut text = Vec::new();
    file.take(TAIL).read_to_end(&mut text)?;
    // The first line is cut where the window begins inside it; it then fails to parse and is passed over like a torn one.
    Ok(text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}
