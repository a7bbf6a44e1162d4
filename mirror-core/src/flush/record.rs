//! What a flush has learned so far. It only notes; the machine decides.

use super::fault::FlushError;
use super::{
    FlushOutcome, FlushVerdict, PartialSuccess, Proof, PushEnding, PushOutcome, PushRecord, Recheck, Recovery,
    Rejection, Tip,
};
use crate::fault::Fault;
use crate::name::CommitId;

#[derive(Debug, Clone)]
pub(super) struct Record {
    local: CommitId,
    seen: Option<Tip>,
    push: Option<PushRecord>,
    recheck: Option<Recheck>,
    partial_success: Option<PartialSuccess>,
    recovery: Option<Result<Recovery, Fault>>,
    /// Why it is not good, as far as it is known now.
    pub(super) fault: Option<Fault>,
}

impl Record {
    pub(super) const fn new(local: CommitId) -> Self {
        Self { local, seen: None, push: None, recheck: None, partial_success: None, recovery: None, fault: None }
    }

    /// How many pushes the driver took.
    pub(super) fn pushes(&self) -> u32 {
        self.push.as_ref().map_or(0, |push| push.attempts)
    }

    /// How many looks after a push were made.
    pub(super) fn rechecks(&self) -> u32 {
        self.recheck.as_ref().map_or(0, |recheck| recheck.looks)
    }

    pub(super) fn saw(&mut self, tip: Tip) {
        self.seen = Some(tip);
        self.fault = None;
    }

    pub(super) fn push_sent(&mut self, expected: Option<CommitId>) {
        // What was seen before proves nothing about what this push brings about.
        self.seen = None;
        let before = self.push.take();
        self.push = Some(PushRecord {
            outcome: before.as_ref().map_or(PushOutcome::NotSent, |push| push.outcome),
            attempts: before.as_ref().map_or(0, |push| push.attempts).saturating_add(1),
            expected,
            new: self.local,
            rejection: before.as_ref().and_then(|push| push.rejection.clone()),
            fault: before.and_then(|push| push.fault),
        });
    }

    pub(super) fn pushed(&mut self, ending: &PushEnding) {
        let Some(push) = &mut self.push else { return };
        let outcome = match ending {
            PushEnding::Accepted => PushOutcome::Accepted,
            PushEnding::Rejected { class, words } => {
                push.rejection = Some(Rejection { class: *class, words: words.clone() });
                PushOutcome::Rejected
            }
            PushEnding::NotSent(fault) => {
                push.fault = Some(fault.clone());
                if push.outcome == PushOutcome::Rejected { PushOutcome::Rejected } else { PushOutcome::NotSent }
            }
            PushEnding::Unknown(fault) => {
                push.fault = Some(fault.clone());
                PushOutcome::Unknown
            }
        };
        // A push without an answer may still have landed; only an acceptance settles that.
        if push.outcome != PushOutcome::Unknown || outcome == PushOutcome::Accepted {
            push.outcome = outcome;
        }
    }

    /// A push is on its way and nobody will wait for its answer.
    pub(super) fn push_abandoned(&mut self, fault: &Fault) {
        self.pushed(&PushEnding::Unknown(fault.clone()));
    }

    pub(super) fn rechecked(&mut self, seen: Result<&Tip, &Fault>) {
        let recheck = self.recheck.get_or_insert_with(Recheck::default);
        recheck.looks = recheck.looks.saturating_add(1);
        match seen {
            Ok(tip) => {
                recheck.tip = tip.commit;
                recheck.observed_at = Some(tip.observed_at);
                recheck.contains_local = Proof::of(self.local, tip).is_some();
                recheck.fault = None;
            }
            Err(fault) => recheck.fault = Some(fault.clone()),
        }
    }

    pub(super) fn partial(&mut self) {
        self.partial_success = Some(PartialSuccess::PushSucceededFetchFailed);
    }

    /// Notes what the controlled sync brought, and tells whether it shows the local tip.
    pub(super) fn recovered(
        &mut self,
        result: Result<Recovery, Fault>,
        not_shown: impl FnOnce() -> FlushError,
    ) -> bool {
        let proves = match &result {
            Ok(recovery) => {
                self.saw(recovery.tip);
                let proves = Proof::of(self.local, &recovery.tip).is_some();
                if !proves {
                    self.fault = Some(Fault::of(&not_shown()));
                }
                proves
            }
            Err(fault) => {
                self.fault = Some(fault.clone());
                false
            }
        };
        self.recovery = Some(result);
        proves
    }

    pub(super) fn verdict(&self, outcome: FlushOutcome, ignored: u64) -> FlushVerdict {
        // A look clears the fault before it; what a failed flush owes to an older push is still the reason.
        let older = || self.push.as_ref().and_then(|push| push.fault.clone());
        let fault = match outcome {
            FlushOutcome::Rejected | FlushOutcome::NotFlushed | FlushOutcome::Unproved | FlushOutcome::Unknown => {
                self.fault.clone().or_else(older)
            }
            FlushOutcome::UpToDate
            | FlushOutcome::Flushed
            | FlushOutcome::Contained
            | FlushOutcome::Recovered
            | FlushOutcome::Behind
            | FlushOutcome::Diverged => None,
        };
        let proof = self.seen.as_ref().and_then(|tip| Proof::of(self.local, tip));
        FlushVerdict {
            outcome,
            seen: self.seen,
            push: self.push.clone(),
            recheck: self.recheck.clone(),
            partial_success: self.partial_success,
            recovery: self.recovery.clone(),
            fault,
            ignored,
            proof,
        }
    }
}
