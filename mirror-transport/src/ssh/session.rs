//! One authenticated SSH connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{Config, Handle, Msg, connect_stream};
use russh::{Channel, Disconnect, Limits, SshId};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::tunnel::{Deadlines, HostPort, Step, Steps};

use super::algorithms;
use super::channel::{GitChannel, Protocol, Service, Start};
use super::error::SshError;
use super::guard::{Guard, GuardFault, Passed, Traces, spoken};
use super::identity::Identity;
use super::known_hosts::KnownHosts;
use super::line::{Farewell, Line};
use super::login::Login;

/// The window of each channel: enough for a full pipe at 100 ms and 150 Mbit/s.
pub(super) const WINDOW: u32 = 2 * 1024 * 1024;
/// The largest packet taken; the library's bound.
const PACKET: u32 = 65_535;
/// How many packets of one channel may wait for its reader's task.
const WAITING_PACKETS: usize = 16;
/// Below the idle limits of common proxies (60 s and more).
const KEEPALIVE: Duration = Duration::from_secs(20);
/// How many keepalives may stay unanswered.
const KEEPALIVES_UNANSWERED: usize = 3;
/// How long a polite goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Says after how much traffic, in either direction, the keys are exchanged anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rekey {
    /// The number of bytes, at most 2³⁰.
    pub after_bytes: u32,
}

impl Default for Rekey {
    /// One gibibyte.
    ///
    /// # Source
    /// RFC 4253 §9.
    fn default() -> Self {
        Self { after_bytes: 1 << 30 }
    }
}

/// Holds one authenticated connection; channels are opened on it.
///
/// Dropping it cuts the connection at once and ends everything that runs for it; [`Session::close`] says goodbye first.
pub struct Session {
    handle: Handle<Guard>,
    target: HostPort,
    idle: Duration,
    /// A channel that was opened in advance, on which nothing was asked yet.
    spare: Mutex<Option<Channel<Msg>>>,
    traces: Arc<Traces>,
    farewell: Arc<Farewell>,
    cut: CancellationToken,
    _cut_on_drop: DropGuard,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({})", self.target)
    }
}

impl Session {
    /// Speaks SSH on `stream`: identification, key exchange, host key, login; all within `limits.handshake`.
    ///
    /// # Errors
    /// Each way to fail is an [`SshError`] of its own; host keys and logins are never worth a retry.
    ///
    /// # Cancel safety
    /// Dropping the future cuts the connection.
    ///
    /// # Source
    /// RFC 4253 (transport), RFC 4252 (login).
    pub async fn connect<S>(
        stream: S,
        target: &HostPort,
        user: &str,
        identity: &Identity,
        hosts: &KnownHosts,
        limits: &Deadlines,
        steps: &mut dyn Steps,
    ) -> Result<Self, SshError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shake = Handshake { target, user, identity, hosts, limits, rekey: Rekey::default() };
        shake.run(stream, steps).await
    }

    /// Opens a channel and starts a Git service on it, for the repository at `path`.
    ///
    /// The request and `first_bytes` travel behind the channel's confirmation without another wait. A server that refuses the request
    /// says so on the channel: the first read ends in [`super::ChannelError::ExecRefused`].
    ///
    /// # Errors
    /// Where the server refuses the channel, does not answer in time, or is gone.
    ///
    /// # Source
    /// RFC 4254 §5.1 and §6.5; gitprotocol-pack, "SSH transport".
    pub async fn open_git(
        &self,
        service: Service,
        path: &str,
        protocol: Option<Protocol>,
        first_bytes: Vec<u8>,
    ) -> Result<GitChannel, SshError> {
        let spare = self.spare().take();
        let channel = match spare {
            Some(channel) => channel,
            None => self.open_channel().await?,
        };
        let start = Start { service, path, protocol, first_bytes };
        self.start(channel, start).await
    }

    /// Opens an upload-pack and a receive-pack channel together: both requests are in flight at once.
    ///
    /// `ls_refs` are the first bytes of the upload-pack channel, which speaks `protocol`.
    ///
    /// # Errors
    /// As for [`Session::open_git`]; where one channel fails, the other is closed.
    pub async fn open_git_pair(
        &self,
        path: &str,
        protocol: Option<Protocol>,
        ls_refs: Vec<u8>,
    ) -> Result<(GitChannel, GitChannel), SshError> {
        let fetch = self.open_git(Service::UploadPack, path, protocol, ls_refs);
        let push = self.open_git(Service::ReceivePack, path, None, Vec::new());
        tokio::try_join!(fetch, push)
    }

    /// Tells whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Says goodbye and waits until that has left, for a short while. What the server says to it is not waited for.
    pub async fn close(self) {
        let Self { mut handle, farewell, _cut_on_drop, .. } = self;
        let goodbye = async {
            farewell.begin();
            let _ = handle.disconnect(Disconnect::ByApplication, "", "").await;
            tokio::select! {
                () = farewell.left() => {}
                _ = &mut handle => {}
            }
        };
        // A server that does not let go is cut off by the drop guard.
        let _ = timeout(GOODBYE, goodbye).await;
    }

    /// Opens a channel in advance, unless there is one: what is opened next takes it and saves a round trip. No program runs on it.
    ///
    /// # Errors
    /// As for [`Session::open_git`]; the session is as good as before, or gone.
    pub async fn reserve(&self) -> Result<(), SshError> {
        if self.spare().is_none() {
            let channel = self.open_channel().await?;
            *self.spare() = Some(channel);
        }
        Ok(())
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Option<Channel<Msg>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open_channel(&self) -> Result<Channel<Msg>, SshError> {
        let opening = timeout(self.idle, self.handle.channel_open_session());
        let target = || self.target.clone();
        match opening.await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
                Err(SshError::ChannelRefused { target: target(), reason: format!("{reason:?}") })
            }
            Ok(Err(_)) => {
                Err(SshError::Lost { target: target(), step: Step::Repository, reason: self.traces.reason() })
            }
            Err(_) => Err(SshError::ChannelTimeout { target: target(), after: self.idle }),
        }
    }

    async fn start(&self, channel: Channel<Msg>, start: Start<'_>) -> Result<GitChannel, SshError> {
        GitChannel::start(channel, start, self.target.clone(), self.idle, self.traces.clone(), self.cut.clone())
            .await
            .map_err(|error| SshError::Lost {
                target: self.target.clone(),
                step: Step::Repository,
                reason: error.to_string(),
            })
    }
}

/// Holds everything a handshake needs beside the stream; [`Session::connect`] is its short form.
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    /// The server, by the name under which its keys are known.
    pub target: &'a HostPort,
    /// The user to log in as.
    pub user: &'a str,
    /// What to log in with.
    pub identity: &'a Identity,
    /// Which host keys to trust.
    pub hosts: &'a KnownHosts,
    /// The deadlines of the handshake and of the session's channels.
    pub limits: &'a Deadlines,
    /// When to exchange keys anew.
    pub rekey: Rekey,
}

impl Handshake<'_> {
    /// Speaks SSH on `stream`; see [`Session::connect`].
    ///
    /// # Errors
    /// As for [`Session::connect`].
    pub async fn run<S>(self, stream: S, steps: &mut dyn Steps) -> Result<Session, SshError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let cut = CancellationToken::new();
        let cut_on_drop = cut.clone().drop_guard();
        let traces = Arc::new(Traces::default());
        let farewell = Arc::new(Farewell::default());
        let deadline = Instant::now() + self.limits.handshake;
        let mut walk = Walk::begin(steps);

        let mut handle = self.exchange_keys(stream, &cut, &traces, &farewell, deadline, &mut walk).await?;
        walk.next(Step::Login);
        let login = Login { handle: &mut handle, target: self.target, user: self.user, traces: &traces };
        let key = timeout_at(deadline, login.run(self.identity)).await.map_err(|_| self.timed_out(Step::Login))??;
        walk.pass(format!("{} with {key}", self.user));

        Ok(Session {
            handle,
            target: self.target.clone(),
            idle: self.limits.idle,
            spare: Mutex::new(None),
            traces,
            farewell,
            cut,
            _cut_on_drop: cut_on_drop,
        })
    }

    async fn exchange_keys<S>(
        &self,
        stream: S,
        cut: &CancellationToken,
        traces: &Arc<Traces>,
        farewell: &Arc<Farewell>,
        deadline: Instant,
        walk: &mut Walk<'_>,
    ) -> Result<Handle<Guard>, SshError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (passed, mut passing) = unbounded_channel();
        let line = Line::new(stream, passed.clone(), farewell, cut);
        let guard = Guard { target: self.target.clone(), hosts: self.hosts.clone(), passed, traces: traces.clone() };
        let connecting = connect_stream(Arc::new(self.config()), line, guard);
        tokio::pin!(connecting);
        let result = loop {
            tokio::select! {
                biased;
                Some(event) = passing.recv() => walk.hear(event),
                result = &mut connecting => break result,
                () = tokio::time::sleep_until(deadline) => return Err(self.timed_out(walk.step)),
            }
        };
        walk.hear_rest(&mut passing);
        result.map_err(|fault| self.exchange_failed(walk.step, fault))
    }

    fn config(&self) -> Config {
        let bytes = usize::try_from(self.rekey.after_bytes.min(1 << 30)).unwrap_or(1 << 30);
        Config {
            client_id: SshId::Standard(concat!("SSH-2.0-git-mirror_", env!("CARGO_PKG_VERSION")).into()),
            limits: Limits::new(bytes, bytes, Duration::from_secs(3600)),
            window_size: WINDOW,
            maximum_packet_size: PACKET,
            channel_buffer_size: WAITING_PACKETS,
            preferred: algorithms::offer(&self.hosts.key_types(self.target)),
            inactivity_timeout: None,
            keepalive_interval: Some(KEEPALIVE),
            keepalive_max: KEEPALIVES_UNANSWERED,
            ..Config::default()
        }
    }

    fn timed_out(&self, step: Step) -> SshError {
        SshError::HandshakeTimeout { target: self.target.clone(), step, after: self.limits.handshake }
    }

    fn exchange_failed(&self, step: Step, fault: GuardFault) -> SshError {
        if let Some(fault) = fault.banner() {
            return fault.at(self.target);
        }
        let target = self.target.clone();
        match fault {
            GuardFault::Judged(error) => *error,
            GuardFault::Library(russh::Error::NoCommonAlgo { kind, theirs, .. }) => SshError::NoCommonAlgorithm {
                target,
                kind: format!("{kind:?}").to_lowercase(),
                theirs: theirs.join(", "),
            },
            GuardFault::Library(
                error @ (russh::Error::IO(_)
                | russh::Error::HUP
                | russh::Error::Disconnect
                | russh::Error::ConnectionTimeout),
            ) => SshError::Lost { target, step, reason: spoken(&error) },
            GuardFault::Library(error) => SshError::KeyExchange { target, reason: spoken(&error) },
        }
    }
}

/// The steps of one handshake, told as they pass.
struct Walk<'a> {
    steps: &'a mut dyn Steps,
    step: Step,
}

impl<'a> Walk<'a> {
    fn begin(steps: &'a mut dyn Steps) -> Self {
        steps.began(Step::Banner);
        Self { steps, step: Step::Banner }
    }

    fn hear(&mut self, event: Passed) {
        match event {
            Passed::Banner(line) => {
                self.pass(line);
                self.next(Step::HostKey);
            }
            Passed::HostKey(shown) => self.pass(shown),
        }
    }

    fn hear_rest(&mut self, passing: &mut UnboundedReceiver<Passed>) {
        while let Ok(event) = passing.try_recv() {
            self.hear(event);
        }
    }

    fn pass(&mut self, detail: String) {
        self.steps.passed(self.step, detail);
    }

    fn next(&mut self, step: Step) {
        self.step = step;
        self.steps.began(step);
    }
}
