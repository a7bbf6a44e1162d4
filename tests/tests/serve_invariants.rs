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
        // The receiver may be dropped where the test has failed.
        let _ = arrived.send(());
        let _ = released.recv();
    });
    (arrival, release)
}

#[test]
fn i1_no_push_touches_a_snapshot() {
    let served = Served::small(|_| {});
    let token = served.token("promoter", &[]);
    let work = served.client().clone_bare(&served.url(), "work", &[]);
    let tip = work.branch("main").expect("because it was cloned");
    let other = work.commit("other").root().file("a", "b\n").make();
    let snapshots = served.world.cache().refs_under("refs/mirror/snapshots/");
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
            let result = push.send(served.address(), &token);
            assert!(!result.accepts(name), "{result:?}");
        }
    }
    assert_eq!(served.world.cache().refs_under("refs/mirror/snapshots/"), snapshots);
}

#[test]
fn i3_a_push_is_never_flushed_by_force() {
    let served = Served::small(|serve| serve["schedule"]["flushOnPush"] = true.into());
    let token = served.token("promoter", &[]);
    let work = served.client().clone_bare(&served.url(), "work", &[]);
    // Upstream has diverged, and the mirror has not observed it yet.
    let theirs = served.world.upstream().commit("gitops").file("deployed", "by another\n").make();
    let ours = work.commit("gitops").file("deployed", "ours\n").make();
    served.client().with(&token).run(work.path(), ["push", "--quiet", &served.url(), "gitops"]);
    let flushed = "git_mirror_operations_total{repository=\"app\",verb=\"flush\",outcome=\"finding\"}";
    served.wait_until("the flush has ended", || served.metric(flushed) >= 1.0);
    assert_eq!(served.world.upstream().branch("gitops"), Some(theirs));
    assert_eq!(served.world.cache().branch("gitops"), Some(ours), "and what was accepted is still there");
    let status = served.world.mirror(&["status"]).expect(3);
    assert_eq!(status.lane("main")["diverged"], true, "{}", status.stdout);
}

#[test]
fn i6_schedule_and_operators_take_turns() {
    let world = small_world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    let (arrival, release) = hold(&world);
    let served = Served::start(world, |serve| serve["schedule"]["syncEvery"] = "1s".into());
    arrival.recv().expect("because the schedule syncs");
    for verb in ["sync", "flush"] {
        let run = served.world.mirror(&[verb, "--confirm"]).expect(4);
        let fault = run.lane("main")["fault"].to_string();
        assert!(fault.contains(&served.id().to_string()), "it names who works there: {fault}");
    }
    // A writer does not wait for upstream.
    let token = served.token("promoter", &[]);
    let work = served.client().clone_bare(&served.url(), "work", &[]);
    let made = work.commit("gitops").file("deployed", "meanwhile\n").make();
    served.client().with(&token).run(work.path(), ["push", "--quiet", &served.url(), "gitops"]);
    assert_eq!(served.world.cache().branch("gitops"), Some(made));
    drop(release);
    served.world.mirror(&["sync", "--confirm", "--wait"]).expect(3);
    served.world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    assert_eq!(served.world.upstream().branch("gitops"), Some(made));
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
fn i9_the_server_connects_to_the_proxy_only() {
    let served = Served::small(|serve| {
        serve["schedule"]["syncEvery"] = "1s".into();
        serve["schedule"]["flushOnPush"] = true.into();
    });
    let world = &served.world;
    let token = served.token("promoter", &[]);
    let work = served.client().clone_bare(&served.url(), "work", &[]);
    let before = world.host().record().count(Service::UploadPack);
    let mut seen = BTreeSet::new();
    let mut round = 0;
    served.wait_until("it has looked and flushed", || {
        round += 1;
        work.commit("gitops").file("deployed", format!("{round}\n")).make();
        served.client().with(&token).ask(work.path(), ["push", "--quiet", &served.url(), "gitops"]);
        seen.extend(far_ends(served.id(), served.address()));
        let record = world.host().record();
        record.count(Service::UploadPack) >= before + 4 && record.count(Service::ReceivePack) >= 2 && !seen.is_empty()
    });
    assert_eq!(seen, BTreeSet::from([world.proxy().socket()]));
    // Every connection to upstream was made through the tunnels, by SSH.
    let (connections, tunnels) = (world.host().record().connections.len(), world.proxy().record().tunnels.len());
    assert!(connections <= tunnels, "{connections} connections, {tunnels} tunnels");
}

#[test]
fn i10_reading_changes_no_byte_of_the_cache() {
    let mut world = small_world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    server::configure(&mut world, |_| {});
    let before = Footprint::of(world.cache().path());
    let mut served = Served::start(world, |_| {});
    for version in VERSIONS {
        for (number, options) in [&[] as &[&str], &["--depth=1"], &["--filter=blob:none"]].into_iter().enumerate() {
            served.client().speaking(version).clone_bare(
                &served.url(),
                &format!("clone-{version:?}-{number}"),
                options,
            );
        }
    }
    for path in ["/", "/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/history"] {
        served.get(path).expect(200);
    }
    served.get("/app.git/info/refs?service=git-receive-pack").expect(401);
    before.expect_unchanged(served.world.cache().path());
    assert!(served.server.terminate().success());
    before.expect_unchanged(served.world.cache().path());
}
