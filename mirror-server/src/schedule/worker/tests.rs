use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use mirror_core::config::{FlushOnPush, Schedule};

use super::*;

/// JobRunner that end as the test says, and remember when they were run.
#[derive(Debug, Clone)]
struct Scripted {
    begun: Instant,
    ran: Arc<Mutex<Vec<(Duration, Job)>>>,
    ends: fn(&Job) -> Option<Ending>,
    packs: Option<PackCount>,
}

impl JobRunner for Scripted {
    async fn run(&self, job: &Job, stop: &Stop) -> Ended {
        self.ran.lock().expect("no panic").push((self.begun.elapsed(), job.clone()));
        let ending = match (self.ends)(job) {
            Some(ending) => ending,
            None => {
                stop.wished().await;
                Ending::Interrupted
            }
        };
        Ended { ending, failed_lanes: BTreeSet::new() }
    }

    fn allowed(&self, _job: &Job) -> Duration {
        Duration::from_secs(100)
    }

    fn is_still_running(&self) -> bool {
        false
    }

    async fn packs(&self) -> Option<PackCount> {
        self.packs
    }
}

impl Scripted {
    fn new(ends: fn(&Job) -> Option<Ending>) -> Self {
        Self { begun: Instant::now(), ran: Arc::default(), ends, packs: None }
    }

    fn count(&self, wanted: impl Fn(&Job) -> bool) -> usize {
        self.ran.lock().expect("no panic").iter().filter(|(_, job)| wanted(job)).count()
    }
}

struct Bench {
    app: RepositoryName,
    pushes: PushNotifier,
    heartbeats: Heartbeats,
    metrics: Arc<Metrics>,
    stop: Stop,
}

impl Bench {
    fn new() -> Self {
        let app = RepositoryName::parse("app").expect("a name");
        let metrics = Arc::new(Metrics::new());
        let pushes = PushNotifier::to([&app]);
        Self { heartbeats: Heartbeats::of([&app]), pushes, metrics, stop: Stop::new(), app }
    }

    fn worker(&self, schedule: Schedule, runner: &Scripted) -> Worker<Scripted> {
        Worker {
            repository: self.app.clone(),
            plan: Plan::new(schedule, None, 11),
            runner: runner.clone(),
            pushes: self.pushes.clone(),
            heartbeats: self.heartbeats.clone(),
            metrics: Arc::clone(&self.metrics),
            stop: self.stop.clone(),
        }
    }
}

fn every_minute() -> Schedule {
    Schedule { sync_every: Some(Duration::from_secs(60)), flush_on_push: FlushOnPush::Yes, maintain_every: None }
}

fn main_lane() -> LaneName {
    LaneName::parse("main").expect("a name")
}

#[tokio::test(start_paused = true)]
async fn two_hours_with_an_upstream_that_is_down_half_the_time() {
    let bench = Bench::new();
    // Each second sync fails.
    static TURN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let runner = Scripted::new(|_| {
        let turn = TURN.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Some(if turn.is_multiple_of(2) { Ending::Upstream } else { Ending::Done })
    });
    let worker = tokio::spawn(bench.worker(every_minute(), &runner).run());
    tokio::time::sleep(Duration::from_secs(2 * 60 * 60)).await;
    assert!(!worker.is_finished(), "no fault of upstream ends a worker");
    assert_eq!(bench.heartbeats.stuck(), []);
    let syncs = runner.count(|job| *job == Job::Sync);
    assert!((60..=110).contains(&syncs), "{syncs} syncs");
    bench.stop.request();
    worker.await.expect("no panic");
    let text = bench.metrics.text(Timestamp::now());
    assert!(text.contains(r#"git_mirror_operations_total{repository="app",verb="sync",outcome="upstream"}"#), "{text}");
    assert!(text.contains(r#"git_mirror_operation_running{repository="app",verb="sync"} 0"#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_push_wakes_the_worker() {
    let bench = Bench::new();
    let runner = Scripted::new(|_| Some(Ending::Done));
    let worker = tokio::spawn(bench.worker(Schedule { sync_every: None, ..every_minute() }, &runner).run());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(runner.count(|_| true), 0);
    bench.pushes.accepted(&bench.app, &[main_lane()]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(runner.count(|job| *job == Job::Flush(BTreeSet::from([main_lane()]))), 1);
    bench.stop.request();
    worker.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn many_packs_are_seen_to_within_the_hour() {
    let bench = Bench::new();
    let daily =
        Schedule { sync_every: None, maintain_every: Some(Duration::from_secs(24 * 60 * 60)), ..every_minute() };
    let upkeeps = async |packs| {
        let runner = Scripted { packs, ..Scripted::new(|_| Some(Ending::Done)) };
        let mut worker = bench.worker(daily, &runner);
        worker.plan = Plan::new(daily, Some(Duration::from_secs(60 * 60)), 11);
        tokio::time::timeout(Duration::from_secs(2 * 60 * 60), worker.run()).await.expect_err("it works on");
        runner.count(|job| *job == Job::Maintain)
    };
    let packs = |used, leaving, overdue| Some(PackCount { used, leaving, overdue });
    assert_eq!(upkeeps(packs(99, 0, 0)).await, 0);
    assert_eq!(upkeeps(packs(1, 1000, 98)).await, 0, "no maintenance makes fewer of those that readers may have open");
    assert_eq!(upkeeps(None).await, 0);
    // One at once and one each half an hour, as these packs never become fewer.
    assert_eq!(upkeeps(packs(1, 0, 99)).await, 4);
    assert_eq!(upkeeps(packs(100, 20, 3)).await, 4);
    let text = bench.metrics.text(Timestamp::now());
    assert!(text.contains(r#"git_mirror_store_packs{repository="app"} 123"#), "{text}");
    assert!(text.contains(r#"git_mirror_store_packs_replaced{repository="app"} 23"#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_takes_too_long_is_ended_and_the_worker_goes_on() {
    let bench = Bench::new();
    let runner = Scripted::new(|_| None);
    let worker = tokio::spawn(bench.worker(every_minute(), &runner).run());
    tokio::time::sleep(Duration::from_secs(60 * 60)).await;
    assert!(runner.count(|_| true) > 5);
    assert_eq!(bench.heartbeats.stuck(), [], "it is slow, and not stuck");
    bench.stop.request();
    worker.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_server_is_the_end_of_its_operation() {
    let bench = Bench::new();
    let runner = Scripted::new(|_| None);
    let worker = tokio::spawn(bench.worker(every_minute(), &runner).run());
    while runner.count(|_| true) == 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    bench.stop.request();
    let asked = Instant::now();
    worker.await.expect("no panic");
    assert!(asked.elapsed() < Duration::from_secs(1));
}

/// Jobs that neither end nor react, until the test releases them.
#[derive(Default)]
struct Deaf {
    has_begun: AtomicBool,
    is_let_go: Arc<AtomicBool>,
}

impl JobRunner for Deaf {
    async fn run(&self, _job: &Job, _stop: &Stop) -> Ended {
        self.has_begun.store(true, Ordering::SeqCst);
        std::future::pending().await
    }

    fn is_still_running(&self) -> bool {
        self.has_begun.load(Ordering::SeqCst) && !self.is_let_go.load(Ordering::SeqCst)
    }

    fn allowed(&self, _job: &Job) -> Duration {
        Duration::from_secs(100)
    }

    async fn packs(&self) -> Option<PackCount> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn what_neither_ends_nor_listens_is_given_up_and_told_for_as_long_as_it_goes_on() {
    let bench = Bench::new();
    let deaf = Deaf::default();
    let is_let_go = Arc::clone(&deaf.is_let_go);
    let scripted = bench.worker(every_minute(), &Scripted::new(|_| None));
    let worker = Worker {
        runner: deaf,
        repository: scripted.repository,
        plan: scripted.plan,
        pushes: scripted.pushes,
        heartbeats: scripted.heartbeats,
        metrics: scripted.metrics,
        stop: scripted.stop,
    };
    let worker = tokio::spawn(worker.run());
    tokio::time::sleep(Duration::from_secs(30 * 60)).await;
    // It may hold the lock under which everything else would run.
    let stuck: Vec<_> = bench.heartbeats.stuck().into_iter().map(|worker| worker.doing).collect();
    assert_eq!(stuck, [Activity::Running(Verb::Sync)]);
    let text = bench.metrics.text(Timestamp::now());
    assert!(text.contains(r#"verb="sync",outcome="interrupted"}"#), "{text}");
    is_let_go.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(5 * 60)).await;
    assert_eq!(bench.heartbeats.stuck(), []);
    bench.stop.request();
    let asked = Instant::now();
    worker.await.expect("no panic");
    assert!(asked.elapsed() <= ENDING);
}
