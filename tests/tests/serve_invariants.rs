//! The invariants as a running server keeps them: I1, I3, I6, I9, I10, each by its name.
//!
//! The others have their tests where their danger is: I2 in `serve_write`, `serve_crash` and `real_serve`, I5 in `serve_read`, I7 in
//! `serve_crash` and `real_serve`, I8 in `serve_tokens`; I4 is the engine's, whose operations the server runs as they are.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use mirror_tests::footprint::Footprint;
use mirror_tests::gitclient::VERSIONS;
use mirror_tests::rawpush::{self, RawPush};
use mirror_tests::server::{self, Served, small_world};
use mirror_tests::sshhost::embedded::{HookPoint, Service};
use mirror_tests::world::World;

/// Holds the next operation that reaches upstream, until the given sender goes.
fn hold(world: &World) -> (Receiver<()>, Sender<()>) {
    let (arrived, arrival) = channel();
    let (release, released) = channel::<()>();
    let held = Mutex::new(Some(released));
    world.host().hook(HookPoint::BeforeGit, move |_| {
        let Some(released) = held.lock().expect("because no hook panics").take() else { return };
        // Whoever waits for it may be gone where the test has failed.
        let _ = arrived.send(());
        let _ = released.recv();
    });
    (arrival, release)
}

#[test]
fn i1_no_push_makes_moves_or_removes_a_snapshot() {
    let site = Served::small(|_| {});
    let token = site.token("promoter", &[]);
    let work = site.client().clone_bare(&site.url(), "work", &[]);
    let tip = work.branch("main").expect("because it was cloned");
    let other = work.commit("other").root().file("a", "b\n").make();
    let snapshots = site.world.cache().refs_under("refs/mirror/snapshots/");
    let name = format!("refs/mirror/snapshots/app/main/{tip}");
    assert_eq!(snapshots.get(&name), Some(&tip));
    let made = format!("refs/mirror/snapshots/app/main/{other}");
    for (name, old, new) in [
        (&name, Some(tip), Some(other)),
        (&name, Some(tip), None),
        (&name, None, Some(other)),
        (&made, None, Some(other)),
    ] {
        for capability in ["report-status", "atomic", "delete-refs"] {
            let push = RawPush::new().capability(capability).command(name, old, new);
            let push = if new.is_some() { push.pack(rawpush::pack(&work, other, None)) } else { push };
            let told = push.send(site.address(), &token);
            assert!(!told.accepts(name), "{told:?}");
        }
    }
    assert_eq!(site.world.cache().refs_under("refs/mirror/snapshots/"), snapshots);
}

#[test]
fn i3_a_push_is_never_flushed_by_force() {
    let site = Served::small(|serve| serve["schedule"]["flushOnPush"] = true.into());
    let token = site.token("promoter", &[]);
    let work = site.client().clone_bare(&site.url(), "work", &[]);
    // Upstream has gone elsewhere, and the mirror does not know yet.
    let theirs = site.world.upstream().commit("gitops").file("deployed", "by another\n").make();
    let ours = work.commit("gitops").file("deployed", "ours\n").make();
    site.client().with(&token).run(work.path(), ["push", "--quiet", &site.url(), "gitops"]);
    let flushed = "git_mirror_operations_total{repository=\"app\",verb=\"flush\",outcome=\"finding\"}";
    site.wait_until("the flush has ended", || site.metric(flushed) >= 1.0);
    assert_eq!(site.world.upstream().branch("gitops"), Some(theirs));
    assert_eq!(site.world.cache().branch("gitops"), Some(ours), "and what was accepted is still there");
    let status = site.world.mirror(&["status"]).expect(3);
    assert_eq!(status.lane("main")["diverged"], true, "{}", status.stdout);
}

#[test]
fn i6_the_schedule_and_people_take_turns_and_pushes_need_none() {
    let world = small_world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    let (arrival, release) = hold(&world);
    let site = Served::start(world, |serve| serve["schedule"]["syncEvery"] = "1s".into());
    arrival.recv().expect("because the schedule looks at upstream");
    for verb in ["sync", "flush"] {
        let run = site.world.mirror(&[verb, "--confirm"]).expect(4);
        let fault = run.lane("main")["fault"].to_string();
        assert!(fault.contains(&site.id().to_string()), "it names who works there: {fault}");
    }
    // A writer does not wait for upstream.
    let token = site.token("promoter", &[]);
    let work = site.client().clone_bare(&site.url(), "work", &[]);
    let made = work.commit("gitops").file("deployed", "meanwhile\n").make();
    site.client().with(&token).run(work.path(), ["push", "--quiet", &site.url(), "gitops"]);
    assert_eq!(site.world.cache().branch("gitops"), Some(made));
    drop(release);
    site.world.mirror(&["sync", "--confirm", "--wait"]).expect(3);
    site.world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    assert_eq!(site.world.upstream().branch("gitops"), Some(made));
}

/// The far ends of the TCP connections that a program has made itself.
fn far_ends(id: u32, own: SocketAddr) -> BTreeSet<SocketAddr> {
    let sockets: BTreeSet<String> = std::fs::read_dir(format!("/proc/{id}/fd"))
        .expect("because it runs")
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{id}/net/tcp")).expect("because it runs");
    let address = |text: &str| {
        let (host, port) = text.split_once(':')?;
        let host = u32::from_str_radix(host, 16).ok()?.to_le_bytes();
        Some(SocketAddr::from((host, u16::from_str_radix(port, 16).ok()?)))
    };
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let made = rows.filter(|row| row.get(9).is_some_and(|inode| sockets.contains(*inode)));
    let ends = made.filter_map(|row| Some((address(row.get(1)?)?, address(row.get(2)?)?)));
    ends.filter(|(near, far)| near.port() != own.port() && far.port() != 0).map(|(_, far)| far).collect()
}

#[test]
fn i9_the_server_opens_sockets_to_the_proxy_alone() {
    let site = Served::small(|serve| {
        serve["schedule"]["syncEvery"] = "1s".into();
        serve["schedule"]["flushOnPush"] = true.into();
    });
    let world = &site.world;
    let token = site.token("promoter", &[]);
    let work = site.client().clone_bare(&site.url(), "work", &[]);
    let before = world.host().record().count(Service::UploadPack);
    let mut seen = BTreeSet::new();
    let mut round = 0;
    site.wait_until("it has looked and flushed", || {
        round += 1;
        work.commit("gitops").file("deployed", format!("{round}\n")).make();
        site.client().with(&token).ask(work.path(), ["push", "--quiet", &site.url(), "gitops"]);
        seen.extend(far_ends(site.id(), site.address()));
        let record = world.host().record();
        record.count(Service::UploadPack) >= before + 4 && record.count(Service::ReceivePack) >= 2 && !seen.is_empty()
    });
    assert_eq!(seen, BTreeSet::from([world.proxy().socket()]));
    // Whatever reached upstream came through the tunnels, and was SSH.
    let (connections, tunnels) = (world.host().record().connections.len(), world.proxy().record().tunnels.len());
    assert!(connections <= tunnels, "{connections} connections, {tunnels} tunnels");
}

#[test]
fn i10_reading_changes_no_byte_of_the_cache() {
    let mut world = small_world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    server::configure(&mut world, |_| {});
    let before = Footprint::of(world.cache().path());
    let mut site = Served::start(world, |_| {});
    for version in VERSIONS {
        for (number, options) in [&[] as &[&str], &["--depth=1"], &["--filter=blob:none"]].into_iter().enumerate() {
            site.client().speaking(version).clone_bare(&site.url(), &format!("clone-{version:?}-{number}"), options);
        }
    }
    for path in ["/", "/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/history"] {
        site.get(path).expect(200);
    }
    site.get("/app.git/info/refs?service=git-receive-pack").expect(401);
    before.expect_unchanged(site.world.cache().path());
    assert!(site.server.terminate().success());
    before.expect_unchanged(site.world.cache().path());
}
