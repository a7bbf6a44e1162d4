//! The journal: an append-only record of every operation's start and of its report.
//!
//! One JSON document a line, in numbered files of bounded size. Each line is synced before the operation goes on, so that a
//! report which somebody saw is on disk. A crash can tear the last line at most: the reader counts such a line and passes over it,
//! the next writer closes it with a line feed before its own. Writers of several processes take turns by a lock of the folder, which the kernel
//! releases with its holder; readers need none. Nothing is ever cut from it: files that are full are compressed, to some twentieth, when
//! the second one after them is begun.
//!
//! Beside the files, `last.json` holds the newest end of each verb on each lane, so that `status` needs no walk through history.
//! It is derived: where it lags behind, the tail of the newest file is folded over it.

mod files;
mod record;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mirror_core::fault::{Classified, FaultClass, Retry};

use self::files::Sheet;
pub use self::record::{Event, Last, LastEnds, Record};
use self::record::{fold, line_of};

/// A file that has grown past this many bytes is followed by a new one.
const FILE_LIMIT: u64 = 4 * 1024 * 1024;
/// How many older files are compressed when a new one is begun, while other writers wait. One would do, but for those that failed.
const PACKED_AT_ONCE: usize = 2;
/// How long another writer is waited for. One appends a few lines and brings them to the disk.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(1);
const LAST: &str = "last.json";

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
        let sheets = self.sheets()?;
        let number = match sheets.last_key_value() {
            Some((number, newest)) if newest.is_open(FILE_LIMIT) => *number,
            Some((number, _)) => number + 1,
            None => 1,
        };
        let path = files::named(&self.folder, number);
        let lines: Vec<u8> = records.iter().flat_map(line_of).collect();
        let fresh = !path.exists();
        files::append_lines(&path, &lines).map_err(|source| JournalError {
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
        if !ends.is_empty() {
            self.write_last(&ends)?;
        }
        if fresh {
            pack_older(&sheets);
        }
        Ok(())
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
        for sheet in self.sheets()?.values().rev() {
            let path = || sheet.path().to_owned();
            let mut older =
                files::read(sheet).map_err(|source| JournalError { action: "read", path: path(), source })?;
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
        if let Some((_, Sheet::Plain(path))) = self.sheets()?.pop_last() {
            let tail = files::read_tail(&path).map_err(|source| JournalError { action: "read", path, source })?;
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

    fn sheets(&self) -> Result<BTreeMap<u32, Sheet>, JournalError> {
        files::list(&self.folder).map_err(|source| self.failed("list", source))
    }

    fn failed(&self, action: &'static str, source: std::io::Error) -> JournalError {
        JournalError { action, path: self.folder.clone(), source }
    }
}

/// Compresses the oldest files that still are as they were written; of those that were there before the newest, the last stays for whoever
/// reads its end. What fails is tried again with the next new file: lines are only a burden to the disk as they are.
fn pack_older(sheets: &BTreeMap<u32, Sheet>) {
    let plain = sheets.values().rev().skip(1).filter_map(|sheet| match sheet {
        Sheet::Plain(path) => Some(path),
        Sheet::Packed(_) => None,
    });
    for path in plain.rev().take(PACKED_AT_ONCE) {
        if let Err(error) = files::pack(path) {
            let (file, error) = (path.display(), &error as &dyn std::error::Error);
            tracing::warn!(%file, error, "an old file of the journal could not be compressed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use jiff::Timestamp;
    use mirror_core::operation::{RecordedVerb, Verb};

    use super::record::LINE_LIMIT;
    use super::*;

    const SYNC: RecordedVerb = RecordedVerb::Known(Verb::Sync);

    fn ended(second: i64, lane: &str, outcome: &str) -> Record {
        Record {
            at: Timestamp::from_second(second).unwrap(),
            operation: format!("op-{second}"),
            verb: Verb::Sync.into(),
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
        for second in 1..=8 {
            // All of them at once, and nobody again before the others: on a slow disk one would wait longer than its patience.
            std::thread::scope(|scope| {
                for writer in 0..4 {
                    // As many processes would: none knows of the others but by the files.
                    let (journal, lane) = (Journal::at(path.clone()), format!("lane-{writer}"));
                    scope.spawn(move || {
                        let start = Record {
                            event: Event::Receiving { pid: 1, host: "h".to_owned(), writer: lane.clone() },
                            ..ended(second, &lane, "")
                        };
                        journal.append_all(&[start, ended(second, &lane, "accepted")]).unwrap();
                    });
                }
            });
        }
        let journal = Journal::at(path);
        let reading = journal.read(1000).unwrap();
        assert_eq!((reading.records.len(), reading.torn), (64, 0));
        for pair in reading.records.chunks(2) {
            assert!(matches!(&pair[0].event, Event::Receiving { writer, .. } if *writer == pair[1].lanes[0]));
        }
        let last = journal.last().unwrap();
        assert!((0..4).all(|writer| last[&format!("lane-{writer}")][&SYNC].at.as_second() == 8), "{last:?}");
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
        assert_eq!(["main", "next", "old"].map(|lane| last[lane][&SYNC].ok), [true, false, false]);
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
        assert_eq!(last["main"][&SYNC].outcome, "up-to-date");
        assert_eq!(last["next"][&SYNC].at.as_second(), 3);
    }

    /// Appends records of which two fill a file.
    fn fill(journal: &Journal, seconds: RangeInclusive<i64>) {
        for second in seconds {
            let mut record = ended(second, "main", "created");
            let Event::Ended { report, .. } = &mut record.event else { unreachable!("because an end was made") };
            *report = "x".repeat(FILE_LIMIT as usize / 2).into();
            journal.append(&record).unwrap();
        }
    }

    fn names(journal: &Journal) -> Vec<String> {
        let names = std::fs::read_dir(&journal.folder).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn seconds(reading: &Reading) -> Vec<i64> {
        reading.records.iter().map(|record| record.at.as_second()).collect()
    }

    #[test]
    fn full_files_are_compressed_and_tell_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().to_owned());
        fill(&journal, 1..=9);
        let expected =
            ["000001.jsonl.gz", "000002.jsonl.gz", "000003.jsonl.gz", "000004.jsonl", "000005.jsonl", "last.json"];
        assert_eq!(names(&journal), expected);
        let whole = journal.read(100).unwrap();
        assert_eq!((seconds(&whole), whole.torn), ((1..=9).collect(), 0));
        assert_eq!(seconds(&journal.read(4).unwrap()), [6, 7, 8, 9]);
        let packed = std::fs::metadata(dir.path().join("000001.jsonl.gz")).unwrap().len();
        assert!(packed < FILE_LIMIT / 20, "{packed}");
        // Whoever listed a file before it was compressed finds it all the same.
        let listed = Sheet::Plain(dir.path().join("000001.jsonl"));
        assert_eq!(seconds(&files::read(&listed).unwrap()), [1, 2]);
    }

    #[test]
    fn a_crash_while_a_file_is_compressed_loses_and_doubles_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().to_owned());
        fill(&journal, 1..=4);
        let (plain, aside) = (dir.path().join("000001.jsonl"), dir.path().join("aside"));
        std::fs::copy(&plain, &aside).unwrap();
        std::fs::write(dir.path().join("packed.new"), "half of it").unwrap();
        assert_eq!(seconds(&journal.read(100).unwrap()), [1, 2, 3, 4]);
        fill(&journal, 5..=5);
        assert_eq!(names(&journal), ["000001.jsonl.gz", "000002.jsonl", "000003.jsonl", "aside", "last.json"]);
        // Compressed, and not yet removed.
        std::fs::rename(&aside, &plain).unwrap();
        assert_eq!(seconds(&journal.read(100).unwrap()), [1, 2, 3, 4, 5]);
        fill(&journal, 6..=7);
        let expected = ["000001.jsonl.gz", "000002.jsonl.gz", "000003.jsonl", "000004.jsonl", "last.json"];
        assert_eq!(names(&journal), expected);
        assert_eq!(seconds(&journal.read(100).unwrap()), (1..=7).collect::<Vec<_>>());
    }

    #[test]
    fn of_a_damaged_compressed_file_the_rest_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().to_owned());
        fill(&journal, 1..=5);
        let packed = dir.path().join("000001.jsonl.gz");
        let bytes = std::fs::read(&packed).unwrap();
        for damaged in [&bytes[..bytes.len() - 9], &bytes[..5], b"", b"no gzip"] {
            std::fs::write(&packed, damaged).unwrap();
            let reading = journal.read(100).unwrap();
            assert!(seconds(&reading).ends_with(&[3, 4, 5]), "{:?}", seconds(&reading));
            assert_eq!(reading.torn, 1, "{} bytes", damaged.len());
        }
    }

    #[test]
    fn nothing_is_appended_to_what_is_compressed() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().to_owned());
        journal.append(&ended(1, "main", "created")).unwrap();
        files::pack(&dir.path().join("000001.jsonl")).unwrap();
        journal.append(&ended(2, "main", "up-to-date")).unwrap();
        assert_eq!(names(&journal), ["000001.jsonl.gz", "000002.jsonl", "last.json"]);
        assert_eq!(seconds(&journal.read(100).unwrap()), [1, 2]);
        assert_eq!(journal.last().unwrap()["main"][&SYNC].outcome, "up-to-date");
    }
}
