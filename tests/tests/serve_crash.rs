//! `kill -9` of the server and of its programs, a hundred times, while pushers push and readers read (I2, I7).
//!
//! The moments are drawn from a seed, which is printed; `GIT_MIRROR_SEED` sets it. Most kills wait for a state first: a pack that is
//! being received, a lock that is held, a pack that is being made.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mirror_core::name::CommitId;
use mirror_tests::aftermath::leftovers;
use mirror_tests::gitclient::{Token, Version};
use mirror_tests::procfs;
use mirror_tests::sandbox::Repository;
use mirror_tests::server::{Served, became, small_world};
use serde_json::json;

const KILLS: usize = 100;
const PUSHERS: usize = 8;
const READERS: usize = 16;
const BRANCHES: usize = 4;
/// How long a kill waits for the state that it is meant for.
const STALKING: Duration = Duration::from_millis(400);

/// Numbers from a seed.
///
/// # Source
/// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn seeded() -> Self {
        let given = std::env::var("GIT_MIRROR_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.expect("because this is not 1970").as_nanos() as u64
        });
        writeln!(std::io::stderr(), "GIT_MIRROR_SEED={seed}").expect("because the harness listens");
        Self(seed)
    }
}

/// What pushers and readers share with the one who kills.
#[derive(Default)]
struct Shared {
    up: Mutex<bool>,
    changed: Condvar,
    over: AtomicBool,
    /// The commits that were acknowledged, by branch, in their order for each pusher.
    accepted: Mutex<BTreeMap<String, Vec<CommitId>>>,
    /// The tips that a reader has got whole.
    read: Mutex<BTreeSet<CommitId>>,
    clones: AtomicUsize,
}

impl Shared {
    fn set_up(&self, up: bool) {
        *self.up.lock().unwrap_or_else(PoisonError::into_inner) = up;
        self.changed.notify_all();
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Waits until there is a server to talk to, or nothing to say any more.
    fn wait_until_up(&self) {
        let up = self.up.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(up, Duration::from_secs(30), |up| !*up && !self.is_over());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn accept(&self, branch: &str, commit: CommitId) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.entry(branch.to_owned()).or_default().push(commit);
    }
}

fn branch(number: usize) -> String {
    format!("gitops-{}", number % BRANCHES)
}

/// A site with several GitOps branches, that looks at upstream and flushes by itself.
fn site() -> Served {
    let mut world = small_world();
    let lanes: serde_json::Map<_, _> = (0..BRANCHES)
        .map(|number| {
            let gitops = branch(number);
            world.upstream().commit(&gitops).root().file("deployed", "nothing yet\n").make();
            let source = json!({ "branch": "main", "snapshotGroup": "app" });
            (format!("lane-{number}"), json!({ "repository": "app", "source": source, "gitops": { "branch": gitops } }))
        })
        .collect();
    world.configure(|config| config["nodes"]["local"]["lanes"] = lanes.into());
    world.mirror(&["sync", "--confirm"]).expect(0);
    Served::start(world, |serve| {
        serve["schedule"] = json!({ "maintainEvery": "never", "syncEvery": "2s", "flushOnPush": true });
    })
}

fn push_again_and_again(site: &Site, number: usize, shared: &Shared) {
    let branch = branch(number);
    let client = site.client.clone().with(&site.token);
    let own = client.empty(&site.url, &format!("pusher-{number}"));
    let mut round = 0;
    while !shared.is_over() {
        shared.wait_until_up();
        let fetched = client
            .ask(own.path(), ["fetch", "--quiet", "origin", &format!("+refs/heads/{branch}:refs/heads/{branch}")]);
        if !fetched.status.success() {
            continue;
        }
        round += 1;
        // Now and then something larger, which takes longer to arrive.
        let bulk = if round % 5 == 0 { 300_000 } else { 300 };
        let bulk: Vec<u8> =
            (0..bulk as u64).map(|at| (at.wrapping_mul(at ^ (number as u64) << 7 ^ round) >> 9) as u8).collect();
        let made = own.commit(&branch).file(&format!("of-{number}"), format!("{round}\n")).file("bulk", bulk).make();
        let pushed = client.ask(own.path(), ["push", "--quiet", "origin", &branch]);
        if pushed.status.success() {
            shared.accept(&branch, made);
        }
    }
}

fn read_again_and_again(site: &Site, number: usize, shared: &Shared) {
    let version = if number.is_multiple_of(4) { Version::V0 } else { Version::V2 };
    let client = site.client.clone().speaking(version);
    let mut round = 0;
    while !shared.is_over() {
        shared.wait_until_up();
        round += 1;
        let name = format!("reader-{number}-{round}");
        let place = site.folder.join(format!("{name}.git"));
        let target = place.to_string_lossy().into_owned();
        let branch = branch(number + round);
        let words: Vec<&str> = match (number + round) % 3 {
            0 => vec!["clone", "--quiet", "--bare", &site.url, &target],
            1 => vec![
                "clone",
                "--quiet",
                "--bare",
                "--depth=1",
                "--single-branch",
                "--branch",
                &branch,
                &site.url,
                &target,
            ],
            _ => vec!["clone", "--quiet", "--bare", "--single-branch", "--branch=main", &site.url, &target],
        };
        let answer = client.ask(&site.folder, words);
        if answer.status.success() {
            let clone = Repository::at(&place, &site.git);
            clone.fsck();
            let tips = clone.refs_under("refs/heads/");
            assert!(!tips.is_empty(), "{name}: a clone of nothing");
            let mut read = shared.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.extend(tips.into_values());
            shared.clones.fetch_add(1, Ordering::SeqCst);
        }
        // git removes what it could not finish, unless it was there before.
        drop(std::fs::remove_dir_all(&place));
    }
}

/// What the threads need of a site, while the server itself is killed and started.
struct Site {
    url: String,
    client: mirror_tests::gitclient::GitClient,
    token: Token,
    git: mirror_tests::sandbox::Git,
    folder: std::path::PathBuf,
}

/// For what a kill waits.
#[derive(Debug, Clone, Copy)]
enum Prey {
    Whenever,
    Receiving,
    Making,
    Operation,
    Lock,
}

const PREY: [Prey; 6] = [Prey::Whenever, Prey::Receiving, Prey::Receiving, Prey::Making, Prey::Operation, Prey::Lock];

impl Prey {
    fn is_there(self, site: &Served) -> bool {
        let cache = site.world.cache();
        let runs = |word: &str| site.children().iter().any(|child| child.words.contains(word));
        match self {
            Self::Whenever => true,
            Self::Receiving => runs("index-pack") || runs("unpack-objects"),
            Self::Making => runs("pack-objects"),
            Self::Operation => entries(&cache.path().join("git-mirror/op")).next().is_some(),
            Self::Lock => entries(&cache.path().join("refs/heads")).any(|name| name.ends_with(".lock")),
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// Looks for the prey as long as it may; then it is killed, there or not.
fn stalk(site: &Served, prey: Prey, dice: &mut Dice) {
    let end = Instant::now() + STALKING;
    while !prey.is_there(site) && Instant::now() < end {
        std::thread::yield_now();
    }
    // A little later, or not at all.
    std::thread::park_timeout(Duration::from_micros(dice.below(8_000)));
}

/// Proves that each acknowledged commit is in its branch.
#[track_caller]
fn prove_kept(cache: &Repository, shared: &Shared) {
    let accepted = shared.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for (branch, commits) in accepted {
        let kept: BTreeSet<_> = cache.run(["rev-list", &branch]).lines().map(str::to_owned).collect();
        let lost: Vec<_> = commits.iter().filter(|commit| !kept.contains(&commit.to_string())).collect();
        assert!(lost.is_empty(), "{branch} has lost {lost:?}");
    }
}

#[test]
fn i2_i7_a_hundred_kills_lose_no_accepted_commit_and_leave_nothing_to_repair() {
    let mut dice = Dice::seeded();
    let mut served = site();
    let shared = Shared::default();
    shared.set_up(true);
    let site = Site {
        url: served.url(),
        client: served.client(),
        token: served.token("promoter", &[]),
        git: served.world.sandbox().git().clone(),
        folder: served.world.sandbox().path().to_owned(),
    };
    let (mut of_server, mut of_children) = (0, 0);
    std::thread::scope(|scope| {
        // Whatever ends this scope, ends the threads.
        let _end = EndAll(&shared);
        let (site, shared) = (&site, &shared);
        let pushers = (0..PUSHERS).map(|number| scope.spawn(move || push_again_and_again(site, number, shared)));
        let readers = (0..READERS).map(|number| scope.spawn(move || read_again_and_again(site, number, shared)));
        let threads: Vec<_> = pushers.chain(readers).collect();
        while of_server + of_children < KILLS {
            assert!(!threads.iter().any(|thread| thread.is_finished()), "a client has failed; its words stand above");
            let prey = PREY[dice.below(PREY.len() as u64) as usize];
            stalk(&served, prey, &mut dice);
            if dice.below(10) < 4 {
                let children = served.children();
                let chosen = children.get(dice.below(children.len().max(1) as u64) as usize);
                of_children += usize::from(chosen.is_some_and(procfs::Process::kill));
                assert!(served.server.runs(), "a program's death is not the server's");
            } else {
                shared.set_up(false);
                served.server.kill();
                served.start_again();
                shared.set_up(true);
                of_server += 1;
                prove_kept(&served.world.cache(), shared);
            }
        }
        // They were not only killed: they have done something.
        let accepted =
            || shared.accepted.lock().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum::<usize>();
        let (pushed, cloned) = (accepted(), shared.clones.load(Ordering::SeqCst));
        // One by one: how long each takes depends on the machine.
        for more in 1..=PUSHERS {
            served.wait_until("pushing goes on as if nothing had been", || accepted() >= pushed + more);
        }
        for more in 1..=READERS {
            let goes_on = || shared.clones.load(Ordering::SeqCst) >= cloned + more;
            served.wait_until("reading goes on as if nothing had been", goes_on);
        }
        shared.over.store(true, Ordering::SeqCst);
        shared.set_up(true);
        for thread in threads {
            thread.join().expect("because it found nothing wrong");
        }
    });
    let accepted = shared.accepted.lock().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum::<usize>();
    let cloned = shared.clones.load(Ordering::SeqCst);
    let told = format!(
        "{of_server} kills of the server, {of_children} of its programs; {accepted} pushes accepted, {cloned} clones"
    );
    writeln!(std::io::stderr(), "{told}").expect("because the harness listens");
    assert!(of_server > 30 && of_children > 10, "{of_server} kills of the server, {of_children} of its programs");

    let world = &served.world;
    let status = served.server.terminate();
    assert!(status.success(), "{status}");
    let folder = world.cache_folder();
    assert!(
        became(|| procfs::mentioning(&folder.to_string_lossy()).is_empty()),
        "a program of git has outlived the server"
    );
    prove_kept(&world.cache(), &shared);
    // What was read was never taken back.
    let all: BTreeSet<_> = world.cache().run(["rev-list", "--all"]).lines().map(str::to_owned).collect();
    let read = shared.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let lost: Vec<_> = read.iter().filter(|commit| !all.contains(&commit.to_string())).collect();
    assert!(lost.is_empty(), "somebody has read {lost:?}");
    world.cache().fsck();
    // The same verbs converge, and nothing is left for a person to remove.
    world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    prove_kept(world.upstream(), &shared);
    assert_eq!(leftovers(world.cache().path()), Vec::<String>::new());
    world.cache().fsck();
}

/// Lets all threads end, even where the one that kills panics.
struct EndAll<'a>(&'a Shared);

impl Drop for EndAll<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
        self.0.set_up(true);
    }
}
