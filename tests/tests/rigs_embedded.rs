//! The embedded rigs by themselves: real git and OpenSSH's client against the embedded host, through the embedded proxy.
//!
//! A rig whose faults do not happen would let a suite pass vacuously, so each fault is shown to happen where it was injected.

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
struct Route {
    client: SshClient,
    proxy: EmbeddedProxy,
    host: EmbeddedHost,
    upstream: Repository,
    sandbox: GitSandbox,
}

impl Route {
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
        let mut route = Self::new();
        route.client.proxy = None;
        route
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
    let route = Route::new();
    let work = route.clone();
    let commit = work.commit("main").file("b.txt", "two\n").make();
    let done = route.git("work", &["push", "--quiet", "origin", "main"]);
    assert!(done.status.success(), "{}", words(&done));
    assert_eq!(route.upstream.branch("main"), Some(commit));
    route.upstream.fsck();

    let record = route.host.wait_until_quiet();
    assert_eq!(record.connections.len(), 2);
    assert_eq!((record.count(Service::UploadPack), record.count(Service::ReceivePack)), (1, 1));
    let clone = &record.connections[0].channels[0];
    assert_eq!((clone.protocol.as_deref(), clone.exit), (Some("version=2"), Some(0)));
    let proxied = route.proxy.wait(|record| record.tunnels.iter().all(|tunnel| tunnel.ended));
    let target = route.host.address().socket().to_string();
    assert_eq!(proxied.tunnels.iter().map(|tunnel| &tunnel.target).collect::<Vec<_>>(), [&target, &target]);
    for (tunnel, connection) in proxied.tunnels.iter().zip(&record.connections) {
        assert_eq!((tunnel.to_client, tunnel.to_target), (connection.sent, connection.received));
    }
}

#[test]
fn a_large_transfer_survives_rekeying() {
    let route = Route::new();
    let shape = Shape { assets: 1, asset_bytes: 3_000_000..3_000_001, ..Shape::small(1) };
    History::new(shape).write(&route.upstream, "main", 1);
    route.host.inject(Connections::Every, HostFault::Rekey(1 << 20));
    let work = route.clone();
    assert_eq!(work.branch("main"), route.upstream.branch("main"));
    let commit = work.commit("main").file("more.bin", vec![7; 2_000_000]).make();
    let done = route.git("work", &["push", "--quiet", "origin", "main"]);
    assert!(done.status.success(), "{}", words(&done));
    assert_eq!(route.upstream.branch("main"), Some(commit));
}

#[test]
fn a_host_that_ignores_the_protocol_speaks_version_0() {
    let route = Route::direct();
    route.host.inject(Connections::Every, HostFault::IgnoreProtocol);
    route.clone();
    assert_eq!(route.host.wait_until_quiet().connections[0].channels[0].protocol, None);
}

#[test]
fn every_phase_can_be_closed() {
    let route = Route::direct();
    for phase in
        [Phase::Accept, Phase::Identification, Phase::KeyExchange, Phase::Login, Phase::ChannelOpen, Phase::Exec]
    {
        route.fails_with(HostFault::CloseAt(phase));
        let record = route.host.wait_until_quiet();
        let last = record.connections.last().unwrap();
        assert_eq!(last.sent > 0, phase != Phase::Accept, "{phase:?}");
        assert_eq!(last.logged_in, matches!(phase, Phase::ChannelOpen | Phase::Exec), "{phase:?}");
        assert_eq!(last.channels.len(), usize::from(phase == Phase::Exec), "{phase:?}");
        assert!(last.channels.iter().all(|channel| channel.command.is_none()), "{phase:?}");
    }
}

#[test]
fn refusals_have_their_own_messages() {
    let route = Route::direct();
    let check = |fault: HostFault, expected: &str| {
        let result = route.fails_with(fault.clone());
        assert!(result.contains(expected), "{fault:?}: {result}");
    };
    check(HostFault::RefuseLogin, "Permission denied (publickey)");
    check(HostFault::WrongHostKey, "Host key verification failed");
    check(HostFault::RefuseChannel, "");
    assert!(route.host.wait_until_quiet().connections.last().unwrap().channels.is_empty());
    check(HostFault::RefuseExec, "exec request failed");
    check(HostFault::Identification(IdentificationFault::Bytes(b"220 smtp\r\n".repeat(2000))), "");
    check(HostFault::Identification(IdentificationFault::EndlessLines), "");
    check(HostFault::Identification(IdentificationFault::EndlessLine), "");
    route.host.clear_faults();
    route.clone();
}

#[test]
fn silence_keeps_the_connection_open() {
    let route = Route::direct();
    route.host.inject(Connections::Every, HostFault::Identification(IdentificationFault::Silence));
    let mut stream = TcpStream::connect(route.host.address().socket()).unwrap();
    stream.write_all(b"SSH-2.0-test\r\n").unwrap();
    let record = route.host.wait(|record| record.connections.first().is_some_and(|one| one.received == 14));
    assert_eq!((record.connections[0].sent, record.connections[0].ended), (0, false));
    drop(stream);
    route.host.wait_until_quiet();
}

#[test]
fn the_tcp_stream_is_cut_at_the_byte() {
    let route = Route::new();
    for (at, sent, received) in [
        (Point::Sent(5), Some(5), None),
        (Point::Sent(700), Some(700), None),
        (Point::Received(9), None, Some(9)),
        (Point::Received(1500), None, Some(1500)),
    ] {
        route.fails_with(HostFault::Stream { at, then: Ending::Cut });
        let record = route.host.wait_until_quiet();
        let last = record.connections.last().unwrap();
        assert!(sent.is_none_or(|sent| last.sent == sent), "{at:?}: {last:?}");
        assert!(received.is_none_or(|received| last.received == received), "{at:?}: {last:?}");
        let record = route.proxy.wait(|record| record.tunnels.iter().all(|tunnel| tunnel.ended));
        assert!(sent.is_none_or(|sent| record.tunnels.last().unwrap().to_client == sent), "{at:?}");
    }
}

#[test]
fn a_channel_is_cut_at_the_byte() {
    let route = Route::direct();
    for bytes in [0, 1, 57, 200] {
        let what = ChannelFault::Stop { at: Point::Sent(bytes), then: Ending::Cut };
        route.host.inject_once(HostFault::Channel { on: Channels::Nth(1), what });
        // Without git in between, what arrives can be counted.
        let address = route.host.address();
        let ssh = format!("{} -p {} git@{}", route.client.command_line(), address.port(), address.host());
        let script = route.sandbox.write("ask", format!("exec {ssh} \"git-upload-pack $1\"\n"));
        let quoted = format!("'{}'", route.upstream.path().display().to_string().replace('\'', "'\\''"));
        let mut ask = route.sandbox.git().program("sh", route.sandbox.path());
        let done = ask.arg(script).arg(quoted).output().unwrap();
        assert_eq!(done.stdout.len() as u64, bytes, "{}", words(&done));
        let record = route.host.wait_until_quiet();
        assert_eq!(record.connections.last().unwrap().channels[0].sent, bytes);
    }
}

#[test]
fn a_push_can_be_applied_and_not_answered() {
    let route = Route::direct();
    let work = route.clone();
    let commit = work.commit("main").file("b.txt", "two\n").make();
    let what = ChannelFault::Stop { at: Point::Answered(0), then: Ending::CutOnceGitEnded };
    route.host.inject_once(HostFault::Channel { on: Channels::Of(Service::ReceivePack), what });
    let done = route.git("work", &["push", "--quiet", "origin", "main"]);
    assert!(!done.status.success());
    let record = route.host.wait_until_quiet();
    let channel = &record.connections.last().unwrap().channels[0];
    assert_eq!((channel.sent, channel.exit), (channel.sent_unasked, Some(0)));
    assert_eq!(route.upstream.branch("main"), Some(commit), "the push was applied");
}

#[test]
fn a_push_can_be_cut_before_its_end() {
    let route = Route::direct();
    let work = route.clone();
    let before = route.upstream.branch("main");
    work.commit("main").file("b.txt", "two\n").make();
    for bytes in [0, 1, 100, 180] {
        let what = ChannelFault::Stop { at: Point::Received(bytes), then: Ending::Cut };
        route.host.inject_once(HostFault::Channel { on: Channels::Of(Service::ReceivePack), what });
        assert!(!route.git("work", &["push", "--quiet", "origin", "main"]).status.success());
        let record = route.host.wait_until_quiet();
        assert_eq!(record.connections.last().unwrap().channels[0].received, bytes);
        assert_eq!(route.upstream.branch("main"), before);
    }
}

#[test]
fn a_stalled_channel_keeps_the_connection_open() {
    let route = Route::direct();
    let what = ChannelFault::Stop { at: Point::Sent(10), then: Ending::Stall };
    route.host.inject_once(HostFault::Channel { on: Channels::Every, what });
    let mut waiting =
        route.client.git(route.sandbox.git(), route.sandbox.path(), ["ls-remote", &route.url()]).spawn().unwrap();
    let record = route.host.wait(|record| record.channels().any(|channel| channel.sent == 10));
    assert!(!record.connections[0].ended);
    assert_eq!(waiting.try_wait().unwrap(), None);
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}

#[test]
fn a_flipped_byte_is_a_corrupt_pack() {
    let route = Route::direct();
    let whole = {
        route.clone();
        route.host.wait_until_quiet().connections[0].channels[0].sent
    };
    // The last pkt-line is the flush, and before it is the checksum of the pack.
    route.host.inject_once(HostFault::Channel { on: Channels::Every, what: ChannelFault::Flip { offset: whole - 20 } });
    let done = route.git("", &["clone", "--quiet", &route.url(), "broken"]);
    assert!(!done.status.success());
    assert!(words(&done).contains("pack"), "{}", words(&done));
}

#[test]
fn a_script_answers_instead_of_git() {
    let route = Route::direct();
    let hostile = Script::new().pkt("version 2\n").pkt("ls-refs\n").flush();
    let hostile = hostile.line(mirror_tests::sshhost::embedded::Line::AwaitFlush);
    let hostile = hostile.pkt(format!("{} refs/heads/../evil\n", "1".repeat(40))).flush();
    // Git ends by a flush; a host that closed before it would kill git by SIGPIPE now and then.
    let hostile = hostile.line(mirror_tests::sshhost::embedded::Line::AwaitFlush);
    route.host.inject_once(HostFault::Channel { on: Channels::Every, what: ChannelFault::Answer(hostile) });
    let done = route.git("", &["ls-remote", &route.url()]);
    assert!(String::from_utf8_lossy(&done.stdout).contains("evil") || words(&done).contains("evil"), "{done:?}");
}

#[test]
fn a_closed_window_blocks_the_client() {
    let route = Route::direct();
    route.host.inject_once(HostFault::Window(0));
    let mut waiting =
        route.client.git(route.sandbox.git(), route.sandbox.path(), ["ls-remote", &route.url()]).spawn().unwrap();
    let record = route.host.wait(|record| record.channels().any(|channel| channel.sent > 0));
    assert_eq!(record.connections[0].channels[0].received, 0);
    assert_eq!(waiting.try_wait().unwrap(), None);
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}

#[test]
fn hooks_run_at_every_hook_point() {
    let route = Route::direct();
    let work = route.clone();
    let mine = work.commit("main").file("b.txt", "two\n").make();
    let calls = Arc::new(AtomicUsize::new(0));
    for moment in [HookPoint::BeforeGit, HookPoint::AfterGit] {
        let calls = Arc::clone(&calls);
        route.host.hook(moment, move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
        });
    }
    // Another writer pushes between the advertisement and the push.
    let upstream = route.upstream.clone();
    let counted = Arc::clone(&calls);
    route.host.hook(HookPoint::FirstByte, move |channel| {
        assert_eq!(channel.service, Some(Service::ReceivePack));
        upstream.commit("main").file("c.txt", "three\n").make();
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let done = route.git("work", &["push", "--quiet", "origin", "main"]);
    assert!(!done.status.success(), "the other writer was first");
    assert_ne!(route.upstream.branch("main"), Some(mine));
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

/// Sends a request to the proxy and gives its whole answer.
fn ask(proxy: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(proxy).unwrap();
    let mut answer = Vec::new();
    // A connection that is closed at once may refuse to be written to.
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn proxy_refusals() {
    let route = Route::new();
    let target = route.host.address().socket();
    let connect = format!("CONNECT {target} HTTP/1.1\r\n\r\n");
    let check = |fault: ProxyFault, expected: &[u8]| {
        route.proxy.inject_once(fault.clone());
        let answer = ask(route.proxy.socket(), &connect);
        assert!(answer.starts_with(expected), "{fault:?}: {}", String::from_utf8_lossy(&answer));
        assert_eq!(answer.is_empty(), expected.is_empty(), "{fault:?}");
    };
    check(ProxyFault::Refuse(403), b"HTTP/1.1 403 Forbidden\r\n");
    check(ProxyFault::Refuse(502), b"HTTP/1.1 502 ");
    check(ProxyFault::Respond(b"garbage".to_vec()), b"garbage");
    check(ProxyFault::CloseAfterRequest, b"");
    check(ProxyFault::CloseAtAccept, b"");
    assert!(ask(route.proxy.socket(), "GET / HTTP/1.1\r\n\r\n").starts_with(b"HTTP/1.1 405 "));
    let nobody = "CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n";
    assert!(ask(route.proxy.socket(), nobody).starts_with(b"HTTP/1.1 502 "));
    assert_eq!(route.proxy.record().tunnels, []);

    route.proxy.require(Credentials { user: "ada".to_owned(), password: "s:ecret".to_owned() });
    assert!(ask(route.proxy.socket(), &connect).starts_with(b"HTTP/1.1 407 "));
    let wrong = format!("CONNECT {target} HTTP/1.1\r\nProxy-Authorization: Basic YWRhOm5v\r\n\r\n");
    assert!(ask(route.proxy.socket(), &wrong).starts_with(b"HTTP/1.1 407 "));
    let right = "Proxy-Authorization: Basic YWRhOnM6ZWNyZXQ=";
    let mut stream = TcpStream::connect(route.proxy.socket()).unwrap();
    stream.write_all(format!("CONNECT {target} HTTP/1.1\r\n{right}\r\n\r\n").as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
#[should_panic(expected = "a hook of the host has failed")]
fn a_hook_that_fails_fails_the_test() {
    let route = Route::direct();
    route.host.hook(HookPoint::BeforeGit, |_| panic!("this assertion does not hold"));
    route.clone();
}

#[test]
fn proxy_endless_and_silent_answers() {
    let route = Route::new();
    let connect = format!("CONNECT {} HTTP/1.1\r\n\r\n", route.host.address().socket());
    for fault in [ProxyFault::EndlessHeader, ProxyFault::EndlessHeaderLine] {
        route.proxy.inject_once(fault.clone());
        let mut stream = TcpStream::connect(route.proxy.socket()).unwrap();
        stream.write_all(connect.as_bytes()).unwrap();
        let mut answer = vec![0; 1 << 20];
        stream.read_exact(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\nX-Rig"), "{fault:?}");
        assert!(!answer.windows(4).any(|window| window == b"\r\n\r\n"), "{fault:?}");
    }
    for (fault, expected) in
        [(ProxyFault::Silence, ""), (ProxyFault::RespondAndHold(b"HTTP/1.1 2".to_vec()), "HTTP/1.1 2")]
    {
        let before = route.proxy.record().requests.len();
        route.proxy.inject_once(fault.clone());
        let mut stream = TcpStream::connect(route.proxy.socket()).unwrap();
        stream.write_all(connect.as_bytes()).unwrap();
        route.proxy.wait(|record| record.requests.len() > before);
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, expected.as_bytes());
        stream.set_nonblocking(true).unwrap();
        let more = stream.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(more, Err(std::io::ErrorKind::WouldBlock), "{fault:?}: the connection is open and silent");
    }
}

#[test]
fn proxy_stream_faults() {
    let route = Route::new();
    for fault in [ProxyFault::Coalesce, ProxyFault::ByteByByte] {
        route.proxy.inject_once(fault.clone());
        let done = route.git("", &["ls-remote", &route.url()]);
        assert!(done.status.success(), "{fault:?}: {}", words(&done));
    }
    for (direction, after) in [(Direction::ToClient, 0), (Direction::ToClient, 1000), (Direction::ToTarget, 700)] {
        route.proxy.inject_once(ProxyFault::Stop { direction, after, then: Stop::Cut });
        assert!(!route.git("", &["ls-remote", &route.url()]).status.success());
        let record = route.proxy.wait(|record| record.tunnels.last().is_some_and(|tunnel| tunnel.ended));
        let tunnel = record.tunnels.last().unwrap();
        let passed = if direction == Direction::ToClient { tunnel.to_client } else { tunnel.to_target };
        assert_eq!(passed, after);
    }
    route
        .proxy
        .inject(Tunnels::Every, ProxyFault::Stop { direction: Direction::ToClient, after: 300, then: Stop::Stall });
    let mut waiting =
        route.client.git(route.sandbox.git(), route.sandbox.path(), ["ls-remote", &route.url()]).spawn().unwrap();
    route.proxy.wait(|record| record.tunnels.last().is_some_and(|tunnel| tunnel.to_client == 300 && !tunnel.ended));
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
fn output_before_a_close_arrives() {
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
