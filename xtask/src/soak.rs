//! `cargo xtask soak`: real clients against the real server for hours, while upstream fails, programs are killed and operators work.
//!
//! Upstream is OpenSSH's server behind a CONNECT proxy. Pushers, readers in every way that builds read, and go-git as Argo CD and Flux use it
//! work all the time. In the first half the server itself is killed and restarted as well; in the second it lives, so that what it holds
//! can be compared. Where something goes wrong, the folder of all of them stays. Owns the schedule and the verdict; the clients are
//! [`mirror_tests::load`]'s. Never: a measure of speed.

mod faults;
mod interrupt;
mod resources;

use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use clap::Args;
use mirror_core::config::parse_duration;
use mirror_tests::gogit::GoGit;
use mirror_tests::leftovers::leftovers;
use mirror_tests::load::{self, Clients, Counts, PushPace, ReadKind};
use mirror_tests::rng::Rng;
use mirror_tests::sandbox::Repository;
use mirror_tests::server::{Served, became, small_world_of};
use mirror_tests::world::{HostKind, ProxyKind, Run, World};
use mirror_tests::{procfs, world};
use serde_json::json;

use crate::run::{Outcome, print};
use crate::tools;
use faults::{Fault, KillScope};
use interrupt::Interrupt;
use resources::ResourceUse;

/// How many pushers there are; each has a GitOps branch of its own.
const PUSHERS: usize = 4;
const READERS: usize = 6;
const POLLERS: usize = 2;
/// How long readers wait between two requests: the rest of the machine is for the server and for the faults.
const PAUSE: Duration = Duration::from_millis(400);
/// A thousand promotions an hour are many. Few of them are large, because every full clone transfers the whole history again.
const PROMOTED: PushPace = PushPace { pause: Duration::from_secs(10), large_every: 50 };
/// How large the cache of packs may become: less than what the clients ask for, so that it has to evict.
const PACK_CACHE: u64 = 128 << 20;
/// How many of all requests may fail because something was disturbed: one in so many.
const DISTURBED: usize = 4;
/// How often the source branch moves.
const DEVELOPED: Duration = Duration::from_secs(3);
/// How many samples are printed over the whole run.
const SAMPLES: u32 = 60;

/// How long to run.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How long to run, such as 90s, 30m or 2h.
    #[arg(long = "for", value_name = "DURATION", default_value = "2h", value_parser = length)]
    length: Duration,
}

fn length(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|fault| fault.to_string())
}

/// Lets clients work on a server for so long, and asserts that nothing was lost and nothing was wrong.
pub(crate) fn soak(arguments: &Arguments) -> Outcome {
    let missing = tools::provide(&[tools::GIT, tools::SSHD, tools::GO]);
    if !missing.is_empty() {
        return Err(format!("the soak needs: {}", tools::install_line(&missing)));
    }
    let interrupt = Interrupt::listen()?;
    let mut rng = Rng::from_env();
    let program = GoGit::build();
    let branches = load::branches(PUSHERS);
    let world = small_world_of(World::builder().host(HostKind::OpenSsh).proxy(ProxyKind::Embedded));
    let settings = json!({
        "schedule": { "syncEvery": "2s", "flushOnPush": true, "maintainEvery": "1m" },
        "packCache": { "size": format!("{}MiB", PACK_CACHE >> 20) },
    });
    let settings = settings.as_object().cloned().unwrap_or_default();
    let mut served = load::serve_lanes(world, &branches, settings);
    let ended = run(&mut served, &branches, program, &interrupt, arguments.length, &mut rng);
    if ended.is_err() && !interrupt.is_requested() {
        let folder = served.world.sandbox().path().to_owned();
        served.world.keep();
        std::fs::write(folder.join("server.log"), served.server.log())
            .map_err(|error| format!("cannot write the server's log: {error}"))?;
        print(&format!("everything is left as it is in {}", folder.display()));
    }
    ended
}

fn run(
    served: &mut Served,
    branches: &[String],
    program: GoGit,
    interrupt: &Interrupt,
    length: Duration,
    rng: &mut Rng,
) -> Outcome {
    let read = [branches, &["main".to_owned()]].concat();
    let upstream = served.world.upstream().clone();
    let clients = Clients::new(served, served.token("promoter", &[]));
    let resources = std::thread::scope(|scope| {
        // Whatever ends this scope, stops the clients.
        let stop = clients.stop_on_drop();
        let threads = spawn_clients(scope, &clients, (branches, &read), &upstream, program);
        let ended = inject_faults(served, &clients, &threads, interrupt, length, rng);
        drop(stop);
        for client in threads {
            if client.join().is_err() && !interrupt.is_requested() {
                return Err("a client has failed; its message is above".to_owned());
            }
        }
        ended
    })?;
    prove(served, &clients, resources)
}

type Client<'scope> = ScopedJoinHandle<'scope, ()>;

fn spawn_clients<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    clients: &'env Clients,
    (branches, read): (&'env [String], &'env [String]),
    upstream: &'env Repository,
    program: GoGit,
) -> Vec<Client<'scope>> {
    let mut threads = vec![scope.spawn(|| develop(clients, upstream))];
    for (number, branch) in branches.iter().enumerate() {
        threads.push(scope.spawn(move || clients.push_repeatedly(number, branch, PROMOTED)));
    }
    for number in 0..READERS {
        threads.push(scope.spawn(move || clients.read_repeatedly(number, &ReadKind::ALL, read, PAUSE)));
    }
    for number in 0..POLLERS {
        threads.push(scope.spawn(move || clients.poll_repeatedly(program, number, read, PAUSE)));
    }
    threads
}

/// Moves the source branch of upstream, and tags it now and then.
fn develop(clients: &Clients, upstream: &Repository) {
    let mut number = 0;
    while clients.pause(DEVELOPED) {
        number += 1;
        upstream.commit("main").file("source", format!("{number}\n")).make();
        if number % 20 == 0 {
            upstream.run(["tag", &format!("v0.{number}"), "main"]);
        }
    }
}

/// Injects one fault after the other, with operators' verbs between them.
fn inject_faults(
    served: &mut Served,
    clients: &Clients,
    threads: &[Client<'_>],
    interrupt: &Interrupt,
    length: Duration,
    rng: &mut Rng,
) -> Outcome<ResourceUse> {
    let begin = Instant::now();
    let (half, end) = (begin + length / 2, begin + length);
    let every = length / SAMPLES;
    let mut resources = ResourceUse::default();
    let mut next = begin;
    while Instant::now() < end {
        if interrupt.is_requested() {
            return Err("interrupted; nothing is proved".to_owned());
        }
        if threads.iter().any(ScopedJoinHandle::is_finished) {
            return Err("a client has failed; its message is above".to_owned());
        }
        let scope = if Instant::now() < half { KillScope::Server } else { KillScope::Children };
        Fault::draw(rng, scope).inject(served, clients, rng)?;
        operate(&served.world, rng)?;
        clients.pause(Duration::from_millis(rng.below(3000)));
        if Instant::now() >= next {
            next = Instant::now() + every;
            resources.sample(begin.elapsed(), served, clients)?;
        }
    }
    resources.start_from(half - begin);
    Ok(resources)
}

/// Runs an operator's verb beside the server while the connection to upstream works.
fn operate(world: &World, rng: &mut Rng) -> Outcome {
    const VERBS: [&[&str]; 7] = [
        &["status"],
        &["sync", "--confirm", "--wait"],
        &["flush", "--confirm", "--wait"],
        &["maintain", "--confirm", "--wait"],
        &["snapshots", "list"],
        &["history"],
        &["status", "--refresh"],
    ];
    let words = VERBS[rng.below(VERBS.len() as u64) as usize];
    let run = mirror(world, words);
    match run.exit {
        // Commits may be in flight.
        Some(0 | 3) => Ok(()),
        ended => Err(format!("git-mirror {} ended with {ended:?}\n{}\n{}", words.join(" "), run.stdout, run.stderr)),
    }
}

/// Runs the program as an operator does: maintenance needs git.
fn mirror(world: &World, words: &[&str]) -> Run {
    Run::of(world.command(words).env("PATH", std::env::var_os("PATH").unwrap_or_default()))
}

/// Checks the end: everything that was acknowledged is in the mirror and at upstream, what was read is still there, nothing is left over,
/// and the server holds no more than in the middle.
fn prove(served: &mut Served, clients: &Clients, mut resources: ResourceUse) -> Outcome {
    let Counts { accepted, clones, listings, excused } = clients.counts();
    if accepted < PUSHERS || clones < READERS || listings < POLLERS {
        return Err("too few requests were made; take more time".to_owned());
    }
    if excused > (accepted + clones + listings) / DISTURBED {
        return Err(format!("too much was disturbed to prove anything: {excused} requests"));
    }
    if !became(|| served.children().is_empty()) {
        return Err(format!("processes of the server run on without a client: {:?}", served.children()));
    }
    let world = &served.world;
    for verb in ["flush", "sync", "maintain"] {
        let run = mirror(world, &[verb, "--confirm", "--wait"]);
        if run.exit != Some(0) {
            return Err(format!("the last {verb} ended with {:?}\n{}\n{}", run.exit, run.stdout, run.stderr));
        }
    }
    clients.assert_retained(&world.cache());
    clients.assert_retained(world.upstream());
    clients.assert_read_retained(&world.cache());
    resources.finish(served, clients)?;
    let status = served.server.terminate();
    if !status.success() {
        return Err(format!("the server ended with {status}"));
    }
    let cache = served.world.cache();
    if !became(|| procfs::mentioning(&served.world.cache_folder().to_string_lossy()).is_empty()) {
        return Err("a git process has outlived the server".to_owned());
    }
    cache.fsck();
    served.world.upstream().fsck();
    let left = leftovers(cache.path());
    if !left.is_empty() {
        return Err(format!("left over in {}: {left:?}", world::REPOSITORY));
    }
    print("nothing was lost, nothing was wrong, nothing is left over");
    resources.judge(PACK_CACHE)
}
