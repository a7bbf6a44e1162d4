//! The proxy: its address, its faults, its record.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::fault::{Direction, ProxyFault, Stop, Tunnels};
use super::head::{self, Request};
use super::pump::{Ended, Way, pump};
use super::record::{ProxyRecord, TunnelRecord};
use crate::background::Background;
use crate::byte_limit::ByteLimit;
use crate::watched::Watched;

/// A CONNECT proxy on a free port of 127.0.0.1.
#[derive(Debug)]
pub struct EmbeddedProxy {
    port: u16,
    shared: Arc<Shared>,
    _background: Background,
}

/// A user and a password that the proxy asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

#[derive(Debug, Default)]
struct Shared {
    record: Watched<ProxyRecord>,
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    round_trip: Duration,
    credentials: Option<Credentials>,
    faults: Vec<(Tunnels, ProxyFault)>,
}

impl Default for EmbeddedProxy {
    fn default() -> Self {
        Self::start()
    }
}

impl EmbeddedProxy {
    /// Starts a proxy without delay, credentials or faults.
    ///
    /// # Panics
    /// Where no port can be bound.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("because a loopback port is free");
        listener.set_nonblocking(true).expect("because the socket is ours");
        let port = listener.local_addr().expect("because the socket is bound").port();
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        let background = Background::start("proxy", move |stopped| {
            let listener = TcpListener::from_std(listener).expect("because the socket does not block");
            async move { stopped.unless(accept(listener, serving)).await }
        });
        Self { port, shared, _background: background }
    }

    /// Gives the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Gives the socket address.
    pub fn socket(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Gives the URL for a configuration.
    pub fn url(&self) -> String {
        format!("http://{}", self.socket())
    }

    /// Makes every byte of tunnels opened from now on take half of this time, and opening them the whole.
    pub fn set_round_trip(&self, round_trip: Duration) {
        self.rules(|rules| rules.round_trip = round_trip);
    }

    /// Asks for credentials from now on; without the right ones a request is answered with 407.
    pub fn require(&self, credentials: Credentials) {
        self.rules(|rules| rules.credentials = Some(credentials));
    }

    /// Adds a fault; the first one that holds for a connection and comes before the tunnel decides its answer.
    pub fn inject(&self, on: Tunnels, fault: ProxyFault) {
        self.rules(|rules| rules.faults.push((on, fault)));
    }

    /// Adds a fault to the next connection only.
    pub fn inject_once(&self, fault: ProxyFault) {
        self.inject(Tunnels::Nth(self.record().connections + 1), fault);
    }

    /// Forgets all faults; tunnels that are open keep theirs.
    pub fn clear_faults(&self) {
        self.rules(|rules| rules.faults.clear());
    }

    /// Gives what went through so far.
    pub fn record(&self) -> ProxyRecord {
        self.shared.record.read()
    }

    /// Waits until the record is as wanted.
    ///
    /// # Panics
    /// Where it does not get there within five minutes.
    pub fn wait(&self, wanted: impl Fn(&ProxyRecord) -> bool) -> ProxyRecord {
        self.shared.record.wait(wanted)
    }

    fn rules<T>(&self, change: impl FnOnce(&mut Rules) -> T) -> T {
        self.shared.rules(change)
    }
}

impl Shared {
    fn rules<T>(&self, change: impl FnOnce(&mut Rules) -> T) -> T {
        change(&mut self.rules.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let number = shared.record.write(|record| {
            record.connections += 1;
            record.connections
        });
        let faults = shared.rules(|rules| {
            let meant = rules.faults.iter().filter(|(on, _)| on.hold(number));
            meant.map(|(_, fault)| fault.clone()).collect()
        });
        tokio::spawn(serve(stream, faults, Arc::clone(&shared)));
    }
}

/// Serves one connection to its end.
async fn serve(mut client: TcpStream, faults: Vec<ProxyFault>, shared: Arc<Shared>) -> Option<()> {
    client.set_nodelay(true).ok()?;
    if faults.contains(&ProxyFault::CloseAtAccept) {
        return None;
    }
    let request = head::read(&mut client).await?;
    shared.record.write(|record| record.requests.push(request.line.clone()));
    for fault in &faults {
        respond_with_fault(&mut client, fault).await?;
    }
    let (round_trip, wanted) = shared.rules(|rules| (rules.round_trip, rules.credentials.clone()));
    let allowed =
        wanted.is_none_or(|wanted| request.credentials == Some(format!("{}:{}", wanted.user, wanted.password)));
    let Some(target) = request.target.as_deref().filter(|_| allowed) else {
        let status = if allowed { 405 } else { 407 };
        client.write_all(&head::refusal(status)).await.ok()?;
        return client.shutdown().await.ok();
    };
    // From the client to the proxy, on to the target, and back: the tunnel's own set-up.
    tokio::time::sleep(round_trip).await;
    let Ok(upstream) = TcpStream::connect(target).await else {
        client.write_all(&head::refusal(502)).await.ok()?;
        return client.shutdown().await.ok();
    };
    upstream.set_nodelay(true).ok()?;
    tunnel(client, upstream, request, &faults, round_trip / 2, &shared).await
}

/// Performs a fault that comes before the tunnel; gives nothing where that ended the connection.
async fn respond_with_fault(client: &mut TcpStream, fault: &ProxyFault) -> Option<()> {
    match fault {
        ProxyFault::Coalesce | ProxyFault::ByteByByte | ProxyFault::Stop { .. } => return Some(()),
        ProxyFault::CloseAtAccept | ProxyFault::CloseAfterRequest => {}
        ProxyFault::Silence => stay(client).await?,
        ProxyFault::Refuse(status) => client.write_all(&head::refusal(*status)).await.ok()?,
        ProxyFault::Respond(bytes) => client.write_all(bytes).await.ok()?,
        ProxyFault::RespondAndHold(bytes) => {
            client.write_all(bytes).await.ok()?;
            stay(client).await?;
        }
        ProxyFault::EndlessHeader => {
            client.write_all(b"HTTP/1.1 200 OK\r\n").await.ok()?;
            loop {
                client.write_all(&b"X-Rig: and so on\r\n".repeat(64)).await.ok()?;
            }
        }
        ProxyFault::EndlessHeaderLine => {
            client.write_all(b"HTTP/1.1 200 OK\r\nX-Rig: ").await.ok()?;
            loop {
                client.write_all(&[b'x'; 4096]).await.ok()?;
            }
        }
    }
    // An orderly shutdown, so that what was sent arrives.
    client.shutdown().await.ok()?;
    None
}

/// Listens until the client goes away.
async fn stay(client: &mut TcpStream) -> Option<()> {
    let mut ignored = [0; 4096];
    while client.read(&mut ignored).await.ok()? > 0 {}
    Some(())
}

async fn tunnel(
    mut client: TcpStream,
    mut upstream: TcpStream,
    request: Request,
    faults: &[ProxyFault],
    delay: Duration,
    shared: &Shared,
) -> Option<()> {
    let index = shared.record.write(|record| {
        let target = request.target.clone().unwrap_or_default();
        record.tunnels.push(TunnelRecord { target, ..TunnelRecord::default() });
        record.tunnels.len() - 1
    });
    let _end = Ending { shared, index };
    let mut first = Vec::new();
    if faults.contains(&ProxyFault::Coalesce) {
        upstream.read_buf(&mut first).await.ok()?;
        let glued = [head::OPEN, &first].concat();
        shared.record.write(|record| record.tunnels[index].to_client += first.len() as u64);
        client.write_all(&glued).await.ok()?;
    } else {
        client.write_all(head::OPEN).await.ok()?;
    }
    let (client_read, client_write) = client.into_split();
    let (upstream_read, upstream_write) = upstream.into_split();
    let count = |change: fn(&mut TunnelRecord, u64)| {
        move |bytes: u64| shared.record.write(|record| change(&mut record.tunnels[index], bytes))
    };
    let outward = pump(
        client_read,
        upstream_write,
        request.rest,
        way(faults, Direction::ToTarget, delay),
        count(|tunnel, bytes| tunnel.to_target += bytes),
    );
    let inward = pump(
        upstream_read,
        client_write,
        Vec::new(),
        way(faults, Direction::ToClient, delay),
        count(|tunnel, bytes| tunnel.to_client += bytes),
    );
    tokio::pin!(outward, inward);
    // A cut ends both directions; an orderly end of one leaves the other to its own.
    let ended = tokio::select! {
        ended = &mut outward => (ended == Ended::Closed).then_some(Direction::ToTarget),
        ended = &mut inward => (ended == Ended::Closed).then_some(Direction::ToClient),
    };
    match ended {
        Some(Direction::ToTarget) => drop(inward.await),
        Some(Direction::ToClient) => drop(outward.await),
        None => {}
    }
    Some(())
}

fn way(faults: &[ProxyFault], of: Direction, delay: Duration) -> Way {
    let mut way = Way { delay, limit: ByteLimit::after(None), then: Stop::Cut, piece: usize::MAX };
    for fault in faults {
        match fault {
            ProxyFault::Stop { direction, after, then } if *direction == of => {
                way.limit = ByteLimit::after(Some(*after));
                way.then = *then;
            }
            ProxyFault::ByteByByte if of == Direction::ToClient => way.piece = 1,
            _ => {}
        }
    }
    way
}

/// Marks a tunnel as over, however it ended.
struct Ending<'s> {
    shared: &'s Shared,
    index: usize,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.shared.record.write(|record| record.tunnels[self.index].ended = true);
    }
}
