//! The flush machine in a simulated world: a true upstream, other writers, and a road that loses, doubles, delays and reorders.
//!
//! Whatever happens, every run ends, and no verdict says more than the world had really shown.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use jiff::Timestamp;
use mirror_core::fault::{Fault, FaultClass, Retry};
use mirror_core::flush::{
    Backoff, CallId, Effect, FlushMachine, FlushOutcome, FlushPlan, FlushPolicy, Input, PushEnding, PushOutcome,
    Recovery, RejectionClass, Tip,
};
use mirror_core::name::{BranchName, CommitId};
use mirror_core::sync::{RefOutcome, Relation};
use proptest::prelude::*;

const LOCAL: CommitId = CommitId::from_bytes([100; 20]);

/// What the branch can be upstream: absent, below the local tip, the local tip, above it, or elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Absent,
    Below(u8),
    Local,
    Above(u8),
    Elsewhere(u8),
}

impl Place {
    fn commit(self) -> Option<CommitId> {
        Some(match self {
            Self::Absent => return None,
            Self::Below(n) => CommitId::from_bytes([n; 20]),
            Self::Local => LOCAL,
            Self::Above(n) => CommitId::from_bytes([150 + n; 20]),
            Self::Elsewhere(n) => CommitId::from_bytes([200 + n; 20]),
        })
    }

    fn relation(self) -> Option<Relation> {
        Some(match self {
            Self::Absent => return None,
            Self::Below(n) => Relation::LocalAhead { ahead: u64::from(n) },
            Self::Local => Relation::Same,
            Self::Above(n) => Relation::LocalBehind { behind: u64::from(n) },
            Self::Elsewhere(_) => Relation::Diverged { merge_base: None, ahead: 1, behind: 1 },
        })
    }

    fn has_local(self) -> bool {
        matches!(self, Self::Local | Self::Above(_))
    }
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        1 => Just(Place::Absent),
        5 => (1u8..4).prop_map(Place::Below),
        1 => Just(Place::Local),
        1 => (1u8..4).prop_map(Place::Above),
        1 => (1u8..4).prop_map(Place::Elsewhere),
    ]
}

/// What the road does with one effect.
#[derive(Debug, Clone, Copy)]
enum Road {
    /// It arrives and its answer comes back.
    Works,
    /// It does not arrive, and that is known.
    Fails(Retry),
    /// It arrives, and the answer is lost; the driver says so.
    AnswerLost,
    /// It arrives only later, after the driver has given up on it.
    ArrivesLate,
    /// It arrives, and the driver never says anything.
    Silence,
    /// Upstream refuses whatever comes.
    Refuses(RejectionClass),
}

fn road() -> impl Strategy<Value = Road> {
    let retry = prop_oneof![4 => Just(Retry::Backoff), 1 => Just(Retry::Now), 1 => Just(Retry::Never)];
    let class = prop_oneof![
        2 => Just(RejectionClass::LockRace),
        1 => Just(RejectionClass::Protected),
        1 => Just(RejectionClass::Other),
    ];
    prop_oneof![
        8 => Just(Road::Works),
        3 => retry.prop_map(Road::Fails),
        2 => Just(Road::AnswerLost),
        2 => Just(Road::ArrivesLate),
        1 => Just(Road::Silence),
        1 => class.prop_map(Road::Refuses),
    ]
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    /// The driver takes an effect, which goes this way.
    Perform(Road),
    /// One of the waiting answers is handed in, and perhaps kept to be handed in again.
    Deliver { which: usize, again: bool },
    /// One of the waiting answers is lost.
    Lose { which: usize },
    /// A push that was under way arrives.
    Arrive { which: usize },
    /// Another writer moves the branch.
    Move(Place),
    /// Time passes, perhaps beyond what the machine waits for.
    Wait { millis: u64 },
    /// Time jumps to when the machine wants to be woken.
    WakeUp,
    /// An answer to nothing.
    Forge { id: u64 },
    /// A start, again.
    Start,
    /// The caller wishes to stop.
    Interrupt,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => road().prop_map(Step::Perform),
        10 => (0usize..4, any::<bool>()).prop_map(|(which, again)| Step::Deliver { which, again }),
        1 => (0usize..4).prop_map(|which| Step::Lose { which }),
        2 => (0usize..4).prop_map(|which| Step::Arrive { which }),
        2 => place().prop_map(Step::Move),
        2 => (0u64..3000).prop_map(|millis| Step::Wait { millis }),
        3 => Just(Step::WakeUp),
        1 => (1000u64..1003).prop_map(|id| Step::Forge { id }),
        1 => Just(Step::Start),
        1 => prop::bool::weighted(0.1).prop_map(|stop| if stop { Step::Interrupt } else { Step::WakeUp }),
    ]
}

/// A look that really happened.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Timestamp,
    place: Place,
}

#[derive(Debug)]
struct World {
    upstream: Place,
    /// Counts every event; also the clock that looks are stamped with.
    ticks: i64,
    answers: Vec<Input>,
    under_way: Vec<Option<CommitId>>,
    looks: Vec<Look>,
    /// When the driver took each push.
    pushes: Vec<i64>,
    recoveries: usize,
    /// Whether a push of ours ever moved the branch.
    landed: bool,
    /// Whether an acceptance was handed to the machine.
    told_accepted: bool,
    /// Whether the last push ending handed to the machine was a refusal.
    told_refused: bool,
    /// The tip the machine was last told.
    told_tip: Option<Place>,
}

impl World {
    fn new(upstream: Place) -> Self {
        Self {
            upstream,
            ticks: 0,
            answers: Vec::new(),
            under_way: Vec::new(),
            looks: Vec::new(),
            pushes: Vec::new(),
            recoveries: 0,
            landed: false,
            told_accepted: false,
            told_refused: false,
            told_tip: None,
        }
    }

    fn look(&mut self) -> Tip {
        let at = Timestamp::from_second(self.ticks).unwrap();
        self.looks.push(Look { at, place: self.upstream });
        Tip { commit: self.upstream.commit(), relation: self.upstream.relation(), observed_at: at }
    }

    /// Upstream itself: compares and sets, never forces.
    fn push(&mut self, expected: Option<CommitId>) -> PushEnding {
        if self.upstream.commit() == expected {
            self.upstream = Place::Local;
            self.landed = true;
            PushEnding::Accepted
        } else {
            PushEnding::Rejected { class: RejectionClass::Stale, words: "stale info".to_owned() }
        }
    }

    fn perform(&mut self, effect: Effect, road: Road) {
        self.ticks += 1;
        let id = effect.id();
        let fault = |retry| Fault { retry, class: FaultClass::Upstream, ..Fault::interrupted() };
        let retry = match road {
            Road::Fails(retry) => retry,
            _ => Retry::Backoff,
        };
        let works = matches!(road, Road::Works);
        match effect {
            Effect::Look { .. } => {
                let seen = if works { Ok(self.look()) } else { Err(fault(retry)) };
                if !matches!(road, Road::Silence) {
                    self.answers.push(Input::Looked { id, seen });
                }
            }
            Effect::Recover { .. } => {
                self.recoveries += 1;
                let seen = if works { Ok(self.look()) } else { Err(fault(retry)) };
                let result = seen.map(|tip| Recovery { tip, outcome: RefOutcome::UpToDate });
                if !matches!(road, Road::Silence) {
                    self.answers.push(Input::Recovered { id, result });
                }
            }
            Effect::Push { expected, new, .. } => {
                assert_eq!(new, LOCAL);
                self.pushes.push(self.ticks);
                let ending = match road {
                    Road::Works => self.push(expected),
                    Road::Fails(retry) => PushEnding::NotSent(fault(retry)),
                    Road::Refuses(class) => PushEnding::Rejected { class, words: "no".to_owned() },
                    Road::AnswerLost => {
                        self.push(expected);
                        PushEnding::Unknown(fault(Retry::Backoff))
                    }
                    Road::ArrivesLate => {
                        self.under_way.push(expected);
                        PushEnding::Unknown(fault(Retry::Backoff))
                    }
                    Road::Silence => {
                        self.under_way.push(expected);
                        return;
                    }
                };
                self.answers.push(Input::Pushed { id, ending });
            }
        }
    }

    /// Notes what the machine is about to be told, if it still listens to it.
    fn tell(&mut self, machine: &FlushMachine, input: &Input) {
        let before = machine.ignored();
        let mut probe = machine.clone();
        probe.handle(Duration::ZERO, input.clone());
        if probe.ignored() != before {
            return;
        }
        match input {
            Input::Looked { seen: Ok(tip), .. } | Input::Recovered { result: Ok(Recovery { tip, .. }), .. } => {
                self.told_tip = self.looks.iter().find(|look| look.at == tip.observed_at).map(|look| look.place);
            }
            Input::Pushed { ending, .. } => {
                self.told_accepted |= *ending == PushEnding::Accepted;
                self.told_refused = matches!(ending, PushEnding::Rejected { .. });
            }
            _ => {}
        }
    }
}

const ROUNDS: u32 = 2;
const DEADLINE: Duration = Duration::from_secs(60);

fn machine(seed: u64) -> FlushMachine {
    let plan = FlushPlan { branch: BranchName::parse("gitops").unwrap(), local: LOCAL };
    let policy = FlushPolicy {
        observe_attempts: 3,
        push_rounds: ROUNDS,
        recheck_attempts: 2,
        backoff: Backoff { first: Duration::from_millis(200), max: Duration::from_secs(2) },
        deadline: DEADLINE,
    };
    FlushMachine::new(plan, policy, seed)
}

struct Run {
    machine: FlushMachine,
    world: World,
    now: Duration,
}

impl Run {
    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Perform(road) => {
                let accepted = self.world.told_accepted;
                if let Some(effect) = self.machine.poll_effect() {
                    if let Effect::Push { expected, .. } = &effect {
                        prop_assert!(!accepted, "an accepted push is never followed by another");
                        let told = self.world.told_tip.expect("because a push follows a look");
                        prop_assert_eq!(*expected, told.commit(), "a push expects what was last seen");
                        prop_assert!(
                            matches!(told, Place::Below(_) | Place::Absent),
                            "I3: only a fast-forward is asked for"
                        );
                    }
                    self.world.perform(effect, road);
                }
            }
            Step::Deliver { which, again } if !self.world.answers.is_empty() => {
                let which = which % self.world.answers.len();
                let answer = self.world.answers[which].clone();
                if !again {
                    self.world.answers.remove(which);
                }
                self.hand_in(answer);
            }
            Step::Lose { which } if !self.world.answers.is_empty() => {
                let which = which % self.world.answers.len();
                self.world.answers.remove(which);
            }
            Step::Arrive { which } if !self.world.under_way.is_empty() => {
                let which = which % self.world.under_way.len();
                let expected = self.world.under_way.remove(which);
                self.world.push(expected);
            }
            Step::Deliver { .. } | Step::Lose { .. } | Step::Arrive { .. } => {}
            Step::Move(place) => self.world.upstream = place,
            Step::Wait { millis } => {
                self.now += Duration::from_millis(millis);
                self.machine.handle(self.now, Input::Tick);
            }
            Step::WakeUp => {
                if let Some(due) = self.machine.poll_timeout()
                    && !matches!(due, DEADLINE)
                {
                    self.now = self.now.max(due);
                    self.machine.handle(self.now, Input::Tick);
                }
            }
            Step::Forge { id } => {
                let tip = Tip { commit: Some(LOCAL), relation: Some(Relation::Same), observed_at: Timestamp::MAX };
                self.machine.handle(self.now, Input::Looked { id: CallId::from_raw(id), seen: Ok(tip) });
                let ending = PushEnding::Accepted;
                self.machine.handle(self.now, Input::Pushed { id: CallId::from_raw(id), ending });
            }
            Step::Start => self.machine.handle(self.now, Input::Start),
            Step::Interrupt => self.machine.handle(self.now, Input::Interrupt),
        }
        self.world.ticks += 1;
        Ok(())
    }

    fn hand_in(&mut self, answer: Input) {
        self.world.tell(&self.machine, &answer);
        self.machine.handle(self.now, answer);
    }

    /// Nothing answers any more: the time alone brings the end, in a bounded number of wake-ups.
    fn run_out(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..4 {
            if self.machine.verdict().is_some() {
                return Ok(());
            }
            let due = self.machine.poll_timeout().expect("because a machine that has not ended waits for something");
            prop_assert!(due <= DEADLINE);
            self.now = self.now.max(due);
            self.machine.handle(self.now, Input::Tick);
            if let Some(effect) = self.machine.poll_effect() {
                self.world.perform(effect, Road::Silence);
            }
        }
        Err(TestCaseError::fail("the machine does not end"))
    }
}

fn verify_truth(run: &Run) -> Result<(), TestCaseError> {
    let world = &run.world;
    let verdict = run.machine.verdict().expect("because the run has ended");
    let last_push = world.pushes.last().copied();
    prop_assert!(world.pushes.len() <= usize::try_from(ROUNDS).unwrap() + 1, "pushes are bounded");
    prop_assert!(world.recoveries <= 1, "one controlled sync");

    if let Some(proof) = verdict.proof() {
        let look = world.looks.iter().find(|look| look.at == proof.observed_at());
        let look = look.expect("because a proof is a look that really happened");
        prop_assert!(look.place.has_local(), "the proof shows the local tip");
        prop_assert_eq!(look.place.commit(), Some(proof.tip()));
        if let Some(pushed) = last_push {
            prop_assert!(look.at.as_second() > pushed, "I4: the proof is younger than the last push");
        }
    }
    prop_assert!(!verdict.ok() || verdict.proof().is_some(), "I4: ok needs a proof");

    match verdict.outcome {
        FlushOutcome::UpToDate => prop_assert_eq!(world.told_tip, Some(Place::Local)),
        FlushOutcome::Flushed | FlushOutcome::Contained | FlushOutcome::Recovered => {
            prop_assert!(verdict.ok() && !world.pushes.is_empty());
        }
        FlushOutcome::Behind => prop_assert!(matches!(world.told_tip, Some(Place::Above(_)))),
        FlushOutcome::Diverged => prop_assert!(matches!(world.told_tip, Some(Place::Elsewhere(_)))),
        FlushOutcome::Rejected => prop_assert!(world.told_refused),
        FlushOutcome::NotFlushed => {
            prop_assert!(!world.landed, "it says that nothing was pushed");
            prop_assert!(world.under_way.is_empty(), "and nothing can land any more");
        }
        FlushOutcome::Unproved => prop_assert!(world.told_accepted),
        FlushOutcome::Unknown => prop_assert!(!world.pushes.is_empty() && !world.told_accepted),
    }
    match verdict.push.as_ref().map(|push| push.outcome) {
        None => prop_assert!(world.pushes.is_empty()),
        Some(PushOutcome::Accepted) => prop_assert!(world.told_accepted && world.landed),
        Some(PushOutcome::Rejected | PushOutcome::NotSent) => {
            prop_assert!(!world.landed && world.under_way.is_empty());
        }
        Some(PushOutcome::Unknown) => prop_assert!(!world.told_accepted),
    }
    if verdict.partial_success.is_some() {
        prop_assert!(world.told_accepted, "a partial success is an accepted push");
    }
    prop_assert_eq!(verdict.partial_success_recovered(), verdict.outcome == FlushOutcome::Recovered);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn every_run_ends_and_says_no_more_than_was_seen(
        start in place(),
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut run = Run { machine: machine(seed), world: World::new(start), now: Duration::ZERO };
        run.machine.handle(Duration::ZERO, Input::Start);
        for step in steps {
            run.step(step)?;
            if run.machine.verdict().is_some() {
                break;
            }
        }
        run.run_out()?;
        verify_truth(&run)?;

        // Nothing that comes afterwards changes the verdict.
        let verdict = run.machine.verdict().cloned();
        for answer in run.world.answers.clone() {
            run.machine.handle(run.now, answer);
        }
        run.machine.handle(run.now, Input::Interrupt);
        prop_assert_eq!(run.machine.verdict().cloned(), verdict);
        prop_assert_eq!(run.machine.poll_effect(), None);
        prop_assert_eq!(run.machine.poll_timeout(), None);
    }

    /// Where the road works and nobody interferes, a flush always gets through, whatever the start (R24).
    #[test]
    fn r24_a_quiet_world_is_always_flushed(
        start in prop_oneof![Just(Place::Absent), (1u8..4).prop_map(Place::Below)],
        seed in any::<u64>(),
    ) {
        let mut run = Run { machine: machine(seed), world: World::new(start), now: Duration::ZERO };
        run.machine.handle(Duration::ZERO, Input::Start);
        for _ in 0..8 {
            run.step(Step::Perform(Road::Works))?;
            run.step(Step::Deliver { which: 0, again: false })?;
        }
        prop_assert_eq!(run.machine.verdict().map(|verdict| verdict.outcome), Some(FlushOutcome::Flushed));
        verify_truth(&run)?;
    }
}
