//! Opening the one socket: to the proxy where there is one, to the target where there is none.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::address::{HostPort, ProxyAddr};
use super::connect::{Tunnel, open_tunnel};
use super::credentials::ProxyCredentials;
use super::deadlines::Deadlines;
use super::error::TunnelError;
use super::steps::{Step, Steps};

/// The stream that [`dial()`] gives.
pub type TcpTunnel = Tunnel<TcpStream>;

/// Opens a stream to `target`, through `proxy` where there is one.
///
/// With a proxy, its endpoint is the only one a socket is opened to, and the target's name is not resolved here.
/// All steps together take at most `limits.connect`.
///
/// # Errors
/// A [`TunnelError`] that names the proxy and the target; its retry class says whether another try makes sense.
///
/// # Cancel safety
/// Dropping the future closes the socket.
pub async fn dial(
    proxy: Option<&ProxyAddr>,
    credentials: Option<&ProxyCredentials>,
    target: &HostPort,
    limits: &Deadlines,
    steps: &mut dyn Steps,
) -> Result<TcpTunnel, TunnelError> {
    let deadline = Instant::now() + limits.connect;
    let Some(proxy) = proxy else {
        return open_tcp(target, deadline, steps)
            .await
            .map(Tunnel::direct)
            .map_err(|fault| fault.of_target(target, limits));
    };
    let stream =
        open_tcp(proxy.endpoint(), deadline, steps).await.map_err(|fault| fault.of_proxy(proxy, target, limits))?;
    steps.began(Step::Connect);
    let left = deadline.saturating_duration_since(Instant::now());
    let tunnel = open_tunnel(stream, proxy, credentials, target, left)
        .await
        .map_err(|error| with_whole_deadline(error, limits))?;
    steps.passed(Step::Connect, format!("{proxy} leads to {target}"));
    Ok(tunnel)
}

/// What keeps a TCP connection from opening, before it is known whose fault it is.
enum TcpFault {
    Name(io::Error),
    Refused(io::Error),
    Timeout,
}

impl TcpFault {
    fn of_proxy(self, proxy: &ProxyAddr, target: &HostPort, limits: &Deadlines) -> TunnelError {
        let (proxy, target) = (proxy.clone(), target.clone());
        match self {
            TcpFault::Name(source) => TunnelError::ProxyName { proxy, target, source },
            TcpFault::Refused(source) => TunnelError::ProxyUnreachable { proxy, target, source },
            TcpFault::Timeout => TunnelError::ProxyTimeout { proxy, target, after: limits.connect },
        }
    }

    fn of_target(self, target: &HostPort, limits: &Deadlines) -> TunnelError {
        let target = target.clone();
        match self {
            TcpFault::Name(source) => TunnelError::TargetName { target, source },
            TcpFault::Refused(source) => TunnelError::TargetUnreachable { target, source },
            TcpFault::Timeout => TunnelError::TargetTimeout { target, after: limits.connect },
        }
    }
}

async fn open_tcp(endpoint: &HostPort, deadline: Instant, steps: &mut dyn Steps) -> Result<TcpStream, TcpFault> {
    steps.began(Step::Resolve);
    let addresses =
        timeout_at(deadline, resolve(endpoint)).await.map_err(|_| TcpFault::Timeout)?.map_err(TcpFault::Name)?;
    steps.passed(Step::Resolve, listed(&addresses));

    steps.began(Step::Tcp);
    let mut last = TcpFault::Timeout;
    for (index, address) in addresses.iter().enumerate() {
        // An address that swallows packets must leave time for those behind it.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(TcpFault::Refused)?;
                steps.passed(Step::Tcp, address.to_string());
                return Ok(stream);
            }
            Ok(Err(error)) => last = TcpFault::Refused(error),
            Err(_) => last = TcpFault::Timeout,
        }
    }
    Err(last)
}

async fn resolve(endpoint: &HostPort) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = endpoint.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, endpoint.port)]);
    }
    let found: Vec<_> = lookup_host((endpoint.host.as_str(), endpoint.port)).await?.collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(found)
}

fn listed(addresses: &[SocketAddr]) -> String {
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// The deadline is one for all steps; its error names the whole, not the rest that CONNECT was left with.
fn with_whole_deadline(error: TunnelError, limits: &Deadlines) -> TunnelError {
    match error {
        TunnelError::ProxySilent { proxy, target, .. } => {
            TunnelError::ProxySilent { proxy, target, after: limits.connect }
        }
        other => other,
    }
}
