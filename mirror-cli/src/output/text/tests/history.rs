//! The journal, newest first.

use std::collections::BTreeMap;

use mirror_core::report::history::{HistoryEntry, HistoryState, LaneHistory};

use super::*;

#[test]
fn history_newest_first() {
    let entry = |operation: &str, verb: &str, seconds: i64, state, lanes: &[(&str, &str)]| HistoryEntry {
        operation: operation.to_owned(),
        verb: verb.into(),
        lanes: lanes.iter().map(|(lane, _)| (*lane).to_owned()).collect(),
        started_at: Some(before(seconds)),
        ended_at: matches!(state, HistoryState::Ok | HistoryState::NotOk).then(|| before(seconds - 2)),
        pid: Some(4711),
        host: Some("node-a".to_owned()),
        writer: (verb == "push").then(|| "ci-promoter".to_owned()),
        state,
        outcomes: match state {
            HistoryState::Ok | HistoryState::NotOk => {
                lanes.iter().map(|(lane, outcome)| ((*lane).to_owned(), (*outcome).to_owned())).collect()
            }
            HistoryState::Running | HistoryState::Died => BTreeMap::new(),
        },
        recovered: if operation == "3" { vec!["refs/heads/v0.3.lock".to_owned()] } else { Vec::new() },
        report: None,
    };
    let both: &[(&str, &str)] = &[("v02", "up-to-date"), ("v03", "fast-forwarded")];
    let shared = entry("3", "sync", 600, HistoryState::Ok, both);
    let entries = vec![
        entry("5", "flush", 4, HistoryState::Running, &[("v03", "")]),
        entry("4b", "push", 50, HistoryState::Ok, &[("v03", "pushed")]),
        entry("4", "flush", 60, HistoryState::NotOk, &[("v03", "diverged")]),
        shared.clone(),
        entry("2", "sync", 7200, HistoryState::Died, both),
    ];
    let lane = |name: &str, entries| LaneHistory {
        lane: lane_name(name),
        repository: repository(),
        entries,
        unreadable_lines: 1,
        fault: None,
    };
    let lanes = vec![
        lane("v03", entries),
        lane("v02", vec![shared]),
        LaneHistory::failed(&lane_name("broken"), &repository(), fault()),
    ];
    insta::assert_snapshot!(texts(&Report::of(node(), lanes)));
}
