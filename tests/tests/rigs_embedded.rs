//! The embedded rigs by themselves: real git and OpenSSH's client against the embedded host, through the embedded proxy.
//!
//! A rig that does not do what it says would let a suite pass for nothing, so each fault is shown to happen where it was told to.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mirror_tests::generate::{History, Shape};
use mirror_tests::proxy::EmbeddedProxy;
use mirror_tests::proxy::embedded::{Credentials, Direction, ProxyFault, Stop, Tunnels};
use mirror_tests::sandbox::{GitSandbox, KeyKind, Repository, private_key};
use mirror_tests::sshhost::embedded::{
    ChannelFault, Channels, Connections, Ending, HookPoint, HostFault, IdentificationFault, Phase, Point, Script,
    Service,
};
use mirror_tests::sshhost::{EmbeddedHost, SshClient};
use russh::keys::ssh_key::LineEnding;

/// A host with one repository, and the real client's way to it.
struct Road {
    client: SshClient,
    proxy: EmbeddedProxy,
    host: EmbeddedHost,
    upstream: Repository,
    sandbox: GitSandbox,
}

impl Road {
    fn new() -> Self {
        let sandbox = GitSandbox::new();
        let upstream = sandbox.bare("up stream's");
        upstream.commit("main").file("a.txt", "one\n").make();
        let key = private_key(KeyKind::Ed25519);
        let host = EmbeddedHost::start(sandbox.git(), key.public_key());
        let proxy = EmbeddedProxy::start();
        let identity = sandbox.write("id_ed25519", key.to_openssh(LineEnding::LF).unwrap().as_bytes());
        let known_hosts = sandbox.write("known_hosts", host.address().known_hosts());
        let client = SshClient { identity, known_hosts, proxy: Some(proxy.socket()) };
        Self { client, proxy, host, upstream, sandbox }
    }

    fn direct() -> Self {
        let mut road = Self::new();
        road.client.proxy = None;
        road
    }

    fn git(&self, folder: &str, arguments: &[&str]) -> Output {
        let folder = self.sandbox.path().join(folder);
        self.client.git(self.sandbox.git(), &folder, arguments.iter().copied()).output().unwrap()
    }

    fn url(&self) -> String {
        // git takes the rest of the URL as it is, and quotes it for the remote shell.
        self.host.address().url(self.upstream.path())
    }

    fn clone(&self) -> Repository {
        let done = self.git("", &["clone", "--quiet", &self.url(), "work"]);
        assert!(done.status.success(), "{}", words(&done));
        Repository::at(&self.sandbox.path().join("work"), self.sandbox.git())
    }

    /// Asks for the refs; this is refused where the fault is done.
    fn fails_with(&self, fault: HostFault) -> String {
        self.host.inject_once(fault);
        let done = self.git("", &["ls-remote", &self.url()]);
        assert!(!done.status.success(), "the fault was not done");
        words(&done)
    }
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn git_clones_and_pushes_through_the_embedded_proxy() {
    let road = Road::new();
    let work = road.clone();
    let commit = work.commit("main").file("b.txt", "two\n").make();
    let done = road.git("work", &["push", "--quiet", "origin", "main"]);
    assert!(done.status.success(), "{}", words(&done));
    assert_eq!(road.upstream.branch("main"), Some(commit));
    road.upstream.fsck();

    let record = road.host.wait_until_quiet();
    assert_eq!(record.connections.len(), 2);
    assert_eq!((record.count(Service::UploadPack), record.count(Service::ReceivePack)), (1, 1));
    let clone = &record.connections[0].channels[0];
    assert_eq!((clone.protocol.as_deref(), clone.exit), (Some("version=2"), Some(0)));
    let proxied = road.proxy.wait(|record| record.tunnels.iter().all(|tunnel| tunnel.ended));
    let target = road.host.address().socket().to_string();
    assert_eq!(proxied.tunnels.iter().map(|tunnel| &tunnel.target).collect::<Vec<_>>(), [&target, &target]);
    for (tunnel, connection) in proxied.tunnels.iter().zip(&record.connections) {
        assert_eq!((tunnel.to_client, tunnel.to_target), (connection.sent, connection.received));
    }
}

#[test]
fn a_large_transfer_passes_whole_and_through_new_keys() {
    let road = Road::new();
    let shape = Shape { assets: 1, asset_bytes: 3_000_000..3_000_001, ..Shape::small(1) };
    History::new(shape).write(&road.upstream, "main", 1);
    road.host.inject(Connections::Every, HostFault::Rekey(1 << 20));
    let work = road.clone();
    assert_eq!(work.branch("main"), road.upstream.branch("main"));
    let commit = work.commit("main").file("more.bin", vec![7; 2_000_000]).make();
    let done = road.git("work", &["push", "--quiet", "origin", "main"]);
    assert!(done.status.success(), "{}", words(&done));
    assert_eq!(road.upstream.branch("main"), Some(commit));
}

#[test]
fn a_host_that_ignores_the_protocol_speaks_version_0() {
    let road = Road::direct();
    road.host.inject(Connections::Every, HostFault::IgnoreProtocol);
    road.clone();
    assert_eq!(road.host.wait_until_quiet().connections[0].channels[0].protocol, None);
}

#[test]
fn every_phase_can_be_closed() {
    let road = Road::direct();
    for phase in
        [Phase::Accept, Phase::Identification, Phase::KeyExchange, Phase::Login, Phase::ChannelOpen, Phase::Exec]
    {
        road.fails_with(HostFault::CloseAt(phase));
        let record = road.host.wait_until_quiet();
        let last = record.connections.last().unwrap();
        assert_eq!(last.sent > 0, phase != Phase::Accept, "{phase:?}");
        assert_eq!(last.logged_in, matches!(phase, Phase::ChannelOpen | Phase::Exec), "{phase:?}");
        assert_eq!(last.channels.len(), usize::from(phase == Phase::Exec), "{phase:?}");
        assert!(last.channels.iter().all(|channel| channel.command.is_none()), "{phase:?}");
    }
}

#[test]
fn refusals_are_told_by_their_own_words() {
    let road = Road::direct();
    let check = |fault: HostFault, expected: &str| {
        let told = road.fails_with(fault.clone());
        assert!(told.contains(expected), "{fault:?}: {told}");
    };
    check(HostFault::RefuseLogin, "Permission denied (publickey)");
    check(HostFault::WrongHostKey, "Host key verification failed");
    check(HostFault::RefuseChannel, "");
    assert!(road.host.wait_until_quiet().connections.last().unwrap().channels.is_empty());
    check(HostFault::RefuseExec, "exec request failed");
    check(HostFault::Identification(IdentificationFault::Bytes(b"220 smtp\r\n".repeat(2000))), "");
    check(HostFault::Identification(IdentificationFault::EndlessLines), "");
    check(HostFault::Identification(IdentificationFault::EndlessLine), "");
    road.host.clear_faults();
    road.clone();
}

#[test]
fn silence_says_nothing_and_stays() {
    let road = Road::direct();
    road.host.inject(Connections::Every, HostFault::Identification(IdentificationFault::Silence));
    let mut stream = TcpStream::connect(road.host.address().socket()).unwrap();
    stream.write_all(b"SSH-2.0-test\r\n").unwrap();
    let record = road.host.wait(|record| record.connections.first().is_some_and(|one| one.received == 14));
    assert_eq!((record.connections[0].sent, record.connections[0].ended), (0, false));
    drop(stream);
    road.host.wait_until_quiet();
}

#[test]
fn the_tcp_stream_is_cut_at_the_byte() {
    let road = Road::new();
    for (at, sent, received) in [
        (Point::Sent(5), Some(5), None),
        (Point::Sent(700), Some(700), None),
        (Point::Received(9), None, Some(9)),
        (Point::Received(1500), None, Some(1500)),
    ] {
        road.fails_with(HostFault::Stream { at, then: Ending::Cut });
        let record = road.host.wait_until_quiet();
        let last = record.connections.last().unwrap();
        assert!(sent.is_none_or(|sent| last.sent == sent), "{at:?}: {last:?}");
        assert!(received.is_none_or(|received| last.received == received), "{at:?}: {last:?}");
        let record = road.proxy.wait(|record| record.tunnels.iter().all(|tunnel| tunnel.ended));
        assert!(sent.is_none_or(|sent| record.tunnels.last().unwrap().to_client == sent), "{at:?}");
    }
}

#[test]
fn a_channel_is_cut_at_the_byte_and_what_was_sent_arrives() {
    let road = Road::direct();
    for bytes in [0, 1, 57, 200] {
        let what = ChannelFault::Stop { at: Point::Sent(bytes), then: Ending::Cut };
        road.host.inject_once(HostFault::Channel { on: Channels::Nth(1), what });
        // Without git in between, what arrives can be counted.
        let address = road.host.address();
        let ssh = format!("{} -p {} git@{}", road.client.command_line(), address.port(), address.host());
        let script = road.sandbox.write("ask", format!("exec {ssh} \"git-upload-pack $1\"\n"));
        let quoted = format!("'{}'", road.upstream.path().display().to_string().replace('\'', "'\\''"));
        let mut ask = road.sandbox.git().program("sh", road.sandbox.path());
        let done = ask.arg(script).arg(quoted).output().unwrap();
        assert_eq!(done.stdout.len() as u64, bytes, "{}", words(&done));
        let record = road.host.wait_until_quiet();
        assert_eq!(record.connections.last().unwrap().channels[0].sent, bytes);
    }
}

#[test]
fn a_push_can_be_applied_and_not_answered() {
    let road = Road::direct();
    let work = road.clone();
    let commit = work.commit("main").file("b.txt", "two\n").make();
    let what = ChannelFault::Stop { at: Point::Answered(0), then: Ending::CutOnceGitEnded };
    road.host.inject_once(HostFault::Channel { on: Channels::Of(Service::ReceivePack), what });
    let done = road.git("work", &["push", "--quiet", "origin", "main"]);
    assert!(!done.status.success());
    let record = road.host.wait_until_quiet();
    let channel = &record.connections.last().unwrap().channels[0];
    assert_eq!((channel.sent, channel.exit), (channel.sent_unasked, Some(0)));
    assert_eq!(road.upstream.branch("main"), Some(commit), "the push was applied");
}

#[test]
fn a_push_can_be_cut_before_git_has_seen_it_whole() {
    let road = Road::direct();
    let work = road.clone();
    let before = road.upstream.branch("main");
    work.commit("main").file("b.txt", "two\n").make();
    for bytes in [0, 1, 100, 180] {
        let what = ChannelFault::Stop { at: Point::Received(bytes), then: Ending::Cut };
        road.host.inject_once(HostFault::Channel { on: Channels::Of(Service::ReceivePack), what });
        assert!(!road.git("work", &["push", "--quiet", "origin", "main"]).status.success());
        let record = road.host.wait_until_quiet();
        assert_eq!(record.connections.last().unwrap().channels[0].received, bytes);
        assert_eq!(road.upstream.branch("main"), before);
    }
}

#[test]
fn a_stalled_channel_keeps_the_connection_open() {
    let road = Road::direct();
    let what = ChannelFault::Stop { at: Point::Sent(10), then: Ending::Stall };
    road.host.inject_once(HostFault::Channel { on: Channels::Every, what });
    let mut waiting =
        road.client.git(road.sandbox.git(), road.sandbox.path(), ["ls-remote", &road.url()]).spawn().unwrap();
    let record = road.host.wait(|record| record.channels().any(|channel| channel.sent == 10));
    assert!(!record.connections[0].ended);
    assert_eq!(waiting.try_wait().unwrap(), None);
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}

#[test]
fn a_flipped_byte_is_a_corrupt_pack() {
    let road = Road::direct();
    let whole = {
        road.clone();
        road.host.wait_until_quiet().connections[0].channels[0].sent
    };
    // The last pkt-line is the flush, before it stands the checksum of the pack.
    road.host.inject_once(HostFault::Channel { on: Channels::Every, what: ChannelFault::Flip { offset: whole - 20 } });
    let done = road.git("", &["clone", "--quiet", &road.url(), "broken"]);
    assert!(!done.status.success());
    assert!(words(&done).contains("pack"), "{}", words(&done));
}

#[test]
fn a_script_speaks_instead_of_git() {
    let road = Road::direct();
    let hostile = Script::new().pkt("version 2\n").pkt("ls-refs\n").flush();
    let hostile = hostile.line(mirror_tests::sshhost::embedded::Line::AwaitFlush);
    let hostile = hostile.pkt(format!("{} refs/heads/../evil\n", "1".repeat(40))).flush();
    // Git says goodbye by a flush; a host that hung up before it would end git by SIGPIPE now and then.
    let hostile = hostile.line(mirror_tests::sshhost::embedded::Line::AwaitFlush);
    road.host.inject_once(HostFault::Channel { on: Channels::Every, what: ChannelFault::Answer(hostile) });
    let done = road.git("", &["ls-remote", &road.url()]);
    assert!(String::from_utf8_lossy(&done.stdout).contains("evil") || words(&done).contains("evil"), "{done:?}");
}

#[test]
fn a_window_that_never_opens_lets_nothing_in() {
    let road = Road::direct();
    road.host.inject_once(HostFault::Window(0));
    let mut waiting =
        road.client.git(road.sandbox.git(), road.sandbox.path(), ["ls-remote", &road.url()]).spawn().unwrap();
    let record = road.host.wait(|record| record.channels().any(|channel| channel.sent > 0));
    assert_eq!(record.connections[0].channels[0].received, 0);
    assert_eq!(waiting.try_wait().unwrap(), None);
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}

#[test]
fn hooks_run_before_git_at_the_first_byte_and_after_git() {
    let road = Road::direct();
    let work = road.clone();
    let mine = work.commit("main").file("b.txt", "two\n").make();
    let calls = Arc::new(AtomicUsize::new(0));
    for moment in [HookPoint::BeforeGit, HookPoint::AfterGit] {
        let calls = Arc::clone(&calls);
        road.host.hook(moment, move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
        });
    }
    // Between the look and the push another writer comes first.
    let upstream = road.upstream.clone();
    let counted = Arc::clone(&calls);
    road.host.hook(HookPoint::FirstByte, move |channel| {
        assert_eq!(channel.service, Some(Service::ReceivePack));
        upstream.commit("main").file("c.txt", "three\n").make();
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let done = road.git("work", &["push", "--quiet", "origin", "main"]);
    assert!(!done.status.success(), "the other writer came first");
    assert_ne!(road.upstream.branch("main"), Some(mine));
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

/// Says something to the proxy and gives all that it answers.
fn say(proxy: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(proxy).unwrap();
    let mut answer = Vec::new();
    // A connection that is closed at once may refuse to be written to.
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn the_proxy_refuses_as_told() {
    let road = Road::new();
    let target = road.host.address().socket();
    let connect = format!("CONNECT {target} HTTP/1.1\r\n\r\n");
    let check = |fault: ProxyFault, expected: &[u8]| {
        road.proxy.inject_once(fault.clone());
        let answer = say(road.proxy.socket(), &connect);
        assert!(answer.starts_with(expected), "{fault:?}: {}", String::from_utf8_lossy(&answer));
        assert_eq!(answer.is_empty(), expected.is_empty(), "{fault:?}");
    };
    check(ProxyFault::Refuse(403), b"HTTP/1.1 403 Forbidden\r\n");
    check(ProxyFault::Refuse(502), b"HTTP/1.1 502 ");
    check(ProxyFault::Respond(b"garbage".to_vec()), b"garbage");
    check(ProxyFault::CloseAfterRequest, b"");
    check(ProxyFault::CloseAtAccept, b"");
    assert!(say(road.proxy.socket(), "GET / HTTP/1.1\r\n\r\n").starts_with(b"HTTP/1.1 405 "));
    let nobody = "CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n";
    assert!(say(road.proxy.socket(), nobody).starts_with(b"HTTP/1.1 502 "));
    assert_eq!(road.proxy.record().tunnels, []);

    road.proxy.require(Credentials { user: "ada".to_owned(), password: "s:ecret".to_owned() });
    assert!(say(road.proxy.socket(), &connect).starts_with(b"HTTP/1.1 407 "));
    let wrong = format!("CONNECT {target} HTTP/1.1\r\nProxy-Authorization: Basic YWRhOm5v\r\n\r\n");
    assert!(say(road.proxy.socket(), &wrong).starts_with(b"HTTP/1.1 407 "));
    let right = "Proxy-Authorization: Basic YWRhOnM6ZWNyZXQ=";
    let mut stream = TcpStream::connect(road.proxy.socket()).unwrap();
    stream.write_all(format!("CONNECT {target} HTTP/1.1\r\n{right}\r\n\r\n").as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
#[should_panic(expected = "a hook of the host has failed")]
fn a_hook_that_fails_fails_the_test() {
    let road = Road::direct();
    road.host.hook(HookPoint::BeforeGit, |_| panic!("this assertion does not hold"));
    road.clone();
}

#[test]
fn the_proxy_never_ends_and_never_answers_as_told() {
    let road = Road::new();
    let connect = format!("CONNECT {} HTTP/1.1\r\n\r\n", road.host.address().socket());
    for fault in [ProxyFault::EndlessHeader, ProxyFault::EndlessHeaderLine] {
        road.proxy.inject_once(fault.clone());
        let mut stream = TcpStream::connect(road.proxy.socket()).unwrap();
        stream.write_all(connect.as_bytes()).unwrap();
        let mut answer = vec![0; 1 << 20];
        stream.read_exact(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\nX-Rig"), "{fault:?}");
        assert!(!answer.windows(4).any(|window| window == b"\r\n\r\n"), "{fault:?}");
    }
    for (fault, said) in [(ProxyFault::Silence, ""), (ProxyFault::RespondAndHold(b"HTTP/1.1 2".to_vec()), "HTTP/1.1 2")]
    {
        let before = road.proxy.record().requests.len();
        road.proxy.inject_once(fault.clone());
        let mut stream = TcpStream::connect(road.proxy.socket()).unwrap();
        stream.write_all(connect.as_bytes()).unwrap();
        road.proxy.wait(|record| record.requests.len() > before);
        let mut answer = vec![0; said.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, said.as_bytes());
        stream.set_nonblocking(true).unwrap();
        let more = stream.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(more, Err(std::io::ErrorKind::WouldBlock), "{fault:?}: the connection is open and silent");
    }
}

#[test]
fn the_proxy_glues_dribbles_cuts_and_stalls_as_told() {
    let road = Road::new();
    for fault in [ProxyFault::Coalesce, ProxyFault::ByteByByte] {
        road.proxy.inject_once(fault.clone());
        let done = road.git("", &["ls-remote", &road.url()]);
        assert!(done.status.success(), "{fault:?}: {}", words(&done));
    }
    for (direction, after) in [(Direction::ToClient, 0), (Direction::ToClient, 1000), (Direction::ToTarget, 700)] {
        road.proxy.inject_once(ProxyFault::Stop { direction, after, then: Stop::Cut });
        assert!(!road.git("", &["ls-remote", &road.url()]).status.success());
        let record = road.proxy.wait(|record| record.tunnels.last().is_some_and(|tunnel| tunnel.ended));
        let tunnel = record.tunnels.last().unwrap();
        let passed = if direction == Direction::ToClient { tunnel.to_client } else { tunnel.to_target };
        assert_eq!(passed, after);
    }
    road.proxy
        .inject(Tunnels::Every, ProxyFault::Stop { direction: Direction::ToClient, after: 300, then: Stop::Stall });
    let mut waiting =
        road.client.git(road.sandbox.git(), road.sandbox.path(), ["ls-remote", &road.url()]).spawn().unwrap();
    road.proxy.wait(|record| record.tunnels.last().is_some_and(|tunnel| tunnel.to_client == 300 && !tunnel.ended));
    assert_eq!(waiting.try_wait().unwrap(), None);
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}

/// Opens a tunnel.
fn tunnel(proxy: &EmbeddedProxy, target: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.socket()).unwrap();
    stream.write_all(format!("CONNECT {target} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    stream
}

#[test]
fn what_a_host_said_before_it_went_arrives_although_it_took_no_more() {
    let proxy = EmbeddedProxy::start();
    for _ in 0..20 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = tunnel(&proxy, listener.local_addr().unwrap());
        let mut talking = stream.try_clone().unwrap();
        // More than the sockets on the way hold: it is still being passed on when the host goes.
        let talk = std::thread::spawn(move || drop(talking.write_all(&vec![b'?'; 16 << 20])));
        let (mut host, _) = listener.accept().unwrap();
        host.read_exact(&mut [0]).unwrap();
        host.write_all(b"words").unwrap();
        drop(host);
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"words");
        drop(stream);
        talk.join().unwrap();
    }
}

/// Opens a tunnel to something that echoes, asks it twice, each time after the answer before: three round trips. Gives how long.
fn converse(proxy: &EmbeddedProxy) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let echo = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() {
            stream.write_all(&byte).unwrap();
        }
    });
    let start = Instant::now();
    let mut stream = tunnel(proxy, target);
    for _ in 0..2 {
        stream.write_all(b"?").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    let took = start.elapsed();
    drop(stream);
    echo.join().unwrap();
    took
}

#[test]
fn the_delay_counts_round_trips() {
    let proxy = EmbeddedProxy::start();
    let round_trip = Duration::from_millis(400);
    proxy.set_round_trip(round_trip);
    // A busy machine only ever adds to the time, so that the quickest of some conversations shows what the proxy itself takes.
    let mut conversations =
        (0..50).map(|_| converse(&proxy)).inspect(|took| assert!(*took >= 3 * round_trip, "{took:?}"));
    let quick = conversations.find(|took| *took < 3 * round_trip + round_trip / 2);
    assert!(quick.is_some(), "every conversation took longer than three round trips");
}
