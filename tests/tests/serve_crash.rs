//! `kill -9` of the server and of its programs, a hundred times, while pushers push and readers read (I2, I7).
//!
//! The moments are drawn from a seed, which is printed; `GIT_MIRROR_SEED` sets it. Most kills wait for a state first: a pack that is
//! being received, a lock that is held, a pack that is being made.

use std::io::Write;
use std::path::Path;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use mirror_tests::leftovers::leftovers;
use mirror_tests::load::{self, Clients, PushPace, ReadKind};
use mirror_tests::procfs;
use mirror_tests::rng::Rng;
use mirror_tests::server::{Served, became, small_world};
use serde_json::{Map, json};

const KILLS: usize = 100;
const PUSHERS: usize = 8;
const READERS: usize = 16;
const BRANCHES: usize = 4;
const READINGS: [ReadKind; 3] = [ReadKind::Whole, ReadKind::Shallow, ReadKind::Branch];
const PROMOTED: PushPace = PushPace { pause: Duration::ZERO, large_every: 5 };
/// How long a kill waits for the state that it is meant for.
const WAITING: Duration = Duration::from_millis(400);

/// The state that a kill waits for.
#[derive(Debug, Clone, Copy)]
enum KillMoment {
    Any,
    Receiving,
    Packing,
    Operation,
    Lock,
}

const MOMENTS: [KillMoment; 6] = [
    KillMoment::Any,
    KillMoment::Receiving,
    KillMoment::Receiving,
    KillMoment::Packing,
    KillMoment::Operation,
    KillMoment::Lock,
];

impl KillMoment {
    fn has_come(self, served: &Served) -> bool {
        let cache = served.world.cache();
        let runs = |word: &str| served.children().iter().any(|child| child.command_line.contains(word));
        match self {
            Self::Any => true,
            Self::Receiving => runs("index-pack") || runs("unpack-objects"),
            Self::Packing => runs("pack-objects"),
            Self::Operation => entries(&cache.path().join("git-mirror/op")).next().is_some(),
            Self::Lock => entries(&cache.path().join("refs/heads")).any(|name| name.ends_with(".lock")),
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// Waits for the moment up to a limit; the kill follows in any case.
fn wait_for(served: &Served, moment: KillMoment, rng: &mut Rng) {
    let end = Instant::now() + WAITING;
    while !moment.has_come(served) && Instant::now() < end {
        std::thread::yield_now();
    }
    // A little later, or not at all.
    std::thread::park_timeout(Duration::from_micros(rng.below(8_000)));
}

#[test]
fn i2_i7_a_hundred_kills_lose_no_accepted_commit() {
    let mut rng = Rng::from_env();
    let branches = load::branches(BRANCHES);
    // It syncs and flushes by its schedule.
    let schedule = json!({ "maintainEvery": "never", "syncEvery": "2s", "flushOnPush": true });
    let mut served = load::serve_lanes(small_world(), &branches, Map::from_iter([("schedule".to_owned(), schedule)]));
    let read = [&branches[..], &["main".to_owned()]].concat();
    let clients = Clients::new(&served, served.token("promoter", &[]));
    // A request that fails between so many kills is no finding.
    let _disturbed = clients.disturb();
    let (mut of_server, mut of_children) = (0, 0);
    std::thread::scope(|scope| {
        // The end of this scope stops the clients, on a panic too.
        let stop = clients.stop_on_drop();
        let (clients, branches, read) = (&clients, &branches, &read);
        let pushers = (0..PUSHERS).map(|number| {
            let branch = &branches[number % BRANCHES];
            scope.spawn(move || clients.push_repeatedly(number, branch, PROMOTED))
        });
        let readers = (0..READERS)
            .map(|number| scope.spawn(move || clients.read_repeatedly(number, &READINGS, read, Duration::ZERO)));
        let threads: Vec<_> = pushers.chain(readers).collect();
        while of_server + of_children < KILLS {
            let failed = threads.iter().any(ScopedJoinHandle::is_finished);
            assert!(!failed, "a client has failed; its message is above");
            let moment = MOMENTS[rng.below(MOMENTS.len() as u64) as usize];
            wait_for(&served, moment, &mut rng);
            if rng.below(10) < 4 {
                let children = served.children();
                let chosen = children.get(rng.below(children.len().max(1) as u64) as usize);
                of_children += usize::from(chosen.is_some_and(procfs::Process::kill));
                assert!(served.server.runs(), "the death of a child does not end the server");
            } else {
                clients.set_down();
                served.server.kill();
                served.start_again();
                clients.set_up();
                of_server += 1;
                clients.assert_retained(&served.world.cache());
            }
        }
        // Requests succeeded between the kills. One by one: how long each takes depends on the machine.
        let before = clients.counts();
        assert!(
            before.accepted >= PUSHERS && before.clones >= READERS,
            "too few requests succeeded between kills: {before:?}"
        );
        for more in 1..=PUSHERS {
            let goes_on = || clients.counts().accepted >= before.accepted + more;
            served.wait_until("pushing goes on", goes_on);
        }
        for more in 1..=READERS {
            let goes_on = || clients.counts().clones >= before.clones + more;
            served.wait_until("reading goes on", goes_on);
        }
        drop(stop);
        for thread in threads {
            thread.join().expect("because it found nothing wrong");
        }
    });
    let seen = clients.counts();
    let summary = format!("{of_server} kills of the server, {of_children} of its programs; {seen:?}");
    writeln!(std::io::stderr(), "{summary}").expect("because the harness listens");
    assert!(of_server > 30 && of_children > 10, "{summary}");

    let world = &served.world;
    let status = served.server.terminate();
    assert!(status.success(), "{status}");
    let folder = world.cache_folder();
    assert!(
        became(|| procfs::mentioning(&folder.to_string_lossy()).is_empty()),
        "a git process has outlived the server"
    );
    clients.assert_retained(&world.cache());
    // What was read was never taken back.
    clients.assert_read_retained(&world.cache());
    world.cache().fsck();
    // The same verbs converge, and nothing is left to remove by hand.
    world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    clients.assert_retained(world.upstream());
    assert_eq!(leftovers(world.cache().path()), Vec::<String>::new());
    world.cache().fsck();
}
