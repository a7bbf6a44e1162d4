//! One client of the host: login, channels, and the requests that come before git runs.

use std::collections::HashMap;
use std::sync::Arc;

use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure};

use super::exec::{self, Run};
use super::fault::{ChannelFault, HostFault, Phase, Service};
use super::host::Shared;
use super::record::ChannelRecord;
use super::wire::Closer;

/// The server's side of one SSH session.
pub(super) struct ClientHandler {
    number: u64,
    faults: Vec<HostFault>,
    closer: Closer,
    shared: Arc<Shared>,
    waiting: HashMap<ChannelId, Waiting>,
}

/// A channel on which nothing runs yet.
struct Waiting {
    channel: Channel<Msg>,
    number: usize,
    protocol: Option<String>,
}

impl ClientHandler {
    pub(super) fn new(number: u64, faults: Vec<HostFault>, closer: Closer, shared: Arc<Shared>) -> Self {
        Self { number, faults, closer, shared, waiting: HashMap::new() }
    }

    fn does(&self, is: impl Fn(&HostFault) -> bool) -> bool {
        self.faults.iter().any(is)
    }

    fn closes_at(&self, phase: Phase) -> bool {
        let closes = self.does(|fault| matches!(fault, HostFault::CloseAt(at) if *at == phase));
        if closes {
            self.closer.cut();
        }
        closes
    }

    fn judge(&self, key: &russh::keys::PublicKey) -> Auth {
        let known = self.shared.settings.accepted.iter().any(|accepted| accepted.key_data() == key.key_data());
        if known && !self.does(|fault| matches!(fault, HostFault::RefuseLogin)) { Auth::Accept } else { Auth::reject() }
    }

    fn channel_faults(&self, number: usize, service: Option<Service>) -> Vec<ChannelFault> {
        let meant = |fault: &HostFault| match fault {
            HostFault::Channel { on, what } if on.hold(number, service) => Some(what.clone()),
            _ => None,
        };
        self.faults.iter().filter_map(meant).collect()
    }
}

impl Handler for ClientHandler {
    type Error = russh::Error;

    async fn auth_none(&mut self, _user: &str) -> Result<Auth, Self::Error> {
        if self.closes_at(Phase::Login) {
            return Err(russh::Error::Disconnect);
        }
        Ok(Auth::reject())
    }

    async fn auth_publickey_offered(&mut self, _user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        if self.closes_at(Phase::Login) {
            return Err(russh::Error::Disconnect);
        }
        Ok(self.judge(offer.public_key))
    }

    async fn auth_publickey(&mut self, _user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let verdict = self.judge(key.public_key);
        if matches!(verdict, Auth::Accept) {
            self.shared.recorder.on_connection(self.number, |connection| connection.logged_in = true);
        }
        Ok(verdict)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.closes_at(Phase::ChannelOpen) {
            return Err(russh::Error::Disconnect);
        }
        if self.does(|fault| matches!(fault, HostFault::RefuseChannel)) {
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
            return Ok(());
        }
        let number = self.shared.recorder.on_connection(self.number, |connection| {
            connection.channels.push(ChannelRecord::default());
            connection.channels.len()
        });
        self.waiting.insert(channel.id(), Waiting { channel, number, protocol: None });
        reply.accept().await;
        Ok(())
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let ignores = self.does(|fault| matches!(fault, HostFault::IgnoreProtocol));
        match self.waiting.get_mut(&channel) {
            Some(waiting) if name == "GIT_PROTOCOL" && !ignores => {
                waiting.protocol = Some(value.to_owned());
                session.channel_success(channel)
            }
            _ => session.channel_failure(channel),
        }
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        if self.closes_at(Phase::Exec) {
            return Err(russh::Error::Disconnect);
        }
        let refuses = self.does(|fault| matches!(fault, HostFault::RefuseExec));
        let Some(waiting) = self.waiting.remove(&id).filter(|_| !refuses) else {
            return session.channel_failure(id);
        };
        let command = String::from_utf8_lossy(command).into_owned();
        let request = exec::parse(&command);
        let service = request.as_ref().map(|(service, _)| *service);
        let at = (self.number, waiting.number);
        self.shared.recorder.on_channel(at, |channel| {
            channel.command = Some(command);
            channel.service = service;
            channel.protocol.clone_from(&waiting.protocol);
        });
        session.channel_success(id)?;
        let run = Run {
            at,
            request,
            protocol: waiting.protocol,
            channel_faults: self.channel_faults(waiting.number, service),
            closer: self.closer.clone(),
            handle: session.handle(),
            shared: Arc::clone(&self.shared),
        };
        tokio::spawn(run.serve(waiting.channel));
        Ok(())
    }
}
