//! What a running server shows of itself, how it ends, and what it does without being asked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mirror_core::name::CommitId;
use mirror_tests::gitclient::Token;
use mirror_tests::http;
use mirror_tests::procfs;
use mirror_tests::proxy::embedded::{ProxyFault, Tunnels};
use mirror_tests::rawfetch::{self, RawFetch};
use mirror_tests::requires;
use mirror_tests::sandbox::Repository;
use mirror_tests::server::{self, Served, Server, find_metric, small_world};
use mirror_tests::sshhost::embedded::{Ending, HostFault, Point, Service};
use mirror_tests::world::World;
use rustix::process::Signal;
use serde_json::{Value, json};

/// Bytes that do not compress.
///
/// # Source
/// Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise
}

/// A server whose newest snapshot is too large for the buffers between a server and a client that does not read.
fn large(change: impl FnOnce(&mut Value)) -> (Served, CommitId) {
    let world = small_world();
    let tip = world.upstream().commit("main").file("image", noise(24 << 20)).make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    (Served::start(world, change), tip)
}

fn scrape(served: &Server) -> String {
    served.get("/metrics").expect(200).text()
}

#[test]
fn it_announces_itself_once() {
    let served = Served::small(|_| {});
    let result = served.announcement();
    assert_eq!((&result["schema"], &result["ok"]), (&"git-mirror/serve/v1".into(), &true.into()));
    assert_eq!((&result["node"], &result["url"]), (&"local".into(), &format!("http://{}", served.address()).into()));
    let repository = &result["repositories"][0];
    assert_eq!((&repository["repository"], &repository["url"]), (&"app".into(), &served.url().into()));
    let own = repository["upstreamUrl"].as_str().expect("because it has one");
    served.client().run(served.world.sandbox().path(), ["ls-remote", own]);
}

#[test]
fn health_and_readiness_differ() {
    let world = small_world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    // From before the first sync on: an open session is not affected by faults of new ones.
    world.proxy().inject(Tunnels::Every, ProxyFault::CloseAtAccept);
    let served = Served::start(world, |serve| serve["schedule"]["syncEvery"] = "1s".into());
    assert_eq!(served.get("/healthz").status, 200);
    assert_eq!(served.get("/readyz").status, 200);
    served.wait_until("a look has failed", || {
        served.metric("git_mirror_upstream_consecutive_failures{repository=\"app\"}") > 0.0
    });
    assert_eq!((served.get("/healthz").status, served.get("/readyz").status), (200, 200));
    // Files that were open once may be removed now.
    let (place, away) = (served.world.cache().path().to_owned(), served.world.sandbox().path().join("away"));
    std::fs::rename(&place, &away).expect("because the name is free");
    let result = served.get("/readyz").expect(503).text();
    assert!(result.contains("app: "), "{result}");
    std::fs::rename(&away, &place).expect("because it was moved from there");
    assert_eq!(served.get("/readyz").status, 200);
    served.world.proxy().clear_faults();
    served.wait_until("it looks again", || {
        served.metric("git_mirror_upstream_consecutive_failures{repository=\"app\"}") == 0.0
    });
}

#[test]
fn every_metric_is_documented_and_counts() {
    let served = Served::small(|serve| serve["schedule"]["syncEvery"] = "1s".into());
    let token = served.token("promoter", &[]);
    let clone = served.client().clone_bare(&served.url(), "one", &[]);
    // The reader has its answer a moment before it is cached for the next one.
    served.wait_until("it is kept", || served.metric("git_mirror_pack_cache_entries") >= 1.0);
    served.client().clone_bare(&served.url(), "two", &[]);
    clone.commit("gitops").file("deployed", "x\n").make();
    served.client().with(&token).run(clone.path(), ["push", "--quiet", &served.url(), "gitops"]);
    served.client().with(&token).ask(clone.path(), ["push", &served.url(), "main:other"]);
    served.get("/app.git/info/refs?service=git-receive-pack").expect(401);
    served.wait_until("a scheduled sync has ended", || {
        served.metric("git_mirror_operations_total{repository=\"app\",verb=\"sync\",outcome=\"done\"}")
            + served.metric("git_mirror_operations_total{repository=\"app\",verb=\"sync\",outcome=\"finding\"}")
            > 0.0
    });
    // A request is counted, and the making of a pack counted out, a moment after the answer.
    served.wait_until("what was sent is counted", || {
        served.metric("git_mirror_http_sent_bytes_total{endpoint=\"upload-pack\"}") >= 1000.0
    });
    served.wait_until("no pack is being made", || served.metric("git_mirror_packs_running") == 0.0);

    let reply = served.get("/metrics").expect(200);
    let kind = reply.header("content-type").unwrap_or_default().to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = reply.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md"));
    let page = page.expect("because it is generated");
    let mut families = BTreeSet::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let shown = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
            assert!(page.contains(&format!("| `{shown}` | {kind} |")), "{shown} is not in docs/metrics.md");
            families.insert(name.to_owned());
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').expect("because a sample has a value");
            value.parse::<f64>().expect("because a value is a number");
            let name = name.split('{').next().unwrap_or_default();
            let ends = ["_total", "_bucket", "_sum", "_count", ""];
            assert!(
                ends.iter().any(|end| name.strip_suffix(end).is_some_and(|name| families.contains(name))),
                "{line}"
            );
        }
    }
    for (name, at_least) in [
        ("git_mirror_packs_total{source=\"made\"}", 1.0),
        ("git_mirror_packs_total{source=\"disk\"}", 1.0),
        ("git_mirror_pushed_refs_total{repository=\"app\",outcome=\"accepted\"}", 1.0),
        ("git_mirror_pushed_refs_total{repository=\"app\",outcome=\"denied\"}", 1.0),
        ("git_mirror_refused_total{reason=\"unauthorized\"}", 1.0),
        ("git_mirror_connections_accepted_total", 5.0),
        ("git_mirror_http_sent_bytes_total{endpoint=\"upload-pack\"}", 1000.0),
        ("git_mirror_ssh_sessions_total{repository=\"app\",event=\"opened\"}", 1.0),
        ("git_mirror_pending_flush{lane=\"main\"}", 1.0),
        ("git_mirror_disk_free_bytes", 1.0),
    ] {
        let value = find_metric(&text, name);
        assert!(value.is_some_and(|value| value >= at_least), "{name} is {value:?} in\n{text}");
    }
    for (name, exactly) in
        [("git_mirror_disk_low", 0.0), ("git_mirror_diverged{lane=\"main\"}", 0.0), ("git_mirror_packs_running", 0.0)]
    {
        assert_eq!(find_metric(&text, name), Some(exactly), "{name} in\n{text}");
    }
    let age = find_metric(&text, "git_mirror_observation_age_seconds{lane=\"main\"}").expect("because it has synced");
    assert!((0.0..60.0).contains(&age), "{age}");
}

/// Takes out what depends on the second.
fn settled(mut report: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("ageSeconds");
                fields.values_mut().for_each(walk);
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut report);
    report
}

/// Compares two reports field by field.
#[track_caller]
fn assert_same(place: &str, left: &Value, right: &Value) {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let names: BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for name in names {
                let field = |fields: &serde_json::Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
                assert_same(&format!("{place}.{name}"), &field(left), &field(right));
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (number, (left, right)) in left.iter().zip(right).enumerate() {
                assert_same(&format!("{place}[{number}]"), left, right);
            }
        }
        _ => assert_eq!(left, right, "{place}"),
    }
}

#[test]
fn the_api_and_the_program_agree() {
    let served = Served::small(|_| {});
    let world = &served.world;
    let address = format!("http://{}", served.address());
    let compare = |exit: i32| {
        let own = world.mirror(&["status"]).expect(exit);
        // The commands to run next name the file of a configuration only where there is one.
        let file = format!(" -f {}", world.config_file().display());
        let plain = own.stdout.replace(&file, "");
        let own_report: Value = serde_json::from_str(&plain).expect("because it was a report");
        assert_same("", &settled(served.get("/api/v1/status").expect(200).json()), &settled(own_report));
        // A machine that has neither cache nor configuration sees the same, and ends the same.
        let mut command = world.command(&[]);
        command = bare(&command, &["status", "--server", &address, "-o", "json"]);
        let there = mirror_tests::world::Run::of(&mut command).expect(exit);
        assert_same("lanes", &settled(there.report["lanes"].clone()), &settled(own.report["lanes"].clone()));
        let history = world.mirror(&["history"]).expect(0);
        let result = served.get("/api/v1/history").expect(200).json();
        assert_same("lanes", &settled(result["lanes"].clone()), &settled(history.report["lanes"].clone()));
    };
    compare(0);
    world.cache().commit("gitops").file("deployed", "pending\n").make();
    compare(3);
    world.mirror(&["flush", "--confirm"]).expect(0);
    compare(0);
    world.upstream().commit("gitops").file("deployed", "theirs\n").make();
    world.cache().commit("gitops").file("deployed", "ours\n").make();
    world.mirror(&["sync", "--confirm"]).expect(3);
    compare(3);
    let page = served.get("/").expect(200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{page:?}");
    for word in ["app", "main", "diverged"] {
        assert!(page.text().contains(word), "the page does not show {word}: {}", page.text());
    }
    // A search for a free port never gets this one.
    let mut command = bare(&world.command(&[]), &["status", "--server", "http://127.0.0.1:1", "-o", "json"]);
    let refused = mirror_tests::world::Run::of(&mut command);
    assert!(refused.exit.is_some_and(|exit| exit != 0 && exit != 3), "{refused:?}");
}

/// The same program in the same environment, with other arguments and without a configuration.
fn bare(command: &Command, words: &[&str]) -> Command {
    let mut bare = Command::new(command.get_program());
    bare.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bare.current_dir("/").args(words).stdin(Stdio::null());
    bare
}

#[test]
fn shutdown_finishes_open_requests() {
    let (mut served, tip) = large(|_| {});
    let mut stream = http::connect(served.address());
    stream.write_all(&RawFetch::of(tip).request(served.address())).expect("because the server listens");
    let mut first = vec![0; 64 << 10];
    stream.read_exact(&mut first).expect("because the answer begins");
    let mut idle = http::connect(served.address());
    served.signal(Signal::TERM);
    // An idle connection is closed, no new one is accepted, and the answer goes on.
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
    let address = served.address();
    served.wait_until("nobody new is let in", || {
        std::net::TcpStream::connect(address).map_or(true, |mut stream| {
            let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
            asked.is_err() || stream.read(&mut [0; 16]).map_or(true, |read| read == 0)
        })
    });
    assert!(served.server.runs(), "it ended before its last client");
    let mut whole = &first[..];
    let mut chained = (&mut whole).chain(&mut stream);
    let reply = http::read_reply(&mut chained, false).expect("because the answer is whole");
    let pack = rawfetch::pack(&reply.body).expect("because the answer is whole");
    let empty = served.world.sandbox().bare("empty");
    served.world.sandbox().git().run_with(empty.path(), ["index-pack", "--stdin", "--strict"], &pack);
    assert!(empty.has(tip));
    assert!(served.server.wait().success());
    assert!(served.server.log().len() < 100_000);
}

#[test]
fn a_second_signal_ends_at_once() {
    let (mut served, tip) = large(|_| {});
    let mut stream = http::connect(served.address());
    stream.write_all(&RawFetch::of(tip).request(served.address())).expect("because the server listens");
    stream.read_exact(&mut [0; 1024]).expect("because the answer begins");
    let children: Vec<_> = served.children();
    served.signal(Signal::TERM);
    let address = served.address();
    served.wait_until("it has heard", || std::net::TcpStream::connect(address).is_err());
    assert!(served.server.runs(), "it waits for the one who reads");
    // Two signals that arrive together are delivered as one, so it may take several.
    let again = served.id();
    let ended = server::became(|| {
        procfs::signal(again, Signal::TERM);
        !served.server.runs()
    });
    assert!(ended);
    let status = served.server.wait();
    assert_eq!(status.code(), Some(130), "{status}");
    let mut rest = Vec::new();
    let torn = stream.read_to_end(&mut rest);
    assert!(torn.is_err() || rest.len() < 24 << 20, "the answer was cut off");
    // A zombie has no command line any more.
    let gone = |id: u32| std::fs::read(format!("/proc/{id}/cmdline")).map_or(true, |words| words.is_empty());
    assert!(server::became(|| children.iter().all(|child| gone(child.id))), "a git process has outlived it");
}

/// Gives the server a socket that is open already, as systemd does.
fn activated(world: &World, listener: &TcpListener) -> Command {
    let plain = server::command(world, "127.0.0.1:1");
    let mut command = Command::new("sh");
    // The listening socket comes as standard input, and moves to descriptor 3; the shell becomes the server.
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&0 </dev/null";
    command.args(["-c", script, "sh"]).arg(plain.get_program());
    // The address on the command line is not for a server that is given one.
    command.args(plain.get_args().filter(|word| *word != "--listen" && *word != "127.0.0.1:1"));
    command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(plain.get_current_dir().expect("because the world sets it"));
    let descriptor = OwnedFd::from(listener.try_clone().expect("because there are descriptors left"));
    command.stdin(Stdio::from(descriptor));
    command
}

#[test]
fn a_systemd_socket_survives_a_restart() {
    let mut world = small_world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    server::configure(&mut world, |_| {});
    let listener = TcpListener::bind("127.0.0.1:0").expect("because a loopback port is free");
    let address = listener.local_addr().expect("because it is bound");
    let mut server = Server::spawn(&mut activated(&world, &listener));
    assert_eq!(server.address(), address);
    assert_eq!(server.get("/readyz").status, 200);
    assert!(server.terminate().success());
    // Who comes now waits, and is served by the next one.
    let mut early = http::connect(address);
    early
        .write_all(format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
        .expect("because the socket is open");
    let served = Served { server: Server::spawn(&mut activated(&world, &listener)), world };
    assert_eq!(http::read_reply(&mut early, false).expect("because it was served").status, 200);
    served.client().clone_bare(&served.url(), "clone", &[]);
}

#[test]
fn scheduled_syncs_share_one_session() {
    let mut world = small_world();
    world.configure(|config| {
        for number in 0..4 {
            let source = json!({ "branch": "main", "snapshotGroup": "app" });
            let gitops = json!({ "branch": format!("gitops-{number}") });
            config["nodes"]["local"]["lanes"][format!("lane-{number}")] =
                json!({ "repository": "app", "source": source, "gitops": gitops });
        }
    });
    world.mirror(&["sync", "--confirm"]).expect(0);
    let before = world.host().wait_until_quiet();
    let tunnels = world.proxy().record().tunnels.len();
    let served = Served::start(world, |serve| serve["schedule"]["syncEvery"] = "1s".into());
    let looks = before.count(Service::UploadPack);
    let record = served.world.host().wait(|record| record.count(Service::UploadPack) >= looks + 5);
    assert_eq!(record.connections.len(), before.connections.len() + 1, "one session");
    assert_eq!(served.world.proxy().record().tunnels.len(), tunnels + 1, "one tunnel");
    // Upstream's state is observed by the schedule.
    let next = served.world.upstream().commit("main").file("next", "news\n").make();
    served.wait_until("the server follows", || served.world.cache().branch("main") == Some(next));
    let result = served.client().run(served.world.sandbox().path(), ["ls-remote", &served.url(), "refs/heads/main"]);
    assert!(result.starts_with(&next.to_string()), "{result}");
    assert_eq!(served.world.proxy().record().tunnels.len(), tunnels + 1, "still one tunnel");
}

#[test]
fn a_lost_session_is_reopened() {
    let world = small_world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    let before = world.host().wait_until_quiet();
    // It lives long enough for some syncs.
    world.host().inject_once(HostFault::Stream { at: Point::Sent(6_000), then: Ending::Cut });
    let served = Served::start(world, |serve| serve["schedule"]["syncEvery"] = "1s".into());
    let host = served.world.host();
    host.wait(|record| {
        record.connections.len() > before.connections.len() && record.connections[before.connections.len()].ended
    });
    let again = host.wait(|record| record.connections.len() == before.connections.len() + 2);
    let looks = again.count(Service::UploadPack);
    host.wait(|record| record.count(Service::UploadPack) >= looks + 2);
    let next = served.world.upstream().commit("main").file("next", "news\n").make();
    served.wait_until("the server follows", || served.world.cache().branch("main") == Some(next));
    let counted =
        |event: &str| served.metric(&format!("git_mirror_ssh_sessions_total{{repository=\"app\",event=\"{event}\"}}"));
    served.wait_until("the loss is counted", || counted("lost") >= 1.0);
    // The first syncs over either session may be the only ones so far.
    served.wait_until("the new session is used again", || counted("reused") >= 2.0);
    let text = scrape(&served);
    assert_eq!(
        find_metric(&text, "git_mirror_operations_total{repository=\"app\",verb=\"sync\",outcome=\"upstream\"}"),
        Some(0.0),
        "{text}"
    );
}

#[test]
fn scheduled_maintenance_does_not_disturb_readers() {
    let world = small_world();
    for round in 0..6 {
        world.upstream().commit("main").file("round", format!("{round}\n")).make();
        world.mirror(&["sync", "--confirm"]).expect(0);
    }
    let served = Served::start(world, |serve| serve["schedule"]["maintainEvery"] = "1s".into());
    let done = "git_mirror_operations_total{repository=\"app\",verb=\"maintain\",outcome=\"done\"}";
    let mut clones = 0;
    served.wait_until("it has looked after the cache", || {
        clones += 1;
        let clone = served.client().clone_bare(&served.url(), &format!("clone-{clones}"), &["--depth=3"]);
        assert_eq!(clone.branch("main"), served.world.upstream().branch("main"));
        served.metric(done) >= 2.0
    });
    served.world.cache().fsck();
    let history = served.world.mirror(&["history"]).expect(0).stdout;
    assert!(history.contains("\"maintain\""), "it ran as if typed: {history}");
}

#[test]
fn identical_requests_share_one_run_of_git() {
    const READERS: usize = 12;
    let (served, tip) = large(|_| {});
    let made = || served.metric("git_mirror_packs_total{source=\"made\"}");
    let before = made();
    let bodies: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let reading: Vec<_> = (0..READERS)
            .map(|number| {
                let address = served.address();
                // Who asks makes no difference.
                let fetch = RawFetch::of(tip).with("deepen 1").named(&format!("git/{number}"));
                scope.spawn(move || rawfetch::pack(&fetch.send(address).expect(200).body).expect("because it is whole"))
            })
            .collect();
        reading.into_iter().map(|reading| reading.join().expect("because it was answered")).collect()
    });
    assert_eq!(made() - before, 1.0);
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "one pack for all");
    let empty = served.world.sandbox().bare("empty");
    empty.run(["config", "core.logAllRefUpdates", "false"]);
    served.world.sandbox().git().run_with(empty.path(), ["index-pack", "--stdin"], &bodies[0]);
    assert!(empty.has(tip));
    // Another question is another answer.
    RawFetch::of(tip).with("deepen 2").send(served.address()).expect(200);
    assert_eq!(made() - before, 2.0);
}

#[test]
fn the_last_disconnected_reader_stops_git() {
    let (served, tip) = large(|_| {});
    let open = |fetch: &RawFetch| {
        let mut stream = http::connect(served.address());
        stream.write_all(&fetch.request(served.address())).expect("because the server listens");
        let mut first = vec![0; 512];
        stream.read_exact(&mut first).expect("because the answer begins");
        (first, stream)
    };
    let fetch = RawFetch::of(tip).with("no-progress");
    let (gone, (first, mut stays)) = (open(&fetch), open(&fetch));
    drop(gone);
    let whole = http::read_reply(&mut first.as_slice().chain(&mut stays), false).expect("because the answer is whole");
    assert!(rawfetch::pack(&whole.body).is_some());
    // No reader is left that wants this one.
    drop(open(&RawFetch::of(tip).with("deepen 3")));
    served.wait_until("git has ended", || served.children().is_empty());
    // It is counted out a moment after its end.
    served.wait_until("no pack is being made", || served.metric("git_mirror_packs_running") == 0.0);
}

#[test]
fn a_corrupt_cached_pack_is_never_served() {
    let mut served = Served::small(|_| {});
    let tip = served.world.upstream().branch("main").expect("because it was made");
    let fetch = RawFetch::of(tip).with("deepen 1").with("no-progress");
    let first = rawfetch::pack(&fetch.send(served.address()).expect(200).body).expect("because it is whole");
    served.wait_until("it is kept", || served.metric("git_mirror_pack_cache_entries") >= 1.0);
    assert!(served.server.terminate().success());
    let kept = files_below(&served.world.cache_folder().join("pack-cache"));
    assert!(!kept.is_empty(), "nothing is cached in pack-cache/");
    for (name, damage) in [
        (
            "turned around",
            (|bytes: &mut Vec<u8>| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0xff;
            }) as fn(&mut Vec<u8>),
        ),
        ("cut", |bytes| bytes.truncate(bytes.len() / 2)),
        ("empty", Vec::clear),
    ] {
        for (path, content) in &kept {
            let mut content = content.clone();
            damage(&mut content);
            std::fs::write(path, content).expect("because the cache is ours");
        }
        served.start_again();
        for _ in 0..2 {
            let pack = rawfetch::pack(&fetch.send(served.address()).expect(200).body).expect("because it is whole");
            assert_eq!(pack, first, "{name}");
        }
        assert!(served.server.terminate().success());
    }
}

fn files_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            let content = std::fs::read(&path).expect("because the folder is ours");
            // The content of a lock file means nothing.
            found.extend((!content.is_empty()).then_some((path, content)));
        }
    }
    found
}

#[test]
fn a_nearly_full_disk_refuses_only_writers() {
    let mut world = small_world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    server::configure(&mut world, |serve| {
        serve["freeSpace"] = json!({ "stop": "8MiB", "resume": "12MiB" });
        serve["packCache"] = json!({ "size": "1MiB" });
    });
    let token = Token::make(&world, "promoter", &[], &[]);
    // A file system of its own that only the server sees; the cache moves into it.
    let cache = world.cache_folder();
    let aside = world.sandbox().path().join("aside");
    std::fs::rename(&cache, &aside).expect("because the sandbox is writable");
    std::fs::create_dir(&cache).expect("because it was moved");
    let script = "mount -t tmpfs -o size=24m none \"$0\" && cp -a \"$1\"/. \"$0\" || exit 99; shift; exec \"$@\"";
    let plain = server::command(&world, "127.0.0.1:0");
    let mut command = Command::new(requires::program("unshare"));
    command.args(["--map-root-user", "--mount", "--", "sh", "-c", script]).arg(&cache).arg(&aside);
    command.arg(plain.get_program()).args(plain.get_args());
    command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(world.sandbox().path()).stdin(Stdio::null());
    let mut tried = Command::new(requires::program("unshare"));
    tried.args(["--map-root-user", "--mount", "--", "sh", "-c", "mount -t tmpfs none \"$0\""]).arg(&cache);
    if !tried.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        std::io::stderr()
            .write_all(b"not run: this machine lets nobody mount a file system of his own\n")
            .expect("because the harness listens");
        return;
    }
    let served = Served { server: Server::spawn(&mut command), world };
    let inside = PathBuf::from(format!("/proc/{}/root", served.id()))
        .join(cache.strip_prefix("/").expect("because it is absolute"));
    let work = served.client().clone_bare(&served.url(), "work", &[]);
    let push = |content: &str| {
        work.commit("gitops").file("deployed", format!("{content}\n")).make();
        served.client().with(&token).ask(work.path(), ["push", &served.url(), "gitops"])
    };
    let well = push("there is room");
    assert!(well.status.success(), "{}", well.stderr);
    // Nearly full: above the mark nothing happens, below it pushes are refused.
    std::fs::write(inside.join("filler"), noise(17 << 20)).expect("because there is room");
    served.wait_until("the guard has seen it", || served.metric("git_mirror_disk_low") == 1.0);
    let refused = push("there is none");
    assert!(!refused.status.success(), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("space") || refused.stderr.contains("free") || refused.stderr.contains("50"),
        "{}",
        refused.stderr
    );
    served.client().clone_bare(&served.url(), "reads", &[]);
    served.client().clone_bare(&served.url(), "more-reads", &["--depth=2"]);
    // A little space is not enough, for it would be used up at once.
    // In one step: a guard that measured between a truncation and a write would find space.
    let filler = std::fs::OpenOptions::new().write(true).open(inside.join("filler"));
    filler.and_then(|filler| filler.set_len(13 << 20)).expect("because it becomes smaller");
    assert!(!push("not yet").status.success());
    std::fs::remove_file(inside.join("filler")).expect("because it is ours");
    served.wait_until("the guard has seen it", || served.metric("git_mirror_disk_low") == 0.0);
    let well = push("room again");
    assert!(well.status.success(), "{}", well.stderr);

    // Full to the last byte, faster than any guard: the old tip or the new one, and no half of anything.
    let before = work.branch("gitops");
    let bulk = noise(30 << 20);
    let made = work.commit("gitops").file("bulk", bulk).make();
    let refused = served.client().with(&token).ask(work.path(), ["push", &served.url(), "gitops"]);
    assert!(!refused.status.success(), "{made} does not fit");
    let result = served.client().run(work.path(), ["ls-remote", &served.url(), "refs/heads/gitops"]);
    assert!(before.is_some_and(|before| result.starts_with(&before.to_string())), "{result}");
    work.set_ref("refs/heads/gitops", before.expect("because it was pushed"));
    // The guard may have measured just when nothing was left.
    served.wait_until("the guard sees room", || served.metric("git_mirror_disk_low") == 0.0);
    let well = push("small again");
    assert!(well.status.success(), "{}", well.stderr);
    // git goes by the names of folders, which lead elsewhere out here.
    let copy = served.world.sandbox().path().join("copy.git");
    let copied = Command::new("cp").arg("-a").arg(inside.join("app.git")).arg(&copy).status();
    assert!(copied.is_ok_and(|status| status.success()));
    Repository::at(&copy, work.git()).fsck();
}

#[test]
fn two_servers_share_one_cache() {
    let served = Served::small(|serve| serve["schedule"]["syncEvery"] = "1s".into());
    let other = Server::start(&served.world);
    let token = served.token("promoter", &[]);
    let work = served.client().clone_bare(&served.url(), "work", &[]);
    for round in 0..4 {
        let made = work.commit("gitops").file("deployed", format!("{round}\n")).make();
        let (to, from) = if round % 2 == 0 { (&served.server, &other) } else { (&other, &served.server) };
        served.client().with(&token).run(work.path(), ["push", "--quiet", &to.url("app.git"), "gitops"]);
        // A reader of the other one sees it too.
        let result = served.client().run(work.path(), ["ls-remote", &from.url("app.git"), "refs/heads/gitops"]);
        assert!(result.starts_with(&made.to_string()), "round {round}: {result}");
    }
    served.world.cache().fsck();
}
