//! Logging in: the configured key, or the agent's keys one after the other.

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKey};
use tokio::net::UnixStream;

use crate::tunnel::{HostPort, Step};

use super::error::SshError;
use super::guard::{Ended, Guard, Traces, one_line, spoken};
use super::identity::{Identity, Signer};
use super::known_hosts::fingerprint;

/// The most keys of an agent that are tried; servers cut the connection after about as many.
const MAX_AGENT_KEYS: usize = 5;

/// One login on one connection.
pub(super) struct Login<'a> {
    pub(super) handle: &'a mut Handle<Guard>,
    pub(super) target: &'a HostPort,
    pub(super) user: &'a str,
    pub(super) traces: &'a Traces,
}

/// How one key fared.
enum Tried {
    Accepted,
    Refused,
}

impl Login<'_> {
    /// Logs in; gives the description of the key that was accepted.
    pub(super) async fn run(mut self, identity: &Identity) -> Result<String, SshError> {
        match &identity.0 {
            Signer::Key(key) => {
                let shown = fingerprint(key.public_key());
                for hash in hashes(key.public_key()) {
                    let key = PrivateKeyWithHashAlg::new(key.clone(), *hash);
                    let result = self
                        .handle
                        .authenticate_publickey(self.user, key)
                        .await
                        .map_err(|error| self.failed(&shown, &error))?;
                    if let Tried::Accepted = self.tried(&shown, result).await? {
                        return Ok(shown);
                    }
                }
                Err(self.refused(&shown))
            }
            Signer::Agent(socket) => self.run_agent(socket).await,
        }
    }

    async fn run_agent(mut self, socket: &std::path::Path) -> Result<String, SshError> {
        let failed = |reason: String| SshError::AgentFailed { socket: socket.to_owned(), reason: one_line(&reason) };
        let stream = UnixStream::connect(socket)
            .await
            .map_err(|source| SshError::AgentUnreachable { socket: socket.to_owned(), source })?;
        let mut agent = AgentClient::connect(stream);
        let held = agent.request_identities().await.map_err(|error| failed(error.to_string()))?;
        let keys: Vec<PublicKey> = held
            .into_iter()
            .filter_map(|identity| match identity {
                AgentIdentity::PublicKey { key, .. } => Some(key),
                AgentIdentity::Certificate { .. } => None,
            })
            .take(MAX_AGENT_KEYS)
            .collect();
        if keys.is_empty() {
            return Err(SshError::AgentEmpty { socket: socket.to_owned() });
        }
        let all: Vec<_> = keys.iter().map(fingerprint).collect();
        let all = all.join(", ");
        for key in keys {
            let shown = fingerprint(&key);
            for hash in hashes(&key) {
                let result = self
                    .handle
                    .authenticate_publickey_with(self.user, key.clone(), *hash, &mut agent)
                    .await
                    .map_err(|error| failed(error.to_string()))?;
                if let Tried::Accepted = self.tried(&all, result).await? {
                    return Ok(shown);
                }
            }
        }
        Err(self.refused(&all))
    }

    /// Tells a refusal from a connection that ended: the library reports both the same way.
    async fn tried(&mut self, keys: &str, result: AuthResult) -> Result<Tried, SshError> {
        match result {
            AuthResult::Success => Ok(Tried::Accepted),
            AuthResult::Failure { remaining_methods, .. } if !remaining_methods.is_empty() => Ok(Tried::Refused),
            AuthResult::Failure { .. } => {
                // No method is left, or the connection is gone: either way the library's task ends now.
                let _ = (&mut *self.handle).await;
                match self.traces.ended() {
                    Some(Ended::NoMethodLeft | Ended::Disconnected(_)) => Err(self.refused(keys)),
                    Some(Ended::Broken(_)) | None => Err(SshError::Lost {
                        target: self.target.clone(),
                        step: Step::Login,
                        reason: self.traces.reason(),
                    }),
                }
            }
        }
    }

    fn refused(&self, keys: &str) -> SshError {
        let mut words = one_line(&self.traces.words());
        if let Some(Ended::Disconnected(said)) = self.traces.ended() {
            words = format!("{words} {said}").trim().to_owned();
        }
        if !words.is_empty() {
            words = format!("; it said: {words}");
        }
        SshError::LoginRefused { target: self.target.clone(), user: self.user.to_owned(), keys: keys.to_owned(), words }
    }

    fn failed(&self, key: &str, error: &russh::Error) -> SshError {
        match error {
            russh::Error::Keys(_) | russh::Error::SshKey(_) | russh::Error::Signature(_) => {
                SshError::CannotSign { key: key.to_owned(), reason: spoken(error) }
            }
            _ => SshError::Lost { target: self.target.clone(), step: Step::Login, reason: self.traces.reason() },
        }
    }
}

/// The signature hashes to try: RSA has two, and its SHA-1 form is not used.
///
/// They are tried without asking the server first: waiting for its list of algorithms costs up to a second where it sends none.
///
/// # Source
/// RFC 8332.
fn hashes(key: &PublicKey) -> &'static [Option<HashAlg>] {
    if key.algorithm().is_rsa() { &[Some(HashAlg::Sha512), Some(HashAlg::Sha256)] } else { &[None] }
}
