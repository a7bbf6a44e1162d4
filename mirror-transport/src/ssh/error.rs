//! What can go wrong from the first byte of SSH to an open channel.

use std::path::PathBuf;
use std::time::Duration;

use mirror_core::fault::{Classified, FaultClass, Retry};

use crate::tunnel::{HostPort, Step};

/// Tells why there is no session, or no channel on it. Names the target.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SshError {
    /// What answers is not an SSH server.
    #[error("{target} does not speak SSH: {seen:?}")]
    #[diagnostic(
        code(mirror::ssh::not_ssh),
        help("check host and port of the upstream; something between here and there may answer in its place")
    )]
    NotSsh {
        /// The server.
        target: HostPort,
        /// Its first words, made printable.
        seen: String,
    },
    /// The server closed the connection before it said anything.
    #[error("{target} closed the connection before its SSH identification")]
    #[diagnostic(
        code(mirror::ssh::closed_before_banner),
        help("the proxy or the server cut the connection; run git-mirror doctor to see each step")
    )]
    ClosedBeforeBanner {
        /// The server.
        target: HostPort,
    },
    /// A line before or as the identification is too long.
    #[error("{target} sent a line of more than 255 bytes in place of an SSH identification: {seen:?}")]
    #[diagnostic(
        code(mirror::ssh::banner_line_too_long),
        help("check host and port of the upstream; RFC 4253 allows 255 bytes")
    )]
    BannerLineTooLong {
        /// The server.
        target: HostPort,
        /// Its first words, made printable.
        seen: String,
    },
    /// Too many lines stand before the identification.
    #[error("{target} sent more than 20 lines without an SSH identification: {seen:?}")]
    #[diagnostic(code(mirror::ssh::banner_too_many_lines), help("check host and port of the upstream"))]
    BannerTooManyLines {
        /// The server.
        target: HostPort,
        /// Its first words, made printable.
        seen: String,
    },
    /// The server speaks a version of SSH before 2.
    #[error("{target} speaks an old version of SSH: {version:?}")]
    #[diagnostic(code(mirror::ssh::old_protocol), help("the server must offer SSH 2.0"))]
    OldProtocol {
        /// The server.
        target: HostPort,
        /// Its identification.
        version: String,
    },
    /// A step of the handshake took too long.
    #[error("{target} did not finish the step {step} within {after:?}")]
    #[diagnostic(
        code(mirror::ssh::handshake_timeout),
        help("run git-mirror doctor to see each step; raise githubTransport.timeouts.connect on a slow road")
    )]
    HandshakeTimeout {
        /// The server.
        target: HostPort,
        /// The step that was under way.
        step: Step,
        /// The deadline that passed.
        after: Duration,
    },
    /// The two sides share no algorithm.
    #[error("{target} shares no {kind} algorithm with this client (it offers: {theirs})")]
    #[diagnostic(
        code(mirror::ssh::no_common_algorithm),
        help("the server is too old or too narrowly configured; SHA-1 and CBC are not offered here")
    )]
    NoCommonAlgorithm {
        /// The server.
        target: HostPort,
        /// What kind of algorithm.
        kind: String,
        /// What the server offers.
        theirs: String,
    },
    /// The key exchange failed: a wrong signature, a violated order, a damaged packet.
    #[error("the key exchange with {target} failed: {reason}")]
    #[diagnostic(
        code(mirror::ssh::key_exchange),
        help("something between here and {target} may alter the traffic; run git-mirror doctor to see each step")
    )]
    KeyExchange {
        /// The server.
        target: HostPort,
        /// What failed.
        reason: String,
    },
    /// The host's key is not one of those known for it.
    #[error("{target} offered a host key that is not known for it: {offered}; expected {expected} from {origin}")]
    #[diagnostic(
        code(mirror::ssh::host_key_mismatch),
        help(
            "somebody may be answering in the host's place. Only after the host's owner confirms the new key, replace it in what githubTransport.knownHosts names"
        )
    )]
    HostKeyMismatch {
        /// The server.
        target: HostPort,
        /// Type and SHA256 fingerprint of the key it offered.
        offered: String,
        /// Types and SHA256 fingerprints of the keys known for it.
        expected: String,
        /// Where the known keys come from.
        origin: String,
    },
    /// No key is known for the host.
    #[error("no host key is known for {target} in {origin}; it offered {offered}")]
    #[diagnostic(code(mirror::ssh::host_unknown), help("{repair}"))]
    HostUnknown {
        /// The server.
        target: HostPort,
        /// Type and SHA256 fingerprint of the key it offered.
        offered: String,
        /// Where known keys would come from.
        origin: String,
        /// The line to add, and where.
        repair: String,
    },
    /// The host's key was withdrawn by its owner.
    #[error("{target} offered a revoked host key: {offered}, revoked by {place}")]
    #[diagnostic(
        code(mirror::ssh::host_key_revoked),
        help("somebody may be answering in the host's place; do not accept this key")
    )]
    HostKeyRevoked {
        /// The server.
        target: HostPort,
        /// Type and SHA256 fingerprint of the key it offered.
        offered: String,
        /// What says that it is revoked.
        place: String,
    },
    /// Only a certificate authority is known for the host.
    #[error(
        "{target} is known only by a certificate authority ({place}), which is not supported; it offered {offered}"
    )]
    #[diagnostic(
        code(mirror::ssh::host_cert_authority),
        help("add a plain line with the host's own key beside the @cert-authority line")
    )]
    HostCertAuthority {
        /// The server.
        target: HostPort,
        /// The line that names the authority.
        place: String,
        /// Type and SHA256 fingerprint of the key it offered.
        offered: String,
    },
    /// The server does not accept the login.
    #[error("{target} refused the login of {user} with {keys}{words}")]
    #[diagnostic(
        code(mirror::ssh::login_refused),
        help(
            "add the public half of the key to the account or as a deploy key of the repository, or set githubTransport.identity to a key that has access"
        )
    )]
    LoginRefused {
        /// The server.
        target: HostPort,
        /// The user.
        user: String,
        /// Types and SHA256 fingerprints of the keys tried.
        keys: String,
        /// What the server said, if anything.
        words: String,
    },
    /// The agent cannot be reached.
    #[error("cannot reach the SSH agent at {}", socket.display())]
    #[diagnostic(
        code(mirror::ssh::agent_unreachable),
        help("start ssh-agent and set SSH_AUTH_SOCK, or set githubTransport.identity to a key file")
    )]
    AgentUnreachable {
        /// The agent's socket.
        socket: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The agent holds no key.
    #[error("the SSH agent at {} holds no usable key", socket.display())]
    #[diagnostic(code(mirror::ssh::agent_empty), help("add a key with ssh-add"))]
    AgentEmpty {
        /// The agent's socket.
        socket: PathBuf,
    },
    /// The agent failed or declined.
    #[error("the SSH agent at {} failed: {reason}", socket.display())]
    #[diagnostic(
        code(mirror::ssh::agent_failed),
        help("check ssh-add -l; a locked agent or a declined confirmation refuses to sign")
    )]
    AgentFailed {
        /// The agent's socket.
        socket: PathBuf,
        /// What it did.
        reason: String,
    },
    /// The private key cannot sign.
    #[error("cannot sign with {key}: {reason}")]
    #[diagnostic(code(mirror::ssh::cannot_sign), help("set githubTransport.identity to another key"))]
    CannotSign {
        /// Type and SHA256 fingerprint of the key.
        key: String,
        /// What failed.
        reason: String,
    },
    /// The connection ended in the middle of a step.
    #[error("the connection to {target} ended during the step {step}: {reason}")]
    #[diagnostic(
        code(mirror::ssh::lost),
        help("run git-mirror doctor to see each step; a proxy may cut SSH connections")
    )]
    Lost {
        /// The server.
        target: HostPort,
        /// The step that was under way.
        step: Step,
        /// How it ended.
        reason: String,
    },
    /// The server does not open a channel.
    #[error("{target} refused to open a channel: {reason}")]
    #[diagnostic(
        code(mirror::ssh::channel_refused),
        help("the server may limit sessions per connection (sshd: MaxSessions) or be out of resources")
    )]
    ChannelRefused {
        /// The server.
        target: HostPort,
        /// The server's reason.
        reason: String,
    },
    /// The server did not answer the opening of a channel.
    #[error("{target} did not answer the opening of a channel within {after:?}")]
    #[diagnostic(code(mirror::ssh::channel_timeout), help("raise githubTransport.timeouts.idle on a slow road"))]
    ChannelTimeout {
        /// The server.
        target: HostPort,
        /// The deadline that passed.
        after: Duration,
    },
}

impl Classified for SshError {
    fn class(&self) -> FaultClass {
        match self {
            SshError::AgentUnreachable { .. }
            | SshError::AgentEmpty { .. }
            | SshError::AgentFailed { .. }
            | SshError::CannotSign { .. } => FaultClass::Usage,
            SshError::NotSsh { .. }
            | SshError::ClosedBeforeBanner { .. }
            | SshError::BannerLineTooLong { .. }
            | SshError::BannerTooManyLines { .. }
            | SshError::OldProtocol { .. }
            | SshError::HandshakeTimeout { .. }
            | SshError::NoCommonAlgorithm { .. }
            | SshError::KeyExchange { .. }
            | SshError::HostKeyMismatch { .. }
            | SshError::HostUnknown { .. }
            | SshError::HostKeyRevoked { .. }
            | SshError::HostCertAuthority { .. }
            | SshError::LoginRefused { .. }
            | SshError::Lost { .. }
            | SshError::ChannelRefused { .. }
            | SshError::ChannelTimeout { .. } => FaultClass::Upstream,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            SshError::ClosedBeforeBanner { .. }
            | SshError::HandshakeTimeout { .. }
            | SshError::Lost { .. }
            | SshError::ChannelRefused { .. }
            | SshError::ChannelTimeout { .. } => Retry::Backoff,
            SshError::NotSsh { .. }
            | SshError::BannerLineTooLong { .. }
            | SshError::BannerTooManyLines { .. }
            | SshError::OldProtocol { .. }
            | SshError::NoCommonAlgorithm { .. }
            | SshError::KeyExchange { .. }
            | SshError::HostKeyMismatch { .. }
            | SshError::HostUnknown { .. }
            | SshError::HostKeyRevoked { .. }
            | SshError::HostCertAuthority { .. }
            | SshError::LoginRefused { .. }
            | SshError::AgentUnreachable { .. }
            | SshError::AgentEmpty { .. }
            | SshError::AgentFailed { .. }
            | SshError::CannotSign { .. } => Retry::Never,
        }
    }
}
