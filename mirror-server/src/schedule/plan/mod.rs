//! What is due when, for one repository. Pure: time comes in as the time since the start, and nothing is done here.
//!
//! A success is followed by the configured pause; failures in a row by ever longer ones, up to a bound, so that an upstream that is down is
//! not hammered. Commits that wait for a flush are never forgotten while the program runs.

use std::collections::BTreeSet;
use std::time::Duration;

use mirror_core::config::{FlushOnPush, Schedule};
use mirror_core::flush::Backoff;
use mirror_core::name::LaneName;

/// The longest that failures in a row add to a pause.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5 * 60);
/// What the first failed flush in a row waits, before jitter.
const FLUSH_AGAIN: Duration = Duration::from_secs(5);
/// Over how much time the first syncs of several repositories are spread at most.
const SPREAD: Duration = Duration::from_secs(10);
/// How soon after the start a maintenance that is overdue begins, at the earliest: the first minutes belong to readers and syncs.
const SETTLED: Duration = Duration::from_secs(5 * 60);

/// From how many packs on that it could make fewer of a maintenance is due, whenever the next one was meant to be: whoever makes a pack for a
/// reader opens all of them.
const MANY_PACKS: u64 = 100;
/// How soon after a maintenance there may be one for that reason.
const RESTED: Duration = Duration::from_secs(30 * 60);

/// Something that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// A sync of all lanes of the repository.
    Sync,
    /// A flush of these.
    Flush(BTreeSet<LaneName>),
    /// The maintenance of the cache.
    Maintain,
}

/// How a job came out, as far as the next one depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobOutcome {
    /// Nothing broke.
    Succeeded,
    /// Something broke, upstream or here.
    Failed,
    /// Its turn did not come: the cache was busy, the disk full, or the server is ending.
    NotRun,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// This.
    Do(Job),
    /// Nothing before this moment.
    At(Duration),
    /// Nothing, until a push is accepted.
    Rest,
}

/// When the jobs of one repository are due.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    schedule: Schedule,
    seed: u64,
    /// Grows with every pause, so that no two have the same jitter.
    drawn: u64,
    sync: Option<Duration>,
    flush: Option<Duration>,
    maintain: Option<Duration>,
    /// From when on many packs make a maintenance due.
    rested: Duration,
    /// The lanes whose commits wait.
    wanted: BTreeSet<LaneName>,
    /// Syncs and flushes that broke since the last that did not.
    failures: u32,
    /// Flushes that broke since the last that did not: that upstream can be read does not say that it takes commits.
    unflushed: u32,
    /// Whether a sync that came well has let the flush go ahead of its pause already, for nothing so far.
    was_let_go: bool,
}

impl Plan {
    /// Plans from the start on. `maintained` is how long ago the last maintenance was, where there was one.
    pub(super) fn new(schedule: Schedule, maintained: Option<Duration>, seed: u64) -> Self {
        let mut plan = Self {
            schedule,
            seed,
            drawn: 0,
            sync: None,
            flush: None,
            maintain: None,
            rested: Duration::ZERO,
            wanted: BTreeSet::new(),
            failures: 0,
            unflushed: 0,
            was_let_go: false,
        };
        plan.sync = schedule.sync_every.map(|every| plan.share(every.min(SPREAD)));
        plan.maintain = schedule.maintain_every.map(|every| {
            let left = maintained.map_or(Duration::ZERO, |ago| every.saturating_sub(ago));
            let settled = every.min(SETTLED);
            let begin = settled + plan.share(settled);
            plan.rested = maintained.map_or(begin, |ago| begin.max(RESTED.saturating_sub(ago)));
            left.max(begin)
        });
        plan
    }

    /// Commits were accepted on these lanes, or found waiting at the start.
    pub(super) fn pushed(&mut self, now: Duration, lanes: BTreeSet<LaneName>) {
        if self.schedule.flush_on_push == FlushOnPush::No || lanes.is_empty() {
            return;
        }
        self.wanted.extend(lanes);
        // Where a flush waits out failures, one more push does not make upstream come back.
        self.flush.get_or_insert(now);
    }

    /// So many packs were found that a maintenance could make fewer of.
    pub(super) fn counted(&mut self, now: Duration, packs: u64) {
        if packs >= MANY_PACKS {
            self.maintain = self.maintain.map(|at| at.min(now.max(self.rested)));
        }
    }

    /// What to do now: what is due, flushes first, since commits wait for them; or when to ask again.
    pub(super) fn next(&self, now: Duration) -> Next {
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if due(self.flush) {
            return Next::Do(Job::Flush(self.wanted.clone()));
        }
        if due(self.sync) {
            return Next::Do(Job::Sync);
        }
        if due(self.maintain) {
            return Next::Do(Job::Maintain);
        }
        [self.flush, self.sync, self.maintain].into_iter().flatten().min().map_or(Next::Rest, Next::At)
    }

    /// A job ended; of a flush, `failed_lanes` are the lanes whose commits still wait for no fault of their own.
    pub(super) fn ended(&mut self, now: Duration, job: &Job, came: JobOutcome, failed_lanes: BTreeSet<LaneName>) {
        match job {
            Job::Sync => {
                self.count(came);
                self.sync = self.schedule.sync_every.map(|every| now + self.pause(every));
                match came {
                    JobOutcome::Succeeded if self.flush.is_some() && !self.was_let_go => {
                        // Upstream may be back. Where it is there and refuses, its next sync is no reason to ask again.
                        self.flush = Some(now);
                        self.was_let_go = true;
                    }
                    JobOutcome::Failed => self.was_let_go = false,
                    JobOutcome::Succeeded | JobOutcome::NotRun => {}
                }
            }
            Job::Flush(lanes) => {
                self.count(came);
                self.unflushed = in_a_row(self.unflushed, came);
                self.was_let_go &= came != JobOutcome::Succeeded;
                self.wanted.retain(|lane| !lanes.contains(lane) || failed_lanes.contains(lane));
                self.flush = (!self.wanted.is_empty()).then(|| now + self.backoff(FLUSH_AGAIN, self.unflushed));
                if came == JobOutcome::Succeeded
                    && let (Some(sync), Some(every)) = (self.sync, self.schedule.sync_every)
                {
                    // A sync that waits out failures has nothing to wait for any more.
                    self.sync = Some(sync.min(now + every));
                }
            }
            Job::Maintain => {
                self.rested = now + RESTED;
                self.maintain = self.schedule.maintain_every.map(|every| match came {
                    JobOutcome::Succeeded => now + self.around(every),
                    // What is in its way now may be gone long before the next turn.
                    JobOutcome::Failed | JobOutcome::NotRun => now + self.around(every.min(SETTLED * 6)),
                });
            }
        }
    }

    /// How many syncs and flushes broke since the last that did not.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    fn count(&mut self, came: JobOutcome) {
        self.failures = in_a_row(self.failures, came);
    }

    /// The pause before the next sync: about the configured one, and more with each failure.
    fn pause(&mut self, every: Duration) -> Duration {
        let around = self.around(every);
        if self.failures == 0 { around } else { around + self.backoff(every.max(FLUSH_AGAIN), self.failures) }
    }

    fn backoff(&mut self, first: Duration, failures: u32) -> Duration {
        let bounds = Backoff { first, max: LONGEST_BACKOFF.max(first) };
        let seed = self.draw();
        bounds.pause(failures.max(1), seed)
    }

    /// A pause of nine to eleven tenths.
    fn around(&mut self, pause: Duration) -> Duration {
        pause - pause / 10 + self.share(pause / 5)
    }

    /// Some part of a span.
    fn share(&mut self, span: Duration) -> Duration {
        let parts = u32::try_from(self.draw() >> 48).unwrap_or(0);
        span / 0xffff * parts
    }

    /// # Source
    /// SplitMix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
    fn draw(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        let mixed = self.seed.wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn in_a_row(failures: u32, came: JobOutcome) -> u32 {
    match came {
        JobOutcome::Succeeded => 0,
        JobOutcome::Failed => failures.saturating_add(1),
        JobOutcome::NotRun => failures,
    }
}

#[cfg(test)]
mod tests;
