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

/// A site whose newest snapshot is too large for the buffers between a server and a client that does not read.
fn large(change: impl FnOnce(&mut Value)) -> (Served, CommitId) {
    let world = small_world();
    let tip = world.upstream().commit("main").file("image", noise(24 << 20)).make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    (Served::start(world, change), tip)
}

fn scrape(site: &Server) -> String {
    site.get("/metrics").expect(200).text()
}

#[test]
fn it_says_once_where_it_listens_and_what_it_serves() {
    let site = Served::small(|_| {});
    let told = site.announcement();
    assert_eq!((&told["schema"], &told["ok"]), (&"git-mirror/serve/v1".into(), &true.into()));
    assert_eq!((&told["node"], &told["url"]), (&"local".into(), &format!("http://{}", site.address()).into()));
    let repository = &told["repositories"][0];
    assert_eq!((&repository["repository"], &repository["url"]), (&"app".into(), &site.url().into()));
    let own = repository["upstreamUrl"].as_str().expect("because it has one");
    site.client().run(site.world.sandbox().path(), ["ls-remote", own]);
}

#[test]
fn health_is_of_the_server_and_readiness_of_what_it_serves() {
    let world = small_world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    // From before the first look on: a session that is open is not disturbed by what happens to new ones.
    world.proxy().inject(Tunnels::Every, ProxyFault::CloseAtAccept);
    let site = Served::start(world, |serve| serve["schedule"]["syncEvery"] = "1s".into());
    assert_eq!(site.get("/healthz").status, 200);
    assert_eq!(site.get("/readyz").status, 200);
    site.wait_until("a look has failed", || {
        site.metric("git_mirror_upstream_consecutive_failures{repository=\"app\"}") > 0.0
    });
    assert_eq!((site.get("/healthz").status, site.get("/readyz").status), (200, 200));
    // What was open once may be gone now.
    let (place, away) = (site.world.cache().path().to_owned(), site.world.sandbox().path().join("away"));
    std::fs::rename(&place, &away).expect("because nothing stands there");
    let told = site.get("/readyz").expect(503).text();
    assert!(told.contains("app: "), "{told}");
    std::fs::rename(&away, &place).expect("because it came from there");
    assert_eq!(site.get("/readyz").status, 200);
    site.world.proxy().clear_faults();
    site.wait_until("it looks again", || {
        site.metric("git_mirror_upstream_consecutive_failures{repository=\"app\"}") == 0.0
    });
}

#[test]
fn every_metric_is_documented_and_counts_what_it_says() {
    let site = Served::small(|serve| serve["schedule"]["syncEvery"] = "1s".into());
    let token = site.token("promoter", &[]);
    let clone = site.client().clone_bare(&site.url(), "one", &[]);
    // The reader has his answer a moment before it is kept for the next one.
    site.wait_until("it is kept", || site.metric("git_mirror_pack_cache_entries") >= 1.0);
    site.client().clone_bare(&site.url(), "two", &[]);
    clone.commit("gitops").file("deployed", "x\n").make();
    site.client().with(&token).run(clone.path(), ["push", "--quiet", &site.url(), "gitops"]);
    site.client().with(&token).ask(clone.path(), ["push", &site.url(), "main:other"]);
    site.get("/app.git/info/refs?service=git-receive-pack").expect(401);
    site.wait_until("a scheduled sync has ended", || {
        site.metric("git_mirror_operations_total{repository=\"app\",verb=\"sync\",outcome=\"done\"}")
            + site.metric("git_mirror_operations_total{repository=\"app\",verb=\"sync\",outcome=\"finding\"}")
            > 0.0
    });
    // A request is counted, and the making of a pack counted out, a moment after the answer.
    site.wait_until("what was sent is counted", || {
        site.metric("git_mirror_http_sent_bytes_total{endpoint=\"upload-pack\"}") >= 1000.0
    });
    site.wait_until("no pack is being made", || site.metric("git_mirror_packs_running") == 0.0);

    let reply = site.get("/metrics").expect(200);
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
    let age = find_metric(&text, "git_mirror_observation_age_seconds{lane=\"main\"}").expect("because it has looked");
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
fn the_api_tells_what_the_program_tells() {
    let site = Served::small(|_| {});
    let world = &site.world;
    let address = format!("http://{}", site.address());
    let compare = |exit: i32| {
        let own = world.mirror(&["status"]).expect(exit);
        // The commands to run next name the file of a configuration only where there is one.
        let file = format!(" -f {}", world.config_file().display());
        let plain = own.stdout.replace(&file, "");
        let own_report: Value = serde_json::from_str(&plain).expect("because it was a report");
        assert_same("", &settled(site.get("/api/v1/status").expect(200).json()), &settled(own_report));
        // A machine that has neither cache nor configuration sees the same, and ends the same.
        let mut command = world.command(&[]);
        command = bare(&command, &["status", "--server", &address, "-o", "json"]);
        let there = mirror_tests::world::Run::of(&mut command).expect(exit);
        assert_same("lanes", &settled(there.report["lanes"].clone()), &settled(own.report["lanes"].clone()));
        let history = world.mirror(&["history"]).expect(0);
        let told = site.get("/api/v1/history").expect(200).json();
        assert_same("lanes", &settled(told["lanes"].clone()), &settled(history.report["lanes"].clone()));
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
    let page = site.get("/").expect(200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{page:?}");
    for word in ["app", "main", "diverged"] {
        assert!(page.text().contains(word), "the page does not show {word}: {}", page.text());
    }
    // Whoever looks for any free port never gets this one.
    let mut command = bare(&world.command(&[]), &["status", "--server", "http://127.0.0.1:1", "-o", "json"]);
    let refused = mirror_tests::world::Run::of(&mut command);
    assert!(refused.exit.is_some_and(|exit| exit != 0 && exit != 3), "{refused:?}");
}

/// The same program in the same surroundings, with other words and without a configuration.
fn bare(command: &Command, words: &[&str]) -> Command {
    let mut bare = Command::new(command.get_program());
    bare.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bare.current_dir("/").args(words).stdin(Stdio::null());
    bare
}

#[test]
fn a_server_that_is_told_to_end_gives_what_it_has_begun() {
    let (mut site, tip) = large(|_| {});
    let mut stream = http::connect(site.address());
    stream.write_all(&RawFetch::of(tip).request(site.address())).expect("because the server listens");
    let mut first = vec![0; 64 << 10];
    stream.read_exact(&mut first).expect("because the answer begins");
    let mut idle = http::connect(site.address());
    site.signal(Signal::TERM);
    // An idle connection is closed, nobody new is let in, and the answer goes on.
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
    let address = site.address();
    site.wait_until("nobody new is let in", || {
        std::net::TcpStream::connect(address).map_or(true, |mut stream| {
            let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
            asked.is_err() || stream.read(&mut [0; 16]).map_or(true, |read| read == 0)
        })
    });
    assert!(site.server.runs(), "it has left somebody behind");
    let mut whole = &first[..];
    let mut chained = (&mut whole).chain(&mut stream);
    let reply = http::read_reply(&mut chained, false).expect("because the answer is whole");
    let pack = rawfetch::pack(&reply.body).expect("because the answer is whole");
    let empty = site.world.sandbox().bare("empty");
    site.world.sandbox().git().run_with(empty.path(), ["index-pack", "--stdin", "--strict"], &pack);
    assert!(empty.has(tip));
    assert!(site.server.wait().success());
    assert!(site.server.log().len() < 100_000);
}

#[test]
fn a_server_that_is_told_twice_ends_at_once() {
    let (mut site, tip) = large(|_| {});
    let mut stream = http::connect(site.address());
    stream.write_all(&RawFetch::of(tip).request(site.address())).expect("because the server listens");
    stream.read_exact(&mut [0; 1024]).expect("because the answer begins");
    let children: Vec<_> = site.children();
    site.signal(Signal::TERM);
    let address = site.address();
    site.wait_until("it has heard", || std::net::TcpStream::connect(address).is_err());
    assert!(site.server.runs(), "it waits for the one who reads");
    // Two signals that come together are one wish, so it may take several.
    let again = site.id();
    let ended = server::became(|| {
        procfs::signal(again, Signal::TERM);
        !site.server.runs()
    });
    assert!(ended);
    let status = site.server.wait();
    assert_eq!(status.code(), Some(130), "{status}");
    let mut rest = Vec::new();
    let torn = stream.read_to_end(&mut rest);
    assert!(torn.is_err() || rest.len() < 24 << 20, "the answer was cut off");
    // One that has ended and that nobody asks how has no words any more.
    let gone = |id: u32| std::fs::read(format!("/proc/{id}/cmdline")).map_or(true, |words| words.is_empty());
    assert!(server::became(|| children.iter().all(|child| gone(child.id))), "a program of git has outlived it");
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
fn a_socket_of_systemd_refuses_nobody_while_the_server_is_away() {
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
    let site = Served { server: Server::spawn(&mut activated(&world, &listener)), world };
    assert_eq!(http::read_reply(&mut early, false).expect("because it was served").status, 200);
    site.client().clone_bare(&site.url(), "clone", &[]);
}

#[test]
fn many_looks_go_over_one_session_however_many_lanes_there_are() {
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
    let site = Served::start(world, |serve| serve["schedule"]["syncEvery"] = "1s".into());
    let looks = before.count(Service::UploadPack);
    let record = site.world.host().wait(|record| record.count(Service::UploadPack) >= looks + 5);
    assert_eq!(record.connections.len(), before.connections.len() + 1, "one session");
    assert_eq!(site.world.proxy().record().tunnels.len(), tunnels + 1, "one tunnel");
    // What upstream has is seen without anybody asking.
    let next = site.world.upstream().commit("main").file("next", "news\n").make();
    site.wait_until("the server follows", || site.world.cache().branch("main") == Some(next));
    let told = site.client().run(site.world.sandbox().path(), ["ls-remote", &site.url(), "refs/heads/main"]);
    assert!(told.starts_with(&next.to_string()), "{told}");
    assert_eq!(site.world.proxy().record().tunnels.len(), tunnels + 1, "still one tunnel");
}

#[test]
fn a_session_that_dies_is_made_again_and_only_the_metrics_know() {
    let world = small_world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    let before = world.host().wait_until_quiet();
    // It lives long enough for a look or some.
    world.host().inject_once(HostFault::Stream { at: Point::Sent(6_000), then: Ending::Cut });
    let site = Served::start(world, |serve| serve["schedule"]["syncEvery"] = "1s".into());
    let host = site.world.host();
    host.wait(|record| {
        record.connections.len() > before.connections.len() && record.connections[before.connections.len()].ended
    });
    let again = host.wait(|record| record.connections.len() == before.connections.len() + 2);
    let looks = again.count(Service::UploadPack);
    host.wait(|record| record.count(Service::UploadPack) >= looks + 2);
    let next = site.world.upstream().commit("main").file("next", "news\n").make();
    site.wait_until("the server follows", || site.world.cache().branch("main") == Some(next));
    let counted =
        |event: &str| site.metric(&format!("git_mirror_ssh_sessions_total{{repository=\"app\",event=\"{event}\"}}"));
    site.wait_until("the loss is counted", || counted("lost") >= 1.0);
    // The first looks over either session may be the only ones so far.
    site.wait_until("the new session is used again", || counted("reused") >= 2.0);
    let text = scrape(&site);
    assert_eq!(
        find_metric(&text, "git_mirror_operations_total{repository=\"app\",verb=\"sync\",outcome=\"upstream\"}"),
        Some(0.0),
        "{text}"
    );
}

#[test]
fn upkeep_comes_by_itself_and_readers_do_not_notice() {
    let world = small_world();
    for round in 0..6 {
        world.upstream().commit("main").file("round", format!("{round}\n")).make();
        world.mirror(&["sync", "--confirm"]).expect(0);
    }
    let site = Served::start(world, |serve| serve["schedule"]["maintainEvery"] = "1s".into());
    let done = "git_mirror_operations_total{repository=\"app\",verb=\"maintain\",outcome=\"done\"}";
    let mut clones = 0;
    site.wait_until("it has looked after the cache", || {
        clones += 1;
        let clone = site.client().clone_bare(&site.url(), &format!("clone-{clones}"), &["--depth=3"]);
        assert_eq!(clone.branch("main"), site.world.upstream().branch("main"));
        site.metric(done) >= 2.0
    });
    site.world.cache().fsck();
    let history = site.world.mirror(&["history"]).expect(0).stdout;
    assert!(history.contains("\"maintain\""), "it ran as if typed: {history}");
}

#[test]
fn identical_requests_share_one_run_of_git() {
    const READERS: usize = 12;
    let (site, tip) = large(|_| {});
    let made = || site.metric("git_mirror_packs_total{source=\"made\"}");
    let before = made();
    let bodies: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let reading: Vec<_> = (0..READERS)
            .map(|number| {
                let address = site.address();
                // Who asks makes no difference.
                let fetch = RawFetch::of(tip).with("deepen 1").named(&format!("git/{number}"));
                scope.spawn(move || rawfetch::pack(&fetch.send(address).expect(200).body).expect("because it is whole"))
            })
            .collect();
        reading.into_iter().map(|reading| reading.join().expect("because it was answered")).collect()
    });
    assert_eq!(made() - before, 1.0);
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "one pack for all");
    let empty = site.world.sandbox().bare("empty");
    empty.run(["config", "core.logAllRefUpdates", "false"]);
    site.world.sandbox().git().run_with(empty.path(), ["index-pack", "--stdin"], &bodies[0]);
    assert!(empty.has(tip));
    // Another question is another answer.
    RawFetch::of(tip).with("deepen 2").send(site.address()).expect(200);
    assert_eq!(made() - before, 2.0);
}

#[test]
fn a_reader_who_goes_away_stops_nobody_and_the_last_one_stops_git() {
    let (site, tip) = large(|_| {});
    let open = |fetch: &RawFetch| {
        let mut stream = http::connect(site.address());
        stream.write_all(&fetch.request(site.address())).expect("because the server listens");
        let mut first = vec![0; 512];
        stream.read_exact(&mut first).expect("because the answer begins");
        (first, stream)
    };
    let fetch = RawFetch::of(tip).with("no-progress");
    let (gone, (first, mut stays)) = (open(&fetch), open(&fetch));
    drop(gone);
    let whole = http::read_reply(&mut first.as_slice().chain(&mut stays), false).expect("because the answer is whole");
    assert!(rawfetch::pack(&whole.body).is_some());
    // Nobody is left who wants this one.
    drop(open(&RawFetch::of(tip).with("deepen 3")));
    site.wait_until("git has ended", || site.children().is_empty());
    // It is counted out a moment after its end.
    site.wait_until("no pack is being made", || site.metric("git_mirror_packs_running") == 0.0);
}

#[test]
fn a_kept_answer_whose_bytes_have_changed_is_never_given() {
    let mut site = Served::small(|_| {});
    let tip = site.world.upstream().branch("main").expect("because it was made");
    let fetch = RawFetch::of(tip).with("deepen 1").with("no-progress");
    let first = rawfetch::pack(&fetch.send(site.address()).expect(200).body).expect("because it is whole");
    site.wait_until("it is kept", || site.metric("git_mirror_pack_cache_entries") >= 1.0);
    assert!(site.server.terminate().success());
    let kept = files_below(&site.world.cache_folder().join("pack-cache"));
    assert!(!kept.is_empty(), "nothing is kept in pack-cache/");
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
        site.start_again();
        for _ in 0..2 {
            let pack = rawfetch::pack(&fetch.send(site.address()).expect(200).body).expect("because it is whole");
            assert_eq!(pack, first, "{name}");
        }
        assert!(site.server.terminate().success());
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
            // A lock says nothing by its bytes.
            found.extend((!content.is_empty()).then_some((path, content)));
        }
    }
    found
}

#[test]
fn where_the_disk_is_nearly_full_writers_are_refused_and_readers_are_not() {
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
    let site = Served { server: Server::spawn(&mut command), world };
    let inside = PathBuf::from(format!("/proc/{}/root", site.id()))
        .join(cache.strip_prefix("/").expect("because it is absolute"));
    let work = site.client().clone_bare(&site.url(), "work", &[]);
    let push = |content: &str| {
        work.commit("gitops").file("deployed", format!("{content}\n")).make();
        site.client().with(&token).ask(work.path(), ["push", &site.url(), "gitops"])
    };
    let well = push("there is room");
    assert!(well.status.success(), "{}", well.stderr);
    // Nearly full: above the mark nothing happens, below it pushes are refused.
    std::fs::write(inside.join("filler"), noise(17 << 20)).expect("because there is room");
    site.wait_until("the guard has seen it", || site.metric("git_mirror_disk_low") == 1.0);
    let refused = push("there is none");
    assert!(!refused.status.success(), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("space") || refused.stderr.contains("free") || refused.stderr.contains("50"),
        "{}",
        refused.stderr
    );
    site.client().clone_bare(&site.url(), "reads", &[]);
    site.client().clone_bare(&site.url(), "more-reads", &["--depth=2"]);
    // A little room is not enough, for it would be gone at once.
    // In one step: a guard that looked between an emptying and a filling would see room.
    let filler = std::fs::OpenOptions::new().write(true).open(inside.join("filler"));
    filler.and_then(|filler| filler.set_len(13 << 20)).expect("because it becomes smaller");
    assert!(!push("not yet").status.success());
    std::fs::remove_file(inside.join("filler")).expect("because it is ours");
    site.wait_until("the guard has seen it", || site.metric("git_mirror_disk_low") == 0.0);
    let well = push("room again");
    assert!(well.status.success(), "{}", well.stderr);

    // Full to the last byte, faster than any guard: the old tip or the new one, and no half of anything.
    let before = work.branch("gitops");
    let bulk = noise(30 << 20);
    let made = work.commit("gitops").file("bulk", bulk).make();
    let refused = site.client().with(&token).ask(work.path(), ["push", &site.url(), "gitops"]);
    assert!(!refused.status.success(), "{made} does not fit");
    let told = site.client().run(work.path(), ["ls-remote", &site.url(), "refs/heads/gitops"]);
    assert!(before.is_some_and(|before| told.starts_with(&before.to_string())), "{told}");
    work.set_ref("refs/heads/gitops", before.expect("because it was pushed"));
    // The guard may have looked just when nothing was left.
    site.wait_until("the guard sees room", || site.metric("git_mirror_disk_low") == 0.0);
    let well = push("small again");
    assert!(well.status.success(), "{}", well.stderr);
    // git goes by the names of folders, which lead elsewhere out here.
    let copy = site.world.sandbox().path().join("copy.git");
    let copied = Command::new("cp").arg("-a").arg(inside.join("app.git")).arg(&copy).status();
    assert!(copied.is_ok_and(|status| status.success()));
    Repository::at(&copy, work.git()).fsck();
}

#[test]
fn two_servers_on_one_cache_do_not_disturb_each_other() {
    let site = Served::small(|serve| serve["schedule"]["syncEvery"] = "1s".into());
    let other = Server::start(&site.world);
    let token = site.token("promoter", &[]);
    let work = site.client().clone_bare(&site.url(), "work", &[]);
    for round in 0..4 {
        let made = work.commit("gitops").file("deployed", format!("{round}\n")).make();
        let (to, from) = if round % 2 == 0 { (&site.server, &other) } else { (&other, &site.server) };
        site.client().with(&token).run(work.path(), ["push", "--quiet", &to.url("app.git"), "gitops"]);
        // Whoever asks the other one is told of it too.
        let told = site.client().run(work.path(), ["ls-remote", &from.url("app.git"), "refs/heads/gitops"]);
        assert!(told.starts_with(&made.to_string()), "round {round}: {told}");
    }
    site.world.cache().fsck();
}
