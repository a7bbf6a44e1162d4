//! The real OpenSSH server.
//!
//! The rig listens itself and hands every connection to an `sshd` of its own, as inetd would: no port has to be guessed, and the host
//! is ready as soon as it exists.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{PrivateKey, PublicKey};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::address::HostAddress;
use crate::background::{Background, Stopped};
use crate::requires;
use crate::sandbox::{Git, GitSandbox, KeyKind, private_key};
use crate::watched::Watched;

/// With what an `sshd` starts.
#[derive(Debug, Clone)]
pub struct OpenSshSettings {
    /// Its host keys; a client may ask for any of them.
    pub host_keys: Vec<PrivateKey>,
    /// The keys that may log in.
    pub accepted: Vec<PublicKey>,
    /// Whether clients may choose git's protocol.
    pub protocol: GitProtocol,
    /// Further lines of its configuration, such as `RekeyLimit 1M`.
    pub lines: Vec<String>,
}

/// What becomes of a client's `GIT_PROTOCOL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitProtocol {
    /// It reaches git, as on GitHub.
    Accepted,
    /// It is dropped, as `sshd` does by default: git speaks version 0.
    Dropped,
}

/// Real `sshd`s behind a free port of 127.0.0.1, running as the user of the test.
#[derive(Debug)]
pub struct OpenSshHost {
    address: HostAddress,
    log: PathBuf,
    connections: Watched<u64>,
    _background: Background,
}

impl OpenSshSettings {
    /// One new Ed25519 host key, one client key, and git's protocol accepted.
    pub fn new(accepted: &PublicKey) -> Self {
        Self {
            host_keys: vec![private_key(KeyKind::Ed25519)],
            accepted: vec![accepted.clone()],
            protocol: GitProtocol::Accepted,
            lines: Vec::new(),
        }
    }
}

impl OpenSshHost {
    /// Starts the host; its files are in the sandbox, which has to outlive it.
    ///
    /// # Panics
    /// Where `sshd` is not installed or refuses its configuration.
    pub fn start(sandbox: &GitSandbox, settings: &OpenSshSettings) -> Self {
        let sshd = requires::program("sshd");
        separate_privileges();
        let folder = tempfile::Builder::new()
            .prefix("sshd-")
            .tempdir_in(sandbox.path())
            .expect("because the sandbox is writable");
        // The folder goes with the sandbox.
        let folder = folder.keep();
        let config = write_config(&folder, sandbox.git(), settings);
        let checked =
            Command::new(&sshd).arg("-t").arg("-f").arg(&config).output().expect("because sshd can be started");
        assert!(
            checked.status.success(),
            "sshd refuses its configuration: {}",
            String::from_utf8_lossy(&checked.stderr)
        );

        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("because a loopback port is free");
        listener.set_nonblocking(true).expect("because the socket is ours");
        let port = listener.local_addr().expect("because the socket is bound").port();
        let host_key = settings.host_keys.first().expect("because a host has a key").public_key().clone();
        let address = HostAddress::new(port, &user(), host_key);
        let connections = Watched::default();
        let log = folder.join("sshd.log");
        let serving = Arc::new(Serving { sshd, config, log: log.clone(), connections: connections.clone() });
        let background = Background::start("sshd", move |stopped| {
            let listener = TcpListener::from_std(listener).expect("because the socket does not block");
            accept(listener, serving, stopped)
        });
        Self { address, log, connections, _background: background }
    }

    /// Gives its address.
    pub fn address(&self) -> &HostAddress {
        &self.address
    }

    /// Gives how many connections there were.
    pub fn connections(&self) -> u64 {
        self.connections.read()
    }

    /// Gives what its `sshd`s logged, for the message of a test that fails.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

#[derive(Debug)]
struct Serving {
    sshd: PathBuf,
    config: PathBuf,
    log: PathBuf,
    connections: Watched<u64>,
}

async fn accept(listener: TcpListener, serving: Arc<Serving>, stopped: Stopped) {
    let mut visits = JoinSet::new();
    let accepting = async {
        while let Ok((stream, _)) = listener.accept().await {
            serving.connections.write(|connections| *connections += 1);
            visits.spawn(visit(stream, Arc::clone(&serving), stopped.clone()));
        }
    };
    stopped.clone().unless(accepting).await;
    while visits.join_next().await.is_some() {}
}

/// Gives a connection to an `sshd`, and ends that one with the rig.
async fn visit(stream: TcpStream, serving: Arc<Serving>, mut stopped: Stopped) {
    let mut child = {
        // sshd holds small packets back until the ones before are acknowledged, which a proxy beside it does 40 ms late: a wait of this
        // machine's loopback that says nothing of either client.
        stream.set_nodelay(true).expect("because the socket is ours");
        let stream = stream.into_std().and_then(|stream| stream.set_nonblocking(false).map(|()| stream));
        let stream = OwnedFd::from(stream.expect("because the socket is ours"));
        let again = stream.try_clone().expect("because there are descriptors left");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&serving.log)
            .expect("because the sandbox is writable");
        let mut command = tokio::process::Command::new(&serving.sshd);
        command.args(["-i", "-e", "-f"]).arg(&serving.config).kill_on_drop(true);
        command.stdin(Stdio::from(stream)).stdout(Stdio::from(again)).stderr(Stdio::from(log));
        command.spawn().expect("because sshd can be started")
    };
    tokio::select! {
        // How a connection ended is in the log.
        _ = child.wait() => {}
        () = stopped.wait() => drop(child.kill().await),
    }
}

/// Makes the folder without which an `sshd` of root does not start.
fn separate_privileges() {
    if rustix::process::geteuid().is_root() {
        std::fs::create_dir_all("/run/sshd").expect("because this is root");
    }
}

fn user() -> String {
    let answer = Command::new("id").arg("-un").output().expect("because every system has `id`");
    String::from_utf8_lossy(&answer.stdout).trim().to_owned()
}

fn write_config(folder: &Path, git: &Git, settings: &OpenSshSettings) -> PathBuf {
    let write = |name: &str, content: &str| {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let path = folder.join(name);
        let file = std::fs::File::options().create_new(true).write(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(content.as_bytes())).expect("because the folder is new");
        path
    };
    // The first value of a key is the one that holds.
    let mut lines = settings.lines.clone();
    lines.extend([
        "AuthenticationMethods publickey".to_owned(),
        "PermitRootLogin prohibit-password".to_owned(),
        "UsePAM no".to_owned(),
        "StrictModes no".to_owned(),
        "PidFile none".to_owned(),
        "PrintMotd no".to_owned(),
        "PrintLastLog no".to_owned(),
        "PermitUserRC no".to_owned(),
        "LogLevel VERBOSE".to_owned(),
    ]);
    for (number, key) in settings.host_keys.iter().enumerate() {
        let text = key.to_openssh(LineEnding::LF).expect("because the key was made here");
        lines.push(format!("HostKey {}", write(&format!("host_key_{number}"), &text).display()));
    }
    let accepted = settings.accepted.iter().map(|key| key.to_openssh().expect("because the key was made here") + "\n");
    lines.push(format!("AuthorizedKeysFile {}", write("authorized_keys", &accepted.collect::<String>()).display()));
    if settings.protocol == GitProtocol::Accepted {
        lines.push("AcceptEnv GIT_PROTOCOL".to_owned());
    }
    lines.push(set_env(git.environment()));
    write("sshd_config", &(lines.join("\n") + "\n"))
}

/// The sandbox's environment as one line; `sshd` heeds the first such line only.
fn set_env(environment: &[(OsString, OsString)]) -> String {
    let words = environment.iter().map(|(name, value)| format!(" \"{}={}\"", name.display(), value.display()));
    format!("SetEnv{}", words.collect::<String>())
}
