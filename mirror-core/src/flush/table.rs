//! The transition table of a flush: the one place that says what follows from what. The machine walks it, the diagram is drawn
//! from it, and the tests read the design's table against it.

use super::FlushOutcome;

/// Where a flush stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Looking at upstream's tip before anything was sent.
    Observe,
    /// Pushing.
    Push,
    /// Pushing again, after a push whose answer was lost: that one may still have landed.
    PushAgain,
    /// Looking again, after an accepted push.
    Recheck,
    /// Looking again, after a push whose answer was lost.
    RecheckUnknown,
    /// Making the one controlled sync, after an accepted push that could not be looked at.
    Recover,
}

/// What can happen to a flush, already told apart by the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Upstream's tip is the local one.
    TipIsLocal,
    /// Upstream's tip is an ancestor of the local one, or absent.
    TipBehindLocal,
    /// The same, and no push is left to try.
    TipBehindLocalRoundsUsedUp,
    /// Upstream's tip contains the local one.
    TipContainsLocal,
    /// Neither contains the other.
    TipDiverged,
    /// The answer to a look was outdated rather than wrong; asking again at once shows the present.
    LookOutdated,
    /// Upstream could not be looked at; another attempt may help.
    LookFailed,
    /// Upstream could not be looked at, and no attempt is left or none can help.
    LookFailedForGood,
    /// Upstream took the push.
    Accepted,
    /// Upstream refused the push because another writer came between.
    Raced,
    /// The same, and no push is left to try.
    RacedTooOften,
    /// Upstream refused the push for another reason.
    Refused,
    /// The push failed before anything was sent; another attempt may help.
    NotSent,
    /// The same, and no attempt is left or none can help.
    NotSentForGood,
    /// The push was sent and no answer came.
    NoAnswer,
    /// The controlled sync saw a tip that is, or contains, the local one.
    RecoveryProves,
    /// It failed, or saw another.
    RecoveryDoesNot,
    /// The deadline passed or the flush was interrupted; no push of this stage is on its way.
    Stopped,
    /// The same, while a push was on its way.
    StoppedInFlight,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Next {
    /// Another stage begins.
    Enter(Stage),
    /// The stage begins again after a pause.
    Again,
    /// The flush has ended.
    Done(FlushOutcome),
}

impl Stage {
    /// Every stage, in the order of the flow.
    pub const ALL: [Self; 6] =
        [Self::Observe, Self::Push, Self::PushAgain, Self::Recheck, Self::RecheckUnknown, Self::Recover];

    /// The name used in the diagram.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "Observe",
            Self::Push => "Push",
            Self::PushAgain => "PushAgain",
            Self::Recheck => "Recheck",
            Self::RecheckUnknown => "RecheckUnknown",
            Self::Recover => "Recover",
        }
    }
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 19] = [
        Self::TipIsLocal,
        Self::TipBehindLocal,
        Self::TipBehindLocalRoundsUsedUp,
        Self::TipContainsLocal,
        Self::TipDiverged,
        Self::LookOutdated,
        Self::LookFailed,
        Self::LookFailedForGood,
        Self::Accepted,
        Self::Raced,
        Self::RacedTooOften,
        Self::Refused,
        Self::NotSent,
        Self::NotSentForGood,
        Self::NoAnswer,
        Self::RecoveryProves,
        Self::RecoveryDoesNot,
        Self::Stopped,
        Self::StoppedInFlight,
    ];

    /// The words used in the diagram.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TipIsLocal => "tip = L",
            Self::TipBehindLocal => "tip ancestor of L, or absent",
            Self::TipBehindLocalRoundsUsedUp => "tip ancestor of L, no round left",
            Self::TipContainsLocal => "tip contains L",
            Self::TipDiverged => "neither contains the other",
            Self::LookOutdated => "the look is outdated",
            Self::LookFailed => "cannot look, transient",
            Self::LookFailedForGood => "cannot look",
            Self::Accepted => "accepted",
            Self::Raced => "rejected, raced",
            Self::RacedTooOften => "rejected, raced too often",
            Self::Refused => "rejected, refused",
            Self::NotSent => "not sent, transient",
            Self::NotSentForGood => "not sent",
            Self::NoAnswer => "no answer",
            Self::RecoveryProves => "sync shows L",
            Self::RecoveryDoesNot => "sync does not show L",
            Self::Stopped => "deadline or interrupt",
            Self::StoppedInFlight => "deadline or interrupt, push on its way",
        }
    }
}

/// Says what follows from an event in a stage; nothing where the event cannot happen there.
#[must_use]
pub const fn transition(stage: Stage, event: Event) -> Option<Next> {
    match stage {
        Stage::Observe => observe(event),
        Stage::Push => push(event),
        Stage::PushAgain => push_again(event),
        Stage::Recheck => recheck(event),
        Stage::RecheckUnknown => recheck_unknown(event),
        Stage::Recover => recover(event),
    }
}

const fn observe(event: Event) -> Option<Next> {
    Some(match event {
        Event::TipIsLocal => Next::Done(FlushOutcome::UpToDate),
        Event::TipBehindLocal => Next::Enter(Stage::Push),
        Event::TipContainsLocal => Next::Done(FlushOutcome::Behind),
        Event::TipDiverged => Next::Done(FlushOutcome::Diverged),
        Event::LookOutdated | Event::LookFailed => Next::Again,
        Event::LookFailedForGood | Event::Stopped => Next::Done(FlushOutcome::NotFlushed),
        _ => return None,
    })
}

const fn push(event: Event) -> Option<Next> {
    Some(match event {
        Event::Accepted => Next::Enter(Stage::Recheck),
        Event::Raced | Event::NotSent => Next::Enter(Stage::Observe),
        Event::RacedTooOften | Event::Refused => Next::Done(FlushOutcome::Rejected),
        Event::NotSentForGood | Event::Stopped => Next::Done(FlushOutcome::NotFlushed),
        Event::NoAnswer => Next::Enter(Stage::RecheckUnknown),
        Event::StoppedInFlight => Next::Done(FlushOutcome::Unknown),
        _ => return None,
    })
}

/// As `push`, except that "it did not land" can no longer be said of the flush without another look.
const fn push_again(event: Event) -> Option<Next> {
    Some(match event {
        Event::Accepted => Next::Enter(Stage::Recheck),
        Event::Raced | Event::RacedTooOften | Event::NotSent | Event::NoAnswer => Next::Enter(Stage::RecheckUnknown),
        Event::Refused => Next::Done(FlushOutcome::Rejected),
        Event::NotSentForGood | Event::Stopped | Event::StoppedInFlight => Next::Done(FlushOutcome::Unknown),
        _ => return None,
    })
}

const fn recheck(event: Event) -> Option<Next> {
    Some(match event {
        Event::TipIsLocal => Next::Done(FlushOutcome::Flushed),
        Event::TipContainsLocal => Next::Done(FlushOutcome::Contained),
        Event::TipBehindLocal | Event::LookOutdated => Next::Again,
        Event::TipDiverged => Next::Done(FlushOutcome::Diverged),
        Event::LookFailed | Event::LookFailedForGood => Next::Enter(Stage::Recover),
        Event::Stopped => Next::Done(FlushOutcome::Unproved),
        _ => return None,
    })
}

const fn recheck_unknown(event: Event) -> Option<Next> {
    Some(match event {
        Event::TipIsLocal => Next::Done(FlushOutcome::Flushed),
        Event::TipContainsLocal => Next::Done(FlushOutcome::Contained),
        Event::TipBehindLocal => Next::Enter(Stage::PushAgain),
        Event::TipDiverged => Next::Done(FlushOutcome::Diverged),
        Event::LookOutdated | Event::LookFailed => Next::Again,
        Event::TipBehindLocalRoundsUsedUp | Event::LookFailedForGood | Event::Stopped => {
            Next::Done(FlushOutcome::Unknown)
        }
        _ => return None,
    })
}

const fn recover(event: Event) -> Option<Next> {
    Some(match event {
        Event::RecoveryProves => Next::Done(FlushOutcome::Recovered),
        Event::RecoveryDoesNot | Event::Stopped => Next::Done(FlushOutcome::Unproved),
        _ => return None,
    })
}
