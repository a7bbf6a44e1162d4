//! The transition table itself: total where it must be, ending everywhere, and drawn as it is.

use std::collections::BTreeSet;

use super::*;

fn steps() -> impl Iterator<Item = (Stage, Event, Next)> {
    Stage::ALL
        .into_iter()
        .flat_map(|stage| Event::ALL.map(|event| (stage, event)))
        .filter_map(|(stage, event)| Some((stage, event, transition(stage, event)?)))
}

#[test]
fn every_stage_is_reached_from_observe_and_every_stage_can_end() {
    let mut reached = BTreeSet::from([Stage::Observe]);
    for _ in Stage::ALL {
        for (from, _, next) in steps() {
            if let (true, Next::Enter(to)) = (reached.contains(&from), next) {
                reached.insert(to);
            }
        }
    }
    assert_eq!(reached, BTreeSet::from(Stage::ALL));
    for stage in Stage::ALL {
        assert!(matches!(transition(stage, Event::Stopped), Some(Next::Done(_))), "{stage:?} can be stopped");
    }
}

#[test]
fn every_outcome_is_reached() {
    let ends = steps().filter_map(|(_, _, next)| match next {
        Next::Done(outcome) => Some(outcome),
        Next::Enter(_) | Next::Again => None,
    });
    assert_eq!(ends.collect::<BTreeSet<_>>(), BTreeSet::from(FlushOutcome::ALL));
}

#[test]
fn i4_success_follows_only_from_a_look_that_shows_the_local_tip() {
    for (stage, event, next) in steps() {
        if let Next::Done(outcome) = next
            && outcome.is_success()
        {
            let shows = matches!(event, Event::TipIsLocal | Event::TipContainsLocal | Event::RecoveryProves);
            assert!(shows, "{stage:?} ends {outcome} on {event:?}");
        }
    }
}

#[test]
fn nothing_is_pushed_after_an_acceptance() {
    let mut after = BTreeSet::from([Stage::Recheck]);
    for _ in Stage::ALL {
        for (from, _, next) in steps() {
            if let (true, Next::Enter(to)) = (after.contains(&from), next) {
                after.insert(to);
            }
        }
    }
    assert_eq!(after, BTreeSet::from([Stage::Recheck, Stage::Recover]));
}

#[test]
fn a_push_that_may_have_landed_is_never_said_to_have_failed() {
    let uncertain = [Stage::PushAgain, Stage::RecheckUnknown];
    for (stage, event, next) in steps().filter(|(stage, ..)| uncertain.contains(stage)) {
        assert_ne!(next, Next::Done(FlushOutcome::NotFlushed), "{stage:?} on {event:?}");
        assert_ne!(next, Next::Enter(Stage::Observe), "{stage:?} on {event:?}");
    }
}

#[test]
fn the_diagram_shows_every_transition() {
    let drawn = diagram();
    for (stage, event, next) in steps() {
        let to = match next {
            Next::Enter(to) => to.as_str().to_owned(),
            Next::Again => stage.as_str().to_owned(),
            Next::Done(outcome) => format!("done_{}", outcome.as_str().replace('-', "_")),
        };
        let arrow = format!("    {} --> {to}: ", stage.as_str());
        let line = drawn.lines().find(|line| line.starts_with(&arrow)).unwrap_or_else(|| panic!("no {arrow}"));
        assert!(line.contains(event.as_str()), "{line} lacks {event:?}");
    }
    let arrows = drawn.lines().filter(|line| line.contains(": ")).flat_map(|line| line.split(" / "));
    assert_eq!(arrows.count(), steps().count(), "and nothing else");
}
