//! The host: its address, its faults, its record.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::keys::{PrivateKey, PublicKey};
use russh::server::{self, Config};
use russh::{Limits, MethodKind, MethodSet, SshId};
use tokio::net::{TcpListener, TcpStream};

use super::fault::{Connections, HostFault};
use super::identification::{self, Exchange};
use super::record::{ChannelRecord, HostRecord, Recorder};
use super::session::ClientHandler;
use super::wire::Wire;
use crate::background::Background;
use crate::sandbox::{Git, KeyKind, private_key};
use crate::sshhost::HostAddress;

/// The settings of a host.
#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    /// In whose environment git runs.
    pub git: Git,
    /// The key by which the host is known.
    pub host_key: PrivateKey,
    /// The keys that may log in.
    pub accepted: Vec<PublicKey>,
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookPoint {
    /// A program was asked for and is not started yet.
    BeforeGit,
    /// The client's first byte was received and not forwarded to git: after the ref advertisement of a push, before its commands.
    FirstByte,
    /// Git has ended, and its exit status is not sent yet. On a receive-pack channel the report is held back as well.
    AfterGit,
}

/// A callback of a test.
pub(super) type Hook = Arc<dyn Fn(&ChannelRecord) + Send + Sync>;

/// An SSH host on russh's server side, on a free port of 127.0.0.1.
#[derive(Debug)]
pub struct EmbeddedHost {
    address: HostAddress,
    shared: Arc<Shared>,
    _background: Background,
}

/// What all connections of a host share.
pub(super) struct Shared {
    pub(super) settings: EmbeddedSettings,
    pub(super) recorder: Recorder,
    rules: Mutex<Vec<(Connections, HostFault)>>,
    hooks: Mutex<Vec<(HookPoint, Hook)>>,
    stranger: PrivateKey,
    /// A hook has panicked: the assertions of a test are in it.
    pub(super) hook_failed: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("recorder", &self.recorder)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn faults(&self, connection: u64) -> Vec<HostFault> {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.iter().filter(|(on, _)| on.holds(connection)).map(|(_, fault)| fault.clone()).collect()
    }

    pub(super) fn hooks(&self, at: HookPoint) -> Vec<Hook> {
        let hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        hooks.iter().filter(|(moment, _)| *moment == at).map(|(_, hook)| Arc::clone(hook)).collect()
    }
}

impl EmbeddedHost {
    /// Starts a host with a new Ed25519 host key that lets one client key in.
    ///
    /// # Panics
    /// Where no port can be bound.
    pub fn start(git: &Git, accepted: &PublicKey) -> Self {
        let host_key = private_key(KeyKind::Ed25519);
        Self::with(EmbeddedSettings { git: git.clone(), host_key, accepted: vec![accepted.clone()] })
    }

    /// Starts a host.
    ///
    /// # Panics
    /// Where no port can be bound.
    pub fn with(settings: EmbeddedSettings) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("because a loopback port is free");
        listener.set_nonblocking(true).expect("because the socket is ours");
        let port = listener.local_addr().expect("because the socket is bound").port();
        let address = HostAddress::new(port, "git", settings.host_key.public_key().clone());
        let shared = Arc::new(Shared {
            settings,
            recorder: Recorder::default(),
            rules: Mutex::default(),
            hooks: Mutex::default(),
            stranger: private_key(KeyKind::Ed25519),
            hook_failed: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let background = Background::start("ssh-host", move |stopped| {
            let listener = TcpListener::from_std(listener).expect("because the socket does not block");
            async move { stopped.unless(accept(listener, serving)).await }
        });
        Self { address, shared, _background: background }
    }

    /// Gives its address.
    pub fn address(&self) -> &HostAddress {
        &self.address
    }

    /// Adds a fault; several hold together.
    pub fn inject(&self, on: Connections, fault: HostFault) {
        self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner).push((on, fault));
    }

    /// Adds a fault to the next connection only.
    pub fn inject_once(&self, fault: HostFault) {
        let next = self.record().connections.len() as u64 + 1;
        self.inject(Connections::Nth(next), fault);
    }

    /// Forgets all faults and hooks; connections that are open keep theirs.
    pub fn clear_faults(&self) {
        self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.shared.hooks.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Calls back at a moment of every channel; the channel waits until the callback returns. A callback that panics fails the test
    /// when the host is dropped.
    pub fn hook(&self, at: HookPoint, hook: impl Fn(&ChannelRecord) + Send + Sync + 'static) {
        self.shared.hooks.lock().unwrap_or_else(PoisonError::into_inner).push((at, Arc::new(hook)));
    }

    /// Gives what happened so far.
    pub fn record(&self) -> HostRecord {
        self.shared.recorder.watched().read()
    }

    /// Waits until the record is as wanted.
    ///
    /// # Panics
    /// Where it does not get there within five minutes.
    pub fn wait(&self, wanted: impl Fn(&HostRecord) -> bool) -> HostRecord {
        self.shared.recorder.watched().wait(wanted)
    }

    /// Waits until every connection is over and every git has ended.
    ///
    /// # Panics
    /// Where that does not come within five minutes.
    pub fn wait_until_quiet(&self) -> HostRecord {
        self.wait(HostRecord::is_quiet)
    }
}

impl Drop for EmbeddedHost {
    fn drop(&mut self) {
        let failed = self.shared.hook_failed.load(Ordering::SeqCst);
        assert!(!failed || std::thread::panicking(), "a hook of the host has failed");
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let number = shared.recorder.connection();
        tokio::spawn(visit(stream, number, Arc::clone(&shared)));
    }
}

/// Serves one connection to its end.
async fn visit(stream: TcpStream, number: u64, shared: Arc<Shared>) {
    let faults = shared.faults(number);
    let Ok(mut wire) = Wire::new(stream, shared.recorder.clone(), number, &faults) else { return };
    let Exchange::Continue = identification::exchange(&mut wire, &faults).await else { return };
    let config = Arc::new(config(&shared, &faults));
    let handler = ClientHandler::new(number, faults, wire.closer(), Arc::clone(&shared));
    // How a session ends is in the record; its error is the client's or the fault's.
    if let Ok(session) = server::run_stream(config, wire, handler).await {
        let _ = session.await;
    }
}

fn config(shared: &Shared, faults: &[HostFault]) -> Config {
    let mut config = Config {
        server_id: SshId::Standard(Cow::Borrowed(identification::IDENTIFICATION)),
        methods: MethodSet::from([MethodKind::PublicKey].as_slice()),
        auth_rejection_time: Duration::ZERO,
        keys: vec![shared.settings.host_key.clone()],
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    };
    for fault in faults {
        match fault {
            HostFault::WrongHostKey => config.keys = vec![shared.stranger.clone()],
            HostFault::Window(bytes) => config.window_size = *bytes,
            HostFault::Rekey(bytes) => config.limits = Limits::new(*bytes, *bytes, Duration::from_secs(3600)),
            _ => {}
        }
    }
    config
}
