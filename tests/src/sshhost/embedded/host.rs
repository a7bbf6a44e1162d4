//! The host: its address, its rules, its ledger.

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

use super::fault::{Connections, Misdeed};
use super::identification::{self, Greeted};
use super::record::{Book, ChannelRecord, Ledger};
use super::session::Visitor;
use super::wire::Wire;
use crate::background::Background;
use crate::sandbox::{Git, KeyKind, private_key};
use crate::sshhost::HostAddress;

/// With what a host starts.
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
pub enum Moment {
    /// A program was asked for and is not started yet.
    BeforeGit,
    /// The client's first byte came and git has not seen it: behind a push's look, before its commands.
    FirstByte,
    /// Git has ended, and its end is not told yet. On a receive-pack channel the report is held back as well.
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
    pub(super) book: Book,
    rules: Mutex<Vec<(Connections, Misdeed)>>,
    hooks: Mutex<Vec<(Moment, Hook)>>,
    stranger: PrivateKey,
    /// A hook has panicked: the assertions of a test are in it.
    pub(super) hook_failed: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("book", &self.book).field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Shared {
    fn misdeeds(&self, connection: u64) -> Vec<Misdeed> {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.iter().filter(|(on, _)| on.holds(connection)).map(|(_, misdeed)| misdeed.clone()).collect()
    }

    pub(super) fn hooks(&self, at: Moment) -> Vec<Hook> {
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
            book: Book::default(),
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

    /// Adds a misdeed; several hold together.
    pub fn misbehave(&self, on: Connections, misdeed: Misdeed) {
        self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner).push((on, misdeed));
    }

    /// Adds a misdeed to the next connection only.
    pub fn misbehave_once(&self, misdeed: Misdeed) {
        let next = self.ledger().connections.len() as u64 + 1;
        self.misbehave(Connections::Nth(next), misdeed);
    }

    /// Forgets all misdeeds and hooks; connections that are open keep theirs.
    pub fn behave(&self) {
        self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.shared.hooks.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Calls back at a moment of every channel; the channel waits until the callback returns. A callback that panics fails the test
    /// when the host is dropped.
    pub fn hook(&self, at: Moment, hook: impl Fn(&ChannelRecord) + Send + Sync + 'static) {
        self.shared.hooks.lock().unwrap_or_else(PoisonError::into_inner).push((at, Arc::new(hook)));
    }

    /// Gives what happened so far.
    pub fn ledger(&self) -> Ledger {
        self.shared.book.watched().read()
    }

    /// Waits until the ledger is as wanted.
    ///
    /// # Panics
    /// Where it does not get there within five minutes.
    pub fn wait(&self, wanted: impl Fn(&Ledger) -> bool) -> Ledger {
        self.shared.book.watched().wait(wanted)
    }

    /// Waits until every connection is over and every git has ended.
    ///
    /// # Panics
    /// Where that does not come within five minutes.
    pub fn wait_until_quiet(&self) -> Ledger {
        self.wait(Ledger::is_quiet)
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
        let number = shared.book.connection();
        tokio::spawn(visit(stream, number, Arc::clone(&shared)));
    }
}

/// Serves one connection to its end.
async fn visit(stream: TcpStream, number: u64, shared: Arc<Shared>) {
    let misdeeds = shared.misdeeds(number);
    let Ok(mut wire) = Wire::new(stream, shared.book.clone(), number, &misdeeds) else { return };
    let Greeted::Properly = identification::greet(&mut wire, &misdeeds).await else { return };
    let config = Arc::new(config(&shared, &misdeeds));
    let visitor = Visitor::new(number, misdeeds, wire.scissors(), Arc::clone(&shared));
    // How a session ends is in the ledger; its error is the client's or the misdeed's.
    if let Ok(session) = server::run_stream(config, wire, visitor).await {
        let _ = session.await;
    }
}

fn config(shared: &Shared, misdeeds: &[Misdeed]) -> Config {
    let mut config = Config {
        server_id: SshId::Standard(Cow::Borrowed(identification::IDENTIFICATION)),
        methods: MethodSet::from([MethodKind::PublicKey].as_slice()),
        auth_rejection_time: Duration::ZERO,
        keys: vec![shared.settings.host_key.clone()],
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    };
    for misdeed in misdeeds {
        match misdeed {
            Misdeed::WrongHostKey => config.keys = vec![shared.stranger.clone()],
            Misdeed::Window(bytes) => config.window_size = *bytes,
            Misdeed::Rekey(bytes) => config.limits = Limits::new(*bytes, *bytes, Duration::from_secs(3600)),
            _ => {}
        }
    }
    config
}
