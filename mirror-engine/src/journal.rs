//! The journal: an append-only record of every operation's start and of its report.
//!
//! One JSON document a line, in numbered files of bounded size. Each line is synced before the operation goes on, so that a
//! report which somebody saw is on disk. A crash can tear the last line at most: the reader counts such a line and passes over it,
//! the next writer closes it with a line feed before its own. Writers of several processes take turns by a lock of the folder, which the kernel
//! releases with its holder; readers need none.
//!
//! Beside the files, `last.json` holds the newest end of each verb on each lane, so that `status` needs no walk through history.
//! It is derived: where it lags behind, the tail of the newest file is folded over it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mirror_core::fault::{Classified, FaultClass, Retry};
use serde::{Deserialize, Serialize};

/// A file that has grown past this many bytes is followed by a new one.
const FILE_LIMIT: u64 = 4 * 1024 * 1024;
/// No line is longer than this many bytes: a record whose report would make it so goes without the report. What is longer all the same
/// was not written by us and is counted as torn.
const LINE_LIMIT: u64 = 4 * 1024 * 1024;
/// How much of the newest file's end is folded over `last.json`.
const TAIL: u64 = 64 * 1024;
/// How long another writer is waited for. One appends a few lines and brings them to the disk.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(1);
const LAST: &str = "last.json";

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// When the event happened.
    pub at: Timestamp,
    /// The operation's identity: start and end of one operation share it.
    pub operation: String,
    /// The verb, as the command line spells it.
    pub verb: String,
    /// The lanes the operation was about.
    pub lanes: Vec<String>,
    /// What happened.
    pub event: Event,
}

/// What a record tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
#[non_exhaustive]
pub enum Event {
    /// The operation holds the lock and begins.
    Started {
        /// The process that runs it.
        pid: u32,
        /// The machine it runs on.
        host: String,
    },
    /// A push of a writer passed the policy and is being received; it works without the lock.
    Receiving {
        /// The server's process.
        pid: u32,
        /// The machine it runs on.
        host: String,
        /// Who pushes.
        writer: String,
    },
    /// What a dead operation left was removed before this one began.
    Recovered {
        /// What was removed, by its path inside the cache.
        removed: Vec<String>,
    },
    /// The operation ended.
    Ended {
        /// Whether the state is as wanted.
        ok: bool,
        /// For each lane its outcome in one word.
        outcomes: BTreeMap<String, String>,
        /// The report of each lane, without the refs that stayed as they were; null where it has no room in a line.
        report: serde_json::Value,
    },
}

/// The newest end of one verb on one lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Last {
    /// When it ended.
    pub at: Timestamp,
    /// Whether the state was as wanted.
    pub ok: bool,
    /// Its outcome in one word.
    pub outcome: String,
    /// The operation's identity.
    pub operation: String,
}

/// The newest ends, by lane and verb.
pub type LastEnds = BTreeMap<String, BTreeMap<String, Last>>;

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot {action} the journal at {}", path.display())]
#[diagnostic(
    code(mirror::journal::io),
    help(
        "the cache's git-mirror/journal folder must be readable and writable by this user, with space left on its disk"
    )
)]
pub struct JournalError {
    /// What was tried.
    pub action: &'static str,
    /// Where.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

impl Classified for JournalError {
    fn class(&self) -> FaultClass {
        FaultClass::Failed
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// What reading the journal found.
#[derive(Debug, Default, PartialEq)]
pub struct Reading {
    /// The records, oldest first.
    pub records: Vec<Record>,
    /// Lines that no record could be read from: torn by a crash, or written by something else.
    pub torn: usize,
}

/// The journal of one cache, in a folder of its own.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// Names the journal in `folder`; nothing is opened or made yet.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Appends one record and syncs it.
    ///
    /// # Errors
    /// Those of [`Journal::append_all`].
    pub fn append(&self, record: &Record) -> Result<(), JournalError> {
        self.append_all(std::slice::from_ref(record))
    }

    /// Appends some records, in their order and with nothing between them, and syncs them.
    ///
    /// # Errors
    /// [`JournalError`] for what the system refused; a record may then be there in part, as a torn line.
    pub fn append_all(&self, records: &[Record]) -> Result<(), JournalError> {
        std::fs::create_dir_all(&self.folder).map_err(|source| self.failed("create", source))?;
        let _turn = self.take_turn()?;
        let newest = self.files()?.pop();
        let number = match &newest {
            Some((number, path)) if std::fs::metadata(path).is_ok_and(|meta| meta.len() >= FILE_LIMIT) => number + 1,
            Some((number, _)) => *number,
            None => 1,
        };
        let path = self.folder.join(format!("{number:06}.jsonl"));
        let lines: Vec<u8> = records.iter().flat_map(line_of).collect();
        let fresh = !path.exists();
        append_lines(&path, &lines).map_err(|source| JournalError {
            action: "append to",
            path: path.clone(),
            source,
        })?;
        if fresh {
            // The new name must survive too, or the synced line would be lost with it.
            File::open(&self.folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|source| self.failed("sync", source))?;
        }
        let ends: Vec<_> = records.iter().filter(|record| matches!(record.event, Event::Ended { .. })).collect();
        if ends.is_empty() { Ok(()) } else { self.write_last(&ends) }
    }

    /// Waits until nobody else writes. The folder itself is locked, so that there is no file that could be removed by hand.
    fn take_turn(&self) -> Result<File, JournalError> {
        let folder = File::open(&self.folder).map_err(|source| self.failed("open", source))?;
        let until = Instant::now() + PATIENCE;
        loop {
            match folder.try_lock() {
                Ok(()) => return Ok(folder),
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(POLL),
                Err(error) => return Err(self.failed("lock", error.into())),
            }
        }
    }

    /// Reads the newest `limit` records, oldest first.
    ///
    /// # Errors
    /// [`JournalError`] for what the system refused. A journal that is not there yet is empty, not an error.
    pub fn read(&self, limit: usize) -> Result<Reading, JournalError> {
        let mut reading = Reading::default();
        for (_, path) in self.files()?.into_iter().rev() {
            let mut older = read_file(&path).map_err(|source| JournalError { action: "read", path, source })?;
            reading.torn += older.torn;
            older.records.append(&mut reading.records);
            reading.records = older.records;
            if reading.records.len() >= limit {
                let surplus = reading.records.len() - limit;
                reading.records.drain(..surplus);
                break;
            }
        }
        Ok(reading)
    }

    /// Reads the newest end of each verb on each lane, without walking through history.
    ///
    /// # Errors
    /// [`JournalError`] for what the system refused. A damaged `last.json` counts as absent: it is derived.
    pub fn last(&self) -> Result<LastEnds, JournalError> {
        let mut last: LastEnds = match std::fs::read(self.folder.join(LAST)) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => LastEnds::new(),
            Err(source) => return Err(self.failed("read", source)),
        };
        if let Some((_, path)) = self.files()?.pop() {
            let tail = read_tail(&path).map_err(|source| JournalError { action: "read", path, source })?;
            for record in &tail {
                fold(&mut last, record);
            }
        }
        Ok(last)
    }

    fn write_last(&self, ends: &[&Record]) -> Result<(), JournalError> {
        let mut last = self.last()?;
        ends.iter().for_each(|record| fold(&mut last, record));
        let text = serde_json::to_vec(&last).expect("because the last ends are plain data");
        let temporary = self.folder.join("last.json.new");
        std::fs::write(&temporary, text)
            .and_then(|()| std::fs::rename(&temporary, self.folder.join(LAST)))
            .map_err(|source| self.failed("update", source))
    }

    fn files(&self) -> Result<Vec<(u32, PathBuf)>, JournalError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.failed("list", source)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|source| self.failed("list", source))?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jsonl")?.parse().ok());
            if let Some(number) = number {
                files.push((number, path));
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    fn failed(&self, action: &'static str, source: std::io::Error) -> JournalError {
        JournalError { action, path: self.folder.clone(), source }
    }
}

/// Writes a record as its line, within the bound of lines.
fn line_of(record: &Record) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).expect("because a record is plain data");
    line.push(b'\n');
    let is_long = line.len() as u64 > LINE_LIMIT;
    match &record.event {
        Event::Ended { ok, outcomes, report } if is_long && !report.is_null() => {
            let event = Event::Ended { ok: *ok, outcomes: outcomes.clone(), report: serde_json::Value::Null };
            line_of(&Record { event, ..record.clone() })
        }
        _ => line,
    }
}

fn fold(last: &mut LastEnds, record: &Record) {
    let Event::Ended { ok: all_ok, outcomes, report } = &record.event else { return };
    let said = |lane: &str| report.as_array()?.iter().find(|end| end["lane"] == lane)?["ok"].as_bool();
    for (lane, outcome) in outcomes {
        // One lane that failed says nothing of the others.
        let ok = &said(lane).unwrap_or(*all_ok);
        let slot = last.entry(lane.clone()).or_default().entry(record.verb.clone());
        let end = Last { at: record.at, ok: *ok, outcome: outcome.clone(), operation: record.operation.clone() };
        slot.and_modify(|known| {
            if known.at <= end.at {
                known.clone_from(&end);
            }
        })
        .or_insert(end);
    }
}

fn append_lines(path: &Path, lines: &[u8]) -> std::io::Result<()> {
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

fn read_file(path: &Path) -> std::io::Result<Reading> {
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

fn read_tail(path: &Path) -> std::io::Result<Vec<Record>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut text = Vec::new();
    file.take(TAIL).read_to_end(&mut text)?;
    // The first line is cut where the window begins inside it; it then fails to parse and is passed over like a torn one.
    Ok(text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(second: i64, lane: &str, outcome: &str) -> Record {
        Record {
            at: Timestamp::from_second(second).unwrap(),
            operation: format!("op-{second}"),
            verb: "sync".to_owned(),
            lanes: vec![lane.to_owned()],
            event: Event::Ended {
                ok: true,
                outcomes: BTreeMap::from([(lane.to_owned(), outcome.to_owned())]),
                report: serde_json::json!({ "ok": true }),
            },
        }
    }

    #[test]
    fn what_was_appended_is_read_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().join("journal"));
        assert_eq!(journal.read(10).unwrap(), Reading::default());
        for second in 1..=5 {
            journal.append(&ended(second, "main", "up-to-date")).unwrap();
        }
        let seconds: Vec<_> = journal.read(3).unwrap().records.iter().map(|record| record.at.as_second()).collect();
        assert_eq!(seconds, [3, 4, 5]);
    }

    #[test]
    fn writers_at_the_same_moment_lose_and_tear_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                // As many processes would: none knows of the others but by the files.
                let (journal, lane) = (Journal::at(path.clone()), format!("lane-{writer}"));
                scope.spawn(move || {
                    for second in 1..=8 {
                        let start = Record {
                            event: Event::Receiving { pid: 1, host: "h".to_owned(), writer: lane.clone() },
                            ..ended(second, &lane, "")
                        };
                        journal.append_all(&[start, ended(second, &lane, "accepted")]).unwrap();
                    }
                });
            }
        });
        let journal = Journal::at(path);
        let reading = journal.read(1000).unwrap();
        assert_eq!((reading.records.len(), reading.torn), (64, 0));
        for pair in reading.records.chunks(2) {
            assert!(matches!(&pair[0].event, Event::Receiving { writer, .. } if *writer == pair[1].lanes[0]));
        }
        let last = journal.last().unwrap();
        assert!((0..4).all(|writer| last[&format!("lane-{writer}")]["sync"].at.as_second() == 8), "{last:?}");
    }

    #[test]
    fn a_torn_last_line_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().to_owned());
        journal.append(&ended(1, "main", "created")).unwrap();
        let whole = std::fs::read(dir.path().join("000001.jsonl")).unwrap();
        for cut in 1..whole.len() {
            let mut torn = whole.clone();
            torn.extend_from_slice(&whole[..cut]);
            std::fs::write(dir.path().join("000001.jsonl"), &torn).unwrap();
            journal.append(&ended(2, "main", "fast-forwarded")).unwrap();
            let reading = journal.read(10).unwrap();
            let seconds: Vec<_> = reading.records.iter().map(|record| record.at.as_second()).collect();
            // Cut just before the line feed, the line is whole: nothing was lost.
            let expect = if cut == whole.len() - 1 { (vec![1, 1, 2], 0) } else { (vec![1, 2], 1) };
            assert_eq!((seconds, reading.torn), expect, "cut at {cut}");
        }
    }

    #[test]
    fn a_lane_that_went_well_is_told_so_beside_one_that_did_not() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().to_owned());
        let mut record = ended(1, "main", "up-to-date");
        record.event = Event::Ended {
            ok: false,
            outcomes: [("main", "up-to-date"), ("next", "failed"), ("old", "failed")]
                .map(|(lane, outcome)| (lane.to_owned(), outcome.to_owned()))
                .into(),
            report: serde_json::json!([{ "lane": "main", "ok": true }, { "lane": "next", "ok": false }]),
        };
        journal.append(&record).unwrap();
        let last = journal.last().unwrap();
        assert_eq!(["main", "next", "old"].map(|lane| last[lane]["sync"].ok), [true, false, false]);
    }

    #[test]
    fn a_report_that_has_no_room_in_a_line_is_left_out_and_the_record_stays() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().to_owned());
        let mut record = ended(1, "main", "created");
        let Event::Ended { report, .. } = &mut record.event else { unreachable!("because an end was made") };
        *report = serde_json::Value::String("x".repeat(LINE_LIMIT as usize));
        journal.append(&record).unwrap();
        journal.append(&ended(2, "main", "up-to-date")).unwrap();
        let Reading { records, torn } = journal.read(10).unwrap();
        assert_eq!((records.len(), torn), (2, 0));
        assert!(matches!(&records[0].event, Event::Ended { ok: true, report, .. } if report.is_null()));
    }

    #[test]
    fn the_last_ends_follow_the_journal_even_where_their_file_lags() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().to_owned());
        journal.append(&ended(1, "main", "created")).unwrap();
        let lagging = std::fs::read(dir.path().join(LAST)).unwrap();
        journal.append(&ended(2, "main", "up-to-date")).unwrap();
        journal.append(&ended(3, "next", "created")).unwrap();
        std::fs::write(dir.path().join(LAST), lagging).unwrap();
        let last = journal.last().unwrap();
        assert_eq!(last["main"]["sync"].outcome, "up-to-date");
        assert_eq!(last["next"]["sync"].at.as_second(), 3);
    }
}
