//! What stays of a push: its lines in the journal, its line in the log, its count in the metrics, and the word to those who wait for pushes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mirror_core::name::{CommitId, LaneName, RepositoryName};
use mirror_core::operation::Verb;
use mirror_engine::journal::{Event, Journal, Record};
use mirror_store::Cache;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::push::{Push, State};
use super::request::Command;
use super::writing::Writing;
use crate::metrics::label::Push as Outcome;
use crate::repositories::ServedRepository;

/// Refs of no lane that the journal names; a mirror push would fill it otherwise.
const STRANGERS: usize = 20;
/// The longest reason that the journal keeps, in characters.
const REASON: usize = 256;
/// How many pushes that were refused before they began the journal of a repository keeps in a window of time, and how long that is. Whoever
/// pushes wrongly every second fills no disk; the log is told of each.
const REFUSED: u32 = 60;
const WINDOW: Duration = Duration::from_secs(60 * 60);

/// Which refused pushes of a repository still go to its journal.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Option<Window>>);

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    noted: u32,
}

impl Refusals {
    /// Counts one more, and says whether it is to be noted.
    pub(super) fn admit(&self, repository: &RepositoryName) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let current = match *window {
            Some(window) if now.duration_since(window.since) < WINDOW => window,
            _ => Window { since: now, noted: 0 },
        };
        let noted = current.noted.saturating_add(1);
        *window = Some(Window { noted, ..current });
        if noted == REFUSED + 1 {
            tracing::warn!(%repository, "more than {REFUSED} pushes were refused within an hour: further ones stand in the log alone");
        }
        noted <= REFUSED
    }
}

/// A push in the journal.
#[derive(Debug)]
pub(super) struct Entry {
    operation: String,
    writer: String,
    /// For each command the lanes whose GitOps branch it names.
    lanes: Vec<Vec<LaneName>>,
}

impl Entry {
    /// Names a push for the journal.
    pub(super) fn of(served: &ServedRepository, writer: &str, operation: String, push: &Push) -> Self {
        let lanes = |command: &Command| {
            let branch = command.ref_name()?.branch()?;
            served.gitops.get(&branch).cloned()
        };
        let lanes = push.request.commands.iter().map(|command| lanes(command).unwrap_or_default());
        Self { operation, writer: writer.to_owned(), lanes: lanes.collect() }
    }

    /// Names a push that was refused before it began.
    pub(super) fn refused(served: &ServedRepository, writer: &str, push: &Push) -> Self {
        static REFUSED: AtomicU32 = AtomicU32::new(0);
        let number = REFUSED.fetch_add(1, Ordering::Relaxed);
        let operation =
            format!("{}-{}-{}-refused-{number}", Verb::Push, Timestamp::now().as_millisecond(), std::process::id());
        Self::of(served, writer, operation, push)
    }

    /// Notes that the push is being received; says whether that is on the disk.
    pub(super) fn begin(&self, cache: &Cache) -> bool {
        append(cache, &[self.beginning()])
    }

    /// Notes how it ended.
    pub(super) fn end(&self, cache: &Cache, push: &Push) {
        append(cache, &[self.ending(push)]);
    }

    /// Notes a push that ended as it began.
    pub(super) fn note(&self, cache: &Cache, push: &Push) {
        append(cache, &[self.beginning(), self.ending(push)]);
    }

    fn beginning(&self) -> Record {
        self.record(Event::Receiving {
            pid: std::process::id(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            writer: self.writer.clone(),
        })
    }

    fn ending(&self, push: &Push) -> Record {
        let mut outcomes = BTreeMap::new();
        let mut report = Vec::new();
        let mut strangers = 0;
        for ((command, state), lanes) in push.refs().zip(&self.lanes) {
            for lane in lanes {
                // A branch that is named again and again is told once.
                if outcomes.insert(lane.to_string(), state.outcome().to_string()).is_none() {
                    report.push(told(Some(lane), command, state));
                }
            }
            if lanes.is_empty() {
                strangers += 1;
                if strangers <= STRANGERS {
                    report.push(told(None, command, state));
                }
            }
        }
        let ok = push.refs().all(|(_, state)| state.outcome() == Outcome::Accepted);
        self.record(Event::Ended { ok, outcomes, report: Value::Array(report) })
    }

    fn record(&self, event: Event) -> Record {
        let mut lanes: Vec<_> = self.lanes.iter().flatten().map(ToString::to_string).collect();
        lanes.sort_unstable();
        lanes.dedup();
        Record { at: Timestamp::now(), operation: self.operation.clone(), verb: Verb::Push.into(), lanes, event }
    }
}

fn told(lane: Option<&LaneName>, command: &Command, state: &State) -> Value {
    let mut told = json!({
        "ok": state.outcome() == Outcome::Accepted,
        "ref": shown(command),
        "before": command.old.map(|old| old.to_string()),
        "pushed": command.new.map(|new| new.to_string()),
        "outcome": state.outcome().as_str(),
    });
    if let Some(lane) = lane {
        told["lane"] = lane.as_str().into();
    }
    if let Some(reason) = state.reason() {
        told["reason"] = reason.chars().take(REASON).collect::<String>().into();
    }
    told
}

/// The name of a ref as a client sent it, fit for a line.
fn shown(command: &Command) -> String {
    command.name.escape_ascii().take(512).map(char::from).collect()
}

fn append(cache: &Cache, records: &[Record]) -> bool {
    match Journal::at(cache.own_folder().join("journal")).append_all(records) {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a push cannot be noted in the journal");
            false
        }
    }
}

/// Tells the log, the metrics, and the schedule how a push ended.
pub(super) fn tell(writing: &Writing, served: &ServedRepository, writer: &str, push: &Push, took: Duration) {
    let id = |id: Option<CommitId>| id.map_or_else(|| "nothing".to_owned(), |id| id.to_string());
    for (command, state) in push.refs() {
        writing.metrics.push(&served.name, state.outcome());
        tracing::info!(
            repository = %served.name,
            writer,
            name = shown(command),
            before = id(command.old),
            pushed = id(command.new),
            outcome = %state.outcome(),
            reason = state.reason().unwrap_or_default(),
            "push"
        );
    }
    writing.metrics.push_took(&served.name, took);
    // Also where a branch may have stayed: who waits for pushes looks at it, and does nothing where it did.
    let lanes = push.moved_lanes();
    if !lanes.is_empty() {
        let now = Timestamp::now();
        lanes.iter().for_each(|lane| writing.metrics.pushed(lane, now));
        writing.pushes.accepted(&served.name, &lanes);
    }
}

#[cfg(test)]
mod tests {
    use mirror_core::name::BranchName;

    use super::super::policy::{GitopsBranches, Writer};
    use super::super::request::Request;
    use super::*;

    #[test]
    fn the_journal_says_of_a_branch_that_may_have_moved_what_the_client_hears() {
        let lane = LaneName::parse("main").unwrap();
        let gitops: GitopsBranches = [(BranchName::parse("a").unwrap(), vec![lane.clone()])].into();
        let id = |digit: &str| CommitId::from_hex(&digit.repeat(40)).unwrap();
        let command = Command { name: "refs/heads/a".into(), old: Some(id("1")), new: Some(id("2")) };
        let request = Request { commands: vec![command], ..Request::default() };
        let mut push = Push::judged(request, Writer { name: "ci", lanes: None }, &gitops);
        push.leave_unknown(0, "whether it moved is not known");
        let entry = Entry { operation: "push-1".to_owned(), writer: "ci".to_owned(), lanes: vec![vec![lane]] };
        let Event::Ended { ok, outcomes, report } = entry.ending(&push).event else { panic!("it has ended") };
        assert!(!ok);
        assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [("main".to_owned(), "failed".to_owned())]);
        assert_eq!((&report[0]["ok"], &report[0]["outcome"]), (&json!(false), &json!("failed")));
        assert_eq!(report[0]["reason"].as_str(), push.report().refs[0].1.as_deref());
        assert_eq!(report[0]["reason"], "whether it moved is not known");
    }
}
