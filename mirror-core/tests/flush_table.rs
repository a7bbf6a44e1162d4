//! Every row of the flush table, by scripted answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use mirror_core::fault::{Fault, FaultClass, Retry};
use mirror_core::flush::{
    Backoff, CallId, Effect, FlushMachine, FlushOutcome, FlushPlan, FlushPolicy, FlushVerdict, Input, PartialSuccess,
    PushEnding, PushOutcome, Recovery, RejectionClass, Stage, Tip,
};
use mirror_core::name::{BranchName, CommitId};
use mirror_core::sync::{RefOutcome, Relation};

const OLD: CommitId = CommitId::from_bytes([1; 20]);
const LOCAL: CommitId = CommitId::from_bytes([2; 20]);
const NEWER: CommitId = CommitId::from_bytes([3; 20]);
const OTHER: CommitId = CommitId::from_bytes([4; 20]);
const OLD_TOO: CommitId = CommitId::from_bytes([5; 20]);

fn tip(commit: Option<CommitId>) -> Tip {
    let relation = commit.map(|commit| match commit {
        LOCAL => Relation::Same,
        OLD | OLD_TOO => Relation::LocalAhead { ahead: 1 },
        NEWER => Relation::LocalBehind { behind: 1 },
        _ => Relation::Diverged { merge_base: Some(OLD), ahead: 1, behind: 1 },
    });
    Tip { commit, relation, observed_at: jiff::Timestamp::UNIX_EPOCH }
}

fn fault(retry: Retry) -> Fault {
    Fault { retry, class: FaultClass::Upstream, ..Fault::interrupted() }
}

/// One answer of the script, to whatever effect is there.
#[derive(Debug, Clone)]
enum Answer {
    Sees(Option<CommitId>),
    SeesWithoutObjects,
    CannotLook(Retry),
    Push(PushEnding),
    Recovers(Option<CommitId>),
    CannotRecover,
    /// No answer comes; time passes until the machine wants to be woken.
    Silence,
    Interrupt,
    /// As [`Answer::Interrupt`], before the driver took the effect.
    InterruptBeforeEffect,
}

use Answer::{
    CannotLook, CannotRecover, Interrupt, InterruptBeforeEffect, Push, Recovers, Sees, SeesWithoutObjects, Silence,
};

fn accepted() -> Answer {
    Push(PushEnding::Accepted)
}

fn rejected(class: RejectionClass) -> Answer {
    Push(PushEnding::Rejected { class, words: "no".to_owned() })
}

fn not_sent(retry: Retry) -> Answer {
    Push(PushEnding::NotSent(fault(retry)))
}

fn unknown() -> Answer {
    Push(PushEnding::Unknown(fault(Retry::Backoff)))
}

/// What the machine did, in short: `look`, `push <expected>`, `recover`, `pause`.
#[derive(Debug)]
struct Run {
    verdict: FlushVerdict,
    did: Vec<String>,
    ended_at: Duration,
}

fn machine() -> FlushMachine {
    let plan = FlushPlan { branch: BranchName::parse("gitops").unwrap(), local: LOCAL };
    let policy = FlushPolicy {
        observe_attempts: 3,
        push_rounds: 3,
        recheck_attempts: 3,
        backoff: Backoff { first: Duration::from_secs(1), max: Duration::from_secs(4) },
        deadline: Duration::from_secs(100),
    };
    FlushMachine::new(plan, policy, 1)
}

/// Gives the answers one by one. The last is repeated where the machine asks for more.
#[track_caller]
fn run(script: &[Answer]) -> Run {
    let mut machine = machine();
    let mut now = Duration::ZERO;
    let mut did = Vec::new();
    let mut script = script.iter().cloned().peekable();
    machine.handle(now, Input::Start);
    for _ in 0..1000 {
        if let Some(verdict) = machine.verdict() {
            assert_eq!(script.len(), 0, "the flush ended before its script, with {verdict:?} after {did:?}");
            return Run { verdict: verdict.clone(), did, ended_at: now };
        }
        if let Some(InterruptBeforeEffect) = script.peek() {
            script.next();
            machine.handle(now, Input::Interrupt);
            continue;
        }
        let Some(effect) = machine.poll_effect() else {
            did.push("pause".to_owned());
            now = machine.poll_timeout().expect("because it waits for something");
            machine.handle(now, Input::Tick);
            continue;
        };
        did.push(match &effect {
            Effect::Look { .. } => "look".to_owned(),
            Effect::Push { expected, new, .. } => {
                assert_eq!(*new, LOCAL);
                format!("push {}", expected.map_or("absent".to_owned(), |old| old.as_bytes()[0].to_string()))
            }
            Effect::Recover { .. } => "recover".to_owned(),
        });
        let id = effect.id();
        let answer = script.next().unwrap_or_else(|| panic!("no answer left for {effect:?} after {did:?}"));
        let input = match answer {
            Sees(commit) => Input::Looked { id, seen: Ok(tip(commit)) },
            SeesWithoutObjects => {
                let seen = Tip { relation: Some(Relation::NeedsObjects), ..tip(Some(OTHER)) };
                Input::Looked { id, seen: Ok(seen) }
            }
            CannotLook(retry) => Input::Looked { id, seen: Err(fault(retry)) },
            Push(ending) => Input::Pushed { id, ending },
            Recovers(commit) => {
                Input::Recovered { id, result: Ok(Recovery { tip: tip(commit), outcome: RefOutcome::UpToDate }) }
            }
            CannotRecover => Input::Recovered { id, result: Err(fault(Retry::Backoff)) },
            Silence => {
                now = machine.poll_timeout().expect("because it waits for an answer");
                Input::Tick
            }
            Interrupt | InterruptBeforeEffect => Input::Interrupt,
        };
        machine.handle(now, input);
    }
    panic!("the flush did not end: {did:?}");
}

#[track_caller]
fn check(script: &[Answer], outcome: FlushOutcome, did: &str) -> Run {
    let run = run(script);
    assert_eq!(run.verdict.outcome, outcome, "{run:?}");
    assert_eq!(run.did.join(", "), did);
    let good = [FlushOutcome::UpToDate, FlushOutcome::Flushed, FlushOutcome::Contained, FlushOutcome::Recovered];
    assert_eq!(run.verdict.ok(), good.contains(&outcome));
    let finding = [FlushOutcome::Behind, FlushOutcome::Diverged].contains(&outcome);
    assert_eq!(run.verdict.fault.is_some(), !run.verdict.ok() && !finding, "what failed says why: {run:?}");
    run
}

#[track_caller]
fn check_push(script: &[Answer], push: PushOutcome, attempts: u32) {
    let record = run(script).verdict.push.expect("because a push was made");
    assert_eq!((record.outcome, record.attempts), (push, attempts));
}

#[test]
fn observe_the_tip_is_local() {
    let run = check(&[Sees(Some(LOCAL))], FlushOutcome::UpToDate, "look");
    assert_eq!(run.verdict.push, None);
    assert_eq!(run.verdict.proof().unwrap().tip(), LOCAL);
}

#[test]
fn observe_the_tip_is_an_ancestor_or_absent() {
    check(&[Sees(Some(OLD)), accepted(), Sees(Some(LOCAL))], FlushOutcome::Flushed, "look, push 1, look");
    check(&[Sees(None), accepted(), Sees(Some(LOCAL))], FlushOutcome::Flushed, "look, push absent, look");
    check_push(&[Sees(Some(OLD)), accepted(), Sees(Some(LOCAL))], PushOutcome::Accepted, 1);
}

#[test]
fn observe_upstream_is_newer() {
    check(&[Sees(Some(NEWER))], FlushOutcome::Behind, "look");
}

#[test]
fn observe_neither_contains_the_other() {
    let run = check(&[Sees(Some(OTHER))], FlushOutcome::Diverged, "look");
    assert_eq!(run.verdict.seen.unwrap().relation.unwrap().merge_base(), Some(OLD));
}

#[test]
fn observe_a_transient_failure_is_waited_out_a_bounded_number_of_times() {
    let soon = CannotLook(Retry::Backoff);
    check(&[soon.clone(), Sees(Some(LOCAL))], FlushOutcome::UpToDate, "look, pause, look");
    let given_up =
        check(&[soon.clone(), soon.clone(), soon], FlushOutcome::NotFlushed, "look, pause, look, pause, look");
    assert_eq!(given_up.verdict.push, None);
    check(&[CannotLook(Retry::Now), Sees(Some(LOCAL))], FlushOutcome::UpToDate, "look, look");
}

#[test]
fn observe_a_fault_that_no_retry_helps_ends_at_once() {
    let run = check(&[CannotLook(Retry::Never)], FlushOutcome::NotFlushed, "look");
    assert_eq!(run.ended_at, Duration::ZERO);
}

#[test]
fn observe_a_tip_whose_objects_did_not_come_decides_nothing() {
    let run = check(
        &[SeesWithoutObjects, SeesWithoutObjects, SeesWithoutObjects],
        FlushOutcome::NotFlushed,
        "look, pause, look, pause, look",
    );
    assert_eq!(run.verdict.fault.unwrap().code, "mirror::flush::undecided");
}

#[test]
fn push_a_race_is_looked_at_again_at_most_three_times() {
    for class in [RejectionClass::Stale, RejectionClass::NonFastForward] {
        check(
            &[Sees(Some(OLD)), rejected(class), Sees(Some(OLD_TOO)), accepted(), Sees(Some(LOCAL))],
            FlushOutcome::Flushed,
            "look, push 1, look, push 5, look",
        );
    }
    check(
        &[Sees(Some(OLD)), rejected(RejectionClass::LockRace), Sees(Some(OLD)), accepted(), Sees(Some(LOCAL))],
        FlushOutcome::Flushed,
        "look, push 1, pause, look, push 1, look",
    );
    let again = [Sees(Some(OLD)), rejected(RejectionClass::Stale)];
    let script: Vec<_> = again.iter().cycle().take(8).cloned().collect();
    let run = check(&script, FlushOutcome::Rejected, "look, push 1, look, push 1, look, push 1, look, push 1");
    assert_eq!(run.verdict.fault.unwrap().code, "mirror::flush::raced");
    check_push(&script, PushOutcome::Rejected, 4);
}

#[test]
fn push_a_race_that_ends_in_divergence_is_a_finding() {
    let run = check(
        &[Sees(Some(OLD)), rejected(RejectionClass::Stale), Sees(Some(OTHER))],
        FlushOutcome::Diverged,
        "look, push 1, look",
    );
    assert_eq!(run.verdict.push.unwrap().rejection.unwrap().class, RejectionClass::Stale);
}

#[test]
fn push_a_refusal_ends_with_the_servers_words() {
    use RejectionClass::{HookDeclined, NoPermission, Other, Protected};
    for class in [Protected, HookDeclined, NoPermission, Other] {
        let run = check(&[Sees(Some(OLD)), rejected(class)], FlushOutcome::Rejected, "look, push 1");
        let rejection = run.verdict.push.unwrap().rejection.unwrap();
        assert_eq!((rejection.class, rejection.words.as_str()), (class, "no"));
        let fault = run.verdict.fault.unwrap();
        assert_eq!(
            (fault.code.as_str(), fault.class, fault.retry),
            ("mirror::flush::rejected", FaultClass::Failed, Retry::Never)
        );
    }
}

#[test]
fn push_that_could_not_be_sent_is_tried_again_unless_no_retry_helps() {
    check(
        &[Sees(Some(OLD)), not_sent(Retry::Backoff), Sees(Some(OLD)), accepted(), Sees(Some(LOCAL))],
        FlushOutcome::Flushed,
        "look, push 1, pause, look, push 1, look",
    );
    check(&[Sees(Some(OLD)), not_sent(Retry::Never)], FlushOutcome::NotFlushed, "look, push 1");
    check_push(&[Sees(Some(OLD)), not_sent(Retry::Never)], PushOutcome::NotSent, 1);
}

#[test]
fn push_without_an_answer_is_rechecked_as_unknown() {
    let landed = [Sees(Some(OLD)), unknown(), Sees(Some(LOCAL))];
    check(&landed, FlushOutcome::Flushed, "look, push 1, look");
    check_push(&landed, PushOutcome::Unknown, 1);
}

#[test]
fn recheck_a_newer_tip_that_contains_the_local_one_is_good() {
    check(&[Sees(Some(OLD)), accepted(), Sees(Some(NEWER))], FlushOutcome::Contained, "look, push 1, look");
    check(&[Sees(Some(OLD)), unknown(), Sees(Some(NEWER))], FlushOutcome::Contained, "look, push 1, look");
}

#[test]
fn recheck_an_accepted_push_that_does_not_show_is_looked_for_until_the_deadline() {
    check(
        &[Sees(Some(OLD)), accepted(), Sees(Some(OLD)), Sees(Some(OLD)), Sees(Some(LOCAL))],
        FlushOutcome::Flushed,
        "look, push 1, look, pause, look, pause, look",
    );
    let mut machine = machine();
    let mut now = Duration::ZERO;
    machine.handle(now, Input::Start);
    let mut looks = 0;
    while machine.verdict().is_none() {
        match machine.poll_effect() {
            Some(Effect::Look { id }) => {
                looks += 1;
                machine.handle(now, Input::Looked { id, seen: Ok(tip(Some(OLD))) });
            }
            Some(Effect::Push { id, .. }) => machine.handle(now, Input::Pushed { id, ending: PushEnding::Accepted }),
            Some(Effect::Recover { .. }) => panic!("upstream can be looked at"),
            None => {
                now = machine.poll_timeout().unwrap();
                machine.handle(now, Input::Tick);
            }
        }
    }
    let verdict = machine.verdict().unwrap();
    assert_eq!((verdict.outcome, now), (FlushOutcome::Unproved, Duration::from_secs(100)));
    assert_eq!(verdict.fault.as_ref().unwrap().code, "mirror::flush::not_shown");
    assert_eq!(verdict.push.as_ref().unwrap().outcome, PushOutcome::Accepted);
    assert!(looks > 20, "it goes on looking: {looks}");
    assert!(verdict.partial_success.is_none(), "upstream could be looked at");
}

#[test]
fn recheck_an_unknown_push_that_does_not_show_is_pushed_again_bounded() {
    check(
        &[Sees(Some(OLD)), unknown(), Sees(Some(OLD)), accepted(), Sees(Some(LOCAL))],
        FlushOutcome::Flushed,
        "look, push 1, look, push 1, look",
    );
    // The first push landed late, so that the second is stale; that is no race with anybody else.
    check(
        &[Sees(Some(OLD)), unknown(), Sees(Some(OLD)), rejected(RejectionClass::Stale), Sees(Some(LOCAL))],
        FlushOutcome::Flushed,
        "look, push 1, look, push 1, look",
    );
    let mut script = vec![Sees(Some(OLD))];
    for _ in 0..4 {
        script.extend([unknown(), Sees(Some(OLD))]);
    }
    let run = check(&script, FlushOutcome::Unknown, "look, push 1, look, push 1, look, push 1, look, push 1, look");
    assert_eq!(run.verdict.push.unwrap().attempts, 4);
}

#[test]
fn after_an_unknown_push_nothing_is_said_to_have_failed_for_good() {
    check(
        &[Sees(Some(OLD)), unknown(), Sees(Some(OLD)), not_sent(Retry::Never)],
        FlushOutcome::Unknown,
        "look, push 1, look, push 1",
    );
    check_push(&[Sees(Some(OLD)), unknown(), Sees(Some(OLD)), not_sent(Retry::Never)], PushOutcome::Unknown, 2);
}

#[test]
fn r15_recheck_that_cannot_look_after_an_accepted_push_is_a_partial_success_and_one_sync() {
    let script = [Sees(Some(OLD)), accepted(), CannotLook(Retry::Backoff), Recovers(Some(LOCAL))];
    let run = check(&script, FlushOutcome::Recovered, "look, push 1, look, recover");
    assert_eq!(run.verdict.partial_success, Some(PartialSuccess::PushSucceededFetchFailed));
    assert!(run.verdict.partial_success_recovered());
    assert!(run.verdict.recheck.unwrap().fault.is_some(), "the failed look is told");
}

#[test]
fn recheck_an_outdated_look_is_made_again_at_once_and_is_no_failure() {
    let outdated = CannotLook(Retry::Now);
    let script = [Sees(Some(OLD)), accepted(), outdated.clone(), Sees(Some(LOCAL))];
    let run = check(&script, FlushOutcome::Flushed, "look, push 1, look, look");
    assert_eq!(run.verdict.partial_success, None);
    check(
        &[Sees(Some(OLD)), accepted(), outdated.clone(), outdated.clone(), outdated, Recovers(Some(LOCAL))],
        FlushOutcome::Recovered,
        "look, push 1, look, look, look, recover",
    );
}

#[test]
fn r16_a_recovery_that_fails_or_shows_another_tip_is_not_good() {
    let until = [Sees(Some(OLD)), accepted(), CannotLook(Retry::Never)];
    let with = |last: Answer| [&until[..], &[last]].concat();
    let failed = check(&with(CannotRecover), FlushOutcome::Unproved, "look, push 1, look, recover");
    assert!(!failed.verdict.partial_success_recovered());
    assert_eq!(failed.verdict.partial_success, Some(PartialSuccess::PushSucceededFetchFailed));
    let elsewhere = check(&with(Recovers(Some(OLD))), FlushOutcome::Unproved, "look, push 1, look, recover");
    assert_eq!(elsewhere.verdict.fault.unwrap().code, "mirror::flush::not_recovered");
    check(&with(Recovers(Some(NEWER))), FlushOutcome::Recovered, "look, push 1, look, recover");
}

#[test]
fn recheck_that_cannot_look_after_an_unknown_push_ends_unknown() {
    let soon = CannotLook(Retry::Backoff);
    check(
        &[Sees(Some(OLD)), unknown(), soon.clone(), soon.clone(), soon],
        FlushOutcome::Unknown,
        "look, push 1, look, pause, look, pause, look",
    );
    let run =
        check(&[Sees(Some(OLD)), unknown(), CannotLook(Retry::Never)], FlushOutcome::Unknown, "look, push 1, look");
    assert_eq!(run.verdict.push.unwrap().outcome, PushOutcome::Unknown);
}

#[test]
fn recheck_that_finds_another_history_is_a_finding() {
    check(&[Sees(Some(OLD)), accepted(), Sees(Some(OTHER))], FlushOutcome::Diverged, "look, push 1, look");
    check(&[Sees(Some(OLD)), unknown(), Sees(Some(OTHER))], FlushOutcome::Diverged, "look, push 1, look");
}

#[test]
fn an_interrupt_ends_with_what_is_known() {
    check(&[Interrupt], FlushOutcome::NotFlushed, "look");
    check(&[Sees(Some(OLD)), InterruptBeforeEffect], FlushOutcome::NotFlushed, "look");
    let sent = check(&[Sees(Some(OLD)), Interrupt], FlushOutcome::Unknown, "look, push 1");
    assert_eq!(sent.verdict.push.unwrap().outcome, PushOutcome::Unknown);
    check(&[Sees(Some(OLD)), accepted(), Interrupt], FlushOutcome::Unproved, "look, push 1, look");
    check(&[Sees(Some(OLD)), unknown(), Interrupt], FlushOutcome::Unknown, "look, push 1, look");
    let again = [Sees(Some(OLD)), unknown(), Sees(Some(OLD)), InterruptBeforeEffect];
    check(&again, FlushOutcome::Unknown, "look, push 1, look");
    let recovering = [Sees(Some(OLD)), accepted(), CannotLook(Retry::Never), Interrupt];
    let run = check(&recovering, FlushOutcome::Unproved, "look, push 1, look, recover");
    assert_eq!(run.verdict.fault.unwrap().code, "mirror::interrupted");
}

#[test]
fn an_interrupt_before_the_start_ends_too() {
    let mut machine = machine();
    machine.handle(Duration::ZERO, Input::Interrupt);
    assert_eq!(machine.verdict().unwrap().outcome, FlushOutcome::NotFlushed);
    machine.handle(Duration::ZERO, Input::Start);
    assert_eq!(machine.poll_effect(), None);
}

#[test]
fn silence_ends_at_the_deadline_with_what_is_known() {
    let check_silence = |script: &[Answer], outcome, did| {
        let run = check(script, outcome, did);
        assert_eq!(run.ended_at, Duration::from_secs(100));
        assert_eq!(run.verdict.fault.unwrap().class, FaultClass::Busy);
    };
    check_silence(&[Silence], FlushOutcome::NotFlushed, "look");
    check_silence(&[Sees(Some(OLD)), Silence], FlushOutcome::Unknown, "look, push 1");
    check_silence(&[Sees(Some(OLD)), accepted(), Silence], FlushOutcome::Unproved, "look, push 1, look");
    check_silence(&[Sees(Some(OLD)), unknown(), Silence], FlushOutcome::Unknown, "look, push 1, look");
    check_silence(
        &[Sees(Some(OLD)), accepted(), CannotLook(Retry::Backoff), Silence],
        FlushOutcome::Unproved,
        "look, push 1, look, recover",
    );
}

#[test]
fn an_answer_that_comes_with_the_deadline_still_counts() {
    let mut machine = machine();
    machine.handle(Duration::ZERO, Input::Start);
    let id = machine.poll_effect().unwrap().id();
    machine.handle(Duration::from_secs(500), Input::Looked { id, seen: Ok(tip(Some(LOCAL))) });
    assert_eq!(machine.verdict().unwrap().outcome, FlushOutcome::UpToDate);
}

#[test]
fn what_does_not_fit_is_counted_and_changes_nothing() {
    let mut machine = machine();
    let now = Duration::ZERO;
    machine.handle(now, Input::Looked { id: CallId::from_raw(1), seen: Ok(tip(Some(LOCAL))) });
    assert_eq!((machine.ignored(), machine.verdict()), (1, None), "before the start");
    machine.handle(now, Input::Start);
    machine.handle(now, Input::Start);
    assert_eq!(machine.ignored(), 2, "a second start");
    machine.handle(now, Input::Looked { id: CallId::from_raw(1), seen: Ok(tip(Some(LOCAL))) });
    assert_eq!((machine.ignored(), machine.verdict()), (3, None), "an effect nobody took yet");
    let id = machine.poll_effect().unwrap().id();
    assert_eq!(machine.poll_effect(), None, "an effect is given out once");
    machine.handle(now, Input::Looked { id: CallId::from_raw(99), seen: Ok(tip(Some(LOCAL))) });
    machine.handle(now, Input::Pushed { id, ending: PushEnding::Accepted });
    machine.handle(now, Input::Recovered { id, result: Err(fault(Retry::Now)) });
    assert_eq!((machine.ignored(), machine.stage()), (6, Stage::Observe), "an unknown id, and answers of another kind");
    machine.handle(now, Input::Looked { id, seen: Ok(tip(Some(OLD))) });
    assert_eq!(machine.stage(), Stage::Push);
    machine.handle(now, Input::Looked { id, seen: Ok(tip(Some(LOCAL))) });
    assert_eq!((machine.ignored(), machine.stage()), (7, Stage::Push), "a doubled answer");
}
