//! What every report has in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ExitCode, Finding, NextCommand, schema_id};
use crate::fault::Fault;
use crate::name::{LaneName, NodeName};
use crate::operation::{Mode, Verb};

/// What a report has about one lane: for the report itself, for the journal, and for what follows from it.
pub trait LaneReport: Serialize {
    /// The verb.
    const VERB: Verb;

    /// The lane.
    fn lane(&self) -> &LaneName;

    /// What went wrong with the lane.
    fn fault(&self) -> Option<&Fault>;

    /// What about the lane is not as wanted, the gravest first.
    fn findings(&self) -> Vec<Finding>;

    /// The commands to run next.
    fn next(&self, node: &NodeName, mode: Option<Mode>) -> Vec<NextCommand>;

    /// Says whether this lane tells what one of these told before: its next commands would only do the same again.
    fn repeats(&self, _told: &[Self]) -> bool
    where
        Self: Sized,
    {
        false
    }

    /// How the verb ended for this lane.
    fn exit(&self) -> ExitCode {
        match (self.fault(), self.findings().is_empty()) {
            (Some(fault), _) => ExitCode::from(fault.class),
            (None, false) => ExitCode::Finding,
            (None, true) => ExitCode::Done,
        }
    }

    /// Whether all went well and the lane is as wanted.
    fn ok(&self) -> bool {
        self.exit() == ExitCode::Done
    }

    /// The lane's outcome in one word: what is wrong, or else what was done.
    fn outcome(&self) -> &'static str {
        match (self.fault(), self.findings().first()) {
            (Some(_), _) => "failed",
            (None, Some(finding)) => finding.as_str(),
            (None, None) => "done",
        }
    }

    /// What the journal keeps of it.
    fn record(&self) -> Value {
        serde_json::to_value(self).expect("because a report is plain data")
    }
}

/// What can be asked of every report, whatever its verb.
pub trait Reported: Serialize {
    /// Whether all went well and the state is as wanted.
    fn ok(&self) -> bool {
        self.exit() == ExitCode::Done
    }

    /// The exit code that follows from it.
    fn exit(&self) -> ExitCode;

    /// What went wrong in it.
    fn faults(&self) -> Vec<&Fault>;

    /// The commands to run next.
    fn next(&self) -> &[NextCommand];

    /// Puts arguments for the whole program (such as `-f FILE`) into every next command.
    fn add_global_args(&mut self, args: &[String]);
}

/// A report about lanes of one node. The fields of a lane depend on the verb.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report<L> {
    /// Names the schema: `git-mirror/<verb>/v1`.
    pub schema: String,
    /// Whether all went well and the state is as wanted. True exactly where the exit code is 0.
    pub ok: bool,
    /// The node.
    pub node: NodeName,
    /// Whether this only shows what would be done. Absent for verbs that never change anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// The lanes. One that failed carries its `fault`; it never hides the others.
    pub lanes: Vec<L>,
    /// The exact commands to run next.
    pub next: Vec<NextCommand>,
    /// What went wrong beside the lanes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl<L: LaneReport> Report<L> {
    /// Makes the report of some lanes of a node.
    #[must_use]
    pub fn of(node: NodeName, lanes: Vec<L>) -> Self {
        let report =
            Self { schema: schema_id(L::VERB), ok: false, node, dry_run: None, lanes, next: Vec::new(), fault: None };
        report.concluded()
    }

    /// Says whether it was done or only shown.
    #[must_use]
    pub fn in_mode(mut self, mode: Mode) -> Self {
        self.dry_run = Some(mode == Mode::DryRun);
        self.concluded()
    }

    /// Adds what went wrong beside the lanes, where anything did.
    #[must_use]
    pub fn with_fault(mut self, fault: Option<Fault>) -> Self {
        self.fault = fault;
        self.concluded()
    }

    fn concluded(mut self) -> Self {
        let mode = self.dry_run.map(|dry| if dry { Mode::DryRun } else { Mode::Confirm });
        self.next = Vec::new();
        let telling = self.lanes.iter().enumerate().filter(|(at, lane)| !lane.repeats(&self.lanes[..*at]));
        for command in telling.flat_map(|(_, lane)| lane.next(&self.node, mode)) {
            if !self.next.contains(&command) {
                self.next.push(command);
            }
        }
        self.ok = self.exit_code() == ExitCode::Done;
        self
    }

    fn exit_code(&self) -> ExitCode {
        let beside = self.fault.iter().map(|fault| ExitCode::from(fault.class));
        ExitCode::of_all(self.lanes.iter().map(LaneReport::exit).chain(beside))
    }
}

impl<L: LaneReport> Reported for Report<L> {
    fn exit(&self) -> ExitCode {
        self.exit_code()
    }

    fn faults(&self) -> Vec<&Fault> {
        self.lanes.iter().filter_map(LaneReport::fault).chain(&self.fault).collect()
    }

    fn next(&self) -> &[NextCommand] {
        &self.next
    }

    fn add_global_args(&mut self, args: &[String]) {
        add_global_args(&mut self.next, args);
    }
}

pub(super) fn add_global_args(next: &mut [NextCommand], args: &[String]) {
    for command in next {
        *command = command.clone().with_global_args(args.iter().cloned());
    }
}
