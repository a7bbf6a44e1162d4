//! One push on its way: each of its refs goes from open to accepted or refused, once.
//!
//! Values only; what moves them is in the other files of this folder.

use mirror_core::name::LaneName;

use super::policy::{ATOMIC, Allowed, GitopsBranches, Verdict, Writer, judge};
use super::report::Report;
use super::request::{Command, Request, Wish};
use crate::metrics::label::Push as Outcome;

/// A push whose commands were judged.
#[derive(Debug)]
pub(crate) struct Push {
    /// What was asked for.
    pub(crate) request: Request,
    /// What became of each command, in their order.
    states: Vec<State>,
    /// Why the pack was not taken.
    pub(crate) unpack: Option<String>,
    /// What is told beside the report, line by line.
    pub(crate) talk: Vec<String>,
}

/// How far a command has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing speaks against it so far.
    Open(Allowed),
    /// The ref is as asked for, on disk.
    Accepted(Allowed),
    /// It is not.
    Refused {
        /// What kind of refusal it is.
        outcome: Outcome,
        /// What the client is told.
        reason: String,
    },
    /// It is as asked for or as it was: the disk failed while it was moved.
    Unknown {
        /// What was asked for.
        allowed: Allowed,
        /// What the client is told.
        reason: &'static str,
    },
}

impl State {
    /// The word for metrics, the log and the journal.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Accepted(_) => Outcome::Accepted,
            Self::Refused { outcome, .. } => *outcome,
            // An end without a decision is a fault of this server.
            Self::Unknown { .. } | Self::Open(_) => Outcome::Failed,
        }
    }

    /// Why it was not accepted.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Accepted(_) => None,
            Self::Refused { reason, .. } => Some(reason),
            Self::Unknown { reason, .. } => Some(reason),
            Self::Open(_) => Some("the server did not come to a decision"),
        }
    }
}

impl Push {
    /// Judges a request by the policy.
    pub(crate) fn judged(request: Request, writer: Writer<'_>, gitops: &GitopsBranches) -> Self {
        let verdicts = judge(&request, writer, gitops).into_iter();
        let states = verdicts.map(|verdict| match verdict {
            Verdict::Allowed(allowed) => State::Open(allowed),
            Verdict::Refused(reason) => State::Refused { outcome: Outcome::Denied, reason },
        });
        Self { states: states.collect(), request, unpack: None, talk: Vec::new() }
    }

    /// The commands with what became of them.
    pub(crate) fn refs(&self) -> impl Iterator<Item = (&Command, &State)> {
        self.request.commands.iter().zip(&self.states)
    }

    /// The commands that are not decided yet, by their place in the push.
    pub(crate) fn open(&self) -> Vec<(usize, Allowed)> {
        let open = |(at, state): (usize, &State)| match state {
            State::Open(allowed) => Some((at, allowed.clone())),
            State::Accepted(_) | State::Refused { .. } | State::Unknown { .. } => None,
        };
        self.states.iter().enumerate().filter_map(open).collect()
    }

    /// Says whether nothing is left to decide.
    pub(crate) fn is_decided(&self) -> bool {
        !self.states.iter().any(|state| matches!(state, State::Open(_)))
    }

    /// The lanes whose branch was moved, or may have been.
    pub(crate) fn moved_lanes(&self) -> Vec<LaneName> {
        let lanes = |state: &State| match state {
            State::Accepted(allowed) | State::Unknown { allowed, .. } => allowed.lanes.clone(),
            State::Open(_) | State::Refused { .. } => Vec::new(),
        };
        self.states.iter().flat_map(lanes).collect()
    }

    /// Decides that a ref is as asked for.
    pub(crate) fn accept(&mut self, at: usize) {
        if let State::Open(allowed) = &self.states[at] {
            self.states[at] = State::Accepted(allowed.clone());
        }
    }

    /// Decides that a ref stays as it is; where all or none may move, that the others stay too.
    pub(crate) fn refuse(&mut self, at: usize, outcome: Outcome, reason: impl Into<String>) {
        if let State::Open(_) = &self.states[at] {
            self.states[at] = State::Refused { outcome, reason: reason.into() };
        }
        if self.request.wishes(Wish::Atomic) {
            self.refuse_open(outcome, ATOMIC);
        }
    }

    /// Decides that nobody can say whether a ref was moved.
    pub(crate) fn leave_unknown(&mut self, at: usize, reason: &'static str) {
        if let State::Open(allowed) = &self.states[at] {
            self.states[at] = State::Unknown { allowed: allowed.clone(), reason };
        }
    }

    /// Decides that everything that is open stays as it is.
    pub(crate) fn refuse_open(&mut self, outcome: Outcome, reason: &str) {
        for state in &mut self.states {
            if let State::Open(_) = state {
                *state = State::Refused { outcome, reason: reason.to_owned() };
            }
        }
    }

    /// What the client is told.
    pub(crate) fn report(&self) -> Report {
        let refs = self.refs().map(|(command, state)| (command.name.clone(), state.reason().map(str::to_owned)));
        Report { unpack: self.unpack.clone(), refs: refs.collect() }
    }
}
