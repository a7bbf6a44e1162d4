//! What can go wrong between here and the first byte of SSH.

use std::io;
use std::time::Duration;

use mirror_core::fault::{Classified, FaultClass, Retry};

use super::address::{HostPort, ProxyAddr};

/// Tells why there is no stream to the target. Names the proxy and the target.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum TunnelError {
    /// The proxy's name does not resolve.
    #[error("cannot resolve proxy {proxy} on the way to {target}")]
    #[diagnostic(
        code(mirror::tunnel::proxy_name),
        help("check githubTransport.proxy and the name server of this machine, then run git-mirror doctor")
    )]
    ProxyName {
        /// The proxy.
        proxy: ProxyAddr,
        /// Where the tunnel should lead.
        target: HostPort,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No address of the proxy accepts a connection.
    #[error("cannot connect to proxy {proxy} on the way to {target}")]
    #[diagnostic(
        code(mirror::tunnel::proxy_unreachable),
        help("check that the proxy runs and that githubTransport.proxy names it, then run git-mirror doctor")
    )]
    ProxyUnreachable {
        /// The proxy.
        proxy: ProxyAddr,
        /// Where the tunnel should lead.
        target: HostPort,
        /// What the system said of the last address tried.
        #[source]
        source: io::Error,
    },
    /// The proxy took no connection in time.
    #[error("proxy {proxy} did not accept a connection within {after:?}, on the way to {target}")]
    #[diagnostic(
        code(mirror::tunnel::proxy_timeout),
        help("check the network path to the proxy, or raise githubTransport.timeouts.connect")
    )]
    ProxyTimeout {
        /// The proxy.
        proxy: ProxyAddr,
        /// Where the tunnel should lead.
        target: HostPort,
        /// The deadline that passed.
        after: Duration,
    },
    /// The proxy took the connection and then said nothing in time.
    #[error("proxy {proxy} did not answer the request for a tunnel to {target} within {after:?}")]
    #[diagnostic(
        code(mirror::tunnel::proxy_silent),
        help(
            "check that githubTransport.proxy is an HTTP proxy and reaches {target}, or raise githubTransport.timeouts.connect"
        )
    )]
    ProxySilent {
        /// The proxy.
        proxy: ProxyAddr,
        /// Where the tunnel should lead.
        target: HostPort,
        /// The deadline that passed.
        after: Duration,
    },
    /// The connection to the proxy broke before its answer was whole.
    #[error("proxy {proxy} broke the connection before it answered for {target}")]
    #[diagnostic(
        code(mirror::tunnel::proxy_lost),
        help("look into the proxy's log; run git-mirror doctor to see each step")
    )]
    ProxyLost {
        /// The proxy.
        proxy: ProxyAddr,
        /// Where the tunnel should lead.
        target: HostPort,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The proxy closed the connection before its answer was whole.
    #[error("proxy {proxy} closed the connection after {received} bytes of an answer for {target}")]
    #[diagnostic(
        code(mirror::tunnel::proxy_closed),
        help("look into the proxy's log; run git-mirror doctor to see each step")
    )]
    ProxyClosed {
        /// The proxy.
        proxy: ProxyAddr,
        /// Where the tunnel should lead.
        target: HostPort,
        /// How much of the answer had arrived.
        received: usize,
    },
    /// The proxy wants credentials, and none are configured.
    #[error("proxy {proxy} wants credentials for a tunnel to {target}: 407")]
    #[diagnostic(
        code(mirror::tunnel::proxy_auth),
        help("set githubTransport.proxyCredentials to a file that holds user:password")
    )]
    ProxyAuthRequired {
        /// The proxy.
        proxy: ProxyAddr,
        /// Where the tunnel should lead.
        target: HostPort,
    },
    /// The proxy refuses the configured credentials.
    #[error("proxy {proxy} refused the configured credentials for a tunnel to {target}: 407")]
    #[diagnostic(
        code(mirror::tunnel::proxy_auth_refused),
        help("correct user:password in the file that githubTransport.proxyCredentials names")
    )]
    ProxyAuthRefused {
        /// The proxy.
        proxy: ProxyAddr,
        /// Where the tunnel should lead.
        target: HostPort,
    },
    /// The proxy's rules forbid this target.
    #[error("proxy {proxy} forbids a tunnel to {target}: 403 {reason}")]
    #[diagnostic(
        code(mirror::tunnel::proxy_forbidden),
        help("allow CONNECT to {target} in the proxy's rules (tinyproxy: ConnectPort {}; squid: SSL_ports and CONNECT)", target.port)
    )]
    ProxyForbidden {
        /// The proxy.
        proxy: ProxyAddr,
        /// Where the tunnel should lead.
        target: HostPort,
        /// The proxy's words.
        reason: String,
    },
    /// The proxy answers with another refusal.
    #[error("proxy {proxy} refused a tunnel to {target}: {status} {reason}")]
    #[diagnostic(
        code(mirror::tunnel::proxy_refused),
        help("check that {proxy} is an HTTP proxy that allows CONNECT; run git-mirror doctor to see each step")
    )]
    ProxyRefused {
        /// The proxy.
        proxy: ProxyAddr,
        /// Where the tunnel should lead.
        target: HostPort,
        /// The status of the answer.
        status: u16,
        /// The proxy's words.
        reason: String,
    },
    /// The proxy cannot reach the target.
    #[error("proxy {proxy} cannot reach {target}: {status} {reason}")]
    #[diagnostic(
        code(mirror::tunnel::proxy_upstream),
        help("check from the proxy's machine that {target} can be resolved and reached")
    )]
    ProxyUpstream {
        /// The proxy.
        proxy: ProxyAddr,
        /// Where the tunnel should lead.
        target: HostPort,
        /// The status of the answer.
        status: u16,
        /// The proxy's words.
        reason: String,
    },
    /// What answers is not an HTTP proxy.
    #[error("proxy {proxy} answered the request for a tunnel to {target} with something other than HTTP: {seen:?}")]
    #[diagnostic(
        code(mirror::tunnel::not_http),
        help("githubTransport.proxy must be a plain HTTP proxy (not SOCKS, not TLS, not the SSH server itself)")
    )]
    NotHttp {
        /// The proxy.
        proxy: ProxyAddr,
        /// Where the tunnel should lead.
        target: HostPort,
        /// The beginning of the answer, made printable.
        seen: String,
    },
    /// The answer's header does not end.
    #[error("proxy {proxy} sent a header beyond {limit} bytes or {lines} lines in answer to a tunnel to {target}")]
    #[diagnostic(
        code(mirror::tunnel::header_too_long),
        help("look into the proxy: an answer to CONNECT is a few lines")
    )]
    HeaderTooLong {
        /// The proxy.
        proxy: ProxyAddr,
        /// Where the tunnel should lead.
        target: HostPort,
        /// The most bytes that are read.
        limit: usize,
        /// The most lines that are read.
        lines: usize,
    },
    /// The target's name does not resolve; there is no proxy.
    #[error("cannot resolve {target}")]
    #[diagnostic(
        code(mirror::tunnel::target_name),
        help("check the upstream's host name and the name server of this machine, or set githubTransport.proxy")
    )]
    TargetName {
        /// The target.
        target: HostPort,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No address of the target accepts a connection; there is no proxy.
    #[error("cannot connect to {target}")]
    #[diagnostic(
        code(mirror::tunnel::target_unreachable),
        help("check that this machine may reach {target}, or set githubTransport.proxy")
    )]
    TargetUnreachable {
        /// The target.
        target: HostPort,
        /// What the system said of the last address tried.
        #[source]
        source: io::Error,
    },
    /// The target took no connection in time; there is no proxy.
    #[error("{target} did not accept a connection within {after:?}")]
    #[diagnostic(
        code(mirror::tunnel::target_timeout),
        help(
            "check that this machine may reach {target}, set githubTransport.proxy, or raise githubTransport.timeouts.connect"
        )
    )]
    TargetTimeout {
        /// The target.
        target: HostPort,
        /// The deadline that passed.
        after: Duration,
    },
}

impl Classified for TunnelError {
    fn class(&self) -> FaultClass {
        FaultClass::Upstream
    }

    fn retry(&self) -> Retry {
        match self {
            TunnelError::ProxyName { .. }
            | TunnelError::ProxyUnreachable { .. }
            | TunnelError::ProxyTimeout { .. }
            | TunnelError::ProxySilent { .. }
            | TunnelError::ProxyLost { .. }
            | TunnelError::ProxyClosed { .. }
            | TunnelError::TargetName { .. }
            | TunnelError::TargetUnreachable { .. }
            | TunnelError::TargetTimeout { .. } => Retry::Backoff,
            // 408, 425 and 429 ask for a later try; 501 and 505 will not change by one.
            TunnelError::ProxyRefused { status: 408 | 425 | 429, .. } => Retry::Backoff,
            TunnelError::ProxyUpstream { status: 501 | 505, .. } => Retry::Never,
            TunnelError::ProxyUpstream { .. } => Retry::Backoff,
            TunnelError::ProxyRefused { .. }
            | TunnelError::ProxyAuthRequired { .. }
            | TunnelError::ProxyAuthRefused { .. }
            | TunnelError::ProxyForbidden { .. }
            | TunnelError::NotHttp { .. }
            | TunnelError::HeaderTooLong { .. } => Retry::Never,
        }
    }
}
