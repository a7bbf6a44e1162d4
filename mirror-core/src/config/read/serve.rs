//! How a node serves: the block that a local node has under `serve`, and a cluster node under `mirror.serve`.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::block::{Field, Found};
use super::identity::read_secret_source;
use super::judge::{Judge, Origin};
use crate::config::problem::{AcrossFault, ValueFault};
use crate::config::size::ByteSize;
use crate::config::types::{FlushOnPush, FreeSpace, Limits, NodeKind, Readers, Schedule, Serve, Tls};

impl Serve {
    /// Gives what a local node is served with where nothing is said: openly, without TLS, to this machine alone.
    #[must_use]
    pub fn local() -> Self {
        Self::default_of(NodeKind::Local)
    }

    /// Gives what is served with where nothing is said: openly, without TLS, on port 8080 of the address.
    fn on(address: Ipv4Addr) -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(address), 8080),
            tls: None,
            readers: Readers::Open,
            readers_said: false,
            tokens: None,
            insecure_tokens: false,
            pack_cache: ByteSize::gib(10),
            limits: Limits::default(),
            schedule: Schedule::default(),
            free_space: FreeSpace::default(),
        }
    }

    /// Checks that it is said who may read, where other machines reach the address. `path` names the block in the file.
    ///
    /// # Errors
    /// [`AcrossFault::ReadersUnsaid`].
    pub fn verify_readers_on(&self, listen: SocketAddr, path: &str) -> Result<(), AcrossFault> {
        match self.readers_said || listen.ip().to_canonical().is_loopback() {
            true => Ok(()),
            false => Err(AcrossFault::ReadersUnsaid { path: path.to_owned(), listen }),
        }
    }

    /// Gives the defaults of a kind of node: a server of this machine is for this machine, one in a cluster for its network.
    pub(super) fn default_of(kind: NodeKind) -> Self {
        Self::on(match kind {
            NodeKind::Local => Ipv4Addr::LOCALHOST,
            NodeKind::Cluster => Ipv4Addr::UNSPECIFIED,
        })
    }
}

/// Reads the block; `key` is its path below the node.
pub(super) fn read_serve(field: &Field<'_>, judge: &Judge<'_>, key: &str, found: &mut Found) -> Option<Serve> {
    let mut serve = Serve::default_of(judge.kind);
    let mut block = field.block(found)?;
    let listen = block.take("listen");
    if let Some(listen) = listen.as_ref().and_then(|field| read_listen(field, found)) {
        serve.listen = listen;
    }
    serve.tls = block.take("tls").and_then(|field| read_tls(&field, found));
    let readers = block.take("readers");
    serve.readers_said = readers.is_some();
    if let Some(field) = &readers {
        match field.text(found).map(|text| text.value) {
            Some("open") | None => {}
            Some("tokens") => serve.readers = Readers::Tokens,
            Some(other) => field.not_one_of(found, other, "`open` or `tokens`"),
        }
    }
    let tokens = block.take("tokens");
    if let Some(at) = tokens.as_ref().and_then(|field| read_secret_source(field, found)) {
        judge.secret_source(&at, Origin::Own, "tokens", &format!("{key}.tokens"), found);
        serve.tokens = Some(at.value);
    }
    // In a cluster, it is the network that says who reaches the server.
    if let (NodeKind::Local, Some(field)) = (judge.kind, &listen)
        && let Err(fault) = serve.verify_readers_on(serve.listen, &path_of(field))
    {
        field.report(found, fault, "who may read?");
    }
    if let Some(insecure) = block.take("insecureTokens").and_then(|field| field.switch(found)) {
        serve.insecure_tokens = insecure;
    }
    if let (Readers::Tokens, None, Some(field)) = (serve.readers, &tokens, &readers) {
        field.report(found, AcrossFault::ReadersWithoutTokens { path: field.path.clone() }, "which tokens?");
    }
    if let Some(mut cache) = block.take("packCache").and_then(|field| field.block(found)) {
        if let Some(size) = cache.take("size").and_then(|field| field.size(found)) {
            serve.pack_cache = size;
        }
        cache.finish(found);
    }
    if let Some(field) = block.take("limits") {
        read_limits(&field, &mut serve.limits, found);
    }
    if let Some(field) = block.take("schedule") {
        read_schedule(&field, &mut serve.schedule, found);
    }
    if let Some(field) = block.take("freeSpace") {
        read_free_space(&field, &mut serve.free_space, found);
    }
    block.finish(found);
    Some(serve)
}

/// The path of the block that a key stands in.
fn path_of(field: &Field<'_>) -> String {
    field.path.rsplit_once('.').map_or_else(String::new, |(block, _)| block.to_owned())
}

fn read_listen(field: &Field<'_>, found: &mut Found) -> Option<SocketAddr> {
    field
        .parsed(found, |text| {
            text.parse::<SocketAddr>().map_err(|_| ValueFault::Malformed {
                path: field.path.clone(),
                what: "an address to listen on",
                rule: "write an IP address and a port, such as `127.0.0.1:8080` or `[::1]:8080`",
            })
        })
        .map(|at| at.value)
}

fn read_tls(field: &Field<'_>, found: &mut Found) -> Option<Tls> {
    let mut block = field.block(found)?;
    let certificate = block.need("certificate", "`certificate: ./tls.crt`").and_then(|field| field.file_path(found));
    let key = block.need("key", "`key: ./tls.key`").and_then(|field| field.file_path(found));
    block.finish(found);
    Some(Tls { certificate: certificate?, key: key? })
}

fn read_limits(field: &Field<'_>, limits: &mut Limits, found: &mut Found) {
    let Some(mut block) = field.block(found) else { return };
    if let Some(packs) = block.take("packs").and_then(|field| field.number(found, 1, 1024)) {
        limits.packs = packs;
    }
    if let Some(queue) = block.take("queue").and_then(|field| field.number(found, 0, 65_536)) {
        limits.queue = queue;
    }
    if let Some(body) = block.take("body").and_then(|field| field.size(found)) {
        limits.body = body;
    }
    block.finish(found);
}

fn read_schedule(field: &Field<'_>, schedule: &mut Schedule, found: &mut Found) {
    let Some(mut block) = field.block(found) else { return };
    if let Some(every) = block.take("syncEvery").and_then(|field| field.duration_above_zero(found)) {
        schedule.sync_every = Some(every);
    }
    if let Some(true) = block.take("flushOnPush").and_then(|field| field.switch(found)) {
        schedule.flush_on_push = FlushOnPush::Yes;
    }
    if let Some(field) = block.take("maintainEvery") {
        match field.text(found).map(|text| text.value) {
            Some("never") => schedule.maintain_every = None,
            Some(_) => {
                if let Some(every) = field.duration_above_zero(found) {
                    schedule.maintain_every = Some(every);
                }
            }
            None => {}
        }
    }
    block.finish(found);
}

fn read_free_space(field: &Field<'_>, space: &mut FreeSpace, found: &mut Found) {
    let Some(mut block) = field.block(found) else { return };
    if let Some(stop) = block.take("stop").and_then(|field| field.size(found)) {
        space.stop = stop;
    }
    if let Some(resume) = block.take("resume").and_then(|field| field.size(found)) {
        space.resume = resume;
    }
    block.finish(found);
    if space.resume < space.stop {
        field.report(found, AcrossFault::FreeSpace { path: field.path.clone() }, "would go on before it stopped");
    }
}
