//! What an earlier version wrote to a cache is read and written byte for byte the same, and what a later one may write can be read.
//!
//! `recorded/` holds the journal and the lock of a cache as the program wrote them before verbs were an enum.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use mirror_core::operation::{Holder, RecordedVerb, Verb};
use mirror_engine::journal::{Event, Journal};

const SEGMENT: &str = "000001.jsonl";
const LAST: &str = "last.json";

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded").join(name)
}

/// A journal in a folder of its own, with the recorded files in it.
fn journal() -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().unwrap();
    for name in [SEGMENT, LAST] {
        fs::copy(recorded(name), folder.path().join(name)).unwrap();
    }
    let journal = Journal::at(folder.path().to_owned());
    (folder, journal)
}

#[test]
fn a_recorded_journal_is_read_and_written_the_same() {
    let (_folder, journal) = journal();
    let reading = journal.read(100).unwrap();
    assert_eq!((reading.records.len(), reading.torn), (6, 0));
    let verbs: Vec<_> = reading.records.iter().step_by(2).map(|record| record.verb.clone()).collect();
    assert_eq!(verbs, [Verb::Sync, Verb::Maintain, Verb::SnapshotsPrune].map(RecordedVerb::Known));

    let anew = tempfile::tempdir().unwrap();
    for pair in reading.records.chunks(2) {
        Journal::at(anew.path().to_owned()).append_all(pair).unwrap();
    }
    for name in [SEGMENT, LAST] {
        let (written, expected) = (fs::read_to_string(anew.path().join(name)), fs::read_to_string(recorded(name)));
        assert_eq!(written.unwrap(), expected.unwrap(), "{name}");
    }
}

#[test]
fn a_recorded_lock_is_read_and_written_the_same() {
    let text = fs::read(recorded("op.lock")).unwrap();
    let holder: Holder = serde_json::from_slice(&text).unwrap();
    assert_eq!(holder.verb, Verb::Sync);
    assert_eq!(holder.host, "vm");
    assert_eq!(serde_json::to_vec(&holder).unwrap(), text);
}

#[test]
fn records_of_unknown_verbs_are_read_and_kept() {
    let (folder, journal) = journal();
    let mut known = journal.read(100).unwrap().records.pop().unwrap();
    let line = serde_json::to_string(&known).unwrap().replace("\"snapshots-prune\"", "\"trigger-current\"");
    let newer = format!("{}{line}\n", fs::read_to_string(folder.path().join(SEGMENT)).unwrap());
    fs::write(folder.path().join(SEGMENT), newer).unwrap();

    let unknown = RecordedVerb::Unknown("trigger-current".into());
    let reading = journal.read(100).unwrap();
    assert_eq!((reading.records.len(), reading.torn), (7, 0));
    assert_eq!(reading.records[6].verb, unknown);
    assert!(matches!(reading.records[6].event, Event::Ended { .. }));
    assert!(journal.last().unwrap()["main"].contains_key(&unknown));

    // The next end that this version writes takes it along.
    known.verb = Verb::Sync.into();
    journal.append(&known).unwrap();
    assert!(fs::read_to_string(folder.path().join(LAST)).unwrap().contains("\"trigger-current\""));
}
