//! The SSH library's callbacks: the host key is judged here, and the end of the connection is remembered.

use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session as RusshSession};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelOpenFailure};
use tokio::sync::mpsc::UnboundedSender;

use crate::tunnel::HostPort;

use super::banner::BannerFault;
use super::error::SshError;
use super::known_hosts::KnownHosts;

/// The most of a server's login banner that is kept for an error.
const MAX_WORDS: usize = 1024;

/// Tells what passed while the library was busy with the handshake.
#[derive(Debug)]
pub(super) enum Passed {
    /// The server's identification line.
    Banner(String),
    /// The host key, type and fingerprint.
    HostKey(String),
}

/// Says how the connection ended, where it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The server said goodbye, in these words.
    Disconnected(String),
    /// The server left no way to log in.
    NoMethodLeft,
    /// The connection broke, or the protocol did.
    Broken(String),
}

/// What the callbacks leave behind for the session and its channels.
#[derive(Debug, Default)]
pub(super) struct Traces {
    ended: Mutex<Option<Ended>>,
    words: Mutex<String>,
}

impl Traces {
    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says in words how the connection ended.
    pub(super) fn reason(&self) -> String {
        match self.ended() {
            Some(Ended::Disconnected(words)) => format!("the server said: {words}"),
            Some(Ended::NoMethodLeft) => "the server left no way to log in".to_owned(),
            Some(Ended::Broken(words)) => words,
            None => "the connection ended".to_owned(),
        }
    }

    /// Gives what the server said before or while refusing the login.
    pub(super) fn words(&self) -> String {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the library's task ends with: its own errors, or ours as we know them.
#[derive(Debug)]
pub(super) enum GuardFault {
    Library(russh::Error),
    Judged(Box<SshError>),
}

impl From<russh::Error> for GuardFault {
    fn from(error: russh::Error) -> Self {
        GuardFault::Library(error)
    }
}

impl GuardFault {
    /// Finds the fault of the server's first words behind an error of the stream.
    pub(super) fn banner(&self) -> Option<BannerFault> {
        let GuardFault::Library(russh::Error::IO(error)) = self else {
            return None;
        };
        error.get_ref()?.downcast_ref::<BannerFault>().cloned()
    }
}

/// Stands between the library and the session.
pub(super) struct Guard {
    pub(super) target: HostPort,
    pub(super) hosts: KnownHosts,
    pub(super) passed: UnboundedSender<Passed>,
    pub(super) traces: Arc<Traces>,
}

impl Handler for Guard {
    type Error = GuardFault;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let key = offered.public_key();
        let shown = self.hosts.judge(&self.target, &key).map_err(|error| GuardFault::Judged(Box::new(error)))?;
        let _ = self.passed.send(Passed::HostKey(shown));
        Ok(true)
    }

    async fn auth_banner(&mut self, banner: &str, _session: &mut RusshSession) -> Result<(), Self::Error> {
        let mut words = self.traces.words.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_WORDS.saturating_sub(words.len());
        words.extend(banner.chars().filter(|c| !c.is_control() || *c == '\n').take(room));
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        let ended = match &reason {
            DisconnectReason::ReceivedDisconnect(said) => Ended::Disconnected(one_line(&said.message)),
            DisconnectReason::Error(GuardFault::Library(russh::Error::NoAuthMethod)) => Ended::NoMethodLeft,
            DisconnectReason::Error(GuardFault::Library(error)) => Ended::Broken(spoken(error)),
            DisconnectReason::Error(GuardFault::Judged(error)) => Ended::Broken(error.to_string()),
        };
        *self.traces.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }

    // A Git server has nothing to open towards its client; the library would accept by default.

    async fn server_channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _connected_address: &str,
        _connected_port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _socket_path: &str,
        reply: ChannelOpenHandle,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _socket_path: &str,
        reply: ChannelOpenHandle,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: Channel<Msg>,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }
}

async fn refuse(reply: ChannelOpenHandle) -> Result<(), GuardFault> {
    reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
    Ok(())
}

/// Says in words what the library calls its errors.
pub(super) fn spoken(error: &russh::Error) -> String {
    match error {
        russh::Error::HUP | russh::Error::Disconnect => "the connection was closed".to_owned(),
        russh::Error::KeepaliveTimeout => "the server stopped answering keepalives".to_owned(),
        russh::Error::PacketAuth | russh::Error::DecryptionError => "a packet arrived damaged".to_owned(),
        russh::Error::IO(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the connection was closed".to_owned()
        }
        other => one_line(&other.to_string()),
    }
}

/// Makes a server's words fit into a message: one line, bounded, nothing that moves a cursor.
pub(super) fn one_line(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_WORDS).collect();
    flat.trim().to_owned()
}
