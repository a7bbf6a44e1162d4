//! The session against real OpenSSH: keys, host keys, channels, and large transfers.

use std::fs;
use std::process::Command;

use crate::rig::{IMPATIENCE, Sshd, keygen, run, target};
use mirror_core::fault::{Classified as _, Retry};
use mirror_transport::ssh::{
    ChannelError, Handshake, Identity, IdentityError, KnownHosts, Protocol, Rekey, Service, Session, SshError,
};
use mirror_transport::tunnel::{Deadlines, NoSteps, Step, Steps};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn code(error: &dyn miette::Diagnostic) -> String {
    error.code().unwrap().to_string()
}

async fn echo(session: &Session, text: &str) -> String {
    let mut channel =
        session.open_git(Service::UploadPack, "/echo", Some(Protocol::V2), text.as_bytes().to_vec()).await.unwrap();
    channel.shutdown().await.unwrap();
    let mut answer = String::new();
    channel.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn every_type_of_user_key_logs_in() {
    let sshd = Sshd::new();
    let hosts = sshd.known_hosts(&["ed25519"]);
    for name in ["user_ed25519", "user_ecdsa", "user_rsa"] {
        let (session, served) = sshd
            .try_connect(&sshd.identity(name), &hosts)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error:?}\n{}", sshd.log()));
        assert_eq!(echo(&session, "hello").await, "version=2:hello");
        session.close().await;
        served.wait();
    }
    assert!(!sshd.log().contains("none for"), "no login may begin with a probe without a key:\n{}", sshd.log());
}

#[tokio::test]
async fn every_type_of_host_key_is_asked_for_by_what_is_known() {
    let sshd = Sshd::new();
    let identity = sshd.identity("user_ed25519");
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let hosts = sshd.known_hosts(&[kind]);
        let connected = sshd.try_connect(&identity, &hosts).await;
        assert!(connected.is_ok(), "{kind}: {:?}", connected.err());
    }
}

#[tokio::test]
async fn other_key_formats_and_passphrases() {
    let sshd = Sshd::new();
    let hosts = sshd.known_hosts(&["ed25519"]);
    let passphrase = sshd.path("passphrase");
    fs::write(&passphrase, "correct horse\n").unwrap();
    let wrong = sshd.path("wrong");
    fs::write(&wrong, "battery staple\n").unwrap();

    for (kind, format) in
        [("rsa", "PEM"), ("rsa", "PKCS8"), ("ecdsa", "PEM"), ("ecdsa", "PKCS8"), ("ed25519", "RFC4716")]
    {
        let plain = sshd.path(&format!("{kind}_{format}"));
        fs::copy(sshd.path(&format!("user_{kind}")), &plain).unwrap();
        keygen(&["-q", "-p", "-P", "", "-N", "", "-m", format, "-f"], &plain);
        let identity = Identity::from_file(&plain, Some(&passphrase)).unwrap();
        sshd.try_connect(&identity, &hosts).await.unwrap();

        if (kind, format) == ("ecdsa", "PEM") {
            continue;
        }
        keygen(&["-q", "-p", "-P", "", "-N", "correct horse", "-m", format, "-f"], &plain);
        let error = Identity::from_file(&plain, None).unwrap_err();
        assert!(matches!(error, IdentityError::Encrypted { .. }), "{kind} {format}: {error:?}");
        let error = Identity::from_file(&plain, Some(&wrong)).unwrap_err();
        assert!(matches!(error, IdentityError::WrongPassphrase { .. }), "{kind} {format}: {error:?}");
        let error = Identity::from_file(&plain, Some(&sshd.path("none"))).unwrap_err();
        assert!(matches!(error, IdentityError::PassphraseUnreadable { .. }), "{error:?}");
        let identity =
            Identity::from_file(&plain, Some(&passphrase)).unwrap_or_else(|error| panic!("{kind} {format}: {error:?}"));
        sshd.try_connect(&identity, &hosts).await.unwrap();
    }
}

#[test]
fn each_fault_of_a_key_file_is_an_error_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let key = dir.path().join("key");
    keygen(&["-q", "-t", "ed25519", "-N", "", "-f"], &key);
    for (path, expected) in [
        (dir.path().join("none"), "mirror::ssh::key_missing"),
        (dir.path().to_owned(), "mirror::ssh::key_unreadable"),
        (write("binary", &[0xff, 0xfe]), "mirror::ssh::key_unreadable"),
        (write("huge", &vec![b'a'; 100_000]), "mirror::ssh::key_unreadable"),
        (write("empty", b""), "mirror::ssh::key_malformed"),
        (write("text", b"hello"), "mirror::ssh::key_malformed"),
        (write("cut", b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n"), "mirror::ssh::key_malformed"),
        (key.with_extension("pub"), "mirror::ssh::key_public"),
    ] {
        let error = Identity::from_file(&path, None).unwrap_err();
        assert_eq!(code(&error), expected, "{error}");
        assert_eq!(error.retry(), Retry::Never);
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    let shown = format!("{:?}", Identity::from_file(&key, None).unwrap());
    assert!(shown.starts_with("Identity(ssh-ed25519 SHA256:"), "{shown}");
}

#[tokio::test]
async fn host_keys_that_are_not_trusted_end_the_handshake() {
    let sshd = Sshd::new();
    let identity = sshd.identity("user_ed25519");
    let offered = run(Command::new("ssh-keygen").arg("-lf").arg(sshd.path("host_ed25519.pub")));
    let offered = String::from_utf8(offered.stdout).unwrap();
    let offered = offered.split_whitespace().nth(1).unwrap().to_owned();
    let host_key = fs::read_to_string(sshd.path("host_ed25519.pub")).unwrap();
    let other_key = fs::read_to_string(sshd.path("user_ed25519.pub")).unwrap();

    for (text, expected) in [
        (String::new(), "mirror::ssh::host_unknown"),
        (format!("git.example {host_key}"), "mirror::ssh::host_unknown"),
        (format!("[git.example]:2222 {other_key}"), "mirror::ssh::host_key_mismatch"),
        (format!("[git.example]:2222 {host_key}@revoked * {host_key}"), "mirror::ssh::host_key_revoked"),
        (format!("@cert-authority [*.example]:2222 {other_key}"), "mirror::ssh::host_cert_authority"),
    ] {
        let hosts = KnownHosts::parse(&sshd.path("known_hosts"), &text).unwrap();
        let error = sshd.try_connect(&identity, &hosts).await.unwrap_err();
        assert_eq!(code(&error), expected, "{error}");
        assert_eq!(error.retry(), Retry::Never);
        let shown = format!("{error} {}", miette::Diagnostic::help(&error).unwrap());
        assert!(shown.contains(&offered), "{shown}");
        if expected.ends_with("host_unknown") {
            let key = host_key.rsplit_once(' ').unwrap().0;
            assert!(shown.ends_with(&format!("[git.example]:2222 {key}")), "{shown}");
        }
    }
    let github = sshd.try_connect(&identity, &KnownHosts::github()).await.unwrap_err();
    assert_eq!(code(&github), "mirror::ssh::host_unknown");
    assert!(!sshd.log().contains("Accepted publickey"), "no login may be tried on an untrusted host");
}

#[tokio::test]
async fn hosts_hashed_by_ssh_keygen_are_found() {
    let sshd = Sshd::new();
    sshd.known_hosts(&["ecdsa", "ed25519"]);
    let path = sshd.path("known_hosts");
    keygen(&["-q", "-H", "-f"], &path);
    assert!(fs::read_to_string(&path).unwrap().starts_with("|1|"));
    let hosts = KnownHosts::from_file(&path).unwrap();
    sshd.try_connect(&sshd.identity("user_ed25519"), &hosts).await.unwrap();
}

#[tokio::test]
async fn a_refused_login_names_the_user_and_the_key() {
    let sshd = Sshd::new();
    fs::write(sshd.path("authorized_keys"), "").unwrap();
    let hosts = sshd.known_hosts(&["ed25519"]);
    for name in ["user_ed25519", "user_rsa"] {
        let identity = sshd.identity(name);
        let error = sshd.try_connect(&identity, &hosts).await.unwrap_err();
        let SshError::LoginRefused { user, keys, .. } = &error else { panic!("{error:?}") };
        assert_eq!(user, sshd.user());
        assert_eq!(keys, &identity.describe());
        assert_eq!(error.retry(), Retry::Never);
    }
}

#[tokio::test]
async fn a_server_that_leaves_no_method_refuses_the_login() {
    let sshd = Sshd::with("MaxAuthTries 1");
    fs::write(sshd.path("authorized_keys"), "").unwrap();
    let hosts = sshd.known_hosts(&["ed25519"]);
    let error = sshd.try_connect(&sshd.identity("user_ed25519"), &hosts).await.unwrap_err();
    assert!(matches!(error, SshError::LoginRefused { .. }), "{error:?}");
}

#[tokio::test]
async fn the_agents_keys_are_tried_in_turn() {
    let sshd = Sshd::new();
    let hosts = sshd.known_hosts(&["ed25519"]);
    let socket = sshd.path("agent");
    let agent = sshd.path("agent_pid");
    let missing = sshd.try_connect(&Identity::agent(&socket), &hosts).await.unwrap_err();
    assert_eq!(code(&missing), "mirror::ssh::agent_unreachable");

    let started = run(Command::new("ssh-agent").arg("-s").arg("-a").arg(&socket));
    let text = String::from_utf8(started.stdout).unwrap();
    let pid = text.split("SSH_AGENT_PID=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    fs::write(&agent, &pid).unwrap();
    let add = |name: &str| {
        run(Command::new("ssh-add").arg("-q").arg(sshd.path(name)).env("SSH_AUTH_SOCK", &socket));
    };
    let checked = async {
        let empty = sshd.try_connect(&Identity::agent(&socket), &hosts).await.unwrap_err();
        assert_eq!(code(&empty), "mirror::ssh::agent_empty");

        // A key the server does not know is tried and passed over.
        keygen(&["-q", "-t", "ed25519", "-N", "", "-f"], &sshd.path("stranger"));
        add("stranger");
        let refused = sshd.try_connect(&Identity::agent(&socket), &hosts).await.unwrap_err();
        assert!(matches!(refused, SshError::LoginRefused { .. }), "{refused:?}");
        add("user_rsa");
        let (session, _served) = sshd.try_connect(&Identity::agent(&socket), &hosts).await.unwrap();
        assert_eq!(echo(&session, "by agent").await, "version=2:by agent");
    };
    checked.await;
    run(Command::new("kill").arg(&pid));
}

#[derive(Default)]
struct Heard(Vec<(Step, String)>);

impl Steps for Heard {
    fn began(&mut self, _step: Step) {}
    fn passed(&mut self, step: Step, detail: String) {
        self.0.push((step, detail));
    }
}

#[tokio::test]
async fn the_steps_are_told_with_what_was_learned() {
    let sshd = Sshd::new();
    let (stream, _served) = sshd.stream();
    let hosts = sshd.known_hosts(&["ed25519"]);
    let identity = sshd.identity("user_ed25519");
    let mut heard = Heard::default();
    Session::connect(stream, &target(), sshd.user(), &identity, &hosts, &Deadlines::default(), &mut heard)
        .await
        .unwrap();
    let steps: Vec<_> = heard.0.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [Step::Banner, Step::HostKey, Step::Login]);
    assert!(heard.0[0].1.starts_with("SSH-2.0-OpenSSH"), "{heard:?}", heard = heard.0);
    assert!(heard.0[1].1.starts_with("ssh-ed25519 SHA256:"), "{heard:?}", heard = heard.0);
    assert!(heard.0[2].1.contains(&identity.describe()), "{heard:?}", heard = heard.0);
}

#[tokio::test]
async fn two_channels_run_side_by_side() {
    let sshd = Sshd::new();
    let (session, _served) = sshd.connect(&Deadlines::default()).await;
    let (mut fetch, mut push) = session.open_git_pair("/echo", Some(Protocol::V2), b"ls-refs".to_vec()).await.unwrap();
    push.write_all(b"pack").await.unwrap();
    push.shutdown().await.unwrap();
    fetch.shutdown().await.unwrap();
    let (mut a, mut b) = (String::new(), String::new());
    tokio::try_join!(fetch.read_to_string(&mut a), push.read_to_string(&mut b)).unwrap();
    assert_eq!((a.as_str(), b.as_str()), ("version=2:ls-refs", ":pack"));
    assert!(fetch.exit().await.unwrap().is_success());
}

#[tokio::test]
async fn the_end_of_the_remote_program_is_told() {
    let sshd = Sshd::new();
    let (session, _served) = sshd.connect(&Deadlines::default()).await;
    let open = async |path: &str| session.open_git(Service::UploadPack, path, None, Vec::new()).await.unwrap();

    let mut channel = open("/exit/3").await;
    let mut rest = Vec::new();
    channel.read_to_end(&mut rest).await.unwrap();
    assert_eq!(channel.exit().await.unwrap().status, Some(3));
    assert_eq!(channel.stderr().text, "said on stderr\n");
    let error = channel.write_all(b"too late").await.unwrap_err();
    let error = ChannelError::of(&error).unwrap();
    assert!(matches!(error, ChannelError::RemoteEnded { .. }), "{error}");
    assert!(error.to_string().contains("said on stderr"), "{error}");

    let mut channel = open("/kill").await;
    channel.read_to_end(&mut rest).await.unwrap();
    let exit = channel.exit().await.unwrap();
    assert_eq!(exit.signal.as_deref(), Some("TERM"), "{exit:?}");
}

#[tokio::test]
async fn standard_error_is_kept_up_to_a_bound() {
    let sshd = Sshd::new();
    let (session, _served) = sshd.connect(&Deadlines::default()).await;
    let mut channel = session.open_git(Service::UploadPack, "/stderr/300000", None, Vec::new()).await.unwrap();
    let mut text = String::new();
    channel.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "done\n");
    channel.exit().await.unwrap();
    let stderr = channel.stderr();
    assert_eq!(stderr.text.len(), 64 * 1024);
    assert_eq!(stderr.dropped_bytes, 300_000 - 64 * 1024);
}

#[tokio::test]
async fn silence_ends_at_the_idle_deadline_in_both_directions() {
    let sshd = Sshd::new();
    let limits = Deadlines { idle: IMPATIENCE, ..Deadlines::default() };
    let (session, _served) = sshd.connect(&limits).await;
    let open = async || session.open_git(Service::UploadPack, "/silent", None, Vec::new()).await.unwrap();
    let error = open().await.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    let error = ChannelError::of(&error).unwrap().clone();
    assert_eq!(code(&error), "mirror::ssh::stalled");
    assert_eq!(error.retry(), Retry::Backoff);

    // The window and the pipe fill up, and then nothing takes any more.
    let error = open().await.write_all(&vec![0; 64 * 1024 * 1024]).await.unwrap_err();
    assert!(ChannelError::of(&error).unwrap().to_string().contains("take ours"), "{error}");

    let error = open().await.exit().await.unwrap_err();
    assert!(error.to_string().contains("to end"), "{error}");
}

#[tokio::test]
async fn a_slow_reader_holds_the_server_back_and_loses_nothing() {
    const SIZE: u64 = 48 * 1024 * 1024;
    let sshd = Sshd::new();
    let (session, _served) = sshd.connect(&Deadlines::default()).await;
    let mut channel = session.open_git(Service::UploadPack, &format!("/zeros/{SIZE}"), None, Vec::new()).await.unwrap();
    let mut first = [0; 10];
    channel.read_exact(&mut first).await.unwrap();
    let mut rest = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = channel.read(&mut buffer).await.unwrap();
        if count == 0 {
            break;
        }
        assert!(buffer[..count].iter().all(|byte| *byte == 0));
        rest += count as u64;
    }
    assert_eq!(rest + 10, SIZE);
}

/// Both sides exchange keys anew about every mebibyte, in the middle of transfers in both directions.
#[tokio::test]
async fn rekeying_in_the_middle_of_large_transfers() {
    const DOWN: u64 = 48 * 1024 * 1024;
    const UP: usize = 16 * 1024 * 1024;
    for (server, client) in [("1M", 1 << 30), ("default", 1 << 20), ("1M", 1 << 20)] {
        let sshd = Sshd::with(&format!("RekeyLimit {server}\nLogLevel DEBUG"));
        let (stream, _served) = sshd.stream();
        let handshake = Handshake {
            target: &target(),
            user: sshd.user(),
            identity: &sshd.identity("user_ed25519"),
            hosts: &sshd.known_hosts(&["ed25519"]),
            limits: &Deadlines::default(),
            rekey: Rekey { after_bytes: client },
        };
        let session = handshake.run(stream, &mut NoSteps).await.unwrap();
        let down = async {
            let path = format!("/zeros/{DOWN}");
            let mut channel = session.open_git(Service::UploadPack, &path, None, Vec::new()).await.unwrap();
            let copied = tokio::io::copy(&mut channel, &mut tokio::io::sink()).await;
            (copied.unwrap(), channel.exit().await.unwrap())
        };
        let (copied, exit) = down.await;
        assert_eq!(copied, DOWN, "{server} {client}");
        assert!(exit.is_success());
        let mut channel = session.open_git(Service::ReceivePack, "/count", None, Vec::new()).await.unwrap();
        channel.write_all(&vec![7; UP]).await.unwrap();
        channel.shutdown().await.unwrap();
        let mut counted = String::new();
        channel.read_to_string(&mut counted).await.unwrap();
        assert_eq!(counted.trim(), UP.to_string(), "{server} {client}");
        let exchanges = sshd.log().matches("SSH2_MSG_NEWKEYS received").count();
        assert!(exchanges > 30, "{server} {client}: {exchanges} key exchanges");
    }
}

#[tokio::test]
async fn dropping_the_session_ends_everything() {
    let sshd = Sshd::new();
    let (session, served) = sshd.connect(&Deadlines::default()).await;
    let mut channel = session.open_git(Service::UploadPack, "/silent", None, Vec::new()).await.unwrap();
    drop(session);
    let error = channel.read_u8().await.unwrap_err();
    assert!(matches!(ChannelError::of(&error), Some(ChannelError::Lost { .. })), "{error}");
    let error = channel.exit().await.unwrap_err();
    assert!(matches!(error, ChannelError::Lost { .. }));
    served.wait();
}

#[tokio::test]
async fn a_killed_server_is_a_lost_connection_and_never_an_end_of_file() {
    let sshd = Sshd::new();
    let (session, served) = sshd.connect(&Deadlines::default()).await;
    let mut channel = session.open_git(Service::UploadPack, "/silent", None, Vec::new()).await.unwrap();
    drop(served);
    let error = channel.read_u8().await.unwrap_err();
    let error = ChannelError::of(&error).unwrap();
    assert!(matches!(error, ChannelError::Lost { .. }), "{error}");
    assert_eq!(error.retry(), Retry::Backoff);
    let error = session.open_git(Service::UploadPack, "/echo", None, Vec::new()).await.unwrap_err();
    assert!(matches!(error, SshError::Lost { .. }), "{error}");
}

#[test]
fn streams_may_be_dropped_outside_a_runtime() {
    let sshd = Sshd::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (session, served) = runtime.block_on(sshd.connect(&Deadlines::default()));
    let channel = runtime.block_on(session.open_git(Service::UploadPack, "/silent", None, Vec::new())).unwrap();
    let (reader, writer, remote) = channel.split();
    drop(reader);
    drop(writer);
    // Both streams are gone, so the channel is closed although the session lives on.
    runtime.block_on(remote.exit()).unwrap();
    drop(session);
    served.wait();
}
