//! `cargo xtask soak`: real clients against the real server for hours, while upstream fails, programs are killed and operators work.
//!
//! Upstream is OpenSSH's server behind a CONNECT proxy. Pushers, readers in every way that builds read, and go-git as Argo CD and Flux use it
//! work all the time. In the first half the server itself is killed and restarted as well; in the second it lives, so that what it holds
//! can be compared. Where something goes wrong, the folder of all of them stays. Owns the play and the verdict; the clients are
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
use mirror_tests::load::{self, Crowd, Promotions, Reading, Seen};
use mirror_tests::rng::Rng;
use mirror_tests::sandbox::Repository;
use mirror_tests::server::{Served, became, small_world_of};
use mirror_tests::world::{HostKind, ProxyKind, Run, World};
use mirror_tests::{procfs, world};
use serde_json::json;

use crate::run::{Outcome, say};
use crate::tools;
use faults::{Mortal, Weather};
use interrupt::Wish;
use resources::Growth;

/// How many pushers there are; each has a GitOps branch of its own.
const PUSHERS: usize = 4;
const READERS: usize = 6;
const POLLERS: usize = 2;
/// How long readers wait between two requests: what remains is for the server and for whoever disturbs it.
const PAUSE: Duration = Duration::from_millis(400);
/// A thousand promotions in an hour are many. Few bring much, as whoever clones all of the history does so again and again.
const PROMOTED: Promotions = Promotions { pause: Duration::from_secs(10), much_every: 50 };
/// How large the cache of packs may become: less than what the clients ask for, so that it has to let go.
const PACK_CACHE: u64 = 128 << 20;
/// How many of all requests may fail because something was disturbed: one in so many.
const DISTURBED: usize = 4;
/// How often the source branch moves.
const DEVELOPED: Duration = Duration::from_secs(3);
/// How many lines are told of the whole.
const SAMPLES: u32 = 60;

/// For how long.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How long: a number and a unit, such as 90s, 30m or 2h.
    #[arg(long = "for", value_name = "DURATION", default_value = "2h", value_parser = length)]
    length: Duration,
}

fn length(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|fault| fault.to_string())
}

/// Lets clients work on a server for so long, and proves that nothing was lost and nothing was wrong.
pub(crate) fn soak(arguments: &Arguments) -> Outcome {
    let missing = tools::provide(&[tools::GIT, tools::SSHD, tools::GO]);
    if !missing.is_empty() {
        return Err(format!("the soak needs: {}", tools::install_line(&missing)));
    }
    let wish = Wish::listen()?;
    let mut rng = Rng::told();
    let program = GoGit::build();
    let branches = load::branches(PUSHERS);
    let world = small_world_of(World::builder().host(HostKind::OpenSsh).proxy(ProxyKind::Embedded));
    let settings = json!({
        "schedule": { "syncEvery": "2s", "flushOnPush": true, "maintainEvery": "1m" },
        "packCache": { "size": format!("{}MiB", PACK_CACHE >> 20) },
    });
    let settings = settings.as_object().cloned().unwrap_or_default();
    let mut site = load::site(world, &branches, settings);
    let ended = try_out(&mut site, &branches, program, &wish, arguments.length, &mut rng);
    if ended.is_err() && !wish.was_told() {
        let folder = site.world.sandbox().path().to_owned();
        site.world.keep();
        std::fs::write(folder.join("server.log"), site.server.log())
            .map_err(|error| format!("cannot write the server's log: {error}"))?;
        say(&format!("everything is left as it is in {}", folder.display()));
    }
    ended
}

fn try_out(
    site: &mut Served,
    branches: &[String],
    program: GoGit,
    wish: &Wish,
    length: Duration,
    rng: &mut Rng,
) -> Outcome {
    let read = [branches, &["main".to_owned()]].concat();
    let upstream = site.world.upstream().clone();
    let crowd = Crowd::new(site, site.token("promoter", &[]));
    let growth = std::thread::scope(|scope| {
        // Whatever ends this scope, ends the clients.
        let shift = crowd.shift();
        let clients = clients(scope, &crowd, (branches, &read), &upstream, program);
        let played = play(site, &crowd, &clients, wish, length, rng);
        drop(shift);
        for client in clients {
            if client.join().is_err() && !wish.was_told() {
                return Err("a client has found something wrong; its words stand above".to_owned());
            }
        }
        played
    })?;
    prove(site, &crowd, growth)
}

type Client<'scope> = ScopedJoinHandle<'scope, ()>;

fn clients<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    crowd: &'env Crowd,
    (branches, read): (&'env [String], &'env [String]),
    upstream: &'env Repository,
    program: GoGit,
) -> Vec<Client<'scope>> {
    let mut clients = vec![scope.spawn(|| develop(crowd, upstream))];
    for (number, branch) in branches.iter().enumerate() {
        clients.push(scope.spawn(move || crowd.push_again_and_again(number, branch, PROMOTED)));
    }
    for number in 0..READERS {
        clients.push(scope.spawn(move || crowd.read_again_and_again(number, &Reading::ALL, read, PAUSE)));
    }
    for number in 0..POLLERS {
        clients.push(scope.spawn(move || crowd.poll_again_and_again(program, number, read, PAUSE)));
    }
    clients
}

/// Moves the source branch of upstream, and tags it now and then.
fn develop(crowd: &Crowd, upstream: &Repository) {
    let mut number = 0;
    while crowd.pause(DEVELOPED) {
        number += 1;
        upstream.commit("main").file("source", format!("{number}\n")).make();
        if number % 20 == 0 {
            upstream.run(["tag", &format!("v0.{number}"), "main"]);
        }
    }
}

/// One weather after the other, with operators' verbs between them.
fn play(
    site: &mut Served,
    crowd: &Crowd,
    clients: &[Client<'_>],
    wish: &Wish,
    length: Duration,
    rng: &mut Rng,
) -> Outcome<Growth> {
    let begin = Instant::now();
    let (half, end) = (begin + length / 2, begin + length);
    let every = length / SAMPLES;
    let mut growth = Growth::default();
    let mut next = begin;
    while Instant::now() < end {
        if wish.was_told() {
            return Err("somebody wished that it ends; nothing is proved".to_owned());
        }
        if clients.iter().any(ScopedJoinHandle::is_finished) {
            return Err("a client has found something wrong; its words stand above".to_owned());
        }
        let mortal = if Instant::now() < half { Mortal::Everybody } else { Mortal::Programs };
        Weather::draw(rng, mortal).pass(site, crowd, rng)?;
        operate(&site.world, rng)?;
        crowd.pause(Duration::from_millis(rng.below(3000)));
        if Instant::now() >= next {
            next = Instant::now() + every;
            growth.look(begin.elapsed(), site, crowd)?;
        }
    }
    growth.looked_from(half - begin);
    Ok(growth)
}

/// Does what operators do beside a server while the road to upstream is open.
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
        // Commits may be on their way.
        Some(0 | 3) => Ok(()),
        ended => Err(format!("git-mirror {} ended with {ended:?}\n{}\n{}", words.join(" "), run.stdout, run.stderr)),
    }
}

/// Runs the program as an operator does: maintenance needs git.
fn mirror(world: &World, words: &[&str]) -> Run {
    Run::of(world.command(words).env("PATH", std::env::var_os("PATH").unwrap_or_default()))
}

/// Proves the end: everything that was acknowledged is in the mirror and at upstream, what was read is still there, nothing is left over,
/// and the server holds no more than in the middle.
fn prove(site: &mut Served, crowd: &Crowd, mut growth: Growth) -> Outcome {
    let Seen { accepted, clones, listings, excused } = crowd.seen();
    if accepted < PUSHERS || clones < READERS || listings < POLLERS {
        return Err("hardly anybody has done anything; take more time".to_owned());
    }
    if excused > (accepted + clones + listings) / DISTURBED {
        return Err(format!("too much was disturbed to prove anything: {excused} requests"));
    }
    if !became(|| site.children().is_empty()) {
        return Err(format!("programs of the server run on with no client: {:?}", site.children()));
    }
    let world = &site.world;
    for verb in ["flush", "sync", "maintain"] {
        let run = mirror(world, &[verb, "--confirm", "--wait"]);
        if run.exit != Some(0) {
            return Err(format!("the last {verb} ended with {:?}\n{}\n{}", run.exit, run.stdout, run.stderr));
        }
    }
    crowd.prove_kept(&world.cache());
    crowd.prove_kept(world.upstream());
    crowd.prove_read(&world.cache());
    growth.settle(site, crowd)?;
    let status = site.server.terminate();
    if !status.success() {
        return Err(format!("the server ended with {status}"));
    }
    let cache = site.world.cache();
    if !became(|| procfs::mentioning(&site.world.cache_folder().to_string_lossy()).is_empty()) {
        return Err("a program of git has outlived the server".to_owned());
    }
    cache.fsck();
    site.world.upstream().fsck();
    let left = leftovers(cache.path());
    if !left.is_empty() {
        return Err(format!("left over in {}: {left:?}", world::REPOSITORY));
    }
    say("nothing was lost, nothing was wrong, nothing is left over");
    growth.judge(PACK_CACHE)
}
