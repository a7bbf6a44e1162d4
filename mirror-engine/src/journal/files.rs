//! The files of a journal: their names and order, what is appended to them and read from them. Takes no turns, and knows no verbs.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Reading;
use super::record::{LINE_LIMIT, Record};

/// How much of the newest file's end is folded over `last.json`.
const TAIL: u64 = 64 * 1024;

/// Lists the files of a folder with their numbers, the oldest first. A folder that is not there has none.
pub(super) fn list(folder: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jsonl")?.parse().ok());
        if let Some(number) = number {
            files.push((number, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Names the file of a number.
pub(super) fn named(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:06}.jsonl"))
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

/// Reads a whole file.
pub(super) fn read_file(path: &Path) -> io::Result<Reading> {
    let mut reading = Reading::default();
    let mut lines = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(reading);
        }
        match serde_json::from_slice(&line) {
            Ok(record) => reading.records.push(record),
            Err(_) => reading.torn += 1,
        }
    }
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
