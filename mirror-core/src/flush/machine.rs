//! The machine: it tells the answers apart, walks the table, and keeps what it learned for the verdict.

use std::time::Duration;

use super::backoff::Jitter;
use super::fault::FlushError;
use super::record::Record;
use super::{
    CallId, Decision, Effect, Event, FlushOutcome, FlushPlan, FlushPolicy, FlushVerdict, Input, Next, PushEnding,
    Recovery, Stage, Tip, decide, transition,
};
use crate::fault::{Fault, Retry};

/// Decides the course of one flush. It does nothing by itself.
///
/// The driver's contract: give [`Input::Start`]; then, until [`verdict`](Self::verdict) is there, do what
/// [`poll_effect`](Self::poll_effect) says and answer with the same id, and give [`Input::Tick`] when the time that
/// [`poll_timeout`](Self::poll_timeout) names has come. At most one effect is under way at a time; one that is still under way when
/// the verdict is there is to be dropped.
///
/// # Invariants
/// - `handle` accepts every input at every time: what does not fit (late, doubled, unknown) is counted and changes nothing.
/// - Every run ends: pushes and failed looks are counted, all else is bounded by the deadline.
/// - The verdict is good only with a [`Proof`](super::Proof) from a look that was begun after the last push had ended.
/// - An accepted push is never followed by another push.
#[derive(Debug, Clone)]
pub struct FlushMachine {
    plan: FlushPlan,
    policy: FlushPolicy,
    jitter: Jitter,
    /// The latest time that was told; time that runs backwards stands still instead.
    now: Duration,
    deadline: Duration,
    stage: Stage,
    activity: Activity,
    last_id: u64,
    /// The upstream value the next push expects.
    expected: Option<crate::name::CommitId>,
    /// Looks that failed in a row.
    failures: u32,
    /// Pauses since the stage was entered.
    pauses: u32,
    record: Record,
    ignored: u64,
    verdict: Option<FlushVerdict>,
}

/// What the machine is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    /// The start.
    Idle,
    /// The driver, to take the effect.
    Offered(CallId),
    /// The answer.
    InFlight(CallId),
    /// A pause to pass.
    Paused { until: Duration },
    /// Nothing any more.
    Ended,
}

/// Whether a stage is entered at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    AtOnce,
    AfterPause,
}

impl FlushMachine {
    /// Makes a machine that waits for [`Input::Start`]. The seed spreads the pauses of machines that fail together.
    #[must_use]
    pub fn new(plan: FlushPlan, policy: FlushPolicy, seed: u64) -> Self {
        let record = Record::new(plan.local);
        Self {
            plan,
            policy,
            jitter: Jitter::new(seed),
            now: Duration::ZERO,
            deadline: Duration::MAX,
            stage: Stage::Observe,
            activity: Activity::Idle,
            last_id: 0,
            expected: None,
            failures: 0,
            pauses: 0,
            record,
            ignored: 0,
            verdict: None,
        }
    }

    /// Takes an input. `now` is the time since some fixed moment; it is compared with nothing but itself.
    pub fn handle(&mut self, now: Duration, input: Input) {
        self.now = self.now.max(now);
        if self.verdict.is_some() {
            self.ignored += 1;
            return;
        }
        match input {
            Input::Start if self.activity == Activity::Idle => {
                self.deadline = self.now.saturating_add(self.policy.deadline);
                self.enter(Stage::Observe, Pace::AtOnce);
            }
            Input::Looked { id, seen } if self.awaits(id, Call::Look) => self.looked(seen),
            Input::Pushed { id, ending } if self.awaits(id, Call::Push) => self.pushed(ending),
            Input::Recovered { id, result } if self.awaits(id, Call::Recover) => self.recovered(result),
            Input::Tick => {}
            Input::Interrupt => self.stop(Fault::interrupted()),
            Input::Start | Input::Looked { .. } | Input::Pushed { .. } | Input::Recovered { .. } => self.ignored += 1,
        }
        self.keep_time();
    }

    /// Takes the effect that is to be done now, once.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        let Activity::Offered(id) = self.activity else { return None };
        self.activity = Activity::InFlight(id);
        Some(match Call::of(self.stage) {
            Call::Look => Effect::Look { id },
            Call::Push => {
                self.record.push_sent(self.expected);
                Effect::Push { id, expected: self.expected, new: self.plan.local }
            }
            Call::Recover => Effect::Recover { id },
        })
    }

    /// When the next [`Input::Tick`] is due, on the clock of [`handle`](Self::handle); nothing before the start and after the end.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.activity {
            Activity::Idle | Activity::Ended => None,
            Activity::Offered(_) | Activity::InFlight(_) => Some(self.deadline),
            Activity::Paused { until } => Some(until.min(self.deadline)),
        }
    }

    /// What the flush concludes, once it has ended.
    #[must_use]
    pub const fn verdict(&self) -> Option<&FlushVerdict> {
        self.verdict.as_ref()
    }

    /// Where the flush stands.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// How many inputs came late, twice or for no reason.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    fn awaits(&self, id: CallId, call: Call) -> bool {
        self.activity == Activity::InFlight(id) && Call::of(self.stage) == call
    }

    fn looked(&mut self, seen: Result<Tip, Fault>) {
        let rechecking = matches!(self.stage, Stage::Recheck | Stage::RecheckUnknown);
        let seen = seen.and_then(|tip| match decide(self.plan.local, &tip) {
            Decision::NeedsObjects => Err(Fault::of(&FlushError::Undecided { branch: self.plan.branch.clone() })),
            decision => Ok((tip, decision)),
        });
        if rechecking {
            self.record.rechecked(seen.as_ref().map(|(tip, _)| tip));
        }
        let (tip, decision) = match seen {
            Ok(seen) => seen,
            Err(fault) => return self.look_failed(fault),
        };
        self.failures = 0;
        self.record.saw(tip);
        let event = match decision {
            Decision::InSync => Event::TipIsLocal,
            Decision::Behind => Event::TipContainsLocal,
            Decision::Push { expected } => {
                self.expected = expected;
                if self.stage == Stage::RecheckUnknown && self.rounds_used_up() {
                    Event::TipBehindLocalRoundsUsedUp
                } else {
                    Event::TipBehindLocal
                }
            }
            Decision::Diverged | Decision::NeedsObjects => Event::TipDiverged,
        };
        self.advance(event, Pace::AtOnce);
    }

    fn look_failed(&mut self, fault: Fault) {
        self.failures = self.failures.saturating_add(1);
        let attempts = match self.stage {
            Stage::Observe => self.policy.observe_attempts,
            _ => self.policy.recheck_attempts,
        };
        let event = match fault.retry {
            Retry::Now if self.failures < attempts => Event::LookOutdated,
            Retry::Backoff if self.failures < attempts => Event::LookFailed,
            Retry::Now | Retry::Backoff | Retry::Never => Event::LookFailedForGood,
        };
        let pace = pace_of(fault.retry);
        self.record.fault = Some(fault);
        self.advance(event, pace);
    }

    fn pushed(&mut self, ending: PushEnding) {
        let used_up = self.rounds_used_up();
        self.record.pushed(&ending);
        let (event, pace) = match ending {
            PushEnding::Accepted => (Event::Accepted, Pace::AtOnce),
            PushEnding::Rejected { class, words } if class.is_race() => {
                let (branch, attempts) = (self.plan.branch.clone(), self.record.pushes());
                self.record.fault = Some(Fault::of(&FlushError::Raced { branch, attempts, words }));
                let event = if used_up { Event::RacedTooOften } else { Event::Raced };
                (event, if class == super::RejectionClass::LockRace { Pace::AfterPause } else { Pace::AtOnce })
            }
            PushEnding::Rejected { class, words } => {
                let branch = self.plan.branch.clone();
                self.record.fault = Some(Fault::of(&FlushError::Rejected { branch, class, words }));
                (Event::Refused, Pace::AtOnce)
            }
            PushEnding::NotSent(fault) => {
                let event = if fault.retry == Retry::Never || used_up { Event::NotSentForGood } else { Event::NotSent };
                let pace = pace_of(fault.retry);
                self.record.fault = Some(fault);
                (event, pace)
            }
            PushEnding::Unknown(fault) => {
                self.record.fault = Some(fault);
                (Event::NoAnswer, Pace::AtOnce)
            }
        };
        self.failures = 0;
        self.advance(event, pace);
    }

    fn recovered(&mut self, result: Result<Recovery, Fault>) {
        let proves = self.record.recovered(result, || FlushError::NotRecovered { branch: self.plan.branch.clone() });
        self.advance(if proves { Event::RecoveryProves } else { Event::RecoveryDoesNot }, Pace::AtOnce);
    }

    fn rounds_used_up(&self) -> bool {
        self.record.pushes() > self.policy.push_rounds
    }

    /// Ends the flush from outside, with what is known.
    fn stop(&mut self, fault: Fault) {
        let in_flight = matches!(self.activity, Activity::InFlight(_)) && Call::of(self.stage) == Call::Push;
        if in_flight {
            self.record.push_abandoned(&fault);
        }
        self.record.fault = Some(fault);
        self.advance(if in_flight { Event::StoppedInFlight } else { Event::Stopped }, Pace::AtOnce);
    }

    fn keep_time(&mut self) {
        if matches!(self.activity, Activity::Idle | Activity::Ended) {
            return;
        }
        if self.now >= self.deadline {
            self.stop(self.deadline_fault());
        } else if let Activity::Paused { until } = self.activity
            && self.now >= until
        {
            self.offer();
        }
    }

    /// A deadline that passed while an accepted push did not show has a name of its own.
    fn deadline_fault(&self) -> Fault {
        let waited = self.policy.deadline;
        if self.stage == Stage::Recheck && self.record.rechecks() > 0 {
            Fault::of(&FlushError::NotShown { branch: self.plan.branch.clone(), waited })
        } else {
            Fault::deadline(waited)
        }
    }

    fn advance(&mut self, event: Event, pace: Pace) {
        match transition(self.stage, event) {
            Some(Next::Enter(Stage::Recover)) => {
                self.record.partial();
                // The controlled sync waits out transient faults by itself.
                self.enter(Stage::Recover, Pace::AtOnce);
            }
            Some(Next::Enter(stage)) => {
                self.pauses = 0;
                self.enter(stage, pace);
            }
            Some(Next::Again) => self.enter(
                self.stage,
                if matches!(event, Event::LookOutdated | Event::LookFailed) { pace } else { Pace::AfterPause },
            ),
            Some(Next::Done(outcome)) => self.finish(outcome),
            // The events are told apart by stage, so this cannot be; the deadline would end a machine that came here.
            None => self.ignored += 1,
        }
    }

    fn enter(&mut self, stage: Stage, pace: Pace) {
        self.stage = stage;
        match pace {
            Pace::AtOnce => self.offer(),
            Pace::AfterPause => {
                self.pauses = self.pauses.saturating_add(1);
                let rank = self.pauses.max(self.record.pushes());
                let until = self.now.saturating_add(self.jitter.pause(self.policy.backoff, rank));
                self.activity = Activity::Paused { until };
            }
        }
    }

    fn offer(&mut self) {
        self.last_id += 1;
        self.activity = Activity::Offered(CallId::from_raw(self.last_id));
    }

    fn finish(&mut self, outcome: FlushOutcome) {
        self.activity = Activity::Ended;
        self.verdict = Some(self.record.verdict(outcome, self.ignored));
    }
}

fn pace_of(retry: Retry) -> Pace {
    match retry {
        Retry::Now => Pace::AtOnce,
        Retry::Backoff | Retry::Never => Pace::AfterPause,
    }
}

/// Which effect a stage is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Look,
    Push,
    Recover,
}

impl Call {
    const fn of(stage: Stage) -> Self {
        match stage {
            Stage::Observe | Stage::Recheck | Stage::RecheckUnknown => Self::Look,
            Stage::Push | Stage::PushAgain => Self::Push,
            Stage::Recover => Self::Recover,
        }
    }
}
