use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

fn schedule(sync_every: Duration) -> Schedule {
    Schedule { sync_every: Some(sync_every), flush_on_push: FlushOnPush::Yes, maintain_every: Some(24 * HOUR) }
}

fn lane(name: &str) -> LaneName {
    LaneName::parse(name).expect("a name")
}

fn lanes(names: &[&str]) -> BTreeSet<LaneName> {
    names.iter().map(|name| lane(name)).collect()
}

/// A world in which a plan is followed: upstream is down in some spans, and pushes come at some moments.
struct World<'a> {
    down: &'a [(Duration, Duration)],
    pushes: Vec<(Duration, &'a str)>,
    /// How long each job takes.
    took: Duration,
}

/// One job that was done.
#[derive(Debug)]
struct Done {
    began: Duration,
    job: Job,
    came: JobOutcome,
    /// Failures in a row after it.
    failures: u32,
}

impl World<'_> {
    fn is_down(&self, at: Duration) -> bool {
        self.down.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    /// Follows the plan for so long, in no time.
    fn run(&self, plan: &mut Plan, long: Duration) -> Vec<Done> {
        let mut now = Duration::ZERO;
        let mut pushes = self.pushes.iter().peekable();
        let mut done = Vec::new();
        while now < long {
            while let Some((_, name)) = pushes.next_if(|(at, _)| *at <= now) {
                plan.pushed(now, lanes(&[name]));
            }
            match plan.next(now) {
                Next::Do(job) => {
                    let began = now;
                    now += self.took;
                    let came = match job {
                        Job::Maintain => JobOutcome::Succeeded,
                        _ if self.is_down(began) => JobOutcome::Failed,
                        _ => JobOutcome::Succeeded,
                    };
                    let failed_lanes = match (&job, came) {
                        (Job::Flush(lanes), JobOutcome::Failed) => lanes.clone(),
                        _ => BTreeSet::new(),
                    };
                    plan.ended(now, &job, came, failed_lanes);
                    done.push(Done { began, job, came, failures: plan.failures() });
                }
                Next::At(at) => {
                    assert!(at > now, "a moment that is not past");
                    let push = pushes.peek().map_or(long, |(at, _)| *at);
                    now = at.min(push).max(now);
                }
                Next::Rest => now = pushes.peek().map_or(long, |(at, _)| *at),
            }
        }
        done
    }
}

fn syncs(done: &[Done]) -> Vec<&Done> {
    done.iter().filter(|done| done.job == Job::Sync).collect()
}

#[test]
fn while_all_is_well_a_sync_follows_another_after_about_the_pause() {
    let world = World { down: &[], pushes: Vec::new(), took: SECOND };
    let done = world.run(&mut Plan::new(schedule(MINUTE), None, 7), 2 * HOUR);
    let syncs = syncs(&done);
    assert!(syncs[0].began <= SPREAD);
    for pair in syncs.windows(2) {
        let pause = pair[1].began - (pair[0].began + world.took);
        assert!((54 * SECOND..=66 * SECOND).contains(&pause), "{pause:?}");
    }
    let pauses: BTreeSet<_> = syncs.windows(2).map(|pair| pair[1].began - pair[0].began).collect();
    assert!(pauses.len() > syncs.len() / 2, "the pauses differ");
    let maintained: Vec<_> = done.iter().filter(|done| done.job == Job::Maintain).collect();
    assert_eq!(maintained.len(), 1, "one that was never done is done soon, and then not before a day");
    assert!((SETTLED..=2 * SETTLED + MINUTE).contains(&maintained[0].began));
}

#[test]
fn two_hours_of_a_flapping_upstream() {
    let down = [
        (10 * MINUTE, 12 * MINUTE),
        (20 * MINUTE, 21 * MINUTE),
        (30 * MINUTE, 80 * MINUTE),
        (90 * MINUTE, 95 * MINUTE),
    ];
    for seed in 0..200 {
        let pushes = [5, 11, 40, 41, 42, 94, 100].map(|minute| (minute * MINUTE, "main")).to_vec();
        let world = World { down: &down, pushes, took: SECOND };
        let done = world.run(&mut Plan::new(schedule(MINUTE), None, seed), 2 * HOUR);

        // The longer it is down, the longer the pauses: at the usual pace it would be asked 50 times.
        let asked = syncs(&done).iter().filter(|done| (30 * MINUTE..80 * MINUTE).contains(&done.began)).count();
        assert!((8..=18).contains(&asked), "seed {seed}: asked {asked} times while it was down for long");
        for pair in syncs(&done).windows(2) {
            let pause = pair[1].began - pair[0].began;
            match pair[0].came {
                JobOutcome::Failed => assert!(pause > 61 * SECOND || pair[0].failures == 0, "seed {seed}: {pause:?}"),
                _ => assert!(pause <= 68 * SECOND, "seed {seed}: {pause:?} after a success"),
            }
            assert!(pause <= LONGEST_BACKOFF + 2 * MINUTE, "seed {seed}: {pause:?}");
        }
        // Each time upstream comes back, that is found in a time that is bounded by how long it was down.
        for (from, to) in down {
            let found = done
                .iter()
                .find(|done| done.began >= to && done.came == JobOutcome::Succeeded && done.job != Job::Maintain);
            let after = found.expect("upstream is found again").began - to;
            assert!(
                after <= (2 * (to - from)).min(LONGEST_BACKOFF) + 70 * SECOND,
                "seed {seed}: {after:?} of {from:?}"
            );
        }
        // Every push is flushed: at once where upstream is up, and else soon after it is found to be.
        for at in [5, 100] {
            assert!(flushed(&done, at * MINUTE) <= at * MINUTE + 2 * world.took, "seed {seed}");
        }
        for at in [11, 40, 41, 42, 94] {
            assert!(flushed(&done, at * MINUTE) < 2 * HOUR, "seed {seed}");
        }
        assert_eq!(done.last().map(|last| last.failures), Some(0), "seed {seed}");
    }
}

/// When the first flush that came well began, of those that began at `from` or later.
fn flushed(done: &[Done], from: Duration) -> Duration {
    let flush = done
        .iter()
        .find(|done| matches!(done.job, Job::Flush(_)) && done.came == JobOutcome::Succeeded && done.began >= from);
    flush.expect("the push was flushed").began
}

#[test]
fn pushes_during_a_flush_make_one_more() {
    let mut plan = Plan::new(schedule(MINUTE), None, 1);
    plan.pushed(SECOND, lanes(&["a", "b"]));
    plan.pushed(SECOND, lanes(&["a"]));
    let Next::Do(first) = plan.next(SECOND) else { panic!("a flush is due") };
    assert_eq!(first, Job::Flush(lanes(&["a", "b"])));
    plan.ended(2 * SECOND, &first, JobOutcome::Succeeded, BTreeSet::new());
    // What came meanwhile is notified afterwards, all at once.
    plan.pushed(2 * SECOND, lanes(&["b"]));
    plan.pushed(2 * SECOND, lanes(&["b"]));
    let Next::Do(second) = plan.next(2 * SECOND) else { panic!("one more is due") };
    assert_eq!(second, Job::Flush(lanes(&["b"])));
    plan.ended(3 * SECOND, &second, JobOutcome::Succeeded, BTreeSet::new());
    assert!(!matches!(plan.next(3 * SECOND), Next::Do(Job::Flush(_))));
}

#[test]
fn of_a_flush_only_the_lanes_that_failed_are_tried_again() {
    let mut plan = Plan::new(schedule(HOUR), None, 1);
    plan.pushed(SECOND, lanes(&["a", "b"]));
    let Next::Do(job) = plan.next(SECOND) else { panic!("a flush is due") };
    plan.ended(SECOND, &job, JobOutcome::Failed, lanes(&["b"]));
    let Next::At(again) = plan.next(SECOND) else { panic!("not at once") };
    assert!(again > 3 * SECOND && again <= 6 * SECOND, "{again:?}");
    // A push of another lane waits for the same moment.
    plan.pushed(2 * SECOND, lanes(&["c"]));
    assert_eq!(plan.next(2 * SECOND), Next::At(again));
    assert_eq!(plan.next(again), Next::Do(Job::Flush(lanes(&["b", "c"]))));
}

#[test]
fn a_sync_that_comes_well_lets_a_flush_go_that_waited() {
    let mut plan = Plan::new(schedule(MINUTE), None, 1);
    plan.pushed(Duration::ZERO, lanes(&["a"]));
    let job = Job::Flush(lanes(&["a"]));
    for _ in 0..20 {
        plan.ended(Duration::ZERO, &job, JobOutcome::Failed, lanes(&["a"]));
    }
    plan.ended(SPREAD, &Job::Sync, JobOutcome::Succeeded, BTreeSet::new());
    assert_eq!(plan.next(SPREAD), Next::Do(job));
}

#[test]
fn an_upstream_that_can_be_read_and_takes_no_commits_is_not_hammered() {
    for seed in 0..50 {
        let mut plan = Plan::new(Schedule { maintain_every: None, ..schedule(10 * SECOND) }, None, seed);
        plan.pushed(Duration::ZERO, lanes(&["a"]));
        let (mut now, mut flushes) = (Duration::ZERO, 0);
        while now < 2 * HOUR {
            match plan.next(now) {
                Next::Do(job @ Job::Flush(_)) => {
                    flushes += 1;
                    plan.ended(now, &job, JobOutcome::Failed, lanes(&["a"]));
                }
                Next::Do(job) => plan.ended(now, &job, JobOutcome::Succeeded, BTreeSet::new()),
                Next::At(at) => now = at,
                Next::Rest => panic!("seed {seed}: the commits are forgotten"),
            }
        }
        assert!((20..=80).contains(&flushes), "seed {seed}: {flushes} flushes");
    }
}

#[test]
fn what_is_not_wanted_is_never_due() {
    let nothing = Schedule { sync_every: None, flush_on_push: FlushOnPush::No, maintain_every: None };
    let mut plan = Plan::new(nothing, None, 1);
    plan.pushed(SECOND, lanes(&["a"]));
    assert_eq!(plan.next(1000 * HOUR), Next::Rest);
}

#[test]
fn an_upkeep_is_due_a_day_after_the_last_one_whoever_did_that() {
    let due = |ago| match Plan::new(Schedule { sync_every: None, ..schedule(MINUTE) }, ago, 3).next(Duration::ZERO) {
        Next::At(at) => at,
        other => panic!("{other:?}"),
    };
    assert_eq!(due(Some(10 * HOUR)), 14 * HOUR);
    assert!(due(Some(100 * HOUR)) <= 2 * SETTLED);
    assert!(due(None) <= 2 * SETTLED && due(None) >= SETTLED);
}

#[test]
fn many_packs_make_an_upkeep_due_before_its_day_but_not_again_and_again() {
    let only_upkeep = Schedule { sync_every: None, ..schedule(MINUTE) };
    let due = |plan: &Plan, now| match plan.next(now) {
        Next::Do(Job::Maintain) => now,
        Next::At(at) => at,
        other => panic!("{other:?}"),
    };
    let mut plan = Plan::new(only_upkeep, Some(HOUR), 3);
    plan.counted(2 * HOUR, MANY_PACKS - 1);
    assert_eq!(due(&plan, 2 * HOUR), 23 * HOUR, "so many are usual");
    plan.counted(2 * HOUR, MANY_PACKS);
    assert_eq!(due(&plan, 2 * HOUR), 2 * HOUR);
    // Where it did not help, for lack of room say, it is tried again after a while, however often they are counted.
    plan.ended(2 * HOUR, &Job::Maintain, JobOutcome::Succeeded, BTreeSet::new());
    for minute in 0..29 {
        plan.counted(2 * HOUR + minute * MINUTE, 100_000);
        assert_eq!(due(&plan, 2 * HOUR + minute * MINUTE), 2 * HOUR + RESTED);
    }
    // The first minutes belong to readers and syncs, also after a restart behind a maintenance.
    for (ago, first) in [(Some(HOUR), SETTLED), (Some(10 * MINUTE), 20 * MINUTE), (None, SETTLED)] {
        let mut plan = Plan::new(only_upkeep, ago, 3);
        plan.counted(Duration::ZERO, MANY_PACKS);
        let due = due(&plan, Duration::ZERO);
        assert!(due >= first && due <= first.max(2 * SETTLED), "{ago:?}: {due:?}");
    }
    let mut never = Plan::new(Schedule { maintain_every: None, ..only_upkeep }, None, 3);
    never.counted(HOUR, 100_000);
    assert_eq!(never.next(HOUR), Next::Rest);
}

#[test]
fn a_busy_cache_is_no_failure() {
    let mut plan = Plan::new(Schedule { maintain_every: None, ..schedule(MINUTE) }, None, 1);
    for _ in 0..10 {
        plan.ended(HOUR, &Job::Sync, JobOutcome::NotRun, BTreeSet::new());
    }
    assert_eq!(plan.failures(), 0);
    assert!(matches!(plan.next(HOUR), Next::At(at) if at <= HOUR + 66 * SECOND));
}

proptest! {
    /// Whatever upstream does and whenever a push is accepted, syncs go on, nothing spins, and every push is flushed once upstream stays up.
    #[test]
    fn every_schedule_goes_on_and_forgets_no_push(
        seed: u64,
        every in 1_u64..600,
        spans in prop::collection::vec((0_u64..7200, 1_u64..3000), 0..6),
        pushes in prop::collection::vec(0_u64..7200, 0..12),
    ) {
        let down: Vec<_> = spans.iter().map(|(from, long)| (SECOND * *from as u32, SECOND * (*from + *long) as u32)).collect();
        let mut moments: Vec<_> = pushes.iter().map(|at| (SECOND * *at as u32, "main")).collect();
        moments.sort();
        let last = moments.last().map(|(at, _)| *at);
        let world = World { down: &down, pushes: moments, took: Duration::from_millis(200) };
        let long = 6 * HOUR;
        let done = world.run(&mut Plan::new(schedule(Duration::from_secs(every)), None, seed), long);
        let bound = LONGEST_BACKOFF + Duration::from_secs(every) * 3 + MINUTE;
        let mut before = Duration::ZERO;
        for sync in syncs(&done) {
            prop_assert!(sync.began - before <= bound, "{:?} after {before:?}", sync.began);
            before = sync.began;
        }
        prop_assert!(long - before <= bound);
        let most = 2 * (long.as_secs() / every) + 200;
        prop_assert!(done.len() as u64 <= most, "{} jobs of at most {most}", done.len());
        if let Some(last) = last {
            prop_assert!(flushed(&done, last) < 4 * HOUR);
        }
    }
}
