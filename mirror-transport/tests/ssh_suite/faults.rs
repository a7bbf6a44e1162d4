//! The session against servers that misbehave: no SSH at all, silence, cuts at every phase, refusals, and peers that stop reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::rig::{IMPATIENCE, Sshd, target};
use mirror_core::fault::{Classified as _, Retry};
use mirror_transport::ssh::{ChannelError, Identity, Protocol, Service, Session, SshError};
use mirror_transport::tunnel::{Deadlines, NoSteps, Step};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::UnixStream;

fn code(error: &dyn miette::Diagnostic) -> String {
    error.code().unwrap().to_string()
}

fn impatient() -> Deadlines {
    Deadlines { idle: IMPATIENCE, ..Deadlines::default() }
}

/// How long tasks may take to end that nothing holds up.
const ENDING: Duration = Duration::from_secs(120);

/// Connects to a peer that says these words and then closes, or then is silent.
async fn words(sshd: &Sshd, said: &[u8], then: Then) -> SshError {
    let (client, mut server) = duplex(64 * 1024);
    server.write_all(said).await.unwrap();
    if let Then::Close = then {
        server.shutdown().await.unwrap();
    }
    let hosts = sshd.known_hosts(&["ed25519"]);
    let identity = sshd.identity("user_ed25519");
    let limits = match then {
        Then::Close => Deadlines::default(),
        Then::Silence => Deadlines { handshake: Duration::from_secs(2), ..Deadlines::default() },
    };
    Session::connect(client, &target(), "git", &identity, &hosts, &limits, &mut NoSteps).await.unwrap_err()
}

#[derive(Clone, Copy)]
enum Then {
    Close,
    Silence,
}

#[tokio::test]
async fn what_is_not_ssh_is_told_from_what_is_cut() {
    let sshd = Sshd::new();
    let long = [b"SSH-2.0-".to_vec(), vec![b'a'; 300], b"\r\n".to_vec()].concat();
    let many = b"hello\r\n".repeat(30);
    for (said, then, expected, retry) in [
        (&b""[..], Then::Close, "mirror::ssh::closed_before_banner", Retry::Backoff),
        (b"SSH-2.0-Op", Then::Close, "mirror::ssh::closed_before_banner", Retry::Backoff),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Then::Close, "mirror::ssh::not_ssh", Retry::Never),
        (b"SSH-1.5-old\r\n", Then::Close, "mirror::ssh::old_protocol", Retry::Never),
        (&long, Then::Close, "mirror::ssh::banner_line_too_long", Retry::Never),
        (&long, Then::Silence, "mirror::ssh::banner_line_too_long", Retry::Never),
        (&many, Then::Silence, "mirror::ssh::banner_too_many_lines", Retry::Never),
        (b"", Then::Silence, "mirror::ssh::handshake_timeout", Retry::Backoff),
        (b"SSH-2.0-x\r\n", Then::Silence, "mirror::ssh::handshake_timeout", Retry::Backoff),
        (b"SSH-2.0-x\r\n", Then::Close, "mirror::ssh::lost", Retry::Backoff),
        (b"SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff", Then::Close, "mirror::ssh::key_exchange", Retry::Never),
    ] {
        let error = words(&sshd, said, then).await;
        assert_eq!(code(&error), expected, "{error} {error:?}");
        assert_eq!(error.retry(), retry, "{error}");
        assert!(error.to_string().contains("git.example:2222"), "{error}");
    }
    let silent = words(&sshd, b"SSH-2.0-x\r\n", Then::Silence).await;
    assert!(matches!(silent, SshError::HandshakeTimeout { step: Step::HostKey, .. }), "{silent}");
}

#[tokio::test]
async fn a_server_without_a_common_cipher() {
    let sshd = Sshd::with("Ciphers 3des-cbc");
    let hosts = sshd.known_hosts(&["ed25519"]);
    let error = sshd.try_connect(&sshd.identity("user_ed25519"), &hosts).await.unwrap_err();
    let SshError::NoCommonAlgorithm { kind, theirs, .. } = &error else { panic!("{error:?}") };
    assert_eq!((kind.as_str(), theirs.as_str()), ("cipher", "3des-cbc"));
    assert_eq!(error.retry(), Retry::Never);
}

/// Passes bytes both ways, and hangs up after so many from the server. Counts what the client has taken, but for what fits into its stream.
async fn relay(client: tokio::io::DuplexStream, server: UnixStream, limit: usize, counted: Arc<AtomicUsize>) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
    let up = tokio::io::copy(&mut from_client, &mut to_server);
    let down = async {
        let mut buffer = vec![0; 4096];
        let mut left = limit;
        while left > 0 {
            let most = left.min(buffer.len());
            let Ok(count @ 1..) = from_server.read(&mut buffer[..most]).await else { break };
            left -= count;
            let mut passed = 0;
            while passed < count {
                let Ok(taken @ 1..) = to_client.write(&buffer[passed..count]).await else { return };
                counted.fetch_add(taken, Ordering::Relaxed);
                passed += taken;
            }
        }
    };
    tokio::select! {
        _ = up => {}
        () = down => {}
    }
}

#[tokio::test]
async fn a_cut_at_any_byte_of_the_handshake_is_transient() {
    let sshd = Sshd::new();
    let hosts = sshd.known_hosts(&["ed25519"]);
    let identity = sshd.identity("user_ed25519");
    let attempt = async |limit: usize, room: usize| {
        let (ours, theirs) = duplex(room);
        let (server, served) = sshd.stream();
        let counted = Arc::new(AtomicUsize::new(0));
        let relayed = tokio::spawn(relay(theirs, server, limit, counted.clone()));
        let limits = Deadlines::default();
        let result = Session::connect(ours, &target(), sshd.user(), &identity, &hosts, &limits, &mut NoSteps).await;
        let seen = counted.load(Ordering::Relaxed);
        drop(served);
        let result = result.map(|_| seen);
        relayed.await.unwrap();
        result
    };
    // What the server says behind the handshake, unasked, must not count: there is no room for it while the handshake is taken.
    let whole = attempt(usize::MAX, 1).await.unwrap();
    const POINTS: usize = 40;
    for point in 0..POINTS {
        let limit = whole * point / POINTS;
        let error = attempt(limit, 64 * 1024).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Backoff, "after {limit} of {whole} bytes: {error:?}");
        assert!(
            matches!(error, SshError::ClosedBeforeBanner { .. } | SshError::Lost { .. }),
            "after {limit} of {whole} bytes: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_opens_no_more_channels() {
    let sshd = Sshd::with("MaxSessions 1");
    let (session, _served) = sshd.connect(&Deadlines::default()).await;
    let error = session.open_git_pair("/silent", Some(Protocol::V2), Vec::new()).await.unwrap_err();
    assert!(matches!(error, SshError::ChannelRefused { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Backoff);
}

/// Waits until nothing runs on this runtime but the test itself; a leak runs into the test's own time limit.
async fn nothing_runs() {
    let metrics = tokio::runtime::Handle::current().metrics();
    while metrics.num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn no_task_outlives_a_dropped_session() {
    let sshd = Sshd::new();
    let (session, served) = sshd.connect(&Deadlines::default()).await;
    let idle = session.open_git(Service::UploadPack, "/silent", None, Vec::new()).await.unwrap();
    let mut full = session.open_git(Service::UploadPack, "/zeros/64000000", None, Vec::new()).await.unwrap();
    full.read_u8().await.unwrap();
    drop(session);
    // The streams are still held, by nobody who reads.
    tokio::time::timeout(ENDING, nothing_runs()).await.expect("because tasks end");
    drop((idle, full));
    served.wait();
}

#[tokio::test]
async fn a_peer_that_stops_reading_stalls_the_writer_and_leaves_nothing_behind() {
    let sshd = Sshd::new();
    let (session, served) = sshd.connect(&impatient()).await;
    let mut channel = session.open_git(Service::ReceivePack, "/count", None, Vec::new()).await.unwrap();
    served.stop();
    let error = channel.write_all(&vec![0; 64 * 1024 * 1024]).await.unwrap_err();
    assert!(matches!(ChannelError::of(&error), Some(ChannelError::Stalled { .. })), "{error}");
    let error = session.open_git(Service::ReceivePack, "/count", None, Vec::new()).await.unwrap_err();
    assert!(matches!(error, SshError::ChannelTimeout { .. }), "{error:?}");
    drop(session);
    tokio::time::timeout(ENDING, nothing_runs()).await.expect("because tasks end");
}

#[tokio::test]
async fn closing_is_bounded_even_where_the_peer_is_stuck() {
    let sshd = Sshd::new();
    let (session, served) = sshd.connect(&impatient()).await;
    served.stop();
    session.close().await;
    tokio::time::timeout(ENDING, nothing_runs()).await.expect("because tasks end");
}

#[tokio::test]
async fn a_refused_request_is_told_on_the_channel() {
    let sshd = Sshd::new();
    let (client, server) = duplex(64 * 1024);
    let key = russh::keys::load_secret_key(sshd.path("host_ed25519"), None).unwrap();
    let config = Arc::new(russh::server::Config { keys: vec![key], ..Default::default() });
    let serving = tokio::spawn(async move { russh::server::run_stream(config, server, Refuser).await.unwrap().await });
    let hosts = sshd.known_hosts(&["ed25519"]);
    let identity: Identity = sshd.identity("user_ed25519");
    let session = Session::connect(client, &target(), "git", &identity, &hosts, &Deadlines::default(), &mut NoSteps)
        .await
        .unwrap();
    let mut channel =
        session.open_git(Service::UploadPack, "/any", Some(Protocol::V2), b"first".to_vec()).await.unwrap();
    let error = channel.read_u8().await.unwrap_err();
    let error = ChannelError::of(&error).unwrap();
    assert!(matches!(error, ChannelError::ExecRefused { .. }), "{error}");
    assert_eq!(error.retry(), Retry::Never);
    session.close().await;
    let _ = serving.await.unwrap();
}

/// Lets everybody in, and refuses every command.
struct Refuser;

impl russh::server::Handler for Refuser {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        _user: &str,
        _key: russh::server::VerifiedPublicKey<'_>,
    ) -> Result<russh::server::Auth, Self::Error> {
        Ok(russh::server::Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _channel: russh::Channel<russh::server::Msg>,
        reply: russh::server::ChannelOpenHandle,
        _session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: russh::ChannelId,
        _command: &[u8],
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}
